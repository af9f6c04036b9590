//! Integers in place of floats: quantization, and the ops that compute on it.

use super::convolution::{Operands, conv};
use super::product::{self, Turned};
use super::{Handler, activation, arithmetic, layout, pool};
use crate::frontend::onnx::call::{Call, Stop, Values};
use crate::frontend::onnx::value::{Kind, Stored, Value, dtype};
use crate::graph::Outlet;
use crate::ops::{
    Add, Cast, Dequantize, Div, GlobalAvgPool, Identity, Mul, Op, Quantize, ReduceMax, ReduceMin, Role,
    Softmax, Sub,
};
use crate::tensor::{DType, TensorType};

pub(super) fn find(op: &str) -> Option<Handler> {
    Some(match op {
        "QuantizeLinear" => quantize,
        "DequantizeLinear" => dequantize,
        "DynamicQuantizeLinear" => dynamic,
        "QLinearConv" => qlinear_conv,
        "QLinearMatMul" => qlinear_matmul,
        _ => return None,
    })
}

/// Ops of onnxruntime on integers.
pub(super) fn find_microsoft(op: &str) -> Option<Handler> {
    Some(match op {
        "QuantizeLinear" => quantize,
        "DequantizeLinear" => dequantize,
        "QLinearAdd" => |call| two(call, Add { ..arithmetic::ADD }.into()),
        "QLinearMul" => |call| two(call, Mul {}.into()),
        "QLinearSigmoid" => |call| one(call, "Sigmoid"),
        "QLinearLeakyRelu" => |call| one(call, "LeakyRelu"),
        "QLinearSoftmax" => |call| {
            call.refuse(INTEGERS);
            let op = Softmax { axis: call.int("axis", -1) };
            let input = call.outlet(0)?;
            let output = call.add(op, &[input])?;
            call.one(output)
        },
        "QLinearGlobalAveragePool" => |call| {
            call.refuse(INTEGERS);
            let input = call.outlet(0)?;
            let output = call.add(GlobalAvgPool {}, &[input])?;
            call.one(output)
        },
        "QLinearAveragePool" => |call| {
            call.refuse(INTEGERS);
            pool::pool(call)
        },
        "QLinearConcat" => qlinear_concat,
        "QLinearConv" => qlinear_conv,
        "QGemm" => qgemm,
        "MatMulIntegerToFloat" | "DynamicQuantizeMatMul" => |call| {
            let operands = product::Operands { a: 0, b: 1, bias: usize::MAX };
            let output = product::product(call, operands, Turned::default(), Some(DType::F32))?;
            call.one(output)
        },
        _ => return None,
    })
}

/// Why none of these run.
pub(super) const INTEGERS: &str = "it computes on integers in place of floats, which does not run";

/// The type that quantization makes: the zero point's, or an attribute's.
fn quantized_type(call: &Call<'_, '_, '_>, zero_point: usize) -> Result<DType, Stop> {
    if call.has(zero_point) {
        return Ok(call.tensor(zero_point)?.dtype);
    }
    let named = i32::try_from(call.int("output_dtype", 0)).ok().and_then(dtype);
    Ok(named.unwrap_or(DType::U8))
}

/// Scales that are listed with a stored tensor; no file has more than two.
const MOST_SCALES: usize = 64;

/// A stored tensor seen through scales, which are stored beside it.
fn seen(call: &Call<'_, '_, '_>, dtype: DType) -> Option<Values> {
    let stored = call.stored(0).filter(|stored| stored.with.len() < MOST_SCALES)?;
    let mut with = stored.with.to_vec();
    with.extend(call.stored(1).map(|scale| scale.storage));
    let seen = TensorType { dtype, shape: stored.seen.shape.clone() };
    let views = Err("is quantized, and integers in place of floats do not run");
    let value = Stored { storage: stored.storage, seen, known: None, with: with.into(), views };
    Some(Values::from_iter([Value::new(Kind::Stored(value))]))
}

fn quantize(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let dtype = quantized_type(call, 2)?;
    if let Some(values) = seen(call, dtype) {
        return Ok(values);
    }
    call.refuse(INTEGERS);
    let (input, uses) = (call.outlet(0)?, call.uses(1, "scale", Role::Buffer));
    let output = call.add_using(Quantize { dtype }, &[input], &uses)?;
    call.one(output)
}

fn dequantize(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let dtype = call.tensor(1)?.dtype;
    if let Some(values) = seen(call, dtype) {
        return Ok(values);
    }
    call.refuse(INTEGERS);
    let (input, uses) = (call.outlet(0)?, call.uses(1, "scale", Role::Buffer));
    let output = call.add_using(Dequantize { dtype }, &[input], &uses)?;
    call.one(output)
}

/// Quantization whose scale comes from the tensor's own extremes.
fn dynamic(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    call.refuse(INTEGERS);
    let input = call.outlet(0)?;
    let all = || (Vec::new(), false);
    let ((axes, keep_dims), (axes_too, _)) = (all(), all());
    let most = call.add(ReduceMax { axes, keep_dims }, &[input])?;
    let least = call.add(ReduceMin { axes: axes_too, keep_dims }, &[input])?;
    let range = call.add(Sub {}, &[most, least])?;
    let steps = call.scalar(call.of(range).dtype, 255.0)?;
    let scale = call.add(Div {}, &[range, steps])?;
    let zero = call.add(Cast { dtype: DType::U8 }, &[least])?;
    let output = call.add(Quantize { dtype: DType::U8 }, &[input])?;
    Ok([output, scale, zero].into_iter().map(|outlet| call.value(outlet)).collect())
}

/// The scales among the inputs, which are stored.
fn scales(call: &Call<'_, '_, '_>, inputs: &[usize]) -> Vec<crate::frontend::onnx::parameters::Use> {
    inputs.iter().flat_map(|&input| call.uses(input, "scale", Role::Buffer)).collect()
}

/// Notes the scales at a node.
fn note_scales(call: &mut Call<'_, '_, '_>, output: Outlet, inputs: &[usize]) {
    for used in scales(call, inputs) {
        call.importer.parameters.note(output.node, used);
    }
}

fn qlinear_conv(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let dtype = call.tensor(7)?.dtype;
    let output = conv(call, Operands { input: 0, kernel: 3, bias: 8 }, Some(dtype))?;
    note_scales(call, output, &[1, 4, 6]);
    call.one(output)
}

fn qlinear_matmul(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let dtype = call.tensor(7)?.dtype;
    let operands = product::Operands { a: 0, b: 3, bias: usize::MAX };
    let output = product::product(call, operands, Turned::default(), Some(dtype))?;
    note_scales(call, output, &[1, 4, 6]);
    call.one(output)
}

/// a, its scale and zero point; b, its own; c; y's scale and zero point, without which y is a float.
fn qgemm(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let dtype = if call.has(8) { call.tensor(8)?.dtype } else { DType::F32 };
    let turned = Turned { a: call.int("transA", 0) == 1, b: call.int("transB", 0) == 1 };
    let operands = product::Operands { a: 0, b: 3, bias: 6 };
    let output = product::product(call, operands, turned, Some(dtype))?;
    note_scales(call, output, &[1, 4, 7]);
    call.one(output)
}

/// a, its scale and zero point; b, its own; y's.
fn two(call: &mut Call<'_, '_, '_>, op: Op) -> Result<Values, Stop> {
    call.refuse(INTEGERS);
    let inputs = [call.outlet(0)?, call.outlet(3)?];
    let output = call.add(op, &inputs)?;
    note_scales(call, output, &[1, 4, 6]);
    call.one(output)
}

fn one(call: &mut Call<'_, '_, '_>, name: &str) -> Result<Values, Stop> {
    call.refuse(INTEGERS);
    let op = activation::function(call, name).unwrap_or_else(|| Identity {}.into());
    let input = call.outlet(0)?;
    let output = call.add(op, &[input])?;
    note_scales(call, output, &[1, 3]);
    call.one(output)
}

/// y's scale and zero point, then each part with its own.
fn qlinear_concat(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    call.refuse(INTEGERS);
    let parts = call.inputs.iter().skip(2).step_by(3).cloned().collect();
    call.inputs = parts;
    layout::concat(call)
}
