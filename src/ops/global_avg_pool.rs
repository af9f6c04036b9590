use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
    window,
};
use crate::tensor::TensorType;
use crate::units::Overflow;

attributes! {
    /// The mean of each channel's map.
    ///
    /// ## Formula
    /// `[n, c, h, w] → [n, c, 1, 1]`
    ///
    /// ## Counted
    /// FLOPs: `h·w − 1` add and 1 div for each output.
    ///
    /// ## Source
    /// Lin et al. 2013, arXiv 1312.4400; `torch.nn.AdaptiveAvgPool2d(1)`; ONNX GlobalAveragePool; darknet `[avgpool]`.
    GlobalAvgPool = "global_avg_pool" {}
}

impl Operator for GlobalAvgPool {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let input = inputs[0];
        let &[batch, channels, _, ..] = input.shape.axes() else {
            return Err(window::rank(input, 4, "[n, c, h, w]"));
        };
        let axes = [batch, channels].into_iter().chain(input.spatial().iter().map(|_| 1));
        one(input.reshaped(axes.collect::<Vec<_>>().as_slice()))
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::GlobalPooling
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let (inputs, outputs) = (io.input_elements(), io.output_elements());
        Cost { window: inputs, ..Cost::NONE }.and(Kind::Add, inputs - outputs)?.and(Kind::Div, outputs)
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        // The gradient is spread evenly: no value of the forward pass is needed. PyTorch computes it as a mean, which
        // keeps only sizes (`adaptive_avg_pool2d_symint` in aten/src/ATen/native/AdaptiveAveragePooling.cpp).
        Ok(Backward::keeps(Kept::NOTHING))
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Same
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::prelude::*;
    use super::GlobalAvgPool;

    impl Execute for GlobalAvgPool {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let axes: Vec<usize> = (2..call.inputs[0].rank()).collect();
            Ok(reduce(&call.inputs[0], &axes, &Mean)?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let (gradient, shape) = (call.gradient()?, call.shape(0));
            #[expect(clippy::cast_precision_loss, reason = "maps have fewer than 2^53 elements")]
            let n = shape[2..].iter().product::<usize>() as f64;
            let share = function!([n] | g | g / n);
            // The shape of the result is the input's: each element's share is broadcast.
            Ok(Gradients::input(map(&[gradient], &shape, &share)?))
        }

        fn workspace(&self, _: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            Ok(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn the_head_of_resnet50() {
        // 2048 channels of 49: 48 add and 1 div each.
        check(GlobalAvgPool {}, &[&[1, 2048, 7, 7]])
            .outputs("1x2048x1x1")
            .learned(0)
            .macs(0)
            .flops(2048 * 49);
        check(GlobalAvgPool {}, &[&[1, 2048]]).refused("the input must have 4 axes");
    }
}
