use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::elementwise;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Storage, View, Weights,
};
use crate::diagnostic::Code;
use crate::tensor::TensorType;
use crate::units::Overflow;

attributes! {
    /// Dropout, which at inference passes its input unchanged.
    ///
    /// ## Formula
    /// `y = x` in evaluation mode. In training each element is 0 with probability p, and the others grow by
    /// `1/(1 − p)`.
    ///
    /// ## Counted
    /// No FLOPs, and nothing moves: in evaluation mode the output is the input's memory. Training keeps a mask of one
    /// byte for each element, unless p is 0; PyTorch on a CPU a factor of the input's type.
    ///
    /// ## Source
    /// Hinton et al. 2012, arXiv 1207.0580; `torch.nn.Dropout`; ONNX Dropout; darknet `[dropout]`.
    Dropout = "dropout" {
        /// The probability of an element to be dropped in training.
        p: f64 = 0.5,
    }
}

impl Operator for Dropout {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        if !(0.0..=1.0).contains(&self.p) {
            return Err(Mismatch::new(
                Code::OutOfRange,
                format!("a probability lies in 0..1, but `p` is {}", self.p),
            )
            .attribute("p"));
        }
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

    fn backward(&self, io: Io<'_>) -> Result<Backward, Overflow> {
        if self.p == 0.0 {
            // Returned as it came.
            return Ok(Backward::views(View::Whole));
        }
        // PyTorch on a CPU multiplies by noise of the input's type (aten/src/ATen/native/Dropout.cpp, `_dropout_impl`);
        // its fused kernel for GPUs keeps the byte an element that is enough.
        let noise: u64 = io.outputs.iter().map(|output| output.bytes().get()).sum();
        let eager = Kept::NOTHING.and_bytes(noise);
        Ok(Backward { eager, ..Backward::keeps(Kept::NOTHING.and_bytes(io.output_elements())) })
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Same
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::prelude::*;
    use super::Dropout;

    impl Execute for Dropout {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let x = &call.inputs[0];
            // While training PyTorch makes a tensor of its own, unless nothing is dropped.
            let copied = call.mode == Mode::Train && self.p > 0.0;
            let mut made = Made::from(if copied { x.force_contiguous()? } else { x.clone() });
            if copied {
                // The mask that a rule needs, here of what passes: everything.
                made.kept.push(Tensor::ones(x.shape(), candle_core::DType::U8, x.device())?);
            }
            Ok(made)
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            // Nothing was dropped: see `Mode::Train`.
            Ok(Gradients::input(call.gradient()?.clone()))
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
    fn keeps_a_mask_in_training() {
        let mask = Kept::NOTHING.and_bytes(24);
        check(Dropout { p: 0.5 }, &[&[2, 3, 4]])
            .outputs("2x3x4")
            .learned(0)
            .macs(0)
            .flops(0)
            .channels(&Channels::Same)
            .keeps(Kept::NOTHING.and_bytes(96), mask);
        check(Dropout { p: 0.0 }, &[&[2, 3, 4]]).keeps(Kept::NOTHING, Kept::NOTHING);
        check(Dropout { p: 1.5 }, &[&[2, 3, 4]]).refused("`p` is 1.5");
        check(Dropout { p: f64::NAN }, &[&[2, 3, 4]]).refused("`p` is NaN");
    }
}
