use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::shape;
use super::{Backward, Channels, Cost, Family, Io, Mismatch, Operator, Outputs, Storage, View, Weights, one};
use crate::tensor::{TensorShape, TensorType};
use crate::units::Overflow;

attributes! {
    /// Puts axes of size 1 in.
    ///
    /// ## Formula
    /// `[n, c] → [n, c, 1, 1]` with axes 2 and 3: the axes are counted in the output.
    ///
    /// ## Counted
    /// No FLOPs, and nothing moves: the output is the input's memory under another shape.
    ///
    /// ## Source
    /// `torch.unsqueeze`; ONNX Unsqueeze.
    Unsqueeze = "unsqueeze" {
        /// The output's axes that are new.
        axes: Vec<i64>,
    }
}

impl Operator for Unsqueeze {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let input = inputs[0];
        let rank = input.shape.rank().saturating_add(self.axes.len());
        shape::check_rank(rank).map_err(|mismatch| mismatch.attribute("axes"))?;
        let mut sizes = input.shape.axes().iter();
        let new = shape::axes(&self.axes, rank, "axes")?.into_iter();
        let axes = new.filter_map(|new| if new { Some(1) } else { sizes.next().copied() });
        one(input.reshaped(TensorShape::new(axes)))
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
        Storage::Alias
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::views(View::Reshaped))
    }

    fn channels(&self, io: Io<'_>, _: usize) -> Channels {
        shape::reshaped_channels(io)
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::prelude::*;
    use super::Unsqueeze;

    impl Execute for Unsqueeze {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            Ok(reshape(&call.inputs[0], call.shape(0))?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            Ok(Gradients::input(call.gradient()?.reshape(call.shape(0))?))
        }

        fn workspace(&self, _: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            Ok(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Kept;
    use crate::ops::tests::check;

    fn unsqueeze(axes: &[i64]) -> Unsqueeze {
        Unsqueeze { axes: axes.to_vec() }
    }

    #[test]
    fn puts_axes_in() {
        check(unsqueeze(&[2, -1]), &[&[2, 64]])
            .outputs("2x64x1x1")
            .learned(0)
            .macs(0)
            .flops(0)
            .channels(&Channels::Same)
            .keeps(Kept::NOTHING, Kept::NOTHING);
        check(unsqueeze(&[1]), &[&[2, 64]]).outputs("2x1x64").channels(&Channels::Fold { by: 64 });
        check(unsqueeze(&[0]), &[&[]]).outputs("1");
    }

    #[test]
    fn what_does_not_fit() {
        check(unsqueeze(&[3]), &[&[2, 64]]).refused("there is no axis 3");
        check(unsqueeze(&[0, 0]), &[&[2, 64]]).refused("axis 0 is named twice");
        check(unsqueeze(&[0]), &[&[1; 16]]).refused("the output would have 17 axes");
    }
}
