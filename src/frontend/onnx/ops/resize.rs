//! Maps at other sizes: Resize, and Upsample before operator set 10.

use std::num::NonZeroU64;

use super::Handler;
use super::convolution::{positive, with_row, without_row};
use crate::diagnostic::Code;
use crate::frontend::onnx::call::{Call, Stop, Values};
use crate::frontend::onnx::model;
use crate::ops::attribute::Pair;
use crate::ops::{Resize, ResizeMode};

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
    let mut by_scale = true;
    match wanted(call)? {
        Wanted::Scales(scales) => {
            if scales.len() != listed.len() {
                return Err(wrong());
            }
            for (&axis, scale) in listed.iter().zip(scales) {
                output[axis] = scaled(axes[axis], scale)?;
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
    if let Some(reason) = other_places(call, axes, &output, mode, by_scale) {
        call.refuse(reason);
    }
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
        Resize { scale: Some(Pair { height: down, width: right }), size: None, mode }
    } else {
        let size = Pair { height: positive(height, "height")?, width: positive(width, "width")? };
        Resize { scale: None, size: Some(size), mode }
    };
    let mut result = call.add(op, &[input])?;
    if row {
        result = without_row(call, result)?;
    }
    call.one(result)
}

/// Why a resize reads other places of the map than ours do, which are those of PyTorch without `align_corners`.
fn other_places(
    call: &Call<'_, '_, '_>,
    from: &[u64],
    to: &[u64],
    mode: ResizeMode,
    whole: bool,
) -> Option<&'static str> {
    let old = call.opset < 11 || call.node.op_type == "Upsample";
    let transform = call.text("coordinate_transformation_mode");
    let transform = transform.unwrap_or(if old { "asymmetric" } else { "half_pixel" });
    let rounding = call.text("nearest_mode").unwrap_or(if old { "floor" } else { "round_prefer_floor" });
    if !whole && let Ok(Wanted::Scales(scales)) = wanted(call) {
        #[expect(clippy::cast_precision_loss, clippy::float_cmp, reason = "sizes that matter are small")]
        let exact = |((&from, &to), scale): ((&u64, &u64), f64)| from as f64 * scale == to as f64;
        if scales.len() != from.len() || !from.iter().zip(to).zip(scales).all(exact) {
            return Some("its scales are not those of its sizes, which alone run");
        }
    }
    if call.int("antialias", 0) != 0 || call.int("exclude_outside", 0) != 0 {
        return Some("it filters in another way than runs");
    }
    if mode == ResizeMode::Nearest {
        let multiple = from.iter().zip(to).all(|(&from, &to)| to.checked_rem(from) == Some(0));
        let near = matches!(rounding, "round_prefer_floor" | "round_prefer_ceil");
        let same = transform == "asymmetric" && rounding == "floor"
            || transform.contains("half_pixel") && near && multiple;
        return (!same).then_some("it copies from other places than run: those of `asymmetric` and `floor`");
    }
    let row_of_one = to.iter().skip(2).any(|&size| size == 1);
    let same = transform == "half_pixel" || transform == "pytorch_half_pixel" && !row_of_one;
    #[expect(clippy::float_cmp, reason = "the default is exact")]
    let same = same && call.float("cubic_coeff_a", -0.75) == -0.75;
    (!same).then_some("it reads other places than run: those of `half_pixel`")
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
