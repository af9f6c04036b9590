use super::attribute::attributes;
use super::elementwise::{Elementwise, same};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// Error function.
    ///
    /// ## Formula
    /// `y = erf(x) = 2/√π · ∫₀ˣ e^(−t²) dt`
    ///
    /// ## Counted
    /// FLOPs: 1 erf for each element.
    ///
    /// ## Source
    /// `torch.erf`; ONNX Erf.
    Erf = "erf" {}
}

impl Elementwise for Erf {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        same(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Erf, 1)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        Kept::INPUT
    }

    fn minimal(&self) -> Kept {
        Kept::INPUT
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Erf {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        x[0].erf()
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], _: usize) -> S {
        (-(kept[0] * kept[0])).exp() * S::of(std::f64::consts::FRAC_2_SQRT_PI)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn one_erf_an_element() {
        // 2·3·4·5 elements.
        check(Erf {}, &[&[2, 3, 4, 5]])
            .outputs("2x3x4x5")
            .learned(0)
            .macs(0)
            .flops(120)
            .eager(Kept::INPUT)
            .minimal(Kept::INPUT);
    }
}
