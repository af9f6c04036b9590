use super::attribute::attributes;
use super::elementwise::{Elementwise, broadcast};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// Divides element by element.
    ///
    /// ## Formula
    /// `y = x₀ / x₁`, broadcast as NumPy does; of whole numbers the fraction is cut off, as in ONNX.
    ///
    /// ## Counted
    /// FLOPs: 1 div for each output element.
    ///
    /// ## Source
    /// `torch.div`; ONNX Div.
    Div = "div" {}
}

impl Elementwise for Div {
    const TENSORS: usize = 2;
    const FAMILY: Family = Family::Arithmetic;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        broadcast(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Div, 1)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        Kept::INPUTS
    }

    fn minimal(&self) -> Kept {
        // The slopes are 1 / x₁ and −x₀ / x₁².
        Kept::INPUTS
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Div {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        x[0] / x[1]
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], of: usize) -> S {
        if of == 0 { S::of(1.0) / kept[1] } else { -(kept[0] / (kept[1] * kept[1])) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn one_div_an_output() {
        // 1·8·4·4 outputs, though one input has only 8 elements.
        check(Div {}, &[&[1, 8, 4, 4], &[1, 8, 1, 1]]).outputs("1x8x4x4").learned(0).macs(0).flops(128);
        check(Div {}, &[&[1, 1, 4], &[3, 2, 1]])
            .outputs("3x2x4")
            .flops(24)
            .eager(Kept::INPUTS)
            .minimal(Kept::INPUTS);
        check(Div {}, &[&[1, 8, 4, 4], &[1, 6, 4, 4]]).refused("axis 1 is 8 and 6");
    }
}
