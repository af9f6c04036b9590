use std::ops::RangeInclusive;

use super::attribute::{Padding, Pair, attributes};
use super::window::{self, Window};
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

attributes! {
    /// The mean of each window.
    ///
    /// ## Formula
    /// `h' = ⌊(h + top + bottom − dilation·(kernel − 1) − 1) / stride⌋ + 1`; with `ceil_mode` rounded up, but a window that would start
    /// in the padding after is dropped. With `count_include_pad` the divisor is the number of window elements that lie in
    /// the input or its padding, which is `kh·kw` unless `ceil_mode` adds a window that goes beyond (PyTorch); else the
    /// number of those that lie in the input. `"same"` padding is padding.
    ///
    /// ## Counted
    /// FLOPs: `kh·kw − 1` add and 1 div for each output, the full window at borders.
    ///
    /// ## Source
    /// `torch.nn.AvgPool2d`; ONNX AveragePool; darknet `[local_avgpool]`.
    AvgPool2d = "avg_pool2d" {
        /// Height and width of the window.
        kernel: Pair,
        /// Steps of the window; the kernel's size if not given.
        stride: Option<Pair> = None,
        /// Around the input.
        padding: Padding = Padding::all(0),
        /// Whether the output's size is rounded up.
        ceil_mode: bool = false,
        /// Distance between the window's taps.
        dilation: Pair = Pair::both(1),
        /// Whether padding counts in the divisor.
        count_include_pad: bool = true,
    }
}

impl AvgPool2d {
    fn windows(&self) -> [Window; 2] {
        let ([kh, kw], [sh, sw]) = (self.kernel.get(), self.stride.unwrap_or(self.kernel).get());
        let [dh, dw] = self.dilation.get();
        [Window { kernel: kh, stride: sh, dilation: dh }, Window { kernel: kw, stride: sw, dilation: dw }]
    }
}

impl Operator for AvgPool2d {
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
        Cost { window: product(&[outputs, taps])?, ..Cost::NONE }
            .each(outputs, &[(Kind::Add, taps - 1), (Kind::Div, 1)])
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        // PyTorch keeps the input for its shape's sake; the rule itself needs nothing.
        Ok(Backward { eager: Kept::INPUT, ..Backward::keeps(Kept::NOTHING) })
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Same
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::convolution::Slide;
    use super::super::execute::kernel::reach::{self, Reach};
    use super::super::execute::kernel::window::{self, Average};
    use super::super::execute::prelude::*;
    use super::{AvgPool2d, Padding};

    impl AvgPool2d {
        /// How the window slides, and the divisor of each output of a map.
        fn divisors(&self, io: Io<'_>) -> Result<(Slide, Vec<f64>), Fault> {
            let slide = Slide::fitting(io, self.windows(), self.padding, self.ceil_mode)?;
            let mut more = [[0, 0]; 2];
            if self.count_include_pad {
                let (windows, input) = (self.windows(), io.inputs[0].spatial());
                let pads = match self.padding {
                    Padding::Explicit { top, left, bottom, right } => [(top, bottom), (left, right)],
                    Padding::Same => [windows[0].same(input[0])?, windows[1].same(input[1])?],
                };
                for (more, (before, after)) in more.iter_mut().zip(pads) {
                    *more = [size(before)?, size(after)?];
                }
            }
            let reach = [0, 1].map(|axis| Reach::sliding(&slide, axis, more[axis]));
            // A window that lies in the padding alone has a sum of 0: so is its mean.
            let sizes = reach::sizes(&reach).into_iter().map(|size| size.max(1.0)).collect();
            Ok((slide, sizes))
        }
    }

    impl Execute for AvgPool2d {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (slide, divisors) = self.divisors(call.io)?;
            Ok(window::pool(&call.inputs[0], &slide, &divisors, &Average)?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let (slide, divisors) = self.divisors(call.io)?;
            let gradient = call.gradient()?;
            let divisors = Tensor::from_vec(divisors, (slide.output[0], slide.output[1]), gradient.device())?
                .to_dtype(gradient.dtype())?;
            let share = map(&[gradient, &divisors], gradient.dims(), &function!(|g, n| g / n))?;
            Ok(Gradients::input(window::spread(&share, &slide, &vec![1.0; slide.taps()])?))
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            let slide = Slide::fitting(io, self.windows(), self.padding, self.ceil_mode)?;
            let frame = window::workspace(&slide, io)?;
            match pass {
                Pass::Forward => Ok(frame),
                // The divisors as numbers of the map's type, and each output's share.
                Pass::Backward => sum([frame, product(&[2, io.outputs[0].bytes().get()])?]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn the_transition_of_densenet() {
        let pool = AvgPool2d {
            kernel: Pair::both(2),
            stride: None,
            padding: Padding::all(0),
            ceil_mode: false,
            dilation: Pair::both(1),
            count_include_pad: true,
        };
        // 128·28·28 = 100,352 outputs; 3 add and 1 div each.
        check(pool, &[&[1, 128, 56, 56]]).outputs("1x128x28x28").learned(0).macs(0).flops(401_408);
    }
}
