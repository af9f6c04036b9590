//! Products of matrices whose batches broadcast.

use candle_core::{DType, Tensor};

use super::super::{Fault, probe};
use crate::tensor::TensorType;
use crate::units::{Overflow, product, sum};

/// `[…, m, k]·[…, k, n] → […, m, n]`; the axes before the matrices broadcast.
///
/// # Errors
/// What the device says.
pub fn multiply(a: &Tensor, b: &Tensor) -> Result<Tensor, Fault> {
    let dtype = a.dtype();
    // The CPU has products of these; others go through a wider type.
    let through = match dtype {
        DType::F16 | DType::F32 | DType::F64 => dtype,
        DType::BF16 if !a.device().is_cpu() => dtype,
        DType::BF16 => DType::F32,
        _ => DType::F64,
    };
    probe::note(a, b)?;
    let (a, b) = (gapless(&a.to_dtype(through)?)?, gapless(&b.to_dtype(through)?)?);
    let made = if b.rank() == 2 && a.rank() > 2 {
        // One matrix for all rows.
        let (rows, k, n) = (a.elem_count() / a.dim(a.rank() - 1)?.max(1), b.dims()[0], b.dims()[1]);
        let mut shape = a.dims().to_vec();
        shape.pop();
        shape.push(n);
        a.contiguous()?.reshape((rows, k))?.matmul(&b)?.reshape(shape)?
    } else {
        a.broadcast_matmul(&b)?
    };
    Ok(made.to_dtype(dtype)?)
}

/// Matrices by rows or by columns, one after the other: what products read.
fn gapless(x: &Tensor) -> Result<Tensor, Fault> {
    let reads = x.is_contiguous() || (x.rank() > 1 && x.t()?.is_contiguous());
    Ok(if reads { x.clone() } else { x.contiguous()? })
}

/// The most bytes beside the inputs and the output: copies where they broadcast or lie otherwise, or have another type.
///
/// # Errors
/// When they do not fit in 64 bits.
pub(in crate::ops) fn workspace(inputs: &[&TensorType], outputs: &[TensorType]) -> Result<u64, Overflow> {
    let output = &outputs[0];
    let batch = |of: &TensorType| product(&of.shape.axes()[..of.shape.rank().saturating_sub(2)]);
    let batches = inputs.iter().map(|input| batch(input)).collect::<Result<Vec<_>, _>>()?;
    let all = batch(output)?.max(batches.iter().copied().max().unwrap_or(1));
    let mut bytes = product(&[2, output.elements().get(), 8])?;
    for (input, own) in inputs.iter().zip(batches) {
        let whole = product(&[input.elements().get() / own.max(1), all])?;
        bytes = sum([bytes, product(&[2, whole, 8])?])?;
    }
    Ok(bytes)
}
