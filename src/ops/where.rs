use super::attribute::attributes;
use super::elementwise::Elementwise;
use super::{Family, Io, Kept, Kind, Mismatch, Outputs, one, shape};
use crate::diagnostic::Code;
use crate::tensor::{DType, TensorType};

attributes! {
    /// Selects from two tensors element by element.
    ///
    /// ## Formula
    /// `y = x₁` where `x₀` is true, else `x₂`; all three broadcast as NumPy does.
    ///
    /// ## Counted
    /// FLOPs: 1 compare (the selection) for each output element.
    ///
    /// ## Source
    /// `torch.where`; ONNX Where.
    Where = "where" {}
}

impl Elementwise for Where {
    const TENSORS: usize = 3;
    const FAMILY: Family = Family::Arithmetic;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        if inputs[0].dtype != DType::Bool {
            return Err(Mismatch::new(
                Code::ShapeMismatch,
                format!("the first input must be bool, but is {}", inputs[0].dtype),
            )
            .input(0, format!("this is {}", inputs[0]))
            .help("put a `compare` before it"));
        }
        let dtype = shape::common_dtype(&inputs[1..]).map_err(|mut mismatch| {
            mismatch.inputs.iter_mut().for_each(|(index, _)| *index += 1);
            mismatch
        })?;
        one(TensorType { shape: shape::broadcast(inputs)?, dtype })
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        &[(Kind::Compare, 1)]
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        // The condition.
        Kept::INPUT
    }

    fn minimal(&self) -> Kept {
        Kept::INPUT
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Where {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        x[0].if_equal(S::of(0.0), x[2], x[1])
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], of: usize) -> S {
        // The condition only: it chose which of the two counts.
        let (then, otherwise) = if of == 1 { (S::of(0.0), S::of(1.0)) } else { (S::of(1.0), S::of(0.0)) };
        kept[0].if_equal(S::of(0.0), then, otherwise)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check_types;

    #[test]
    fn one_selection_an_output() {
        let mask = TensorType::new([1, 1, 4, 4], DType::Bool);
        let (map, number) = (TensorType::new([2, 8, 4, 4], DType::F16), TensorType::new([], DType::F16));
        // 2·8·4·4 outputs.
        check_types(Where {}, &[mask.clone(), map.clone(), number])
            .outputs("2x8x4x4")
            .dtype(DType::F16)
            .learned(0)
            .macs(0)
            .flops(256)
            .eager(Kept::INPUT)
            .minimal(Kept::INPUT);
        check_types(Where {}, &[map.clone(), map.clone(), map.clone()]).refused("must be bool, but is f16");
        let single = TensorType::new([1], DType::F32);
        check_types(Where {}, &[mask.clone(), map.clone(), single])
            .refused("different element types, f16 and f32");
        let odd = TensorType::new([3, 4], DType::F16);
        check_types(Where {}, &[mask.clone(), map.clone(), odd.clone()]).refused("axis 2 is 4 and 3");
        let mismatch = Where {}.output(&[&mask, &map, &TensorType::new([1], DType::F32)]).unwrap_err();
        assert_eq!(mismatch.inputs.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1, 2]);
    }
}
