use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::shape;
use super::{Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Storage, Weights, one};
use crate::diagnostic::Code;
use crate::tensor::{TensorShape, TensorType};
use crate::units::{Overflow, product};

attributes! {
    /// Repeats a tensor along its axes.
    ///
    /// ## Formula
    /// `y = x` so many times along each axis, one copy after another.
    ///
    /// ## Counted
    /// No FLOPs: data is copied. Bytes: `explain traffic`.
    ///
    /// ## Source
    /// `torch.Tensor.repeat`; ONNX Tile.
    Tile = "tile" {
        /// Copies along each axis, batch first.
        repeats: Vec<NonZeroU64>,
    }
}

impl Operator for Tile {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let input = inputs[0];
        if self.repeats.len() != input.shape.rank() {
            let message =
                format!("`repeats` has {} numbers for {} axes", self.repeats.len(), input.shape.rank());
            return Err(Mismatch::new(Code::ShapeMismatch, message)
                .input(0, format!("this is {}", input.shape))
                .attribute("repeats"));
        }
        let sizes =
            input.shape.axes().iter().zip(&self.repeats).map(|(&size, times)| product(&[size, times.get()]));
        one(input.reshaped(TensorShape::new(sizes.collect::<Result<Vec<_>, _>>()?)))
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Movement
    }

    fn cost(&self, _: Io<'_>) -> Result<Cost, Overflow> {
        Ok(Cost::NONE)
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::keeps(Kept::NOTHING))
    }

    fn channels(&self, io: Io<'_>, _: usize) -> Channels {
        match self.repeats.get(1) {
            Some(times) => shape::repeated_channels(io, times.get()),
            None => Channels::Mixed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Run;
    use crate::ops::tests::check;

    fn tile(repeats: &[u64]) -> Tile {
        Tile { repeats: repeats.iter().map(|&times| times.try_into().unwrap()).collect() }
    }

    #[test]
    fn repeats() {
        check(tile(&[1, 3, 2]), &[&[2, 4, 5]])
            .outputs("2x12x10")
            .learned(0)
            .macs(0)
            .flops(0)
            .channels(&Channels::Runs(vec![Run::new(0, 0, 4); 3]))
            .keeps(Kept::NOTHING, Kept::NOTHING);
        check(tile(&[3, 1, 1]), &[&[2, 4, 5]]).outputs("6x4x5").channels(&Channels::Same);
        check(tile(&[1, 1 << 40]), &[&[2, 4]]).channels(&Channels::Mixed);
        check(tile(&[3]), &[&[2, 4]]).refused("`repeats` has 1 numbers for 2 axes");
        check(tile(&[1, u64::MAX]), &[&[2, 4]]).refused("does not fit in 64 bits");
    }
}
