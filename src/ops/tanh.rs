use super::attribute::attributes;
use super::elementwise::{Elementwise, same};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// Hyperbolic tangent.
    ///
    /// ## Formula
    /// `y = tanh(x)`
    ///
    /// ## Counted
    /// FLOPs: 1 tanh for each element.
    ///
    /// ## Source
    /// `torch.nn.Tanh`; ONNX Tanh; darknet `activation=tanh`.
    Tanh = "tanh" {}
}

impl Elementwise for Tanh {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        same(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Tanh, 1)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        Kept::OUTPUT
    }

    fn minimal(&self) -> Kept {
        Kept::OUTPUT
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Tanh {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        x[0].tanh()
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], _: usize) -> S {
        S::of(1.0) - kept[0] * kept[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn one_tanh_an_element() {
        // 2·3·4·5 elements.
        check(Tanh {}, &[&[2, 3, 4, 5]])
            .outputs("2x3x4x5")
            .learned(0)
            .macs(0)
            .flops(120)
            .eager(Kept::OUTPUT)
            .minimal(Kept::OUTPUT);
    }
}
