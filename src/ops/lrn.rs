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
    /// `y = x / (k + alpha/size · Σ x²)^beta`, the sum over the `size` channels around each channel; beyond the first
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
