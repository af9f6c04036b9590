//! Normalizations.

use super::Handler;
use super::convolution::positive;
use crate::frontend::onnx::call::{Call, Stop, Values};
use crate::frontend::onnx::parameters::Use;
use crate::frontend::onnx::sources::Fit;
use crate::frontend::onnx::value::{Kind, Value};
use crate::ops::{
    Abs, BatchNorm, Div, GroupNorm, InstanceNorm, LayerNorm, Lrn, Mul, Op, ReduceL2, ReduceMean, ReduceSum,
    RmsNorm, Role, Sqrt, Sub,
};

pub(super) fn find(op: &str) -> Option<Handler> {
    Some(match op {
        "BatchNormalization" => batch,
        "InstanceNormalization" => instance,
        "LayerNormalization" => |call| layer(call, 1),
        "RMSNormalization" | "SimplifiedLayerNormalization" => |call| rms(call, 1),
        "GroupNormalization" => group,
        "LRN" => lrn,
        "LpNormalization" => lp,
        "MeanVarianceNormalization" => mean_variance,
        _ => return None,
    })
}

/// Adds a norm that uses these inputs, each where it is given.
fn norm(
    call: &mut Call<'_, '_, '_>,
    op: Op,
    input: crate::graph::Outlet,
    tensors: &[(usize, &'static str, Role)],
) -> Result<Values, Stop> {
    let mut uses: Vec<Use> = Vec::new();
    for &(index, name, role) in tensors {
        if !call.has(index) {
            continue;
        }
        let found = call.uses(index, name, role);
        if found.is_empty() {
            call.outlet_as(index, name, role)?;
        }
        uses.extend(found);
    }
    let output = call.add_using(op, &[input], &uses)?;
    for &(index, name, _) in tensors {
        call.give(output.node, name, index);
    }
    call.one(output)
}

fn batch(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let input = call.outlet(0)?;
    call.needs("training_mode", 0);
    call.needs("spatial", 1);
    let op = BatchNorm { epsilon: call.float("epsilon", 1e-5), affine: true, track_running_stats: true };
    norm(
        call,
        op.into(),
        input,
        &[
            (1, "weight", Role::Norm),
            (2, "bias", Role::Norm),
            (3, "running_mean", Role::Buffer),
            (4, "running_var", Role::Buffer),
        ],
    )
}

/// Whether an input is known to be one number all over.
fn is_all(call: &Call<'_, '_, '_>, input: usize, number: f64) -> bool {
    let known = call.inputs.get(input).and_then(|value| value.as_ref()?.elements());
    #[expect(clippy::float_cmp, reason = "0 and 1 are exact")]
    known.is_some_and(|known| known.floats().iter().all(|&element| element == number))
}

/// PyTorch's exporter writes a group norm as an instance norm with ones and zeros: they are stored, not learned.
fn instance(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let input = call.outlet(0)?;
    let made = is_all(call, 1, 1.0) && is_all(call, 2, 0.0);
    let stored = matches!(call.input(1)?.kind(), Kind::Stored(_));
    let role = if made && stored { Role::Buffer } else { Role::Norm };
    let op = InstanceNorm { epsilon: call.float("epsilon", 1e-5), affine: true, track_running_stats: false };
    norm(call, op.into(), input, &[(1, "weight", role), (2, "bias", role)])
}

/// What is added to the variance; onnxruntime's fused ops have a default of their own.
fn epsilon(call: &Call<'_, '_, '_>) -> f64 {
    call.float("epsilon", if call.node.op_type.starts_with("Skip") { 1e-12 } else { 1e-5 })
}

/// A layer norm whose scale is at the given input and whose shift follows.
pub(super) fn layer(call: &mut Call<'_, '_, '_>, scale: usize) -> Result<Values, Stop> {
    let input = call.outlet(0)?;
    let op = LayerNorm {
        axes_from: call.int("axis", -1),
        epsilon: epsilon(call),
        affine: call.has(scale),
        bias: call.has(scale + 1),
    };
    norm(call, op.into(), input, &[(scale, "weight", Role::Norm), (scale + 1, "bias", Role::Norm)])
}

/// A root-mean-square norm whose scale is at the given input.
pub(super) fn rms(call: &mut Call<'_, '_, '_>, scale: usize) -> Result<Values, Stop> {
    let input = call.outlet(0)?;
    let op = RmsNorm { axes_from: call.int("axis", -1), epsilon: epsilon(call), affine: call.has(scale) };
    norm(call, op.into(), input, &[(scale, "weight", Role::Norm)])
}

fn group(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let input = call.outlet(0)?;
    let groups = positive(u64::try_from(call.int("num_groups", 0)).unwrap_or(0), "num_groups")?;
    let op = GroupNorm { groups, epsilon: call.float("epsilon", 1e-5), affine: true };
    let channels = call.of(input).channels();
    let values = norm(call, op.into(), input, &[(1, "weight", Role::Norm), (2, "bias", Role::Norm)])?;
    // Before operator set 21 a scale is a group's.
    let scales = call.tensor(1)?.elements().get();
    let times = channels.checked_div(scales).filter(|_| scales == groups.get()).unwrap_or(1);
    if let Some(outlet) = values.first().and_then(Value::outlet).filter(|_| times > 1) {
        for (input, name) in [(1, "weight"), (2, "bias")] {
            call.give_fitted(outlet.node, name, input, Fit { times, ..Fit::SAME });
        }
    }
    Ok(values)
}

fn lrn(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let input = call.outlet(0)?;
    let size = positive(u64::try_from(call.int("size", 0)).unwrap_or(0), "size")?;
    let op = Lrn {
        size,
        alpha: call.float("alpha", 1e-4),
        beta: call.float("beta", 0.75),
        k: call.float("bias", 1.0),
    };
    let output = call.add(op, &[input])?;
    call.one(output)
}

fn lp(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let input = call.outlet(0)?;
    let axes = vec![call.int("axis", -1)];
    let length = match call.int("p", 2) {
        2 => call.add(ReduceL2 { axes, keep_dims: true }, &[input])?,
        _ => {
            let sizes = call.add(Abs {}, &[input])?;
            call.add(ReduceSum { axes, keep_dims: true }, &[sizes])?
        }
    };
    let output = call.add(Div {}, &[input, length])?;
    call.one(output)
}

/// (x − μ)/σ over axes, as its ops.
fn mean_variance(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let input = call.outlet(0)?;
    let axes = call.ints("axes").map_or_else(|| vec![0, 2, 3], <[i64]>::to_vec);
    let mean = |axes: &[i64]| ReduceMean { axes: axes.to_vec(), keep_dims: true };
    let middle = call.add(mean(&axes), &[input])?;
    let centred = call.add(Sub {}, &[input, middle])?;
    let squares = call.add(Mul {}, &[centred, centred])?;
    let variance = call.add(mean(&axes), &[squares])?;
    let deviation = call.add(Sqrt {}, &[variance])?;
    let output = call.add(Div {}, &[centred, deviation])?;
    call.one(output)
}
