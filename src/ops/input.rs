use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Storage, Weights, one};
use crate::tensor::{DType, TensorShape, TensorType};
use crate::units::Overflow;

attributes! {
    /// An input of the network.
    ///
    /// ## Formula
    /// A tensor that the caller provides.
    ///
    /// ## Counted
    /// No FLOPs and no parameters. It takes part in the peak of memory.
    ///
    /// ## Source
    /// An argument of `forward`; an ONNX graph input; darknet `[net]`.
    Input = "input" {
        /// Sizes of all axes, batch first.
        shape: TensorShape,
        /// Type of the elements.
        dtype: DType = DType::F32,
    }
}

impl Operator for Input {
    fn arity(&self) -> RangeInclusive<usize> {
        0..=0
    }

    fn infer(&self, _: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let output = TensorType { shape: self.shape.clone(), dtype: self.dtype };
        output.check().map_err(|overflow| Box::<Mismatch>::from(overflow).attribute("shape"))?;
        one(output)
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Source
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
        Channels::Source
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::prelude::*;
    use super::Input;

    impl Execute for Input {
        fn forward(&self, _: &Call<'_>) -> Result<Made, Fault> {
            Err(Fault::internal("an input is given, it does not run"))
        }

        fn gradients(&self, _: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            Ok(Gradients::none())
        }

        fn workspace(&self, _: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            Ok(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn costs_nothing() {
        check(Input { shape: [2, 3, 224, 224].into(), dtype: DType::F16 }, &[])
            .outputs("2x3x224x224")
            .dtype(DType::F16)
            .learned(0)
            .buffers(0)
            .macs(0)
            .flops(0)
            .channels(&Channels::Source);
        check(Input { shape: [1 << 40, 1 << 40].into(), dtype: DType::F32 }, &[])
            .refused("does not fit in 64 bits");
    }
}
