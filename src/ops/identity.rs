use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::elementwise;
use super::{Backward, Channels, Cost, Family, Io, Mismatch, Operator, Outputs, Storage, View, Weights};
use crate::tensor::TensorType;
use crate::units::Overflow;

attributes! {
    /// Its input, unchanged.
    ///
    /// ## Formula
    /// `y = x`
    ///
    /// ## Counted
    /// No FLOPs, and nothing moves: the output is the input's memory.
    ///
    /// ## Source
    /// `torch.nn.Identity`; ONNX Identity.
    Identity = "identity" {}
}

impl Operator for Identity {
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
        Storage::Alias
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::views(View::Whole))
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Same
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::prelude::*;
    use super::Identity;

    impl Execute for Identity {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            Ok(call.inputs[0].clone().into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            Ok(Gradients::input(call.gradient()?.reshape(call.shape(0))?))
        }

        fn workspace(&self, _: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            Ok(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Kept;
    use crate::ops::tests::check;

    #[test]
    fn costs_nothing() {
        check(Identity {}, &[&[2, 3, 4]])
            .outputs("2x3x4")
            .learned(0)
            .macs(0)
            .flops(0)
            .channels(&Channels::Same)
            .keeps(Kept::NOTHING, Kept::NOTHING);
    }
}
