use super::attribute::attributes;
use super::elementwise::{Elementwise, broadcast};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// The larger of two tensors, element by element.
    ///
    /// ## Formula
    /// `y = max(x₀, x₁)`, broadcast as NumPy does.
    ///
    /// ## Counted
    /// FLOPs: 1 max for each output element.
    ///
    /// ## Source
    /// `torch.maximum`; ONNX Max of two.
    Maximum = "maximum" {}
}

impl Elementwise for Maximum {
    const TENSORS: usize = 2;
    const FAMILY: Family = Family::Arithmetic;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        broadcast(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Max, 1)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        Kept::INPUTS
    }

    fn minimal(&self) -> Kept {
        // The larger one takes the gradient; equal ones share it.
        Kept::INPUTS
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Maximum {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        x[0].max(x[1])
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], of: usize) -> S {
        let (zero, one) = (S::of(0.0), S::of(1.0));
        let apart = kept[of].if_above(kept[1 - of], one, zero);
        kept[0].if_equal(kept[1], S::of(0.5), apart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn one_max_an_output() {
        // 1·8·4·4 outputs, though one input has only 8 elements.
        check(Maximum {}, &[&[1, 8, 4, 4], &[1, 8, 1, 1]]).outputs("1x8x4x4").learned(0).macs(0).flops(128);
        check(Maximum {}, &[&[1, 1, 4], &[3, 2, 1]])
            .outputs("3x2x4")
            .flops(24)
            .eager(Kept::INPUTS)
            .minimal(Kept::INPUTS);
        check(Maximum {}, &[&[1, 8, 4, 4], &[1, 6, 4, 4]]).refused("axis 1 is 8 and 6");
    }
}
