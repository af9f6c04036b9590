use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::{Extra, Padding, Pair, attributes};
use super::conv2d;
use super::window::{self, Window};
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Role, Storage, Weight, Weights,
    one,
};
use crate::diagnostic::Code;
use crate::tensor::TensorType;
use crate::units::{Overflow, product, sum};

attributes! {
    /// Two-dimensional transposed convolution, which enlarges a map with learned kernels.
    ///
    /// Each input element is multiplied with a whole kernel, and the products are added where they fall: the gradient
    /// of a convolution with respect to its input. Also called deconvolution.
    ///
    /// ## Formula
    /// `h' = (h − 1)·stride − top − bottom + dilation·(kernel − 1) + output_padding + 1`, the width likewise; with
    /// padding `"same"` `h' = h·stride`, cut as the convolution with padding `"same"` pads that goes back: an odd one below and
    /// to the right; places that no kernel reaches hold 0. Weights: `c · out_channels/g · kh · kw`, and `out_channels` for a bias.
    ///
    /// ## Counted
    /// MACs: `n · c · h · w · out_channels/g · kh · kw`, the full kernel at borders. FLOPs: 2 for each, and 1 for each
    /// output that a bias is added to.
    ///
    /// ## Source
    /// Zeiler et al. 2010; `torch.nn.ConvTranspose2d`; ONNX ConvTranspose; darknet `[deconvolutional]`.
    ConvTranspose2d = "conv_transpose2d" {
        /// Channels of the output.
        out_channels: NonZeroU64,
        /// Height and width of the kernel.
        kernel: Pair,
        /// Steps of the kernel in the output.
        stride: Pair = Pair::both(1),
        /// What is cut off around the output.
        padding: Padding = Padding::all(0),
        /// Rows and columns added below and to the right; less than the stride or the dilation.
        output_padding: Extra = Extra::NONE,
        /// Distance between the kernel's taps.
        dilation: Pair = Pair::both(1),
        /// Groups of channels.
        groups: NonZeroU64 = NonZeroU64::MIN,
        /// Whether a bias is added to each output channel.
        bias: bool = true,
    }
}

impl ConvTranspose2d {
    /// Products that one input element enters: `out_channels/g · kh · kw`.
    fn taps(&self) -> Result<u64, Overflow> {
        let [kh, kw] = self.kernel.get();
        product(&[self.out_channels.get() / self.groups, kh, kw])
    }

    /// The output's height or width.
    fn size(&self, input: &TensorType, axis: usize) -> Result<u64, Box<Mismatch>> {
        let (name, size) = (["height", "width"][axis], input.spatial()[axis]);
        let (stride, dilation) = (self.stride.get()[axis], self.dilation.get()[axis]);
        let extra = self.output_padding.get()[axis];
        let cut = match self.padding {
            Padding::Same if extra == 0 => return Ok(product(&[size, stride])?),
            Padding::Same => {
                return Err(Mismatch::new(
                    Code::OutOfRange,
                    "`output_padding` has no place beside padding \"same\"",
                )
                .attribute("output_padding"));
            }
            Padding::Explicit { top, bottom, .. } if axis == 0 => sum([top, bottom])?,
            Padding::Explicit { left, right, .. } => sum([left, right])?,
        };
        if extra >= stride && extra >= dilation {
            return Err(Mismatch::new(
                Code::OutOfRange,
                format!("`output_padding` {extra} is less than neither the stride {stride} nor the dilation {dilation}"),
            )
            .attribute("output_padding"));
        }
        let span = Window { kernel: self.kernel.get()[axis], stride, dilation }.span()?;
        let full = sum([product(&[size.saturating_sub(1), stride])?, span, extra])?;
        full.checked_sub(cut).filter(|&left| left > 0).ok_or_else(|| {
            Mismatch::new(
                Code::VanishingSize,
                format!("the {name} would be {full} and padding cuts off {cut}: nothing would be left"),
            )
            .input(0, format!("this is {}", input.shape))
            .attribute("padding")
        })
    }
}

impl Operator for ConvTranspose2d {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=2
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let input = inputs[0];
        let &[batch, channels, _, _] = input.shape.axes() else {
            return Err(window::rank(input, 4, "[n, c, h, w]"));
        };
        let out = self.out_channels.get();
        conv2d::check_groups(input, channels, out, self.groups.get())?;
        product(&[channels, self.taps()?])?;
        let [kh, kw] = self.kernel.get();
        conv2d::check_kernel(inputs, &[channels, out / self.groups, kh, kw])?;
        one(input.reshaped([batch, out, self.size(input, 0)?, self.size(input, 1)?]))
    }

    fn weights(&self, inputs: &[&TensorType]) -> Weights {
        let ([kh, kw], out) = (self.kernel.get(), self.out_channels.get());
        let shape = [inputs[0].channels(), out / self.groups, kh, kw];
        let kernel = (inputs.len() == 1).then(|| Weight::new("weight", shape, Role::Weight));
        let bias = self.bias.then(|| Weight::new("bias", [out], Role::Bias));
        kernel.into_iter().chain(bias).collect()
    }

    fn family(&self) -> Family {
        Family::Convolution
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let outputs = io.output_elements();
        let macs = product(&[io.input_elements(), self.taps()?])?;
        Cost { macs, activations: outputs, ..Cost::NONE }.bias(self.bias, outputs)
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
    use super::{ConvTranspose2d, Window};

    impl ConvTranspose2d {
        fn windows(&self) -> [Window; 2] {
            let ([kh, kw], [sh, sw], [dh, dw]) = (self.kernel.get(), self.stride.get(), self.dilation.get());
            [Window { kernel: kh, stride: sh, dilation: dh }, Window { kernel: kw, stride: sw, dilation: dw }]
        }

        /// The convolution that it is the gradient of: from the output's map to the input's.
        fn slide(&self, io: Io<'_>) -> Result<(Slide, usize), Overflow> {
            let swapped = [io.inputs[0].clone()];
            let swapped = Io { inputs: &[&io.outputs[0]], outputs: &swapped };
            Ok((Slide::swapped(swapped, self.windows(), self.padding)?, size(self.groups.get())?))
        }
    }

    impl Execute for ConvTranspose2d {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (slide, groups) = self.slide(call.io)?;
            let kernel = call.inputs.get(1).map_or_else(|| call.stored.get("weight"), Ok)?.contiguous()?;
            let y = convolution::grad_input(&call.inputs[0].contiguous()?, &kernel, &slide, groups)?;
            let Some(bias) = call.stored.get_if(self.bias, "bias")? else { return Ok(y.into()) };
            let bias = bias.reshape((1, bias.elem_count(), 1, 1))?;
            Ok(map(&[&y, &bias], y.dims(), &function!(|y, b| y + b))?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let ((slide, groups), gradient) = (self.slide(call.io)?, call.gradient()?.contiguous()?);
            let computed = call.io.inputs.len() > 1;
            let mut gradients = Gradients::default();
            let kernel = if computed { call.input(1)? } else { call.stored.get("weight")? }.contiguous()?;
            let of_input =
                call.wants(0).then(|| convolution::forward(&gradient, &kernel, None, &slide, groups));
            gradients.inputs.push(of_input.transpose()?);
            let of_kernel =
                || convolution::grad_kernel(&gradient, &call.input(0)?.contiguous()?, &slide, groups);
            if computed {
                gradients.inputs.push(call.wants(1).then(of_kernel).transpose()?);
            } else {
                gradients.stored.push(("weight", of_kernel()?));
            }
            if self.bias {
                gradients.stored.push(("bias", reduce(&gradient, &[0, 2, 3], &Sum)?.flatten_all()?));
            }
            Ok(gradients)
        }

        fn workspace(&self, io: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            let swapped = [io.inputs[0].clone()];
            let swapped = Io { inputs: &[&io.outputs[0]], outputs: &swapped };
            let groups = self.groups.get();
            let passes = [Pass::Forward, Pass::Backward]
                .map(|pass| convolution::workspace(swapped, self.windows(), self.padding, groups, pass));
            let [forward, backward] = passes;
            // The output before its bias is added.
            sum([forward?.max(backward?), io.outputs[0].bytes().get()])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    fn conv(out_channels: u64, kernel: u64, stride: u64) -> ConvTranspose2d {
        ConvTranspose2d {
            out_channels: NonZeroU64::new(out_channels).unwrap(),
            kernel: Pair::both(kernel),
            stride: Pair::both(stride),
            padding: Padding::all(0),
            output_padding: Extra::NONE,
            dilation: Pair::both(1),
            groups: NonZeroU64::MIN,
            bias: false,
        }
    }

    #[test]
    fn the_first_up_convolution_of_u_net() {
        let up = ConvTranspose2d { bias: true, ..conv(512, 2, 2) };
        // 1024·512·4 + 512 parameters; 1024·28·28 = 802,816 inputs, 512·4 = 2048 MACs each; 512·56·56 biases.
        check(up, &[&[1, 1024, 28, 28]])
            .outputs("1x512x56x56")
            .learned(2_097_664)
            .macs(1_644_167_168)
            .activations(1_605_632)
            .flops(2 * 1_644_167_168 + 1_605_632)
            .gradient_macs(1_644_167_168, 1_644_167_168)
            .keeps(Kept::INPUT, Kept::INPUT);
    }

    #[test]
    fn sizes() {
        // (7 − 1)·2 − 2 + 2 + 1 + 1 = 14 with output_padding 1, 13 without.
        let double = ConvTranspose2d { padding: Padding::all(1), ..conv(8, 3, 2) };
        check(double.clone(), &[&[2, 4, 7, 7]]).outputs("2x8x13x13");
        let wider = ConvTranspose2d { output_padding: Extra { height: 0, width: 1 }, ..double };
        // 2·4·7·7 = 392 inputs, 8·9 MACs each: the cut border is counted in full.
        check(wider, &[&[2, 4, 7, 7]]).outputs("2x8x13x14").macs(28_224);
        // 6 + 2·2 + 1 = 11.
        check(ConvTranspose2d { dilation: Pair::both(2), ..conv(8, 3, 1) }, &[&[1, 4, 7, 7]])
            .outputs("1x8x11x11");
        check(ConvTranspose2d { padding: Padding::Same, ..conv(8, 3, 2) }, &[&[1, 4, 7, 7]])
            .outputs("1x8x14x14");
        // Depthwise: one output channel for each input.
        let depthwise = ConvTranspose2d { groups: NonZeroU64::new(4).unwrap(), ..conv(4, 4, 2) };
        check(depthwise, &[&[1, 4, 7, 7]])
            .learned(4 * 16)
            .macs(4 * 49 * 16)
            .channels(&Channels::Weighted { groups: 4 });
    }

    #[test]
    fn what_does_not_fit() {
        check(conv(8, 3, 1), &[&[1, 4, 7]]).refused("the input must have 4 axes");
        check(ConvTranspose2d { groups: NonZeroU64::new(3).unwrap(), ..conv(9, 3, 1) }, &[&[1, 4, 7, 7]])
            .refused("3 groups do not divide 4 input channels");
        check(ConvTranspose2d { padding: Padding::all(5), ..conv(8, 3, 1) }, &[&[1, 4, 7, 7]])
            .refused("the height would be 9 and padding cuts off 10");
        let extra = Extra { height: 2, width: 0 };
        check(ConvTranspose2d { output_padding: extra, ..conv(8, 3, 2) }, &[&[1, 4, 7, 7]])
            .refused("`output_padding` 2 is less than neither");
        check(
            ConvTranspose2d { output_padding: extra, padding: Padding::Same, ..conv(8, 3, 2) },
            &[&[1, 4, 7, 7]],
        )
        .refused("has no place beside");
        check(conv(u64::MAX, 3, 1), &[&[1, 4, 7, 7]]).refused("does not fit in 64 bits");
        check(conv(1, u64::MAX, 1), &[&[1, 4, 7, 7]]).refused("does not fit in 64 bits");
    }
}
