use super::attribute::attributes;
use super::elementwise::{Elementwise, same};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// Rounds to the nearest whole number.
    ///
    /// ## Formula
    /// `y` is the whole number nearest to `x`, the even one of two.
    ///
    /// ## Counted
    /// FLOPs: 1 round for each element.
    ///
    /// ## Source
    /// `torch.round`; ONNX Round.
    Round = "round" {}
}

impl Elementwise for Round {
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
impl super::execute::formula::Formula for Round {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        x[0].round()
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
        check(Round {}, &[&[2, 3, 4, 5]])
            .outputs("2x3x4x5")
            .learned(0)
            .macs(0)
            .flops(120)
            .eager(Kept::NOTHING)
            .minimal(Kept::NOTHING);
    }
}
