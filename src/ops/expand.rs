use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::shape;
use super::{Backward, Channels, Cost, Family, Io, Mismatch, Operator, Outputs, Storage, View, Weights, one};
use crate::diagnostic::Code;
use crate::tensor::{TensorShape, TensorType};
use crate::units::Overflow;

attributes! {
    /// Repeats axes of size 1 until the tensor has a given shape.
    ///
    /// ## Formula
    /// `shape` lists all axes, batch included; it may have more axes than the input, in front. −1 keeps the input's
    /// size; any other size must be the input's, or the input's must be 1.
    ///
    /// ## Counted
    /// No FLOPs: data is copied. Most arithmetic broadcasts without it. Bytes: `explain traffic`.
    ///
    /// ## Source
    /// `torch.Tensor.expand`, `torch.broadcast_to`; ONNX Expand.
    Expand = "expand" {
        /// The output's sizes, batch first.
        shape: Vec<i64>,
    }
}

impl Operator for Expand {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let input = inputs[0];
        shape::check_rank(self.shape.len()).map_err(|mismatch| mismatch.attribute("shape"))?;
        let error = |code, message: String| {
            Mismatch::new(code, message).input(0, format!("this is {}", input.shape)).attribute("shape")
        };
        let Some(new) = self.shape.len().checked_sub(input.shape.rank()) else {
            let (given, rank) = (self.shape.len(), input.shape.rank());
            return Err(error(Code::ShapeMismatch, format!("the shape lists {given} of {rank} axes")));
        };
        let mut axes = Vec::new();
        for (place, &size) in self.shape.iter().enumerate() {
            let old = place.checked_sub(new).and_then(|axis| input.shape.axis(axis));
            axes.push(match (old, u64::try_from(size)) {
                (Some(old), _) if size == -1 => old,
                (_, Err(_) | Ok(0)) => {
                    return Err(error(Code::OutOfRange, format!("{size} is not a size here")));
                }
                (None | Some(1), Ok(size)) => size,
                (Some(old), Ok(size)) if old == size => size,
                (Some(old), Ok(size)) => {
                    let message = format!(
                        "axis {place} cannot grow from {old} to {size}: only a size of 1 is repeated"
                    );
                    return Err(error(Code::ShapeMismatch, message));
                }
            });
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
        Ok(Backward::views(View::Expanded))
    }

    fn channels(&self, io: Io<'_>, _: usize) -> Channels {
        let (input, output) = (io.inputs[0], &io.outputs[0]);
        if input.shape.rank() == output.shape.rank() { Channels::Same } else { Channels::Mixed }
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::prelude::*;
    use super::Expand;

    impl Execute for Expand {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let wide = call.inputs[0].broadcast_as(call.shape(0))?;
            // While training it is a view of its input.
            Ok(if call.mode == Mode::Train { wide } else { wide.force_contiguous()? }.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let sums = sum_to(call.gradient()?, &call.shape(0))?;
            Ok(Gradients::input(sums.contiguous()?))
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
    use crate::ops::Kept;
    use crate::ops::tests::check;

    fn expand(shape: &[i64]) -> Expand {
        Expand { shape: shape.to_vec() }
    }

    #[test]
    fn repeats() {
        check(expand(&[-1, 8, 4, -1]), &[&[2, 8, 1, 5]])
            .outputs("2x8x4x5")
            .learned(0)
            .macs(0)
            .flops(0)
            .channels(&Channels::Same)
            .keeps(Kept::NOTHING, Kept::NOTHING);
        // The class token of a ViT, once for each image.
        check(expand(&[6, 1, 768]), &[&[1, 768]]).outputs("6x1x768").channels(&Channels::Mixed);
    }

    #[test]
    fn what_does_not_fit() {
        check(expand(&[2, 9, 4, 5]), &[&[2, 8, 1, 5]]).refused("axis 1 cannot grow from 8 to 9");
        check(expand(&[5]), &[&[2, 5]]).refused("the shape lists 1 of 2 axes");
        check(expand(&[-1, 2, 5]), &[&[2, 5]]).refused("-1 is not a size here");
        check(expand(&[0, 5]), &[&[1, 5]]).refused("0 is not a size here");
        check(expand(&[1; 17]), &[&[1]]).refused("the output would have 17 axes");
    }
}
