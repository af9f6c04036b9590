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
    /// bits.
    ///
    /// ## Counted
    /// MACs and FLOPs as of `conv2d`. darknet divides by 32, and so does its convention.
    ///
    /// ## Source
    /// Rastegari et al. 2016, arXiv 1603.05279; darknet `[convolutional]` with `xnor`.
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
