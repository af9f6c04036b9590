//! Exact evaluation of what is computed from shapes and constants alone: Shape → Gather → Concat → Reshape and kin.
//!
//! Small tensors of whole numbers, truth values and floats. What cannot be followed is left to the ops, which make nodes
//! of it: nothing here is an error.

mod arithmetic;
mod movement;

pub(super) use movement::{bounds, broadcast, resolved};
use smallvec::SmallVec;

use super::call::{Call, Values};
use super::model;
use super::value::{Elements, Kind, Known, MOST_KNOWN, Value, dtype};
use crate::tensor::{DType, TensorType};
use crate::units::product;

/// The outputs of a node, where they are known without running the network.
pub(super) fn fold(call: &mut Call<'_, '_, '_>) -> Option<Values> {
    let op = call.node.op_type.as_str();
    match op {
        "Shape" => return shape(call).map(one),
        "Size" => {
            let size = call.inputs.first()?.as_ref()?.tensor()?.shape.elements().ok()?;
            return Some(one(Known::scalar(i64::try_from(size).ok()?)));
        }
        "Constant" => return None,
        _ => {}
    }
    if !call.importer.budget.folds() {
        return None;
    }
    let mut inputs: SmallVec<[Option<&Known>; 4]> = SmallVec::new();
    for input in &call.inputs {
        let Some(value) = input else {
            inputs.push(None);
            continue;
        };
        let literal = match value.kind() {
            Kind::Stored(stored) => call.importer.parameters.is_literal(stored),
            Kind::Known(_) => true,
            _ => false,
        };
        inputs.push(Some(value.elements().filter(|_| literal)?));
    }
    // An op without any input makes its values up.
    inputs.first().copied().flatten()?;
    // What comes to nothing may have been made as far as inputs meet.
    let lengths = || inputs.iter().flatten().map(|known| known.elements.len() as u64);
    let (read, meet) = (lengths().sum(), lengths().fold(1u64, |all, one| all.saturating_mul(one.max(1))));
    if !call.importer.budget.fold(read) {
        return None;
    }
    let Some(results) = evaluate(call, op, &inputs) else {
        call.importer.budget.fold(meet.min(MOST_KNOWN));
        return None;
    };
    let written: u64 = results.iter().map(|known| known.elements.len() as u64).sum();
    let sound = |known: &Known| product(&known.dims) == Ok(known.elements.len() as u64);
    if written > MOST_KNOWN || !results.iter().all(sound) || !call.importer.budget.fold(written) {
        return None;
    }
    Some(results.into_iter().map(Value::known).collect())
}

fn one(known: Known) -> Values {
    SmallVec::from_iter([Value::known(known)])
}

fn evaluate(call: &Call<'_, '_, '_>, op: &str, inputs: &[Option<&Known>]) -> Option<Vec<Known>> {
    if let Some(result) = arithmetic::evaluate(call, op, inputs) {
        return result.map(|known| vec![known]);
    }
    movement::evaluate(call, op, inputs)
}

/// The shape of an input, or a part of it.
fn shape(call: &Call<'_, '_, '_>) -> Option<Known> {
    let tensor: TensorType = call.inputs.first()?.as_ref()?.tensor()?;
    let axes = tensor.shape.axes();
    let rank = i64::try_from(axes.len()).ok()?;
    let place = |axis: i64| {
        usize::try_from((if axis < 0 { axis.saturating_add(rank) } else { axis }).clamp(0, rank)).ok()
    };
    let (start, end) = (place(call.int("start", 0))?, place(call.int("end", rank))?);
    let part = axes.get(start..end.max(start))?;
    part.iter().map(|&size| i64::try_from(size).ok()).collect::<Option<Vec<_>>>().map(Known::list)
}

/// An axis counted from the end when negative.
fn axis(axis: i64, rank: usize) -> Option<usize> {
    let rank = i64::try_from(rank).ok()?;
    let axis = if axis < 0 { axis.checked_add(rank)? } else { axis };
    usize::try_from(axis).ok().filter(|_| axis < rank)
}

/// A list of axes from an attribute or an input.
fn list(call: &Call<'_, '_, '_>, name: &str, input: Option<&Known>) -> Option<Vec<i64>> {
    match (call.attribute(name), input) {
        (Some(model::Value::Ints(list)), _) => Some(list.clone()),
        (Some(model::Value::Int(one)), _) => Some(vec![*one]),
        (_, Some(known)) => known.whole().map(<[i64]>::to_vec),
        _ => None,
    }
}

/// The same elements in another type.
fn cast(known: &Known, to: DType) -> Option<Known> {
    let elements = match (&known.elements, to.is_float()) {
        (Elements::Float(list), true) => {
            Elements::Float(list.iter().map(|&number| rounded(number, to)).collect())
        }
        (Elements::Whole(_), true) => {
            Elements::Float(known.floats().into_iter().map(|number| rounded(number, to)).collect())
        }
        (Elements::Whole(list), false) if to == DType::Bool => {
            Elements::Whole(list.iter().map(|&number| i64::from(number != 0)).collect())
        }
        (Elements::Whole(list), false) => Elements::Whole(list.clone()),
        (Elements::Float(list), false) if to == DType::Bool => {
            Elements::Whole(list.iter().map(|&number| i64::from(number != 0.0)).collect())
        }
        #[expect(clippy::cast_possible_truncation, reason = "a cast to whole numbers rounds towards zero")]
        (Elements::Float(list), false) => Elements::Whole(
            list.iter().map(|&number| number.is_finite().then_some(number as i64)).collect::<Option<_>>()?,
        ),
    };
    Some(Known { dims: known.dims.clone(), dtype: to, elements })
}

/// A float as its type holds it: sizes are computed from scales in single precision.
#[expect(clippy::cast_possible_truncation, reason = "rounding is the point")]
fn rounded(number: f64, dtype: DType) -> f64 {
    if dtype == DType::F64 { number } else { f64::from(number as f32) }
}

/// The type that `to` names.
fn target(call: &Call<'_, '_, '_>) -> Option<DType> {
    dtype(i32::try_from(call.int("to", 0)).ok()?)
}
