//! Ops of onnxruntime that stand for several: its optimizer writes them.

use super::Handler;
use super::activation::{function, scaled_swish};
use super::arithmetic::ADD;
use super::convolution::{Operands, conv, positive};
use super::norm::{layer, rms};
use super::product::{self, Turned};
use crate::frontend::onnx::call::{Call, Stop, Values};
use crate::graph::Outlet;
use crate::ops::{Attention, AttentionMask, Gelu, GeluApproximate, Role, Split};

pub(super) fn find(op: &str) -> Option<Handler> {
    Some(match op {
        "FusedConv" => fused_conv,
        "FusedMatMul" | "TransposeMatMul" => fused_matmul,
        "FusedGemm" => fused_gemm,
        "Gelu" => |call| gelu(call, GeluApproximate::None),
        "BiasGelu" => |call| gelu(call, GeluApproximate::None),
        "FastGelu" => |call| gelu(call, GeluApproximate::Tanh),
        "QuickGelu" => |call| {
            let input = call.outlet(0)?;
            let output = scaled_swish(call, input, 1.702)?;
            call.one(output)
        },
        "SkipLayerNormalization" => |call| skip(call, layer),
        "SkipSimplifiedLayerNormalization" => |call| skip(call, rms),
        "SimplifiedLayerNormalization" => |call| rms(call, 1),
        "Attention" => attention,
        "MultiHeadAttention" => multi_head,
        _ => return None,
    })
}

/// The activation that an attribute names.
fn activated(call: &mut Call<'_, '_, '_>, output: Outlet) -> Result<Outlet, Stop> {
    match call.text("activation") {
        None | Some("") => Ok(output),
        Some(name) => {
            if call.attribute("activation_params").is_some() {
                call.refuse("its activation has parameters, which are not followed");
            }
            let op = function(call, name);
            // Its bounds or slopes are numbers of a list.
            let op = match name {
                "Clip" => Some(crate::ops::Hardtanh { min_val: 0.0, max_val: 6.0 }.into()),
                _ => op,
            };
            let op = op.ok_or_else(|| Stop::unknown(format!("the activation `{name}` is not known")))?;
            call.add(op, &[output])
        }
    }
}

/// A convolution, an addition where there is a fourth input, and an activation.
fn fused_conv(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let mut output = conv(call, Operands { input: 0, kernel: 1, bias: 2 }, None)?;
    if call.has(3) {
        let other = call.outlet(3)?;
        output = call.add(ADD, &[output, other])?;
    }
    let output = activated(call, output)?;
    call.one(output)
}

fn fused_matmul(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    if call.int("transBatchA", 0) == 1 || call.int("transBatchB", 0) == 1 {
        return Err(Stop::unknown("a product with turned batches is not known"));
    }
    let turned = Turned { a: call.int("transA", 0) == 1, b: call.int("transB", 0) == 1 };
    let operands = product::Operands { a: 0, b: 1, bias: usize::MAX };
    let output = product::product(call, operands, turned, None)?;
    let output = product::scaled(call, output)?;
    call.one(output)
}

fn fused_gemm(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let output = product::gemm(call)?;
    let output = activated(call, output)?;
    call.one(output)
}

/// A Gelu behind the addition of a bias, where there is one.
fn gelu(call: &mut Call<'_, '_, '_>, approximate: GeluApproximate) -> Result<Values, Stop> {
    let mut input = call.outlet(0)?;
    if call.has(1) {
        let bias = call.outlet_as(1, "bias", Role::Bias)?;
        input = call.add(ADD, &[input, bias])?;
    }
    let output = call.add(Gelu { approximate }, &[input])?;
    call.one(output)
}

/// An addition of two or three tensors and a norm. The sum is the fourth output.
fn skip(
    call: &mut Call<'_, '_, '_>,
    norm: for<'i, 'f, 'm> fn(&mut Call<'i, 'f, 'm>, usize) -> Result<Values, Stop>,
) -> Result<Values, Stop> {
    let simplified = call.node.op_type.contains("Simplified");
    let bias = if simplified { 3 } else { 4 };
    let mut terms = vec![call.outlet(0)?, call.outlet(1)?];
    if call.has(bias) {
        terms.push(call.outlet_as(bias, "bias", Role::Bias)?);
    }
    let sum = call.add(ADD, &terms)?;
    let sum = call.value(sum);
    call.inputs[0] = Some(sum.clone());
    // The norm's own inputs are the third and, where it shifts, the fourth.
    if simplified {
        call.inputs.truncate(3);
    } else {
        call.inputs.truncate(4);
    }
    let mut values = norm(call, 2)?;
    if call.node.outputs.len() > 3 {
        let missing =
            || crate::frontend::onnx::value::Value::without_size("statistics of a norm are not followed");
        values.extend([missing(), missing(), sum]);
    }
    Ok(values)
}

fn heads(call: &Call<'_, '_, '_>) -> Result<std::num::NonZeroU64, Stop> {
    positive(u64::try_from(call.int("num_heads", 0)).unwrap_or(0), "num_heads")
}

/// Projections of one input to query, key and value, and attention over them.
fn attention(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let mask = if call.has(3) || call.has(5) {
        AttentionMask::Given
    } else if call.int("unidirectional", 0) != 0 {
        AttentionMask::Causal
    } else {
        AttentionMask::None
    };
    let op = Attention { heads: Some(heads(call)?), kv_heads: None, mask, scale: scale(call) };
    if call.has(4) {
        return Err(Stop::unknown("earlier keys and values in this layout are not known"));
    }
    call.needs("do_rotary", 0);
    let operands = product::Operands { a: 0, b: 1, bias: 2 };
    let all = product::product(call, operands, Turned::default(), None)?;
    let sizes: Option<Result<Vec<_>, Stop>> = call.ints("qkv_hidden_sizes").map(|sizes| {
        sizes.iter().map(|&size| positive(u64::try_from(size).unwrap_or(0), "qkv_hidden_sizes")).collect()
    });
    let split = match sizes {
        Some(sizes) => Split { axis: -1, sizes: Some(sizes?), parts: None },
        None => Split { axis: -1, sizes: None, parts: std::num::NonZeroU64::new(3) },
    };
    let parts = call.add(split, &[all])?;
    let part = |port| Outlet { node: parts.node, port };
    let output = call.add(op, &[part(0), part(1), part(2)])?;
    call.one(output)
}

/// What scores are multiplied with, if the file says it.
fn scale(call: &Call<'_, '_, '_>) -> Option<f64> {
    call.attribute("scale").map(|_| call.float("scale", 1.0))
}

/// Attention over query, key and value, to which biases were added.
fn multi_head(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    if !call.has(1) || !call.has(2) || call.rank(1)? != 3 {
        return Err(Stop::unknown("packed keys and values are not known"));
    }
    if call.has(3) || call.has(6) {
        return Err(Stop::unknown("attention with a packed bias or earlier keys is not known"));
    }
    let given = call.has(4) || call.has(5);
    let mask = match call.int("unidirectional", 0) {
        _ if given => AttentionMask::Given,
        0 => AttentionMask::None,
        _ => AttentionMask::Causal,
    };
    let op = Attention { heads: Some(heads(call)?), kv_heads: None, mask, scale: scale(call) };
    let inputs = [call.outlet(0)?, call.outlet(1)?, call.outlet(2)?];
    let output = call.add(op, &inputs)?;
    call.one(output)
}
