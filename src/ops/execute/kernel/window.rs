//! Windows that slide over maps: a fold over each, and the way back.

use candle_core::Tensor;

use super::super::Fault;
use super::super::scalar::{Counted, Scalar, is_counting};
use super::convolution::Slide;
use super::elementwise::{Function, function, map};
use super::reach::Reach;
use super::rows::{Rows, pick, put};
use super::{Element, simd, tensor, with_element, with_elements};
use crate::ops::Io;
use crate::tensor::DType;
use crate::units::{Overflow, product, sum};

/// What becomes of a window's elements.
pub trait Pool {
    /// What stands beside the map.
    const BESIDE: f64;
    /// What the element at a tap counts as.
    fn each<S: Scalar>(&self, x: S, tap: usize) -> S;
    /// Two of those become one.
    fn join<S: Scalar>(&self, a: S, b: S) -> S;
    /// The result of a window of size `n`.
    fn finish<S: Scalar>(&self, all: S, n: S) -> S;
}

/// The largest element.
pub struct Largest;

impl Pool for Largest {
    const BESIDE: f64 = f64::NEG_INFINITY;
    #[inline(always)]
    fn each<S: Scalar>(&self, x: S, _: usize) -> S {
        x
    }
    #[inline(always)]
    fn join<S: Scalar>(&self, a: S, b: S) -> S {
        a.max(b)
    }
    #[inline(always)]
    fn finish<S: Scalar>(&self, all: S, _: S) -> S {
        all
    }
}

/// The sum over the window's size.
pub struct Average;

impl Pool for Average {
    const BESIDE: f64 = 0.0;
    #[inline(always)]
    fn each<S: Scalar>(&self, x: S, _: usize) -> S {
        x
    }
    #[inline(always)]
    fn join<S: Scalar>(&self, a: S, b: S) -> S {
        a + b
    }
    #[inline(always)]
    fn finish<S: Scalar>(&self, all: S, n: S) -> S {
        all / n
    }
}

/// The shape of a pool's output.
fn pooled(x: &Tensor, [height, width]: [usize; 2]) -> Vec<usize> {
    [x.dims()[0], x.dims()[1], height, width].to_vec()
}

/// Folds every window of `[n, c, h, w]`; `sizes` has one for each element of an output map.
///
/// # Errors
/// What the device says.
pub fn pool<P: Pool>(x: &Tensor, slide: &Slide, sizes: &[f64], pool: &P) -> Result<Tensor, Fault> {
    let shape = pooled(x, slide.output);
    if !x.device().is_cpu() {
        return taps_apart(x, slide, sizes, pool);
    }
    let x = x.contiguous()?;
    if is_counting() {
        let doubles = x.to_dtype(candle_core::DType::F64)?;
        let made =
            with_elements(&doubles, |x: &[f64]| folded(x, slide, sizes, |x| Counted(*x), |y| y.0, pool))?;
        return Ok(tensor(made, shape)?.to_dtype(x.dtype())?);
    }
    with_element!(x.dtype(), T => {
        let made = with_elements(&x, |x: &[T]| {
            simd(#[inline(always)] || folded(x, slide, sizes, |x| x.load(), T::store, pool))
        })?;
        tensor(made, shape)
    })
}

/// The bytes that [`pool`] and [`spread`] have beside what they read and give out: the frame that a map is laid into, a
/// row, and the sizes.
///
/// # Errors
/// Where they do not fit.
pub(in crate::ops) fn workspace(slide: &Slide, io: Io<'_>) -> Result<u64, Overflow> {
    let frame = Frame::new(slide);
    let number = bytes_of_number(io);
    let cells = product(&[frame.rows as u64, frame.stride as u64, frame.length as u64])?;
    let cells = sum([cells, slide.output[1] as u64])?;
    sum([
        product(&[cells, number])?,
        product(&[slide.outputs() as u64, 8])?,
        product(&[slide.taps() as u64, 8])?,
    ])
}

/// The bytes of the number that computes for an element of the first input.
pub(in crate::ops) fn bytes_of_number(io: Io<'_>) -> u64 {
    match io.inputs[0].dtype {
        DType::F16 | DType::Bf16 | DType::F32 => 4,
        _ => 8,
    }
}

/// A map with what stands around it, the columns of a row dealt out by the stride: what neighbouring outputs read lies
/// side by side.
#[derive(Clone, Copy)]
struct Frame<'a> {
    slide: &'a Slide,
    rows: usize,
    stride: usize,
    /// Columns of each deal.
    length: usize,
}

impl<'a> Frame<'a> {
    fn new(slide: &'a Slide) -> Self {
        // Saturated where it would not fit in memory anyway.
        let needed = |axis: usize| {
            let reach = (slide.kernel[axis] - 1).saturating_mul(slide.dilation[axis]);
            let steps = slide.output[axis].saturating_sub(1).saturating_mul(slide.stride[axis]);
            steps.saturating_add(reach).saturating_add(1)
        };
        // With one column there is nothing to deal out.
        let stride = if slide.output[1] > 1 { slide.stride[1] } else { 1 };
        Self { slide, rows: needed(0), stride, length: needed(1).div_ceil(stride) }
    }

    fn elements(&self) -> usize {
        self.rows * self.stride * self.length
    }

    /// The place of a row and column of the padded map.
    #[inline(always)]
    fn place(&self, row: usize, column: usize) -> usize {
        (row * self.stride + column % self.stride) * self.length + column / self.stride
    }

    /// Visits every stretch of a map's row that lies in one deal: place in the frame, and first element, step, and
    /// number of elements in the map.
    #[inline(always)]
    fn stretches(&self, mut visit: impl FnMut(usize, usize, usize, usize)) {
        let ([top, left], [height, width]) = (self.slide.before, self.slide.input);
        let columns = (self.stride * self.length).saturating_sub(left).min(width);
        for row in 0..self.rows.saturating_sub(top).min(height) {
            for first in 0..self.stride.min(columns) {
                let count = (columns - first).div_ceil(self.stride);
                visit(self.place(row + top, first + left), row * width + first, self.stride, count);
            }
        }
    }

    #[inline(always)]
    fn fill<T, S: Scalar>(&self, frame: &mut [S], map: &[T], load: impl Fn(&T) -> S + Copy) {
        self.stretches(|place, first, step, count| {
            let to = &mut frame[place..place + count];
            match step {
                1 => to.iter_mut().zip(&map[first..]).for_each(|(to, x)| *to = load(x)),
                // Whole pairs, so that the compiler may shuffle many at once.
                2 => {
                    let pairs = map[first..].chunks_exact(2);
                    let last = pairs.remainder().first();
                    to.iter_mut().zip(pairs).for_each(|(to, pair)| *to = load(&pair[0]));
                    if let (Some(x), true) = (last, map[first..].len() / 2 < count) {
                        to[count - 1] = load(x);
                    }
                }
                _ => to.iter_mut().zip(map[first..].iter().step_by(step)).for_each(|(to, x)| *to = load(x)),
            }
        });
    }
}

#[inline(always)]
fn folded<T, S: Scalar, R, P: Pool>(
    x: &[T],
    slide: &Slide,
    sizes: &[f64],
    load: impl Fn(&T) -> S + Copy,
    store: impl Fn(S) -> R + Copy,
    pool: &P,
) -> Vec<R> {
    let (frame, [height, width]) = (Frame::new(slide), slide.output);
    let maps = x.len().checked_div(slide.inputs()).unwrap_or(0);
    let mut made = Vec::with_capacity(maps * slide.outputs());
    let mut plane = vec![S::of(P::BESIDE); frame.elements()];
    let mut all: Vec<S> = Vec::with_capacity(width);
    for map in x.chunks_exact(slide.inputs().max(1)) {
        frame.fill(&mut plane, map, load);
        for y in 0..height {
            for ky in 0..slide.kernel[0] {
                let row = y * slide.stride[0] + ky * slide.dilation[0];
                for kx in 0..slide.kernel[1] {
                    let tap = ky * slide.kernel[1] + kx;
                    let read = &plane[frame.place(row, kx * slide.dilation[1])..][..width];
                    if tap == 0 {
                        all.clear();
                        all.extend(read.iter().map(|&x| pool.each(x, tap)));
                    } else {
                        all.iter_mut()
                            .zip(read)
                            .for_each(|(all, &x)| *all = pool.join(*all, pool.each(x, tap)));
                    }
                }
            }
            let sizes = &sizes[y * width..][..width];
            made.extend(all.iter().zip(sizes).map(|(&all, &n)| store(pool.finish(all, S::of(n)))));
        }
    }
    made
}

/// Adds the gradient of every output to all that its window read, each times the weight of its tap.
///
/// # Errors
/// What the device says.
pub fn spread(gradient: &Tensor, slide: &Slide, weights: &[f64]) -> Result<Tensor, Fault> {
    let shape = pooled(gradient, slide.input);
    if !gradient.device().is_cpu() {
        return taps_back(gradient, slide, weights);
    }
    let gradient = gradient.contiguous()?;
    with_element!(gradient.dtype(), T => {
        let made = with_elements(&gradient, |gradient: &[T]| {
            simd(#[inline(always)] || spread_out(gradient, slide, weights, |x| x.load(), T::store))
        })?;
        tensor(made, shape)
    })
}

#[inline(always)]
fn spread_out<T, S: Scalar, R: Copy>(
    gradient: &[T],
    slide: &Slide,
    weights: &[f64],
    load: impl Fn(&T) -> S + Copy,
    store: impl Fn(S) -> R + Copy,
) -> Vec<R> {
    let (frame, [height, width], zero) = (Frame::new(slide), slide.output, S::of(0.0));
    let maps = gradient.len().checked_div(slide.outputs()).unwrap_or(0);
    let mut made = vec![store(zero); maps * slide.inputs()];
    let mut plane = vec![zero; frame.elements()];
    let mut row: Vec<S> = Vec::with_capacity(width);
    let to = made.chunks_exact_mut(slide.inputs().max(1));
    for (map, to) in gradient.chunks_exact(slide.outputs().max(1)).zip(to) {
        plane.fill(zero);
        for y in 0..height {
            row.clear();
            row.extend(map[y * width..][..width].iter().map(load));
            for ky in 0..slide.kernel[0] {
                for kx in 0..slide.kernel[1] {
                    let place =
                        frame.place(y * slide.stride[0] + ky * slide.dilation[0], kx * slide.dilation[1]);
                    let weight = S::of(weights[ky * slide.kernel[1] + kx]);
                    let sums = plane[place..][..width].iter_mut();
                    sums.zip(&row).for_each(|(sum, &x)| *sum = *sum + x * weight);
                }
            }
        }
        frame.stretches(|place, first, step, count| {
            let to = to[first..].iter_mut().step_by(step);
            to.zip(&plane[place..place + count]).for_each(|(to, &sum)| *to = store(sum));
        });
    }
    made
}

/// The rows and columns that a tap reads, for every output.
fn places(slide: &Slide, tap: usize) -> [Vec<usize>; 2] {
    let tap = [tap / slide.kernel[1], tap % slide.kernel[1]];
    [0, 1].map(|axis| Reach::tap(slide, axis, tap[axis]))
}

struct Each<'a, P>(&'a P, usize);

impl<P: Pool> Function for Each<'_, P> {
    fn value<S: Scalar>(&self, x: &[S]) -> S {
        self.0.each(x[0], self.1)
    }
}

struct Join<'a, P>(&'a P, usize);

impl<P: Pool> Function for Join<'_, P> {
    fn value<S: Scalar>(&self, x: &[S]) -> S {
        self.0.join(x[0], self.0.each(x[1], self.1))
    }
}

struct Finish<'a, P>(&'a P);

impl<P: Pool> Function for Finish<'_, P> {
    fn value<S: Scalar>(&self, x: &[S]) -> S {
        self.0.finish(x[0], x[1])
    }
}

/// [`pool`] on a device: each tap's elements as a tensor.
fn taps_apart<P: Pool>(x: &Tensor, slide: &Slide, sizes: &[f64], pool: &P) -> Result<Tensor, Fault> {
    let shape = pooled(x, slide.output);
    let mut all: Option<Tensor> = None;
    for tap in 0..slide.taps() {
        let [rows, columns] = places(slide, tap);
        let lines = pooled(x, [slide.output[0], slide.input[1]]);
        let read = pick(x, Rows::along(x.dims(), 2), &rows, P::BESIDE, &lines)?;
        let read = pick(&read, Rows::along(&lines, 3), &columns, P::BESIDE, &shape)?;
        all = Some(match all {
            None => map(&[&read], &shape, &Each(pool, tap))?,
            Some(all) => map(&[&all, &read], &shape, &Join(pool, tap))?,
        });
    }
    let all = all.ok_or(Fault::Internal("a window without taps"))?;
    let sizes = Tensor::from_slice(sizes, (slide.output[0], slide.output[1]), &candle_core::Device::Cpu)?;
    let sizes = sizes.to_dtype(x.dtype())?.to_device(x.device())?;
    map(&[&all, &sizes], &shape, &Finish(pool))
}

/// [`spread`] on a device.
fn taps_back(gradient: &Tensor, slide: &Slide, weights: &[f64]) -> Result<Tensor, Fault> {
    let (shape, lines) = (pooled(gradient, slide.input), pooled(gradient, [slide.output[0], slide.input[1]]));
    let mut all = Tensor::zeros(shape.as_slice(), gradient.dtype(), gradient.device())?;
    for (tap, &weight) in weights.iter().enumerate() {
        let [rows, columns] = places(slide, tap);
        let back = put(gradient, Rows::along(&lines, 3), &columns, &lines)?;
        let back = put(&back, Rows::along(&shape, 2), &rows, &shape)?;
        all = map(&[&all, &back], &shape, &function!([weight] | all, back | all + back * weight))?;
    }
    Ok(all)
}
