use super::attribute::{attributes, choice};
use super::elementwise::{Elementwise, same};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;
#[cfg(feature = "exec")]
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

choice! {
    /// The formula of a GELU.
    GeluApproximate {
        /// By the error function.
        None = "none",
        /// By a hyperbolic tangent close to it.
        Tanh = "tanh",
    }
}

attributes! {
    /// Gaussian error linear unit.
    ///
    /// ## Formula
    /// `none`: `y = x · (1 + erf(x / √2)) / 2`
    ///
    /// `tanh`: `y = x · (1 + tanh(√(2/π) · (x + 0.044715 · x³))) / 2`
    ///
    /// ## Counted
    /// FLOPs for each element. `none`: 3 mul (by 1/√2, by x, by 1/2), 1 erf and 1 add. `tanh`: 6 mul (x·x, ·x, by
    /// 0.044715, by √(2/π), by x, by 1/2), 2 add and 1 tanh.
    ///
    /// ## Source
    /// Hendrycks and Gimpel 2016, arXiv 1606.08415; `torch.nn.GELU`; ONNX Gelu; darknet `activation=gelu` (`tanh`).
    Gelu = "gelu" {
        /// By which formula.
        approximate: GeluApproximate = GeluApproximate::None,
    }
}

impl Elementwise for Gelu {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        same(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        match self.approximate {
            GeluApproximate::None => &[(Kind::Mul, 3), (Kind::Erf, 1), (Kind::Add, 1)],
            GeluApproximate::Tanh => &[(Kind::Mul, 6), (Kind::Add, 2), (Kind::Tanh, 1)],
        }
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        Kept::INPUT
    }

    fn minimal(&self) -> Kept {
        Kept::INPUT
    }
}

/// Of the cube inside the hyperbolic tangent, and of the whole.
#[cfg(feature = "exec")]
const CUBE: f64 = 0.044715;
#[cfg(feature = "exec")]
const SQRT_2_OVER_PI: f64 = FRAC_1_SQRT_2 * FRAC_2_SQRT_PI;

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Gelu {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        let (x, one, half) = (x[0], S::of(1.0), S::of(0.5));
        match self.approximate {
            GeluApproximate::None => x * (one + (x * S::of(FRAC_1_SQRT_2)).erf()) * half,
            GeluApproximate::Tanh => {
                let inner = (x + x * x * x * S::of(CUBE)) * S::of(SQRT_2_OVER_PI);
                x * (one + inner.tanh()) * half
            }
        }
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], _: usize) -> S {
        let (x, one, half) = (kept[0], S::of(1.0), S::of(0.5));
        match self.approximate {
            GeluApproximate::None => {
                let density = (-(x * x * half)).exp() * S::of(FRAC_1_SQRT_2 * FRAC_2_SQRT_PI * 0.5);
                (one + (x * S::of(FRAC_1_SQRT_2)).erf()) * half + x * density
            }
            GeluApproximate::Tanh => {
                let tanh = ((x + x * x * x * S::of(CUBE)) * S::of(SQRT_2_OVER_PI)).tanh();
                let inner = (one + x * x * S::of(3.0 * CUBE)) * S::of(SQRT_2_OVER_PI);
                (one + tanh + x * (one - tanh * tanh) * inner) * half
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn exact_and_approximate() {
        // 120 elements: 3 + 1 + 1 operations each, or 6 + 2 + 1.
        check(Gelu { approximate: GeluApproximate::None }, &[&[2, 3, 4, 5]])
            .outputs("2x3x4x5")
            .learned(0)
            .macs(0)
            .flops(600);
        check(Gelu { approximate: GeluApproximate::Tanh }, &[&[2, 3, 4, 5]])
            .flops(1080)
            .eager(Kept::INPUT)
            .minimal(Kept::INPUT);
    }
}
