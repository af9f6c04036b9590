use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::norm::Rows;
use super::shape;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights,
    elementwise,
};
use crate::tensor::TensorType;
use crate::units::Overflow;

attributes! {
    /// Running sums along an axis.
    ///
    /// ## Formula
    /// `yᵢ = x₀ + … + xᵢ`
    ///
    /// ## Counted
    /// FLOPs: 1 add for each element of a row but the first.
    ///
    /// ## Source
    /// `torch.cumsum`; ONNX CumSum.
    CumSum = "cum_sum" {
        /// The axis along which is summed.
        axis: i64 = -1,
    }
}

impl Operator for CumSum {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        shape::axis(self.axis, inputs[0].shape.rank(), "axis")?;
        elementwise::same(inputs)
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Reduction
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        // The axis was checked when the output was inferred.
        let rows = Rows::along(io.inputs[0], self.axis).map_err(|_| Overflow)?;
        rows.cost(&[], &[(Kind::Add, 1)], &[])
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::keeps(Kept::NOTHING))
    }

    fn channels(&self, io: Io<'_>, _: usize) -> Channels {
        match shape::axis(self.axis, io.inputs[0].shape.rank(), "axis") {
            Ok(1) => Channels::Mixed,
            _ => Channels::Same,
        }
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::scan::running_sum;
    use super::super::execute::prelude::*;
    use super::super::shape;
    use super::CumSum;

    impl Execute for CumSum {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let x = &call.inputs[0];
            Ok(running_sum(x, self.place(x.rank())?, false)?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let gradient = call.gradient()?;
            // An element is in its own sum and in all that follow.
            Ok(Gradients::input(running_sum(gradient, self.place(gradient.rank())?, true)?))
        }

        fn workspace(&self, io: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            // The sums of a step along the axis, one for each place beside it.
            product(&[io.input_elements(), 8])
        }
    }

    impl CumSum {
        fn place(&self, rank: usize) -> Result<usize, Fault> {
            shape::axis(self.axis, rank, "axis").map_err(|mismatch| Fault::unrunnable(mismatch.message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn sums() {
        // 3 rows of 4: 3 additions each.
        check(CumSum { axis: -1 }, &[&[1, 3, 4]]).outputs("1x3x4").flops(9).channels(&Channels::Same);
        check(CumSum { axis: 1 }, &[&[1, 3, 4]]).flops(8).channels(&Channels::Mixed);
        check(CumSum { axis: 3 }, &[&[1, 3, 4]]).refused("there is no axis 3");
    }
}
