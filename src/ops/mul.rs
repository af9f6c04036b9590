use super::attribute::attributes;
use super::elementwise::{Elementwise, broadcast};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// Multiplies element by element.
    ///
    /// ## Formula
    /// `y = x₀ · x₁`, broadcast as NumPy does.
    ///
    /// ## Counted
    /// FLOPs: 1 mul for each output element.
    ///
    /// ## Source
    /// `torch.mul`; ONNX Mul; darknet `[scale_channels]`, `[sam]`.
    Mul = "mul" {}
}

impl Elementwise for Mul {
    const TENSORS: usize = 2;
    const FAMILY: Family = Family::Arithmetic;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        broadcast(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Mul, 1)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        Kept::INPUTS
    }

    fn minimal(&self) -> Kept {
        // The slope to each input is the other.
        Kept::INPUTS
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Mul {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        x[0] * x[1]
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], of: usize) -> S {
        kept[1 - of]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn one_mul_an_output() {
        // 1·8·4·4 outputs, though one input has only 8 elements.
        check(Mul {}, &[&[1, 8, 4, 4], &[1, 8, 1, 1]]).outputs("1x8x4x4").learned(0).macs(0).flops(128);
        check(Mul {}, &[&[1, 1, 4], &[3, 2, 1]])
            .outputs("3x2x4")
            .flops(24)
            .eager(Kept::INPUTS)
            .minimal(Kept::INPUTS);
        check(Mul {}, &[&[1, 8, 4, 4], &[1, 6, 4, 4]]).refused("axis 1 is 8 and 6");
    }
}
