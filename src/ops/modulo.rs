use super::attribute::attributes;
use super::elementwise::{Elementwise, broadcast};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// The remainder of a division.
    ///
    /// ## Formula
    /// `y = x₀ − x₁·⌊x₀/x₁⌋`, broadcast as NumPy does: the result has the divisor's sign, as in Python.
    ///
    /// ## Counted
    /// FLOPs for each output: 1 div, 1 round, 1 mul and 1 sub.
    ///
    /// ## Source
    /// `torch.remainder`; ONNX Mod without `fmod` (with it, as in `torch.fmod`, the result has the dividend's sign).
    Modulo = "modulo" {}
}

impl Elementwise for Modulo {
    const TENSORS: usize = 2;
    const FAMILY: Family = Family::Arithmetic;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        broadcast(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Div, 1), (Kind::Round, 1), (Kind::Mul, 1), (Kind::Sub, 1)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        Kept::INPUTS
    }

    fn minimal(&self) -> Kept {
        // The slope to the divisor is −⌊x₀/x₁⌋.
        Kept::INPUTS
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Modulo {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        x[0] - x[1] * (x[0] / x[1]).floor()
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], of: usize) -> S {
        if of == 0 { S::of(1.0) } else { -(kept[0] / kept[1]).floor() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn counts() {
        check(Modulo {}, &[&[2, 3], &[3]]).outputs("2x3").macs(0).flops(24).keeps(Kept::INPUTS, Kept::INPUTS);
    }
}
