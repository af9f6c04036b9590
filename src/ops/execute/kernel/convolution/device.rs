//! Convolutions from candle's own operations: for tensors that are not on the CPU.

use candle_core::{D, Tensor};

use super::slide::Slide;
use crate::ops::execute::Fault;

/// The axes of height and width.
const AXES: [usize; 2] = [2, 3];

/// The map with zeros around it, just as far as the windows reach.
fn padded(x: &Tensor, slide: &Slide) -> Result<Tensor, Fault> {
    let mut x = x.clone();
    for (axis, dim) in AXES.into_iter().enumerate() {
        let length = extent(slide, axis);
        let after = length.saturating_sub(slide.before[axis] + slide.input[axis]);
        x = x.pad_with_zeros(dim, slide.before[axis], after)?.narrow(dim, 0, length)?;
    }
    Ok(x)
}

/// Elements of the padded map that all windows span.
fn extent(slide: &Slide, axis: usize) -> usize {
    (slide.output[axis] - 1) * slide.stride[axis] + slide.reach(axis) + 1
}

/// The elements of the padded map that a tap reads along an axis.
fn places(slide: &Slide, axis: usize, tap: usize, like: &Tensor) -> Result<Tensor, Fault> {
    let of = |index: usize| u32::try_from(index * slide.stride[axis] + tap * slide.dilation[axis]);
    let places: Result<Vec<u32>, _> = (0..slide.output[axis]).map(of).collect();
    let places = places.map_err(|_| Fault::unrunnable("its map has more than 2^32 rows"))?;
    Ok(Tensor::new(places, like.device())?)
}

/// The taps, row by row.
fn taps(slide: &Slide) -> impl Iterator<Item = [usize; 2]> {
    let [height, width] = slide.kernel;
    (0..height).flat_map(move |y| (0..width).map(move |x| [y, x]))
}

/// Whether each output reads the one element at its own place.
fn is_pointwise(slide: &Slide) -> bool {
    slide.taps() == 1 && slide.stride == [1, 1] && slide.before == [0, 0] && slide.output == slide.input
}

/// The windows as columns: `[n, g, c/g · kh · kw, h' · w']`.
fn columns(x: &Tensor, slide: &Slide, groups: usize) -> Result<Tensor, Fault> {
    let (batch, channels) = (x.dims()[0], x.dims()[1]);
    if is_pointwise(slide) {
        return Ok(x.contiguous()?.reshape((batch, groups, channels / groups, slide.outputs()))?);
    }
    let x = padded(x, slide)?;
    let read = taps(slide).map(|[ky, kx]| {
        let rows = x.contiguous()?.index_select(&places(slide, 0, ky, &x)?, AXES[0])?;
        Ok(rows.index_select(&places(slide, 1, kx, &x)?, AXES[1])?)
    });
    let read = Tensor::stack(&read.collect::<Result<Vec<_>, Fault>>()?, 2)?;
    Ok(read.reshape((batch, groups, channels / groups * slide.taps(), slide.outputs()))?)
}

/// The kernel of each group for each image: `[n, g, out/g, c/g · kh · kw]`.
fn kernels(kernel: &Tensor, batch: usize, groups: usize) -> Result<Tensor, Fault> {
    let (out, taps) = (kernel.dims()[0], kernel.elem_count() / kernel.dims()[0]);
    let kernel = kernel.contiguous()?.reshape((1, groups, out / groups, taps))?;
    Ok(kernel.broadcast_as((batch, groups, out / groups, taps))?.contiguous()?)
}

/// As [`super::forward`].
pub(super) fn forward(
    x: &Tensor,
    kernel: &Tensor,
    bias: Option<&Tensor>,
    slide: &Slide,
    groups: usize,
) -> Result<Tensor, Fault> {
    let (batch, out) = (x.dims()[0], kernel.dims()[0]);
    // Candle's own runs one group after another, with kernels of their own.
    let is_square = slide.stride[0] == slide.stride[1] && slide.dilation[0] == slide.dilation[1];
    let y = if is_square && groups == 1 {
        let x = padded(x, slide)?.contiguous()?;
        x.conv2d(&kernel.contiguous()?, 0, slide.stride[0], slide.dilation[0], 1)?
    } else {
        let y = kernels(kernel, batch, groups)?.matmul(&columns(x, slide, groups)?)?;
        y.reshape((batch, out, slide.output[0], slide.output[1]))?
    };
    match bias {
        None => Ok(y),
        Some(bias) => Ok(y.broadcast_add(&bias.reshape((1, out, 1, 1))?)?),
    }
}

/// As [`super::grad_input`].
pub(super) fn grad_input(
    gradient: &Tensor,
    kernel: &Tensor,
    slide: &Slide,
    groups: usize,
) -> Result<Tensor, Fault> {
    let (batch, out) = (gradient.dims()[0], gradient.dims()[1]);
    let channels = kernel.dims()[1] * groups;
    let gradient = gradient.contiguous()?.reshape((batch, groups, out / groups, slide.outputs()))?;
    let kernel = kernels(kernel, batch, groups)?.t()?.contiguous()?;
    let columns = kernel.matmul(&gradient)?;
    if is_pointwise(slide) {
        return Ok(columns.reshape((batch, channels, slide.input[0], slide.input[1]))?);
    }
    let columns = columns.reshape((batch, channels, slide.taps(), slide.output[0], slide.output[1]))?;
    let (rows, width) = (extent(slide, 0), extent(slide, 1));
    let zeros = |height: usize, width: usize| {
        Tensor::zeros((batch, channels, height, width), gradient.dtype(), gradient.device())
    };
    let mut x = zeros(rows, width)?;
    for (tap, [ky, kx]) in taps(slide).enumerate() {
        let own = columns.narrow(2, tap, 1)?.squeeze(2)?.contiguous()?;
        let wide = zeros(slide.output[0], width)?;
        let wide = wide.index_add(&places(slide, 1, kx, &gradient)?, &own, AXES[1])?;
        x = x.index_add(&places(slide, 0, ky, &gradient)?, &wide, AXES[0])?;
    }
    // The map out of what the windows span.
    for (axis, dim) in AXES.into_iter().enumerate() {
        let (before, length) = (slide.before[axis], extent(slide, axis));
        let more = (before + slide.input[axis]).saturating_sub(length);
        x = x.pad_with_zeros(dim, 0, more)?.narrow(dim, before, slide.input[axis])?;
    }
    Ok(x.contiguous()?)
}

/// As [`super::grad_kernel`].
pub(super) fn grad_kernel(
    x: &Tensor,
    gradient: &Tensor,
    slide: &Slide,
    groups: usize,
) -> Result<Tensor, Fault> {
    let (batch, channels, out) = (x.dims()[0], x.dims()[1], gradient.dims()[1]);
    let gradient = gradient.contiguous()?.reshape((batch, groups, out / groups, slide.outputs()))?;
    let columns = columns(x, slide, groups)?.transpose(D::Minus1, D::Minus2)?.contiguous()?;
    let kernel = gradient.matmul(&columns)?.sum(0)?;
    Ok(kernel.reshape((out, channels / groups, slide.kernel[0], slide.kernel[1]))?)
}
