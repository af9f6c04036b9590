//! Functions of whole rows: softmax, norms. A row is read once and computed where the processor is quick.

use candle_core::{DType, Tensor};
use smallvec::SmallVec;

use super::super::Fault;
use super::super::scalar::{Counted, Scalar, is_counting};
use super::elementwise::gather;
use super::{Element, simd, tensor, with_float};
use crate::units::{Overflow, product, sum};

/// A function of a row, written in its place.
pub trait RowFunction {
    /// Computes a row from itself and the rows of the further inputs. It also makes two numbers of the row, such as
    /// its mean.
    fn row<S: Scalar>(&self, row: &mut [S], others: &[&[S]]) -> [S; 2];
}

/// How a further input goes along with the rows.
#[derive(Clone, Copy, Debug)]
pub enum Along<'a> {
    /// It has a row for each.
    Rows(&'a Tensor),
    /// It has one row for all.
    Same(&'a Tensor),
    /// It has a number for each.
    Numbers(&'a Tensor),
}

/// The result of a function of rows.
pub struct Rows {
    /// The rows, in the shape and type of the input.
    pub rows: Tensor,
    /// The numbers of all rows.
    pub numbers: [Tensor; 2],
}

/// What an input goes along with, elements from one row to the next, and elements that are read of each.
struct Step {
    from_row_to_row: usize,
    length: usize,
}

/// Applies a function to each row of `length` neighbouring elements of a tensor on the CPU.
///
/// # Errors
/// Where elements are no floats, or what goes along has another length.
pub fn rows<F: RowFunction>(
    x: &Tensor,
    length: usize,
    others: &[Along<'_>],
    function: &F,
) -> Result<Rows, Fault> {
    let dtype = if is_counting() { DType::F64 } else { x.dtype() };
    let count = x.elem_count().checked_div(length).unwrap_or(0);
    let (mut tensors, mut steps): (Vec<Tensor>, Vec<Step>) = Default::default();
    for along in [Along::Rows(x)].iter().chain(others) {
        let (tensor, elements, from_row_to_row, length) = match along {
            Along::Rows(tensor) => (tensor, x.elem_count(), length, length),
            Along::Same(tensor) => (tensor, length, 0, length),
            Along::Numbers(tensor) => (tensor, count, 1, 1),
        };
        if tensor.elem_count() != elements {
            return Err(Fault::internal("what goes along with rows has another length"));
        }
        tensors.push(tensor.to_dtype(dtype)?.contiguous()?);
        steps.push(Step { from_row_to_row, length });
    }
    let tensors: Vec<&Tensor> = tensors.iter().collect();
    let made = |result: Tensor, numbers: [Tensor; 2]| {
        let [first, second] = numbers;
        let numbers = [first.to_dtype(x.dtype())?, second.to_dtype(x.dtype())?];
        Ok(Rows { rows: result.to_dtype(x.dtype())?, numbers })
    };
    if is_counting() {
        let (result, [first, second]) = gather(&tensors, |slices: &[&[f64]]| {
            run(slices, count, &steps, |x| Counted(*x), |y: Counted| y.0, function)
        })?;
        return made(tensor(result, x.dims())?, [tensor(first, count)?, tensor(second, count)?]);
    }
    with_float!(dtype, T => {
        let (result, [first, second]) = gather(&tensors, |slices: &[&[T]]| {
            simd(#[inline(always)] || run(slices, count, &steps, |x| x.load(), T::store, function))
        })?;
        made(tensor(result, x.dims())?, [tensor(first, count)?, tensor(second, count)?])
    })
}

#[inline(always)]
fn run<T: Copy, S: Scalar, F: RowFunction>(
    slices: &[&[T]],
    count: usize,
    steps: &[Step],
    load: impl Fn(&T) -> S + Copy,
    store: impl Fn(S) -> T + Copy,
    function: &F,
) -> (Vec<T>, [Vec<T>; 2]) {
    let mut result = Vec::with_capacity(count * steps[0].length);
    let mut numbers = [Vec::with_capacity(count), Vec::with_capacity(count)];
    let mut own: Vec<S> = Vec::with_capacity(steps[0].length);
    let mut others: Vec<Vec<S>> = steps.iter().skip(1).map(|step| Vec::with_capacity(step.length)).collect();
    for row in 0..count {
        let at = |input: usize| {
            let start = row * steps[input].from_row_to_row;
            slices[input][start..start + steps[input].length].iter().map(load)
        };
        own.clear();
        own.extend(at(0));
        for (index, other) in others.iter_mut().enumerate() {
            if row == 0 || steps[index + 1].from_row_to_row > 0 {
                other.clear();
                other.extend(at(index + 1));
            }
        }
        let views: SmallVec<[&[S]; 4]> = others.iter().map(Vec::as_slice).collect();
        let made = function.row(&mut own, &views);
        result.extend(own.iter().map(|y| store(*y)));
        for (all, number) in numbers.iter_mut().zip(made) {
            all.push(store(number));
        }
    }
    (result, numbers)
}

/// An upper bound of what [`rows`] has in memory beside inputs and result, for `inputs` inputs with rows, of `rows`
/// rows of `length` elements of `bytes`.
///
/// # Errors
/// [`Overflow`] when it does not fit in 64 bits.
pub fn workspace(inputs: u64, rows: u64, length: u64, bytes: u64) -> Result<u64, Overflow> {
    // Rows are loaded as singles at least; two numbers of each row, in its type.
    sum([product(&[inputs, length, bytes.max(4)])?, product(&[2, rows, bytes])?, 256])
}

/// Σ a·b.
#[inline(always)]
pub fn dot<S: Scalar>(a: &[S], b: &[S]) -> S {
    const LANES: usize = 16;
    let mut lanes = [S::of(0.0); LANES];
    let (chunks, others) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let tail = chunks.remainder().iter().zip(others.remainder());
    for (a, b) in chunks.zip(others) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane = *lane + *a * *b;
        }
    }
    let lanes = lanes.into_iter().chain(tail.map(|(a, b)| *a * *b));
    lanes.fold(S::of(0.0), |sum, lane| sum + lane)
}
