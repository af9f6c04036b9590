use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights,
    elementwise, norm,
};
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

attributes! {
    /// Local response normalization over neighbouring channels.
    ///
    /// ## Formula
    /// `y = x / (k + alpha/size · Σ x²)^beta`, the sum over the `size` channels around each channel: ⌊size/2⌋ before
    /// it and ⌊(size − 1)/2⌋ after it, as PyTorch has it (ONNX puts the odd one of an even size after). Beyond the first
    /// and the last channel it reads zeros.
    ///
    /// ## Counted
    /// FLOPs for each element: 1 mul (square), size − 1 add (the full window at borders), 1 mul (by alpha/size), 1 add
    /// (k), 1 pow and 1 div, that is size + 4.
    ///
    /// ## Source
    /// Krizhevsky, Sutskever and Hinton 2012; `torch.nn.LocalResponseNorm`; ONNX LRN (`bias` for k); darknet
    /// `[normalization]`, whose alpha is not divided by size.
    Lrn = "lrn" {
        /// Channels in the window.
        size: NonZeroU64,
        /// The weight of the squares, shared by the window's channels.
        alpha: f64 = 1e-4,
        /// The power.
        beta: f64 = 0.75,
        /// The addend that keeps the divisor from 0.
        k: f64 = 1.0,
    }
}

impl Operator for Lrn {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        norm::least_rank(inputs[0], 3, "a batch, a channel and a map axis")?;
        elementwise::same(inputs)
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Normalization
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let neighbours = self.size.get() - 1;
        let kinds = [(Kind::Mul, 2), (Kind::Add, neighbours), (Kind::Add, 1), (Kind::Pow, 1), (Kind::Div, 1)];
        Cost::NONE.each(io.output_elements(), &kinds)
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, io: Io<'_>) -> Result<Backward, Overflow> {
        let input = io.inputs[0];
        let width = input.dtype.bits().div_ceil(8);
        let bytes = product(&[input.elements().get(), width])?;
        // The input and what the power is taken of.
        let minimal = Kept::INPUT.and_bytes(bytes);
        // PyTorch builds it of single ops: they save the input, its squares padded to c + size − 1 channels, alpha as
        // a number of 8 bytes, what the power is taken of, and the power.
        let channels = input.channels().checked_add(self.size.get() - 1).ok_or(Overflow)?;
        let batch = input.shape.axis(0).unwrap_or(1);
        let padded = product(&[batch, channels, product(input.spatial())?, width])?;
        let eager = minimal.and_bytes(padded).and_bytes(8).and_bytes(bytes);
        Ok(Backward { eager, ..Backward::keeps(minimal) })
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        // Every channel weighs on the statistics, but provenance takes a norm as passing each channel through.
        Channels::Same
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::prelude::*;
    use super::Lrn;

    impl Execute for Lrn {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let x = &call.inputs[0];
            let squares = map(&[x], x.dims(), &function!(|x| x * x))?;
            let [before, after] = self.window(x)?;
            let sums = window_sums(&squares, before, after)?;
            drop(squares);
            let (share, k, beta) = (self.share(), self.k, self.beta);
            let base = map(&[&sums], x.dims(), &function!([share, k] | sum | sum * share + k))?;
            let y = map(&[x, &base], x.dims(), &function!([beta] | x, base | x / base.pow(beta)))?;
            let mut made = Made::from(y);
            if call.mode == Mode::Train {
                made.kept.push(base);
            }
            Ok(made)
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let (x, gradient) = (call.input(0)?, call.gradient()?);
            let [base] = call.kept else {
                return Err(Fault::Internal("its backward pass without what the power is taken of"));
            };
            let beta = self.beta;
            let shares = function!([beta] | g, x, base | g * x / base.pow(beta + S::of(1.0)));
            let shares = map(&[gradient, x, base], x.dims(), &shares)?;
            // An element is in the windows of those for which it is a neighbour: the window turned round.
            let [before, after] = self.window(x)?;
            let sums = window_sums(&shares, after, before)?;
            let factor = 2.0 * self.share() * self.beta;
            let formula = function!([beta, factor] | g, x, base, sum | g / base.pow(beta) - x * sum * factor);
            Ok(Gradients::input(map(&[gradient, x, base, &sums], x.dims(), &formula)?))
        }

        fn workspace(&self, io: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            let input = io.inputs[0];
            // The squares, with zeros around them, and sums on the way.
            // On either side as many channels as there are, at most.
            product(&[6, input.bytes().get()])
        }
    }

    impl Lrn {
        /// What the squares are multiplied by.
        #[expect(clippy::cast_precision_loss, reason = "no window has 2^53 channels")]
        fn share(&self) -> f64 {
            self.alpha / self.size.get() as f64
        }

        /// Channels before and after each one. More than there are would only add zeros.
        fn window(&self, x: &Tensor) -> Result<[usize; 2], Fault> {
            let (size, channels) = (size(self.size.get())?, x.dims()[1]);
            Ok([size / 2, (size - 1) / 2].map(|side| side.min(channels)))
        }
    }

    /// Sums over a window of channels, zeros beyond the first and the last.
    fn window_sums(x: &Tensor, before: usize, after: usize) -> Result<Tensor, Fault> {
        let padded = x.pad_with_zeros(1, before, after)?;
        let channels = x.dims()[1];
        let mut sums = padded.narrow(1, 0, channels)?;
        for at in 1..=before + after {
            let next = padded.narrow(1, at, channels)?;
            sums = map(&[&sums, &next], x.dims(), &function!(|sum, x| sum + x))?;
        }
        Ok(sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn the_norm_of_alexnet() {
        let norm = Lrn { size: NonZeroU64::new(5).unwrap(), alpha: 1e-4, beta: 0.75, k: 2.0 };
        // 96·55·55 = 290,400 elements, 5 + 4 each; kept: 1,161,600 bytes for the base, and for PyTorch as much for the
        // power, 4·100·55·55 = 1,210,000 for the padded squares, and alpha.
        check(norm.clone(), &[&[1, 96, 55, 55]])
            .outputs("1x96x55x55")
            .learned(0)
            .macs(0)
            .flops(2_613_600)
            .eager(Kept::INPUT.and_bytes(2 * 1_161_600 + 1_210_000 + 8))
            .minimal(Kept::INPUT.and_bytes(1_161_600));
        check(norm, &[&[1, 96]]).refused("must have a batch, a channel and a map axis");
    }
}
