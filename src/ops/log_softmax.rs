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
    /// The logarithm of a softmax.
    ///
    /// ## Formula
    /// `y = x − m − ln Σ e^(x − m)` with m the largest x of the row.
    ///
    /// ## Counted
    /// FLOPs for each row of n elements: n − 1 max, n sub, n exp, n − 1 add, 1 log and n sub, that is 5n − 1.
    ///
    /// ## Source
    /// `torch.nn.LogSoftmax` (`dim`); ONNX LogSoftmax.
    LogSoftmax = "log_softmax" {
        /// The axis of a row.
        axis: i64 = -1,
    }
}

impl Operator for LogSoftmax {
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
        rows.cost(&[(Kind::Log, 1)], &[(Kind::Max, 1), (Kind::Add, 1)], &[(Kind::Sub, 2), (Kind::Exp, 1)])
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
    use super::super::execute::kernel::row_functions::{Along, RowFunction, rows, workspace};
    use super::super::execute::prelude::*;
    use super::super::norm::Rows;
    use super::super::shape;
    use super::LogSoftmax;

    /// The logarithm of a sum of powers of e.
    struct Powers;

    impl Fold for Powers {
        #[inline(always)]
        fn each<S: Scalar>(&self, x: S) -> S {
            x.exp()
        }
        #[inline(always)]
        fn join<S: Scalar>(&self, a: S, b: S) -> S {
            a + b
        }
        #[inline(always)]
        fn finish<S: Scalar>(&self, all: S, _: S) -> S {
            all.ln()
        }
        fn on_device(&self, x: &Tensor, axes: &[usize]) -> candle_core::Result<Tensor> {
            x.exp()?.sum_keepdim(axes)?.log()
        }
    }

    /// A row.
    struct Forward;

    impl RowFunction for Forward {
        #[inline(always)]
        fn row<S: Scalar>(&self, row: &mut [S], _: &[&[S]]) -> [S; 2] {
            let most = fold(row, &Max);
            row.iter_mut().for_each(|x| *x = *x - most);
            let all = fold(row, &Powers);
            row.iter_mut().for_each(|x| *x = *x - all);
            [most, all]
        }
    }

    /// From the output: `g − e^y·Σ g`.
    struct Backward;

    impl RowFunction for Backward {
        #[inline(always)]
        fn row<S: Scalar>(&self, row: &mut [S], others: &[&[S]]) -> [S; 2] {
            let all = fold(others[0], &Sum);
            row.iter_mut().zip(others[0]).for_each(|(y, g)| *y = *g - y.exp() * all);
            [all, all]
        }
    }

    impl Execute for LogSoftmax {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let x = &call.inputs[0];
            let axis = self.place(x.rank())?;
            if x.device().is_cpu() && axis + 1 == x.rank() {
                return Ok(rows(x, x.dims()[axis], &[], &Forward)?.rows.into());
            }
            let most = reduce(x, &[axis], &Max)?;
            let lower = map(&[x, &most], x.dims(), &function!(|x, most| x - most))?;
            let all = reduce(&lower, &[axis], &Powers)?;
            Ok(map(&[&lower, &all], x.dims(), &function!(|x, all| x - all))?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let (y, gradient) = (call.output()?, call.gradient()?);
            let axis = self.place(y.rank())?;
            if y.device().is_cpu() && axis + 1 == y.rank() {
                return Ok(Gradients::input(
                    rows(y, y.dims()[axis], &[Along::Rows(gradient)], &Backward)?.rows,
                ));
            }
            let all = reduce(gradient, &[axis], &Sum)?;
            let formula = function!(|y, g, all| g - y.exp() * all);
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

    impl LogSoftmax {
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
        // 2·3 rows of 5: 4 + 5 + 5 + 4 + 1 + 5 = 24 each.
        check(LogSoftmax { axis: -1 }, &[&[2, 3, 5]])
            .outputs("2x3x5")
            .learned(0)
            .macs(0)
            .flops(144)
            .eager(Kept::OUTPUT)
            .minimal(Kept::OUTPUT);
        check(LogSoftmax { axis: -4 }, &[&[2, 3, 5]]).refused("there is no axis -4");
    }
}
