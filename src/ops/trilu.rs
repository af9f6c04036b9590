use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Storage, Weights, elementwise,
};
use crate::tensor::TensorType;
use crate::units::Overflow;

attributes! {
    /// One triangle of each matrix; the other becomes zeros.
    ///
    /// ## Formula
    /// `y = x` above the diagonal (or below it), else 0, over the last two axes.
    ///
    /// ## Counted
    /// No FLOPs: data is copied. Bytes: `explain traffic`.
    ///
    /// ## Source
    /// `torch.triu`, `torch.tril`; ONNX Trilu.
    Trilu = "trilu" {
        /// Whether the upper triangle stays.
        upper: bool = true,
    }
}

impl Operator for Trilu {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        elementwise::same(inputs)
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Movement
    }

    fn cost(&self, _: Io<'_>) -> Result<Cost, Overflow> {
        Ok(Cost::NONE)
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::keeps(Kept::NOTHING))
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn copies() {
        check(Trilu { upper: true }, &[&[1, 5, 5]]).outputs("1x5x5").flops(0).channels(&Channels::Same);
    }
}
