use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights,
};
use super::norm::Rows;
use super::shape;
use crate::diagnostic::Code;
use crate::tensor::{DType, TensorType};
use crate::units::Overflow;

attributes! {
    /// The largest, or smallest, elements along an axis, and where they were.
    ///
    /// ## Formula
    /// Two outputs whose axis is k long: the values, and their indices as `i64`.
    ///
    /// ## Counted
    /// FLOPs: 1 compare for each element of a row but the first, the least that any selection needs.
    ///
    /// ## Source
    /// `torch.topk`; ONNX TopK.
    TopK = "top_k" {
        /// How many.
        k: NonZeroU64,
        /// The axis along which they are found.
        axis: i64 = -1,
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
            return Err(Mismatch::new(Code::OutOfRange, format!("there are not {k} elements along an axis of {size}"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn finds() {
        let op = TopK { k: NonZeroU64::new(3).unwrap(), axis: -1 };
        // 2 rows of 10: 9 comparisons each.
        check(op.clone(), &[&[2, 10]]).outputs("2x3 2x3").flops(18).macs(0);
        check(op, &[&[2, 2]]).refused("there are not 3 elements along an axis of 2");
    }
}
