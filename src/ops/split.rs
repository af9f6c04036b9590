use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::shape;
use super::{Backward, Channels, Cost, Family, Io, Mismatch, Operator, Outputs, Run, Storage, View, Weights};
use crate::diagnostic::Code;
use crate::tensor::TensorType;
use crate::units::{Overflow, sum};

attributes! {
    /// Cuts a tensor into several along one axis.
    ///
    /// ## Formula
    /// `y₀, y₁, … = x` along `axis`, of the given `sizes` or in so many equal `parts`. Together they are the input.
    ///
    /// ## Counted
    /// No FLOPs: data is moved or viewed. Bytes: `explain traffic`.
    ///
    /// ## Source
    /// `torch.split`, `torch.chunk`; ONNX Split.
    Split = "split" {
        /// The axis to cut; 1 is the channels.
        axis: i64 = 1,
        /// The size of each output along the axis.
        sizes: Option<Vec<NonZeroU64>> = None,
        /// The number of outputs of equal size.
        parts: Option<NonZeroU64> = None,
    }
}

/// The most outputs.
const MAX_OUTPUTS: u64 = 65_535;

impl Split {
    /// The size of each output along an axis of the given size.
    fn lengths(&self, input: &TensorType, size: u64) -> Result<Vec<u64>, Box<Mismatch>> {
        let check_count = |count: u64, attribute| {
            if count <= MAX_OUTPUTS {
                return Ok(());
            }
            Err(Mismatch::new(
                Code::TooLarge,
                format!("{count} outputs are more than the {MAX_OUTPUTS} allowed"),
            )
            .attribute(attribute))
        };
        match (&self.sizes, self.parts) {
            (Some(sizes), None) => {
                check_count(sizes.len() as u64, "sizes")?;
                let lengths: Vec<u64> = sizes.iter().map(|size| size.get()).collect();
                let total = sum(lengths.iter().copied())?;
                if total != size {
                    return Err(Mismatch::new(
                        Code::ShapeMismatch,
                        format!("the sizes sum to {total}, the axis is {size}"),
                    )
                    .input(0, format!("this is {}", input.shape))
                    .attribute("sizes"));
                }
                Ok(lengths)
            }
            (None, Some(parts)) => {
                let parts = parts.get();
                check_count(parts, "parts")?;
                if !size.is_multiple_of(parts) {
                    return Err(shape::indivisible(input, "size of the axis", size, parts, "parts")
                        .help("give the `sizes` of unequal parts"));
                }
                Ok((0..parts).map(|_| size / parts).collect())
            }
            (None, None) => {
                Err(Mismatch::new(Code::Missing, "give either `sizes` or `parts`").attribute("parts"))
            }
            (Some(_), Some(_)) => {
                Err(Mismatch::new(Code::OutOfRange, "give `sizes` or `parts`, not both").attribute("parts"))
            }
        }
    }
}

impl Operator for Split {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let input = inputs[0];
        let axis = shape::axis(self.axis, input.shape.rank(), "axis")?;
        let lengths = self.lengths(input, input.shape.axes()[axis])?;
        Ok(lengths.into_iter().map(|length| input.reshaped(input.shape.with_axis(axis, length))).collect())
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
        Storage::PartOfInput
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::views(View::Parts))
    }

    fn channels(&self, io: Io<'_>, output: usize) -> Channels {
        match (shape::axis(self.axis, io.inputs[0].shape.rank(), "axis"), io.outputs.get(output)) {
            (Ok(1), Some(part)) => {
                let before = match self.parts {
                    Some(_) => part.channels() * output as u64,
                    None => io.outputs.iter().take(output).map(TensorType::channels).sum(),
                };
                Channels::Runs(vec![Run::new(0, before, part.channels())])
            }
            _ => Channels::Same,
        }
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::prelude::*;
    use super::{Split, shape};

    impl Split {
        fn along(&self, io: Io<'_>) -> usize {
            shape::axis(self.axis, io.inputs[0].shape.rank(), "axis").unwrap_or(0)
        }
    }

    impl Execute for Split {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (axis, mut start, mut parts) = (self.along(call.io), 0, Tensors::new());
            for output in 0..call.io.outputs.len() {
                let length = call.shape(output)[axis];
                let part = call.inputs[0].narrow(axis, start, length)?;
                // While training they are parts of their input.
                parts.push(if call.mode == Mode::Train { part } else { part.force_contiguous()? });
                start += length;
            }
            Ok(parts.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let given = call.gradients.iter().flatten().next();
            let given = given.ok_or(Fault::Internal("a backward pass without gradient"))?;
            let parts = call.io.outputs.iter().zip(call.gradients).map(|(output, gradient)| match gradient {
                Some(gradient) => gradient.contiguous(),
                None => Tensor::zeros(dims(output), given.dtype(), given.device()),
            });
            let parts = parts.collect::<Result<Vec<_>, _>>()?;
            Ok(Gradients::input(Tensor::cat(&parts, self.along(call.io))?.contiguous()?))
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            match pass {
                Pass::Forward => Ok(0),
                // Zeros where no gradient comes, and the sum before its axes are in order.
                Pass::Backward => product(&[2, io.inputs[0].bytes().get()]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Kept;
    use crate::ops::tests::check;

    fn parts(count: u64) -> Split {
        Split { axis: 1, sizes: None, parts: NonZeroU64::new(count) }
    }

    fn sizes(axis: i64, sizes: &[u64]) -> Split {
        let sizes = sizes.iter().map(|&size| size.try_into().unwrap()).collect();
        Split { axis, sizes: Some(sizes), parts: None }
    }

    #[test]
    fn cuts() {
        check(parts(2), &[&[1, 64, 8, 8]])
            .outputs("1x32x8x8 1x32x8x8")
            .learned(0)
            .macs(0)
            .flops(0)
            .channels(&Channels::Runs(vec![Run::new(0, 0, 32)]))
            .keeps(Kept::NOTHING, Kept::NOTHING);
        let (op, input) = (parts(4), TensorType::new([1, 64], crate::tensor::DType::F32));
        let outputs = op.infer(&[&input]).unwrap();
        let io = Io { inputs: &[&input], outputs: &outputs };
        assert_eq!(op.channels(io, 3), Channels::Runs(vec![Run::new(0, 48, 16)]));
        check(sizes(-1, &[1, 3]), &[&[2, 5, 4]]).outputs("2x5x1 2x5x3").channels(&Channels::Same);
        let (op, input) =
            (sizes(1, &[10, 20, 34]), TensorType::new([1, 64, 8, 8], crate::tensor::DType::F32));
        let outputs = op.infer(&[&input]).unwrap();
        let io = Io { inputs: &[&input], outputs: &outputs };
        assert_eq!(op.channels(io, 2), Channels::Runs(vec![Run::new(0, 30, 34)]));
    }

    #[test]
    fn what_does_not_fit() {
        check(parts(3), &[&[1, 64, 8, 8]]).refused("3 does not divide the size of the axis, 64");
        check(parts(1_000_000_000), &[&[1, 1_000_000_000]]).refused("more than the 65535 allowed");
        check(sizes(1, &[10, 20]), &[&[1, 64, 8, 8]]).refused("the sizes sum to 30, the axis is 64");
        check(sizes(1, &[u64::MAX, 1]), &[&[1, 64, 8, 8]]).refused("does not fit in 64 bits");
        check(Split { parts: None, ..parts(1) }, &[&[1, 64]]).refused("give either `sizes` or `parts`");
        check(Split { parts: NonZeroU64::new(2), ..sizes(1, &[64]) }, &[&[1, 64]]).refused("not both");
        check(Split { axis: 2, ..parts(1) }, &[&[1, 64]]).refused("there is no axis 2");
    }
}
