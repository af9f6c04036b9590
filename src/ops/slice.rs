use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{
    Backward, Channels, Cost, Family, Io, Mismatch, Operator, Outputs, Run, Storage, View, Weights, one,
    shape,
};
use crate::diagnostic::Code;
use crate::tensor::TensorType;
use crate::units::Overflow;

attributes! {
    /// Cuts a range out of one axis.
    ///
    /// ## Formula
    /// `y = x[start : end : step]` along `axis`; `end` left out means the axis's end. CSPNet's split of a stage's
    /// channels is two slices.
    ///
    /// ## Counted
    /// No FLOPs: data is moved or viewed. Bytes: `explain traffic`.
    ///
    /// ## Source
    /// `torch.narrow`, indexing; ONNX Slice; darknet `[route]` with `groups`.
    Slice = "slice" {
        /// The axis to cut; 1 is the channels.
        axis: i64 = 1,
        /// The first index that stays.
        start: u64 = 0,
        /// One past the last index that may stay.
        end: Option<u64> = None,
        /// From one index that stays to the next.
        step: NonZeroU64 = NonZeroU64::MIN,
    }
}

impl Slice {
    /// How many indices of an axis of that size stay.
    fn length(&self, size: u64) -> u64 {
        let end = self.end.unwrap_or(size).min(size);
        end.saturating_sub(self.start).div_ceil(self.step.get())
    }
}

impl Operator for Slice {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let input = inputs[0];
        let axis = shape::axis(self.axis, input.shape.rank(), "axis")?;
        let size = input.shape.axes()[axis];
        if let Some(end) = self.end.filter(|&end| end > size) {
            return Err(Mismatch::new(
                Code::OutOfRange,
                format!("the slice ends at {end}, past the axis's size {size}"),
            )
            .input(0, format!("this is {}", input.shape))
            .attribute("end"));
        }
        match self.length(size) {
            0 => Err(Mismatch::new(
                Code::VanishingSize,
                format!("the slice {}..{} of {size} is empty", self.start, self.end.unwrap_or(size)),
            )
            .input(0, format!("this is {}", input.shape))
            .attribute(if self.end.is_some() { "end" } else { "start" })),
            length => one(input.reshaped(input.shape.with_axis(axis, length))),
        }
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

    fn backward(&self, io: Io<'_>) -> Result<Backward, Overflow> {
        let axis = shape::axis(self.axis, io.inputs[0].shape.rank(), "axis").unwrap_or(0);
        let step = if io.outputs[0].shape.axes()[axis] == 1 { 1 } else { self.step.get() };
        Ok(Backward::views(View::Stepped { axis, step }))
    }

    fn channels(&self, io: Io<'_>, _: usize) -> Channels {
        match shape::axis(self.axis, io.inputs[0].shape.rank(), "axis") {
            Ok(1) => Channels::Runs(vec![Run {
                input: 0,
                start: self.start,
                step: self.step.get(),
                length: self.length(io.inputs[0].channels()),
            }]),
            _ => Channels::Same,
        }
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::rows::{self, Rows, pick, put};
    use super::super::execute::prelude::*;
    use super::{Slice, shape};

    impl Slice {
        /// The axis that is cut and the indices that stay.
        fn cut(&self, io: Io<'_>) -> Result<(usize, Vec<usize>), Fault> {
            let input = io.inputs[0];
            let axis = shape::axis(self.axis, input.shape.rank(), "axis")
                .map_err(|_| Fault::internal("a slice along an axis that is not there"))?;
            let (start, step) = (size(self.start)?, size(self.step.get())?);
            let length = size(self.length(input.shape.axes()[axis]))?;
            Ok((axis, (0..length).map(|index| start + index * step).collect()))
        }
    }

    impl Execute for Slice {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let ((axis, indices), x) = (self.cut(call.io)?, &call.inputs[0]);
            let Some((&start, length)) = indices.first().map(|start| (start, indices.len())) else {
                return Err(Fault::internal("an empty slice"));
            };
            // Of one index there is no next.
            let step = if length == 1 { 1 } else { size(self.step.get())? };
            // While training it is a part of its input.
            match call.mode {
                Mode::Train if step == 1 => return Ok(x.narrow(axis, start, length)?.into()),
                Mode::Train => {
                    let range = x.narrow(axis, start, (length - 1) * step + 1)?;
                    let last = x.rank();
                    return Ok(range.unfold(axis, 1, step)?.squeeze(last)?.into());
                }
                Mode::Evaluate if step == 1 => {
                    return Ok(x.narrow(axis, start, length)?.force_contiguous()?.into());
                }
                Mode::Evaluate => {}
            }
            Ok(pick(x, Rows::along(x.dims(), axis), &indices, 0.0, &call.shape(0))?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let ((axis, indices), shape) = (self.cut(call.io)?, call.shape(0));
            Ok(Gradients::input(put(call.gradient()?, Rows::along(&shape, axis), &indices, &shape)?))
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            let axis = shape::axis(self.axis, io.inputs[0].shape.rank(), "axis").unwrap_or(0);
            let indices = product(&[io.outputs[0].shape.axes()[axis], 8])?;
            match pass {
                Pass::Forward => Ok(indices),
                Pass::Backward => sum([indices, rows::block(io.inputs[0], axis)?]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    fn slice(start: u64, end: Option<u64>) -> Slice {
        Slice { axis: 1, start, end, step: NonZeroU64::MIN }
    }

    #[test]
    fn cuts() {
        check(slice(0, Some(16)), &[&[1, 64, 8, 8]]).outputs("1x16x8x8").flops(0);
        check(slice(16, None), &[&[1, 64, 8, 8]])
            .outputs("1x48x8x8")
            .channels(&Channels::Runs(vec![Run::new(0, 16, 48)]));
        check(Slice { step: NonZeroU64::new(2).unwrap(), ..slice(1, None) }, &[&[1, 5]]).outputs("1x2");
    }

    #[test]
    fn what_does_not_fit() {
        check(slice(0, Some(65)), &[&[1, 64, 8, 8]]).refused("the slice ends at 65, past the axis's size 64");
        check(slice(64, None), &[&[1, 64, 8, 8]]).refused("is empty");
        check(slice(0, Some(0)), &[&[1, 64, 8, 8]]).refused("the slice 0..0 of 64 is empty");
    }
}
