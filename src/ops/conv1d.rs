use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::{Padding1d, attributes};
use super::conv2d;
use super::window::{self, Window};
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Role, Storage, Weight, Weights,
    one,
};
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

attributes! {
    /// One-dimensional convolution.
    ///
    /// Slides `out_channels` kernels over `[n, c, l]`. With `groups` = g the channels fall into g groups and each kernel
    /// reads one of them.
    ///
    /// ## Formula
    /// `l' = ⌊(l + left + right − dilation·(kernel − 1) − 1) / stride⌋ + 1`.
    /// Weights: `out_channels · c/g · kernel`, and `out_channels` for a bias.
    ///
    /// ## Counted
    /// MACs: `n · out_channels · l' · c/g · kernel`, the full kernel at borders. FLOPs: 2 for each, and 1 for each output
    /// that a bias is added to.
    ///
    /// ## Source
    /// `torch.nn.Conv1d`; ONNX Conv on three axes.
    Conv1d = "conv1d" {
        /// Channels of the output.
        out_channels: NonZeroU64,
        /// Length of the kernel.
        kernel: NonZeroU64,
        /// Step of the kernel.
        stride: NonZeroU64 = NonZeroU64::MIN,
        /// Zeros around the input.
        padding: Padding1d = Padding1d::both(0),
        /// Distance between the kernel's taps.
        dilation: NonZeroU64 = NonZeroU64::MIN,
        /// Groups of channels.
        groups: NonZeroU64 = NonZeroU64::MIN,
        /// Whether a bias is added to each output channel.
        bias: bool = true,
    }
}

impl Conv1d {
    /// Input elements that one output element reads: `c/g · kernel`.
    fn taps(&self, channels: u64) -> Result<u64, Overflow> {
        product(&[channels / self.groups, self.kernel.get()])
    }
}

impl Operator for Conv1d {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=2
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let input = inputs[0];
        let &[batch, channels, length] = input.shape.axes() else {
            return Err(window::rank(input, 3, "[n, c, l]"));
        };
        let out = self.out_channels.get();
        conv2d::check_groups(input, channels, out, self.groups.get())?;
        let window =
            Window { kernel: self.kernel.get(), stride: self.stride.get(), dilation: self.dilation.get() };
        let padding = match self.padding {
            Padding1d::Same => window.same(length)?,
            Padding1d::Explicit { left, right } => (left, right),
        };
        let output = window
            .output(length, padding, false)?
            .ok_or_else(|| window::vanishes(input, "length", length, padding, window))?;
        product(&[out, self.taps(channels)?])?;
        conv2d::check_kernel(inputs, &[out, channels / self.groups, self.kernel.get()])?;
        one(input.reshaped([batch, out, output]))
    }

    fn weights(&self, inputs: &[&TensorType]) -> Weights {
        let out = self.out_channels.get();
        let shape = [out, inputs[0].channels() / self.groups, self.kernel.get()];
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
    use super::super::execute::kernel::convolution::{self, Slide, places};
    use super::super::execute::prelude::*;
    use super::{Conv1d, Padding1d, Window};
    use crate::ops::attribute::Padding;
    use crate::tensor::TensorType;

    impl Conv1d {
        fn window(&self) -> Window {
            Window { kernel: self.kernel.get(), stride: self.stride.get(), dilation: self.dilation.get() }
        }

        /// The line as a map of one row.
        fn slide(&self, io: Io<'_>) -> Result<(Slide, usize), Overflow> {
            let (window, length) = (self.window(), io.inputs[0].spatial()[0]);
            let around = match self.padding {
                Padding1d::Same => window.same(length)?,
                Padding1d::Explicit { left, right } => (left, right),
            };
            let slide = Slide {
                kernel: [1, size(window.kernel)?],
                stride: [1, size(window.stride)?],
                dilation: [1, size(window.dilation)?],
                before: [0, size(around.0)?],
                input: [1, size(length)?],
                output: [1, size(places(window, length, around, false)?)?],
            };
            Ok((slide, size(self.groups.get())?))
        }
    }

    fn map_of(line: &Tensor) -> Result<Tensor, Fault> {
        Ok(line.contiguous()?.unsqueeze(2)?)
    }

    impl Execute for Conv1d {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (slide, groups) = self.slide(call.io)?;
            let kernel = call.inputs.get(1).map_or_else(|| call.stored.get("weight"), Ok)?;
            let (x, kernel) = (map_of(&call.inputs[0])?, map_of(kernel)?);
            let y =
                convolution::forward(&x, &kernel, call.stored.get_if(self.bias, "bias")?, &slide, groups)?;
            Ok(y.squeeze(2)?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let ((slide, groups), gradient) = (self.slide(call.io)?, map_of(call.gradient()?)?);
            let computed = call.io.inputs.len() > 1;
            let mut gradients = Gradients::default();
            let kernel = map_of(if computed { call.input(1)? } else { call.stored.get("weight")? })?;
            let of_input = call.wants(0).then(|| {
                Ok::<_, Fault>(convolution::grad_input(&gradient, &kernel, &slide, groups)?.squeeze(2)?)
            });
            gradients.inputs.push(of_input.transpose()?);
            let of_kernel = || {
                let x = map_of(call.input(0)?)?;
                Ok::<_, Fault>(convolution::grad_kernel(&x, &gradient, &slide, groups)?.squeeze(2)?)
            };
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

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            let row = |line: &TensorType| {
                let axes = line.shape.axes();
                TensorType::new([axes[0], axes[1], 1, axes[2]], line.dtype)
            };
            let (input, output) = (row(io.inputs[0]), [row(&io.outputs[0])]);
            let padding = match self.padding {
                Padding1d::Same => Padding::Same,
                Padding1d::Explicit { left, right } => Padding::Explicit { top: 0, left, bottom: 0, right },
            };
            let windows = [Window { kernel: 1, stride: 1, dilation: 1 }, self.window()];
            let io = Io { inputs: &[&input], outputs: &output };
            convolution::workspace(io, windows, padding, self.groups.get(), pass)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    fn conv(out_channels: u64, kernel: u64, stride: u64) -> Conv1d {
        Conv1d {
            out_channels: NonZeroU64::new(out_channels).unwrap(),
            kernel: NonZeroU64::new(kernel).unwrap(),
            stride: NonZeroU64::new(stride).unwrap(),
            padding: Padding1d::both(0),
            dilation: NonZeroU64::MIN,
            groups: NonZeroU64::MIN,
            bias: false,
        }
    }

    #[test]
    fn the_stem_of_whisper() {
        let stem = Conv1d { padding: Padding1d::both(1), bias: true, ..conv(384, 3, 1) };
        // 384·80·3 + 384 = 92,544 parameters; 3000·384 = 1,152,000 outputs of 240 MACs and a bias.
        check(stem, &[&[1, 80, 3000]])
            .outputs("1x384x3000")
            .learned(92_544)
            .macs(276_480_000)
            .activations(1_152_000)
            .flops(2 * 276_480_000 + 1_152_000)
            .gradient_macs(276_480_000, 276_480_000)
            .keeps(Kept::INPUT, Kept::INPUT);
    }

    #[test]
    fn paddings_and_groups() {
        // ⌊(10 + 1 + 2 − 4) / 2⌋ + 1 = 5; 2 of 8 channels times 4 taps for each of 2·4·5 outputs.
        let uneven = Conv1d {
            padding: Padding1d::Explicit { left: 1, right: 2 },
            groups: NonZeroU64::new(4).unwrap(),
            ..conv(4, 4, 2)
        };
        check(uneven, &[&[2, 8, 10]])
            .outputs("2x4x5")
            .learned(4 * 2 * 4)
            .macs(320)
            .channels(&Channels::Weighted { groups: 4 });
        check(Conv1d { padding: Padding1d::Same, ..conv(4, 3, 2) }, &[&[1, 8, 9]]).outputs("1x4x5");
    }

    #[test]
    fn what_does_not_fit() {
        check(conv(4, 3, 1), &[&[1, 8, 9, 9]]).refused("the input must have 3 axes");
        check(conv(4, 10, 1), &[&[1, 8, 9]]).refused("the window spans 10 but the length is 9");
        check(Conv1d { groups: NonZeroU64::new(3).unwrap(), ..conv(6, 3, 1) }, &[&[1, 8, 9]])
            .refused("3 groups do not divide 8 input channels");
        check(conv(u64::MAX, 1, 1), &[&[1, 8, 9]]).refused("does not fit in 64 bits");
    }
}
