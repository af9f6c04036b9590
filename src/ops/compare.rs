use super::attribute::{attributes, choice};
use super::elementwise::{Elementwise, broadcast};
use super::{Family, Io, Kept, Kind, Mismatch, Outputs, one};
use crate::tensor::{DType, TensorType};

choice! {
    /// What two elements are asked.
    Comparison {
        /// x₀ = x₁.
        Equal = "equal",
        /// x₀ ≠ x₁.
        NotEqual = "not_equal",
        /// x₀ < x₁.
        Less = "less",
        /// x₀ ≤ x₁.
        LessOrEqual = "less_or_equal",
        /// x₀ > x₁.
        Greater = "greater",
        /// x₀ ≥ x₁.
        GreaterOrEqual = "greater_or_equal",
    }
}

attributes! {
    /// Compares two tensors element by element.
    ///
    /// ## Formula
    /// `y = x₀ ⋈ x₁`, true or false, broadcast as NumPy does.
    ///
    /// ## Counted
    /// FLOPs: 1 compare for each output element.
    ///
    /// ## Source
    /// `torch.eq`, `ne`, `lt`, `le`, `gt`, `ge`; ONNX Equal, Less, LessOrEqual, Greater, GreaterOrEqual.
    Compare = "compare" {
        /// What is asked.
        operator: Comparison,
    }
}

impl Elementwise for Compare {
    const TENSORS: usize = 2;
    const FAMILY: Family = Family::Arithmetic;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let compared = broadcast(inputs)?.swap_remove(0);
        one(TensorType { dtype: DType::Bool, ..compared })
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Compare, 1)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        // No gradient passes a comparison.
        Kept::NOTHING
    }

    fn minimal(&self) -> Kept {
        Kept::NOTHING
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Compare {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        let (zero, one) = (S::of(0.0), S::of(1.0));
        match self.operator {
            Comparison::Equal => x[0].if_equal(x[1], one, zero),
            Comparison::NotEqual => x[0].if_equal(x[1], zero, one),
            Comparison::Less => x[1].if_above(x[0], one, zero),
            Comparison::LessOrEqual => x[1].if_at_least(x[0], one, zero),
            Comparison::Greater => x[0].if_above(x[1], one, zero),
            Comparison::GreaterOrEqual => x[0].if_at_least(x[1], one, zero),
        }
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, _: &[S], _: usize) -> S {
        S::of(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::{check, check_types};

    #[test]
    fn one_compare_an_output() {
        let less = Compare { operator: Comparison::Less };
        // 3·2·4 outputs.
        check(less.clone(), &[&[1, 1, 4], &[3, 2, 1]])
            .outputs("3x2x4")
            .dtype(DType::Bool)
            .learned(0)
            .macs(0)
            .flops(24);
        check(less.clone(), &[&[2], &[2]]).eager(Kept::NOTHING).minimal(Kept::NOTHING);
        check(less.clone(), &[&[2, 3], &[2, 4]]).refused("axis 1 is 3 and 4");
        let mixed = [TensorType::new([2], DType::F32), TensorType::new([2], DType::I64)];
        check_types(less, &mixed).refused("different element types, f32 and i64");
    }
}
