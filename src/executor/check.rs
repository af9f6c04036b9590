//! Predicted figures held against measured ones.

pub mod flops;
pub mod gradients;
pub mod macs;
pub mod memory;
pub mod stored;

use candle_core::{DType, Device, Tensor};

use crate::measurement::{Check, Difference, Unit, Verdict};
use crate::ops::execute::{Fault, dims};
use crate::tensor::TensorType;

/// What a check compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its key in reports.
    pub name: &'static str,
    /// What it compares, in a line.
    pub what: &'static str,
    /// What it counts.
    pub unit: Unit,
}

impl Subject {
    /// A subject.
    pub const fn new(name: &'static str, what: &'static str, unit: Unit) -> Self {
        Self { name, what, unit }
    }

    /// Its check where it was not made.
    pub fn unchecked(self, why: impl Into<String>) -> Check {
        let mut check = self.comparison().exact();
        (check.predicted, check.measured, check.verdict) = (None, None, Verdict::Unchecked(why.into()));
        check
    }

    fn comparison(self) -> Comparison {
        Comparison::new(self.name, self.what, self.unit)
    }
}

/// Every check, in the order in which they are made and shown.
pub const SUBJECTS: [Subject; 14] = [
    SHAPES,
    PARAMETERS,
    macs::FORWARD,
    macs::GRAD_INPUT,
    macs::GRAD_WEIGHT,
    flops::FLOPS,
    memory::INFERENCE.live,
    memory::INFERENCE.workspace,
    memory::TRAINING.live,
    memory::TRAINING.workspace,
    gradients::SUBJECTS[0],
    gradients::SUBJECTS[1],
    gradients::SUBJECTS[2],
    gradients::SUBJECTS[3],
];

/// Of every tensor of a forward pass.
pub const SHAPES: Subject = Subject::new("shapes", "shapes and element types of all tensors", Unit::Tensors);
const PARAMETERS: Subject =
    Subject::new("parameters", "elements of stored tensors that ops read", Unit::Elements);

/// Ones in the shape of a tensor.
fn ones(of: &TensorType, dtype: DType, device: &Device) -> Result<Tensor, Fault> {
    Ok(Tensor::ones(dims(of), dtype, device)?)
}

/// A comparison node by node while it grows.
struct Comparison {
    name: &'static str,
    what: &'static str,
    unit: Unit,
    predicted: u64,
    measured: u64,
    compared: usize,
    off: Vec<Difference>,
    notes: Vec<String>,
}

impl Comparison {
    fn new(name: &'static str, what: &'static str, unit: Unit) -> Self {
        Self { name, what, unit, predicted: 0, measured: 0, compared: 0, off: Vec::new(), notes: Vec::new() }
    }

    /// Takes up one node's figures.
    fn compare(&mut self, node: crate::graph::NodeId, predicted: u64, measured: u64) {
        self.compared += 1;
        self.predicted = self.predicted.saturating_add(predicted);
        self.measured = self.measured.saturating_add(measured);
        if predicted != measured {
            self.off.push(Difference {
                node,
                predicted: predicted.to_string(),
                measured: measured.to_string(),
            });
        }
    }

    /// Equal everywhere, or off.
    fn exact(self) -> Check {
        let verdict = match (self.off.is_empty(), self.compared) {
            (_, 0) => Verdict::Unchecked("the network has no node to compare".into()),
            (true, _) => Verdict::Exact,
            (false, _) => Verdict::Off,
        };
        Check {
            name: self.name,
            what: self.what,
            verdict,
            predicted: Some(self.predicted),
            measured: Some(self.measured),
            unit: self.unit,
            compared: self.compared,
            off: self.off,
            note: (!self.notes.is_empty()).then(|| self.notes.join("; ")),
        }
    }
}
