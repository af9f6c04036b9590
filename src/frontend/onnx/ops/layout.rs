//! Data that is joined, cut, repeated and moved.

use std::num::NonZeroU64;

use super::Handler;
use super::activation::sizes;
use super::convolution::positive;
use crate::diagnostic::Code;
use crate::frontend::onnx::call::{Call, Stop, Values};
use crate::frontend::onnx::fold::{bounds, broadcast};
use crate::graph::Outlet;
use crate::ops::{
    BlockOrder, ChannelOrder, Concat, DepthToSpace, Expand, Fill, Gather, Pad, PadMode, Slice, SpaceToDepth,
    Split, Tile,
};

pub(super) fn find(op: &str) -> Option<Handler> {
    Some(match op {
        "Concat" => concat,
        "Split" => split,
        "Slice" => slice,
        "Expand" => expand,
        "Tile" => tile,
        "Pad" => pad,
        "DepthToSpace" => depth_to_space,
        "SpaceToDepth" => space_to_depth,
        _ => return None,
    })
}

pub(super) fn concat(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let axis = call.int("axis", 1);
    let mut parts = Vec::with_capacity(call.inputs.len());
    for input in 0..call.inputs.len() {
        // Exporters join with tensors of no elements.
        if call.has(input) && call.tensor(input)?.elements().get() > 0 {
            parts.push(call.outlet(input)?);
        }
    }
    let output = match parts.as_slice() {
        &[part] => call.add(crate::ops::Identity {}, &[part])?,
        parts => call.add(Concat { axis }, parts)?,
    };
    call.one(output)
}

fn split(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let (tensor, axis) = (call.tensor(0)?, call.int("axis", 0));
    let sizes = match call.list("split", 1)? {
        Some(sizes) => sizes,
        None => {
            let size = size_along(call, axis)?;
            let parts = u64::try_from(call.int("num_outputs", 0)).ok().filter(|&parts| parts > 0);
            let parts = parts.unwrap_or(call.node.outputs.len() as u64).max(1);
            if parts > 1 << 16 {
                return Err(Stop::fault(Code::TooLarge, format!("{parts} parts are too many")));
            }
            let each = size.div_ceil(parts);
            let length = |part: u64| each.min(size.saturating_sub(part.saturating_mul(each)));
            (0..parts).map(|part| i64::try_from(length(part)).unwrap_or(i64::MAX)).collect()
        }
    };
    if sizes.contains(&0) {
        return Err(Stop::unknown("a part of it has no elements"));
    }
    let lengths: Option<Vec<NonZeroU64>> =
        sizes.iter().map(|&size| NonZeroU64::new(u64::try_from(size).ok()?)).collect();
    let lengths = lengths.ok_or_else(|| {
        Stop::fault(Code::OutOfRange, format!("{} cannot be split into {sizes:?}", tensor.shape))
    })?;
    let equal = lengths.iter().all(|&length| length == lengths[0]);
    let count = NonZeroU64::new(lengths.len() as u64);
    let op = match count {
        Some(count) if equal => Split { axis, sizes: None, parts: Some(count) },
        _ => Split { axis, sizes: Some(lengths), parts: None },
    };
    let input = call.outlet(0)?;
    let output = call.add(op, &[input])?;
    Ok(call.all(output))
}

/// The size of an axis of the first input.
fn size_along(call: &Call<'_, '_, '_>, axis: i64) -> Result<u64, Stop> {
    let tensor = call.tensor(0)?;
    let at = place(axis, tensor.shape.rank());
    at.and_then(|at| tensor.shape.axis(at))
        .ok_or_else(|| Stop::fault(Code::OutOfRange, format!("there is no axis {axis} in {}", tensor.shape)))
}

/// An axis counted from the end when negative.
pub(super) fn place(axis: i64, rank: usize) -> Option<usize> {
    let rank = i64::try_from(rank).ok()?;
    let axis = if axis < 0 { axis.checked_add(rank)? } else { axis };
    usize::try_from(axis).ok().filter(|_| axis < rank)
}

fn slice(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let missing = || Stop::fault(Code::Missing, "it has no `starts` or no `ends`");
    let starts = call.list("starts", 1)?.ok_or_else(missing)?;
    let ends = call.list("ends", 2)?.ok_or_else(missing)?;
    let axes = call.list("axes", 3)?.unwrap_or_else(|| (0..).take(starts.len()).collect());
    let steps = call.list("steps", 4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()].iter().any(|&length| length != starts.len()) {
        return Err(Stop::fault(
            Code::WrongCount,
            "its lists of starts, ends, axes and steps differ in length",
        ));
    }
    if starts.len() > call.rank(0)? {
        let message = format!("it cuts {} axes, and its input has {}", starts.len(), call.rank(0)?);
        return Err(Stop::fault(Code::WrongCount, message));
    }
    let mut output = call.outlet(0)?;
    let mut cut_any = false;
    for (((&start, &end), &axis), &step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
        let size = size_along(call, axis)?;
        let (first, count) = bounds(start, end, step, size).ok_or_else(|| {
            Stop::fault(Code::OutOfRange, format!("axis {axis} cannot be cut by steps of {step}"))
        })?;
        if count == size && step == 1 {
            continue;
        }
        if count == 0 {
            let message = format!("nothing is left of axis {axis} between {start} and {end}");
            return Err(Stop::fault(Code::VanishingSize, message));
        }
        output = cut(call, output, axis, first, count, step)?;
        cut_any = true;
    }
    if !cut_any {
        output = call.add(Slice { axis: 0, start: 0, end: None, step: NonZeroU64::MIN }, &[output])?;
    }
    call.one(output)
}

/// One axis, forwards as a slice and backwards as a list of indices.
fn cut(
    call: &mut Call<'_, '_, '_>,
    input: Outlet,
    axis: i64,
    first: u64,
    count: u64,
    step: i64,
) -> Result<Outlet, Stop> {
    if let Some(forwards) = u64::try_from(step).ok().and_then(NonZeroU64::new) {
        let end = first + (count - 1) * forwards.get() + 1;
        return call.add(Slice { axis, start: first, end: Some(end), step: forwards }, &[input]);
    }
    if count > 1 << 16 {
        return Err(Stop::unknown("so many elements are not listed backwards"));
    }
    let indices: Option<Vec<i64>> = (0..i64::try_from(count).unwrap_or(0))
        .map(|index| i64::try_from(first).ok()?.checked_add(index.checked_mul(step)?))
        .collect();
    call.importer.budget.pieces(usize::try_from(count).unwrap_or(0))?;
    call.add(Gather { axis, indices }, &[input])
}

fn expand(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let tensor = call.tensor(0)?;
    let wanted: Option<Vec<u64>> =
        call.whole(1, "shape")?.iter().map(|&size| u64::try_from(size).ok()).collect();
    let axes = wanted.and_then(|wanted| broadcast(tensor.shape.axes(), &wanted));
    let axes = axes
        .ok_or_else(|| Stop::fault(Code::ShapeMismatch, format!("{} does not broadcast so", tensor.shape)))?;
    let shape = sizes(&axes)?;
    let input = call.outlet(0)?;
    let output = call.add(Expand { shape }, &[input])?;
    call.one(output)
}

fn tile(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let repeats: Option<Vec<NonZeroU64>> =
        call.whole(1, "repeats")?.iter().map(|&times| NonZeroU64::new(u64::try_from(times).ok()?)).collect();
    let repeats =
        repeats.ok_or_else(|| Stop::fault(Code::VanishingSize, "a repeat is 0: nothing would be left"))?;
    let input = call.outlet(0)?;
    let output = call.add(Tile { repeats }, &[input])?;
    call.one(output)
}

fn pad(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let rank = call.rank(0)?;
    let pads = match call.list("pads", 1)? {
        Some(pads) => pads,
        // Its first name.
        None => call.ints("paddings").ok_or_else(|| Stop::fault(Code::Missing, "it has no `pads`"))?.to_vec(),
    };
    let axes = match call.has(3) {
        true => call.whole(3, "axes")?.to_vec(),
        false => (0..i64::try_from(rank).unwrap_or(0)).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return Err(Stop::fault(
            Code::WrongCount,
            format!("{} paddings for {} axes", pads.len(), axes.len()),
        ));
    }
    let (mut before, mut after) = (vec![0i64; rank], vec![0i64; rank]);
    for (number, &axis) in axes.iter().enumerate() {
        let at = place(axis, rank)
            .ok_or_else(|| Stop::fault(Code::OutOfRange, format!("there is no axis {axis}")))?;
        (before[at], after[at]) = (pads[number], pads[number + axes.len()]);
    }
    let mode = match call.text("mode").unwrap_or("constant") {
        "constant" => PadMode::Constant,
        "reflect" => PadMode::Reflect,
        "edge" => PadMode::Replicate,
        mode => return Err(Stop::unknown(format!("padding of the mode `{mode}` is not known"))),
    };
    let mut output = call.outlet(0)?;
    // Negative padding cuts.
    let dims = call.of(output).shape.axes().to_vec();
    for axis in 0..rank {
        let (front, back) = (before[axis].min(0).unsigned_abs(), after[axis].min(0).unsigned_abs());
        if front == 0 && back == 0 {
            continue;
        }
        let end = dims[axis].checked_sub(back).filter(|&end| end > front);
        let end =
            end.ok_or_else(|| Stop::fault(Code::VanishingSize, format!("nothing is left of axis {axis}")))?;
        let axis = i64::try_from(axis).unwrap_or(0);
        output = call.add(Slice { axis, start: front, end: Some(end), step: NonZeroU64::MIN }, &[output])?;
    }
    let grown = |list: Vec<i64>| list.into_iter().map(|size| u64::try_from(size).unwrap_or(0)).collect();
    let value = match (mode, call.attribute("value"), call.has(2)) {
        (PadMode::Constant, Some(_), _) => call.float("value", 0.0),
        (PadMode::Constant, None, true) => match call.tensor(2)?.elements().get() {
            0 => 0.0,
            _ => call.number(2).ok_or_else(|| Stop::unknown("what it is filled with depends on data"))?,
        },
        _ => 0.0,
    };
    let op = Pad { padding: None, before: grown(before), after: grown(after), mode, value: Fill(value) };
    let output = call.add(op, &[output])?;
    call.one(output)
}

fn block_size(call: &Call<'_, '_, '_>) -> Result<NonZeroU64, Stop> {
    positive(u64::try_from(call.int("blocksize", 0)).unwrap_or(0), "blocksize")
}

fn depth_to_space(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let mode = if call.text("mode") == Some("CRD") { ChannelOrder::Crd } else { ChannelOrder::Dcr };
    let op = DepthToSpace { block_size: block_size(call)?, mode };
    let input = call.outlet(0)?;
    let output = call.add(op, &[input])?;
    call.one(output)
}

fn space_to_depth(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let op = SpaceToDepth { block_size: block_size(call)?, mode: BlockOrder::Dcr };
    let input = call.outlet(0)?;
    let output = call.add(op, &[input])?;
    call.one(output)
}
