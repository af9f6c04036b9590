use std::ops::RangeInclusive;

use super::attribute::{attributes, choice};
use super::shape;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use crate::diagnostic::Code;
use crate::tensor::TensorType;
use crate::units::Overflow;

choice! {
    /// How truth values are joined.
    LogicOperator {
        /// Both.
        And = "and",
        /// One at least.
        Or = "or",
        /// One and not the other.
        Xor = "xor",
        /// The opposite of one.
        Not = "not",
    }
}

attributes! {
    /// Joins truth values, or the bits of whole numbers, element by element.
    ///
    /// ## Formula
    /// `y = x₀ ∘ x₁`, broadcast as NumPy does; `not` takes one input.
    ///
    /// ## Counted
    /// FLOPs: 1 compare for each output element.
    ///
    /// ## Source
    /// `torch.logical_and`, `bitwise_and` and kin; ONNX And, Or, Xor, Not, BitwiseAnd and kin.
    Logic = "logic" {
        /// What is asked.
        operator: LogicOperator,
    }
}

impl Operator for Logic {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=2
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let wanted = if self.operator == LogicOperator::Not { 1 } else { 2 };
        if inputs.len() != wanted {
            return Err(Mismatch::new(
                Code::WrongCount,
                format!("it joins {wanted} tensors, not {}", inputs.len()),
            )
            .attribute("operator"));
        }
        let dtype = shape::common_dtype(inputs)?;
        one(TensorType { shape: shape::broadcast(inputs)?, dtype })
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Arithmetic
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        Cost::NONE.and(Kind::Compare, io.output_elements())
    }

    fn storage(&self) -> Storage {
        Storage::Overwrites
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::keeps(Kept::NOTHING))
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Same
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::elementwise::Function;
    use super::super::execute::kernel::{tensor, with_elements};
    use super::super::execute::prelude::*;
    use super::super::execute::scalar::note_comparisons;
    use super::Logic;
    use super::LogicOperator;
    use crate::tensor as types;
    use candle_core::{DType, Device, WithDType};
    use std::ops::{BitAnd, BitOr, BitXor, Not};

    impl Logic {
        /// Truth values.
        fn joined<S: Scalar>(&self, x: &[S]) -> S {
            let (zero, one) = (S::of(0.0), S::of(1.0));
            match (self.operator, x) {
                (LogicOperator::And, [a, b]) => a.if_equal(zero, zero, *b),
                (LogicOperator::Or, [a, b]) => a.if_equal(zero, *b, one),
                (LogicOperator::Xor, [a, b]) => a.if_equal(*b, zero, one),
                _ => x[0].if_equal(zero, one, zero),
            }
        }

        /// Whole numbers, bit by bit.
        fn bits<T: BitAnd<Output = T> + BitOr<Output = T> + BitXor<Output = T> + Not<Output = T>>(
            &self,
            a: T,
            b: T,
        ) -> T {
            match self.operator {
                LogicOperator::And => a & b,
                LogicOperator::Or => a | b,
                LogicOperator::Xor => a ^ b,
                LogicOperator::Not => !a,
            }
        }

        fn of_bits<T>(&self, inputs: &[Tensor], shape: &[usize]) -> Result<Tensor, Fault>
        where
            T: WithDType + BitAnd<Output = T> + BitOr<Output = T> + BitXor<Output = T> + Not<Output = T>,
        {
            let (first, second) = (&inputs[0], inputs.get(1).unwrap_or(&inputs[0]));
            let whole = |x: &Tensor| x.broadcast_as(shape)?.contiguous();
            let (first, second) = (whole(first)?, whole(second)?);
            let made = with_elements(&first, |a: &[T]| {
                with_elements(&second, |b: &[T]| {
                    note_comparisons(a.len() as u64);
                    a.iter().zip(b).map(|(a, b)| self.bits(*a, *b)).collect::<Vec<T>>()
                })
            })??;
            tensor(made, shape)
        }
    }

    impl Function for Logic {
        #[inline(always)]
        fn value<S: Scalar>(&self, x: &[S]) -> S {
            self.joined(x)
        }
    }

    impl Execute for Logic {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let shape = call.shape(0);
            match (call.io.outputs[0].dtype, call.inputs[0].dtype()) {
                (types::DType::Bool, _) => {
                    let inputs: Vec<&Tensor> = call.inputs.iter().collect();
                    Ok(map(&inputs, &shape, self)?.into())
                }
                (_, dtype) if !call.inputs[0].device().is_cpu() => {
                    let inputs: Vec<Tensor> =
                        call.inputs.iter().map(|x| x.to_device(&Device::Cpu)).collect::<Result<_, _>>()?;
                    let made = self.of_type(dtype, &inputs, &shape)?;
                    Ok(made.to_device(call.inputs[0].device())?.into())
                }
                (_, dtype) => Ok(self.of_type(dtype, call.inputs, &shape)?.into()),
            }
        }

        fn gradients(&self, _: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            Ok(Gradients::none())
        }

        fn workspace(&self, io: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            // Whole numbers broadcast; truth values meet in doubles.
            product(&[io.output_elements(), 8 * (io.inputs.len() as u64 + 1)])
        }
    }

    impl Logic {
        fn of_type(&self, dtype: DType, inputs: &[Tensor], shape: &[usize]) -> Result<Tensor, Fault> {
            match dtype {
                DType::U8 => self.of_bits::<u8>(inputs, shape),
                DType::U32 => self.of_bits::<u32>(inputs, shape),
                DType::I64 => self.of_bits::<i64>(inputs, shape),
                other => Err(Fault::Dtype(other)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn counts() {
        check(Logic { operator: LogicOperator::And }, &[&[2, 3], &[3]]).outputs("2x3").flops(6).macs(0);
        check(Logic { operator: LogicOperator::Not }, &[&[2, 3]])
            .outputs("2x3")
            .flops(6)
            .keeps(Kept::NOTHING, Kept::NOTHING);
        check(Logic { operator: LogicOperator::Or }, &[&[2, 3]]).refused("it joins 2 tensors, not 1");
    }
}
