use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::reduction;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use crate::tensor::TensorType;
use crate::units::Overflow;

attributes! {
    /// The mean over axes.
    ///
    /// ## Formula
    /// `y = Σ x / k` over the k elements that differ only along `axes`.
    ///
    /// ## Counted
    /// FLOPs: 1 add for each input element but the first of each mean, and 1 div for each output.
    ///
    /// ## Source
    /// `torch.mean`; ONNX ReduceMean.
    ReduceMean = "reduce_mean" {
        /// The axes to reduce; all of them, batch included, if the list is empty.
        axes: Vec<i64> = Vec::new(),
        /// Whether the reduced axes stay, with size 1.
        keep_dims: bool = false,
    }
}

impl Operator for ReduceMean {
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
        Cost::NONE.and(Kind::Add, reduction::joins(io))?.and(Kind::Div, io.output_elements())
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
    use super::ReduceMean;

    impl Execute for ReduceMean {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            reduction::forward(call, &self.axes, &Mean)
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let gradient = reduction::gradient(call, &self.axes)?;
            let n = reduction::length(call);
            Ok(Gradients::input(map(&[&gradient], &call.shape(0), &function!([n] | g | g / n))?))
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
    fn the_head_of_efficientnet_as_code_writes_it() {
        // x.mean([2, 3]): 48 add and 1 div for each of 1280 channels.
        let mean = ReduceMean { axes: vec![2, 3], keep_dims: false };
        check(mean.clone(), &[&[1, 1280, 7, 7]])
            .outputs("1x1280")
            .learned(0)
            .macs(0)
            .flops(1280 * 49)
            .channels(&Channels::Same)
            .keeps(Kept::NOTHING, Kept::NOTHING);
        check(mean, &[&[1, 1280]]).refused("there is no axis 2");
    }
}
