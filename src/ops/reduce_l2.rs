use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::reduction;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use crate::tensor::TensorType;
use crate::units::Overflow;

attributes! {
    /// The Euclidean norm over axes.
    ///
    /// ## Formula
    /// `y = √Σ x²` over the elements that differ only along `axes`.
    ///
    /// ## Counted
    /// FLOPs: 1 mul for each input element, 1 add for each but the first of each norm, and 1 sqrt for each output.
    ///
    /// ## Source
    /// `torch.linalg.vector_norm`; ONNX ReduceL2.
    ReduceL2 = "reduce_l2" {
        /// The axes to reduce; all of them, batch included, if the list is empty.
        axes: Vec<i64> = Vec::new(),
        /// Whether the reduced axes stay, with size 1.
        keep_dims: bool = false,
    }
}

impl Operator for ReduceL2 {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        one(inputs[0].reshaped(reduction::output(inputs[0], &self.axes, "axes", self.keep_dims)?))
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Reduction
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let cost = Cost::NONE.and(Kind::Mul, io.input_elements())?;
        cost.and(Kind::Add, reduction::joins(io))?.and(Kind::Sqrt, io.output_elements())
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        // dx = dy·x/y.
        Ok(Backward::keeps(Kept { outputs: true, ..Kept::INPUT }))
    }

    fn channels(&self, io: Io<'_>, _: usize) -> Channels {
        reduction::channels(io, &self.axes, self.keep_dims)
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::reduce::Norm;
    use super::super::execute::prelude::*;
    use super::super::reduction::execute as reduction;
    use super::ReduceL2;

    impl Execute for ReduceL2 {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            reduction::forward(call, &self.axes, &Norm)
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let (x, gradient) = (call.input(0)?, reduction::gradient(call, &self.axes)?);
            let norm = call.output()?.reshape(gradient.shape())?;
            // 0 where the norm is: PyTorch's choice among the slopes of the kink.
            let formula = function!(|g, x, norm| norm.if_equal(S::of(0.0), S::of(0.0), g * x / norm));
            Ok(Gradients::input(map(&[&gradient, x, &norm], x.dims(), &formula)?))
        }

        fn workspace(&self, io: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            reduction::workspace(io)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn squares_sums_and_roots() {
        // 512 squares, 511 add and 1 sqrt for each of 2 vectors.
        check(ReduceL2 { axes: vec![-1], keep_dims: true }, &[&[2, 512]])
            .outputs("2x1")
            .learned(0)
            .macs(0)
            .flops(2 * 1024)
            .channels(&Channels::Fold { by: 512 })
            .keeps(Kept { outputs: true, ..Kept::INPUT }, Kept { outputs: true, ..Kept::INPUT });
        check(ReduceL2 { axes: vec![0, 0], keep_dims: true }, &[&[2, 512]]).refused("axis 0 is named twice");
    }
}
