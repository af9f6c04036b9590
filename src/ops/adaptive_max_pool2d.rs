use std::ops::RangeInclusive;

use super::attribute::{Pair, attributes};
use super::window;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights,
};
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

attributes! {
    /// The largest element of as many windows as the output has elements, whatever the map's size.
    ///
    /// ## Formula
    /// Row i of the output is the maximum of rows `⌊i·h/h'⌋` to `⌈(i+1)·h/h'⌉ − 1`, columns likewise. Windows of
    /// neighbours overlap where h' does not divide h.
    ///
    /// ## Counted
    /// FLOPs: 1 max for each window element but the first. All windows of a channel visit
    /// `(h + h' − gcd(h, h'))·(w + w' − gcd(w, w'))` elements.
    ///
    /// ## Source
    /// `torch.nn.AdaptiveMaxPool2d`; ONNX has it only where it is a MaxPool or a GlobalMaxPool.
    AdaptiveMaxPool2d = "adaptive_max_pool2d" {
        /// Height and width of the output.
        output: Pair,
    }
}

impl Operator for AdaptiveMaxPool2d {
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
        let window = window::adaptive_elements(io)?;
        Cost { window, ..Cost::NONE }.and(Kind::Max, window.saturating_sub(io.output_elements()))
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
    use super::super::execute::kernel::reach::{self, Reach};
    use super::super::execute::kernel::window::Largest;
    use super::super::execute::prelude::*;
    use super::AdaptiveMaxPool2d;

    impl AdaptiveMaxPool2d {
        fn reach(&self, io: Io<'_>) -> Result<[Reach; 2], Overflow> {
            let ([height, width], input) = (self.output.get(), io.inputs[0].spatial());
            Ok([
                Reach::adaptive(size(input[0])?, size(height)?),
                Reach::adaptive(size(input[1])?, size(width)?),
            ])
        }
    }

    impl Execute for AdaptiveMaxPool2d {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            Ok(reach::pool(&call.inputs[0], &self.reach(call.io)?, &Largest)?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            Ok(Gradients::input(reach::winners(call.input(0)?, call.gradient()?, &self.reach(call.io)?)?))
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

    #[test]
    fn windows_overlap() {
        // Rows and columns 0–1, 1–3, 3–4 of 5: 7·7 visits for 9 outputs, in each of 2·3 channels.
        check(AdaptiveMaxPool2d { output: Pair::both(3) }, &[&[2, 3, 5, 5]])
            .outputs("2x3x3x3")
            .learned(0)
            .macs(0)
            .window(294)
            .flops(294 - 54)
            .channels(&Channels::Same)
            .keeps(Kept::INPUT.and_bytes(54 * 8), Kept::INPUT);
        check(AdaptiveMaxPool2d { output: Pair::both(1) }, &[&[1, 8, 7]])
            .refused("the input must have 4 axes");
    }
}
