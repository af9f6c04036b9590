use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Run, Storage, Weights, one,
    shape,
};
use crate::diagnostic::Code;
use crate::tensor::TensorType;
use crate::units::{Overflow, sum};

attributes! {
    /// Joins tensors along one axis, in the order of the inputs.
    ///
    /// ## Formula
    /// `y = [x₀, x₁, …]`; all other axes must agree.
    ///
    /// ## Counted
    /// No FLOPs: data is moved. Bytes: `explain traffic`.
    ///
    /// ## Source
    /// `torch.cat`; ONNX Concat; darknet `[route]`.
    Concat = "concat" {
        /// The axis to join along; 1 is the channels.
        axis: i64 = 1,
    }
}

impl Operator for Concat {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=usize::MAX
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let first = inputs[0];
        let axis = shape::axis(self.axis, first.shape.rank(), "axis")?;
        shape::common_dtype(inputs)?;
        for (index, input) in inputs.iter().enumerate().skip(1) {
            let fits = input.shape.rank() == first.shape.rank()
                && (0..first.shape.rank()).all(|a| a == axis || input.shape.axis(a) == first.shape.axis(a));
            if !fits {
                return Err(Mismatch::new(
                    Code::ShapeMismatch,
                    format!("{} and {} differ in more than axis {axis}", first.shape, input.shape),
                )
                .input(0, format!("this is {}", first.shape))
                .input(index, format!("this is {}", input.shape)));
            }
        }
        let joined = sum(inputs.iter().filter_map(|input| input.shape.axis(axis)))?;
        one(first.reshaped(first.shape.with_axis(axis, joined)))
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
        Storage::JoinOfInputs
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::keeps(Kept::NOTHING))
    }

    fn channels(&self, io: Io<'_>, _: usize) -> Channels {
        match shape::axis(self.axis, io.inputs[0].shape.rank(), "axis") {
            Ok(1) => Channels::Runs(
                io.inputs
                    .iter()
                    .enumerate()
                    .map(|(index, input)| Run::new(index, 0, input.channels()))
                    .collect(),
            ),
            _ => Channels::Same,
        }
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::prelude::*;
    use super::Concat;
    use super::shape;

    impl Concat {
        fn axis(&self, io: Io<'_>) -> usize {
            shape::axis(self.axis, io.inputs[0].shape.rank(), "axis").unwrap_or(0)
        }
    }

    impl Execute for Concat {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let axis = self.axis(call.io);
            // Of parts with gaps the sum would be made in another order and copied.
            let inputs = call.inputs.iter().map(Tensor::contiguous).collect::<Result<Vec<_>, _>>()?;
            Ok(Tensor::cat(&inputs, axis)?.contiguous()?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let (axis, gradient) = (self.axis(call.io), call.gradient()?);
            let (mut gradients, mut start) = (Gradients::default(), 0);
            for index in 0..call.io.inputs.len() {
                let length = call.shape(index)[axis];
                let own = call.wants(index).then(|| gradient.narrow(axis, start, length)?.force_contiguous());
                gradients.inputs.push(own.transpose()?);
                start += length;
            }
            Ok(gradients)
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
    fn joins_channels() {
        check(Concat { axis: 1 }, &[&[1, 64, 8, 8], &[1, 32, 8, 8], &[1, 32, 8, 8]])
            .outputs("1x128x8x8")
            .learned(0)
            .macs(0)
            .flops(0);
        check(Concat { axis: -1 }, &[&[1, 2], &[1, 3]]).outputs("1x5");
        check(Concat { axis: 1 }, &[&[1, 64, 8, 8]]).outputs("1x64x8x8");
    }

    #[test]
    fn what_does_not_fit() {
        check(Concat { axis: 1 }, &[&[1, 64, 8, 8], &[1, 64, 4, 8]])
            .refused("1x64x8x8 and 1x64x4x8 differ in more than axis 1");
        check(Concat { axis: 4 }, &[&[1, 64, 8, 8]]).refused("there is no axis 4");
    }
}
