//! Maps at other sizes: Resize, and Upsample before operator set 10.

use std::num::NonZeroU64;

use super::Handler;
use super::convolution::{positive, with_row, without_row};
use crate::diagnostic::Code;
use crate::frontend::onnx::call::{Call, Stop, Values};
use crate::frontend::onnx::model;
use crate::ops::attribute::Pair;
use crate::ops::{Resize, ResizeCoordinates, ResizeMode, ResizeRounding};

pub(super) fn find(op: &str) -> Option<Handler> {
    Some(match op {
        "Resize" | "Upsample" => resize,
        _ => return None,
    })
}

/// What is asked of the axes.
enum Wanted {
    Scales(Vec<f64>),
    Sizes(Vec<u64>),
}

fn resize(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let tensor = call.tensor(0)?;
    let axes = tensor.shape.axes();
    let rank = axes.len();
    let listed: Vec<usize> = match call.ints("axes") {
        Some(list) => list
            .iter()
            .map(|&axis| super::layout::place(axis, rank))
            .collect::<Option<_>>()
            .ok_or_else(|| Stop::fault(Code::OutOfRange, "`axes` names an axis that is not there"))?,
        None => (0..rank).collect(),
    };
    let wrong = || {
        Stop::fault(
            Code::WrongCount,
            format!("it has not one scale or size for each axis of {}", tensor.shape),
        )
    };
    let (mut output, mut whole) = (axes.to_vec(), vec![NonZeroU64::MIN; rank]);
    let (mut by_scale, mut uneven, mut ratio) = (true, false, vec![1.0; 2]);
    match wanted(call)? {
        Wanted::Scales(scales) => {
            if scales.len() != listed.len() {
                return Err(wrong());
            }
            for (&axis, scale) in listed.iter().zip(scales) {
                output[axis] = scaled(axes[axis], scale)?;
                #[expect(
                    clippy::cast_precision_loss,
                    clippy::float_cmp,
                    reason = "sizes that matter are small, and a scale fits them or not"
                )]
                if axis > 1 && scale > 0.0 {
                    uneven |= axes[axis] as f64 * scale != output[axis] as f64;
                    // The last axis is the width, of a row too.
                    let slot = if axis + 1 == rank { 1 } else { 0 };
                    ratio[slot] = scale;
                }
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "whole and positive"
                )]
                match NonZeroU64::new(scale as u64).filter(|_| scale.fract() == 0.0 && scale >= 1.0) {
                    Some(factor) => whole[axis] = factor,
                    None => by_scale = false,
                }
            }
        }
        Wanted::Sizes(sizes) => {
            if sizes.len() != listed.len() {
                return Err(wrong());
            }
            let policy = call.text("keep_aspect_ratio_policy").unwrap_or("stretch");
            if policy != "stretch" {
                return Err(Stop::unknown(format!(
                    "a resize that keeps the aspect by `{policy}` is not known"
                )));
            }
            by_scale = false;
            for (&axis, size) in listed.iter().zip(sizes) {
                output[axis] = size;
            }
        }
    }
    if output.iter().zip(axes).take(2).any(|(new, old)| new != old) {
        return Err(Stop::unknown("a resize of batch or channels is not known"));
    }
    let mode = match call.text("mode").unwrap_or("nearest") {
        "nearest" => ResizeMode::Nearest,
        "cubic" => ResizeMode::Cubic,
        _ => ResizeMode::Linear,
    };
    let mut input = call.outlet(0)?;
    let row = rank == 3;
    if row {
        if mode != ResizeMode::Nearest {
            return Err(Stop::unknown("a resize of one axis between elements is not known"));
        }
        output.insert(2, 1);
        whole.insert(2, NonZeroU64::MIN);
        input = with_row(call, input)?;
    }
    let (&[_, _, height, width], &[_, _, down, right]) = (output.as_slice(), whole.as_slice()) else {
        return Err(Stop::unknown(format!("a resize of a tensor of {rank} axes is not known")));
    };
    let op = if by_scale {
        Resize::scaled(Pair { height: down, width: right }, mode)
    } else {
        Resize::sized(Pair { height: positive(height, "height")?, width: positive(width, "width")? }, mode)
    };
    let op = places(call, op)?;
    // Places follow the scale, which is not the ratio of the sizes where a size was rounded.
    let op = Resize { ratio: if uneven { ratio } else { Vec::new() }, ..op };
    let mut result = call.add(op, &[input])?;
    if row {
        result = without_row(call, result)?;
    }
    call.one(result)
}

/// Where the elements are read: older operator sets have one way, later ones say it.
fn places(call: &Call<'_, '_, '_>, op: Resize) -> Result<Resize, Stop> {
    if call.node.op_type == "Upsample" || call.opset < 11 {
        return Ok(Resize { coordinates: other_than(&op, ResizeCoordinates::Asymmetric), ..op });
    }
    let coordinates = match call.text("coordinate_transformation_mode").unwrap_or("half_pixel") {
        "half_pixel" => ResizeCoordinates::HalfPixel,
        "half_pixel_symmetric" => ResizeCoordinates::HalfPixelSymmetric,
        "pytorch_half_pixel" => ResizeCoordinates::PytorchHalfPixel,
        "align_corners" => ResizeCoordinates::AlignCorners,
        "asymmetric" => ResizeCoordinates::Asymmetric,
        "tf_half_pixel_for_nn" => ResizeCoordinates::TensorflowHalfPixel,
        mode => return Err(Stop::unknown(format!("a resize of places by `{mode}` is not known"))),
    };
    if call.int("antialias", 0) != 0 && op.mode != ResizeMode::Nearest {
        return Err(Stop::unknown("a resize that smooths is not known"));
    }
    let rounding = match call.text("nearest_mode").unwrap_or("round_prefer_floor") {
        _ if op.mode != ResizeMode::Nearest => ResizeRounding::Floor,
        "floor" => ResizeRounding::Floor,
        "ceil" => ResizeRounding::Ceil,
        "round_prefer_ceil" => ResizeRounding::PreferCeil,
        _ => ResizeRounding::PreferFloor,
    };
    Ok(Resize {
        coordinates: other_than(&op, coordinates),
        rounding,
        cubic_a: call.float("cubic_coeff_a", -0.75),
        exclude_outside: call.int("exclude_outside", 0) != 0 && op.mode != ResizeMode::Nearest,
        ..op
    })
}

/// A way that is not what the op does anyway.
fn other_than(op: &Resize, coordinates: ResizeCoordinates) -> Option<ResizeCoordinates> {
    Some(coordinates).filter(|&coordinates| coordinates != op.coordinates())
}

/// Scales or sizes: Upsample has attributes first and then an input, Resize an input, then four.
fn wanted(call: &Call<'_, '_, '_>) -> Result<Wanted, Stop> {
    if let Some(model::Value::Floats(scales)) = call.attribute("scales") {
        return Ok(Wanted::Scales(scales.iter().map(|&scale| f64::from(scale)).collect()));
    }
    let upsample = call.node.op_type == "Upsample";
    let scales = if upsample || call.opset < 11 { 1 } else { 2 };
    let empty = |input: usize| {
        call.inputs
            .get(input)
            .and_then(|value| value.as_ref()?.tensor())
            .is_some_and(|of| of.elements().get() == 0)
    };
    if !upsample && call.has(3) && !empty(3) {
        let sizes: Option<Vec<u64>> =
            call.whole(3, "sizes")?.iter().map(|&size| u64::try_from(size).ok()).collect();
        return sizes.map(Wanted::Sizes).ok_or_else(|| Stop::fault(Code::OutOfRange, "a size is negative"));
    }
    Ok(Wanted::Scales(call.known(scales, "scales")?.floats()))
}

/// A size times a scale as runtimes form it: in single precision, rounded down.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "as runtimes do; sizes that matter are small"
)]
fn scaled(size: u64, scale: f64) -> Result<u64, Stop> {
    let new = (size as f32 * scale as f32).floor();
    if !(0.0..=1e15).contains(&new) {
        return Err(Stop::fault(Code::OutOfRange, format!("a size of {size} cannot be scaled by {scale}")));
    }
    Ok(new as u64)
}
