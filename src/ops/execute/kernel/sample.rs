//! Maps read between their elements: weighted sums of neighbours.

use candle_core::{DType, Tensor};

use super::super::Fault;
use super::super::scalar::{Counted, Scalar, is_counting};
use super::rows::{NOWHERE, on_cpu};
use super::{Element, simd, tensor, with_element, with_elements};

/// The weights of four neighbours of which the place lies behind the second, by `t` (Keys 1981).
pub fn cubic(t: f64, a: f64) -> [f64; 4] {
    let near = |x: f64| ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
    [far(1.0 + t), near(t), near(1.0 - t), far(2.0 - t)]
}

/// How they change with `t`.
pub fn cubic_slope(t: f64, a: f64) -> [f64; 4] {
    let near = |x: f64| (3.0 * (a + 2.0) * x - 2.0 * (a + 3.0)) * x;
    let far = |x: f64| (3.0 * a * x - 10.0 * a) * x + 8.0 * a;
    [far(1.0 + t), near(t), -near(1.0 - t), -far(2.0 - t)]
}

/// What every output of an axis reads: so many neighbours and their weights.
#[derive(Clone, Debug)]
pub struct Line<const N: usize> {
    /// The size of the axis.
    pub size: usize,
    /// Of each output, the neighbours, all on the axis.
    pub places: Vec<[usize; N]>,
    /// And their weights.
    pub weights: Vec<[f64; N]>,
}

impl<const N: usize> Line<N> {
    fn numbers<S: Scalar>(&self) -> Vec<[S; N]> {
        self.weights.iter().map(|weights| weights.map(S::of)).collect()
    }
}

fn shape(x: &Tensor, height: usize, width: usize) -> [usize; 4] {
    [x.dims()[0], x.dims()[1], height, width]
}

/// Joins the neighbours in a row, then the rows, for every output of `[n, c, h, w]`.
///
/// # Errors
/// What the device says.
pub fn joined<const N: usize>(x: &Tensor, rows: &Line<N>, columns: &Line<N>) -> Result<Tensor, Fault> {
    if !x.device().is_cpu() {
        return by_matrices(x, &matrix(rows, x)?, &matrix(columns, x)?);
    }
    let (x, shape) = (x.contiguous()?, shape(x, rows.places.len(), columns.places.len()));
    if is_counting() {
        let doubles = x.to_dtype(DType::F64)?;
        let made = with_elements(&doubles, |x: &[f64]| join(x, rows, columns, |x| Counted(*x), |y| y.0))?;
        return Ok(tensor(made, &shape)?.to_dtype(x.dtype())?);
    }
    with_element!(x.dtype(), T => {
        let made = with_elements(&x, |x: &[T]| {
            simd(#[inline(always)] || join(x, rows, columns, |x| x.load(), T::store))
        })?;
        tensor(made, &shape)
    })
}

#[inline(always)]
fn join<const N: usize, T, S: Scalar, R>(
    x: &[T],
    rows: &Line<N>,
    columns: &Line<N>,
    load: impl Fn(&T) -> S + Copy,
    store: impl Fn(S) -> R + Copy,
) -> Vec<R> {
    let (across, down) = (columns.numbers::<S>(), rows.numbers::<S>());
    let (map, width) = (rows.size * columns.size, columns.size);
    let maps = x.len().checked_div(map).unwrap_or(0);
    let mut made = Vec::with_capacity(maps * down.len() * across.len());
    for map in x.chunks_exact(map.max(1)) {
        for (lines, down) in rows.places.iter().zip(&down) {
            let lines = lines.map(|line| &map[line * width..][..width]);
            made.extend(columns.places.iter().zip(&across).map(|(places, across)| {
                let line = |line: &[T]| weighed(places.map(|place| load(&line[place])), across);
                store(weighed(lines.map(line), down))
            }));
        }
    }
    made
}

#[inline(always)]
fn weighed<const N: usize, S: Scalar>(x: [S; N], weights: &[S; N]) -> S {
    let mut all = x[0] * weights[0];
    for (&x, &weight) in x.iter().zip(weights).skip(1) {
        all = all + x * weight;
    }
    all
}

/// The reverse of [`joined`].
///
/// # Errors
/// What the device says.
pub fn spread<const N: usize>(gradient: &Tensor, rows: &Line<N>, columns: &Line<N>) -> Result<Tensor, Fault> {
    if !gradient.device().is_cpu() {
        let back = |line| Ok::<_, Fault>(matrix(line, gradient)?.t()?.contiguous()?);
        return by_matrices(gradient, &back(rows)?, &back(columns)?);
    }
    let (gradient, shape) = (gradient.contiguous()?, shape(gradient, rows.size, columns.size));
    with_element!(gradient.dtype(), T => {
        let made = with_elements(&gradient, |gradient: &[T]| {
            spread_out(gradient, rows, columns, |x| x.load(), T::store)
        })?;
        tensor(made, &shape)
    })
}

fn spread_out<const N: usize, T, S: Scalar, R>(
    gradient: &[T],
    rows: &Line<N>,
    columns: &Line<N>,
    load: impl Fn(&T) -> S + Copy,
    store: impl Fn(S) -> R + Copy,
) -> Vec<R> {
    let (across, down) = (columns.numbers::<S>(), rows.numbers::<S>());
    let outputs = down.len() * across.len();
    let mut sums = vec![S::of(0.0); rows.size * columns.size];
    let mut made = Vec::with_capacity(gradient.len().checked_div(outputs).unwrap_or(0) * sums.len());
    let mut line = vec![S::of(0.0); columns.size];
    for map in gradient.chunks_exact(outputs.max(1)) {
        sums.fill(S::of(0.0));
        for (y, own) in map.chunks_exact(across.len().max(1)).enumerate() {
            // Along the row first; then to the rows.
            line.fill(S::of(0.0));
            for ((x, places), weights) in own.iter().zip(&columns.places).zip(&across) {
                for (&place, &weight) in places.iter().zip(weights) {
                    line[place] = line[place] + load(x) * weight;
                }
            }
            for (&row, &weight) in rows.places[y].iter().zip(&down[y]) {
                let to = &mut sums[row * columns.size..][..columns.size];
                to.iter_mut().zip(&line).for_each(|(to, &x)| *to = *to + x * weight);
            }
        }
        made.extend(sums.iter().map(|&sum| store(sum)));
    }
    made
}

/// A line as a matrix: outputs by elements of the axis.
fn matrix<const N: usize>(line: &Line<N>, like: &Tensor) -> Result<Tensor, Fault> {
    let mut made = vec![0.0; line.places.len() * line.size];
    for ((row, places), weights) in
        made.chunks_exact_mut(line.size.max(1)).zip(&line.places).zip(&line.weights)
    {
        places.iter().zip(weights).for_each(|(&place, &weight)| row[place] += weight);
    }
    let made = Tensor::from_vec(made, (line.places.len(), line.size), &candle_core::Device::Cpu)?;
    Ok(made.to_dtype(like.dtype())?.to_device(like.device())?)
}

fn by_matrices(x: &Tensor, rows: &Tensor, columns: &Tensor) -> Result<Tensor, Fault> {
    let shape = shape(x, rows.dims()[0], columns.dims()[0]);
    let across = super::products::multiply(&x.contiguous()?, &columns.t()?.contiguous()?)?;
    Ok(rows.broadcast_matmul(&across)?.contiguous()?.reshape(&shape)?)
}

/// Four neighbours of a place in a map and their weights, for bilinear reading; one beside the map counts 0.
pub type Four<S> = [(usize, S); 4];

/// The weighed sum of four neighbours: 4 products, 3 sums.
#[inline(always)]
pub fn four<T, S: Scalar>(map: &[T], taps: &Four<S>, load: impl Fn(&T) -> S) -> S {
    let read = |(place, weight): (usize, S)| weight * map.get(place).map_or(S::of(0.0), &load);
    taps[1..].iter().fold(read(taps[0]), |all, &tap| all + read(tap))
}

/// Adds a gradient to four neighbours.
pub fn four_back(sums: &mut [f64], taps: &Four<f64>, gradient: f64) {
    for &(place, weight) in taps.iter().filter(|(place, _)| *place != NOWHERE) {
        sums[place] += gradient * weight;
    }
}

/// Runs loops that are written in doubles, backward passes that need not be quick; the result has the first's type.
///
/// # Errors
/// What the devices and `run` say.
pub fn in_doubles<const N: usize>(
    inputs: [&Tensor; N],
    shape: &[usize],
    run: impl FnOnce([&[f64]; N]) -> Vec<f64>,
) -> Result<Tensor, Fault> {
    let dtype = inputs[0].dtype();
    on_cpu(inputs, |inputs| {
        let mut numbers = Vec::with_capacity(N);
        for input in inputs {
            numbers.push(super::doubles(input)?);
        }
        let made = run(std::array::from_fn(|index| numbers[index].as_slice()));
        Ok(tensor(made, shape)?.to_dtype(dtype)?)
    })
}
