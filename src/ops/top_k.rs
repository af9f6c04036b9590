use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::norm::Rows;
use super::shape;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights,
};
use crate::diagnostic::Code;
use crate::tensor::{DType, TensorType};
use crate::units::Overflow;

attributes! {
    /// The largest, or smallest, elements along an axis, and where they were.
    ///
    /// ## Formula
    /// Two outputs whose axis is k long: the values, and their indices as `i64`. The largest comes first, or with
    /// `largest` false the smallest; of equal ones that with the lower index.
    ///
    /// ## Counted
    /// FLOPs: 1 compare for each element of a row but the first, which find the first of the k; the least that any
    /// selection needs. How many more the others need depends on data, and is not counted.
    ///
    /// ## Source
    /// `torch.topk`; ONNX TopK.
    TopK = "top_k" {
        /// How many.
        k: NonZeroU64,
        /// The axis along which they are found.
        axis: i64 = -1,
        /// Whether the largest are found, not the smallest.
        largest: bool = true,
    }
}

impl Operator for TopK {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let input = inputs[0];
        let axis = shape::axis(self.axis, input.shape.rank(), "axis")?;
        let (size, k) = (input.shape.axes()[axis], self.k.get());
        if k > size {
            return Err(Mismatch::new(
                Code::OutOfRange,
                format!("there are not {k} elements along an axis of {size}"),
            )
            .input(0, format!("this is {}", input.shape))
            .attribute("k"));
        }
        let values = input.reshaped(input.shape.with_axis(axis, k));
        let indices = TensorType { dtype: DType::I64, shape: values.shape.clone() };
        Ok([values, indices].into_iter().collect())
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Reduction
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        // The axis was checked when the outputs were inferred.
        let rows = Rows::along(io.inputs[0], self.axis).map_err(|_| Overflow)?;
        rows.cost(&[], &[(Kind::Compare, 1)], &[])
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        // Where the gradient goes: the second output.
        Ok(Backward::keeps(Kept::OUTPUT))
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Mixed
    }
}

#[cfg(feature = "exec")]
mod execute {
    use std::cmp::Ordering;

    use super::super::execute::kernel::rows::{self, Rows, put};
    use super::super::execute::kernel::{Element, tensor, with_element, with_elements};
    use super::super::execute::prelude::*;
    use super::super::execute::scalar::{Counted, is_counting};
    use super::TopK;
    use crate::ops::shape;

    impl TopK {
        fn along(&self, io: Io<'_>) -> usize {
            shape::axis(self.axis, io.inputs[0].shape.rank(), "axis").unwrap_or(0)
        }

        /// Which index of a row is better; what is not a number is larger than all others (PyTorch).
        fn better(&self, a: f64, b: f64) -> Ordering {
            let order = a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()));
            if self.largest { order.reverse() } else { order }
        }

        /// The first k indices of every row in order of their values.
        fn found<T, S: Scalar>(
            &self,
            x: &[T],
            rows: Rows,
            k: usize,
            load: impl Fn(&T) -> S,
            holds: impl Fn(S) -> bool,
            number: impl Fn(&T) -> f64,
        ) -> Vec<i64> {
            let (count, length) = (rows.count, rows.length);
            let mut made = vec![0i64; rows.blocks * k * length];
            let mut order: Vec<usize> = Vec::with_capacity(count);
            for (block, column) in
                (0..rows.blocks).flat_map(|block| (0..length).map(move |column| (block, column)))
            {
                let at = |index: usize| &x[(block * count + index) * length + column];
                order.clear();
                order.extend(0..count);
                // The first by comparing each; the others by putting so many in order.
                let first = order.iter().copied().reduce(|best, index| {
                    let [old, new] = [best, index].map(|index| load(at(index)));
                    let [low, high] = if self.largest { [old, new] } else { [new, old] };
                    let is_better = holds(high.if_above(low, S::of(1.0), S::of(0.0)));
                    let [old, new] = [best, index].map(|index| number(at(index)).is_nan());
                    let is_better =
                        if old || new { (new && !old) == self.largest && new != old } else { is_better };
                    if is_better { index } else { best }
                });
                order.swap(0, first.unwrap_or(0));
                let by_value =
                    |&a: &usize, &b: &usize| self.better(number(at(a)), number(at(b))).then(a.cmp(&b));
                let rest = &mut order[1..];
                if k > 1 && k - 1 < rest.len() {
                    rest.select_nth_unstable_by(k - 2, by_value);
                }
                let chosen = (k - 1).min(rest.len());
                rest[..chosen].sort_unstable_by(by_value);
                for (rank, &index) in order.iter().take(k).enumerate() {
                    made[(block * k + rank) * length + column] = i64::try_from(index).unwrap_or(i64::MAX);
                }
            }
            made
        }
    }

    impl Execute for TopK {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (x, shape, axis) = (&call.inputs[0], call.shape(0), self.along(call.io));
            let (rows, k) = (Rows::along(x.dims(), axis), size(self.k.get())?);
            let indices = rows::on_cpu([x], |[x]| {
                with_element!(x.dtype(), T => {
                    let made = with_elements(x, |x: &[T]| {
                        let number = |x: &T| candle_core::WithDType::to_f64(*x);
                        if is_counting() {
                            return self.found(x, rows, k, |x| Counted(number(x)), |y| y.0 > 0.5, number);
                        }
                        self.found(x, rows, k, |x| x.load(), |y| T::double(y) > 0.5, number)
                    })?;
                    tensor(made, shape.as_slice())
                })
            })?;
            let places = rows::places_along(x.dims(), axis, &indices)?;
            let values = rows::pick(x, Rows::flat(x.elem_count(), 1), &places, 0.0, &shape)?;
            Ok(Tensors::from_iter([values, indices]).into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let (gradient, shape) = (call.gradient()?, call.shape(0));
            let undeclared = Fault::Internal("the indices of a top-k were not kept");
            let indices = call.outputs.get(1).ok_or(undeclared)?;
            let places = rows::places_along(&shape, self.along(call.io), indices)?;
            let rows = Rows::flat(shape.iter().product(), 1);
            Ok(Gradients::input(put(gradient, rows, &places, &shape)?))
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            let lists = product(&[io.output_elements(), rows::INDEX])?;
            match pass {
                Pass::Forward => sum([lists, product(&[io.inputs[0].shape.axes()[self.along(io)], 8])?]),
                Pass::Backward => sum([lists, rows::sums(io.inputs[0])?]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn finds() {
        let op = TopK { k: NonZeroU64::new(3).unwrap(), axis: -1, largest: true };
        // 2 rows of 10: 9 comparisons each.
        check(op.clone(), &[&[2, 10]]).outputs("2x3 2x3").flops(18).macs(0);
        check(op, &[&[2, 2]]).refused("there are not 3 elements along an axis of 2");
    }
}
