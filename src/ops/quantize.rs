use super::attribute::attributes;
use super::elementwise::Elementwise;
use super::{Family, Io, Kept, Kind, Mismatch, Outputs, one};
use crate::tensor::{DType, TensorType};

attributes! {
    /// Floats as whole numbers of few bits.
    ///
    /// ## Formula
    /// `y = clamp(round(x/s) + z)` in `dtype`, with a scale s and a zero point z that are stored beside it.
    ///
    /// ## Counted
    /// FLOPs for each element: 1 div, 1 round, 1 add, 1 max and 1 min.
    ///
    /// ## Source
    /// `torch.quantize_per_tensor`; ONNX QuantizeLinear.
    Quantize = "quantize" {
        /// Type of the output's elements.
        dtype: DType,
    }
}

impl Elementwise for Quantize {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        one(TensorType { dtype: self.dtype, ..inputs[0].clone() })
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Div, 1), (Kind::Round, 1), (Kind::Add, 1), (Kind::Max, 1), (Kind::Min, 1)]
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
        check(Quantize { dtype: DType::U8 }, &[&[2, 3, 4]]).outputs("2x3x4").dtype(DType::U8).flops(120).learned(0);
    }
}
