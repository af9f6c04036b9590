use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Role, Storage, Weight,
    Weights,
};
use super::{elementwise, norm};
use crate::tensor::TensorType;
use crate::units::Overflow;

attributes! {
    /// Rectified linear unit that learns the slope of its negative side.
    ///
    /// ## Formula
    /// `y = x` where `x > 0`, else `a·x`. Parameters: a, one for each channel (axis 1) or one for all.
    ///
    /// ## Counted
    /// FLOPs: 1 compare and 1 mul for each element. It is no max, because a learned slope may pass 1.
    ///
    /// ## Source
    /// He et al. 2015, arXiv 1502.01852; `torch.nn.PReLU` (`num_parameters`: c or 1); ONNX PRelu.
    Prelu = "prelu" {
        /// Whether each channel has a slope of its own.
        per_channel: bool = true,
    }
}

impl Operator for Prelu {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        if self.per_channel {
            norm::least_rank(inputs[0], 2, "a batch and a channel axis")?;
        }
        elementwise::same(inputs)
    }

    fn weights(&self, inputs: &[&TensorType]) -> Weights {
        let slopes = if self.per_channel { inputs[0].channels() } else { 1 };
        [Weight::new("weight", [slopes], Role::Other)].into_iter().collect()
    }

    fn family(&self) -> Family {
        Family::Activation
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        Cost::NONE.each(io.output_elements(), &[(Kind::Compare, 1), (Kind::Mul, 1)])
    }

    fn storage(&self) -> Storage {
        Storage::Overwrites
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        // The slope's gradient needs the input, and so does its sign: the slope may be negative.
        Ok(Backward::keeps(Kept::INPUT))
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Same
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::Stored;
    use super::super::execute::prelude::*;
    use super::super::norm::execute as norm;
    use super::Prelu;

    impl Execute for Prelu {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let x = &call.inputs[0];
            let slope = self.slopes(call.stored, x.rank())?;
            let formula = function!(|x, a| x.if_above(S::of(0.0), x, x * a));
            Ok(map(&[x, &slope], x.dims(), &formula)?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let (x, gradient) = (call.input(0)?, call.gradient()?);
            let slope = self.slopes(call.stored, x.rank())?;
            let of_input = call.wants(0).then(|| {
                let formula = function!(|g, x, a| x.if_above(S::of(0.0), g, g * a));
                map(&[gradient, x, &slope], x.dims(), &formula)
            });
            let mut gradients =
                Gradients { inputs: smallvec::smallvec![of_input.transpose()?], ..Gradients::default() };
            let products = function!(|g, x| x.if_above(S::of(0.0), S::of(0.0), g * x));
            let of_slope = sum_to(&map(&[gradient, x], x.dims(), &products)?, slope.dims())?;
            gradients.stored.push(("weight", of_slope.flatten_all()?));
            Ok(gradients)
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            match pass {
                Pass::Forward => Ok(0),
                // Products before they are summed, and in another order; sums as doubles.
                Pass::Backward => {
                    let input = io.inputs[0];
                    sum([product(&[2, input.bytes().get()])?, product(&[input.channels(), 16])?])
                }
            }
        }
    }

    impl Prelu {
        /// The slopes, to be broadcast.
        fn slopes(&self, stored: &Stored, rank: usize) -> Result<Tensor, Fault> {
            let slopes = stored.get("weight")?;
            if self.per_channel {
                norm::per_channel(slopes, rank)
            } else {
                Ok(slopes.reshape(vec![1; rank])?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn a_slope_for_each_channel_or_one() {
        // 64 slopes or one; 2 FLOPs for each of 64·10·10 elements.
        check(Prelu { per_channel: true }, &[&[1, 64, 10, 10]])
            .outputs("1x64x10x10")
            .learned(64)
            .macs(0)
            .flops(12_800);
        check(Prelu { per_channel: false }, &[&[1, 64, 10, 10]])
            .learned(1)
            .flops(12_800)
            .eager(Kept::INPUT)
            .minimal(Kept::INPUT);
        check(Prelu { per_channel: true }, &[&[64]]).refused("must have a batch and a channel axis");
        check(Prelu { per_channel: false }, &[&[64]]).learned(1).flops(128);
    }
}
