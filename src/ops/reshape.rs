use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::shape;
use super::{Backward, Channels, Cost, Family, Io, Mismatch, Operator, Outputs, Storage, View, Weights, one};
use crate::diagnostic::Code;
use crate::tensor::{TensorShape, TensorType};
use crate::units::{Overflow, product};

attributes! {
    /// The same elements in the same order under another shape.
    ///
    /// ## Formula
    /// `shape` lists all axes, batch included. 0 copies the input's size at that place; −1, at most once, stands for
    /// whatever is left.
    ///
    /// ## Counted
    /// No FLOPs, and nothing moves: the output is the input's memory under another shape.
    ///
    /// ## Source
    /// `torch.reshape` (which has no 0); ONNX Reshape.
    Reshape = "reshape" {
        /// The output's sizes, batch first.
        shape: Vec<i64>,
    }
}

impl Operator for Reshape {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let input = inputs[0];
        shape::check_rank(self.shape.len()).map_err(|mismatch| mismatch.attribute("shape"))?;
        let error = |code, message: String| {
            Mismatch::new(code, message).input(0, format!("this is {}", input.shape)).attribute("shape")
        };
        let (mut axes, mut rest) = (Vec::new(), None);
        for (place, &size) in self.shape.iter().enumerate() {
            axes.push(match (size, u64::try_from(size)) {
                (0, _) => input.shape.axis(place).ok_or_else(|| {
                    error(Code::OutOfRange, format!("there is no axis {place} that 0 could copy"))
                })?,
                (_, Ok(size)) => size,
                (-1, _) if rest.is_none() => {
                    rest = Some(place);
                    1
                }
                (-1, _) => return Err(error(Code::OutOfRange, "-1 stands for two sizes".into())),
                _ => return Err(error(Code::OutOfRange, format!("{size} is not a size"))),
            });
        }
        let (elements, given) = (input.shape.elements()?, product(&axes)?);
        match rest {
            Some(place) if given != 0 && elements % given == 0 => axes[place] = elements / given,
            Some(_) => {
                let message = format!("{elements} elements do not fall into {given} equal parts");
                return Err(error(Code::Indivisible, message));
            }
            None if elements == given => {}
            None => {
                let shape = TensorShape::new(axes);
                let message = format!("{} has {elements} elements, {shape} has {given}", input.shape);
                return Err(error(Code::ShapeMismatch, message));
            }
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
    use super::Reshape;

    impl Execute for Reshape {
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

    fn reshape(shape: &[i64]) -> Reshape {
        Reshape { shape: shape.to_vec() }
    }

    #[test]
    fn renames() {
        check(reshape(&[2, 2, 6, 5]), &[&[2, 4, 3, 5]])
            .outputs("2x2x6x5")
            .learned(0)
            .macs(0)
            .flops(0)
            .channels(&Channels::Fold { by: 2 })
            .keeps(Kept::NOTHING, Kept::NOTHING);
        check(reshape(&[0, -1]), &[&[2, 4, 3, 5]]).outputs("2x60").channels(&Channels::Repeat { by: 15 });
        check(reshape(&[0, 0, -1]), &[&[2, 4, 3, 5]]).outputs("2x4x15").channels(&Channels::Same);
        check(reshape(&[-1, 4, 3]), &[&[2, 4, 3, 5]]).outputs("10x4x3").channels(&Channels::Mixed);
        check(reshape(&[]), &[&[1, 1]]).outputs("scalar");
    }

    #[test]
    fn what_does_not_fit() {
        check(reshape(&[2, 50]), &[&[2, 4, 3, 5]]).refused("2x4x3x5 has 120 elements, 2x50 has 100");
        check(reshape(&[-1, 7]), &[&[2, 4, 3, 5]]).refused("120 elements do not fall into 7 equal parts");
        check(reshape(&[-1, -1]), &[&[2, 4]]).refused("-1 stands for two sizes");
        check(reshape(&[-2, 4]), &[&[2, 4]]).refused("-2 is not a size");
        check(reshape(&[2, 4, 0]), &[&[2, 4]]).refused("there is no axis 2 that 0 could copy");
        check(reshape(&[1; 17]), &[&[1]]).refused("the output would have 17 axes");
        check(reshape(&[i64::MAX, i64::MAX]), &[&[2, 4]]).refused("does not fit in 64 bits");
        check(reshape(&[0, -1]), &[&[0, 4]]).refused("do not fall into");
    }
}
