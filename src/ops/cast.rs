use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Storage, Weights, one};
use crate::tensor::{DType, TensorType};
use crate::units::Overflow;

attributes! {
    /// The same numbers in another element type.
    ///
    /// ## Formula
    /// `y = x` in `dtype`. Floats are rounded to the nearest float, the even one of two; as whole numbers their fraction
    /// is cut off, and what lies beyond the type's ends becomes the end; as truth values they are whether `x ≠ 0`.
    ///
    /// ## Counted
    /// No FLOPs: a conversion counts as moving data. Bytes: `explain traffic`.
    ///
    /// ## Source
    /// `torch.Tensor.to`; ONNX Cast.
    Cast = "cast" {
        /// Type of the output's elements.
        dtype: DType,
    }
}

impl Operator for Cast {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        one(TensorType { dtype: self.dtype, ..inputs[0].clone() })
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
    use super::super::execute::dtype;
    use super::super::execute::prelude::*;
    use super::Cast;
    use crate::tensor;
    use candle_core::DType;

    impl Execute for Cast {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (x, output) = (&call.inputs[0], &call.io.outputs[0]);
            let dtype = dtype(output.dtype).ok_or_else(|| foreign(output.dtype))?;
            if output.dtype == tensor::DType::Bool {
                // Whether it is not 0; NaN is not.
                let truth = function!(|x| x.if_equal(S::of(0.0), S::of(0.0), S::of(1.0)));
                return Ok(uncounted(|| map_to(&[x], x.dims(), dtype, &truth))?.into());
            }
            Ok(own(x, dtype)?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let input = call.io.inputs[0].dtype;
            let dtype = dtype(input).ok_or_else(|| foreign(input))?;
            Ok(Gradients::input(own(call.gradient()?, dtype)?))
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            match pass {
                Pass::Forward if self.dtype == tensor::DType::Bool => {
                    // Truth values of the input's type, doubles if it is of whole numbers.
                    product(&[io.input_elements(), 16])
                }
                _ => Ok(0),
            }
        }
    }

    /// In memory of its own, also where the type stays.
    fn own(x: &Tensor, dtype: DType) -> Result<Tensor, Fault> {
        Ok(if x.dtype() == dtype { x.force_contiguous()? } else { x.to_dtype(dtype)? })
    }

    fn foreign(dtype: tensor::DType) -> Fault {
        Fault::unrunnable(format!("elements of type {dtype} do not run"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn changes_the_type() {
        check(Cast { dtype: DType::F16 }, &[&[2, 3, 4]])
            .outputs("2x3x4")
            .dtype(DType::F16)
            .learned(0)
            .macs(0)
            .flops(0)
            .channels(&Channels::Same)
            .keeps(Kept::NOTHING, Kept::NOTHING);
    }
}
