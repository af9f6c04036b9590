//! Functions of single elements, shapes broadcast.

use candle_core::{DType, Tensor, WithDType};
use smallvec::SmallVec;

use super::super::Fault;
use super::super::lanes;
use super::super::scalar::{Counted, Scalar, is_counting};
use super::{Element, simd, tensor, with_float};

/// A function of one element of each input.
pub trait Function {
    /// Its value. `x` has an element of each input.
    fn value<S: Scalar>(&self, x: &[S]) -> S;
}

/// A function that is written where it is used: `function!(|x, y| x * y + x)`.
///
/// What it needs beside its inputs comes as doubles: `function!([slope: f64] |x| x * S::of(slope))`.
macro_rules! function {
    ($([$($field:ident),*])? |$($x:ident),*| $body:expr) => {{
        struct Written { $($($field: f64,)*)? }
        impl $crate::ops::execute::kernel::elementwise::Function for Written {
            #[inline(always)]
            #[allow(non_snake_case, unused_variables, clippy::allow_attributes, reason = "the number's type may go unnamed")]
            fn value<S: $crate::ops::execute::scalar::Scalar>(&self, x: &[S]) -> S {
                $($(let $field = S::of(self.$field);)*)?
                let [$($x),*] = x else { unreachable!("as many inputs as the function has") };
                $(let $x = *$x;)*
                $body
            }
        }
        Written { $($($field,)*)? }
    }};
}
pub(crate) use function;

/// Applies a function to all elements; shapes are broadcast to `shape`, the result has the first input's element type.
///
/// # Errors
/// Where the device fails or has no such element type.
pub fn map<F: Function>(inputs: &[&Tensor], shape: &[usize], function: &F) -> Result<Tensor, Fault> {
    map_to(inputs, shape, inputs[0].dtype(), function)
}

/// The same with a result of another element type.
///
/// # Errors
/// As [`map`].
pub fn map_to<F: Function>(
    inputs: &[&Tensor],
    shape: &[usize],
    dtype: DType,
    function: &F,
) -> Result<Tensor, Fault> {
    if !inputs[0].device().is_cpu() {
        return lanes::map(inputs, shape, dtype, function);
    }
    // Mixed types meet in the float among them, whole numbers in doubles.
    let float = inputs.iter().map(|input| input.dtype()).find(DType::is_float);
    let meet = if is_counting() { DType::F64 } else { float.unwrap_or(DType::F64) };
    let inputs = inputs.iter().map(|input| input.to_dtype(meet)).collect::<Result<Vec<_>, _>>()?;
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    let plan = Plan::new(&inputs, shape)?;
    let result = if is_counting() {
        let result = gather(&inputs, |slices: &[&[f64]]| {
            let slices: Vec<Vec<Counted>> =
                slices.iter().map(|slice| slice.iter().copied().map(Counted).collect()).collect();
            let slices: Vec<&[Counted]> = slices.iter().map(Vec::as_slice).collect();
            plan.run(&slices, |x| *x, |y| y.0, function)
        })?;
        tensor(result, shape)?
    } else {
        with_float!(meet, T => {
            let result = gather(&inputs, |slices: &[&[T]]| plan.run(slices, |x| x.load(), T::store, function))?;
            tensor(result, shape)
        })?
    };
    Ok(result.to_dtype(dtype)?)
}

/// A closure of one type, or each level of [`gather`] would be another function.
type Run<'a, T, R> = Box<dyn FnOnce(&[&[T]]) -> R + 'a>;

/// The elements of several tensors at once, each from its first one on.
pub(super) fn gather<T: WithDType, R>(
    inputs: &[&Tensor],
    run: impl FnOnce(&[&[T]]) -> R,
) -> Result<R, Fault> {
    fn deeper<T: WithDType, R>(
        inputs: &[&Tensor],
        slices: &[&[T]],
        run: impl FnOnce(&[&[T]]) -> R,
    ) -> Result<R, Fault> {
        match inputs {
            [] => Ok(run(slices)),
            [first, rest @ ..] => {
                let (storage, layout) = first.storage_and_layout();
                let candle_core::Storage::Cpu(storage) = &*storage else {
                    return Err(Fault::internal("a tensor of the CPU is elsewhere"));
                };
                let mut all: Vec<&[T]> = slices.to_vec();
                all.push(&T::cpu_storage_as_slice(storage)?[layout.start_offset()..]);
                let run: Run<'_, T, R> = Box::new(run);
                deeper(rest, &all, run)
            }
        }
    }
    let run: Run<'_, T, R> = Box::new(run);
    deeper(inputs, &[], run)
}

/// How the elements of broadcast inputs meet: rows, in which each input goes along or stands still.
struct Plan {
    /// The axes outside a row, and by input the step along each.
    outer: Vec<(usize, Vec<usize>)>,
    /// Elements of a row.
    row: usize,
    /// By input, the step from one element of a row to the next.
    along: Vec<usize>,
    elements: usize,
}

impl Plan {
    fn new(inputs: &[&Tensor], shape: &[usize]) -> Result<Self, Fault> {
        let mut steps: Vec<Vec<usize>> = Vec::with_capacity(inputs.len());
        for input in inputs {
            let (dims, strides) = (input.dims(), input.stride());
            let mut own = vec![0; shape.len()];
            let offset = shape.len().checked_sub(dims.len());
            let offset = offset.ok_or(Fault::Internal("an input has more axes than the result"))?;
            for (axis, (&size, &stride)) in dims.iter().zip(strides).enumerate() {
                if size != 1 {
                    if size != shape[offset + axis] {
                        return Err(Fault::internal("shapes do not broadcast"));
                    }
                    own[offset + axis] = stride;
                }
            }
            steps.push(own);
        }
        // Axes over which every input goes on as it did are one axis.
        let mut axes: Vec<(usize, Vec<usize>)> = Vec::new();
        for (axis, &size) in shape.iter().enumerate() {
            if size == 1 {
                continue;
            }
            let own: Vec<usize> = steps.iter().map(|steps| steps[axis]).collect();
            match axes.last_mut() {
                Some((outer, above)) if own.iter().zip(&*above).all(|(own, above)| own * size == *above) => {
                    *outer *= size;
                    *above = own;
                }
                _ => axes.push((size, own)),
            }
        }
        let (row, steps) = axes.pop().unwrap_or((1, vec![0; inputs.len()]));
        Ok(Self { outer: axes, row, along: steps, elements: shape.iter().product() })
    }

    fn run<T: Copy, S: Scalar, R, F: Function>(
        &self,
        inputs: &[&[T]],
        load: impl Fn(&T) -> S + Copy,
        store: impl Fn(S) -> R + Copy,
        function: &F,
    ) -> Vec<R> {
        let mut result = Vec::with_capacity(self.elements);
        if self.elements == 0 {
            return result;
        }
        let mut index = vec![0; self.outer.len()];
        let mut at = vec![0; inputs.len()];
        loop {
            simd(
                #[inline(always)]
                || self.row(inputs, &at, load, store, function, &mut result),
            );
            // On to the next row.
            let mut axis = self.outer.len();
            loop {
                if axis == 0 {
                    return result;
                }
                axis -= 1;
                let (size, steps) = &self.outer[axis];
                index[axis] += 1;
                if index[axis] < *size {
                    at.iter_mut().zip(steps).for_each(|(at, step)| *at += step);
                    break;
                }
                index[axis] = 0;
                at.iter_mut().zip(steps).for_each(|(at, step)| *at -= step * (size - 1));
            }
        }
    }

    /// One row. The usual cases have loops of their own, which the compiler makes wide.
    #[inline(always)]
    fn row<T: Copy, S: Scalar, R, F: Function>(
        &self,
        inputs: &[&[T]],
        at: &[usize],
        load: impl Fn(&T) -> S + Copy,
        store: impl Fn(S) -> R + Copy,
        function: &F,
        result: &mut Vec<R>,
    ) {
        let row = |index: usize| &inputs[index][at[index]..at[index] + self.row];
        let one = |index: usize| load(&inputs[index][at[index]]);
        match self.along.as_slice() {
            [1] => result.extend(row(0).iter().map(|a| store(function.value(&[load(a)])))),
            [0] => result.extend(std::iter::repeat_with(|| store(function.value(&[one(0)]))).take(self.row)),
            [1, 1] => result
                .extend(row(0).iter().zip(row(1)).map(|(a, b)| store(function.value(&[load(a), load(b)])))),
            [1, 0] => {
                let b = one(1);
                result.extend(row(0).iter().map(|a| store(function.value(&[load(a), b]))));
            }
            [0, 1] => {
                let a = one(0);
                result.extend(row(1).iter().map(|b| store(function.value(&[a, load(b)]))));
            }
            [1, 1, 1] => result.extend(
                (row(0).iter().zip(row(1)).zip(row(2)))
                    .map(|((a, b), c)| store(function.value(&[load(a), load(b), load(c)]))),
            ),
            [1, 0, 0] => {
                let (b, c) = (one(1), one(2));
                result.extend(row(0).iter().map(|a| store(function.value(&[load(a), b, c]))));
            }
            along => {
                let mut x: SmallVec<[S; 8]> = (0..inputs.len()).map(one).collect();
                for step in 0..self.row {
                    for (index, &along) in along.iter().enumerate() {
                        if along > 0 {
                            x[index] = load(&inputs[index][at[index] + step * along]);
                        }
                    }
                    result.push(store(function.value(&x)));
                }
            }
        }
    }
}
