use super::attribute::attributes;
use super::elementwise::{Elementwise, same};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// Smooth rectified linear unit.
    ///
    /// ## Formula
    /// `y = ln(1 + e^(beta·x)) / beta`, and `y = x` where `beta · x > threshold`
    ///
    /// ## Counted
    /// FLOPs: 1 compare (with the threshold), 1 exp, 1 add and 1 log for each element; where `beta` is not 1 also 1
    /// mul and 1 div.
    ///
    /// ## Source
    /// Dugas et al. 2000 (Incorporating second-order functional knowledge); `torch.nn.Softplus`; ONNX Softplus.
    Softplus = "softplus" {
        /// How sharp the bend is.
        beta: f64 = 1.0,
        /// Where it becomes the identity.
        threshold: f64 = 20.0,
    }
}

impl Softplus {
    /// Whether the output alone gives the slope: not where the threshold is so low that equal outputs may come from
    /// either side of it with other slopes. At 20 they differ by 2·10⁻⁹.
    fn tells_the_side(&self) -> bool {
        self.threshold >= 20.0
    }
}

impl Elementwise for Softplus {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        same(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        const PLAIN: &[(Kind, u64)] = &[(Kind::Compare, 1), (Kind::Exp, 1), (Kind::Add, 1), (Kind::Log, 1)];
        const SCALED: &[(Kind, u64)] = &[
            (Kind::Mul, 1),
            (Kind::Compare, 1),
            (Kind::Exp, 1),
            (Kind::Add, 1),
            (Kind::Log, 1),
            (Kind::Div, 1),
        ];
        if self.beta - 1.0 == 0.0 { PLAIN } else { SCALED }
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        Kept::INPUT
    }

    fn minimal(&self) -> Kept {
        // The slope is 1 − e^(−beta·y) unless the threshold cuts it short.
        if self.tells_the_side() { Kept::OUTPUT } else { Kept::INPUT }
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Softplus {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        let (x, beta) = (x[0], S::of(self.beta));
        if self.beta - 1.0 == 0.0 {
            return x.if_above(S::of(self.threshold), x, x.exp().ln_1p());
        }
        let scaled = x * beta;
        scaled.if_above(S::of(self.threshold), x, scaled.exp().ln_1p() / beta)
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], _: usize) -> S {
        let (kept, one, beta) = (kept[0], S::of(1.0), S::of(self.beta));
        if self.tells_the_side() {
            return -(-(kept * beta)).exp_m1();
        }
        (kept * beta).if_above(S::of(self.threshold), one, one / (one + (-(kept * beta)).exp()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn beta_costs_a_mul_and_a_div() {
        // 120 elements: 4 operations each, 6 where beta is not 1.
        let plain = Softplus { beta: 1.0, threshold: 20.0 };
        check(plain.clone(), &[&[2, 3, 4, 5]]).outputs("2x3x4x5").learned(0).macs(0).flops(480);
        check(Softplus { beta: 2.0, ..plain }, &[&[2, 3, 4, 5]])
            .flops(720)
            .eager(Kept::INPUT)
            .minimal(Kept::OUTPUT);
    }
}
