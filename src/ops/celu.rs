use super::attribute::attributes;
use super::elementwise::{Elementwise, same};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::diagnostic::Code;
use crate::tensor::TensorType;

attributes! {
    /// Continuously differentiable exponential linear unit.
    ///
    /// ## Formula
    /// `y = x` where `x > 0`, else `alpha · (e^(x/alpha) − 1)`
    ///
    /// ## Counted
    /// FLOPs: 1 compare, 1 div, 1 exp, 1 sub and 1 mul for each element, as if both pieces were computed and one
    /// selected.
    ///
    /// ## Source
    /// Barron 2017, arXiv 1704.07483; `torch.nn.CELU`; ONNX Celu.
    Celu = "celu" {
        /// The limit on the negative side is −alpha; not 0.
        alpha: f64 = 1.0,
        /// Whether PyTorch calls it in place; its autograd then saves the output instead of the input.
        inplace: bool = false,
    }
}

impl Elementwise for Celu {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        if self.alpha == 0.0 {
            return Err(Mismatch::new(Code::OutOfRange, "the formula divides by `alpha`, which is 0")
                .attribute("alpha"));
        }
        same(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Compare, 1), (Kind::Div, 1), (Kind::Exp, 1), (Kind::Sub, 1), (Kind::Mul, 1)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        if self.inplace { Kept::OUTPUT } else { Kept::INPUT }
    }

    fn minimal(&self) -> Kept {
        // On the negative side the slope is y / alpha + 1, and the output's sign tells the side unless alpha turns it.
        if self.alpha > 0.0 { Kept::OUTPUT } else { Kept::INPUT }
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Celu {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        let alpha = S::of(self.alpha);
        x[0].if_above(S::of(0.0), x[0], (x[0] / alpha).exp_m1() * alpha)
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], _: usize) -> S {
        let (zero, one, alpha) = (S::of(0.0), S::of(1.0), S::of(self.alpha));
        let negative = if self.alpha > 0.0 { kept[0] / alpha + one } else { (kept[0] / alpha).exp() };
        kept[0].if_above(zero, one, negative)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    const CELU: Celu = Celu { alpha: 1.0, inplace: false };

    #[test]
    fn five_operations_an_element() {
        // 120 elements, 5 each.
        check(CELU, &[&[2, 3, 4, 5]])
            .outputs("2x3x4x5")
            .learned(0)
            .macs(0)
            .flops(600)
            .eager(Kept::INPUT)
            .minimal(Kept::OUTPUT);
        check(Celu { inplace: true, ..CELU }, &[&[1, 1]]).eager(Kept::OUTPUT);
        check(Celu { alpha: -1.0, ..CELU }, &[&[1, 1]]).minimal(Kept::INPUT);
        check(Celu { alpha: 0.0, ..CELU }, &[&[1, 1]]).refused("divides by `alpha`");
    }
}
