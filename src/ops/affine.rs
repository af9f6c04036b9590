use super::attribute::attributes;
use super::elementwise::{Elementwise, same};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::tensor::TensorType;

attributes! {
    /// A fixed multiple of each element plus a fixed number.
    ///
    /// ## Formula
    /// `y = scale · x + shift`; neither number is learned or stored.
    ///
    /// ## Counted
    /// FLOPs for each element: 1 mul unless `scale` is 1, and 1 add unless `shift` is 0.
    ///
    /// ## Source
    /// darknet `[crop]` (`2x − 1`), `[upsample]` with `scale`, `[yolo]` with `scale_x_y`.
    Affine = "affine" {
        /// The factor.
        scale: f64 = 1.0,
        /// The addend.
        shift: f64 = 0.0,
    }
}

impl Elementwise for Affine {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Arithmetic;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        same(inputs)
    }

    #[expect(clippy::float_cmp, reason = "exactly these two numbers leave an element as it is")]
    fn operations(&self) -> &'static [(Kind, u64)] {
        match (self.scale != 1.0, self.shift != 0.0) {
            (true, true) => &[(Kind::Mul, 1), (Kind::Add, 1)],
            (true, false) => &[(Kind::Mul, 1)],
            (false, true) => &[(Kind::Add, 1)],
            (false, false) => &[],
        }
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        Kept::NOTHING
    }

    fn minimal(&self) -> Kept {
        Kept::NOTHING
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Affine {
    #[inline(always)]
    #[expect(clippy::float_cmp, reason = "exactly this number leaves an element as it is")]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        let scaled = if self.scale == 1.0 { x[0] } else { x[0] * S::of(self.scale) };
        if self.shift == 0.0 { scaled } else { scaled + S::of(self.shift) }
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, _: &[S], _: usize) -> S {
        S::of(self.scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn only_what_changes_the_element_counts() {
        // 120 elements.
        for (scale, shift, flops) in [(2.0, -1.0, 240), (0.5, 0.0, 120), (1.0, 3.0, 120), (1.0, 0.0, 0)] {
            check(Affine { scale, shift }, &[&[2, 3, 4, 5]])
                .outputs("2x3x4x5")
                .learned(0)
                .macs(0)
                .flops(flops)
                .keeps(Kept::NOTHING, Kept::NOTHING);
        }
    }
}
