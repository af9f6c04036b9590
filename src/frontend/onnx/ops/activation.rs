//! Functions of single elements, and softmax.

use super::Handler;
use crate::frontend::onnx::call::{Call, Stop, Values};
use crate::ops::{
    Abs, Ceil, Celu, Cos, Elu, Erf, Exp, Flatten, Floor, Function, Gelu, GeluApproximate, Hardsigmoid,
    Hardswish, Hardtanh, LeakyRelu, Log, LogSoftmax, Maximum, Minimum, Mish, Mul, Neg, Op, Prelu, Reciprocal,
    Relu, Relu6, Reshape, Role, Round, Selu, Sigmoid, Silu, Sin, Softmax, Softplus, Softsign, Sqrt, Tanh,
    Unary,
};

pub(super) fn find(op: &str) -> Option<Handler> {
    Some(match op {
        "Relu" | "LeakyRelu" | "Elu" | "Selu" | "Celu" | "Sigmoid" | "HardSigmoid" | "HardSwish"
        | "Softplus" | "Softsign" | "Tanh" | "Erf" | "Exp" | "Log" | "Sqrt" | "Reciprocal" | "Abs"
        | "Neg" | "Floor" | "Ceil" | "Round" | "Sin" | "Cos" | "Gelu" | "Mish" | "Tan" | "Asin" | "Acos"
        | "Atan" | "Sinh" | "Cosh" | "Asinh" | "Acosh" | "Atanh" | "Sign" | "IsNaN" | "IsInf"
        | "ThresholdedRelu" | "Shrink" => simple,
        "Swish" => swish,
        "PRelu" => prelu,
        "Clip" => clip,
        "Softmax" | "LogSoftmax" => softmax,
        _ => return None,
    })
}

/// The op of a function without further inputs.
pub(super) fn function(call: &Call<'_, '_, '_>, name: &str) -> Option<Op> {
    let unary = |function| Op::from(Unary { function, threshold: None, bias: None });
    Some(match name {
        "Relu" => Relu {}.into(),
        "LeakyRelu" => LeakyRelu { negative_slope: call.float("alpha", 0.01), inplace: false }.into(),
        "Elu" => Elu { alpha: call.float("alpha", 1.0), inplace: false }.into(),
        "Selu" => Selu { inplace: false }.into(),
        "Celu" => Celu { alpha: call.float("alpha", 1.0), inplace: false }.into(),
        "Sigmoid" => Sigmoid {}.into(),
        "HardSigmoid" => {
            Hardsigmoid { alpha: call.float("alpha", 0.2), beta: call.float("beta", 0.5) }.into()
        }
        "HardSwish" => Hardswish {}.into(),
        "Softplus" => Softplus { beta: 1.0, threshold: 20.0 }.into(),
        "Softsign" => Softsign {}.into(),
        "Tanh" => Tanh {}.into(),
        "Erf" => Erf {}.into(),
        "Exp" => Exp {}.into(),
        "Log" => Log {}.into(),
        "Sqrt" => Sqrt {}.into(),
        "Reciprocal" => Reciprocal {}.into(),
        "Abs" => Abs {}.into(),
        "Neg" => Neg {}.into(),
        "Floor" => Floor {}.into(),
        "Ceil" => Ceil {}.into(),
        "Round" => Round {}.into(),
        "Sin" => Sin {}.into(),
        "Cos" => Cos {}.into(),
        "Gelu" => {
            let tanh = call.text("approximate") == Some("tanh");
            Gelu { approximate: if tanh { GeluApproximate::Tanh } else { GeluApproximate::None } }.into()
        }
        "Mish" => Mish {}.into(),
        "Silu" => Silu {}.into(),
        "Tan" => unary(Function::Tan),
        "Asin" => unary(Function::Asin),
        "Acos" => unary(Function::Acos),
        "Atan" => unary(Function::Atan),
        "Sinh" => unary(Function::Sinh),
        "Cosh" => unary(Function::Cosh),
        "Asinh" => unary(Function::Asinh),
        "Acosh" => unary(Function::Acosh),
        "Atanh" => unary(Function::Atanh),
        "Sign" => unary(Function::Sign),
        "IsNaN" => unary(Function::IsNan),
        "IsInf" => unary(Function::IsInf),
        "ThresholdedRelu" => {
            let threshold = Some(call.float("alpha", 1.0));
            Unary { function: Function::ThresholdedRelu, threshold, bias: None }.into()
        }
        "Shrink" => {
            let (threshold, bias) = (Some(call.float("lambd", 0.5)), Some(call.float("bias", 0.0)));
            Unary { function: Function::Shrink, threshold, bias }.into()
        }
        _ => return None,
    })
}

/// Attributes that ours do not have, and the values that they mean.
fn fixed(op: &str) -> &'static [(&'static str, f64)] {
    match op {
        "Selu" => &[("alpha", 1.673_263_192_176_818_8), ("gamma", 1.050_701_022_148_132_3)],
        _ => &[],
    }
}

fn simple(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let op = function(call, &call.node.op_type).ok_or_else(|| Stop::unknown("the function is not known"))?;
    for (name, only) in fixed(&call.node.op_type) {
        #[expect(clippy::float_cmp, reason = "a default is what it is")]
        if call.attribute(name).is_some() && call.float(name, *only) != *only {
            call.refuse(format!("its attribute `{name}` is not {only}, which alone runs"));
        }
    }
    call.needs("detect_negative", 1);
    call.needs("detect_positive", 1);
    let input = call.outlet(0)?;
    let output = call.add(op, &[input])?;
    call.one(output)
}

/// x·σ(α·x).
fn swish(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let input = call.outlet(0)?;
    #[expect(clippy::float_cmp, reason = "1 is the default, and exact")]
    let plain = call.float("alpha", 1.0) == 1.0;
    let output = if plain { call.add(Silu {}, &[input])? } else { scaled_swish(call, input, 1.0)? };
    call.one(output)
}

/// The same with a factor, as three ops.
pub(super) fn scaled_swish(
    call: &mut Call<'_, '_, '_>,
    input: crate::graph::Outlet,
    default: f64,
) -> Result<crate::graph::Outlet, Stop> {
    let factor = call.scalar(call.of(input).dtype, call.float("alpha", default))?;
    let scaled = call.add(Mul {}, &[input, factor])?;
    let gate = call.add(Sigmoid {}, &[scaled])?;
    call.add(Mul {}, &[input, gate])
}

fn prelu(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let (input, slopes) = (call.outlet(0)?, call.tensor(1)?);
    let uses = call.uses(1, "weight", Role::Other);
    if uses.is_empty() {
        call.outlet_as(1, "weight", Role::Other)?;
    }
    let per_channel = slopes.elements().get() > 1;
    let behind = call.of(input).shape.rank().saturating_sub(slopes.shape.rank());
    let on_channels = (behind..).zip(slopes.shape.axes()).all(|(axis, &size)| size == 1 || axis == 1);
    if !on_channels {
        call.refuse("its slopes are not one for each channel");
    }
    let output = call.add_using(Prelu { per_channel }, &[input], &uses)?;
    call.give(output.node, "weight", 1);
    call.one(output)
}

/// Bounds are attributes before operator set 11.
fn clip(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let input = call.outlet(0)?;
    let bound = |call: &Call<'_, '_, '_>, name: &str, index: usize| match call.attribute(name) {
        Some(_) => Some(Some(call.float(name, 0.0))),
        None if call.has(index) => Some(call.number(index)),
        None => None,
    };
    let (low, high) = (bound(call, "min", 1), bound(call, "max", 2));
    let output = match (low, high) {
        #[expect(clippy::float_cmp, reason = "the bounds of a ReLU6 are exact")]
        (Some(Some(low)), Some(Some(high))) => {
            let op = if low == 0.0 && high == 6.0 {
                Op::from(Relu6 {})
            } else {
                Hardtanh { min_val: low, max_val: high }.into()
            };
            call.add(op, &[input])?
        }
        (None, None) => call.add(crate::ops::Identity {}, &[input])?,
        (low, high) => {
            let mut output = input;
            for (bound, index) in [(low, 1), (high, 2)] {
                if bound.is_none() {
                    continue;
                }
                let dtype = call.of(input).dtype;
                let other = match bound {
                    Some(Some(number)) if !call.has(index) => call.scalar(dtype, number)?,
                    _ => call.outlet(index)?,
                };
                let op = if index == 1 { Op::from(Maximum {}) } else { Minimum {}.into() };
                output = call.add(op, &[output, other])?;
            }
            output
        }
    };
    call.one(output)
}

/// Before operator set 13 all axes from one on are one row.
fn softmax(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let (input, tensor) = (call.outlet(0)?, call.tensor(0)?);
    let rank = tensor.shape.rank();
    let axis = call.int("axis", if call.opset < 13 { 1 } else { -1 });
    let op = |axis: i64| match call.node.op_type.as_str() {
        "Softmax" => Op::from(Softmax { axis }),
        _ => LogSoftmax { axis }.into(),
    };
    let from_start =
        usize::try_from(if axis < 0 { axis + i64::try_from(rank).unwrap_or(0) } else { axis }).ok();
    let tail = from_start.and_then(|axis| tensor.shape.axes().get(axis.saturating_add(1)..));
    let flattens = call.opset < 13 && tail.is_some_and(|tail| tail.iter().any(|&size| size != 1));
    if !flattens {
        let op = op(axis);
        let output = call.add(op, &[input])?;
        return call.one(output);
    }
    let op = op(1);
    let flat = call.add(Flatten { axis }, &[input])?;
    let rows = call.add(op, &[flat])?;
    let shape = sizes(tensor.shape.axes())?;
    let output = call.add(Reshape { shape }, &[rows])?;
    call.one(output)
}

/// Sizes as a `reshape` takes them.
pub(super) fn sizes(axes: &[u64]) -> Result<Vec<i64>, Stop> {
    let sizes: Result<Vec<i64>, _> = axes.iter().map(|&size| i64::try_from(size)).collect();
    sizes.map_err(|_| Stop::fault(crate::diagnostic::Code::Overflow, "a size does not fit in 63 bits"))
}
