use super::attribute::attributes;
use super::elementwise::{Elementwise, same};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// Exponential function.
    ///
    /// ## Formula
    /// `y = eˣ`
    ///
    /// ## Counted
    /// FLOPs: 1 exp for each element.
    ///
    /// ## Source
    /// `torch.exp`; ONNX Exp.
    Exp = "exp" {}
}

impl Elementwise for Exp {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        same(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Exp, 1)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        Kept::OUTPUT
    }

    fn minimal(&self) -> Kept {
        Kept::OUTPUT
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Exp {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        x[0].exp()
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], _: usize) -> S {
        kept[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn one_exp_an_element() {
        // 2·3·4·5 elements.
        check(Exp {}, &[&[2, 3, 4, 5]])
            .outputs("2x3x4x5")
            .learned(0)
            .macs(0)
            .flops(120)
            .eager(Kept::OUTPUT)
            .minimal(Kept::OUTPUT);
    }
}
