use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::shape;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Run, Storage, Weights, one,
};
use crate::diagnostic::Code;
use crate::tensor::{TensorShape, TensorType};
use crate::units::Overflow;

attributes! {
    /// Picks entries of one axis by their indices.
    ///
    /// The indices are a list, or a second input of whole numbers. A table as first input and tokens as second make an
    /// embedding lookup.
    ///
    /// ## Formula
    /// `y = x[…, indices, …]` at `axis`: that axis is replaced by the axes of the indices; a list has one axis. A
    /// negative index counts from the end.
    ///
    /// ## Counted
    /// No FLOPs: data is copied. Bytes: `explain traffic`.
    ///
    /// ## Source
    /// `torch.index_select`, indexing; ONNX Gather.
    Gather = "gather" {
        /// The axis to pick from.
        axis: i64 = 0,
        /// What to pick, if there is no second input.
        indices: Option<Vec<i64>> = None,
    }
}

impl Gather {
    /// The listed indices, counted from the start of an axis of that size.
    fn listed(&self, input: &TensorType, size: u64) -> Result<Vec<u64>, Box<Mismatch>> {
        let Some(indices) = &self.indices else {
            return Err(
                Mismatch::new(Code::Missing, "give `indices`, or a second input").attribute("indices")
            );
        };
        let error = |code, message: String| {
            Mismatch::new(code, message).input(0, format!("this is {}", input.shape)).attribute("indices")
        };
        if indices.is_empty() {
            return Err(error(Code::VanishingSize, "the list of indices is empty".into()));
        }
        let found = indices.iter().map(|&index| {
            let from_start =
                if index < 0 { size.checked_sub(index.unsigned_abs()) } else { u64::try_from(index).ok() };
            from_start.filter(|&from_start| from_start < size).ok_or_else(|| {
                error(Code::OutOfRange, format!("there is no index {index}: the axis is {size}"))
            })
        });
        found.collect()
    }
}

/// Runs of indices that follow each other.
fn neighbours(indices: &[u64]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for &index in indices {
        match runs.last_mut() {
            Some(run) if run.start + run.length == index => run.length += 1,
            _ => runs.push(Run::new(0, index, 1)),
        }
    }
    runs
}

impl Operator for Gather {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=2
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let input = inputs[0];
        let axis = shape::axis(self.axis, input.shape.rank(), "axis")?;
        let axes = input.shape.axes();
        let indices = match inputs.get(1) {
            None => TensorShape::from([self.listed(input, axes[axis])?.len() as u64]),
            Some(_) if self.indices.is_some() => {
                return Err(Mismatch::new(Code::WrongCount, "give `indices` or a second input, not both")
                    .attribute("indices"));
            }
            Some(indices) if indices.dtype.is_float() => {
                return Err(Mismatch::new(
                    Code::WrongType,
                    format!("indices are whole numbers, not {}", indices.dtype),
                )
                .input(1, format!("this is {indices}")));
            }
            Some(indices) => indices.shape.clone(),
        };
        shape::check_rank(axes.len() - 1 + indices.rank())?;
        one(input.reshaped([&axes[..axis], indices.axes(), &axes[axis + 1..]].concat().as_slice()))
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
        Storage::New
    }

    fn backward(&self, io: Io<'_>) -> Result<Backward, Overflow> {
        // PyTorch keeps the indices, which no `KeptInputs` names; a list becomes a tensor (i64) there.
        let list = self.indices.as_ref().map_or(0, |list| list.len() as u64 * 8);
        let input = io.inputs.get(1).map_or(0, |indices| indices.bytes().get());
        let keeps = |bytes| Kept::NOTHING.and_bytes(bytes);
        Ok(Backward { eager: keeps(list + input), ..Backward::keeps(keeps(input)) })
    }

    fn channels(&self, io: Io<'_>, _: usize) -> Channels {
        let input = io.inputs[0];
        let Ok(axis) = shape::axis(self.axis, input.shape.rank(), "axis") else { return Channels::Mixed };
        if axis == 1 && io.inputs.len() == 1 {
            return match self.listed(input, input.channels()) {
                Ok(indices) => Channels::Runs(neighbours(&indices)),
                Err(_) => Channels::Mixed,
            };
        }
        // The channel axis stays where it is unless it, or a batch axis of another rank, is replaced.
        let indices = io.inputs.get(1).map_or(1, |indices| indices.shape.rank());
        if axis > 1 || (axis == 0 && indices == 1 && input.shape.rank() > 1) {
            return Channels::Runs(vec![Run::new(0, 0, input.channels())]);
        }
        Channels::Mixed
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::rows::{self, Rows, pick, put};
    use super::super::execute::prelude::*;
    use super::{Gather, shape};

    impl Gather {
        fn along(&self, io: Io<'_>) -> usize {
            shape::axis(self.axis, io.inputs[0].shape.rank(), "axis").unwrap_or(0)
        }

        /// What is picked of the axis; `second` is the second input.
        fn picks(&self, io: Io<'_>, second: Option<&Tensor>) -> Result<Vec<usize>, Fault> {
            let size_along = io.inputs[0].shape.axes()[self.along(io)];
            match second {
                Some(second) => rows::indices(second, size(size_along)?),
                None => {
                    let listed = self.listed(io.inputs[0], size_along);
                    let listed =
                        listed.map_err(|_| Fault::internal("a list of indices that does not fit"))?;
                    Ok(listed.into_iter().map(size).collect::<Result<_, _>>()?)
                }
            }
        }
    }

    impl Execute for Gather {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (x, second) = (&call.inputs[0], call.inputs.get(1));
            let picks = self.picks(call.io, second)?;
            let rows = Rows::along(x.dims(), self.along(call.io));
            let mut made = Made::from(pick(x, rows, &picks, 0.0, &call.shape(0))?);
            if let (Some(second), Mode::Train) = (second, call.mode) {
                made.kept.push(second.clone());
            }
            Ok(made)
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let second = call.kept.first();
            if second.is_none() && call.io.inputs.len() > 1 {
                return Err(Fault::internal("the indices of a gather were not kept"));
            }
            let (picks, shape) = (self.picks(call.io, second)?, call.shape(0));
            let rows = Rows::along(&shape, self.along(call.io));
            Ok(Gradients::input(put(call.gradient()?, rows, &picks, &shape)?))
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            let count = match io.inputs.get(1) {
                Some(indices) => indices.elements().get(),
                None => self.indices.as_ref().map_or(0, |list| list.len() as u64),
            };
            let lists = product(&[count, rows::INDEX])?;
            match pass {
                Pass::Forward => Ok(lists),
                Pass::Backward => sum([lists, rows::block(io.inputs[0], self.along(io))?]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::{check, check_types};
    use crate::tensor::DType;

    fn list(axis: i64, indices: &[i64]) -> Gather {
        Gather { axis, indices: Some(indices.to_vec()) }
    }

    const BY_INPUT: Gather = Gather { axis: 0, indices: None };

    #[test]
    fn picks_from_a_list() {
        let runs = vec![Run::new(0, 0, 3), Run::new(0, 7, 1), Run::new(0, 6, 1)];
        check(list(1, &[0, 1, 2, -1, 6]), &[&[1, 8, 4, 4]])
            .outputs("1x5x4x4")
            .learned(0)
            .macs(0)
            .flops(0)
            .channels(&Channels::Runs(runs))
            .keeps(Kept::NOTHING.and_bytes(40), Kept::NOTHING);
        check(list(-1, &[3, 3]), &[&[1, 8, 4]])
            .outputs("1x8x2")
            .channels(&Channels::Runs(vec![Run::new(0, 0, 8)]));
    }

    #[test]
    fn looks_up_embeddings() {
        let [table, tokens] = [TensorType::new([1000, 64], DType::F16), TensorType::new([2, 7], DType::I32)];
        let kept = Kept::NOTHING.and_bytes(2 * 7 * 4);
        check_types(BY_INPUT, &[table.clone(), tokens])
            .outputs("2x7x64")
            .dtype(DType::F16)
            .flops(0)
            .channels(&Channels::Mixed)
            .keeps(kept, kept);
        let one = TensorType::new([], DType::I64);
        check_types(BY_INPUT, &[table.clone(), one]).outputs("64");
        check_types(BY_INPUT, &[table.clone(), TensorType::new([2, 7], DType::F32)]).refused("not f32");
        check_types(list(0, &[1]), &[table.clone(), TensorType::new([2], DType::I64)]).refused("not both");
        check_types(BY_INPUT, &[table, TensorType::new([1; 16], DType::I64)]).refused("would have 17 axes");
    }

    #[test]
    fn what_does_not_fit() {
        check(BY_INPUT, &[&[8]]).refused("give `indices`, or a second input");
        check(list(0, &[]), &[&[8]]).refused("the list of indices is empty");
        check(list(0, &[8]), &[&[8]]).refused("there is no index 8: the axis is 8");
        check(list(0, &[i64::MIN]), &[&[8]]).refused("there is no index");
        check(list(1, &[0]), &[&[8]]).refused("there is no axis 1");
    }
}
