use super::attribute::attributes;
use super::elementwise::Elementwise;
use super::{Family, Io, Kept, Kind, Mismatch, Outputs, one};
use crate::tensor::{DType, TensorType};

attributes! {
    /// Whole numbers of few bits as floats.
    ///
    /// ## Formula
    /// `y = (x − z)·s` in `dtype`. The op stores neither the scale s nor the zero point z: a file lists them under
    /// `stored`, as `scale` and `zero_point`. To run, it needs one of each for the whole tensor.
    ///
    /// ## Counted
    /// FLOPs for each element: 1 sub and 1 mul.
    ///
    /// ## Source
    /// `torch.dequantize`; ONNX DequantizeLinear.
    Dequantize = "dequantize" {
        /// Type of the output's elements.
        dtype: DType,
    }
}

impl Elementwise for Dequantize {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        one(TensorType { dtype: self.dtype, ..inputs[0].clone() })
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Sub, 1), (Kind::Mul, 1)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        // No gradient passes whole numbers.
        Kept::NOTHING
    }

    fn minimal(&self) -> Kept {
        Kept::NOTHING
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::dtype;
    use super::super::execute::prelude::*;
    use super::super::quantize::execute::scale_and_zero;
    use super::Dequantize;

    impl Execute for Dequantize {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (x, output) = (&call.inputs[0], &call.io.outputs[0]);
            let dtype = dtype(output.dtype)
                .ok_or_else(|| Fault::unrunnable(format!("elements of type {} do not run", output.dtype)))?;
            let [scale, zero] = scale_and_zero(call.stored)?;
            Ok(map_to(&[x, &scale, &zero], x.dims(), dtype, &function!(|x, s, z| (x - z) * s))?.into())
        }

        fn gradients(&self, _: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            Ok(Gradients::none())
        }

        fn workspace(&self, io: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            // Before it is cast, in doubles at most, and so is the input.
            product(&[io.input_elements(), 16])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn counts() {
        check(Dequantize { dtype: DType::F16 }, &[&[2, 3, 4]])
            .outputs("2x3x4")
            .dtype(DType::F16)
            .flops(48)
            .learned(0);
    }
}
