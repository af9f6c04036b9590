use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::shape;
use super::{Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Storage, Weights, one};
use crate::diagnostic::Code;
use crate::tensor::TensorType;
use crate::units::Overflow;

attributes! {
    /// Picks parts of a tensor by indices of several axes.
    ///
    /// ## Formula
    /// The last axis of the second input lists a place over as many axes of the first, behind `batch_dims` axes that
    /// both share; what lies behind those axes is picked whole. A negative index counts from the end.
    ///
    /// ## Counted
    /// No FLOPs: data is copied. Bytes: `explain traffic`.
    ///
    /// ## Source
    /// ONNX GatherND; `tf.gather_nd`.
    GatherNd = "gather_nd" {
        /// How many axes both inputs share in front.
        batch_dims: u64 = 0,
    }
}

impl Operator for GatherNd {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let [input, indices] = [inputs[0], inputs[1]];
        let error = |message: &str| {
            Mismatch::new(Code::ShapeMismatch, message)
                .input(0, format!("this is {}", input.shape))
                .input(1, format!("this is {}", indices.shape))
        };
        let Some((&depth, places)) = indices.shape.axes().split_last() else {
            return Err(error("the indices must have an axis at least"));
        };
        let skipped = usize::try_from(self.batch_dims.saturating_add(depth)).unwrap_or(usize::MAX);
        if self.batch_dims > places.len() as u64 {
            return Err(error("the indices have fewer axes than are shared").attribute("batch_dims"));
        }
        let Some(rest) = input.shape.axes().get(skipped..) else {
            return Err(error("the indices name more axes than there are"));
        };
        shape::check_rank(places.len() + rest.len())?;
        one(input.reshaped([places, rest].concat().as_slice()))
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
    use super::GatherNd;

    impl GatherNd {
        /// The tensor as rows that are picked whole, and which of them.
        fn places(&self, io: Io<'_>, indices: &Tensor) -> Result<(Rows, Vec<usize>), Fault> {
            rows::places_of_parts(&dims(io.inputs[0]), indices, size(self.batch_dims)?)
        }
    }

    impl Execute for GatherNd {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (rows, places) = self.places(call.io, &call.inputs[1])?;
            Ok(pick(&call.inputs[0], rows, &places, 0.0, &call.shape(0))?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            if !call.wants(0) {
                return Ok(Gradients::none());
            }
            let (rows, places) = self.places(call.io, call.input(1)?)?;
            Ok(Gradients::input(put(call.gradient()?, rows, &places, &call.shape(0))?))
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
        // Each of 5 places names axes 0 and 1; axis 2 stays.
        check(GatherNd { batch_dims: 0 }, &[&[2, 10, 7], &[5, 2]]).outputs("5x7").flops(0);
        check(GatherNd { batch_dims: 1 }, &[&[2, 10, 7], &[2, 5, 1]]).outputs("2x5x7");
        check(GatherNd { batch_dims: 0 }, &[&[2], &[5, 2]]).refused("more axes than there are");
    }
}
