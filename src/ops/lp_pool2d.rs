use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::{Padding, Pair, attributes};
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use super::window::{self, Window};
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
        let cost = Cost { window: product(&[outputs, taps])?, ..Cost::NONE }.each(outputs, &[(Kind::Add, taps - 1)])?;
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
