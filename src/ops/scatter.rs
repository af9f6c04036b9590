use std::ops::RangeInclusive;

use super::attribute::{attributes, choice};
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, elementwise,
};
use crate::tensor::TensorType;
use crate::units::Overflow;

choice! {
    /// How what is written meets what was there.
    ScatterReduction {
        /// It replaces it.
        None = "none",
        /// Their sum.
        Add = "add",
        /// Their product.
        Mul = "mul",
        /// The larger.
        Max = "max",
        /// The smaller.
        Min = "min",
    }
}

attributes! {
    /// A copy of a tensor in which some elements are replaced.
    ///
    /// ## Formula
    /// The inputs are the tensor, indices, and what is written at them; the output has the first one's type.
    ///
    /// ## Counted
    /// FLOPs: with a reduction 1 for each element that is written, else none: data is moved. Bytes: `explain traffic`.
    ///
    /// ## Source
    /// `torch.scatter`, `index_put`; ONNX ScatterElements, ScatterND.
    Scatter = "scatter" {
        /// What becomes of the element that was there.
        reduction: ScatterReduction = ScatterReduction::None,
    }
}

impl Operator for Scatter {
    fn arity(&self) -> RangeInclusive<usize> {
        3..=3
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        elementwise::same(inputs)
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Movement
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let written = io.inputs[2].elements().get();
        match self.reduction {
            ScatterReduction::None => Ok(Cost::NONE),
            ScatterReduction::Add => Cost::NONE.and(Kind::Add, written),
            ScatterReduction::Mul => Cost::NONE.and(Kind::Mul, written),
            ScatterReduction::Max => Cost::NONE.and(Kind::Max, written),
            ScatterReduction::Min => Cost::NONE.and(Kind::Min, written),
        }
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::keeps(Kept::INPUTS))
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Mixed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn writes() {
        let op = Scatter { reduction: ScatterReduction::None };
        check(op, &[&[4, 6], &[2, 6], &[2, 6]]).outputs("4x6").flops(0).macs(0);
        check(Scatter { reduction: ScatterReduction::Add }, &[&[4, 6], &[2, 6], &[2, 6]]).flops(12);
    }
}
