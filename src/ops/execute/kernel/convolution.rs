//! Convolutions, forward and backward.
//!
//! On the CPU one loop computes them all: a product of the kernel with the windows of the map, tile by tile in the CPU's
//! registers ([`tile`]). The windows are never laid out as a matrix: maps are padded and split by the stride
//! ([`planes`]), so that each tap of the kernel reads a run of memory. What many rows of a kernel read is copied to panels
//! in the cache ([`product`]); what few read, as in a depthwise convolution, is read in place. A 1×1 convolution needs no
//! layout. Backward, the input's gradient is a convolution with the flipped kernel, or with steps the transposed product;
//! the kernel's gradient is a product with the maps turned, or with few channels inner products ([`correlate`]). Elsewhere than on the CPU candle's own operations do it ([`device`]).

mod correlate;
mod device;
mod passes;
mod planes;
mod product;
mod slide;
#[cfg(test)]
mod tests;
mod tile;
mod vector;
mod workspace;

pub use slide::Slide;
pub(in crate::ops) use slide::places;
pub(in crate::ops) use workspace::workspace;

use candle_core::{DType, Storage, Tensor, WithDType};
use pulp::Arch;

use self::passes::{Forward, GradInput, GradKernel, Images};
use self::vector::Real;
use super::super::Fault;
use super::super::scalar::is_counting;
use super::elementwise::{function, map};
use super::{tensor, with_elements};

/// Runs with the type of real numbers that computes for an element type.
macro_rules! with_real {
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
            other => Err(Fault::Dtype(other)),
        }
    };
}

/// Half-precision numbers are computed with as single ones.
fn wider(dtype: DType) -> Option<DType> {
    matches!(dtype, DType::F16 | DType::BF16).then_some(DType::F32)
}

/// The loops count on elements.
fn check_elements(tensors: &[&Tensor]) -> Result<(), Fault> {
    if tensors.iter().any(|tensor| tensor.elem_count() == 0) {
        return Err(Fault::unrunnable("a convolution of no elements does not run"));
    }
    Ok(())
}

/// The loops read a kernel by other sizes than its own: where these differ, they would leave elements out.
fn check_kernel(kernel: &Tensor, wanted: [usize; 2], slide: &Slide) -> Result<(), Fault> {
    let wanted = [wanted[0], wanted[1], slide.kernel[0], slide.kernel[1]];
    match kernel.dims() == wanted {
        true => Ok(()),
        false => Err(Fault::unrunnable(format!("its kernel is {:?}, but {wanted:?} is read", kernel.dims()))),
    }
}

/// The elements of `[n, c, h, w]`, where images may lie apart.
fn with_images<T: WithDType, R>(x: &Tensor, run: impl FnOnce(Images<'_, T>) -> R) -> Result<R, Fault> {
    // Not `get`: that copies an image with gaps.
    let x = if x.narrow(0, 0, 1)?.is_contiguous() { x.clone() } else { x.contiguous()? };
    let (count, channels) = (x.dims()[0], x.dims()[1]);
    let (storage, layout) = x.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else {
        return Err(Fault::internal("a tensor of the CPU is elsewhere"));
    };
    let data = &T::cpu_storage_as_slice(storage)?[layout.start_offset()..];
    // One image may have any step.
    let step = if count > 1 { layout.stride()[0] } else { 0 };
    Ok(run(Images { data, step, count, channels }))
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
    check_kernel(kernel, [kernel.dims()[0], x.dims()[1] / groups], slide)?;
    if !x.device().is_cpu() {
        return device::forward(x, kernel, bias, slide, groups);
    }
    if let Some(wide) = wider(x.dtype()) {
        let bias = bias.map(|bias| bias.to_dtype(wide)).transpose()?;
        let y = forward(&x.to_dtype(wide)?, &kernel.to_dtype(wide)?, bias.as_ref(), slide, groups)?;
        return Ok(y.to_dtype(x.dtype())?);
    }
    let (batch, out) = (x.dims()[0], kernel.dims()[0]);
    let shape = [batch, out, slide.output[0], slide.output[1]];
    check_elements(&[x, kernel])?;
    if let (Some(bias), true) = (bias, is_counting()) {
        // The additions are to be seen.
        let y = forward(x, kernel, None, slide, groups)?;
        return map(&[&y, &bias.reshape((1, out, 1, 1))?], &shape, &function!(|y, b| y + b));
    }
    let kernel = kernel.contiguous()?;
    let bias = bias.map(Tensor::contiguous).transpose()?;
    with_real!(x.dtype(), T => {
        let mut y = vec![T::ZERO; shape.iter().product()];
        let mut run = |bias: Option<&[T]>| {
            with_images(x, |x: Images<'_, T>| with_elements(&kernel, |kernel: &[T]| {
                let pass = passes::Pass { slide, groups, to: &mut y };
                Arch::new().dispatch(Forward { x, kernel, bias, pass });
            }))?
        };
        match &bias {
            Some(bias) => with_elements(bias, |bias: &[T]| run(Some(bias)))??,
            None => run(None)?,
        }
        tensor(y, &shape[..])
    })
}

/// The gradient of `x`.
///
/// # Errors
/// What the device says.
pub fn grad_input(gradient: &Tensor, kernel: &Tensor, slide: &Slide, groups: usize) -> Result<Tensor, Fault> {
    check_kernel(kernel, [gradient.dims()[1], kernel.dims()[1]], slide)?;
    if !gradient.device().is_cpu() {
        return device::grad_input(gradient, kernel, slide, groups);
    }
    if let Some(wide) = wider(gradient.dtype()) {
        let x = grad_input(&gradient.to_dtype(wide)?, &kernel.to_dtype(wide)?, slide, groups)?;
        return Ok(x.to_dtype(gradient.dtype())?);
    }
    check_elements(&[gradient, kernel])?;
    let (batch, out, channels) = (gradient.dims()[0], gradient.dims()[1], kernel.dims()[1]);
    let [height, width] = slide.kernel;
    let (own, taps) = (out / groups, slide.taps());
    if let Some(transposed) = slide.transposed() {
        // A convolution itself, with the flipped kernel [c, out/g, kh, kw].
        let kernel = kernel.contiguous()?;
        let kernel = with_real!(kernel.dtype(), T => {
            let flipped = with_elements(&kernel, |kernel: &[T]| rearranged(kernel, [groups, own, channels, taps], taps > 1))?;
            tensor(flipped, (groups * channels, own, height, width))
        })?;
        return forward(gradient, &kernel, None, &transposed, groups);
    }
    let kernel = kernel.contiguous()?;
    let shape = [batch, groups * channels, slide.input[0], slide.input[1]];
    with_real!(gradient.dtype(), T => {
        let mut x = vec![T::ZERO; shape.iter().product()];
        let kernel = with_elements(&kernel, |kernel: &[T]| rearranged(kernel, [groups, own, channels, taps], false))?;
        with_images(gradient, |gradient: Images<'_, T>| {
            let pass = passes::Pass { slide, groups, to: &mut x };
            Arch::new().dispatch(GradInput { gradient, kernel: &kernel, pass });
        })?;
        tensor(x, &shape[..])
    })
}

/// A kernel `[g, out/g, c/g, taps]` as `[g, c/g, out/g, taps]` with its taps in reverse if it is to be flipped, else as
/// `[g, c/g, taps, out/g]`.
fn rearranged<T: Real>(kernel: &[T], [groups, out, channels, taps]: [usize; 4], flip: bool) -> Vec<T> {
    /// Rows that are read along, so that neither reads nor writes go far.
    const ROWS: usize = 8;
    let mut made = vec![T::ZERO; kernel.len()];
    let (group, row) = (out * channels * taps, channels * taps);
    for (kernel, made) in kernel.chunks_exact(group).zip(made.chunks_exact_mut(group)).take(groups) {
        for (block, rows) in kernel.chunks(ROWS * row).enumerate() {
            let first = block * ROWS;
            let here = rows.len() / row;
            for channel in 0..channels {
                for tap in 0..taps {
                    let from = rows[channel * taps + tap..].iter().step_by(row);
                    if flip {
                        let to = &mut made[(channel * out + first) * taps + taps - 1 - tap..];
                        to.iter_mut().step_by(taps).zip(from).for_each(|(to, &from)| *to = from);
                    } else {
                        let to = &mut made[(channel * taps + tap) * out + first..][..here];
                        to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
                    }
                }
            }
        }
    }
    made
}

/// The gradient of the kernel, of shape `[out, c/g, kh, kw]`.
///
/// # Errors
/// What the device says.
pub fn grad_kernel(x: &Tensor, gradient: &Tensor, slide: &Slide, groups: usize) -> Result<Tensor, Fault> {
    if !x.device().is_cpu() {
        return device::grad_kernel(x, gradient, slide, groups);
    }
    if let Some(wide) = wider(x.dtype()) {
        let kernel = grad_kernel(&x.to_dtype(wide)?, &gradient.to_dtype(wide)?, slide, groups)?;
        return Ok(kernel.to_dtype(x.dtype())?);
    }
    check_elements(&[x, gradient])?;
    let shape = [gradient.dims()[1], x.dims()[1] / groups, slide.kernel[0], slide.kernel[1]];
    with_real!(x.dtype(), T => {
        let mut kernel = vec![T::ZERO; shape.iter().product()];
        with_images(x, |x: Images<'_, T>| with_images(gradient, |gradient: Images<'_, T>| {
            let pass = passes::Pass { slide, groups, to: &mut kernel };
            Arch::new().dispatch(GradKernel { x, gradient, pass });
        }))??;
        tensor(kernel, &shape[..])
    })
}
