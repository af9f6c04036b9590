use super::attribute::attributes;
use super::elementwise::{Elementwise, same};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// Swish with a sigmoid of three straight pieces.
    ///
    /// ## Formula
    /// `y = x · max(0, min(1, x / 6 + 1 / 2))`, that is `x · relu6(x + 3) / 6`.
    ///
    /// ## Counted
    /// FLOPs: 1 mul, 1 add, 1 min, 1 max (the hard sigmoid) and 1 mul for each element.
    ///
    /// ## Source
    /// Howard et al. 2019, arXiv 1905.02244; `torch.nn.Hardswish`; ONNX HardSwish.
    Hardswish = "hardswish" {}
}

impl Elementwise for Hardswish {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        same(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Mul, 2), (Kind::Add, 1), (Kind::Min, 1), (Kind::Max, 1)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        Kept::INPUT
    }

    fn minimal(&self) -> Kept {
        Kept::INPUT
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Hardswish {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        x[0] * (x[0] * S::of(1.0 / 6.0) + S::of(0.5)).min(S::of(1.0)).max(S::of(0.0))
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], _: usize) -> S {
        let (x, three) = (kept[0], S::of(3.0));
        let middle = x * S::of(1.0 / 3.0) + S::of(0.5);
        three.if_above(x, x.if_above(-three, middle, S::of(0.0)), S::of(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn a_hard_sigmoid_and_a_mul_an_element() {
        // 120 elements, 4 + 1 each.
        check(Hardswish {}, &[&[2, 3, 4, 5]])
            .outputs("2x3x4x5")
            .learned(0)
            .macs(0)
            .flops(600)
            .eager(Kept::INPUT)
            .minimal(Kept::INPUT);
    }
}
