use super::attribute::attributes;
use super::elementwise::{Elementwise, same};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// Absolute value.
    ///
    /// ## Formula
    /// `y = |x|`
    ///
    /// ## Counted
    /// FLOPs: 1 abs for each element.
    ///
    /// ## Source
    /// `torch.abs`; ONNX Abs.
    Abs = "abs" {}
}

impl Elementwise for Abs {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        same(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Abs, 1)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        Kept::INPUT
    }

    fn minimal(&self) -> Kept {
        Kept::INPUT
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Abs {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        x[0].abs()
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], _: usize) -> S {
        // 0 at the kink, as PyTorch has it.
        kept[0].if_above(S::of(0.0), S::of(1.0), (-kept[0]).if_above(S::of(0.0), S::of(-1.0), S::of(0.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn one_abs_an_element() {
        // 2·3·4·5 elements.
        check(Abs {}, &[&[2, 3, 4, 5]])
            .outputs("2x3x4x5")
            .learned(0)
            .macs(0)
            .flops(120)
            .eager(Kept::INPUT)
            .minimal(Kept::INPUT);
    }
}
