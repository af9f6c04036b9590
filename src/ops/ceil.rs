use super::attribute::attributes;
use super::elementwise::{Elementwise, same};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// Rounds up to a whole number.
    ///
    /// ## Formula
    /// `y = ⌈x⌉`
    ///
    /// ## Counted
    /// FLOPs: 1 round (a ceiling) for each element.
    ///
    /// ## Source
    /// `torch.ceil`; ONNX Ceil.
    Ceil = "ceil" {}
}

impl Elementwise for Ceil {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        same(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Round, 1)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        Kept::NOTHING
    }

    fn minimal(&self) -> Kept {
        Kept::NOTHING
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Ceil {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        x[0].ceil()
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, _: &[S], _: usize) -> S {
        S::of(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn one_round_an_element() {
        // 2·3·4·5 elements.
        check(Ceil {}, &[&[2, 3, 4, 5]])
            .outputs("2x3x4x5")
            .learned(0)
            .macs(0)
            .flops(120)
            .eager(Kept::NOTHING)
            .minimal(Kept::NOTHING);
    }
}
