use super::attribute::attributes;
use super::elementwise::{Elementwise, same};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// Raises to a fixed power.
    ///
    /// ## Formula
    /// `y = x^exponent`
    ///
    /// ## Counted
    /// FLOPs: 1 pow for each element, whatever the exponent.
    ///
    /// ## Source
    /// `torch.pow` with a number; ONNX Pow with a constant exponent.
    Pow = "pow" {
        /// The power.
        exponent: f64,
    }
}

impl Elementwise for Pow {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        same(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Pow, 1)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        Kept::INPUT
    }

    fn minimal(&self) -> Kept {
        Kept::INPUT
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Pow {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        x[0].pow(S::of(self.exponent))
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], _: usize) -> S {
        if self.exponent == 0.0 {
            return S::of(0.0);
        }
        kept[0].pow(S::of(self.exponent - 1.0)) * S::of(self.exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn one_pow_an_element() {
        // 2·3·4·5 elements.
        check(Pow { exponent: 2.0 }, &[&[2, 3, 4, 5]])
            .outputs("2x3x4x5")
            .learned(0)
            .macs(0)
            .flops(120)
            .eager(Kept::INPUT)
            .minimal(Kept::INPUT);
    }
}
