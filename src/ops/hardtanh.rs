use super::attribute::attributes;
use super::elementwise::{Elementwise, same};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs};
use crate::diagnostic::Code;
use crate::tensor::TensorType;

attributes! {
    /// Cuts values off at both ends, also called clip or clamp.
    ///
    /// ## Formula
    /// `y = min(max(x, min_val), max_val)`
    ///
    /// ## Counted
    /// FLOPs: 1 max and 1 min for each element.
    ///
    /// ## Source
    /// Collobert 2004; `torch.nn.Hardtanh`, `torch.clamp`; ONNX Clip; darknet `activation=hardtan`.
    Hardtanh = "hardtanh" {
        /// The least value.
        min_val: f64 = -1.0,
        /// The greatest value.
        max_val: f64 = 1.0,
    }
}

impl Elementwise for Hardtanh {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        if self.min_val > self.max_val {
            let message = format!("`min_val` is {}, above `max_val`, {}", self.min_val, self.max_val);
            return Err(Mismatch::new(Code::OutOfRange, message).attribute("min_val"));
        }
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
        // The slope is 1 where the output is at neither end.
        Kept::OUTPUT
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Hardtanh {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        x[0].max(S::of(self.min_val)).min(S::of(self.max_val))
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], _: usize) -> S {
        let (zero, least, most) = (S::of(0.0), S::of(self.min_val), S::of(self.max_val));
        kept[0].if_above(least, most.if_above(kept[0], S::of(1.0), zero), zero)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn a_max_and_a_min_an_element() {
        // 120 elements, 2 each.
        let clip = Hardtanh { min_val: -1.0, max_val: 1.0 };
        check(clip.clone(), &[&[2, 3, 4, 5]])
            .outputs("2x3x4x5")
            .learned(0)
            .macs(0)
            .flops(240)
            .eager(Kept::INPUT)
            .minimal(Kept::OUTPUT);
        check(Hardtanh { max_val: -2.0, ..clip }, &[&[1, 1]]).refused("`min_val` is -1, above `max_val`, -2");
    }
}
