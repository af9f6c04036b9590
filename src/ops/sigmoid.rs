use super::attribute::attributes;
use super::elementwise::{Elementwise, same};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// Logistic function.
    ///
    /// ## Formula
    /// `y = 1 / (1 + e⁻ˣ)`
    ///
    /// ## Counted
    /// FLOPs: 1 exp, 1 add and 1 div for each element; the negation inside is free.
    ///
    /// ## Source
    /// `torch.nn.Sigmoid`; ONNX Sigmoid; darknet `activation=logistic`.
    Sigmoid = "sigmoid" {}
}

impl Elementwise for Sigmoid {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        same(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Exp, 1), (Kind::Add, 1), (Kind::Div, 1)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        Kept::OUTPUT
    }

    fn minimal(&self) -> Kept {
        Kept::OUTPUT
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Sigmoid {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        S::of(1.0) / (S::of(1.0) + (-x[0]).exp())
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], _: usize) -> S {
        kept[0] * (S::of(1.0) - kept[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn three_operations_an_element() {
        // 120 elements, 3 each.
        check(Sigmoid {}, &[&[2, 3, 4, 5]])
            .outputs("2x3x4x5")
            .learned(0)
            .macs(0)
            .flops(360)
            .eager(Kept::OUTPUT)
            .minimal(Kept::OUTPUT);
    }
}
