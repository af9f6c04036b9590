use super::attribute::attributes;
use super::elementwise::{Elementwise, same};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// Sign function with soft shoulders.
    ///
    /// ## Formula
    /// `y = x / (1 + |x|)`
    ///
    /// ## Counted
    /// FLOPs: 1 abs, 1 add and 1 div for each element.
    ///
    /// ## Source
    /// Glorot and Bengio 2010; `torch.nn.Softsign`; ONNX Softsign.
    Softsign = "softsign" {}
}

impl Elementwise for Softsign {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        same(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Abs, 1), (Kind::Add, 1), (Kind::Div, 1)]
    }

    fn eager(&self, io: Io<'_>) -> Kept {
        // PyTorch divides by a tensor of its own, 1 + |x|, and keeps both sides.
        Kept::INPUT.and_bytes(io.inputs[0].bytes().get())
    }

    fn minimal(&self) -> Kept {
        // The slope is (1 − |y|)².
        Kept::OUTPUT
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Softsign {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        x[0] / (S::of(1.0) + x[0].abs())
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], _: usize) -> S {
        let rest = S::of(1.0) - kept[0].abs();
        rest * rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn three_operations_an_element() {
        // 120 elements, 3 each; PyTorch keeps 120 floats beside the input.
        check(Softsign {}, &[&[2, 3, 4, 5]])
            .outputs("2x3x4x5")
            .learned(0)
            .macs(0)
            .flops(360)
            .eager(Kept::INPUT.and_bytes(480))
            .minimal(Kept::OUTPUT);
    }
}
