use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::reduction;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use crate::tensor::TensorType;
use crate::units::Overflow;

attributes! {
    /// The sum over axes.
    ///
    /// ## Formula
    /// `y = Σ x` over the elements that differ only along `axes`.
    ///
    /// ## Counted
    /// FLOPs: 1 add for each input element but the first of each sum.
    ///
    /// ## Source
    /// `torch.sum`; ONNX ReduceSum.
    ReduceSum = "reduce_sum" {
        /// The axes to reduce; all of them, batch included, if the list is empty.
        axes: Vec<i64> = Vec::new(),
        /// Whether the reduced axes stay, with size 1.
        keep_dims: bool = false,
    }
}

impl Operator for ReduceSum {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        one(inputs[0].reshaped(reduction::output(inputs[0], &self.axes, "axes", self.keep_dims)?))
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Reduction
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        Cost::NONE.and(Kind::Add, reduction::joins(io))
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::keeps(Kept::NOTHING))
    }

    fn channels(&self, io: Io<'_>, _: usize) -> Channels {
        reduction::channels(io, &self.axes, self.keep_dims)
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::prelude::*;
    use super::super::reduction::execute as reduction;
    use super::ReduceSum;

    impl Execute for ReduceSum {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            reduction::forward(call, &self.axes, &Sum)
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let gradient = reduction::gradient(call, &self.axes)?;
            Ok(Gradients::input(map(&[&gradient], &call.shape(0), &function!(|g| g))?))
        }

        fn workspace(&self, io: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            reduction::workspace(io)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    fn sum(axes: &[i64], keep_dims: bool) -> ReduceSum {
        ReduceSum { axes: axes.to_vec(), keep_dims }
    }

    #[test]
    fn sums() {
        // 120 elements to 24: 4 add each.
        check(sum(&[-1], false), &[&[2, 3, 4, 5]])
            .outputs("2x3x4")
            .learned(0)
            .macs(0)
            .flops(96)
            .channels(&Channels::Same)
            .keeps(Kept::NOTHING, Kept::NOTHING);
        check(sum(&[1, 2], true), &[&[2, 3, 4, 5]])
            .outputs("2x1x1x5")
            .flops(110)
            .channels(&Channels::Fold { by: 3 });
        check(sum(&[], false), &[&[2, 3, 4, 5]]).outputs("scalar").flops(119).channels(&Channels::Mixed);
        check(sum(&[], true), &[&[2, 3]]).outputs("1x1").flops(5);
        // Without the batch axis the channels are no longer axis 1.
        check(sum(&[0], false), &[&[2, 3, 4, 5]]).outputs("3x4x5").flops(60).channels(&Channels::Mixed);
        check(sum(&[0], true), &[&[2, 3, 4, 5]]).outputs("1x3x4x5").channels(&Channels::Same);
    }

    #[test]
    fn what_does_not_fit() {
        check(sum(&[4], false), &[&[2, 3, 4, 5]]).refused("there is no axis 4");
        check(sum(&[3, -1], false), &[&[2, 3, 4, 5]]).refused("axis -1 is named twice");
    }
}
