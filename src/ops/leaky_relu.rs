use super::attribute::attributes;
use super::elementwise::{Elementwise, same};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// Rectified linear unit that lets a share of the negative side pass.
    ///
    /// ## Formula
    /// `y = x` where `x > 0`, else `negative_slope · x`; for slopes up to 1 that is `max(x, negative_slope · x)`.
    ///
    /// ## Counted
    /// FLOPs: 1 mul and 1 max for each element; for slopes above 1 a min in its place.
    ///
    /// ## Source
    /// Maas, Hannun and Ng 2013; `torch.nn.LeakyReLU`; ONNX LeakyRelu (its `alpha`); darknet `activation=leaky`, whose
    /// slope is 0.1.
    LeakyRelu = "leaky_relu" {
        /// The share of the negative side.
        negative_slope: f64 = 0.01,
        /// Whether PyTorch calls it in place; its autograd then saves the output instead of the input.
        inplace: bool = false,
    }
}

impl Elementwise for LeakyRelu {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        same(inputs)
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        if self.negative_slope <= 1.0 {
            &[(Kind::Mul, 1), (Kind::Max, 1)]
        } else {
            &[(Kind::Mul, 1), (Kind::Min, 1)]
        }
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        if self.inplace { Kept::OUTPUT } else { Kept::INPUT }
    }

    fn minimal(&self) -> Kept {
        // The output has its input's sign unless the slope turns it.
        if self.negative_slope >= 0.0 { Kept::OUTPUT } else { Kept::INPUT }
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for LeakyRelu {
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        // The larger one, where the slope does not turn that round.
        let scaled = x[0] * S::of(self.negative_slope);
        if self.negative_slope <= 1.0 { x[0].max(scaled) } else { x[0].min(scaled) }
    }

    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], _: usize) -> S {
        kept[0].if_above(S::of(0.0), S::of(1.0), S::of(self.negative_slope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    const LEAKY: LeakyRelu = LeakyRelu { negative_slope: 0.01, inplace: false };

    #[test]
    fn a_mul_and_a_max_an_element() {
        // 120 elements, 2 each.
        check(LEAKY, &[&[2, 3, 4, 5]]).outputs("2x3x4x5").learned(0).macs(0).flops(240).eager(Kept::INPUT);
    }

    #[test]
    fn what_is_kept() {
        check(LEAKY, &[&[1, 1]]).minimal(Kept::OUTPUT);
        check(LeakyRelu { negative_slope: -0.5, ..LEAKY }, &[&[1, 1]]).minimal(Kept::INPUT);
        check(LeakyRelu { inplace: true, ..LEAKY }, &[&[1, 1]]).eager(Kept::OUTPUT);
    }
}
