use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use super::shape;
use crate::tensor::{DType, TensorShape, TensorType};
use crate::units::Overflow;

attributes! {
    /// A one at the place that a whole number names, and zeros around it.
    ///
    /// ## Formula
    /// `[…] → […, classes]`
    ///
    /// ## Counted
    /// FLOPs: 1 compare for each output element.
    ///
    /// ## Source
    /// `torch.nn.functional.one_hot`; ONNX OneHot.
    OneHot = "one_hot" {
        /// How many numbers are told apart.
        classes: NonZeroU64,
        /// Where their axis is put.
        axis: i64 = -1,
        /// Type of the output's elements.
        dtype: DType = DType::F32,
    }
}

impl Operator for OneHot {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let rank = inputs[0].shape.rank() + 1;
        shape::check_rank(rank)?;
        let axis = shape::axis(self.axis, rank, "axis")?;
        let mut axes = inputs[0].shape.axes().to_vec();
        axes.insert(axis, self.classes.get());
        one(TensorType { shape: TensorShape::new(axes), dtype: self.dtype })
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Movement
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        Cost::NONE.and(Kind::Compare, io.output_elements())
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::keeps(Kept::NOTHING))
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
    fn spreads() {
        let op = OneHot { classes: NonZeroU64::new(10).unwrap(), axis: 1, dtype: DType::F32 };
        check(op, &[&[2, 4]]).outputs("2x10x4").flops(80).dtype(DType::F32);
    }
}
