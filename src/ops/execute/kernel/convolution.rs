//! Convolutions as products of matrices.

use candle_core::{DType, Tensor, WithDType};

use super::super::{Fault, Pass, size};
use super::elementwise::{function, map};
use super::{simd, tensor, with_elements};
use crate::ops::Io;
use crate::ops::attribute::Padding;
use crate::ops::window::Window;
use crate::units::{Overflow, product, sum};

/// How a window slides over a map, all sizes resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slide {
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Steps.
    pub stride: [usize; 2],
    /// Distance between taps.
    pub dilation: [usize; 2],
    /// Elements before the map: above, left.
    pub before: [usize; 2],
    /// Height and width of the map.
    pub input: [usize; 2],
    /// Height and width of the output.
    pub output: [usize; 2],
}

impl Slide {
    /// The window over the last two axes of the first input.
    ///
    /// # Errors
    /// Where a size does not fit in the CPU's numbers.
    pub(in crate::ops) fn new(io: Io<'_>, windows: [Window; 2], padding: Padding) -> Result<Self, Overflow> {
        let pair = |of: &[u64]| Ok([size(of[0])?, size(of[1])?]);
        let (input, output) = (io.inputs[0].spatial(), io.outputs[0].spatial());
        let before = match padding {
            Padding::Explicit { top, left, .. } => [top, left],
            Padding::Same => [windows[0].same(input[0])?.0, windows[1].same(input[1])?.0],
        };
        Ok(Self {
            kernel: pair(&windows.map(|window| window.kernel))?,
            stride: pair(&windows.map(|window| window.stride))?,
            dilation: pair(&windows.map(|window| window.dilation))?,
            before: pair(&before)?,
            input: pair(input)?,
            output: pair(output)?,
        })
    }

    /// Whether every output reads exactly the input at its own place.
    pub fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.stride == [1, 1] && self.before == [0, 0] && self.input == self.output
    }

    /// Elements of one map of the input.
    pub fn inputs(&self) -> usize {
        self.input[0] * self.input[1]
    }

    /// Elements of one map of the output.
    pub fn outputs(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Taps of the kernel.
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// The outputs along an axis whose tap `tap` lies on the map.
    pub fn on_map(&self, axis: usize, tap: usize) -> std::ops::Range<usize> {
        let reach = tap * self.dilation[axis];
        let (before, stride) = (self.before[axis], self.stride[axis]);
        let start = before.saturating_sub(reach).div_ceil(stride).min(self.output[axis]);
        let end = (self.input[axis] + before).saturating_sub(reach).div_ceil(stride).min(self.output[axis]);
        start..end.max(start)
    }
}

/// The windows of some channels as columns: `[channels · kh · kw, h' · w']`, zero where a tap lies beside the map.
fn columns<T: WithDType>(x: &[T], channels: usize, slide: &Slide) -> Vec<T> {
    let [kh, kw] = slide.kernel;
    let [height, width] = slide.output;
    let mut columns = vec![T::zero(); channels * slide.taps() * slide.outputs()];
    let mut rows = columns.chunks_exact_mut(slide.outputs().max(1));
    for map in x.chunks_exact(slide.inputs().max(1)).take(channels) {
        for (ky, kx) in (0..kh).flat_map(|ky| (0..kw).map(move |kx| (ky, kx))) {
            let Some(row) = rows.next() else { return columns };
            let (ys, xs) = (slide.on_map(0, ky), slide.on_map(1, kx));
            for y in ys {
                debug_assert!(y < height);
                let line = y * slide.stride[0] + ky * slide.dilation[0] - slide.before[0];
                let from = &map[line * slide.input[1]..][..slide.input[1]];
                let to = &mut row[y * width..][..width];
                let first = xs.start * slide.stride[1] + kx * slide.dilation[1] - slide.before[1];
                if slide.stride[1] == 1 {
                    to[xs.clone()].copy_from_slice(&from[first..first + xs.len()]);
                } else if !xs.is_empty() {
                    let read = from[first..].iter().step_by(slide.stride[1]);
                    to[xs.clone()].iter_mut().zip(read).for_each(|(to, &from)| *to = from);
                }
            }
        }
    }
    columns
}

/// Adds columns back to where they came from: the reverse of [`columns`].
fn fold<T: WithDType>(columns: &[T], channels: usize, slide: &Slide) -> Vec<T> {
    let [kh, kw] = slide.kernel;
    let width = slide.output[1];
    let mut x = vec![T::zero(); channels * slide.inputs()];
    let mut rows = columns.chunks_exact(slide.outputs().max(1));
    for map in x.chunks_exact_mut(slide.inputs().max(1)) {
        for (ky, kx) in (0..kh).flat_map(|ky| (0..kw).map(move |kx| (ky, kx))) {
            let Some(row) = rows.next() else { return x };
            let (ys, xs) = (slide.on_map(0, ky), slide.on_map(1, kx));
            for y in ys {
                let line = y * slide.stride[0] + ky * slide.dilation[0] - slide.before[0];
                let to = &mut map[line * slide.input[1]..][..slide.input[1]];
                if xs.is_empty() {
                    continue;
                }
                let first = xs.start * slide.stride[1] + kx * slide.dilation[1] - slide.before[1];
                let from = &row[y * width..][xs.clone()];
                to[first..].iter_mut().step_by(slide.stride[1]).zip(from).for_each(|(to, &from)| *to += from);
            }
        }
    }
    x
}

macro_rules! with_float {
    ($dtype:expr, $name:ident => $run:expr) => {
        match $dtype {
            DType::F32 => {
                type $name = f32;
                $run
            }
            DType::F64 => {
                type $name = f64;
                $run
            }
            DType::F16 => {
                type $name = half::f16;
                $run
            }
            DType::BF16 => {
                type $name = half::bf16;
                $run
            }
            other => Err(Fault::Dtype(other)),
        }
    };
}

/// The windows of `[c, h, w]` as columns `[c · kh · kw, h' · w']`.
fn to_columns(x: &Tensor, slide: &Slide) -> Result<Tensor, Fault> {
    let channels = x.dims()[0];
    if slide.is_pointwise() {
        return Ok(x.reshape((channels, slide.outputs()))?);
    }
    with_float!(x.dtype(), T => {
        let made = with_elements(x, |x: &[T]| simd(#[inline(always)] || columns(x, channels, slide)))?;
        tensor(made, (channels * slide.taps(), slide.outputs()))
    })
}

/// Columns added up to `[c, h, w]`.
fn from_columns(columns: &Tensor, slide: &Slide) -> Result<Tensor, Fault> {
    let channels = columns.dims()[0] / slide.taps();
    let shape = (channels, slide.input[0], slide.input[1]);
    if slide.is_pointwise() {
        return Ok(columns.reshape(shape)?);
    }
    with_float!(columns.dtype(), T => {
        let made = with_elements(columns, |columns: &[T]| simd(#[inline(always)] || fold(columns, channels, slide)))?;
        tensor(made, shape)
    })
}

/// `[n, c, h, w]` with `[out, c/g, kh, kw]` to `[n, out, h', w']`.
///
/// # Errors
/// What the device says.
pub fn forward(
    x: &Tensor,
    kernel: &Tensor,
    bias: Option<&Tensor>,
    slide: &Slide,
    groups: usize,
) -> Result<Tensor, Fault> {
    let (batch, channels) = (x.dims()[0], x.dims()[1]);
    let (out, taps) = (kernel.dims()[0], kernel.elem_count() / kernel.dims()[0]);
    let mut made = Vec::with_capacity(batch * groups);
    for image in 0..batch {
        let image = x.get(image)?;
        for group in 0..groups {
            let part = image.narrow(0, group * (channels / groups), channels / groups)?.contiguous()?;
            let own =
                kernel.narrow(0, group * (out / groups), out / groups)?.reshape((out / groups, taps))?;
            made.push(own.matmul(&to_columns(&part, slide)?)?);
        }
    }
    let whole = if made.len() == 1 { made.remove(0) } else { Tensor::cat(&made, 0)? };
    let whole = whole.reshape((batch, out, slide.output[0], slide.output[1]))?;
    match bias {
        None => Ok(whole),
        Some(bias) => map(&[&whole, &bias.reshape((1, out, 1, 1))?], whole.dims(), &function!(|y, b| y + b)),
    }
}

/// The most bytes in memory beside what is read and given out.
///
/// # Errors
/// When they do not fit in 64 bits.
pub(in crate::ops) fn workspace(
    io: Io<'_>,
    windows: [Window; 2],
    _padding: Padding,
    groups: u64,
    pass: Pass,
) -> Result<u64, Overflow> {
    let (input, output) = (io.inputs[0], &io.outputs[0]);
    let taps = product(&windows.map(|window| window.kernel))?;
    let places = product(output.spatial())?;
    let columns = product(&[input.channels() / groups, taps, places, input.dtype.bits() / 8])?;
    let whole = output.bytes().get().max(input.bytes().get());
    match pass {
        Pass::Forward => sum([columns, product(&[2, whole])?]),
        Pass::Backward => sum([columns, product(&[3, whole])?]),
    }
}

/// The gradient of `x`.
///
/// # Errors
/// What the device says.
pub fn grad_input(gradient: &Tensor, kernel: &Tensor, slide: &Slide, groups: usize) -> Result<Tensor, Fault> {
    let (batch, out) = (gradient.dims()[0], gradient.dims()[1]);
    let taps = kernel.elem_count() / kernel.dims()[0];
    let channels = kernel.dims()[1] * groups;
    let mut made = Vec::with_capacity(batch * groups);
    for image in 0..batch {
        let image = gradient.get(image)?.contiguous()?;
        for group in 0..groups {
            let part = image.narrow(0, group * (out / groups), out / groups)?;
            let part = part.reshape((out / groups, slide.outputs()))?;
            let own =
                kernel.narrow(0, group * (out / groups), out / groups)?.reshape((out / groups, taps))?;
            made.push(from_columns(&own.t()?.matmul(&part)?, slide)?);
        }
    }
    let whole = if made.len() == 1 { made.remove(0) } else { Tensor::cat(&made, 0)? };
    Ok(whole.reshape((batch, channels, slide.input[0], slide.input[1]))?)
}

/// The gradient of the kernel, of shape `[out, c/g, kh, kw]`.
///
/// # Errors
/// What the device says.
pub fn grad_kernel(x: &Tensor, gradient: &Tensor, slide: &Slide, groups: usize) -> Result<Tensor, Fault> {
    let (batch, channels, out) = (x.dims()[0], x.dims()[1], gradient.dims()[1]);
    let mut made: Vec<Tensor> = Vec::with_capacity(groups);
    for group in 0..groups {
        let mut all: Option<Tensor> = None;
        for image in 0..batch {
            let part =
                x.get(image)?.narrow(0, group * (channels / groups), channels / groups)?.contiguous()?;
            let own = gradient.get(image)?.narrow(0, group * (out / groups), out / groups)?;
            let own = own.contiguous()?.reshape((out / groups, slide.outputs()))?;
            let one = own.matmul(&to_columns(&part, slide)?.t()?)?;
            all = Some(match all {
                Some(all) => (all + one)?,
                None => one,
            });
        }
        made.push(all.ok_or(Fault::Internal("a batch without images"))?);
    }
    let whole = if made.len() == 1 { made.remove(0) } else { Tensor::cat(&made, 0)? };
    Ok(whole.reshape((out, channels / groups, slide.kernel[0], slide.kernel[1]))?)
}
