use super::attribute::attributes;
use super::elementwise::{Elementwise, same};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// Rectified linear unit.
    ///
    /// ## Formula
    /// `y = max(x, 0)`
    ///
    /// ## Counted
    /// FLOPs: 1 max for each element.
    ///
    /// ## Source
    /// Nair and Hinton 2010; `torch.nn.ReLU`; ONNX Relu; darknet `activation=relu`.
    Relu = "relu" {}
}

impl Elementwise for Relu {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        same(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Max, 1)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        Kept::OUTPUT
    }

    fn minimal(&self) -> Kept {
        Kept::OUTPUT
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Relu {
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        x[0].max(S::of(0.0))
    }

    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], _: usize) -> S {
        kept[0].if_above(S::of(0.0), S::of(1.0), S::of(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn one_max_an_element() {
        // 2·3·4·5 elements.
        check(Relu {}, &[&[2, 3, 4, 5]])
            .outputs("2x3x4x5")
            .learned(0)
            .macs(0)
            .flops(120)
            .eager(Kept::OUTPUT)
            .minimal(Kept::OUTPUT);
    }
}
