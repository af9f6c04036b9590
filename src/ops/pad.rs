use std::ops::RangeInclusive;

use super::attribute::{Padding, attributes, choice};
use super::window;
use super::{Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Storage, Weights, one};
use crate::diagnostic::Code;
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

attributes! {
    /// Adds elements around a tensor.
    ///
    /// ## Formula
    /// Each axis grows by what stands before and after it. `padding` is for maps `[n, c, h, w]`; `before` and `after`
    /// list one number for each axis, batch and channels included.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    fn around(padding: Padding, mode: PadMode) -> Pad {
        Pad { padding: Some(padding), before: Vec::new(), after: Vec::new(), mode }
    }

    fn lists(before: &[u64], after: &[u64]) -> Pad {
        Pad { padding: None, before: before.to_vec(), after: after.to_vec(), mode: PadMode::Constant }
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
