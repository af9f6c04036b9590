//! Convolutions.

use std::num::NonZeroU64;

use super::Handler;
use super::activation::sizes;
use super::quantized::INTEGERS;
use crate::diagnostic::Code;
use crate::frontend::onnx::call::{Call, Stop, Values};
use crate::frontend::onnx::parameters::Use;
use crate::graph::Outlet;
use crate::ops::attribute::{Extra, Padding, Padding1d, Pair};
use crate::ops::{Conv1d, Conv2d, ConvTranspose2d, Op, Reshape, Role};
use crate::tensor::{DType, TensorType};

pub(super) fn find(op: &str) -> Option<Handler> {
    Some(match op {
        "Conv" => |call| {
            let output = conv(call, Operands { input: 0, kernel: 1, bias: 2 }, None)?;
            call.one(output)
        },
        "ConvInteger" => |call| {
            let output = conv(call, Operands { input: 0, kernel: 1, bias: usize::MAX }, Some(DType::I32))?;
            call.one(output)
        },
        "ConvTranspose" => transposed,
        _ => return None,
    })
}

/// Which inputs are what.
#[derive(Clone, Copy)]
pub(super) struct Operands {
    pub(super) input: usize,
    pub(super) kernel: usize,
    pub(super) bias: usize,
}

/// A size that must be at least 1.
pub(super) fn positive(size: u64, what: &str) -> Result<NonZeroU64, Stop> {
    NonZeroU64::new(size)
        .ok_or_else(|| Stop::fault(Code::OutOfRange, format!("`{what}` must be at least 1, but is 0")))
}

/// Windows along the map's axes, as Conv and the pools describe them.
#[derive(Debug)]
pub(super) struct Windows {
    pub(super) kernel: Vec<NonZeroU64>,
    pub(super) strides: Vec<NonZeroU64>,
    pub(super) dilations: Vec<NonZeroU64>,
    /// Before and after.
    pub(super) pads: Vec<(u64, u64)>,
}

impl Windows {
    /// Reads the attributes for a map of the given size.
    pub(super) fn read(call: &Call<'_, '_, '_>, map: &[u64], kernel: &[u64]) -> Result<Self, Stop> {
        let each = |name: &'static str| -> Result<Vec<NonZeroU64>, Stop> {
            let Some(list) = call.ints(name) else { return Ok(vec![NonZeroU64::MIN; map.len()]) };
            if list.len() != map.len() {
                let message = format!("`{name}` has {} numbers for {} axes", list.len(), map.len());
                return Err(Stop::fault(Code::WrongCount, message));
            }
            list.iter()
                .map(|&number| {
                    let size = u64::try_from(number)
                        .map_err(|_| Stop::fault(Code::OutOfRange, format!("`{name}` holds {number}")))?;
                    positive(size, name)
                })
                .collect()
        };
        if kernel.len() != map.len() {
            let message = format!("a kernel of {} axes meets a map of {}", kernel.len(), map.len());
            return Err(Stop::fault(Code::ShapeMismatch, message));
        }
        let kernel =
            kernel.iter().map(|&size| positive(size, "kernel_shape")).collect::<Result<Vec<_>, _>>()?;
        let (strides, dilations) = (each("strides")?, each("dilations")?);
        let pads = pads(call, map, &kernel, &strides, &dilations)?;
        Ok(Self { kernel, strides, dilations, pads })
    }

    /// Height and width of one list.
    pub(super) fn pair(list: &[NonZeroU64]) -> Option<Pair> {
        match *list {
            [height, width] => Some(Pair { height, width }),
            _ => None,
        }
    }

    /// The padding of a map of two axes.
    pub(super) fn padding(&self) -> Option<Padding> {
        match *self.pads {
            [(top, bottom), (left, right)] => Some(Padding::Explicit { top, left, bottom, right }),
            _ => None,
        }
    }
}

/// Explicit padding, whichever way it is said.
fn pads(
    call: &Call<'_, '_, '_>,
    map: &[u64],
    kernel: &[NonZeroU64],
    strides: &[NonZeroU64],
    dilations: &[NonZeroU64],
) -> Result<Vec<(u64, u64)>, Stop> {
    let lower = match call.text("auto_pad").unwrap_or("NOTSET") {
        "VALID" => return Ok(vec![(0, 0); map.len()]),
        "SAME_UPPER" => false,
        "SAME_LOWER" => true,
        _ => {
            let Some(list) = call.ints("pads") else { return Ok(vec![(0, 0); map.len()]) };
            if list.len() != 2 * map.len() {
                let message = format!("`pads` has {} numbers for {} axes", list.len(), map.len());
                return Err(Stop::fault(Code::WrongCount, message));
            }
            let one = |number: i64| {
                u64::try_from(number)
                    .map_err(|_| Stop::unknown(format!("a padding of {number} cuts the input")))
            };
            return (0..map.len()).map(|axis| Ok((one(list[axis])?, one(list[axis + map.len()])?))).collect();
        }
    };
    let overflow = || Stop::fault(Code::Overflow, "a padding does not fit in 64 bits");
    (0..map.len())
        .map(|axis| {
            let (kernel, stride, dilation) = (kernel[axis].get(), strides[axis].get(), dilations[axis].get());
            let span = (kernel - 1)
                .checked_mul(dilation)
                .and_then(|span| span.checked_add(1))
                .ok_or_else(overflow)?;
            let steps = map[axis].div_ceil(stride).saturating_sub(1);
            let reach =
                steps.checked_mul(stride).and_then(|reach| reach.checked_add(span)).ok_or_else(overflow)?;
            let total = reach.saturating_sub(map[axis]);
            let (small, large) = (total / 2, total - total / 2);
            Ok(if lower { (large, small) } else { (small, large) })
        })
        .collect()
}

/// What a kernel is: stored, or computed by other nodes and then an input.
fn kernel(
    call: &mut Call<'_, '_, '_>,
    operands: Operands,
    input: Outlet,
) -> Result<(Vec<Outlet>, Vec<Use>), Stop> {
    let mut uses: Vec<Use> = call.uses(operands.kernel, "weight", Role::Weight).into_vec();
    let mut inputs = vec![input];
    if uses.is_empty() {
        inputs.push(call.outlet_as(operands.kernel, "weight", Role::Weight)?);
    }
    if call.has(operands.bias) {
        let bias = call.uses(operands.bias, "bias", Role::Bias);
        if bias.is_empty() {
            call.outlet_as(operands.bias, "bias", Role::Bias)?;
        }
        uses.extend(bias);
    }
    Ok((inputs, uses))
}

/// The number of groups, which divides both channels.
fn groups(call: &Call<'_, '_, '_>) -> Result<NonZeroU64, Stop> {
    let groups = call.int("group", 1);
    u64::try_from(groups)
        .ok()
        .and_then(NonZeroU64::new)
        .ok_or_else(|| Stop::fault(Code::OutOfRange, format!("`group` must be at least 1, but is {groups}")))
}

/// A convolution whose products have the given type.
pub(super) fn conv(
    call: &mut Call<'_, '_, '_>,
    operands: Operands,
    dtype: Option<DType>,
) -> Result<Outlet, Stop> {
    let (tensor, weight) = (call.tensor(operands.input)?, call.tensor(operands.kernel)?);
    let groups = groups(call)?;
    let &[out, depth, ref kernel_shape @ ..] = weight.shape.axes() else {
        return Err(Stop::fault(Code::ShapeMismatch, format!("a kernel cannot be {}", weight.shape)));
    };
    if depth.checked_mul(groups.get()) != Some(tensor.channels()) {
        let message = format!(
            "the kernel {} in {groups} groups reads {} channels, but the input {} has {}",
            weight.shape,
            depth.saturating_mul(groups.get()),
            tensor.shape,
            tensor.channels()
        );
        return Err(Stop::fault(Code::ShapeMismatch, message));
    }
    if dtype.is_some() {
        call.refuse(INTEGERS);
    }
    let windows = Windows::read(call, tensor.spatial(), kernel_shape)?;
    let out_channels = positive(out, "output channels")?;
    let bias = call.has(operands.bias);
    let op: Op = match tensor.spatial().len() {
        1 => {
            let (left, right) = windows.pads[0];
            Conv1d {
                out_channels,
                kernel: windows.kernel[0],
                stride: windows.strides[0],
                padding: Padding1d::Explicit { left, right },
                dilation: windows.dilations[0],
                groups,
                bias,
            }
            .into()
        }
        _ => conv2d(&windows, out_channels, groups, bias, dtype)?.into(),
    };
    let input = call.outlet(operands.input)?;
    let (inputs, uses) = kernel(call, operands, input)?;
    let output = call.add_using(op, &inputs, &uses)?;
    give(call, operands, output);
    Ok(output)
}

/// The values of kernel and bias.
fn give(call: &mut Call<'_, '_, '_>, operands: Operands, output: Outlet) {
    call.give(output.node, "weight", operands.kernel);
    call.give(output.node, "bias", operands.bias);
}

fn conv2d(
    windows: &Windows,
    out_channels: NonZeroU64,
    groups: NonZeroU64,
    bias: bool,
    dtype: Option<DType>,
) -> Result<Conv2d, Stop> {
    let (Some(kernel), Some(stride), Some(dilation), Some(padding)) = (
        Windows::pair(&windows.kernel),
        Windows::pair(&windows.strides),
        Windows::pair(&windows.dilations),
        windows.padding(),
    ) else {
        return Err(Stop::unknown(format!("a convolution over {} axes is not known", windows.kernel.len())));
    };
    Ok(Conv2d { out_channels, kernel, stride, padding, dilation, groups, bias, dtype })
}

/// A transposed convolution over one or two axes; one axis is a map of one row.
fn transposed(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let operands = Operands { input: 0, kernel: 1, bias: 2 };
    let (tensor, weight) = (call.tensor(0)?, call.tensor(1)?);
    let groups = groups(call)?;
    let &[_, part, ref kernel_shape @ ..] = weight.shape.axes() else {
        return Err(Stop::fault(Code::ShapeMismatch, format!("a kernel cannot be {}", weight.shape)));
    };
    if weight.shape.axis(0) != Some(tensor.channels()) {
        let message = format!(
            "the kernel {} does not read the {} channels of {}",
            weight.shape,
            tensor.channels(),
            tensor.shape
        );
        return Err(Stop::fault(Code::ShapeMismatch, message));
    }
    let map = tensor.spatial();
    let mut windows = Windows::read(call, map, kernel_shape)?;
    let mut extra = extras(call, map.len())?;
    let out =
        part.checked_mul(groups.get()).ok_or_else(|| Stop::fault(Code::Overflow, "too many channels"))?;
    cut(call, map, &mut windows, &mut extra)?;
    let row = map.len() == 1;
    let input = call.outlet(0)?;
    let (mut inputs, uses) = kernel(call, operands, input)?;
    if row {
        let one = (NonZeroU64::MIN, (0, 0), 0);
        windows.kernel.insert(0, one.0);
        windows.strides.insert(0, one.0);
        windows.dilations.insert(0, one.0);
        windows.pads.insert(0, one.1);
        extra.insert(0, one.2);
        for input in &mut inputs {
            *input = with_row(call, *input)?;
        }
    }
    let (Some(kernel), Some(stride), Some(dilation), Some(padding), &[height, width]) = (
        Windows::pair(&windows.kernel),
        Windows::pair(&windows.strides),
        Windows::pair(&windows.dilations),
        windows.padding(),
        extra.as_slice(),
    ) else {
        return Err(Stop::unknown(format!("a transposed convolution over {} axes is not known", map.len())));
    };
    let op = ConvTranspose2d {
        out_channels: positive(out, "output channels")?,
        kernel,
        stride,
        padding,
        output_padding: Extra { height, width },
        dilation,
        groups,
        bias: call.has(2),
    };
    let mut output = call.add_using(op, &inputs, &uses)?;
    give(call, operands, output);
    if row {
        output = without_row(call, output)?;
    }
    call.one(output)
}

fn extras(call: &Call<'_, '_, '_>, axes: usize) -> Result<Vec<u64>, Stop> {
    let Some(list) = call.ints("output_padding") else { return Ok(vec![0; axes]) };
    let extra: Option<Vec<u64>> = list.iter().map(|&number| u64::try_from(number).ok()).collect();
    extra
        .filter(|extra| extra.len() == axes)
        .ok_or_else(|| Stop::fault(Code::OutOfRange, format!("`output_padding` cannot be {list:?}")))
}

/// Sets the padding that an `output_shape`, or automatic padding, asks of a transposed convolution.
fn cut(call: &Call<'_, '_, '_>, map: &[u64], windows: &mut Windows, extra: &mut [u64]) -> Result<(), Stop> {
    let auto = call.text("auto_pad").unwrap_or("NOTSET");
    let same = matches!(auto, "SAME_UPPER" | "SAME_LOWER");
    let given = call.ints("output_shape");
    if given.is_none() && !same {
        return Ok(());
    }
    let overflow = || Stop::fault(Code::Overflow, "the output's size does not fit in 64 bits");
    for axis in 0..map.len() {
        let (kernel, stride, dilation) =
            (windows.kernel[axis].get(), windows.strides[axis].get(), windows.dilations[axis].get());
        let span =
            (kernel - 1).checked_mul(dilation).and_then(|span| span.checked_add(1)).ok_or_else(overflow)?;
        let steps = map[axis].saturating_sub(1).checked_mul(stride).ok_or_else(overflow)?;
        let full =
            steps.checked_add(span).and_then(|full| full.checked_add(extra[axis])).ok_or_else(overflow)?;
        let wanted = match given {
            // Some writers list batch and channels too.
            Some(list) => (list.len().checked_sub(map.len() - axis))
                .and_then(|place| u64::try_from(*list.get(place)?).ok())
                .ok_or_else(|| Stop::fault(Code::OutOfRange, "`output_shape` has too few sizes"))?,
            None => map[axis].checked_mul(stride).ok_or_else(overflow)?,
        };
        match full.checked_sub(wanted) {
            Some(total) => {
                let (small, large) = (total / 2, total - total / 2);
                windows.pads[axis] = if auto == "SAME_UPPER" { (small, large) } else { (large, small) };
            }
            None => {
                extra[axis] = extra[axis].checked_add(wanted - full).ok_or_else(overflow)?;
                windows.pads[axis] = (0, 0);
            }
        }
    }
    Ok(())
}

/// `[n, c, l]` as a map of one row.
pub(super) fn with_row(call: &mut Call<'_, '_, '_>, input: Outlet) -> Result<Outlet, Stop> {
    let tensor: &TensorType = call.of(input);
    let mut axes = tensor.shape.axes().to_vec();
    axes.insert(2.min(axes.len()), 1);
    let shape = sizes(&axes)?;
    call.add(Reshape { shape }, &[input])
}

/// A map of one row as `[n, c, l]`.
pub(super) fn without_row(call: &mut Call<'_, '_, '_>, input: Outlet) -> Result<Outlet, Stop> {
    let mut axes = call.of(input).shape.axes().to_vec();
    if axes.len() == 4 {
        axes.remove(2);
    }
    let shape = sizes(&axes)?;
    call.add(Reshape { shape }, &[input])
}
