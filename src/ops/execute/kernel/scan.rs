//! Running sums along an axis.

use candle_core::{DType, Tensor};

use super::super::Fault;
use super::super::scalar::{Counted, Scalar, is_counting};
use super::{Element, simd, tensor, with_element, with_elements};

/// The sum of each element and those before it along an axis, or of those after it.
///
/// # Errors
/// Where the device fails or has no such element type.
pub fn running_sum(x: &Tensor, axis: usize, backwards: bool) -> Result<Tensor, Fault> {
    if !x.device().is_cpu() {
        let turned = if backwards { x.flip(&[axis])? } else { x.clone() };
        let sums = turned.cumsum(axis)?;
        return Ok(if backwards { sums.flip(&[axis])? } else { sums });
    }
    let x = x.contiguous()?;
    let dims = x.dims();
    let sizes = [dims[axis], dims[axis + 1..].iter().product()];
    if is_counting() {
        let made = with_elements(&x.to_dtype(DType::F64)?, |x: &[f64]| {
            run(x, sizes, backwards, |x| Counted(*x), |y: Counted| y.0)
        })?;
        return Ok(tensor(made, dims)?.to_dtype(x.dtype())?);
    }
    with_element!(x.dtype(), T => {
        let made = with_elements(&x, |x: &[T]| {
            simd(#[inline(always)] || run(x, sizes, backwards, |x| x.load(), T::store))
        })?;
        tensor(made, dims)
    })
}

#[inline(always)]
fn run<T: Copy, S: Scalar>(
    x: &[T],
    [length, inner]: [usize; 2],
    backwards: bool,
    load: impl Fn(&T) -> S + Copy,
    store: impl Fn(S) -> T + Copy,
) -> Vec<T> {
    let mut result = x.to_vec();
    if length * inner == 0 {
        return result;
    }
    let mut sums: Vec<S> = Vec::with_capacity(inner);
    for block in result.chunks_exact_mut(length * inner) {
        for step in 0..length {
            let at = if backwards { length - 1 - step } else { step } * inner;
            let row = &mut block[at..at + inner];
            if step == 0 {
                sums.clear();
                sums.extend(row.iter().map(load));
                continue;
            }
            for (sum, y) in sums.iter_mut().zip(row) {
                *sum = *sum + load(y);
                *y = store(*sum);
            }
        }
    }
    result
}
