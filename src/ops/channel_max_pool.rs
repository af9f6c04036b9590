use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
    window,
};
use crate::diagnostic::Code;
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

attributes! {
    /// The largest of every so many channels, position by position.
    ///
    /// ## Formula
    /// `[n, c, h, w] → [n, out_channels, h, w]`; output channel k is the maximum of the channels k, k + `out_channels`,
    /// k + 2·`out_channels` and so on.
    ///
    /// ## Counted
    /// FLOPs: 1 max for each input element but the first of each group, `n · (c − out_channels) · h · w`. `size` enters only the
    /// darknet convention, which counts `size² · c · h · w` here as well.
    ///
    /// ## Source
    /// Goodfellow et al. 2013, arXiv 1302.4389 (maxout); darknet `[maxpool]` with `maxpool_depth`.
    ChannelMaxPool = "channel_max_pool" {
        /// Channels of the output.
        out_channels: NonZeroU64,
        /// What darknet takes for the window's size when it counts.
        size: NonZeroU64 = NonZeroU64::MIN,
    }
}

impl Operator for ChannelMaxPool {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let (input, out) = (inputs[0], self.out_channels.get());
        let &[batch, channels, height, width] = input.shape.axes() else {
            return Err(window::rank(input, 4, "[n, c, h, w]"));
        };
        if out > channels {
            return Err(Mismatch::new(
                Code::OutOfRange,
                format!("{out} channels cannot be the largest of {channels}"),
            )
            .input(0, format!("this is {}", input.shape))
            .attribute("out_channels"));
        }
        product(&[self.size.get(), self.size.get()])?;
        one(input.reshaped([batch, out, height, width]))
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Pooling
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let (inputs, area) = (io.input_elements(), product(&[self.size.get(), self.size.get()])?);
        Cost { window: product(&[inputs, area])?, ..Cost::NONE }.and(Kind::Max, inputs - io.output_elements())
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, io: Io<'_>) -> Result<Backward, Overflow> {
        // As a max pool: the input and the winners' indices (i64); the input alone finds the winners again.
        let indices = product(&[io.output_elements(), 8])?;
        Ok(Backward { eager: Kept::INPUT.and_bytes(indices), ..Backward::keeps(Kept::INPUT) })
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Mixed
    }
}

#[cfg(feature = "exec")]
mod execute {
    use candle_core::WithDType;

    use super::super::execute::kernel::rows::on_cpu;
    use super::super::execute::kernel::{tensor, with_element, with_elements};
    use super::super::execute::prelude::*;
    use super::ChannelMaxPool;

    impl Execute for ChannelMaxPool {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (x, shape) = (call.inputs[0].contiguous()?, call.shape(0));
            let &[batch, out, height, width] = shape.as_slice() else {
                return Err(Fault::internal("a map without height and width"));
            };
            // Whole rounds of all output channels, and the first channels of one more.
            let (rounds, more) = (x.dims()[1] / out, x.dims()[1] % out);
            let whole = x.narrow(1, 0, rounds * out)?.contiguous()?;
            let whole = reduce(&whole.reshape((batch, rounds, out, height * width))?, &[1], &Max)?;
            let whole = whole.reshape(shape.as_slice())?;
            if more == 0 {
                return Ok(whole.into());
            }
            let first = whole.narrow(1, 0, more)?.contiguous()?;
            let rest = x.narrow(1, rounds * out, more)?.contiguous()?;
            let first = map(&[&first, &rest], first.dims(), &function!(|a, b| a.max(b)))?;
            Ok(Tensor::cat(&[&first, &whole.narrow(1, more, out - more)?.contiguous()?], 1)?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let (out, shape) = (size(self.out_channels.get())?, call.shape(0));
            let (channels, map) = (shape[1], shape[2..].iter().product::<usize>());
            // The first of the largest gets all.
            let gradient = on_cpu([call.input(0)?, call.gradient()?], |[x, gradient]| {
                with_element!(x.dtype(), T => {
                    let made = with_elements(x, |x: &[T]| with_elements(gradient, |gradient: &[T]| {
                        let mut made = vec![T::from_f64(0.0); x.len()];
                        for (index, &gradient) in gradient.iter().enumerate() {
                            let (image, place) = (index / (out * map), index % map);
                            let places = (index / map % out..channels).step_by(out);
                            let places = places.map(|channel| (image * channels + channel) * map + place);
                            let better = |best: usize, new: usize| if x[new] > x[best] { new } else { best };
                            if let Some(winner) = places.reduce(better) {
                                made[winner] = gradient;
                            }
                        }
                        made
                    }))??;
                    tensor(made, shape.as_slice())
                })
            })?;
            Ok(Gradients::input(gradient))
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            match pass {
                // Whole rounds, their first channels, what meets them and comes of it.
                Pass::Forward => {
                    sum([io.inputs[0].bytes().get(), product(&[3, io.outputs[0].bytes().get()])?])
                }
                Pass::Backward => Ok(0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    fn pool(out_channels: u64, size: u64) -> ChannelMaxPool {
        ChannelMaxPool {
            out_channels: NonZeroU64::new(out_channels).unwrap(),
            size: NonZeroU64::new(size).unwrap(),
        }
    }

    #[test]
    fn one_max_for_each_but_the_first() {
        // 8 channels to 3: 5 max at each of 2·16 positions; darknet counts all 8, times 2².
        check(pool(3, 2), &[&[2, 8, 4, 4]])
            .outputs("2x3x4x4")
            .learned(0)
            .macs(0)
            .flops(5 * 32)
            .window(4 * 8 * 32)
            .channels(&Channels::Mixed)
            .keeps(Kept::INPUT.and_bytes(3 * 32 * 8), Kept::INPUT);
        check(pool(9, 1), &[&[2, 8, 4, 4]]).refused("9 channels cannot be the largest of 8");
    }
}
