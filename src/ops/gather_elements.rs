use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use super::shape;
use crate::diagnostic::Code;
use crate::tensor::TensorType;
use crate::units::Overflow;

attributes! {
    /// Picks single elements by indices along one axis.
    ///
    /// ## Formula
    /// `y[i, j, …] = x[…, indices[i, j, …], …]`; the output has the shape of the second input, the indices.
    ///
    /// ## Counted
    /// No FLOPs: data is copied. Bytes: `explain traffic`.
    ///
    /// ## Source
    /// `torch.gather`; ONNX GatherElements.
    GatherElements = "gather_elements" {
        /// The axis that the indices count along.
        axis: i64 = 0,
    }
}

impl Operator for GatherElements {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let [input, indices] = [inputs[0], inputs[1]];
        shape::axis(self.axis, input.shape.rank(), "axis")?;
        if indices.shape.rank() != input.shape.rank() {
            return Err(Mismatch::new(Code::ShapeMismatch, "the indices must have as many axes as the tensor")
                .input(0, format!("this is {}", input.shape))
                .input(1, format!("this is {}", indices.shape)));
        }
        one(TensorType { shape: indices.shape.clone(), dtype: input.dtype })
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Movement
    }

    fn cost(&self, _: Io<'_>) -> Result<Cost, Overflow> {
        Ok(Cost::NONE)
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
    fn picks() {
        check(GatherElements { axis: 1 }, &[&[2, 10], &[2, 3]]).outputs("2x3").flops(0);
        check(GatherElements { axis: 1 }, &[&[2, 10], &[3]]).refused("as many axes");
    }
}
