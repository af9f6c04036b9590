use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::shape;
use super::{Backward, Channels, Cost, Family, Io, Mismatch, Operator, Outputs, Storage, View, Weights, one};
use crate::diagnostic::Code;
use crate::tensor::{TensorShape, TensorType};
use crate::units::Overflow;

attributes! {
    /// The same elements with their axes in another order.
    ///
    /// ## Formula
    /// Axis i of the output is axis `permutation[i]` of the input; the list names every axis once.
    ///
    /// ## Counted
    /// No FLOPs: data is moved. Bytes: `explain traffic`.
    ///
    /// ## Source
    /// `torch.permute`; ONNX Transpose.
    Transpose = "transpose" {
        /// The input's axes in the output's order.
        permutation: Vec<i64>,
    }
}

impl Transpose {
    /// The permutation, axes counted from the start.
    fn order(&self) -> Vec<usize> {
        let rank = self.permutation.len();
        self.permutation.iter().filter_map(|&axis| shape::axis(axis, rank, "permutation").ok()).collect()
    }
}

impl Operator for Transpose {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let input = inputs[0];
        let rank = input.shape.rank();
        shape::axes(&self.permutation, rank, "permutation")?;
        if self.permutation.len() != rank {
            let message = format!("the permutation names {} of {rank} axes", self.permutation.len());
            return Err(Mismatch::new(Code::ShapeMismatch, message)
                .input(0, format!("this is {}", input.shape))
                .attribute("permutation"));
        }
        let sizes = self
            .permutation
            .iter()
            .map(|&from| shape::axis(from, rank, "permutation").map(|from| input.shape.axes()[from]));
        one(input.reshaped(TensorShape::new(sizes.collect::<Result<Vec<_>, _>>()?)))
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
        Ok(Backward::views(View::Permuted(self.order())))
    }

    fn channels(&self, io: Io<'_>, _: usize) -> Channels {
        let rank = io.inputs[0].shape.rank();
        let from = self.permutation.get(1).map(|&from| shape::axis(from, rank, "permutation"));
        if from == Some(Ok(1)) { Channels::Same } else { Channels::Mixed }
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::prelude::*;
    use super::Transpose;

    impl Execute for Transpose {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let turned = call.inputs[0].permute(self.order())?;
            // While training it is a view of its input.
            Ok(if call.mode == Mode::Train { turned } else { turned.force_contiguous()? }.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let order = self.order();
            let mut back = vec![0; order.len()];
            order.iter().enumerate().for_each(|(to, &from)| back[from] = to);
            Ok(Gradients::input(call.gradient()?.permute(back)?.force_contiguous()?))
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

    fn transpose(permutation: &[i64]) -> Transpose {
        Transpose { permutation: permutation.to_vec() }
    }

    #[test]
    fn reorders() {
        check(transpose(&[0, 2, 3, 1]), &[&[2, 3, 5, 7]])
            .outputs("2x5x7x3")
            .learned(0)
            .macs(0)
            .flops(0)
            .channels(&Channels::Mixed)
            .keeps(Kept::NOTHING, Kept::NOTHING);
        check(transpose(&[0, 1, -1, -2]), &[&[2, 3, 5, 7]]).outputs("2x3x7x5").channels(&Channels::Same);
        check(transpose(&[]), &[&[]]).outputs("scalar");
    }

    #[test]
    fn what_does_not_fit() {
        check(transpose(&[0, 1]), &[&[2, 3, 5]]).refused("the permutation names 2 of 3 axes");
        check(transpose(&[0, 1, 1]), &[&[2, 3, 5]]).refused("axis 1 is named twice");
        check(transpose(&[0, 1, 3]), &[&[2, 3, 5]]).refused("there is no axis 3");
    }
}
