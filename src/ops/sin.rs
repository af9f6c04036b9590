use super::attribute::attributes;
use super::elementwise::{Elementwise, same};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// Sine.
    ///
    /// ## Formula
    /// `y = sin x`
    ///
    /// ## Counted
    /// FLOPs: 1 sin for each element.
    ///
    /// ## Source
    /// `torch.sin`; ONNX Sin.
    Sin = "sin" {}
}

impl Elementwise for Sin {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        same(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Sin, 1)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        Kept::INPUT
    }

    fn minimal(&self) -> Kept {
        Kept::INPUT
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Sin {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        x[0].sin()
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], _: usize) -> S {
        kept[0].cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn one_sin_an_element() {
        // 2·3·4·5 elements.
        check(Sin {}, &[&[2, 3, 4, 5]])
            .outputs("2x3x4x5")
            .learned(0)
            .macs(0)
            .flops(120)
            .eager(Kept::INPUT)
            .minimal(Kept::INPUT);
    }
}
