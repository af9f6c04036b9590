//! Sums, maxima and other folds over some axes.

use candle_core::{DType, Tensor};

use super::super::Fault;
use super::super::scalar::{Counted, Scalar, is_counting};
use super::{Element, simd, tensor, with_element, with_elements};

/// A fold over elements, in any order.
pub trait Fold {
    /// What an element counts as: itself, its square.
    fn each<S: Scalar>(&self, x: S) -> S;
    /// Two of those become one.
    fn join<S: Scalar>(&self, a: S, b: S) -> S;
    /// The result of `n` elements.
    fn finish<S: Scalar>(&self, all: S, n: S) -> S;
    /// The same of two on a device, and over axes there.
    ///
    /// # Errors
    /// Where the device fails.
    fn on_device(&self, x: &Tensor, axes: &[usize]) -> candle_core::Result<Tensor>;
}

/// The sum.
pub struct Sum;
/// The mean.
pub struct Mean;
/// The mean of the squares.
pub struct MeanSquare;
/// The root of the sum of the squares.
pub struct Norm;
/// The product.
pub struct Product;
/// The largest.
pub struct Max;
/// The smallest.
pub struct Min;

macro_rules! folds {
    ($($name:ident: |$x:ident| $each:expr, |$a:ident, $b:ident| $join:expr, |$all:ident, $n:ident| $finish:expr,
       |$tensor:ident, $axes:ident| $on_device:expr;)*) => {$(
        impl Fold for $name {
            #[inline(always)]
            fn each<S: Scalar>(&self, $x: S) -> S { $each }
            #[inline(always)]
            fn join<S: Scalar>(&self, $a: S, $b: S) -> S { $join }
            #[inline(always)]
            fn finish<S: Scalar>(&self, $all: S, $n: S) -> S { $finish }
            fn on_device(&self, $tensor: &Tensor, $axes: &[usize]) -> candle_core::Result<Tensor> { $on_device }
        }
    )*};
}

folds! {
    Sum: |x| x, |a, b| a + b, |all, _n| all, |x, axes| x.sum_keepdim(axes);
    Mean: |x| x, |a, b| a + b, |all, n| all / n, |x, axes| x.mean_keepdim(axes);
    MeanSquare: |x| x * x, |a, b| a + b, |all, n| all / n, |x, axes| x.sqr()?.mean_keepdim(axes);
    Norm: |x| x * x, |a, b| a + b, |all, _n| all.sqrt(), |x, axes| x.sqr()?.sum_keepdim(axes)?.sqrt();
    Product: |x| x, |a, b| a * b, |all, _n| all, |x, axes| {
        axes.iter().try_fold(x.clone(), |x, &axis| product_along(&x, axis))
    };
    Max: |x| x, |a, b| a.max(b), |all, _n| all, |x, axes| {
        axes.iter().try_fold(x.clone(), |x, &axis| x.max_keepdim(axis))
    };
    Min: |x| x, |a, b| a.min(b), |all, _n| all, |x, axes| {
        axes.iter().try_fold(x.clone(), |x, &axis| x.min_keepdim(axis))
    };
}

/// Candle has no product of an axis: slice by slice.
fn product_along(x: &Tensor, axis: usize) -> candle_core::Result<Tensor> {
    let first = x.narrow(axis, 0, 1)?;
    (1..x.dim(axis)?).try_fold(first, |all, at| all * x.narrow(axis, at, 1)?)
}

/// Folds over `axes`, which stay with size 1.
///
/// # Errors
/// Where the device fails or has no such element type, or an axis has no elements.
pub fn reduce<F: Fold>(x: &Tensor, axes: &[usize], fold: &F) -> Result<Tensor, Fault> {
    let mut axes = axes.to_vec();
    axes.sort_unstable();
    axes.dedup();
    if !x.device().is_cpu() {
        return Ok(fold.on_device(x, &axes)?);
    }
    let dims = x.dims();
    let mut shape = dims.to_vec();
    axes.iter().for_each(|&axis| shape[axis] = 1);
    // Groups of neighbouring axes fold one after the other, the last first; only the last step may finish.
    let (Some(&first), Some(&last)) = (axes.first(), axes.last()) else {
        return groups(x, [x.elem_count(), 1, 1], 1, fold, &shape);
    };
    if last - first + 1 == axes.len() {
        let size = |range: std::ops::Range<usize>| dims[range].iter().product::<usize>();
        let sizes = [size(0..first), size(first..last + 1), size(last + 1..dims.len())];
        return groups(x, sizes, sizes[1], fold, &shape);
    }
    // Axes apart from each other: what is folded comes last.
    let kept = (0..dims.len()).filter(|axis| !axes.contains(axis));
    let order: Vec<usize> = kept.chain(axes.iter().copied()).collect();
    let n: usize = axes.iter().map(|&axis| dims[axis]).product();
    let moved = x.permute(order)?.contiguous()?;
    groups(&moved, [x.elem_count() / n.max(1), n, 1], n, fold, &shape)
}

/// Folds the middle one of three axes.
fn groups<F: Fold>(
    x: &Tensor,
    sizes: [usize; 3],
    n: usize,
    fold: &F,
    shape: &[usize],
) -> Result<Tensor, Fault> {
    if n == 0 {
        return Err(Fault::internal("a fold over no elements"));
    }
    let x = x.contiguous()?;
    if is_counting() {
        let doubles = x.to_dtype(DType::F64)?;
        let result = with_elements(&doubles, |x: &[f64]| {
            let x: Vec<Counted> = x.iter().copied().map(Counted).collect();
            folded(&x, sizes, |x| *x, |y| y.0, fold)
        })?;
        return Ok(tensor(result, shape)?.to_dtype(x.dtype())?);
    }
    with_element!(x.dtype(), T => {
        let result = with_elements(&x, |x: &[T]| simd(#[inline(always)] || folded(x, sizes, |x| x.load(), T::store, fold)))?;
        tensor(result, shape)
    })
}

/// Sums of so many elements are kept apart, so that the compiler may add them at once and little is rounded away.
const LANES: usize = 16;

/// Columns that are folded at once, on the stack.
const COLUMNS: usize = 64;

/// All elements joined; `None` where there are none.
#[inline(always)]
fn joined<T: Copy, S: Scalar, F: Fold>(x: &[T], load: impl Fn(&T) -> S + Copy, fold: &F) -> Option<S> {
    let (head, rest) = x.split_at(x.len().min(LANES));
    if head.len() < LANES {
        return head.iter().map(|x| fold.each(load(x))).reduce(|a, b| fold.join(a, b));
    }
    let mut lanes: [S; LANES] = std::array::from_fn(|lane| fold.each(load(&head[lane])));
    let chunks = rest.chunks_exact(LANES);
    let tail = chunks.remainder();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = fold.join(*lane, fold.each(load(x)));
        }
    }
    let lanes = lanes.into_iter().chain(tail.iter().map(|x| fold.each(load(x))));
    lanes.reduce(|a, b| fold.join(a, b))
}

/// A row folded; 0 where it is empty.
#[inline(always)]
pub fn fold<S: Scalar, F: Fold>(row: &[S], fold: &F) -> S {
    let all = joined(row, |x| *x, fold);
    all.map_or(S::of(0.0), |all| fold.finish(all, number(row.len())))
}

#[inline(always)]
#[expect(clippy::cast_precision_loss, reason = "tensors have fewer than 2^53 elements")]
fn number<S: Scalar>(n: usize) -> S {
    S::of(n as f64)
}

#[inline(always)]
fn folded<T: Copy, S: Scalar, R, F: Fold>(
    x: &[T],
    [outer, n, inner]: [usize; 3],
    load: impl Fn(&T) -> S + Copy,
    store: impl Fn(S) -> R + Copy,
    fold: &F,
) -> Vec<R> {
    let mut result = Vec::with_capacity(outer * inner);
    if outer * inner == 0 {
        return result;
    }
    for block in x.chunks_exact(n * inner) {
        if inner == 1 {
            result.extend(joined(block, load, fold).map(|all| store(fold.finish(all, number(n)))));
        } else {
            for start in (0..inner).step_by(COLUMNS) {
                let width = COLUMNS.min(inner - start);
                let mut all = [S::of(0.0); COLUMNS];
                for (index, row) in block.chunks_exact(inner).enumerate() {
                    for (all, x) in all.iter_mut().zip(&row[start..start + width]) {
                        let x = fold.each(load(x));
                        *all = if index == 0 { x } else { fold.join(*all, x) };
                    }
                }
                result.extend(all[..width].iter().map(|&all| store(fold.finish(all, number(n)))));
            }
        }
    }
    result
}

/// The sum over the axes along which `x` was broadcast from `shape`: the gradient of a broadcast.
///
/// # Errors
/// As [`reduce`].
pub fn sum_to(x: &Tensor, shape: &[usize]) -> Result<Tensor, Fault> {
    let more = x.rank() - shape.len();
    let axes: Vec<usize> = (0..x.rank())
        .filter(|&axis| axis < more || (shape[axis - more] == 1 && x.dims()[axis] != 1))
        .collect();
    if axes.is_empty() {
        return Ok(x.clone());
    }
    Ok(reduce(x, &axes, &Sum)?.reshape(shape)?)
}
