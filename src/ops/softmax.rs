use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::norm::Rows;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights,
    elementwise,
};
use crate::tensor::TensorType;
use crate::units::Overflow;

attributes! {
    /// Positive weights that sum to 1 along one axis.
    ///
    /// ## Formula
    /// `y = e^(x − m) / Σ e^(x − m)` with m the largest x of the row.
    ///
    /// ## Counted
    /// FLOPs for each row of n elements: n − 1 max, n sub, n exp, n − 1 add and n div, that is 5n − 2.
    ///
    /// ## Source
    /// Bridle 1990; `torch.nn.Softmax` (`dim`); ONNX Softmax; darknet `[softmax]`.
    Softmax = "softmax" {
        /// The axis of a row.
        axis: i64 = -1,
    }
}

impl Operator for Softmax {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        Rows::along(inputs[0], self.axis)?;
        elementwise::same(inputs)
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Activation
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        // The axis was checked when the output was inferred.
        let rows = Rows::along(io.inputs[0], self.axis).map_err(|_| Overflow)?;
        rows.cost(&[], &[(Kind::Max, 1), (Kind::Add, 1)], &[(Kind::Sub, 1), (Kind::Exp, 1), (Kind::Div, 1)])
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::keeps(Kept::OUTPUT))
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        // Every channel weighs on the others, but only through a common factor: provenance treats it as it treats
        // norms.
        Channels::Same
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::reduce::fold;
    use super::super::execute::kernel::row_functions::{Along, RowFunction, dot, rows, workspace};
    use super::super::execute::prelude::*;
    use super::super::norm::Rows;
    use super::super::shape;
    use super::Softmax;

    /// A row.
    struct Forward;

    impl RowFunction for Forward {
        #[inline(always)]
        fn row<S: Scalar>(&self, row: &mut [S], _: &[&[S]]) -> [S; 2] {
            let most = fold(row, &Max);
            row.iter_mut().for_each(|x| *x = (*x - most).exp());
            let all = fold(row, &Sum);
            row.iter_mut().for_each(|x| *x = *x / all);
            [most, all]
        }
    }

    /// From the output: `y·(g − Σ g·y)`.
    struct Backward;

    impl RowFunction for Backward {
        #[inline(always)]
        fn row<S: Scalar>(&self, row: &mut [S], others: &[&[S]]) -> [S; 2] {
            let all = dot(row, others[0]);
            row.iter_mut().zip(others[0]).for_each(|(y, g)| *y = *y * (*g - all));
            [all, all]
        }
    }

    impl Execute for Softmax {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let x = &call.inputs[0];
            let axis = self.place(x.rank())?;
            if x.device().is_cpu() && axis + 1 == x.rank() {
                return Ok(rows(x, x.dims()[axis], &[], &Forward)?.rows.into());
            }
            let most = reduce(x, &[axis], &Max)?;
            let powers = map(&[x, &most], x.dims(), &function!(|x, most| (x - most).exp()))?;
            let all = reduce(&powers, &[axis], &Sum)?;
            Ok(map(&[&powers, &all], x.dims(), &function!(|x, all| x / all))?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let (y, gradient) = (call.output()?, call.gradient()?);
            let axis = self.place(y.rank())?;
            if y.device().is_cpu() && axis + 1 == y.rank() {
                return Ok(Gradients::input(
                    rows(y, y.dims()[axis], &[Along::Rows(gradient)], &Backward)?.rows,
                ));
            }
            let products = map(&[y, gradient], y.dims(), &function!(|y, g| y * g))?;
            let all = reduce(&products, &[axis], &Sum)?;
            let formula = function!(|y, g, all| y * (g - all));
            Ok(Gradients::input(map(&[y, gradient, &all], y.dims(), &formula)?))
        }

        fn workspace(&self, io: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            let input = io.inputs[0];
            let axis = shape::axis(self.axis, input.shape.rank(), "axis").map_err(|_| Overflow)?;
            if axis + 1 == input.shape.rank() {
                let rows = Rows::of_length(input, input.shape.axes()[axis]);
                return workspace(2, rows.count, rows.length, input.dtype.bits() / 8);
            }
            // A tensor of the whole size beside the result, and numbers of each row, singles at least.
            let numbers = product(&[input.elements().get(), 4 + 2 * (input.dtype.bits() / 8)])?;
            sum([numbers, input.bytes().get()])
        }
    }

    impl Softmax {
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
    fn counts_by_row() {
        // 2·3 rows of 5: 4 + 5 + 5 + 4 + 5 = 23 each.
        check(Softmax { axis: -1 }, &[&[2, 3, 5]])
            .outputs("2x3x5")
            .learned(0)
            .macs(0)
            .flops(138)
            .eager(Kept::OUTPUT)
            .minimal(Kept::OUTPUT);
        // 2·5 rows of 3: 2 + 3 + 3 + 2 + 3 = 13 each.
        check(Softmax { axis: 1 }, &[&[2, 3, 5]]).flops(130);
        check(Softmax { axis: 3 }, &[&[2, 3, 5]]).refused("there is no axis 3");
        check(Softmax { axis: -1 }, &[&[2, 0]]).flops(0);
    }
}
