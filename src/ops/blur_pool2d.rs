use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::{Padding, Pair, attributes};
use super::window::{self, Window};
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Role, Storage, Weight,
    Weights, one,
};
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

attributes! {
    /// A fixed smoothing filter over each channel, so that what is left out by a stride is not lost.
    ///
    /// ## Formula
    /// `h' = ⌊(h + top + bottom − kernel) / stride⌋ + 1`. Each output is the sum of its window under one filter of
    /// `kernel · kernel` fixed weights that sum to 1: rows of Pascal's triangle (1 1, 1 2 1, 1 3 3 1). Buffers: that filter.
    ///
    /// ## Counted
    /// FLOPs for each output: `kernel²` mul and `kernel² − 1` add, the full window at borders. No MACs: nothing is
    /// learned, and darknet does not count it.
    ///
    /// ## Source
    /// Zhang 2019, arXiv 1904.11486; darknet `antialiasing` (1: `kernel` 3, 2: `kernel` 2).
    BlurPool2d = "blur_pool2d" {
        /// Height and width of the window.
        kernel: NonZeroU64,
        /// Steps of the window.
        stride: Pair = Pair::both(1),
        /// Zeros around the input.
        padding: Padding = Padding::all(0),
    }
}

impl Operator for BlurPool2d {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let input = inputs[0];
        let kernel = self.kernel.get();
        let windows = self.stride.get().map(|stride| Window { kernel, stride, dilation: 1 });
        product(&[kernel, kernel])?;
        let [height, width] = window::output_2d(input, windows, self.padding, false)?;
        one(input.reshaped([input.shape.axes()[0], input.channels(), height, width]))
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        let kernel = self.kernel.get();
        [Weight::new("filter", [kernel, kernel], Role::Buffer)].into_iter().collect()
    }

    fn family(&self) -> Family {
        Family::Pooling
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let taps = product(&[self.kernel.get(), self.kernel.get()])?;
        Cost::NONE.each(io.output_elements(), &[(Kind::Mul, taps), (Kind::Add, taps - 1)])
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        // PyTorch convolves, and keeps the input for its shape's sake; the rule itself needs nothing.
        Ok(Backward { eager: Kept::INPUT, ..Backward::keeps(Kept::NOTHING) })
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Same
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::convolution::Slide;
    use super::super::execute::kernel::doubles;
    use super::super::execute::kernel::window::{self, Pool};
    use super::super::execute::prelude::*;
    use super::{BlurPool2d, Window};

    /// The sum under a filter.
    struct Blur(Vec<f64>);

    impl Pool for Blur {
        const BESIDE: f64 = 0.0;
        #[inline(always)]
        fn each<S: Scalar>(&self, x: S, tap: usize) -> S {
            x * S::of(self.0[tap])
        }
        #[inline(always)]
        fn join<S: Scalar>(&self, a: S, b: S) -> S {
            a + b
        }
        #[inline(always)]
        fn finish<S: Scalar>(&self, all: S, _: S) -> S {
            all
        }
    }

    impl BlurPool2d {
        fn slide(&self, io: Io<'_>) -> Result<Slide, Overflow> {
            let kernel = self.kernel.get();
            Slide::new(
                io,
                self.stride.get().map(|stride| Window { kernel, stride, dilation: 1 }),
                self.padding,
            )
        }
    }

    impl Execute for BlurPool2d {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (slide, blur) = (self.slide(call.io)?, Blur(doubles(call.stored.get("filter")?)?));
            let sizes = vec![1.0; slide.outputs()];
            Ok(window::pool(&call.inputs[0], &slide, &sizes, &blur)?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let filter = doubles(call.stored.get("filter")?)?;
            Ok(Gradients::input(window::spread(call.gradient()?, &self.slide(call.io)?, &filter)?))
        }

        fn workspace(&self, io: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            window::workspace(&self.slide(io)?, io)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    fn blur(kernel: u64, stride: u64, padding: u64) -> BlurPool2d {
        BlurPool2d {
            kernel: NonZeroU64::new(kernel).unwrap(),
            stride: Pair::both(stride),
            padding: Padding::all(padding),
        }
    }

    #[test]
    fn nine_products_and_eight_sums() {
        // 8·4·4 = 128 outputs, 17 operations each.
        check(blur(3, 2, 1), &[&[1, 8, 8, 8]])
            .outputs("1x8x4x4")
            .learned(0)
            .buffers(9)
            .macs(0)
            .flops(2_176)
            .channels(&Channels::Same)
            .keeps(Kept::INPUT, Kept::NOTHING);
        check(blur(2, 2, 0), &[&[1, 8, 8, 8]]).outputs("1x8x4x4").flops(128 * 7);
        check(blur(9, 1, 0), &[&[1, 8, 8, 8]]).refused("the window spans 9 but the height is 8");
        check(blur(1 << 32, 1, 0), &[&[1, 8, 8, 8]]).refused("does not fit in 64 bits");
    }
}
