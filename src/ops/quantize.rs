use super::attribute::attributes;
use super::elementwise::Elementwise;
use super::{Family, Io, Kept, Kind, Mismatch, Outputs, one};
use crate::tensor::{DType, TensorType};

attributes! {
    /// Floats as whole numbers of few bits.
    ///
    /// ## Formula
    /// `y = clamp(round(x/s) + z)` in `dtype`; halves are rounded to the even number, and the ends are those of
    /// `dtype`. The op stores neither the scale s nor the zero point z: a file lists them under `stored`, as `scale` and
    /// `zero_point`. To run, it needs one of each for the whole tensor. No gradient passes it.
    ///
    /// ## Counted
    /// FLOPs for each element: 1 div, 1 round, 1 add, 1 max and 1 min.
    ///
    /// ## Source
    /// `torch.quantize_per_tensor`; ONNX QuantizeLinear.
    Quantize = "quantize" {
        /// Type of the output's elements.
        dtype: DType,
    }
}

impl Elementwise for Quantize {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        one(TensorType { dtype: self.dtype, ..inputs[0].clone() })
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Div, 1), (Kind::Round, 1), (Kind::Add, 1), (Kind::Max, 1), (Kind::Min, 1)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        // No gradient passes whole numbers.
        Kept::NOTHING
    }

    fn minimal(&self) -> Kept {
        Kept::NOTHING
    }
}

#[cfg(feature = "exec")]
pub(super) mod execute {
    use super::super::execute::prelude::*;
    use super::super::execute::{Stored, dtype};
    use super::Quantize;
    use crate::tensor as types;

    impl Execute for Quantize {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (x, output) = (&call.inputs[0], &call.io.outputs[0]);
            let dtype = dtype(output.dtype)
                .ok_or_else(|| Fault::unrunnable(format!("elements of type {} do not run", output.dtype)))?;
            let [scale, zero] = scale_and_zero(call.stored)?;
            let [least, most] = range(output.dtype);
            let formula = function!([least, most] | x, s, z | ((x / s).round() + z).max(least).min(most));
            Ok(map_to(&[x, &scale, &zero], x.dims(), dtype, &formula)?.into())
        }

        fn gradients(&self, _: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            Ok(Gradients::none())
        }

        fn workspace(&self, io: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            // In the input's type before it is cast, and the two numbers in it.
            sum([io.inputs[0].bytes().get(), 64])
        }
    }

    /// The scale and the zero point: the op stores neither itself, a file lists them.
    pub(in crate::ops) fn scale_and_zero(stored: &Stored) -> Result<[Tensor; 2], Fault> {
        let find = |name| {
            let missing = || {
                Fault::unrunnable(format!(
                    "the file does not list its `{name}`: a tensor of one number under `stored`"
                ))
            };
            stored.find(name).ok_or_else(missing)
        };
        let (scale, zero) = (find("scale")?, find("zero_point")?);
        if scale.elem_count() != 1 || zero.elem_count() != 1 {
            return Err(Fault::unrunnable(
                "it has several scales, and the file does not say of which axis: give it one for the whole tensor",
            ));
        }
        Ok([scale.reshape(())?, zero.reshape(())?])
    }

    /// The least and the greatest whole number of a type.
    fn range(dtype: types::DType) -> [f64; 2] {
        let states = 2f64.powi(i32::try_from(dtype.bits()).unwrap_or(64));
        match dtype {
            types::DType::Bool => [0.0, 1.0],
            types::DType::U4
            | types::DType::U8
            | types::DType::U16
            | types::DType::U32
            | types::DType::U64 => [0.0, states - 1.0],
            types::DType::I4
            | types::DType::I8
            | types::DType::I16
            | types::DType::I32
            | types::DType::I64 => [-states / 2.0, states / 2.0 - 1.0],
            _ => [f64::NEG_INFINITY, f64::INFINITY],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn counts() {
        check(Quantize { dtype: DType::U8 }, &[&[2, 3, 4]])
            .outputs("2x3x4")
            .dtype(DType::U8)
            .flops(120)
            .learned(0);
    }
}
