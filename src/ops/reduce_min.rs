use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::reduction;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use crate::tensor::TensorType;
use crate::units::Overflow;

attributes! {
    /// The smallest element over axes.
    ///
    /// ## Formula
    /// `y = min x` over the elements that differ only along `axes`.
    ///
    /// ## Counted
    /// FLOPs: 1 min for each input element but the first of each group.
    ///
    /// ## Source
    /// `torch.amin`; ONNX ReduceMin.
    ReduceMin = "reduce_min" {
        /// The axes to reduce; all of them, batch included, if the list is empty.
        axes: Vec<i64> = Vec::new(),
        /// Whether the reduced axes stay, with size 1.
        keep_dims: bool = false,
    }
}

impl Operator for ReduceMin {
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
        Cost::NONE.and(Kind::Min, reduction::joins(io))
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        // PyTorch compares input and output to find the winners; the input alone finds them again.
        Ok(Backward { eager: Kept { outputs: true, ..Kept::INPUT }, ..Backward::keeps(Kept::INPUT) })
    }

    fn channels(&self, io: Io<'_>, _: usize) -> Channels {
        reduction::channels(io, &self.axes, self.keep_dims)
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::reduce::Min;
    use super::super::execute::prelude::*;
    use super::super::reduction::execute as reduction;
    use super::ReduceMin;

    impl Execute for ReduceMin {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            reduction::forward(call, &self.axes, &Min)
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            reduction::winners_gradient(call, &self.axes, &Min)
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

    #[test]
    fn one_min_for_each_but_the_first() {
        // The channels' min of CBAM's spatial attention: 2·1·4·5 outputs of 3 elements.
        check(ReduceMin { axes: vec![1], keep_dims: true }, &[&[2, 3, 4, 5]])
            .outputs("2x1x4x5")
            .learned(0)
            .macs(0)
            .flops(80)
            .channels(&Channels::Fold { by: 3 })
            .keeps(Kept { outputs: true, ..Kept::INPUT }, Kept::INPUT);
        check(ReduceMin { axes: vec![4], keep_dims: true }, &[&[2, 3, 4, 5]]).refused("there is no axis 4");
    }
}
