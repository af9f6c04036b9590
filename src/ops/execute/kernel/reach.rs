//! Which elements of a map each window reads, for windows of any size and for what looks for the winner in each.

use candle_core::{DType, Tensor};

use super::super::Fault;
use super::super::scalar::{Counted, Scalar, is_counting};
use super::convolution::Slide;
use super::rows::{NOWHERE, on_cpu};
use super::window::{Pool, bytes_of_number};
use super::{Element, tensor, with_element, with_elements};
use crate::ops::Io;
use crate::units::{Overflow, product, sum};

/// Which elements of an axis each window reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The size of the axis.
    pub size: usize,
    /// From one element of a window to the next.
    pub step: usize,
    /// The first element of each window, and their number.
    pub windows: Vec<(usize, usize)>,
}

impl Reach {
    /// A sliding window, as far as it lies on an axis that is longer by so many elements before and after.
    pub fn sliding(slide: &Slide, axis: usize, more: [usize; 2]) -> Self {
        let (stride, step) = (slide.stride[axis], slide.dilation[axis]);
        let start = slide.before[axis].saturating_sub(more[0]);
        let size = more[0] + slide.input[axis] + more[1];
        let window = |index: usize| {
            // Taps before the axis, and those before its end.
            let first = start.saturating_sub(index * stride).div_ceil(step).min(slide.kernel[axis]);
            let end = (start + size).saturating_sub(index * stride).div_ceil(step).min(slide.kernel[axis]);
            ((index * stride + first * step).saturating_sub(start), end.saturating_sub(first))
        };
        Self { size, step, windows: (0..slide.output[axis]).map(window).collect() }
    }

    /// As many windows as the output has elements: from `⌊i·in/out⌋` to `⌈(i+1)·in/out⌉`.
    pub fn adaptive(input: usize, output: usize) -> Self {
        let window = |index: usize| {
            let (first, end) = (index * input / output, ((index + 1) * input).div_ceil(output));
            (first, end - first)
        };
        Self { size: input, step: 1, windows: (0..output).map(window).collect() }
    }

    /// The element that tap `tap` of a sliding window reads, for every output; [`NOWHERE`] beside the axis.
    pub fn tap(slide: &Slide, axis: usize, tap: usize) -> Vec<usize> {
        let place = |index: usize| {
            let padded = index * slide.stride[axis] + tap * slide.dilation[axis];
            let place = padded.checked_sub(slide.before[axis]);
            place.filter(|&place| place < slide.input[axis]).unwrap_or(NOWHERE)
        };
        (0..slide.output[axis]).map(place).collect()
    }

    fn elements(&self, window: usize) -> impl Iterator<Item = usize> + Clone + use<> {
        let ((first, count), step) = (self.windows[window], self.step);
        (0..count).map(move |tap| first + tap * step)
    }
}

/// The number of elements of each window of a map.
#[expect(clippy::cast_precision_loss, reason = "windows have fewer than 2^53 elements")]
pub fn sizes(reach: &[Reach; 2]) -> Vec<f64> {
    let [rows, columns] = reach;
    let row =
        |&(_, rows): &(usize, usize)| columns.windows.iter().map(move |(_, count)| (rows * count) as f64);
    rows.windows.iter().flat_map(row).collect()
}

/// The places in a map that the window of an output reads.
fn places(reach: &[Reach; 2], row: usize, column: usize) -> impl Iterator<Item = usize> {
    let width = reach[1].size;
    let columns = reach[1].elements(column);
    reach[0].elements(row).flat_map(move |row| columns.clone().map(move |column| row * width + column))
}

/// Every output of a map with its place.
fn outputs(reach: &[Reach; 2]) -> impl Iterator<Item = (usize, usize)> {
    let [rows, columns] = reach.each_ref().map(|reach| reach.windows.len());
    (0..rows).flat_map(move |row| (0..columns).map(move |column| (row, column)))
}

fn shape(x: &Tensor, [height, width]: [usize; 2]) -> [usize; 4] {
    [x.dims()[0], x.dims()[1], height, width]
}

/// Folds what each window reads of `[n, c, h, w]`, no more.
///
/// # Errors
/// What the device says.
pub fn pool<P: Pool>(x: &Tensor, reach: &[Reach; 2], pool: &P) -> Result<Tensor, Fault> {
    on_cpu([x], |[x]| {
        let shape = shape(x, reach.each_ref().map(|reach| reach.windows.len()));
        if is_counting() {
            let doubles = x.to_dtype(DType::F64)?;
            let made = with_elements(&doubles, |x: &[f64]| folded(x, reach, |x| Counted(*x), |y| y.0, pool))?;
            return Ok(tensor(made, &shape)?.to_dtype(x.dtype())?);
        }
        with_element!(x.dtype(), T => {
            let made = with_elements(x, |x: &[T]| folded(x, reach, |x| x.load(), T::store, pool))?;
            tensor(made, &shape)
        })
    })
}

fn folded<T, S: Scalar, R, P: Pool>(
    x: &[T],
    reach: &[Reach; 2],
    load: impl Fn(&T) -> S + Copy,
    store: impl Fn(S) -> R + Copy,
    pool: &P,
) -> Vec<R> {
    let sizes = sizes(reach);
    let map = reach[0].size * reach[1].size;
    let mut made = Vec::with_capacity(x.len().checked_div(map).unwrap_or(0) * sizes.len());
    for map in x.chunks_exact(map.max(1)) {
        made.extend(outputs(reach).zip(&sizes).map(|((row, column), &n)| {
            let read =
                places(reach, row, column).enumerate().map(|(tap, place)| pool.each(load(&map[place]), tap));
            let all = read.reduce(|a, b| pool.join(a, b)).unwrap_or(S::of(P::BESIDE));
            store(pool.finish(all, S::of(n)))
        }));
    }
    made
}

/// The bytes that the passes here have beside what they read and give out: sums for a map, the sizes and places of its
/// windows.
///
/// # Errors
/// Where they do not fit.
pub(in crate::ops) fn workspace(io: Io<'_>) -> Result<u64, Overflow> {
    let maps = product(io.inputs[0].spatial())?;
    let (outputs, sides) = (io.outputs[0].spatial(), sum(io.outputs[0].spatial().iter().copied())?);
    sum([product(&[maps, bytes_of_number(io)])?, product(&[product(outputs)?, 8])?, product(&[sides, 16])?])
}

/// Adds each output's gradient over its window's size to all that the window read.
///
/// # Errors
/// What the device says.
pub fn share(gradient: &Tensor, reach: &[Reach; 2]) -> Result<Tensor, Fault> {
    let shape = shape(gradient, reach.each_ref().map(|reach| reach.size));
    on_cpu([gradient], |[gradient]| {
        with_element!(gradient.dtype(), T => {
            let made = with_elements(gradient, |gradient: &[T]| shared(gradient, reach, Element::load, T::store))?;
            tensor(made, &shape)
        })
    })
}

fn shared<T: Copy, S: Scalar>(
    gradient: &[T],
    reach: &[Reach; 2],
    load: impl Fn(T) -> S,
    store: impl Fn(S) -> T + Copy,
) -> Vec<T> {
    let (sizes, map) = (sizes(reach), reach[0].size * reach[1].size);
    let mut sums = vec![S::of(0.0); map];
    let mut made = Vec::with_capacity(gradient.len().checked_div(sizes.len()).unwrap_or(0) * map);
    for own in gradient.chunks_exact(sizes.len().max(1)) {
        sums.fill(S::of(0.0));
        for (((row, column), &n), &gradient) in outputs(reach).zip(&sizes).zip(own) {
            let each = load(gradient) / S::of(n);
            places(reach, row, column).for_each(|place| sums[place] = sums[place] + each);
        }
        made.extend(sums.iter().map(|&sum| store(sum)));
    }
    made
}

/// Adds each output's gradient to the largest element of its window, the first where there are several.
///
/// # Errors
/// What the device says.
pub fn winners(x: &Tensor, gradient: &Tensor, reach: &[Reach; 2]) -> Result<Tensor, Fault> {
    let shape = shape(gradient, reach.each_ref().map(|reach| reach.size));
    on_cpu([x, gradient], |[x, gradient]| {
        with_element!(x.dtype(), T => {
            let made = with_elements(x, |x: &[T]| {
                with_elements(gradient, |gradient: &[T]| won(x, gradient, reach, Element::load, T::store))
            })??;
            tensor(made, &shape)
        })
    })
}

fn won<T: Copy + PartialOrd, S: Scalar>(
    x: &[T],
    gradient: &[T],
    reach: &[Reach; 2],
    load: impl Fn(T) -> S,
    store: impl Fn(S) -> T + Copy,
) -> Vec<T> {
    let [rows, columns] = reach;
    let (map, windows) = (rows.size * columns.size, rows.windows.len() * columns.windows.len());
    let mut sums = vec![S::of(0.0); map];
    let mut made = Vec::with_capacity(x.len());
    for (x, gradient) in x.chunks_exact(map.max(1)).zip(gradient.chunks_exact(windows.max(1))) {
        sums.fill(S::of(0.0));
        let mut gradient = gradient.iter();
        for &(top, height) in &rows.windows {
            for (&(left, width), &gradient) in columns.windows.iter().zip(&mut gradient) {
                if height * width == 0 {
                    continue;
                }
                let mut winner = top * columns.size + left;
                for row in (0..height).map(|row| top + row * rows.step) {
                    let start = row * columns.size + left;
                    for place in (0..width).map(|column| start + column * columns.step) {
                        // What is not a number wins, and stays.
                        let is_nan = x[place].partial_cmp(&x[place]).is_none();
                        if x[place] > x[winner] || (is_nan && x[winner].partial_cmp(&x[winner]).is_some()) {
                            winner = place;
                        }
                    }
                }
                sums[winner] = sums[winner] + load(gradient);
            }
        }
        made.extend(sums.iter().map(|&sum| store(sum)));
    }
    made
}
