use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::shape;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use crate::tensor::{DType, TensorShape, TensorType};
use crate::units::Overflow;

attributes! {
    /// A one at the place that a whole number names, and zeros around it.
    ///
    /// ## Formula
    /// `[…] → […, classes]`: `on` where the class is the number, else `off`. A negative number counts from the end; one
    /// beyond the classes has `off` everywhere.
    ///
    /// ## Counted
    /// FLOPs: 1 compare for each output element.
    ///
    /// ## Source
    /// `torch.nn.functional.one_hot`; ONNX OneHot.
    OneHot = "one_hot" {
        /// How many numbers are told apart.
        classes: NonZeroU64,
        /// Where their axis is put.
        axis: i64 = -1,
        /// Type of the output's elements.
        dtype: DType = DType::F32,
        /// What stands at the place that is named.
        on: f64 = 1.0,
        /// What stands at the others.
        off: f64 = 0.0,
    }
}

impl Operator for OneHot {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let rank = inputs[0].shape.rank() + 1;
        shape::check_rank(rank)?;
        let axis = shape::axis(self.axis, rank, "axis")?;
        let mut axes = inputs[0].shape.axes().to_vec();
        axes.insert(axis, self.classes.get());
        one(TensorType { shape: TensorShape::new(axes), dtype: self.dtype })
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Movement
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        Cost::NONE.and(Kind::Compare, io.output_elements())
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::keeps(Kept::NOTHING))
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Mixed
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::rows;
    use super::super::execute::prelude::*;
    use super::super::execute::{dtype, kernel::tensor};
    use super::{OneHot, shape};

    impl Execute for OneHot {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (shape, numbers) = (call.shape(0), &call.inputs[0]);
            let axis = shape::axis(self.axis, shape.len(), "axis").unwrap_or(0);
            let classes = shape[axis];
            let element = dtype(self.dtype).ok_or_else(|| Fault::unrunnable(format!("no {}", self.dtype)))?;
            // A negative number counts from the end.
            #[expect(clippy::cast_precision_loss, reason = "classes are fewer than 2^53")]
            let from_start =
                |number: i64| if number < 0 { number as f64 + classes as f64 } else { number as f64 };
            let numbers: Vec<f64> = rows::whole(numbers)?.into_iter().map(from_start).collect();
            let mut one = shape.clone();
            one[axis] = 1;
            let numbers = tensor(numbers, one)?.to_device(call.inputs[0].device())?;
            #[expect(clippy::cast_precision_loss, reason = "classes are fewer than 2^53")]
            let all: Vec<f64> = (0..classes).map(|class| class as f64).collect();
            let mut line = vec![1; shape.len()];
            line[axis] = classes;
            let all = tensor(all, line)?.to_device(call.inputs[0].device())?;
            let (on, off) = (self.on, self.off);
            let formula = function!([on, off] | number, class | number.if_equal(class, on, off));
            Ok(map_to(&[&numbers, &all], &shape, element, &formula)?.into())
        }

        fn gradients(&self, _: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            Ok(Gradients::none())
        }

        fn workspace(&self, io: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            // The numbers as doubles and the classes; the result as doubles before it has its type.
            let lists = product(&[io.inputs[0].elements().get(), 24])?;
            sum([lists, product(&[self.classes.get(), 8])?, product(&[io.output_elements(), 8])?])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn spreads() {
        let op =
            OneHot { classes: NonZeroU64::new(10).unwrap(), axis: 1, dtype: DType::F32, on: 1.0, off: 0.0 };
        check(op, &[&[2, 4]]).outputs("2x10x4").flops(80).dtype(DType::F32);
    }
}
