use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::shape;
use super::{Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Storage, Weights, one};
use crate::diagnostic::Code;
use crate::tensor::TensorType;
use crate::units::Overflow;

attributes! {
    /// Picks single elements by indices along one axis.
    ///
    /// ## Formula
    /// `y[i, j, …] = x[…, indices[i, j, …], …]`; the output has the shape of the second input, the indices. A
    /// negative one counts from the end.
    ///
    /// ## Counted
    /// No FLOPs: data is copied. Bytes: `explain traffic`.
    ///
    /// ## Source
    /// `torch.gather`; ONNX GatherElements.
    GatherElements = "gather_elements" {
        /// The axis that the indices count along.
        axis: i64 = 0,
    }
}

impl Operator for GatherElements {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let [input, indices] = [inputs[0], inputs[1]];
        shape::axis(self.axis, input.shape.rank(), "axis")?;
        if indices.shape.rank() != input.shape.rank() {
            return Err(Mismatch::new(
                Code::ShapeMismatch,
                "the indices must have as many axes as the tensor",
            )
            .input(0, format!("this is {}", input.shape))
            .input(1, format!("this is {}", indices.shape)));
        }
        one(TensorType { shape: indices.shape.clone(), dtype: input.dtype })
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
        Ok(Backward::keeps(Kept::INPUTS))
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Mixed
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::rows::{self, Rows, pick, put};
    use super::super::execute::prelude::*;
    use super::{GatherElements, shape};

    impl GatherElements {
        fn places(&self, io: Io<'_>, indices: &Tensor) -> Result<Vec<usize>, Fault> {
            let axis = shape::axis(self.axis, io.inputs[0].shape.rank(), "axis").unwrap_or(0);
            rows::places_along(&dims(io.inputs[0]), axis, indices)
        }
    }

    impl Execute for GatherElements {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (x, places) = (&call.inputs[0], self.places(call.io, &call.inputs[1])?);
            Ok(pick(x, Rows::flat(x.elem_count(), 1), &places, 0.0, &call.shape(0))?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            if !call.wants(0) {
                return Ok(Gradients::none());
            }
            let (places, shape) = (self.places(call.io, call.input(1)?)?, call.shape(0));
            let rows = Rows::flat(shape.iter().product(), 1);
            Ok(Gradients::input(put(call.gradient()?, rows, &places, &shape)?))
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            let lists = product(&[io.inputs[1].elements().get(), rows::INDEX])?;
            match pass {
                Pass::Forward => Ok(lists),
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
    fn picks() {
        check(GatherElements { axis: 1 }, &[&[2, 10], &[2, 3]]).outputs("2x3").flops(0);
        check(GatherElements { axis: 1 }, &[&[2, 10], &[3]]).refused("as many axes");
    }
}
