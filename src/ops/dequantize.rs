use super::attribute::attributes;
use super::elementwise::Elementwise;
use super::{Family, Io, Kept, Kind, Mismatch, Outputs, one};
use crate::tensor::{DType, TensorType};

attributes! {
    /// Whole numbers of few bits as floats.
    ///
    /// ## Formula
    /// `y = (x − z)·s` in `dtype`, with a scale s and a zero point z that are stored beside it.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn counts() {
        check(Dequantize { dtype: DType::F16 }, &[&[2, 3, 4]]).outputs("2x3x4").dtype(DType::F16).flops(48).learned(0);
    }
}
