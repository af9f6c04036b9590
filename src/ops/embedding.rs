use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::shape;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Role, Storage, Weight, Weights,
    one,
};
use crate::diagnostic::Code;
use crate::tensor::{DType, TensorShape, TensorType};
use crate::units::{Overflow, product};

attributes! {
    /// A learned vector for each whole number.
    ///
    /// ## Formula
    /// `[n, t] → [n, t, embedding_dim]`: each index picks a row of the table, a negative one counts from the end. Weights:
    /// `num_embeddings · embedding_dim`. A table that is itself a tensor: `gather`.
    ///
    /// ## Counted
    /// No FLOPs: rows are copied. Bytes: `explain traffic`.
    ///
    /// ## Source
    /// `torch.nn.Embedding`; ONNX Gather of an initializer.
    Embedding = "embedding" {
        /// Rows of the table.
        num_embeddings: NonZeroU64,
        /// Length of a row.
        embedding_dim: NonZeroU64,
        /// Type of the table's elements.
        dtype: DType = DType::F32,
    }
}

impl Operator for Embedding {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let indices = inputs[0];
        if indices.dtype.is_float() {
            return Err(Mismatch::new(
                Code::WrongType,
                format!("indices are whole numbers, not {}", indices.dtype),
            )
            .input(0, format!("this is {indices}")));
        }
        shape::check_rank(indices.shape.rank() + 1)?;
        product(&[self.num_embeddings.get(), self.embedding_dim.get()])?;
        let axes = indices.shape.axes().iter().copied().chain([self.embedding_dim.get()]);
        one(TensorType { shape: TensorShape::new(axes), dtype: self.dtype })
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        let table = [self.num_embeddings.get(), self.embedding_dim.get()];
        [Weight::new("weight", table, Role::Other)].into_iter().collect()
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

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        // The indices say which rows the gradient goes to.
        Ok(Backward::keeps(Kept::INPUT))
    }

    fn channels(&self, io: Io<'_>, _: usize) -> Channels {
        if io.inputs[0].shape.rank() < 2 { Channels::Mixed } else { Channels::Same }
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::dtype;
    use super::super::execute::kernel::rows::{self, Rows, pick, put};
    use super::super::execute::prelude::*;
    use super::Embedding;

    impl Execute for Embedding {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let table = call.stored.get("weight")?;
            let picks = rows::indices(&call.inputs[0], table.dims()[0])?;
            let dtype = dtype(self.dtype).ok_or_else(|| Fault::unrunnable(format!("no {}", self.dtype)))?;
            let rows = pick(table, Rows::along(table.dims(), 0), &picks, 0.0, &call.shape(0))?;
            Ok(rows.to_dtype(dtype)?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let table = [size(self.num_embeddings.get())?, size(self.embedding_dim.get())?];
            let picks = rows::indices(call.input(0)?, table[0])?;
            let gradient = put(call.gradient()?, Rows::along(&table, 0), &picks, &table)?;
            let gradient = gradient.to_dtype(call.stored.get("weight")?.dtype())?;
            Ok(Gradients { stored: [("weight", gradient)].into_iter().collect(), ..Gradients::none() })
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            let lists = product(&[io.inputs[0].elements().get(), rows::INDEX])?;
            match pass {
                Pass::Forward => Ok(lists),
                Pass::Backward => {
                    sum([lists, product(&[self.num_embeddings.get(), self.embedding_dim.get(), 8])?])
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::{check, check_types};

    fn table(num_embeddings: u64, embedding_dim: u64) -> Embedding {
        let [num_embeddings, embedding_dim] = [num_embeddings, embedding_dim].map(|n| n.try_into().unwrap());
        Embedding { num_embeddings, embedding_dim, dtype: DType::F32 }
    }

    #[test]
    fn the_tokens_of_bert() {
        // 30,522·768 = 23,440,896.
        check_types(table(30_522, 768), &[TensorType::new([2, 128], DType::I64)])
            .outputs("2x128x768")
            .dtype(DType::F32)
            .learned(23_440_896)
            .macs(0)
            .flops(0)
            .keeps(Kept::INPUT, Kept::INPUT);
        check(table(10, 4), &[&[2, 128]]).refused("indices are whole numbers, not f32");
        let deep = TensorType::new([1; TensorShape::MAX_RANK], DType::I64);
        check_types(table(10, 4), &[deep]).refused("the output would have 17 axes");
        check_types(table(u64::MAX, 4), &[TensorType::new([1], DType::I64)])
            .refused("does not fit in 64 bits");
    }
}
