use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Role, Storage, Weight, Weights,
    one,
};
use crate::diagnostic::Code;
use crate::tensor::{DType, TensorType};
use crate::units::{Overflow, product};

attributes! {
    /// A learned matrix over the last axis.
    ///
    /// ## Formula
    /// `y = x·Wᵀ + b`, for each vector along the last axis. Weights: `out_features · in_features`, and `out_features`
    /// for a bias.
    ///
    /// ## Counted
    /// MACs: `in_features` for each output element. FLOPs: 2 for each, and 1 for each output that a bias is added to.
    ///
    /// ## Source
    /// `torch.nn.Linear`; ONNX Gemm and MatMul with a stored matrix; darknet `[connected]`.
    Linear = "linear" {
        /// The size of the last axis of the output.
        out_features: NonZeroU64,
        /// Whether a bias is added.
        bias: bool = true,
        /// Type of the output's elements; the input's if not given. Products of integers often have wider ones.
        dtype: Option<DType> = None,
    }
}

/// The size of the last axis.
fn features(input: &TensorType) -> u64 {
    input.shape.axes().last().copied().unwrap_or(1)
}

impl Operator for Linear {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let input = inputs[0];
        let Some(last) = input.shape.rank().checked_sub(1).filter(|&last| last > 0) else {
            return Err(Mismatch::new(Code::ShapeMismatch, "the input must have a batch and a feature axis")
                .input(0, format!("this is {}", input.shape)));
        };
        product(&[features(input), self.out_features.get()])?;
        let shape = input.shape.with_axis(last, self.out_features.get());
        one(TensorType { shape, dtype: self.dtype.unwrap_or(input.dtype) })
    }

    fn weights(&self, inputs: &[&TensorType]) -> Weights {
        let out = self.out_features.get();
        let matrix = Weight::new("weight", [out, features(inputs[0])], Role::Weight);
        let bias = self.bias.then(|| Weight::new("bias", [out], Role::Bias));
        [matrix].into_iter().chain(bias).collect()
    }

    fn family(&self) -> Family {
        Family::Linear
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let outputs = io.output_elements();
        Cost::products(outputs, features(io.inputs[0]))?.bias(self.bias, outputs)
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, io: Io<'_>) -> Result<Backward, Overflow> {
        let macs = self.cost(io)?.macs;
        Ok(Backward { grad_input_macs: macs, grad_weight_macs: macs, ..Backward::keeps(Kept::INPUT) })
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Weighted { groups: 1 }
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::prelude::*;
    use super::{DType, Linear, features};

    impl Execute for Linear {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (x, weight) = (&call.inputs[0], call.stored.get("weight")?);
            let rows = x.elem_count() / weight.dims()[1].max(1);
            let y = x.contiguous()?.reshape((rows, weight.dims()[1]))?.matmul(&weight.t()?)?;
            let y = match call.stored.get_if(self.bias, "bias")? {
                None => y,
                Some(bias) => map(&[&y, bias], y.dims(), &function!(|y, b| y + b))?,
            };
            Ok(y.reshape(call.shape(0))?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let (gradient, weight) = (call.gradient()?, call.stored.get("weight")?);
            let (out, features) = (weight.dims()[0], weight.dims()[1]);
            let rows = gradient.elem_count() / out.max(1);
            let gradient = gradient.contiguous()?.reshape((rows, out))?;
            let mut gradients = Gradients::default();
            let of_input = call.wants(0).then(|| gradient.matmul(weight)?.reshape(call.shape(0)));
            gradients.inputs.push(of_input.transpose()?);
            let x = call.input(0)?.contiguous()?.reshape((rows, features))?;
            gradients.stored.push(("weight", gradient.t()?.matmul(&x)?));
            if self.bias {
                gradients.stored.push(("bias", reduce(&gradient, &[0], &Sum)?.flatten_all()?));
            }
            Ok(gradients)
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            let before_bias =
                if self.bias && pass == Pass::Forward { io.outputs[0].bytes().get() } else { 0 };
            // The processor multiplies these as singles: both matrices and the product.
            let widened = if io.inputs[0].dtype == DType::Bf16 {
                let weights = product(&[self.out_features.get(), features(io.inputs[0])])?;
                let elements = sum([io.inputs[0].elements().get(), weights, io.output_elements()])?;
                product(&[4, elements])?
            } else {
                0
            };
            sum([before_bias, widened])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn the_head_of_resnet50() {
        let head = Linear { out_features: NonZeroU64::new(1000).unwrap(), bias: true, dtype: None };
        check(head.clone(), &[&[1, 2048]])
            .outputs("1x1000")
            .learned(2_049_000)
            .macs(2_048_000)
            .flops(4_097_000);
        // Tokens: the same matrix for each.
        check(head.clone(), &[&[2, 7, 8]]).outputs("2x7x1000").learned(9_000).macs(112_000);
        check(head, &[&[8]]).refused("must have a batch and a feature axis");
    }
}
