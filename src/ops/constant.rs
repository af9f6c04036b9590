use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Role, Storage, Weight, Weights,
    one,
};
use crate::diagnostic::Code;
use crate::tensor::{DType, TensorShape, TensorType};
use crate::units::Overflow;

attributes! {
    /// A stored tensor: a learned one such as a position embedding, or a fixed one.
    ///
    /// ## Formula
    /// `y = value`, whatever the network's inputs. Parameters: its elements if it is trainable; else they are a buffer.
    ///
    /// ## Counted
    /// No FLOPs.
    ///
    /// ## Source
    /// `torch.nn.Parameter`, `register_buffer`; ONNX Constant and initializers.
    Constant = "constant" {
        /// Sizes of all axes.
        shape: TensorShape,
        /// Type of the elements.
        dtype: DType = DType::F32,
        /// Whether it is learned.
        trainable: bool = false,
    }
}

impl Operator for Constant {
    fn arity(&self) -> RangeInclusive<usize> {
        0..=0
    }

    fn infer(&self, _: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        if self.trainable && !self.dtype.is_float() {
            return Err(Mismatch::new(
                Code::WrongType,
                format!("elements of type {} cannot be learned", self.dtype),
            )
            .attribute("dtype")
            .help("choose a float type, or leave out `trainable`"));
        }
        let output = TensorType { shape: self.shape.clone(), dtype: self.dtype };
        output.check().map_err(|overflow| Box::<Mismatch>::from(overflow).attribute("shape"))?;
        one(output)
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        let role = if self.trainable { Role::Other } else { Role::Buffer };
        [Weight::new("value", self.shape.clone(), role)].into_iter().collect()
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
    use super::Constant;

    impl Execute for Constant {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            // A copy: what flows on is a tensor of its own.
            Ok(call.stored.get("value")?.force_contiguous()?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            if !self.trainable {
                return Ok(Gradients::none());
            }
            let gradient = call.gradient()?.force_contiguous()?;
            Ok(Gradients { stored: [("value", gradient)].into_iter().collect(), ..Gradients::none() })
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
    fn learned_or_fixed() {
        let tokens = Constant { shape: [1, 197, 768].into(), dtype: DType::F32, trainable: true };
        // The position embedding of ViT-B/16: 197·768 = 151,296.
        check(tokens.clone(), &[])
            .outputs("1x197x768")
            .learned(151_296)
            .buffers(0)
            .flops(0)
            .channels(&Channels::Source);
        let fixed = Constant { trainable: false, dtype: DType::I64, ..tokens.clone() };
        check(fixed, &[]).dtype(DType::I64).learned(0).buffers(151_296).macs(0);
        check(Constant { dtype: DType::I64, ..tokens.clone() }, &[]).refused("type i64 cannot be learned");
        check(Constant { shape: [1 << 62].into(), ..tokens }, &[]).refused("does not fit in 64 bits");
    }
}
