use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::shape;
use super::{Backward, Channels, Cost, Family, Io, Mismatch, Operator, Outputs, Storage, View, Weights, one};
use crate::diagnostic::Code;
use crate::tensor::{TensorShape, TensorType};
use crate::units::Overflow;

attributes! {
    /// Takes axes of size 1 away.
    ///
    /// ## Formula
    /// `[n, c, 1, 1] → [n, c]` with axes 2 and 3. The axes must be named, so that a batch of 1 never vanishes unasked.
    ///
    /// ## Counted
    /// No FLOPs, and nothing moves: the output is the input's memory under another shape.
    ///
    /// ## Source
    /// `torch.squeeze`; ONNX Squeeze.
    Squeeze = "squeeze" {
        /// The axes to take away.
        axes: Vec<i64>,
    }
}

impl Operator for Squeeze {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let input = inputs[0];
        let error = |message: String| {
            Mismatch::new(Code::ShapeMismatch, message)
                .input(0, format!("this is {}", input.shape))
                .attribute("axes")
        };
        if self.axes.is_empty() {
            return Err(error("no axis is named".into()).help("name the axes of size 1 to take away"));
        }
        let taken = shape::axes(&self.axes, input.shape.rank(), "axes")?;
        let mut left = Vec::new();
        for (axis, (&size, taken)) in input.shape.axes().iter().zip(taken).enumerate() {
            match (taken, size) {
                (false, _) => left.push(size),
                (true, 1) => {}
                (true, _) => return Err(error(format!("axis {axis} is {size}, not 1"))),
            }
        }
        one(input.reshaped(TensorShape::new(left)))
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
    use super::Squeeze;

    impl Execute for Squeeze {
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

    fn squeeze(axes: &[i64]) -> Squeeze {
        Squeeze { axes: axes.to_vec() }
    }

    #[test]
    fn takes_axes_away() {
        check(squeeze(&[2, -1]), &[&[1, 64, 1, 1]])
            .outputs("1x64")
            .learned(0)
            .macs(0)
            .flops(0)
            .channels(&Channels::Same)
            .keeps(Kept::NOTHING, Kept::NOTHING);
        check(squeeze(&[1]), &[&[2, 1, 4, 5]]).outputs("2x4x5").channels(&Channels::Repeat { by: 4 });
        check(squeeze(&[0]), &[&[1, 3, 4, 5]]).outputs("3x4x5").channels(&Channels::Mixed);
    }

    #[test]
    fn what_does_not_fit() {
        check(squeeze(&[1]), &[&[1, 64, 1, 1]]).refused("axis 1 is 64, not 1");
        check(squeeze(&[]), &[&[1, 64, 1, 1]]).refused("no axis is named");
        check(squeeze(&[4]), &[&[1, 64, 1, 1]]).refused("there is no axis 4");
    }
}
