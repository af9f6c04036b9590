use std::ops::RangeInclusive;

use serde_json::{Value, json};

use super::attribute::{AttributeType, Padding, Setting, SettingValue, attributes, choice};
use super::window;
use super::{Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Storage, Weights, one};
use crate::diagnostic::{Code, Diagnostic};
use crate::tensor::{TensorShape, TensorType};
use crate::units::{Overflow, sum};

choice! {
    /// What padding is filled with.
    PadMode {
        /// A constant.
        Constant = "constant",
        /// The elements inside the edge, mirrored at it.
        Reflect = "reflect",
        /// The edge's own elements.
        Replicate = "replicate",
    }
}

/// What a constant padding is filled with: a number, or one of the infinities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fill(pub f64);

impl AttributeType for Fill {
    const NUMERIC: bool = true;
    const EXPECTS: &'static str = "a number, \"inf\" or \"-inf\"";
    const WORDS: &'static [&'static str] = &["inf", "-inf"];
    fn schema() -> Value {
        json!({"anyOf": [{"enum": Self::WORDS}, f64::schema()]})
    }
    fn read(name: &'static str, setting: &Setting) -> Result<Self, Diagnostic> {
        match &setting.value {
            SettingValue::Text(text) if &**text == "inf" => Ok(Self(f64::INFINITY)),
            SettingValue::Text(text) if &**text == "-inf" => Ok(Self(f64::NEG_INFINITY)),
            SettingValue::Number(_) => f64::read(name, setting).map(Self),
            _ => Err(setting.wrong_type(name, Self::EXPECTS)),
        }
    }
    fn write(&self) -> Value {
        if self.0.is_finite() { json!(self.0) } else { json!(if self.0 > 0.0 { "inf" } else { "-inf" }) }
    }
}

attributes! {
    /// Adds elements around a tensor.
    ///
    /// ## Formula
    /// Each axis grows by what stands before and after it. `padding` is for maps `[n, c, h, w]`; `before` and `after`
    /// list one number for each axis, batch and channels included. The axes are padded one after the other: corners hold
    /// what is mirrored or repeated of what was.
    ///
    /// ## Counted
    /// No FLOPs: data is moved. Bytes: `explain traffic`. PyTorch keeps the input in training unless the mode is
    /// constant.
    ///
    /// ## Source
    /// `torch.nn.functional.pad`, `torch.nn.ZeroPad2d`; ONNX Pad (its mode `edge` is `replicate`).
    Pad = "pad" {
        /// Rows and columns around a map.
        padding: Option<Padding> = None,
        /// Elements before each axis; none if the list is empty.
        before: Vec<u64> = Vec::new(),
        /// Elements after each axis; none if the list is empty.
        after: Vec<u64> = Vec::new(),
        /// What they are.
        mode: PadMode = PadMode::Constant,
        /// The constant, in the mode `constant`.
        value: Fill = Fill(0.0),
    }
}

impl Pad {
    /// Elements before and after each axis.
    fn amounts(&self, input: &TensorType) -> Result<Vec<(u64, u64)>, Box<Mismatch>> {
        let rank = input.shape.rank();
        let lists = !self.before.is_empty() || !self.after.is_empty();
        match self.padding {
            Some(_) if lists => {
                Err(Mismatch::new(Code::OutOfRange, "give `padding` or `before` and `after`, not both")
                    .attribute("padding"))
            }
            Some(Padding::Same) => {
                Err(Mismatch::new(Code::OutOfRange, "without a kernel, \"same\" is no padding")
                    .attribute("padding"))
            }
            Some(_) if rank != 4 => Err(window::rank(input, 4, "[n, c, h, w]")
                .attribute("padding")
                .help("`before` and `after` pad tensors of any number of axes")),
            Some(Padding::Explicit { top, left, bottom, right }) => {
                Ok(vec![(0, 0), (0, 0), (top, bottom), (left, right)])
            }
            None if !lists => {
                Err(Mismatch::new(Code::Missing, "give either `padding` or `before` and `after`")
                    .attribute("padding"))
            }
            None => {
                for (list, attribute) in [(&self.before, "before"), (&self.after, "after")] {
                    if !list.is_empty() && list.len() != rank {
                        let message = format!("`{attribute}` has {} numbers for {rank} axes", list.len());
                        return Err(Mismatch::new(Code::ShapeMismatch, message)
                            .input(0, format!("this is {}", input.shape))
                            .attribute(attribute));
                    }
                }
                let at = |list: &[u64], axis: usize| list.get(axis).copied().unwrap_or(0);
                Ok((0..rank).map(|axis| (at(&self.before, axis), at(&self.after, axis))).collect())
            }
        }
    }
}

impl Operator for Pad {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let input = inputs[0];
        let mut axes = input.shape.axes().to_vec();
        for (axis, (before, after)) in self.amounts(input)?.into_iter().enumerate() {
            let size = axes[axis];
            let most = before.max(after);
            if self.mode == PadMode::Reflect && most > 0 && most >= size {
                let message =
                    format!("axis {axis} of {size} mirrors at most {}, not {most}", size.saturating_sub(1));
                return Err(Mismatch::new(Code::OutOfRange, message)
                    .input(0, format!("this is {}", input.shape))
                    .attribute(if self.padding.is_some() { "padding" } else { "before" }));
            }
            axes[axis] = sum([before, size, after])?;
        }
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
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        // PyTorch keeps the input for its shape's sake, except for constants.
        let eager = if self.mode == PadMode::Constant { Kept::NOTHING } else { Kept::INPUT };
        Ok(Backward { eager, ..Backward::keeps(Kept::NOTHING) })
    }

    fn channels(&self, io: Io<'_>, _: usize) -> Channels {
        // Channels that come from nowhere cannot be told apart: a padded channel axis counts as lost.
        match self.amounts(io.inputs[0]).as_deref() {
            Ok([_, (0, 0), ..]) => Channels::Same,
            _ => Channels::Mixed,
        }
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::rows::{self, NOWHERE, Rows, pick, put};
    use super::super::execute::prelude::*;
    use super::{Pad, PadMode};

    impl Pad {
        /// What each index of an axis that grows reads: axis by axis, the last first.
        fn picks(&self, io: Io<'_>) -> Result<Vec<(usize, Vec<usize>)>, Fault> {
            let amounts =
                self.amounts(io.inputs[0]).map_err(|_| Fault::internal("padding that does not fit"))?;
            let mut axes = Vec::new();
            for (axis, (before, after)) in amounts.into_iter().enumerate().rev() {
                if before == 0 && after == 0 {
                    continue;
                }
                let (before, after) = (size(before)?, size(after)?);
                let length = size(io.inputs[0].shape.axes()[axis])?;
                let read = |index: usize| match (self.mode, index.checked_sub(before)) {
                    (_, Some(inside)) if inside < length => inside,
                    (PadMode::Constant, _) => NOWHERE,
                    (PadMode::Replicate, None) => 0,
                    (PadMode::Replicate, Some(_)) => length.saturating_sub(1),
                    // Mirrored at the first element and at the last.
                    (PadMode::Reflect, None) => before - index,
                    (PadMode::Reflect, Some(inside)) => (2 * (length - 1)).saturating_sub(inside),
                };
                axes.push((axis, (0..before + length + after).map(read).collect()));
            }
            Ok(axes)
        }
    }

    impl Execute for Pad {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let mut x = call.inputs[0].clone();
            let picks = self.picks(call.io)?;
            if picks.is_empty() {
                return Ok(x.force_contiguous()?.into());
            }
            for (axis, picks) in picks {
                let (rows, mut shape) = (Rows::along(x.dims(), axis), x.dims().to_vec());
                shape[axis] = picks.len();
                x = pick(&x, rows, &picks, self.value.0, &shape)?;
            }
            Ok(x.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let (mut gradient, input) = (call.gradient()?.clone(), call.shape(0));
            let picks = self.picks(call.io)?;
            if picks.is_empty() {
                return Ok(Gradients::input(gradient.force_contiguous()?));
            }
            for (axis, picks) in picks.into_iter().rev() {
                let mut shape = gradient.dims().to_vec();
                shape[axis] = input[axis];
                gradient = put(&gradient, Rows::along(&shape, axis), &picks, &shape)?;
            }
            Ok(Gradients::input(gradient))
        }

        fn workspace(&self, io: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            // One axis after the other; the lists of what is read; the sums of a block.
            let output = &io.outputs[0];
            let lists = product(&[sum(output.shape.axes().iter().copied())?, 8])?;
            sum([product(&[2, output.bytes().get()])?, lists, rows::sums(output)?])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    fn around(padding: Padding, mode: PadMode) -> Pad {
        Pad { padding: Some(padding), before: Vec::new(), after: Vec::new(), mode, value: Fill(0.0) }
    }

    fn lists(before: &[u64], after: &[u64]) -> Pad {
        Pad {
            padding: None,
            before: before.to_vec(),
            after: after.to_vec(),
            mode: PadMode::Constant,
            value: Fill(0.0),
        }
    }

    #[test]
    fn adds_around() {
        check(
            around(Padding::Explicit { top: 0, left: 1, bottom: 2, right: 3 }, PadMode::Constant),
            &[&[2, 3, 5, 7]],
        )
        .outputs("2x3x7x11")
        .learned(0)
        .macs(0)
        .flops(0)
        .channels(&Channels::Same)
        .keeps(Kept::NOTHING, Kept::NOTHING);
        check(around(Padding::all(4), PadMode::Reflect), &[&[2, 3, 5, 7]])
            .outputs("2x3x13x15")
            .flops(0)
            .keeps(Kept::INPUT, Kept::NOTHING);
        // The shortcut of a ResNet without projections: zeros for the new channels.
        check(lists(&[0, 8, 0, 0], &[0, 8, 0, 0]), &[&[1, 16, 4, 4]])
            .outputs("1x32x4x4")
            .channels(&Channels::Mixed);
        check(lists(&[], &[0, 0, 1]), &[&[1, 16, 4]]).outputs("1x16x5");
    }

    #[test]
    fn what_does_not_fit() {
        check(around(Padding::all(5), PadMode::Reflect), &[&[2, 3, 5, 7]])
            .refused("axis 2 of 5 mirrors at most 4, not 5");
        check(around(Padding::Same, PadMode::Constant), &[&[2, 3, 5, 7]]).refused("is no padding");
        check(around(Padding::all(1), PadMode::Constant), &[&[2, 3, 5]])
            .refused("the input must have 4 axes");
        check(lists(&[], &[]), &[&[2, 3]]).refused("give either `padding`");
        check(lists(&[1], &[]), &[&[2, 3]]).refused("`before` has 1 numbers for 2 axes");
        check(lists(&[0, u64::MAX], &[]), &[&[2, 3]]).refused("does not fit in 64 bits");
        let both = Pad { padding: Some(Padding::all(1)), ..lists(&[1, 1], &[]) };
        check(both, &[&[2, 3]]).refused("not both");
    }
}
