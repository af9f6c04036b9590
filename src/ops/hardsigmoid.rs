use super::attribute::attributes;
use super::elementwise::{Elementwise, same};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// Logistic function in three straight pieces.
    ///
    /// ## Formula
    /// `y = max(0, min(1, alpha · x + beta))`; with the defaults `relu6(x + 3) / 6`.
    ///
    /// ## Counted
    /// FLOPs: 1 mul, 1 add, 1 min and 1 max for each element.
    ///
    /// ## Source
    /// Courbariaux, Bengio and David 2015, arXiv 1511.00363; Howard et al. 2019, arXiv 1905.02244;
    /// `torch.nn.Hardsigmoid`; ONNX HardSigmoid, whose default `alpha` is 0.2.
    Hardsigmoid = "hardsigmoid" {
        /// The slope of the middle piece.
        alpha: f64 = 1.0 / 6.0,
        /// The value at 0.
        beta: f64 = 0.5,
    }
}

impl Elementwise for Hardsigmoid {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        same(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Mul, 1), (Kind::Add, 1), (Kind::Min, 1), (Kind::Max, 1)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        Kept::INPUT
    }

    fn minimal(&self) -> Kept {
        // The slope is `alpha` where the output is neither 0 nor 1.
        Kept::OUTPUT
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Hardsigmoid {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        (x[0] * S::of(self.alpha) + S::of(self.beta)).min(S::of(1.0)).max(S::of(0.0))
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], _: usize) -> S {
        let (zero, one) = (S::of(0.0), S::of(1.0));
        kept[0].if_above(zero, one.if_above(kept[0], S::of(self.alpha), zero), zero)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn four_operations_an_element() {
        // 120 elements, 4 each.
        check(Hardsigmoid { alpha: 1.0 / 6.0, beta: 0.5 }, &[&[2, 3, 4, 5]])
            .outputs("2x3x4x5")
            .learned(0)
            .macs(0)
            .flops(480)
            .eager(Kept::INPUT)
            .minimal(Kept::OUTPUT);
    }
}
