use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::shape;
use super::{Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Storage, Weights, one};
use crate::diagnostic::Code;
use crate::tensor::{DType, TensorShape, TensorType};
use crate::units::{Overflow, product};

attributes! {
    /// The matrix product of two tensors.
    ///
    /// ## Formula
    /// `y = a·b` over the last two axes, `[…, m, k]·[…, k, n] → […, m, n]`; the axes before them broadcast as NumPy's
    /// do. A vector stands for a row on the left and a column on the right, and its axis is gone from the output.
    ///
    /// ## Counted
    /// MACs: k for each output element, a broadcast product as often as it is used. FLOPs: 2 for each. Backward: as
    /// many again for each of the two gradients.
    ///
    /// ## Source
    /// `torch.matmul`, `bmm`; ONNX MatMul with two computed inputs (a stored matrix is `linear`).
    Matmul = "matmul" {
        /// Whether the last two axes of the first input are swapped.
        transpose_a: bool = false,
        /// Whether the last two axes of the second input are swapped.
        transpose_b: bool = false,
        /// Type of the output's elements; the input's if not given. Products of integers often have wider ones.
        dtype: Option<DType> = None,
    }
}

/// One operand: its batch axes, and the rows and columns of its matrix after any transposition.
struct Operand<'a> {
    batch: &'a [u64],
    rows: u64,
    columns: u64,
}

impl Matmul {
    fn operand<'a>(&self, inputs: &[&'a TensorType], index: usize) -> Result<Operand<'a>, Box<Mismatch>> {
        let axes = inputs[index].shape.axes();
        let (transpose, attribute) =
            [(self.transpose_a, "transpose_a"), (self.transpose_b, "transpose_b")][index];
        let error = |message: &str| {
            Mismatch::new(Code::ShapeMismatch, message)
                .input(index, format!("this is {}", inputs[index].shape))
        };
        match (axes, transpose) {
            ([], _) => Err(error("a scalar has no matrix product")),
            ([_], true) => Err(error("a vector has no axes to swap").attribute(attribute)),
            (&[size], false) if index == 0 => Ok(Operand { batch: &[], rows: 1, columns: size }),
            (&[size], false) => Ok(Operand { batch: &[], rows: size, columns: 1 }),
            (&[ref batch @ .., rows, columns], false) | (&[ref batch @ .., columns, rows], true) => {
                Ok(Operand { batch, rows, columns })
            }
        }
    }
}

impl Operator for Matmul {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let dtype = match self.dtype {
            Some(dtype) => dtype,
            None => shape::common_dtype(inputs)?,
        };
        let (a, b) = (self.operand(inputs, 0)?, self.operand(inputs, 1)?);
        let error = |message: String| {
            Mismatch::new(Code::ShapeMismatch, message)
                .input(0, format!("this is {}", inputs[0].shape))
                .input(1, format!("this is {}", inputs[1].shape))
        };
        if a.columns != b.rows {
            return Err(error(format!(
                "{} columns of the first input meet {} rows of the second",
                a.columns, b.rows
            )));
        }
        let batches = [a.batch, b.batch].map(|batch| TensorType::new(batch, dtype));
        let batch = shape::broadcast(&[&batches[0], &batches[1]]).map_err(|_| {
            let [a, b] = &batches;
            error(format!("the axes before the matrices, {} and {}, do not broadcast", a.shape, b.shape))
        })?;
        let rows = (inputs[0].shape.rank() > 1).then_some(a.rows);
        let columns = (inputs[1].shape.rank() > 1).then_some(b.columns);
        let shape = TensorShape::new(batch.axes().iter().copied().chain(rows).chain(columns));
        one(TensorType { shape, dtype })
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Product
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let axes = io.inputs[0].shape.axes();
        let last = if self.transpose_a { axes.iter().nth_back(1) } else { axes.last() };
        Cost::products(io.output_elements(), last.copied().unwrap_or(1))
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, io: Io<'_>) -> Result<Backward, Overflow> {
        // dA = dY·Bᵀ and dB = Aᵀ·dY, each as long as the product. PyTorch may first copy a matrix that broadcasts;
        // that copy is not counted.
        let macs = product(&[2, self.cost(io)?.macs])?;
        Ok(Backward { grad_input_macs: macs, ..Backward::keeps(Kept::INPUTS) })
    }

    fn channels(&self, io: Io<'_>, _: usize) -> Channels {
        // Axis 1 lies before the matrices of both inputs, such as the heads of attention: it passes.
        let rank = io.inputs[0].shape.rank();
        if rank >= 4 && io.inputs[1].shape.rank() == rank { Channels::Same } else { Channels::Mixed }
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::products::multiply;
    use super::super::execute::prelude::*;
    use super::super::execute::{dtype, kernel::products};
    use super::Matmul;

    impl Matmul {
        /// The matrices that are multiplied: a vector is a row on the left and a column on the right.
        fn matrices(&self, a: &Tensor, b: &Tensor) -> Result<[Tensor; 2], Fault> {
            let a = if a.rank() == 1 { a.unsqueeze(0)? } else { a.clone() };
            let b = if b.rank() == 1 { b.unsqueeze(1)? } else { b.clone() };
            Ok([turned(&a, self.transpose_a)?, turned(&b, self.transpose_b)?])
        }
    }

    fn turned(x: &Tensor, transpose: bool) -> Result<Tensor, Fault> {
        Ok(if transpose { x.t()? } else { x.clone() })
    }

    impl Execute for Matmul {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let [a, b] = self.matrices(&call.inputs[0], &call.inputs[1])?;
            let output = &call.io.outputs[0];
            let dtype =
                dtype(output.dtype).ok_or_else(|| Fault::unrunnable(format!("no {}", output.dtype)))?;
            Ok(multiply(&a, &b)?.to_dtype(dtype)?.reshape(call.shape(0))?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let [a, b] = self.matrices(call.input(0)?, call.input(1)?)?;
            // The output with the axes that vectors took away.
            let gradient = call.gradient()?.contiguous()?;
            let mut shape = gradient.dims().to_vec();
            if call.io.inputs[0].shape.rank() == 1 {
                let place = shape.len() - usize::from(call.io.inputs[1].shape.rank() > 1);
                shape.insert(place, 1);
            }
            if call.io.inputs[1].shape.rank() == 1 {
                shape.push(1);
            }
            let gradient = gradient.reshape(shape)?;
            let of_a = call.wants(0).then(|| {
                let whole = multiply(&gradient, &b.t()?)?;
                let own = turned(&sum_to(&whole, a.dims())?, self.transpose_a)?;
                Ok::<_, Fault>(own.contiguous()?.reshape(call.shape(0))?)
            });
            let of_b = call.wants(1).then(|| {
                let whole = multiply(&a.t()?, &gradient)?;
                let own = turned(&sum_to(&whole, b.dims())?, self.transpose_b)?;
                Ok::<_, Fault>(own.contiguous()?.reshape(call.shape(1))?)
            });
            let inputs = [of_a.transpose()?, of_b.transpose()?].into_iter().collect();
            Ok(Gradients { inputs, ..Gradients::none() })
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            let one = products::workspace(io.inputs, io.outputs)?;
            match pass {
                Pass::Forward => Ok(one),
                // Before it is summed, a gradient has every batch of the output.
                Pass::Backward => product(&[3, one]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::{check, check_types};

    const PLAIN: Matmul = Matmul { transpose_a: false, transpose_b: false, dtype: None };
    const TURNED: Matmul = Matmul { transpose_a: false, transpose_b: true, dtype: None };

    #[test]
    fn the_scores_of_vit_b_16() {
        // 12·197·197 = 465,708 scores of 64 MACs.
        check(TURNED, &[&[1, 12, 197, 64], &[1, 12, 197, 64]])
            .outputs("1x12x197x197")
            .learned(0)
            .macs(29_805_312)
            .activations(465_708)
            .flops(59_610_624)
            .gradient_macs(59_610_624, 0)
            .keeps(Kept::INPUTS, Kept::INPUTS)
            .channels(&Channels::Same);
    }

    #[test]
    fn batches_and_vectors() {
        check(PLAIN, &[&[2, 3], &[3, 5]]).outputs("2x5").macs(30).channels(&Channels::Mixed);
        // [7, 1] and [4] broadcast to [7, 4]; 7·4·2·5 outputs of 3.
        check(PLAIN, &[&[7, 1, 2, 3], &[4, 3, 5]]).outputs("7x4x2x5").macs(840);
        check(Matmul { transpose_a: true, ..PLAIN }, &[&[3, 2], &[3, 5]]).outputs("2x5").macs(30);
        check(PLAIN, &[&[3], &[3]]).outputs("scalar").macs(3);
        check(PLAIN, &[&[3], &[4, 3, 5]]).outputs("4x5").macs(60);
        check(PLAIN, &[&[4, 2, 3], &[3]]).outputs("4x2").macs(24);
    }

    #[test]
    fn what_does_not_fit() {
        check(PLAIN, &[&[2, 3], &[4, 5]]).refused("3 columns of the first input meet 4 rows of the second");
        check(PLAIN, &[&[2, 2, 3], &[3, 3, 5]])
            .refused("the axes before the matrices, 2 and 3, do not broadcast");
        check(TURNED, &[&[2, 3], &[3]]).refused("a vector has no axes to swap");
        check(PLAIN, &[&[], &[3]]).refused("a scalar has no matrix product");
        let types = [TensorType::new([2, 2], DType::F32), TensorType::new([2, 2], DType::F16)];
        check_types(PLAIN, &types).refused("different element types");
    }
}
