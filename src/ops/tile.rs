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

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::prelude::*;
    use super::Tile;

    impl Tile {
        /// The copies along each axis.
        fn copies(&self) -> Result<Vec<usize>, Overflow> {
            self.repeats.iter().map(|times| size(times.get())).collect()
        }

        /// Each axis as two, its copies and its elements.
        fn doubled(copies: &[usize], shape: &[usize]) -> Vec<usize> {
            copies.iter().zip(shape).flat_map(|(&copies, &size)| [copies, size]).collect()
        }
    }

    impl Execute for Tile {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (x, copies) = (call.inputs[0].contiguous()?, self.copies()?);
            let one = Self::doubled(&vec![1; copies.len()], x.dims());
            let all = x.reshape(one)?.broadcast_as(Self::doubled(&copies, x.dims()))?.force_contiguous()?;
            Ok(all.reshape(call.shape(0))?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let (gradient, copies, shape) = (call.gradient()?.contiguous()?, self.copies()?, call.shape(0));
            let apart = gradient.reshape(Self::doubled(&copies, &shape))?;
            let axes: Vec<usize> =
                (0..copies.len()).filter(|&axis| copies[axis] > 1).map(|axis| 2 * axis).collect();
            let sums =
                if axes.is_empty() { gradient.force_contiguous()? } else { reduce(&apart, &axes, &Sum)? };
            Ok(Gradients::input(sums.reshape(shape)?))
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            match pass {
                Pass::Forward => Ok(0),
                // Where the axes of a sum lie apart they are moved together first.
                Pass::Backward => Ok(io.outputs[0].bytes().get()),
            }
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
