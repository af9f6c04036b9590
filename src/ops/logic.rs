use std::ops::RangeInclusive;

use super::attribute::{attributes, choice};
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use super::shape;
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
            return Err(Mismatch::new(Code::WrongCount, format!("it joins {wanted} tensors, not {}", inputs.len()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn counts() {
        check(Logic { operator: LogicOperator::And }, &[&[2, 3], &[3]]).outputs("2x3").flops(6).macs(0);
        check(Logic { operator: LogicOperator::Not }, &[&[2, 3]]).outputs("2x3").flops(6).keeps(Kept::NOTHING, Kept::NOTHING);
        check(Logic { operator: LogicOperator::Or }, &[&[2, 3]]).refused("it joins 2 tensors, not 1");
    }
}
