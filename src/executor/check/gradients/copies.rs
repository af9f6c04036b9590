//! Copies of gradients: equal bit for bit, or not.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};
use rustc_hash::FxHashMap;

use crate::analysis::gradient::copies::classes;
use crate::executor::run::Observer;
use crate::graph::{Graph, NodeId, Outlet};
use crate::measurement::{Check, Difference, Unit, Verdict};
use crate::ops::execute::Fault;

/// 128 bits of a tensor's elements, and whether any is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Print {
    bits: (u64, u64),
    is_zero: bool,
}

fn print(of: &Tensor) -> Result<Print, Fault> {
    let values = of.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
    // Two multiplicative hashes by different odd numbers, each over all 64 bits of an element.
    let mix = |hash: u64, bits: u64, by: u64| (hash.rotate_left(5) ^ bits).wrapping_mul(by);
    let bits = values.iter().fold((1, 2), |(a, b), value| {
        (mix(a, value.to_bits(), 0x9e37_79b9_7f4a_7c15), mix(b, value.to_bits(), 0xc2b2_ae3d_27d4_eb4f))
    });
    Ok(Print { bits, is_zero: values.iter().all(|&value| value == 0.0) })
}

/// The prints of the gradients of the tensors around adds.
pub(super) struct Prints {
    classes: Vec<Vec<Outlet>>,
    members: FxHashMap<Outlet, ()>,
    found: FxHashMap<Outlet, Print>,
}

impl Prints {
    pub(super) fn new(graph: &Graph) -> Self {
        let classes = classes(graph);
        let members = classes.iter().flatten().map(|&outlet| (outlet, ())).collect();
        Self { classes, members, found: FxHashMap::default() }
    }
}

impl Observer for Prints {
    fn gradients(&mut self, node: NodeId, gradients: &[Option<Tensor>]) -> Result<(), Fault> {
        for (port, gradient) in (0u32..).zip(gradients) {
            let outlet = Outlet { node, port };
            if let Some(gradient) = gradient
                && self.members.contains_key(&outlet)
            {
                self.found.insert(outlet, print(gradient)?);
            }
        }
        Ok(())
    }
}

/// The classes of copies around adds, against the gradients that arrived.
pub(super) fn check(graph: &Graph, prints: &Prints) -> Check {
    let (mut predicted, mut compared, mut off) = (0u64, 0, Vec::new());
    let mut missing = 0;
    let mut seen: BTreeMap<Print, &str> = BTreeMap::new();
    for class in &prints.classes {
        let there = |outlet: &Outlet| Some((*outlet, *prints.found.get(outlet)?));
        let found: Vec<(Outlet, Print)> =
            class.iter().filter_map(there).filter(|(_, print)| !print.is_zero).collect();
        missing += class.len() - found.len();
        let Some(&(first, print)) = found.first() else { continue };
        predicted += 1;
        compared += found.len();
        let name = |outlet: Outlet| &*graph.node(outlet.node).name;
        for &(outlet, _) in found.iter().filter(|(_, other)| *other != print) {
            off.push(Difference {
                node: outlet.node,
                predicted: format!("the gradient of `{}`", name(first)),
                measured: "another one".into(),
            });
        }
        if let Some(other) = seen.insert(print, name(first)) {
            off.push(Difference {
                node: first.node,
                predicted: format!("another gradient than that of `{other}`"),
                measured: "the same".into(),
            });
        }
    }
    Check {
        name: "gradient_copies",
        what: "different gradients of operands and results of adds, bit for bit",
        verdict: match (compared, off.is_empty()) {
            (0, _) => Verdict::Unchecked("no gradient arrives at an add".into()),
            (_, true) => Verdict::Exact,
            _ => Verdict::Off,
        },
        predicted: Some(predicted),
        measured: Some(
            seen.len() as u64 + off.iter().filter(|one| one.measured == "another one").count() as u64,
        ),
        unit: Unit::Tensors,
        compared,
        off,
        note: (missing > 0).then(|| {
            format!(
                "{missing} of them were not compared: views, or no gradient arrives, or all of it is zeros"
            )
        }),
    }
}
