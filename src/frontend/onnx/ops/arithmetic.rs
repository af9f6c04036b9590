//! Functions of several tensors, element by element.

use super::Handler;
use crate::frontend::onnx::call::{Call, Stop, Values};
use crate::frontend::onnx::value::Kind;
use crate::graph::Outlet;
use crate::ops::{
    Add, AddChannels, Compare, Comparison, Div, Family, Identity, Logic, LogicOperator, Maximum, Minimum,
    Modulo, Mul, Op, Operator, Pow, Role, Sub, Where,
};

pub(super) fn find(op: &str) -> Option<Handler> {
    Some(match op {
        "Add" | "Sub" | "Mul" | "Div" | "Mod" => binary,
        "Sum" | "Max" | "Min" | "Mean" => variadic,
        "Pow" => pow,
        "Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" => compare,
        "And" | "Or" | "Xor" | "BitwiseAnd" | "BitwiseOr" | "BitwiseXor" | "Not" | "BitwiseNot" => logic,
        "Where" => select,
        _ => return None,
    })
}

/// Adds nothing else.
pub(super) const ADD: Add = Add { channels: AddChannels::Equal, subsample: false };

fn binary(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let (a, b) = (call.outlet(0)?, call.outlet(1)?);
    if call.node.op_type == "Add" {
        for (stored, other) in [(1, a), (0, b)] {
            name_bias(call, stored, other)?;
        }
    }
    let op: Op = match call.node.op_type.as_str() {
        "Add" => ADD.into(),
        "Sub" => Sub {}.into(),
        "Mul" => Mul {}.into(),
        "Div" => Div {}.into(),
        _ => {
            call.needs("fmod", 0);
            Modulo {}.into()
        }
    };
    let output = call.add(op, &[a, b])?;
    call.one(output)
}

/// What is added to each vector that a learned matrix made is that layer's bias.
fn name_bias(call: &mut Call<'_, '_, '_>, stored: usize, other: Outlet) -> Result<(), Stop> {
    let is_stored = matches!(call.input(stored)?.kind(), Kind::Stored(_));
    let bias = call.tensor(stored)?;
    let made = call.importer.graph.node(other.node).op.family() == Family::Linear;
    if is_stored
        && made
        && bias.shape.rank() == 1
        && bias.shape.axes().last() == call.of(other).shape.axes().last()
    {
        call.outlet_as(stored, "bias", Role::Bias)?;
    }
    Ok(())
}

fn variadic(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let inputs = call.outlets()?;
    let &[first, ref rest @ ..] = inputs.as_slice() else {
        return Err(Stop::fault(crate::diagnostic::Code::WrongCount, "it has no inputs"));
    };
    if rest.is_empty() {
        let output = call.add(Identity {}, &[first])?;
        return call.one(output);
    }
    let output = match call.node.op_type.as_str() {
        "Sum" => call.add(ADD, &inputs)?,
        "Mean" => {
            let sum = call.add(ADD, &inputs)?;
            #[expect(clippy::cast_precision_loss, reason = "a number of inputs")]
            let count = call.scalar(call.of(sum).dtype, inputs.len() as f64)?;
            call.add(Div {}, &[sum, count])?
        }
        name => {
            let max = name == "Max";
            let mut output = first;
            for &next in rest {
                let op = if max { Op::from(Maximum {}) } else { Minimum {}.into() };
                output = call.add(op, &[output, next])?;
            }
            output
        }
    };
    call.one(output)
}

fn pow(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let base = call.outlet(0)?;
    let exponent = call.number(1).ok_or_else(|| Stop::unknown("the exponent depends on data"))?;
    let output = call.add(Pow { exponent }, &[base])?;
    call.one(output)
}

fn compare(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let inputs = [call.outlet(0)?, call.outlet(1)?];
    let operator = match call.node.op_type.as_str() {
        "Equal" => Comparison::Equal,
        "Less" => Comparison::Less,
        "LessOrEqual" => Comparison::LessOrEqual,
        "Greater" => Comparison::Greater,
        _ => Comparison::GreaterOrEqual,
    };
    let output = call.add(Compare { operator }, &inputs)?;
    call.one(output)
}

fn logic(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let operator = match call.node.op_type.trim_start_matches("Bitwise") {
        "And" => LogicOperator::And,
        "Or" => LogicOperator::Or,
        "Xor" => LogicOperator::Xor,
        _ => LogicOperator::Not,
    };
    let inputs = call.outlets()?;
    let output = call.add(Logic { operator }, &inputs)?;
    call.one(output)
}

fn select(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let inputs = [call.outlet(0)?, call.outlet(1)?, call.outlet(2)?];
    let output = call.add(Where {}, &inputs)?;
    call.one(output)
}
