//! Lists of tensors, whose lengths are known: exporters write a split into chunks so.

use std::rc::Rc;

use super::Handler;
use super::layout::place;
use crate::diagnostic::Code;
use crate::frontend::onnx::call::{Call, Stop, Values};
use crate::frontend::onnx::value::{Kind, Known, Value};
use crate::ops::{Concat, Slice, Squeeze, Unsqueeze};

pub(super) fn find(op: &str) -> Option<Handler> {
    Some(match op {
        "SequenceEmpty" => |_| Ok(list(Vec::new())),
        "SequenceConstruct" => |call| Ok(list(call.inputs.iter().flatten().cloned().collect())),
        "SequenceInsert" => insert,
        "SequenceAt" => at,
        "SequenceLength" => |call| {
            let length = i64::try_from(items(call, 0)?.len()).unwrap_or(i64::MAX);
            Ok(Values::from_iter([Value::known(Known::scalar(length))]))
        },
        "SplitToSequence" => split,
        "ConcatFromSequence" => concat,
        _ => return None,
    })
}

fn list(items: Vec<Value>) -> Values {
    Values::from_iter([Value::new(Kind::Sequence(items.into()))])
}

fn items(call: &Call<'_, '_, '_>, input: usize) -> Result<Rc<[Value]>, Stop> {
    match call.input(input)?.kind() {
        Kind::Sequence(items) => Ok(items.clone()),
        _ => Err(Stop::unknown("its list of tensors depends on data")),
    }
}

/// A place in a list, counted from the end when negative.
fn index(call: &Call<'_, '_, '_>, input: usize, length: usize) -> Result<usize, Stop> {
    let index = *call.whole(input, "position")?.first().unwrap_or(&0);
    place(index, length)
        .ok_or_else(|| Stop::fault(Code::OutOfRange, format!("there is no item {index} of {length}")))
}

fn insert(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let mut all = items(call, 0)?.to_vec();
    call.importer.budget.pieces(all.len() / 8)?;
    let at = if call.has(2) { index(call, 2, all.len() + 1)? } else { all.len() };
    all.insert(at, call.input(1)?.clone());
    Ok(list(all))
}

fn at(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let all = items(call, 0)?;
    let index = index(call, 1, all.len())?;
    Ok(Values::from_iter([all[index].clone()]))
}

/// Each part is a slice.
fn split(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let (tensor, axis) = (call.tensor(0)?, call.int("axis", 0));
    let size = place(axis, tensor.shape.rank()).and_then(|at| tensor.shape.axis(at));
    let size = size.ok_or_else(|| Stop::fault(Code::OutOfRange, format!("there is no axis {axis}")))?;
    let (lengths, each) = match call.has(1) {
        false => (vec![1; usize::try_from(size.min(1 << 16)).unwrap_or(0)], true),
        true if call.rank(1)? == 0 => {
            let part = call.whole(1, "length")?.first().and_then(|&part| u64::try_from(part).ok());
            let part = part.filter(|&part| part > 0 && size / part < 1 << 16);
            let part =
                part.ok_or_else(|| Stop::fault(Code::OutOfRange, "its parts have no sensible length"))?;
            ((0..size.div_ceil(part)).map(|number| part.min(size - number * part)).collect(), false)
        }
        true => {
            let lengths: Option<Vec<u64>> =
                call.whole(1, "lengths")?.iter().map(|&length| u64::try_from(length).ok()).collect();
            (lengths.ok_or_else(|| Stop::fault(Code::OutOfRange, "a length is negative"))?, false)
        }
    };
    let input = call.outlet(0)?;
    let (mut parts, mut start) = (Vec::new(), 0u64);
    for length in lengths {
        let end = start.checked_add(length);
        let op = Slice { axis, start, end, step: std::num::NonZeroU64::MIN };
        let mut part = call.add(op, &[input])?;
        if each && call.int("keepdims", 1) == 0 {
            part = call.add(Squeeze { axes: vec![axis] }, &[part])?;
        }
        parts.push(call.value(part));
        start = end.unwrap_or(u64::MAX);
    }
    Ok(list(parts))
}

fn concat(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let (all, axis, new) = (items(call, 0)?, call.int("axis", 0), call.int("new_axis", 0) == 1);
    let mut parts = Vec::with_capacity(all.len());
    for value in &*all {
        let mut part = call.importer.outlet(call.frame, value)?;
        if new {
            part = call.add(Unsqueeze { axes: vec![axis] }, &[part])?;
        }
        parts.push(part);
    }
    let output = match parts.as_slice() {
        &[part] => part,
        parts => call.add(Concat { axis }, parts)?,
    };
    call.one(output)
}
