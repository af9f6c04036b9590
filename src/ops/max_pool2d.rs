use std::ops::RangeInclusive;

use super::attribute::{Padding, Pair, attributes};
use super::window::{self, Window};
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

attributes! {
    /// The largest element of each window.
    ///
    /// Padding never wins: it counts as minus infinity.
    ///
    /// ## Formula
    /// `h' = ⌊(h + top + bottom − dilation·(kernel − 1) − 1) / stride⌋ + 1`; with `ceil_mode` rounded up, but a window
    /// that would start in the padding after is dropped.
    ///
    /// ## Counted
    /// FLOPs: `kh·kw − 1` max for each output, the full window at borders.
    ///
    /// ## Source
    /// `torch.nn.MaxPool2d`; ONNX MaxPool; darknet `[maxpool]`.
    MaxPool2d = "max_pool2d" {
        /// Height and width of the window.
        kernel: Pair,
        /// Steps of the window; the kernel's size if not given.
        stride: Option<Pair> = None,
        /// Around the input.
        padding: Padding = Padding::all(0),
        /// Distance between the window's taps.
        dilation: Pair = Pair::both(1),
        /// Whether the output's size is rounded up.
        ceil_mode: bool = false,
    }
}

impl MaxPool2d {
    fn windows(&self) -> [Window; 2] {
        let ([kh, kw], [sh, sw]) = (self.kernel.get(), self.stride.unwrap_or(self.kernel).get());
        let [dh, dw] = self.dilation.get();
        [Window { kernel: kh, stride: sh, dilation: dh }, Window { kernel: kw, stride: sw, dilation: dw }]
    }
}

impl Operator for MaxPool2d {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let input = inputs[0];
        let [height, width] = window::output_2d(input, self.windows(), self.padding, self.ceil_mode)?;
        one(input.reshaped([input.shape.axes()[0], input.channels(), height, width]))
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Pooling
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let [kh, kw] = self.kernel.get();
        let (outputs, taps) = (io.output_elements(), product(&[kh, kw])?);
        Cost { window: product(&[outputs, taps])?, ..Cost::NONE }.each(outputs, &[(Kind::Max, taps - 1)])
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, io: Io<'_>) -> Result<Backward, Overflow> {
        // PyTorch keeps the input and the winners' indices (i64); the input alone finds the winners again.
        let indices = product(&[io.output_elements(), 8])?;
        Ok(Backward { eager: Kept::INPUT.and_bytes(indices), ..Backward::keeps(Kept::INPUT) })
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Same
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::convolution::Slide;
    use super::super::execute::kernel::reach::{self, Reach};
    use super::super::execute::kernel::window::{self, Largest};
    use super::super::execute::prelude::*;
    use super::MaxPool2d;

    impl Execute for MaxPool2d {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let slide = Slide::fitting(call.io, self.windows(), self.padding, self.ceil_mode)?;
            let sizes = vec![1.0; slide.outputs()];
            Ok(window::pool(&call.inputs[0], &slide, &sizes, &Largest)?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let slide = Slide::fitting(call.io, self.windows(), self.padding, self.ceil_mode)?;
            let reach = [0, 1].map(|axis| Reach::sliding(&slide, axis, [0, 0]));
            Ok(Gradients::input(reach::winners(call.input(0)?, call.gradient()?, &reach)?))
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            let slide = Slide::fitting(io, self.windows(), self.padding, self.ceil_mode)?;
            match pass {
                Pass::Forward => window::workspace(&slide, io),
                Pass::Backward => reach::workspace(io),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn the_stem_of_resnet50() {
        let pool = MaxPool2d {
            kernel: Pair::both(3),
            stride: Some(Pair::both(2)),
            padding: Padding::all(1),
            dilation: Pair::both(1),
            ceil_mode: false,
        };
        // 64·56·56 = 200,704 outputs, 8 max each.
        check(pool, &[&[1, 64, 112, 112]]).outputs("1x64x56x56").learned(0).macs(0).flops(1_605_632);
    }

    #[test]
    fn ceil_mode_and_default_stride() {
        let pool = MaxPool2d {
            kernel: Pair::both(2),
            stride: None,
            padding: Padding::all(0),
            dilation: Pair::both(1),
            ceil_mode: true,
        };
        check(pool.clone(), &[&[1, 1, 7, 8]]).outputs("1x1x4x4");
        check(MaxPool2d { ceil_mode: false, ..pool }, &[&[1, 1, 7, 8]]).outputs("1x1x3x4").flops(3 * 12);
    }
}
