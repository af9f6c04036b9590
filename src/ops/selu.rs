use super::attribute::attributes;
use super::elementwise::{Elementwise, same};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// Scaled exponential linear unit, which keeps means and variances.
    ///
    /// ## Formula
    /// `y = λ·x` where `x > 0`, else `λ·α · (eˣ − 1)`; λ ≈ 1.0507, α ≈ 1.6733
    ///
    /// ## Counted
    /// FLOPs: 1 compare, 1 exp, 1 sub and 2 mul (by λ, and by λ·α) for each element, as if both pieces were computed
    /// and one selected.
    ///
    /// ## Source
    /// Klambauer et al. 2017, arXiv 1706.02515; `torch.nn.SELU`; ONNX Selu; darknet `activation=selu`.
    Selu = "selu" {
        /// Whether PyTorch calls it in place; its autograd then saves the output instead of the input.
        inplace: bool = false,
    }
}

impl Elementwise for Selu {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        same(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Compare, 1), (Kind::Exp, 1), (Kind::Sub, 1), (Kind::Mul, 2)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        if self.inplace { Kept::OUTPUT } else { Kept::INPUT }
    }

    fn minimal(&self) -> Kept {
        Kept::OUTPUT
    }
}

/// λ and α, with which means of 0 and variances of 1 stay (`torch.nn.SELU`).
#[cfg(feature = "exec")]
const SCALE: f64 = 1.050_700_987_355_480_5;
#[cfg(feature = "exec")]
const ALPHA: f64 = 1.673_263_242_354_377_2;

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Selu {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        let (scale, limit) = (S::of(SCALE), S::of(SCALE * ALPHA));
        x[0].if_above(S::of(0.0), x[0] * scale, x[0].exp_m1() * limit)
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], _: usize) -> S {
        kept[0].if_above(S::of(0.0), S::of(SCALE), kept[0] + S::of(SCALE * ALPHA))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn five_operations_an_element() {
        // 120 elements, 5 each.
        check(Selu { inplace: false }, &[&[2, 3, 4, 5]])
            .outputs("2x3x4x5")
            .learned(0)
            .macs(0)
            .flops(600)
            .eager(Kept::INPUT);
        check(Selu { inplace: true }, &[&[1, 1]]).eager(Kept::OUTPUT).minimal(Kept::OUTPUT);
    }
}
