use super::attribute::attributes;
use super::elementwise::{Elementwise, same};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// Exponential linear unit.
    ///
    /// ## Formula
    /// `y = x` where `x > 0`, else `alpha · (eˣ − 1)`
    ///
    /// ## Counted
    /// FLOPs: 1 compare, 1 exp, 1 sub and 1 mul for each element, as if both pieces were computed and one selected.
    ///
    /// ## Source
    /// Clevert, Unterthiner and Hochreiter 2015, arXiv 1511.07289; `torch.nn.ELU`; ONNX Elu; darknet `activation=elu`.
    Elu = "elu" {
        /// The limit on the negative side is −alpha.
        alpha: f64 = 1.0,
        /// Whether PyTorch calls it in place; its autograd then saves the output instead of the input.
        inplace: bool = false,
    }
}

impl Elementwise for Elu {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        same(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Compare, 1), (Kind::Exp, 1), (Kind::Sub, 1), (Kind::Mul, 1)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        if self.inplace { Kept::OUTPUT } else { Kept::INPUT }
    }

    fn minimal(&self) -> Kept {
        // On the negative side the slope is y + alpha, and the output's sign tells the side unless alpha turns it.
        if self.alpha >= 0.0 { Kept::OUTPUT } else { Kept::INPUT }
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Elu {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        x[0].if_above(S::of(0.0), x[0], x[0].exp_m1() * S::of(self.alpha))
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], _: usize) -> S {
        let (zero, one, alpha) = (S::of(0.0), S::of(1.0), S::of(self.alpha));
        let negative = if self.alpha >= 0.0 { kept[0] + alpha } else { kept[0].exp() * alpha };
        kept[0].if_above(zero, one, negative)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    const ELU: Elu = Elu { alpha: 1.0, inplace: false };

    #[test]
    fn four_operations_an_element() {
        // 120 elements, 4 each.
        check(ELU, &[&[2, 3, 4, 5]])
            .outputs("2x3x4x5")
            .learned(0)
            .macs(0)
            .flops(480)
            .eager(Kept::INPUT)
            .minimal(Kept::OUTPUT);
        check(Elu { inplace: true, ..ELU }, &[&[1, 1]]).eager(Kept::OUTPUT);
        check(Elu { alpha: -1.0, ..ELU }, &[&[1, 1]]).minimal(Kept::INPUT);
    }
}
