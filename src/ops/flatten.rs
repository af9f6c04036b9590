use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{
    Backward, Channels, Cost, Family, Io, Mismatch, Operator, Outputs, Storage, View, Weights, one, shape,
};
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

attributes! {
    /// Joins an axis and all after it into one.
    ///
    /// ## Formula
    /// `[n, c, h, w] → [n, c·h·w]` from axis 1.
    ///
    /// ## Counted
    /// No FLOPs, and nothing moves: the output is the input's memory under another shape.
    ///
    /// ## Source
    /// `torch.flatten`; ONNX Flatten (which makes two axes of any rank).
    Flatten = "flatten" {
        /// The first axis that is joined.
        axis: i64 = 1,
    }
}

impl Operator for Flatten {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let axes = inputs[0].shape.axes();
        let first = shape::axis(self.axis, axes.len(), "axis")?;
        let joined = product(&axes[first..])?;
        one(inputs[0].reshaped([&axes[..first], &[joined]].concat().as_slice()))
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
    use super::Flatten;

    impl Execute for Flatten {
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
    use crate::ops::tests::check;

    #[test]
    fn joins_axes() {
        check(Flatten { axis: 1 }, &[&[2, 3, 4, 5]])
            .outputs("2x60")
            .flops(0)
            .channels(&Channels::Repeat { by: 20 });
        check(Flatten { axis: -2 }, &[&[2, 3, 4, 5]]).outputs("2x3x20").channels(&Channels::Same);
        check(Flatten { axis: 4 }, &[&[2, 3, 4, 5]]).refused("there is no axis 4");
    }
}
