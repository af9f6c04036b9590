//! Pools.

use super::Handler;
use super::convolution::{Windows, positive, with_row, without_row};
use crate::diagnostic::Code;
use crate::frontend::onnx::call::{Call, Stop, Values};
use crate::ops::attribute::Pair;
use crate::ops::{
    Abs, AvgPool2d, GlobalAvgPool, GlobalMaxPool, LpPool2d, MaxPool2d, Op, ReduceL2, ReduceSum, RoiAlign,
};

pub(super) fn find(op: &str) -> Option<Handler> {
    Some(match op {
        "MaxPool" | "AveragePool" | "LpPool" => pool,
        "GlobalMaxPool" => |call| global(call, GlobalMaxPool {}.into()),
        "GlobalAveragePool" => |call| global(call, GlobalAvgPool {}.into()),
        "GlobalLpPool" => global_lp,
        "RoiAlign" => roi_align,
        _ => return None,
    })
}

/// A pool over windows; one axis is a map of one row.
pub(super) fn pool(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let tensor = call.tensor(0)?;
    let map = tensor.spatial();
    let kernel: Option<Vec<u64>> = call
        .ints("kernel_shape")
        .and_then(|list| list.iter().map(|&size| u64::try_from(size).ok()).collect());
    let kernel = kernel.ok_or_else(|| Stop::fault(Code::Missing, "it has no `kernel_shape` of sizes"))?;
    let mut windows = Windows::read(call, map, &kernel)?;
    let mut input = call.outlet(0)?;
    let row = map.len() == 1;
    if row {
        for list in [&mut windows.kernel, &mut windows.strides, &mut windows.dilations] {
            list.insert(0, std::num::NonZeroU64::MIN);
        }
        windows.pads.insert(0, (0, 0));
        input = with_row(call, input)?;
    }
    let (Some(kernel), Some(stride), Some(dilation), Some(padding)) = (
        Windows::pair(&windows.kernel),
        Windows::pair(&windows.strides),
        Windows::pair(&windows.dilations),
        windows.padding(),
    ) else {
        return Err(Stop::unknown(format!("a pool over {} axes is not known", map.len())));
    };
    let ceil_mode = call.int("ceil_mode", 0) == 1;
    let stride = Some(stride);
    let op: Op = match call.node.op_type.trim_start_matches("QLinear") {
        "MaxPool" => MaxPool2d { kernel, stride, padding, dilation, ceil_mode }.into(),
        "LpPool" => LpPool2d { kernel, stride, padding, dilation, ceil_mode, p: order(call)? }.into(),
        _ => {
            let count_include_pad = call.int("count_include_pad", 0) == 1;
            AvgPool2d { kernel, stride, padding, ceil_mode, dilation, count_include_pad }.into()
        }
    };
    let mut output = call.add(op, &[input])?;
    if row {
        output = without_row(call, output)?;
    }
    call.one(output)
}

fn order(call: &Call<'_, '_, '_>) -> Result<std::num::NonZeroU64, Stop> {
    positive(u64::try_from(call.int("p", 2)).unwrap_or(0), "p")
}

fn global(call: &mut Call<'_, '_, '_>, op: Op) -> Result<Values, Stop> {
    let input = call.outlet(0)?;
    let output = call.add(op, &[input])?;
    call.one(output)
}

fn global_lp(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let input = call.outlet(0)?;
    let rank = i64::try_from(call.rank(0)?).unwrap_or(0);
    let axes: Vec<i64> = (2..rank).collect();
    let output = match call.int("p", 2) {
        2 => call.add(ReduceL2 { axes, keep_dims: true }, &[input])?,
        1 => {
            let sizes = call.add(Abs {}, &[input])?;
            call.add(ReduceSum { axes, keep_dims: true }, &[sizes])?
        }
        p => return Err(Stop::unknown(format!("a norm of order {p} is not known"))),
    };
    call.one(output)
}

fn roi_align(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let size = |name| positive(u64::try_from(call.int(name, 1)).unwrap_or(0), name);
    let output = Pair { height: size("output_height")?, width: size("output_width")? };
    let ratio = u64::try_from(call.int("sampling_ratio", 0)).unwrap_or(0);
    let Ok(sampling) = positive(ratio, "sampling_ratio") else {
        return Err(Stop::unknown("without a `sampling_ratio` its samples depend on data"));
    };
    if call.text("mode").is_some_and(|mode| mode != "avg") {
        return Err(Stop::unknown("the largest of its samples is not known"));
    }
    // Corners were whole elements before operator set 16.
    let default = if call.opset < 16 { "output_half_pixel" } else { "half_pixel" };
    let aligned = call.text("coordinate_transformation_mode").unwrap_or(default) == "half_pixel";
    let op = RoiAlign { output, sampling, scale: call.float("spatial_scale", 1.0), aligned };
    let inputs = [call.outlet(0)?, call.outlet(1)?, call.outlet(2)?];
    let output = call.add(op, &inputs)?;
    call.one(output)
}
