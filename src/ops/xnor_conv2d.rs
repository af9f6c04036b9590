use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::{Padding, Pair, attributes};
use super::{Backward, Channels, Conv2d, Cost, Family, Io, Mismatch, Operator, Outputs, Storage, Weights};
use crate::tensor::TensorType;
use crate::units::Overflow;

attributes! {
    /// Two-dimensional convolution of the signs of its input with the signs of its kernels.
    ///
    /// Each kernel's mean magnitude scales its output. The weights are stored and trained as floats.
    ///
    /// ## Formula
    /// As `conv2d` without groups; `y = mean|w| · Σ sign(w) · sign(x)`, which a device finds with XNOR and a count of
    /// bits. A sign is −1 or 1, that of 0 is −1; padding adds 0. Backward a sign passes the gradient of an input between
    /// −1 and 1 and none of others; the kernels get the gradient that their signs would have, unscaled.
    ///
    /// ## Counted
    /// MACs and FLOPs as of `conv2d`: a sign is read off a number, and the mean magnitudes are known before the first
    /// image. darknet divides by 32, and so does its convention.
    ///
    /// ## Source
    /// Rastegari et al. 2016, arXiv 1603.05279; darknet `[convolutional]` with `xnor` (`binarize_cpu`,
    /// `swap_binary`, the gradient of `HARDTAN`).
    XnorConv2d = "xnor_conv2d" {
        /// Channels of the output.
        out_channels: NonZeroU64,
        /// Height and width of the kernel.
        kernel: Pair,
        /// Steps of the kernel.
        stride: Pair = Pair::both(1),
        /// Zeros around the input.
        padding: Padding = Padding::all(0),
        /// Distance between the kernel's taps.
        dilation: Pair = Pair::both(1),
        /// Whether a bias is added to each output channel.
        bias: bool = true,
    }
}

impl XnorConv2d {
    /// The convolution that it stands for.
    fn conv(&self) -> Conv2d {
        Conv2d {
            out_channels: self.out_channels,
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
            dilation: self.dilation,
            groups: NonZeroU64::MIN,
            bias: self.bias,
            dtype: None,
        }
    }
}

impl Operator for XnorConv2d {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        self.conv().infer(inputs)
    }

    fn weights(&self, inputs: &[&TensorType]) -> Weights {
        self.conv().weights(inputs)
    }

    fn family(&self) -> Family {
        Family::Convolution
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        self.conv().cost(io)
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, io: Io<'_>) -> Result<Backward, Overflow> {
        self.conv().backward(io)
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Weighted { groups: 1 }
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::convolution::{self, Slide};
    use super::super::execute::prelude::*;
    use super::{Operator, XnorConv2d};

    /// Which sign a number has, as ±1; darknet takes 0 for negative. A device reads it off the number: it is no
    /// operation.
    fn signs(x: &Tensor) -> Result<Tensor, Fault> {
        let one = function!(|x| x.if_above(S::of(0.0), S::of(1.0), S::of(-1.0)));
        uncounted(|| map(&[x], x.dims(), &one))
    }

    /// The signs of each kernel times its mean magnitude, known before the first image.
    fn scaled(weight: &Tensor) -> Result<Tensor, Fault> {
        uncounted(|| {
            let sizes = map(&[weight], weight.dims(), &function!(|w| w.abs()))?;
            let means = reduce(&sizes, &[1, 2, 3], &Mean)?;
            let one = function!(|w, mean| w.if_above(S::of(0.0), mean, -mean));
            map(&[weight, &means], weight.dims(), &one)
        })
    }

    impl XnorConv2d {
        fn slide(&self, io: Io<'_>) -> Result<Slide, Overflow> {
            Slide::new(io, self.conv().windows(), self.padding)
        }
    }

    impl Execute for XnorConv2d {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (x, weight) = (signs(&call.inputs[0])?, scaled(call.stored.get("weight")?)?);
            let bias = call.stored.get_if(self.bias, "bias")?;
            Ok(convolution::forward(&x, &weight, bias, &self.slide(call.io)?, 1)?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let (slide, gradient, x) = (self.slide(call.io)?, call.gradient()?, call.input(0)?);
            let mut gradients = Gradients::default();
            let of_input = call.wants(0).then(|| {
                let whole =
                    convolution::grad_input(gradient, &scaled(call.stored.get("weight")?)?, &slide, 1)?;
                // As if the sign were the input itself, between −1 and 1.
                let passed = function!(|x, g| x.abs().if_above(S::of(1.0), S::of(0.0), g));
                map(&[x, &whole], x.dims(), &passed)
            });
            gradients.inputs.push(of_input.transpose()?);
            gradients.stored.push(("weight", convolution::grad_kernel(&signs(x)?, gradient, &slide, 1)?));
            if self.bias {
                gradients.stored.push(("bias", reduce(gradient, &[0, 2, 3], &Sum)?.flatten_all()?));
            }
            Ok(gradients)
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            let convolution = convolution::workspace(io, self.conv().windows(), self.padding, 1, pass)?;
            let kernels =
                sum(self.weights(io.inputs).iter().map(|weight| weight.shape.elements().unwrap_or(0)))?;
            let width = io.inputs[0].dtype.bits().div_ceil(8);
            sum([convolution, product(&[2, io.inputs[0].bytes().get()])?, product(&[3, kernels, width])?])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;
    use crate::ops::{Kept, Op, peers};
    use crate::tensor::DType;

    fn conv() -> XnorConv2d {
        XnorConv2d {
            out_channels: NonZeroU64::new(32).unwrap(),
            kernel: Pair::both(3),
            stride: Pair::both(1),
            padding: Padding::all(1),
            dilation: Pair::both(1),
            bias: false,
        }
    }

    #[test]
    fn it_counts_as_a_convolution() {
        // 32·16·9 = 4,608 weights at 8·8 positions.
        check(conv(), &[&[1, 16, 8, 8]])
            .outputs("1x32x8x8")
            .learned(4_608)
            .macs(294_912)
            .flops(589_824)
            .channels(&Channels::Weighted { groups: 1 })
            .keeps(Kept::INPUT, Kept::INPUT);
    }

    #[test]
    fn darknet_divides_by_32() {
        let input = TensorType::new([3, 16, 8, 8], DType::F32);
        let outputs = conv().infer(&[&input]).unwrap();
        let io = Io { inputs: &[&input], outputs: &outputs };
        let cost = conv().cost(io).unwrap();
        let quantities = peers::quantities(&Op::from(conv()), io, &cost, &[]).unwrap();
        assert_eq!(quantities.get(peers::Quantity::XnorOperations), 3 * 589_824 / 32);
    }
}
