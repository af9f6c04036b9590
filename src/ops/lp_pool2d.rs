use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::{Padding, Pair, attributes};
use super::window::{self, Window};
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

attributes! {
    /// The p-norm of each window.
    ///
    /// ## Formula
    /// `y = (Σ |x|ᵖ)^(1/p)`; sizes as in `max_pool2d`.
    ///
    /// ## Counted
    /// FLOPs for each output, with t = kh·kw taps: t − 1 add, and for p = 1 t abs, for p = 2 t mul and 1 sqrt, else t
    /// abs, t pow and 1 pow.
    ///
    /// ## Source
    /// `torch.nn.LPPool2d`; ONNX LpPool.
    LpPool2d = "lp_pool2d" {
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
        /// The order of the norm.
        p: NonZeroU64 = NonZeroU64::MIN,
    }
}

impl LpPool2d {
    fn windows(&self) -> [Window; 2] {
        let ([kh, kw], [sh, sw]) = (self.kernel.get(), self.stride.unwrap_or(self.kernel).get());
        let [dh, dw] = self.dilation.get();
        [Window { kernel: kh, stride: sh, dilation: dh }, Window { kernel: kw, stride: sw, dilation: dw }]
    }
}

impl Operator for LpPool2d {
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
        let cost = Cost { window: product(&[outputs, taps])?, ..Cost::NONE }
            .each(outputs, &[(Kind::Add, taps - 1)])?;
        match self.p.get() {
            1 => cost.each(outputs, &[(Kind::Abs, taps)]),
            2 => cost.each(outputs, &[(Kind::Mul, taps), (Kind::Sqrt, 1)]),
            _ => cost.each(outputs, &[(Kind::Abs, taps), (Kind::Pow, taps)])?.and(Kind::Pow, outputs),
        }
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::keeps(Kept { outputs: true, ..Kept::INPUT }))
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Same
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::convolution::Slide;
    use super::super::execute::kernel::window::{self, Pool};
    use super::super::execute::prelude::*;
    use super::LpPool2d;

    /// The norm of this order.
    struct Norm(f64);

    impl Pool for Norm {
        const BESIDE: f64 = 0.0;
        #[inline(always)]
        fn each<S: Scalar>(&self, x: S, _: usize) -> S {
            match self.0 {
                1.0 => x.abs(),
                2.0 => x * x,
                p => x.abs().pow(S::of(p)),
            }
        }
        #[inline(always)]
        fn join<S: Scalar>(&self, a: S, b: S) -> S {
            a + b
        }
        #[inline(always)]
        fn finish<S: Scalar>(&self, all: S, _: S) -> S {
            match self.0 {
                1.0 => all,
                2.0 => all.sqrt(),
                p => all.pow(S::of(1.0 / p)),
            }
        }
    }

    impl LpPool2d {
        #[expect(clippy::cast_precision_loss, reason = "orders are small")]
        fn order(&self) -> f64 {
            self.p.get() as f64
        }
    }

    impl Execute for LpPool2d {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let slide = Slide::fitting(call.io, self.windows(), self.padding, self.ceil_mode)?;
            let sizes = vec![1.0; slide.outputs()];
            Ok(window::pool(&call.inputs[0], &slide, &sizes, &Norm(self.order()))?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            // dy/dx = y^(1 − p) · |x|^(p − 1) · sign(x): what an output adds, then what an input makes of the sum.
            let slide = Slide::fitting(call.io, self.windows(), self.padding, self.ceil_mode)?;
            let (x, y, gradient, power) =
                (call.input(0)?, call.output()?, call.gradient()?, self.order() - 1.0);
            // Where a window has zeros alone the slope is not defined; 0 is one of the slopes.
            let outer = function!([power] | g, y | y.if_equal(S::of(0.0), S::of(0.0), g * y.pow(-power)));
            let outer = map(&[gradient, y], y.dims(), &outer)?;
            let sums = window::spread(&outer, &slide, &vec![1.0; slide.taps()])?;
            let inner = function!(
                [power] | sum,
                x | {
                    let zero = S::of(0.0);
                    let size = x.if_equal(zero, zero, sum * x.abs().pow(power));
                    x.if_above(zero, size, -size)
                }
            );
            Ok(Gradients::input(map(&[&sums, x], x.dims(), &inner)?))
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            let slide = Slide::fitting(io, self.windows(), self.padding, self.ceil_mode)?;
            let frame = window::workspace(&slide, io)?;
            match pass {
                Pass::Forward => Ok(frame),
                Pass::Backward => sum([frame, io.inputs[0].bytes().get(), io.outputs[0].bytes().get()]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn counts() {
        let op = LpPool2d {
            kernel: Pair::both(2),
            stride: None,
            padding: Padding::all(0),
            dilation: Pair::both(1),
            ceil_mode: false,
            p: NonZeroU64::new(2).unwrap(),
        };
        // 3·16 outputs of 4 taps: 4 mul, 3 add, 1 sqrt.
        check(op.clone(), &[&[1, 3, 8, 8]]).outputs("1x3x4x4").flops(48 * 8).window(192);
        check(LpPool2d { p: NonZeroU64::MIN, ..op.clone() }, &[&[1, 3, 8, 8]]).flops(48 * 7);
        check(LpPool2d { p: NonZeroU64::new(3).unwrap(), ..op }, &[&[1, 3, 8, 8]]).flops(48 * 12);
    }
}
