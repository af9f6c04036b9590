//! Ops under which a tensor stays what it is: other names, types and shapes.
//!
//! A stored tensor is seen through them: a weight behind an Identity, a Cast or a Transpose is still that weight.

use super::Handler;
use super::activation::sizes;
use crate::diagnostic::Code;
use crate::frontend::onnx::call::{Call, Stop, Values};
use crate::frontend::onnx::fold::resolved;
use crate::frontend::onnx::value::{Kind, Stored, Value, dtype};
use crate::frontend::onnx::views::View;
use crate::ops::{Cast, Dropout, Flatten, Identity, Reshape, Squeeze, Transpose, Unsqueeze};
use crate::tensor::{DType, TensorType};
use crate::units::product;

pub(super) fn find(op: &str) -> Option<Handler> {
    Some(match op {
        "Identity" => identity,
        "Dropout" => dropout,
        "Cast" => cast,
        "CastLike" => cast_like,
        "Reshape" => reshape,
        "Flatten" => flatten,
        "Squeeze" => squeeze,
        "Unsqueeze" => unsqueeze,
        "Transpose" => transpose,
        _ => return None,
    })
}

/// A stored tensor seen in another shape or type, which this view of it gives.
pub(super) fn seen(call: &Call<'_, '_, '_>, input: usize, seen: TensorType, view: View) -> Option<Values> {
    let stored = call.stored(input)?;
    let same = stored.seen == seen && !matches!(view, View::Transpose(_));
    let known = stored.known.clone().filter(|_| same);
    let views = match (&stored.views, same) {
        (Ok(views), false) => views.and(view),
        (views, _) => views.clone(),
    };
    let value = Value::new(Kind::Stored(Stored { seen, known, views, ..stored.clone() }));
    Some(Values::from_iter([value]))
}

/// The first input passed on: the value itself, where it is stored.
fn identity(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    if call.stored(0).is_some() || matches!(call.input(0)?.kind(), Kind::Sequence(_)) {
        return Ok(Values::from_iter([call.input(0)?.clone()]));
    }
    let input = call.outlet(0)?;
    let output = call.add(Identity {}, &[input])?;
    call.one(output)
}

fn dropout(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    if call.stored(0).is_some() {
        return Ok(Values::from_iter([call.input(0)?.clone()]));
    }
    if call.opset >= 12 && call.has(2) && call.number(2) != Some(0.0) {
        call.refuse("it drops elements at random");
    }
    let p = match call.attribute("ratio") {
        Some(_) => call.float("ratio", 0.5),
        None => call.number(1).unwrap_or(0.5),
    };
    let input = call.outlet(0)?;
    let output = call.add(Dropout { p }, &[input])?;
    call.one(output)
}

fn cast(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let to = i32::try_from(call.int("to", 0)).ok().and_then(dtype);
    cast_to(call, to.ok_or_else(|| Stop::unknown("it casts to a type that is not known"))?)
}

fn cast_like(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let to = call.tensor(1)?.dtype;
    cast_to(call, to)
}

fn cast_to(call: &mut Call<'_, '_, '_>, to: DType) -> Result<Values, Stop> {
    let tensor = TensorType { dtype: to, ..call.tensor(0)? };
    if let Some(values) = seen(call, 0, tensor, View::Cast(to)) {
        return Ok(values);
    }
    let input = call.outlet(0)?;
    let output = call.add(Cast { dtype: to }, &[input])?;
    call.one(output)
}

fn reshape(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let tensor = call.tensor(0)?;
    let shape = match call.ints("shape") {
        Some(shape) => shape.to_vec(),
        None => call.whole(1, "shape")?.to_vec(),
    };
    let allow_zero = call.int("allowzero", 0) == 1;
    let Some(axes) = resolved(&shape, tensor.shape.axes(), allow_zero) else {
        let message = format!("{} cannot be reshaped to {shape:?}", tensor.shape);
        return Err(Stop::fault(Code::ShapeMismatch, message));
    };
    let view = View::Reshape(axes.as_slice().into());
    if let Some(values) = seen(call, 0, tensor.reshaped(axes.as_slice()), view) {
        return Ok(values);
    }
    let input = call.outlet(0)?;
    let shape = sizes(&axes)?;
    let output = call.add(Reshape { shape }, &[input])?;
    call.one(output)
}

fn flatten(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let tensor = call.tensor(0)?;
    let (rank, axis) = (tensor.shape.rank(), call.int("axis", 1));
    let at = usize::try_from(if axis < 0 { axis + i64::try_from(rank).unwrap_or(0) } else { axis }).ok();
    let parts = at.and_then(|at| tensor.shape.axes().split_at_checked(at));
    let Some((before, behind)) = parts else {
        let message = format!("there is no axis {axis} in {}", tensor.shape);
        return Err(Stop::fault(Code::OutOfRange, message));
    };
    let both = product(before).and_then(|before| Ok([before, product(behind)?]));
    let axes = both.map_err(|overflow| Stop::fault(Code::Overflow, overflow.to_string()))?;
    if let Some(values) = seen(call, 0, tensor.reshaped(axes), View::Reshape(axes.into())) {
        return Ok(values);
    }
    let input = call.outlet(0)?;
    let output = if axis == 1 && rank > 1 {
        call.add(Flatten { axis }, &[input])?
    } else {
        let shape = sizes(&axes)?;
        call.add(Reshape { shape }, &[input])?
    };
    call.one(output)
}

fn squeeze(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let tensor = call.tensor(0)?;
    let axes = match call.list("axes", 1)? {
        Some(axes) => axes,
        None => {
            (0..).zip(tensor.shape.axes()).filter(|(_, size)| **size == 1).map(|(axis, _)| axis).collect()
        }
    };
    let input = if call.stored(0).is_some() { None } else { Some(call.outlet(0)?) };
    match input {
        Some(input) if axes.is_empty() => {
            let output = call.add(Identity {}, &[input])?;
            call.one(output)
        }
        Some(input) => {
            let output = call.add(Squeeze { axes }, &[input])?;
            call.one(output)
        }
        None => {
            let rank = i64::try_from(tensor.shape.rank()).unwrap_or(0);
            let gone: Vec<i64> = axes.iter().map(|&axis| if axis < 0 { axis + rank } else { axis }).collect();
            let kept = (0..).zip(tensor.shape.axes()).filter(|(axis, _)| !gone.contains(axis));
            let kept: Vec<u64> = kept.map(|(_, &size)| size).collect();
            seen_as(call, &tensor, &kept, View::Reshape(kept.as_slice().into()))
        }
    }
}

fn unsqueeze(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let tensor = call.tensor(0)?;
    let axes = call.list("axes", 1)?.ok_or_else(|| Stop::fault(Code::Missing, "it has no `axes`"))?;
    if call.stored(0).is_none() {
        let input = call.outlet(0)?;
        let output = call.add(Unsqueeze { axes }, &[input])?;
        return call.one(output);
    }
    let rank = tensor.shape.rank() + axes.len();
    if rank > crate::tensor::TensorShape::MAX_RANK {
        return Err(Stop::fault(Code::TooLarge, format!("it would have {rank} axes")));
    }
    let signed = i64::try_from(rank).unwrap_or(0);
    let new: Vec<i64> = axes.iter().map(|&axis| if axis < 0 { axis + signed } else { axis }).collect();
    let mut old = tensor.shape.axes().iter().copied();
    let sizes = (0..signed).map(|axis| if new.contains(&axis) { Some(1) } else { old.next() });
    let sizes: Option<Vec<u64>> = sizes.collect();
    let sizes = sizes.ok_or_else(|| Stop::fault(Code::OutOfRange, "`axes` names one twice"))?;
    seen_as(call, &tensor, &sizes, View::Reshape(sizes.as_slice().into()))
}

/// The same elements of a stored tensor in another shape.
fn seen_as(call: &Call<'_, '_, '_>, tensor: &TensorType, axes: &[u64], view: View) -> Result<Values, Stop> {
    let other = tensor.reshaped(axes);
    if axes.len() > crate::tensor::TensorShape::MAX_RANK || other.elements() != tensor.elements() {
        return Err(Stop::fault(Code::ShapeMismatch, format!("{} is not {}", tensor.shape, other.shape)));
    }
    seen(call, 0, other, view).ok_or_else(|| Stop::unknown("it is no stored tensor"))
}

fn transpose(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let tensor = call.tensor(0)?;
    let rank = tensor.shape.rank();
    let permutation = match call.ints("perm") {
        Some(order) => order.to_vec(),
        None => (0..i64::try_from(rank).unwrap_or(0)).rev().collect(),
    };
    if call.stored(0).is_some() {
        let order = permutation.iter().map(|&axis| usize::try_from(axis).ok());
        let order: Option<Vec<usize>> = order.collect();
        let axes =
            order.as_ref().and_then(|order| order.iter().map(|&axis| tensor.shape.axis(axis)).collect());
        let (Some(order), Some::<Vec<u64>>(axes)) = (order, axes) else {
            return Err(Stop::fault(Code::OutOfRange, format!("`perm` cannot be {permutation:?}")));
        };
        return seen_as(call, &tensor, &axes, View::Transpose(order));
    }
    let input = call.outlet(0)?;
    let output = call.add(Transpose { permutation }, &[input])?;
    call.one(output)
}
