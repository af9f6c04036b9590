//! Copies of gradients, bit for bit: those that are predicted, and no others around adds.
//!
//! A class says that its members' gradients are equal whatever the numbers are. That two classes differ it does not say:
//! what stands between two adds may pass a gradient on unchanged, as dropout does here. What must differ is an add's
//! operand from its sum, where the two are in no class together: then something else hands it a gradient too.

use std::collections::BTreeSet;

use candle_core::{DType, Tensor};
use rustc_hash::FxHashMap;

use crate::analysis::gradient::copies::classes;
use crate::executor::run::{Network, Observer};
use crate::graph::{Graph, Node, NodeId, Outlet};
use crate::measurement::{Check, Difference, Unit, Verdict};
use crate::ops::Op;
use crate::ops::execute::Fault;

/// 128 bits of a tensor's sizes and elements, and whether all of these are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Print {
    bits: (u64, u64),
    is_zero: bool,
}

impl Print {
    /// Where no gradient arrives it is zero.
    const NOTHING: Self = Self { bits: (0, 0), is_zero: true };

    fn new(of: &Tensor) -> Result<Self, Fault> {
        let values = of.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        let sizes = of.dims().iter().map(|&size| size as u64);
        // Two multiplicative hashes by different odd numbers, each over all 64 bits of an element.
        let mix = |hash: u64, bits: u64, by: u64| (hash.rotate_left(5) ^ bits).wrapping_mul(by);
        let bits = sizes.chain(values.iter().map(|value| value.to_bits())).fold((1, 2), |(a, b), bits| {
            (mix(a, bits, 0x9e37_79b9_7f4a_7c15), mix(b, bits, 0xc2b2_ae3d_27d4_eb4f))
        });
        Ok(Self { bits, is_zero: values.iter().all(|&value| value == 0.0) })
    }
}

fn adds(graph: &Graph) -> impl Iterator<Item = (Outlet, &Node)> {
    let adds = graph.nodes().filter(|(_, node)| matches!(*node.op, Op::Add(_)));
    adds.map(|(node, add)| (Outlet { node, port: 0 }, add))
}

/// The prints of the gradients of the tensors around adds.
pub(super) struct Prints {
    classes: Vec<Vec<Outlet>>,
    /// What is printed: members of classes, operands and results of adds.
    around: BTreeSet<Outlet>,
    found: FxHashMap<Outlet, Print>,
}

impl Prints {
    pub(super) fn new(graph: &Graph) -> Self {
        Self::of(graph, classes(graph))
    }

    fn of(graph: &Graph, classes: Vec<Vec<Outlet>>) -> Self {
        let mut around: BTreeSet<Outlet> = classes.iter().flatten().copied().collect();
        adds(graph).for_each(|(sum, add)| around.extend(add.inputs.iter().copied().chain([sum])));
        Self { classes, around, found: FxHashMap::default() }
    }

    /// The print of a tensor's whole gradient; `None` where it has none of its own.
    fn get(&self, network: &Network<'_>, outlet: Outlet) -> Option<Print> {
        let own = network.has_gradients(outlet.node);
        own.then(|| self.found.get(&outlet).copied().unwrap_or(Print::NOTHING))
    }
}

impl Observer for Prints {
    fn gradients(&mut self, node: NodeId, gradients: &[Option<Tensor>]) -> Result<(), Fault> {
        for (port, gradient) in (0u32..).zip(gradients) {
            let outlet = Outlet { node, port };
            if let Some(gradient) = gradient
                && self.around.contains(&outlet)
            {
                self.found.insert(outlet, Print::new(gradient)?);
            }
        }
        Ok(())
    }
}

/// What was found so far.
#[derive(Default)]
struct Found {
    /// Copies: in each class all tensors that were compared, but one.
    predicted: u64,
    measured: u64,
    compared: BTreeSet<Outlet>,
    /// Operands whose other readers hand them nothing in this run.
    idle: usize,
    off: Vec<Difference>,
}

/// The classes of copies around adds, against the gradients that arrived.
pub(super) fn check(network: &Network<'_>, prints: &Prints) -> Check {
    let mut found = Found::default();
    for class in &prints.classes {
        found.class(network, prints, class);
    }
    found.strangers(network, prints);
    found.check(prints.around.len())
}

impl Found {
    /// All members have one gradient.
    fn class(&mut self, network: &Network<'_>, prints: &Prints, class: &[Outlet]) {
        let there = |&outlet: &Outlet| Some((outlet, prints.get(network, outlet)?));
        let members: Vec<(Outlet, Print)> = class.iter().filter_map(there).collect();
        // Of zeros alone nothing is seen; a zero beside others is a gradient that was lost.
        let Some(&(first, print)) = members.iter().find(|(_, print)| !print.is_zero) else { return };
        if members.len() < 2 {
            return;
        }
        self.compared.extend(members.iter().map(|(outlet, _)| *outlet));
        for &(outlet, other) in members.iter().filter(|(outlet, _)| *outlet != first) {
            self.predicted += 1;
            if other == print {
                self.measured += 1;
                continue;
            }
            self.off.push(Difference {
                node: outlet.node,
                predicted: format!("the gradient of `{}`", network.graph.node(first.node).name),
                measured: if other.is_zero { "zero" } else { "another one" }.into(),
            });
        }
    }

    /// An operand that is not in its sum's class has another gradient.
    fn strangers(&mut self, network: &Network<'_>, prints: &Prints) {
        let graph = network.graph;
        let mut places: FxHashMap<Outlet, usize> = FxHashMap::default();
        for (place, class) in prints.classes.iter().enumerate() {
            places.extend(class.iter().map(|&outlet| (outlet, place)));
        }
        let mut uses: FxHashMap<Outlet, usize> = FxHashMap::default();
        for outlet in graph.nodes().flat_map(|(_, node)| &node.inputs).chain(&graph.outputs) {
            *uses.entry(*outlet).or_insert(0) += 1;
        }
        for (sum, add) in adds(graph) {
            let Some(of_sum) = prints.get(network, sum).filter(|print| !print.is_zero) else { continue };
            let operands: BTreeSet<Outlet> = add.inputs.iter().copied().collect();
            for operand in operands {
                let together = places.get(&sum).is_some_and(|place| places.get(&operand) == Some(place));
                let Some(own) = prints.get(network, operand).filter(|_| !together) else { continue };
                if own != of_sum {
                    self.compared.extend([operand, sum]);
                } else if uses.get(&operand).is_some_and(|&uses| uses > 1) {
                    self.idle += 1;
                } else {
                    self.compared.extend([operand, sum]);
                    self.measured += 1;
                    self.off.push(Difference {
                        node: operand.node,
                        predicted: format!("another gradient than that of `{}`", graph.node(sum.node).name),
                        measured: "the same".into(),
                    });
                }
            }
        }
    }

    fn check(self, around: usize) -> Check {
        let compared = self.compared.len();
        let mut notes = Vec::new();
        if compared < around {
            notes.push(format!(
                "{} of the tensors around adds were not compared: views, or no gradient arrives, or all of it is zeros",
                around - compared
            ));
        }
        if self.idle > 0 {
            notes.push(format!(
                "{} operands have the gradient of their sum because nothing else hands them one, though it reads them",
                self.idle
            ));
        }
        Check {
            name: "gradient_copies",
            what: "copies among the gradients of operands and results of adds, bit for bit",
            verdict: match (compared, self.off.is_empty()) {
                (0, _) => Verdict::Unchecked("no gradient arrives at an add".into()),
                (_, true) => Verdict::Exact,
                _ => Verdict::Off,
            },
            predicted: Some(self.predicted),
            measured: Some(self.measured),
            unit: Unit::Tensors,
            compared,
            off: self.off,
            note: (!notes.is_empty()).then(|| notes.join("; ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::executor::seeded;
    use crate::frontend::{LoadOptions, load_bytes};

    const NETWORK: &str = r#"{"inputs": {"x": [4]}, "layers": [
        {"op": "linear", "name": "a", "out_features": 4},
        {"op": "linear", "name": "b", "out_features": 4},
        {"op": "add", "name": "sum", "inputs": ["a", "b"]}
    ]}"#;

    /// The check of `a` and `b`, which has another reader, and their sum; with these classes and gradients.
    fn checked(classes: &[&[usize]], gradients: [f64; 3]) -> Check {
        let (mut sources, mut sink) = Default::default();
        let bytes = NETWORK.as_bytes().to_vec();
        let loaded = load_bytes("n.json", "n", bytes, &LoadOptions::default(), &mut sources, &mut sink);
        let graph = loaded.unwrap_or_else(|| panic!("{sink:?}")).graph;
        let mut values = |id, one: &_| seeded::stored(&graph, id, one, 1, &Device::Cpu);
        let network = Network::new(&graph, &Device::Cpu, &mut values).expect("it runs");
        let around: Vec<Outlet> = graph.nodes().skip(1).map(|(node, _)| Outlet { node, port: 0 }).collect();
        let classes = classes.iter().map(|class| class.iter().map(|&at| around[at]).collect()).collect();
        let mut prints = Prints::of(&graph, classes);
        for (outlet, gradient) in around.iter().zip(gradients) {
            let gradient = Tensor::full(gradient, (1, 4), &Device::Cpu).expect("on the CPU");
            prints.gradients(outlet.node, &[Some(gradient)]).expect("on the CPU");
        }
        check(&network, &prints)
    }

    #[track_caller]
    fn is(check: &Check, exact: bool, [compared, predicted, measured]: [u64; 3]) {
        assert_eq!(check.verdict == Verdict::Exact, exact, "{check:?}");
        assert_eq!(check.verdict == Verdict::Off, !exact, "{check:?}");
        let found = [Some(check.compared as u64), check.predicted, check.measured];
        assert_eq!(found, [Some(compared), Some(predicted), Some(measured)], "{check:?}");
    }

    #[test]
    fn classes_are_as_the_gradients_or_off() {
        // `b` alone is read by the sum alone.
        is(&checked(&[&[0], &[1, 2]], [3.0, 2.0, 2.0]), true, [3, 1, 1]);
        // Merged wrongly: `a` is read twice, and the others are held against it.
        is(&checked(&[&[0, 1, 2]], [3.0, 2.0, 2.0]), false, [3, 2, 0]);
        // Parted wrongly, or not found at all.
        is(&checked(&[&[0], &[1], &[2]], [3.0, 2.0, 2.0]), false, [3, 0, 1]);
        is(&checked(&[], [3.0, 2.0, 2.0]), false, [3, 0, 1]);
    }

    #[test]
    fn a_lost_gradient_is_off() {
        is(&checked(&[&[0], &[1, 2]], [3.0, 0.0, 2.0]), false, [3, 1, 0]);
        is(&checked(&[&[0], &[1, 2]], [3.0, 2.0, 0.0]), false, [2, 1, 0]);
    }

    #[test]
    fn zeros_and_single_tensors_say_nothing() {
        let check = checked(&[&[0], &[1, 2]], [3.0, 0.0, 0.0]);
        assert!(matches!(check.verdict, Verdict::Unchecked(_)) && check.compared == 0, "{check:?}");
        assert!(check.note.as_ref().is_some_and(|note| note.starts_with("3 of")), "{check:?}");
    }

    #[test]
    fn a_copy_by_an_idle_reader_is_told_and_not_off() {
        let check = checked(&[&[0], &[1, 2]], [2.0, 2.0, 2.0]);
        is(&check, true, [2, 1, 1]);
        assert!(check.note.as_ref().is_some_and(|note| note.contains("1 operands")), "{check:?}");
    }
}
