use std::ops::RangeInclusive;

use super::attribute::{Pair, attributes};
use super::window;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights,
};
use crate::tensor::TensorType;
use crate::units::Overflow;

attributes! {
    /// The mean of as many windows as the output has elements, whatever the map's size.
    ///
    /// ## Formula
    /// Row i of the output is the mean of rows `⌊i·h/h'⌋` to `⌈(i+1)·h/h'⌉ − 1`, columns likewise. Windows of neighbours
    /// overlap where h' does not divide h.
    ///
    /// ## Counted
    /// FLOPs: 1 add for each window element but the first, and 1 div for each output. All windows of a channel visit
    /// `(h + h' − gcd(h, h'))·(w + w' − gcd(w, w'))` elements.
    ///
    /// ## Source
    /// `torch.nn.AdaptiveAvgPool2d`; ONNX has it only where it is an AveragePool or a GlobalAveragePool.
    AdaptiveAvgPool2d = "adaptive_avg_pool2d" {
        /// Height and width of the output.
        output: Pair,
    }
}

impl Operator for AdaptiveAvgPool2d {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        window::adaptive_output(inputs[0], self.output)
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::GlobalPooling
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let (window, outputs) = (window::adaptive_elements(io)?, io.output_elements());
        let cost = Cost { window, ..Cost::NONE };
        cost.and(Kind::Add, window.saturating_sub(outputs))?.and(Kind::Div, outputs)
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        // PyTorch keeps the input for its shape's sake, except for a 1x1 output, which it computes as a mean.
        let eager = if self.output == Pair::both(1) { Kept::NOTHING } else { Kept::INPUT };
        Ok(Backward { eager, ..Backward::keeps(Kept::NOTHING) })
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Same
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::reach::{self, Reach};
    use super::super::execute::kernel::window::Average;
    use super::super::execute::prelude::*;
    use super::AdaptiveAvgPool2d;

    impl AdaptiveAvgPool2d {
        fn reach(&self, io: Io<'_>) -> Result<[Reach; 2], Overflow> {
            let ([height, width], input) = (self.output.get(), io.inputs[0].spatial());
            Ok([
                Reach::adaptive(size(input[0])?, size(height)?),
                Reach::adaptive(size(input[1])?, size(width)?),
            ])
        }
    }

    impl Execute for AdaptiveAvgPool2d {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            Ok(reach::pool(&call.inputs[0], &self.reach(call.io)?, &Average)?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            Ok(Gradients::input(reach::share(call.gradient()?, &self.reach(call.io)?)?))
        }

        fn workspace(&self, io: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            reach::workspace(io)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    fn pool(height: u64, width: u64) -> AdaptiveAvgPool2d {
        let [height, width] = [height, width].map(|size| size.try_into().unwrap());
        AdaptiveAvgPool2d { output: Pair { height, width } }
    }

    #[test]
    fn the_head_of_vgg16() {
        // Windows of one element: no add, one div for each of 512·49.
        check(pool(7, 7), &[&[1, 512, 7, 7]])
            .outputs("1x512x7x7")
            .window(25_088)
            .flops(25_088)
            .keeps(Kept::INPUT, Kept::NOTHING);
    }

    #[test]
    fn windows_overlap_or_repeat() {
        // Rows 0–1, 1–3, 3–4 of 5: 7 visits. Columns 0, 0–1, 1 of 2: 4 visits. 28 − 9 add and 9 div for each of 2·3.
        check(pool(3, 3), &[&[2, 3, 5, 2]]).outputs("2x3x3x3").window(6 * 28).flops(6 * (28 - 9) + 6 * 9);
        // As global_avg_pool: 48 add and 1 div.
        check(pool(1, 1), &[&[1, 2048, 7, 7]])
            .outputs("1x2048x1x1")
            .window(2048 * 49)
            .flops(2048 * 49)
            .channels(&Channels::Same)
            .keeps(Kept::NOTHING, Kept::NOTHING);
        check(pool(1, 1), &[&[1, 2048]]).refused("the input must have 4 axes");
        check(pool(1, 1), &[&[1, 2048, 0, 1]]).refused("the map has no elements");
    }
}
