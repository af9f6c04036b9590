use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, elementwise};
use crate::tensor::TensorType;
use crate::units::Overflow;

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

impl Operator for Relu {
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
        Family::Activation
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        Cost::NONE.each(io.output_elements(), &[(Kind::Max, 1)])
    }

    fn storage(&self) -> Storage {
        Storage::Overwrites
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::keeps(Kept::OUTPUT))
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
    fn one_max_an_element() {
        check(Relu {}, &[&[2, 3, 4, 5]]).outputs("2x3x4x5").learned(0).macs(0).flops(120);
    }
}
