use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Storage, Weights, one};
use crate::tensor::{DType, TensorType};
use crate::units::Overflow;

attributes! {
    /// The same numbers in another element type.
    ///
    /// ## Formula
    /// `y = x`, rounded to `dtype`.
    ///
    /// ## Counted
    /// No FLOPs: a conversion counts as moving data. Bytes: `explain traffic`.
    ///
    /// ## Source
    /// `torch.Tensor.to`; ONNX Cast.
    Cast = "cast" {
        /// Type of the output's elements.
        dtype: DType,
    }
}

impl Operator for Cast {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        one(TensorType { dtype: self.dtype, ..inputs[0].clone() })
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
        Ok(Backward::keeps(Kept::NOTHING))
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn changes_the_type() {
        check(Cast { dtype: DType::F16 }, &[&[2, 3, 4]])
            .outputs("2x3x4")
            .dtype(DType::F16)
            .learned(0)
            .macs(0)
            .flops(0)
            .channels(&Channels::Same)
            .keeps(Kept::NOTHING, Kept::NOTHING);
    }
}
