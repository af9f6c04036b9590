use super::attribute::attributes;
use super::elementwise::{Elementwise, same};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// Rectified linear unit, cut off at 6.
    ///
    /// ## Formula
    /// `y = min(max(x, 0), 6)`
    ///
    /// ## Counted
    /// FLOPs: 1 max and 1 min for each element.
    ///
    /// ## Source
    /// Krizhevsky 2010 (Convolutional deep belief networks on CIFAR-10); `torch.nn.ReLU6`; ONNX Clip from 0 to 6;
    /// darknet `activation=relu6`.
    Relu6 = "relu6" {}
}

impl Elementwise for Relu6 {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        same(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Max, 1), (Kind::Min, 1)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        // Called in place it saves a copy of the input: no less.
        Kept::INPUT
    }

    fn minimal(&self) -> Kept {
        Kept::OUTPUT
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Relu6 {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        x[0].max(S::of(0.0)).min(S::of(6.0))
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], _: usize) -> S {
        let (zero, six) = (S::of(0.0), S::of(6.0));
        kept[0].if_above(zero, six.if_above(kept[0], S::of(1.0), zero), zero)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn a_max_and_a_min_an_element() {
        // 120 elements, 2 each.
        check(Relu6 {}, &[&[2, 3, 4, 5]])
            .outputs("2x3x4x5")
            .learned(0)
            .macs(0)
            .flops(240)
            .eager(Kept::INPUT)
            .minimal(Kept::OUTPUT);
    }
}
