//! Matrix products and attention.

use super::Handler;
use super::arithmetic::ADD;
use super::convolution::positive;
use super::quantized::INTEGERS;
use crate::diagnostic::Code;
use crate::frontend::onnx::call::{Call, Stop, Values};
use crate::frontend::onnx::sources::Fit;
use crate::graph::Outlet;
use crate::ops::{Attention, AttentionMask, Einsum, Linear, Matmul, Mul, Role, Transpose};
use crate::tensor::DType;

pub(super) fn find(op: &str) -> Option<Handler> {
    Some(match op {
        "MatMul" => |call| {
            let output = product(call, Operands { a: 0, b: 1, bias: usize::MAX }, Turned::default(), None)?;
            call.one(output)
        },
        "MatMulInteger" => |call| {
            let operands = Operands { a: 0, b: 1, bias: usize::MAX };
            let output = product(call, operands, Turned::default(), Some(DType::I32))?;
            call.one(output)
        },
        "Gemm" => |call| {
            let output = gemm(call)?;
            call.one(output)
        },
        "Einsum" => einsum,
        "Attention" => attention,
        _ => return None,
    })
}

/// Which inputs are what.
#[derive(Clone, Copy)]
pub(super) struct Operands {
    pub(super) a: usize,
    pub(super) b: usize,
    pub(super) bias: usize,
}

/// Which operands are transposed.
#[derive(Clone, Copy, Default)]
pub(super) struct Turned {
    pub(super) a: bool,
    pub(super) b: bool,
}

pub(super) fn gemm(call: &mut Call<'_, '_, '_>) -> Result<Outlet, Stop> {
    let turned = Turned { a: call.int("transA", 0) == 1, b: call.int("transB", 0) == 1 };
    let output = product(call, Operands { a: 0, b: 1, bias: 2 }, turned, None)?;
    scaled(call, output)
}

/// The factor before a product, where it is not 1.
pub(super) fn scaled(call: &mut Call<'_, '_, '_>, output: Outlet) -> Result<Outlet, Stop> {
    let factor = call.float("alpha", 1.0);
    #[expect(clippy::float_cmp, reason = "1 is the default, and exact")]
    if factor == 1.0 {
        return Ok(output);
    }
    let factor = call.scalar(call.of(output).dtype, factor)?;
    call.add(Mul {}, &[output, factor])
}

/// What a bias is multiplied by before it is added, where the sum is then multiplied by `alpha`: α·(A·B + (β/α)·C).
fn bias_factor(call: &Call<'_, '_, '_>) -> f64 {
    match call.node.op_type.as_str() {
        "Gemm" | "FusedGemm" => call.float("beta", 1.0) / call.float("alpha", 1.0),
        // Others multiply the product alone, and have no bias.
        _ => 1.0,
    }
}

/// A product: a learned matrix behind is a linear layer, anything else a product of two tensors.
pub(super) fn product(
    call: &mut Call<'_, '_, '_>,
    operands: Operands,
    turned: Turned,
    dtype: Option<DType>,
) -> Result<Outlet, Stop> {
    let (left, right) = (call.tensor(operands.a)?, call.tensor(operands.b)?);
    if dtype.is_some() {
        call.refuse(INTEGERS);
    }
    let uses = call.uses(operands.b, "weight", Role::Weight);
    let is_layer = !uses.is_empty() && call.stored(operands.a).is_none() && right.shape.rank() == 2;
    if !is_layer || left.shape.rank() < 2 {
        return two_tensors(call, operands, turned, dtype);
    }
    let (rows, columns) = (right.shape.axes()[0], right.shape.axes()[1]);
    let (features, out) = if turned.b { (columns, rows) } else { (rows, columns) };
    let mut input = call.outlet(operands.a)?;
    if turned.a {
        let rank = i64::try_from(left.shape.rank()).unwrap_or(2);
        let permutation = (0..rank - 2).chain([rank - 1, rank - 2]).collect();
        input = call.add(Transpose { permutation }, &[input])?;
    }
    if call.of(input).shape.axes().last() != Some(&features) {
        let message = format!(
            "vectors of {} meet the matrix {}, which takes vectors of {features}",
            call.of(input).shape.axes().last().copied().unwrap_or(0),
            right.shape
        );
        return Err(Stop::fault(Code::ShapeMismatch, message));
    }
    let mut all: Vec<_> = uses.into_vec();
    // A bias for each output; anything else is added by an op of its own.
    let bias = call.has(operands.bias)
        && call.stored(operands.bias).is_some_and(|stored| stored.seen.elements().get() == out);
    if bias {
        all.extend(call.uses(operands.bias, "bias", Role::Bias));
    }
    let op = Linear { out_features: positive(out, "output features")?, bias, dtype };
    let output = call.add_using(op, &[input], &all)?;
    call.give_fitted(output.node, "weight", operands.b, Fit { turned: !turned.b, ..Fit::SAME });
    if bias {
        let factor = bias_factor(call);
        if !factor.is_finite() {
            call.refuse("its factor `alpha` is 0, which leaves nothing to add a bias to");
        }
        call.give_fitted(output.node, "bias", operands.bias, Fit { factor, ..Fit::SAME });
    } else if call.has(operands.bias) {
        return added(call, output, operands.bias);
    }
    Ok(output)
}

/// A sum with a bias that an op of its own adds.
fn added(call: &mut Call<'_, '_, '_>, output: Outlet, bias: usize) -> Result<Outlet, Stop> {
    #[expect(clippy::float_cmp, reason = "1 is the default, and exact")]
    if bias_factor(call) != 1.0 {
        call.refuse("its factors `alpha` and `beta` differ, and its bias is not one for each output");
    }
    let other = call.outlet_as(bias, "bias", Role::Bias)?;
    call.add(ADD, &[output, other])
}

/// A product of two tensors, either of which may be stored or computed from what is.
fn two_tensors(
    call: &mut Call<'_, '_, '_>,
    operands: Operands,
    turned: Turned,
    dtype: Option<DType>,
) -> Result<Outlet, Stop> {
    let a = call.outlet_as(operands.a, "weight", Role::Weight)?;
    let b = call.outlet_as(operands.b, "weight", Role::Weight)?;
    let op = Matmul { transpose_a: turned.a, transpose_b: turned.b, dtype };
    let output = call.add(op, &[a, b])?;
    match call.has(operands.bias) {
        true => added(call, output, operands.bias),
        false => Ok(output),
    }
}

fn einsum(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let equation = call.text("equation").ok_or_else(|| Stop::fault(Code::Missing, "it has no `equation`"))?;
    let mut inputs = Vec::with_capacity(call.inputs.len());
    for input in 0..call.inputs.len() {
        inputs.push(call.outlet_as(input, "weight", Role::Weight)?);
    }
    let op = Einsum { equation: equation.into() };
    let output = call.add(op, &inputs)?;
    call.one(output)
}

/// Attention of operator set 23: query, key, value, a mask, and what was kept of earlier tokens.
fn attention(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let heads = |name: &str| u64::try_from(call.int(name, 0)).ok().and_then(std::num::NonZeroU64::new);
    let rank = call.rank(0)?;
    let causal = call.int("is_causal", 0) != 0;
    // Scores that are bent, or moved on by earlier tokens, do not run either.
    let mask = if call.has(3) || call.float("softcap", 0.0) > 0.0 || (causal && call.has(4)) {
        AttentionMask::Given
    } else if causal {
        AttentionMask::Causal
    } else {
        AttentionMask::None
    };
    let scale = call.attribute("scale").map(|_| call.float("scale", 1.0));
    let op = match rank {
        3 => Attention { heads: heads("q_num_heads"), kv_heads: heads("kv_num_heads"), mask, scale },
        _ => Attention { heads: None, kv_heads: None, mask, scale },
    };
    let (query, mut key, mut value) = (call.outlet(0)?, call.outlet(1)?, call.outlet(2)?);
    let mut present = Vec::new();
    if call.has(4) && call.has(5) {
        if rank != 4 {
            return Err(Stop::unknown("earlier keys and values in this layout are not known"));
        }
        let (past_key, past_value) = (call.outlet(4)?, call.outlet(5)?);
        key = call.add(crate::ops::Concat { axis: 2 }, &[past_key, key])?;
        value = call.add(crate::ops::Concat { axis: 2 }, &[past_value, value])?;
        present = vec![key, value];
    }
    let output = call.add(op, &[query, key, value])?;
    let mut values = Values::from_iter([call.value(output)]);
    values.extend(present.into_iter().map(|outlet| call.value(outlet)));
    Ok(values)
}
