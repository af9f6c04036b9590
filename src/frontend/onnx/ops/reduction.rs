//! Sums, means and extremes over axes.

use super::Handler;
use crate::frontend::onnx::call::{Call, Stop, Values};
use crate::graph::Outlet;
use crate::ops::{
    Abs, Argmax, Exp, Identity, Log, Mul, Op, ReduceL2, ReduceMax, ReduceMean, ReduceMin, ReduceProd,
    ReduceSum,
};

pub(super) fn find(op: &str) -> Option<Handler> {
    Some(match op {
        "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceL2" | "ReduceL1"
        | "ReduceSumSquare" | "ReduceLogSum" | "ReduceLogSumExp" => reduce,
        "ArgMax" | "ArgMin" => |call| {
            let op = Argmax { axis: call.int("axis", 0), keep_dims: call.int("keepdims", 1) == 1 };
            if call.node.op_type == "ArgMin" {
                call.refuse("ours finds the largest element, not the least");
            }
            call.needs("select_last_index", 0);
            let input = call.outlet(0)?;
            let output = call.add(op, &[input])?;
            call.one(output)
        },
        _ => return None,
    })
}

fn reduce(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let axes = call.list("axes", 1)?.unwrap_or_default();
    let keep_dims = call.int("keepdims", 1) == 1;
    let input = call.outlet(0)?;
    if axes.is_empty() && call.int("noop_with_empty_axes", 0) == 1 {
        let output = call.add(Identity {}, &[input])?;
        return call.one(output);
    }
    let sum = |call: &mut Call<'_, '_, '_>, input: Outlet| {
        call.add(ReduceSum { axes: axes.clone(), keep_dims }, &[input])
    };
    let op: Op = match call.node.op_type.as_str() {
        "ReduceMean" => ReduceMean { axes, keep_dims }.into(),
        "ReduceMax" => ReduceMax { axes, keep_dims }.into(),
        "ReduceMin" => ReduceMin { axes, keep_dims }.into(),
        "ReduceProd" => ReduceProd { axes, keep_dims }.into(),
        "ReduceL2" => ReduceL2 { axes, keep_dims }.into(),
        // The others are made of two ops.
        name => {
            let output = match name {
                "ReduceL1" => {
                    let sizes = call.add(Abs {}, &[input])?;
                    sum(call, sizes)?
                }
                "ReduceSumSquare" => {
                    let squares = call.add(Mul {}, &[input, input])?;
                    sum(call, squares)?
                }
                "ReduceLogSum" => {
                    let total = sum(call, input)?;
                    call.add(Log {}, &[total])?
                }
                "ReduceLogSumExp" => {
                    let powers = call.add(Exp {}, &[input])?;
                    let total = sum(call, powers)?;
                    call.add(Log {}, &[total])?
                }
                _ => sum(call, input)?,
            };
            return call.one(output);
        }
    };
    let output = call.add(op, &[input])?;
    call.one(output)
}
