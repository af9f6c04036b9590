use super::attribute::attributes;
use super::elementwise::{Elementwise, same};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// Sigmoid linear unit, also called swish.
    ///
    /// ## Formula
    /// `y = x · σ(x)` with `σ(x) = 1 / (1 + e⁻ˣ)`
    ///
    /// ## Counted
    /// FLOPs: 1 exp, 1 add, 1 div (the sigmoid) and 1 mul for each element; the negation inside is free.
    ///
    /// ## Source
    /// Hendrycks and Gimpel 2016, arXiv 1606.08415; Ramachandran, Zoph and Le 2017, arXiv 1710.05941; `torch.nn.SiLU`;
    /// ONNX Sigmoid and Mul; darknet `activation=swish`.
    Silu = "silu" {}
}

impl Elementwise for Silu {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        same(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Exp, 1), (Kind::Add, 1), (Kind::Div, 1), (Kind::Mul, 1)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        Kept::INPUT
    }

    fn minimal(&self) -> Kept {
        Kept::INPUT
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Silu {
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        x[0] * (S::of(1.0) / (S::of(1.0) + (-x[0]).exp()))
    }

    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], _: usize) -> S {
        let sigmoid = S::of(1.0) / (S::of(1.0) + (-kept[0]).exp());
        sigmoid * (S::of(1.0) + kept[0] * (S::of(1.0) - sigmoid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn a_sigmoid_and_a_mul_an_element() {
        // 120 elements, 3 + 1 each.
        check(Silu {}, &[&[2, 3, 4, 5]])
            .outputs("2x3x4x5")
            .learned(0)
            .macs(0)
            .flops(480)
            .eager(Kept::INPUT)
            .minimal(Kept::INPUT);
    }
}
