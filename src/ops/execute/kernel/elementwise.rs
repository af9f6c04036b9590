//! Functions of single elements, shapes broadcast.

use candle_core::{DType, Tensor, WithDType};
use smallvec::{SmallVec, smallvec};

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
    let mut walks = inputs.iter().map(|input| Walk::new(input, shape)).collect::<Result<Vec<_>, _>>()?;
    let elements = shape.iter().product();
    let result = if is_counting() {
        let result = gather(&inputs, |slices: &[&[f64]]| {
            let slices: Vec<Vec<Counted>> = (slices.iter().zip(&mut walks))
                .map(|(slice, walk)| {
                    let mut numbers = vec![0.0; elements];
                    walk.read(slice, &mut numbers);
                    numbers.into_iter().map(Counted).collect()
                })
                .collect();
            let slices: Vec<&[Counted]> = slices.iter().map(Vec::as_slice).collect();
            let mut result = Vec::with_capacity(elements);
            apply(function, &slices, &mut result);
            result.into_iter().map(|y| y.0).collect()
        })?;
        tensor::<f64>(result, shape)?
    } else {
        with_float!(meet, T => {
            let each = |slices: &[&[<T as Element>::Number]], to: &mut Vec<_>| apply(function, slices, to);
            let result = gather(&inputs, |slices: &[&[T]]| blocks(slices, &mut walks, elements, &each))?;
            tensor(result, shape)
        })?
    };
    Ok(result.to_dtype(dtype)?)
}

fn apply<S: Scalar, F: Function>(function: &F, inputs: &[&[S]], to: &mut Vec<S>) {
    simd(
        #[inline(always)]
        || each(function, inputs, to),
    );
}

/// The only loops that know the function; the usual numbers of inputs have one of their own, which the compiler makes
/// wide. As the arguments of a function of its own it knows them not to overlap.
#[inline(always)]
fn each<S: Scalar, F: Function>(function: &F, inputs: &[&[S]], to: &mut Vec<S>) {
    match inputs {
        [a] => to.extend(a.iter().map(|a| function.value(&[*a]))),
        [a, b] => to.extend(a.iter().zip(*b).map(|(a, b)| function.value(&[*a, *b]))),
        [a, b, c] => {
            to.extend(a.iter().zip(*b).zip(*c).map(|((a, b), c)| function.value(&[*a, *b, *c])));
        }
        _ => to.extend((0..inputs[0].len()).map(|index| {
            let x: SmallVec<[S; 8]> = inputs.iter().map(|input| input[index]).collect();
            function.value(&x)
        })),
    }
}

/// Elements that are worked on at once: few enough for their buffers to stay in the fastest cache.
const BLOCK: usize = 256;

type Each<'a, S> = dyn Fn(&[&[S]], &mut Vec<S>) + 'a;

/// Bytes in memory at most where elements are halves: a block of singles before they are rounded.
pub const WIDENED: u64 = 4 * BLOCK as u64;

/// Calls `each` with blocks of the inputs' numbers in the order of the result, which it makes longer.
fn blocks<T: Element>(
    inputs: &[&[T]],
    walks: &mut [Walk],
    elements: usize,
    each: &Each<'_, T::Number>,
) -> Vec<T> {
    let mut result = Vec::with_capacity(elements);
    let whole: SmallVec<[Option<&[T::Number]>; 8]> = (inputs.iter().zip(&*walks))
        .map(|(input, walk)| {
            T::numbers(&input[..elements.min(input.len())]).filter(|_| walk.is_gapless(elements))
        })
        .collect();
    if let Some(all) = whole.iter().copied().collect::<Option<SmallVec<[&[T::Number]; 8]>>>() {
        T::append(&mut result, &mut |to| each(&all, to));
        return result;
    }
    let mut buffers: SmallVec<[[T::Number; BLOCK]; 8]> = smallvec![[T::Number::of(0.0); BLOCK]; inputs.len()];
    for start in (0..elements).step_by(BLOCK) {
        let size = BLOCK.min(elements - start);
        for (index, buffer) in buffers.iter_mut().enumerate().filter(|(index, _)| whole[*index].is_none()) {
            walks[index].read(inputs[index], &mut buffer[..size]);
        }
        let slices = whole.iter().zip(&buffers);
        let slices: SmallVec<[&[T::Number]; 8]> = slices
            .map(|(whole, buffer)| whole.map_or(&buffer[..size], |all| &all[start..start + size]))
            .collect();
        T::append(&mut result, &mut |to| each(&slices, to));
    }
    result
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

/// Where an input's elements lie, in the order of a result to whose shape it is broadcast.
struct Walk {
    /// The innermost first: size, step, and where it is. Axes over which it goes on as it did are one.
    axes: SmallVec<[(usize, usize, usize); 4]>,
    at: usize,
}

impl Walk {
    fn new(input: &Tensor, shape: &[usize]) -> Result<Self, Fault> {
        let (dims, strides) = (input.dims(), input.stride());
        let offset = shape.len().checked_sub(dims.len());
        let offset = offset.ok_or(Fault::Internal("an input has more axes than the result"))?;
        let mut axes: SmallVec<[(usize, usize, usize); 4]> = SmallVec::new();
        for (axis, &size) in shape.iter().enumerate().rev().filter(|(_, size)| **size != 1) {
            let own = axis.checked_sub(offset).map_or((1, 0), |axis| (dims[axis], strides[axis]));
            let step = match own {
                (1, _) => 0,
                (same, stride) if same == size => stride,
                _ => return Err(Fault::internal("shapes do not broadcast")),
            };
            match axes.last_mut() {
                Some((inner, below, _)) if step == *inner * *below => *inner *= size,
                _ => axes.push((size, step, 0)),
            }
        }
        if axes.is_empty() {
            axes.push((1, 0, 0));
        }
        Ok(Self { axes, at: 0 })
    }

    /// Whether so many elements lie one after the other.
    fn is_gapless(&self, elements: usize) -> bool {
        matches!(*self.axes, [(size, step, _)] if size == elements && (step == 1 || size == 1))
    }

    /// The next elements.
    fn read<T: Element>(&mut self, from: &[T], mut to: &mut [T::Number]) {
        while !to.is_empty() {
            let (size, step, index) = self.axes[0];
            let (now, later) = to.split_at_mut(to.len().min(size - index));
            match step {
                0 => now.fill(from[self.at].load()),
                1 => now.iter_mut().zip(&from[self.at..]).for_each(|(to, from)| *to = from.load()),
                _ => {
                    let from = from[self.at..].iter().step_by(step);
                    now.iter_mut().zip(from).for_each(|(to, from)| *to = from.load());
                }
            }
            self.advance(now.len());
            to = later;
        }
    }

    /// On by so many elements of the innermost axis, at most to its end.
    fn advance(&mut self, elements: usize) {
        let mut by = elements;
        for (size, step, index) in &mut self.axes {
            *index += by;
            self.at += by * *step;
            if *index < *size {
                return;
            }
            self.at -= *size * *step;
            *index = 0;
            by = 1;
        }
    }
}
