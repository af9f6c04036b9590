use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::{Padding, Pair, attributes};
use super::window::{self, Window};
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Role, Storage, Weight, Weights,
    one,
};
use crate::diagnostic::Code;
use crate::tensor::{DType, TensorShape, TensorType};
use crate::units::{Overflow, product};

attributes! {
    /// Two-dimensional convolution.
    ///
    /// Slides `out_channels` kernels over `[n, c, h, w]`. With `groups` = g the channels fall into g groups and each
    /// kernel reads one of them; g = c is a depthwise convolution. A second input is the kernel, in place of a stored one.
    ///
    /// ## Formula
    /// `h' = ⌊(h + top + bottom − dilation·(kernel − 1) − 1) / stride⌋ + 1`, the width likewise.
    /// Weights: `out_channels · c/g · kh · kw`, and `out_channels` for a bias.
    ///
    /// ## Counted
    /// MACs: `n · out_channels · h' · w' · c/g · kh · kw`, the full kernel at borders. FLOPs: 2 for each, and 1 for each
    /// output that a bias is added to.
    ///
    /// ## Source
    /// `torch.nn.Conv2d`; ONNX Conv; darknet `[convolutional]`.
    Conv2d = "conv2d" {
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
        /// Groups of channels.
        groups: NonZeroU64 = NonZeroU64::MIN,
        /// Whether a bias is added to each output channel.
        bias: bool = true,
        /// Type of the output's elements; the input's if not given. Products of integers often have wider ones.
        dtype: Option<DType> = None,
    }
}

impl Conv2d {
    pub(super) fn windows(&self) -> [Window; 2] {
        let ([kh, kw], [sh, sw], [dh, dw]) = (self.kernel.get(), self.stride.get(), self.dilation.get());
        [Window { kernel: kh, stride: sh, dilation: dh }, Window { kernel: kw, stride: sw, dilation: dw }]
    }

    /// Input elements that one output element reads: `c/g · kh · kw`.
    fn taps(&self, channels: u64) -> Result<u64, Overflow> {
        let [kh, kw] = self.kernel.get();
        product(&[channels / self.groups, kh, kw])
    }
}

/// Refuses channels that the groups do not divide.
pub(super) fn check_groups(
    input: &TensorType,
    channels: u64,
    out: u64,
    groups: u64,
) -> Result<(), Box<Mismatch>> {
    for (what, channels) in [("input", channels), ("output", out)] {
        if channels % groups != 0 {
            return Err(Mismatch::new(
                Code::Indivisible,
                format!("{groups} groups do not divide {channels} {what} channels"),
            )
            .input(0, format!("this is {}", input.shape))
            .attribute("groups")
            .help(format!("use a divisor of {channels}")));
        }
    }
    Ok(())
}

/// Refuses a kernel that comes as a second input in another shape than the op says.
pub(super) fn check_kernel(inputs: &[&TensorType], expected: &[u64]) -> Result<(), Box<Mismatch>> {
    match inputs.get(1) {
        Some(kernel) if kernel.shape.axes() != expected => Err(Mismatch::new(
            Code::ShapeMismatch,
            format!("the kernel must be {}, but is {}", TensorShape::from(expected), kernel.shape),
        )
        .input(1, format!("this is {}", kernel.shape))),
        _ => Ok(()),
    }
}

impl Operator for Conv2d {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=2
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let input = inputs[0];
        let &[batch, channels, ..] = input.shape.axes() else {
            return Err(window::rank(input, 4, "[n, c, h, w]"));
        };
        let (out, groups) = (self.out_channels.get(), self.groups.get());
        check_groups(input, channels, out, groups)?;
        let [height, width] = window::output_2d(input, self.windows(), self.padding, false)?;
        product(&[out, self.taps(channels)?])?;
        let [kh, kw] = self.kernel.get();
        check_kernel(inputs, &[out, channels / groups, kh, kw])?;
        one(TensorType::new([batch, out, height, width], self.dtype.unwrap_or(input.dtype)))
    }

    fn weights(&self, inputs: &[&TensorType]) -> Weights {
        let ([kh, kw], out) = (self.kernel.get(), self.out_channels.get());
        let shape = [out, inputs[0].channels() / self.groups, kh, kw];
        let kernel = (inputs.len() == 1).then(|| Weight::new("weight", shape, Role::Weight));
        let bias = self.bias.then(|| Weight::new("bias", [out], Role::Bias));
        kernel.into_iter().chain(bias).collect()
    }

    fn family(&self) -> Family {
        Family::Convolution
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let outputs = io.output_elements();
        Cost::products(outputs, self.taps(io.inputs[0].channels())?)?.bias(self.bias, outputs)
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, io: Io<'_>) -> Result<Backward, Overflow> {
        let macs = self.cost(io)?.macs;
        // A kernel that is computed is an input too.
        let kept = if io.inputs.len() > 1 { Kept::INPUTS } else { Kept::INPUT };
        Ok(Backward { grad_input_macs: macs, grad_weight_macs: macs, ..Backward::keeps(kept) })
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Weighted { groups: self.groups.get() }
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::convolution::{self, Slide};
    use super::super::execute::prelude::*;
    use super::Conv2d;

    impl Conv2d {
        fn slide(&self, io: Io<'_>) -> Result<(Slide, usize), Fault> {
            Ok((Slide::new(io, self.windows(), self.padding)?, size(self.groups.get())?))
        }
    }

    impl Execute for Conv2d {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (slide, groups) = self.slide(call.io)?;
            let kernel = call.inputs.get(1).map_or_else(|| call.stored.get("weight"), Ok)?;
            let bias = call.stored.get_if(self.bias, "bias")?;
            Ok(convolution::forward(&call.inputs[0], kernel, bias, &slide, groups)?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let ((slide, groups), gradient) = (self.slide(call.io)?, call.gradient()?);
            let computed = call.io.inputs.len() > 1;
            let mut gradients = Gradients::default();
            let kernel = if computed { call.input(1)? } else { call.stored.get("weight")? };
            let of_input = call.wants(0).then(|| convolution::grad_input(gradient, kernel, &slide, groups));
            gradients.inputs.push(of_input.transpose()?);
            let of_kernel = || convolution::grad_kernel(call.input(0)?, gradient, &slide, groups);
            if computed {
                gradients.inputs.push(call.wants(1).then(of_kernel).transpose()?);
            } else {
                gradients.stored.push(("weight", of_kernel()?));
            }
            if self.bias {
                gradients.stored.push(("bias", reduce(gradient, &[0, 2, 3], &Sum)?.flatten_all()?));
            }
            Ok(gradients)
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            convolution::workspace(io, self.windows(), self.padding, self.groups.get(), pass)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::{check, check_types};

    fn conv(out_channels: u64, kernel: u64, stride: u64, padding: u64) -> Conv2d {
        Conv2d {
            out_channels: NonZeroU64::new(out_channels).unwrap(),
            kernel: Pair::both(kernel),
            stride: Pair::both(stride),
            padding: Padding::all(padding),
            dilation: Pair::both(1),
            groups: NonZeroU64::MIN,
            bias: false,
            dtype: None,
        }
    }

    #[test]
    fn the_stem_of_resnet50() {
        // 64·3·7·7 = 9,408 weights; 9,408·112·112 = 118,013,952 MACs.
        check(conv(64, 7, 2, 3), &[&[1, 3, 224, 224]])
            .outputs("1x64x112x112")
            .learned(9_408)
            .macs(118_013_952)
            .flops(236_027_904);
    }

    #[test]
    fn bias_groups_and_rectangles() {
        let depthwise = Conv2d { groups: NonZeroU64::new(32).unwrap(), bias: true, ..conv(32, 3, 1, 1) };
        // 32·9 + 32 parameters; 9 MACs and one bias for each of 32·10·10 outputs.
        check(depthwise, &[&[1, 32, 10, 10]])
            .outputs("1x32x10x10")
            .learned(320)
            .macs(28_800)
            .flops(2 * 28_800 + 3_200);
        let row = Conv2d {
            kernel: Pair { height: NonZeroU64::MIN, width: NonZeroU64::new(7).unwrap() },
            padding: Padding::Explicit { top: 0, left: 3, bottom: 0, right: 3 },
            ..conv(4, 1, 1, 0)
        };
        check(row, &[&[2, 2, 5, 9]]).outputs("2x4x5x9").learned(4 * 2 * 7).macs(2 * 4 * 5 * 9 * 14);
        check(Conv2d { padding: Padding::Same, ..conv(8, 3, 2, 0) }, &[&[1, 3, 7, 8]]).outputs("1x8x4x4");
        check(Conv2d { dilation: Pair::both(2), ..conv(8, 3, 1, 2) }, &[&[1, 3, 7, 8]]).outputs("1x8x7x8");
    }

    #[test]
    fn a_kernel_that_is_computed_and_products_of_integers() {
        let computed = Conv2d { bias: true, ..conv(4, 3, 1, 1) };
        check(computed.clone(), &[&[1, 2, 5, 5], &[4, 2, 3, 3]])
            .outputs("1x4x5x5")
            .learned(4)
            .macs(4 * 25 * 18)
            .channels(&Channels::Weighted { groups: 1 });
        check(computed, &[&[1, 2, 5, 5], &[4, 2, 3, 1]])
            .refused("the kernel must be 4x2x3x3, but is 4x2x3x1");
        let wide = Conv2d { dtype: Some(DType::I32), ..conv(4, 3, 1, 1) };
        check_types(wide, &[TensorType::new([1, 2, 5, 5], DType::U8)]).dtype(DType::I32).macs(4 * 25 * 18);
    }

    #[test]
    fn what_does_not_fit() {
        let grouped = Conv2d { groups: NonZeroU64::new(3).unwrap(), ..conv(6, 3, 1, 1) };
        check(grouped, &[&[1, 32, 8, 8]]).refused("3 groups do not divide 32 input channels");
        check(conv(6, 9, 1, 0), &[&[1, 32, 8, 8]]).refused("the window spans 9 but the height is 8");
        check(conv(6, 1, 1, 0), &[&[1, 32]]).refused("the input must have 4 axes");
        check(conv(u64::MAX, 1, 1, 0), &[&[1, 32, 1, 1]]).refused("does not fit in 64 bits");
    }
}
