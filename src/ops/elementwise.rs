//! Functions of single elements: what they share is written once, what sets one apart it states itself.

use std::ops::RangeInclusive;

use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights,
};
use super::{one, shape};
use crate::tensor::TensorType;
use crate::units::Overflow;

/// The facts of one elementwise function without stored tensors. None has a default.
///
/// Every such function may overwrite an input, keeps each channel where it is, and has a backward pass without
/// multiply-accumulates.
pub(super) trait Elementwise {
    /// How many tensors it takes.
    const TENSORS: usize;

    /// What sort of work it is.
    const FAMILY: Family;

    /// The type of its output, or why the inputs do not fit.
    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>>;

    /// The elementary operations of one output element.
    fn operations(&self) -> &'static [(Kind, u64)];

    /// What PyTorch's autograd saves.
    fn eager(&self, io: Io<'_>) -> Kept;

    /// The least that a hand-written rule needs. The output where it is enough: the next layer often keeps it anyway.
    fn minimal(&self) -> Kept;
}

impl<T: Elementwise> Operator for T {
    fn arity(&self) -> RangeInclusive<usize> {
        T::TENSORS..=T::TENSORS
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        self.output(inputs)
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        T::FAMILY
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        Cost::NONE.each(io.output_elements(), self.operations())
    }

    fn storage(&self) -> Storage {
        Storage::Overwrites
    }

    fn backward(&self, io: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward { eager: self.eager(io), ..Backward::keeps(self.minimal()) })
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Same
    }
}

/// The output of a function of one tensor: its input's type.
pub(super) fn same(inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
    one(inputs[0].clone())
}

/// The output of a function of several tensors: their common element type, and their shapes broadcast.
pub(super) fn broadcast(inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
    let dtype = shape::common_dtype(inputs)?;
    one(TensorType { shape: shape::broadcast(inputs)?, dtype })
}
