use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Storage, Weights, elementwise,
    norm,
};
use crate::tensor::TensorType;
use crate::units::Overflow;

attributes! {
    /// One triangle of each matrix; the other becomes zeros.
    ///
    /// ## Formula
    /// `y = x` on the diagonal and above it (or below it), else 0, over the last two axes. The diagonal is where the
    /// column is the row plus `diagonal`.
    ///
    /// ## Counted
    /// No FLOPs: data is copied. Bytes: `explain traffic`.
    ///
    /// ## Source
    /// `torch.triu`, `torch.tril`; ONNX Trilu (`k` for the diagonal).
    Trilu = "trilu" {
        /// Whether the upper triangle stays.
        upper: bool = true,
        /// Which diagonal: 0 is the main one, 1 the one above it.
        diagonal: i64 = 0,
    }
}

impl Operator for Trilu {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        norm::least_rank(inputs[0], 2, "the two axes of a matrix")?;
        elementwise::same(inputs)
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
        Ok(Backward::keeps(Kept::NOTHING))
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Same
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::prelude::*;
    use super::Trilu;

    impl Execute for Trilu {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            Ok(self.triangle(&call.inputs[0])?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            // What became 0 passes nothing, and the rest passes as it came.
            Ok(Gradients::input(self.triangle(call.gradient()?)?))
        }

        fn workspace(&self, io: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            // A mask of one matrix: bytes, and numbers of the input's type.
            sum([product(&[matrix(io.inputs[0].shape.axes())?, 1 + io.inputs[0].dtype.bits() / 8])?, 64])
        }
    }

    /// Elements of the last two axes.
    fn matrix(axes: &[u64]) -> Result<u64, Overflow> {
        product(&axes[axes.len().saturating_sub(2)..])
    }

    impl Trilu {
        fn triangle(&self, x: &Tensor) -> Result<Tensor, Fault> {
            let &[.., rows, columns] = x.dims() else {
                return Err(Fault::unrunnable("its input has no matrices: it needs two axes"));
            };
            let stays = |place: usize| {
                let (row, column) = (place / columns, place % columns);
                // Both are below 2⁶³: a matrix in memory has no longer axis.
                let beyond = i128::try_from(column).unwrap_or(0)
                    - i128::try_from(row).unwrap_or(0)
                    - i128::from(self.diagonal);
                u8::from(if self.upper { beyond >= 0 } else { beyond <= 0 })
            };
            let mask: Vec<u8> = (0..rows * columns).map(stays).collect();
            let mask = Tensor::from_vec(mask, (rows, columns), x.device())?;
            if !x.device().is_cpu() || !x.dtype().is_float() {
                let zeros = Tensor::zeros((), x.dtype(), x.device())?.broadcast_as(x.shape())?;
                return Ok(mask.broadcast_as(x.shape())?.where_cond(x, &zeros)?);
            }
            let mask = mask.to_dtype(x.dtype())?;
            // What goes is chosen away, not multiplied: it may be infinite.
            let formula = function!(|x, stays| stays.if_equal(S::of(0.0), S::of(0.0), x));
            uncounted(|| map(&[x, &mask], x.dims(), &formula))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn copies() {
        let upper = Trilu { upper: true, diagonal: 0 };
        check(upper.clone(), &[&[1, 5, 5]]).outputs("1x5x5").flops(0).channels(&Channels::Same);
        check(upper, &[&[5]]).refused("must have the two axes of a matrix");
    }
}
