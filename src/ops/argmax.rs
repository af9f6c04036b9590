use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::reduction;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use crate::tensor::{DType, TensorType};
use crate::units::Overflow;

attributes! {
    /// Where the largest element along one axis stands.
    ///
    /// ## Formula
    /// `y = argmax x` along `axis`, as i64; of equal elements the first, and NaN before all. It has no gradient.
    ///
    /// ## Counted
    /// FLOPs: 1 compare for each input element but the first of each group.
    ///
    /// ## Source
    /// `torch.argmax`; ONNX ArgMax.
    Argmax = "argmax" {
        /// The axis to search; 1 is the channels.
        axis: i64 = 1,
        /// Whether the searched axis stays, with size 1.
        keep_dims: bool = false,
    }
}

impl Operator for Argmax {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let shape = reduction::output(inputs[0], &[self.axis], "axis", self.keep_dims)?;
        one(TensorType { shape, dtype: DType::I64 })
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Reduction
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        Cost::NONE.and(Kind::Compare, reduction::joins(io))
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::keeps(Kept::NOTHING))
    }

    fn channels(&self, io: Io<'_>, _: usize) -> Channels {
        reduction::channels(io, &[self.axis], self.keep_dims)
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::{tensor, with_element, with_elements};
    use super::super::execute::prelude::*;
    use super::super::execute::scalar::note_comparisons;
    use super::super::reduction::execute as reduction;
    use super::Argmax;
    use candle_core::{DType, WithDType};

    /// The place of the largest in each group, the first of equal ones, NaN before all: along the middle one of three
    /// axes. Also how many comparisons that took.
    fn places<T: WithDType>(x: &[T], [outer, n, inner]: [usize; 3]) -> (Vec<i64>, u64) {
        let (mut result, mut comparisons) = (Vec::with_capacity(outer * inner), 0);
        if n * inner == 0 {
            return (result, comparisons);
        }
        for block in x.chunks_exact(n * inner) {
            for column in 0..inner {
                let (mut best, mut place) = (block[column], 0);
                for at in 1..n {
                    let x = block[at * inner + column];
                    comparisons += 1;
                    if x > best || (is_nan(x) && !is_nan(best)) {
                        (best, place) = (x, at);
                    }
                }
                result.push(i64::try_from(place).unwrap_or(i64::MAX));
            }
        }
        (result, comparisons)
    }

    /// Only NaN differs from itself.
    #[expect(clippy::eq_op, reason = "that is the test")]
    fn is_nan<T: PartialEq + Copy>(x: T) -> bool {
        x != x
    }

    impl Execute for Argmax {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (x, shape) = (&call.inputs[0], call.shape(0));
            let axis = reduction::axes(&[self.axis], x.rank())?[0];
            if !x.device().is_cpu() {
                return Ok(x.argmax_keepdim(axis)?.to_dtype(DType::I64)?.reshape(shape)?.into());
            }
            let x = x.contiguous()?;
            let size = |axes: &[usize]| axes.iter().product::<usize>();
            let sizes = [size(&x.dims()[..axis]), x.dims()[axis], size(&x.dims()[axis + 1..])];
            let (places, comparisons) =
                with_element!(x.dtype(), T => with_elements(&x, |x: &[T]| places(x, sizes)))?;
            note_comparisons(comparisons);
            Ok(tensor(places, shape)?.into())
        }

        fn gradients(&self, _: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            Ok(Gradients::none())
        }

        fn workspace(&self, _: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            Ok(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn one_compare_for_each_but_the_first() {
        // The mask of a segmentation of 21 classes: 20 compare for each of 4·4 pixels.
        check(Argmax { axis: 1, keep_dims: false }, &[&[1, 21, 4, 4]])
            .outputs("1x4x4")
            .dtype(DType::I64)
            .learned(0)
            .macs(0)
            .flops(320)
            .channels(&Channels::Mixed);
        check(Argmax { axis: 4, keep_dims: false }, &[&[1, 21, 4, 4]]).refused("there is no axis 4");
    }
}
