use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::reduction;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use crate::tensor::{DType, TensorType};
use crate::units::Overflow;

attributes! {
    /// Where the largest element along one axis stands.
    ///
    /// ## Formula
    /// `y = argmax x` along `axis`, as i64. It has no gradient.
    ///
    /// ## Counted
    /// FLOPs: 1 compare for each input element but the first of each group.
    ///
    /// ## Source
    /// `torch.argmax`; ONNX ArgMax.
    Argmax = "argmax" {
        /// The axis to search; 1 is the channels.
        axis: i64 = 1,
        /// Whether the searched axis stays, with size 1.
        keep_dims: bool = false,
    }
}

impl Operator for Argmax {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let shape = reduction::output(inputs[0], &[self.axis], "axis", self.keep_dims)?;
        one(TensorType { shape, dtype: DType::I64 })
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Reduction
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        Cost::NONE.and(Kind::Compare, reduction::joins(io))
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::keeps(Kept::NOTHING))
    }

    fn channels(&self, io: Io<'_>, _: usize) -> Channels {
        reduction::channels(io, &[self.axis], self.keep_dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn one_compare_for_each_but_the_first() {
        // The mask of a segmentation of 21 classes: 20 compare for each of 4·4 pixels.
        check(Argmax { axis: 1, keep_dims: false }, &[&[1, 21, 4, 4]])
            .outputs("1x4x4")
            .dtype(DType::I64)
            .learned(0)
            .macs(0)
            .flops(320)
            .channels(&Channels::Mixed);
        check(Argmax { axis: 4, keep_dims: false }, &[&[1, 21, 4, 4]]).refused("there is no axis 4");
    }
}
