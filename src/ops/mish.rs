use super::attribute::attributes;
use super::elementwise::{Elementwise, same};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// Self-regularized smooth activation.
    ///
    /// ## Formula
    /// `y = x · tanh(ln(1 + eˣ))`
    ///
    /// ## Counted
    /// FLOPs: 1 exp, 1 add, 1 log, 1 tanh and 1 mul for each element; guards against overflow are not counted.
    ///
    /// ## Source
    /// Misra 2019, arXiv 1908.08681; `torch.nn.Mish`; ONNX Mish; darknet `activation=mish`.
    Mish = "mish" {}
}

impl Elementwise for Mish {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        same(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Exp, 1), (Kind::Add, 1), (Kind::Log, 1), (Kind::Tanh, 1), (Kind::Mul, 1)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        Kept::INPUT
    }

    fn minimal(&self) -> Kept {
        Kept::INPUT
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Mish {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        x[0] * x[0].exp().ln_1p().tanh()
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], _: usize) -> S {
        let (x, one) = (kept[0], S::of(1.0));
        let tanh = x.exp().ln_1p().tanh();
        tanh + x * (one - tanh * tanh) / (one + (-x).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn five_operations_an_element() {
        // 120 elements, 5 each.
        check(Mish {}, &[&[2, 3, 4, 5]])
            .outputs("2x3x4x5")
            .learned(0)
            .macs(0)
            .flops(600)
            .eager(Kept::INPUT)
            .minimal(Kept::INPUT);
    }
}
