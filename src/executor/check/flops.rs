//! FLOPs: the ops' own loops, run on numbers that note each operation on them.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::Subject;
use crate::graph::{Graph, StoredTensor};
use crate::measurement::{Check, Difference, Unit};
use crate::ops::cost::{Elementary, Kind};
use crate::ops::execute::scalar::count;
use crate::ops::execute::{Call, Execute, Fault, Mode, Stored, dims, dtype};
use crate::ops::{Io, Op, Operator};
use crate::tensor::TensorType;
use crate::units::Overflow;

/// The check.
pub const FLOPS: Subject =
    Subject::new("flops", "elementary operations, counted as they happen", Unit::Flops);

/// Ops with more operations than this are not run on counted numbers: one takes a few nanoseconds.
pub const LIMIT: u64 = 300_000_000;

/// A whole number or a fraction that every function takes: a probability.
fn filled(of: &TensorType) -> Result<Tensor, Fault> {
    let dtype = dtype(of.dtype).ok_or_else(|| Fault::unrunnable(format!("no {} is run", of.dtype)))?;
    let whole = Tensor::zeros(dims(of), DType::F64, &Device::Cpu)?;
    if dtype.is_float() { Ok((whole + 0.5)?) } else { Ok(whole.to_dtype(dtype)?) }
}

fn in_doubles(of: &TensorType) -> TensorType {
    let dtype = if of.dtype.is_float() { crate::tensor::DType::F64 } else { of.dtype };
    TensorType { dtype, ..of.clone() }
}

/// What one op computes on these types; `None` where it computes too much to be counted.
fn counted(op: &Op, io: Io<'_>, listed: &[StoredTensor]) -> Result<Option<Elementary>, Fault> {
    if op.cost(io)?.elementary.total()? > LIMIT {
        return Ok(None);
    }
    let types: Vec<TensorType> = io.inputs.iter().map(|input| in_doubles(input)).collect();
    let types: Vec<&TensorType> = types.iter().collect();
    let outputs: Vec<TensorType> = io.outputs.iter().map(in_doubles).collect();
    let inputs = types.iter().map(|of| filled(of)).collect::<Result<Vec<_>, _>>()?;
    let stored = listed
        .iter()
        .map(|one| {
            Ok((
                one.weight.name,
                filled(&TensorType::new(one.weight.shape.axes(), crate::tensor::DType::F64))?,
            ))
        })
        .collect::<Result<Stored, Fault>>()?;
    let io = Io { inputs: &types, outputs: &outputs };
    let call = Call { io, inputs: &inputs, stored: &stored, mode: Mode::Evaluate };
    let (made, counts) = count(|| op.forward(&call));
    made?;
    Ok(Some(counts))
}

/// Kind by kind, as text.
fn kinds(counts: &Elementary) -> String {
    let some = counts.iter().filter(|(_, count)| *count > 0);
    let texts: Vec<String> = some.map(|(kind, count)| format!("{count} {}", kind.name())).collect();
    if texts.is_empty() { "0".into() } else { texts.join(", ") }
}

/// Elementary operations of the ops without multiply-accumulates, kind by kind. Equal ops on equal shapes run once.
///
/// # Errors
/// When a count does not fit in 64 bits.
pub fn check(graph: &Graph) -> Result<Check, Overflow> {
    let mut comparison = FLOPS.comparison();
    type Key = (*const Op, Vec<TensorType>);
    let mut seen: HashMap<Key, Result<Option<Elementary>, String>> = HashMap::new();
    let (mut large, mut failed, mut products) = (0usize, Vec::new(), 0usize);
    for (id, node) in graph.nodes() {
        let types = graph.input_types(node);
        let io = Io { inputs: &types, outputs: &node.outputs };
        let cost = node.op.cost(io)?;
        if node.is_input() || cost.unknown {
            continue;
        }
        if cost.macs > 0 {
            products += 1;
            continue;
        }
        let key = (Arc::as_ptr(&node.op), types.iter().map(|&of| of.clone()).collect());
        let counts = seen.entry(key).or_insert_with(|| {
            // In the op's own layout; a file lists what ops that store nothing need.
            let own = graph.stored_by_op(node, &types);
            let listed = if own.is_empty() { graph.stored(node, &types) } else { own };
            counted(&node.op, io, &listed).map_err(|fault| fault.to_string())
        });
        match counts {
            Ok(Some(counts)) => {
                let (predicted, measured) = (cost.elementary.total()?, counts.total()?);
                comparison.compare(id, predicted, measured);
                // As many in all, but of other kinds.
                if predicted == measured
                    && Kind::ALL.iter().any(|&kind| counts.get(kind) != cost.elementary.get(kind))
                {
                    comparison.off.push(Difference {
                        node: id,
                        predicted: kinds(&cost.elementary),
                        measured: kinds(counts),
                    });
                }
            }
            Ok(None) => large += 1,
            Err(fault) => failed.push((id, fault.clone())),
        }
    }
    if products > 0 {
        comparison.notes.push(format!("{products} nodes with multiply-accumulates have the check of MACs"));
    }
    let mut check = comparison.exact();
    if large > 0 {
        check.leave_out(&format!("{large} nodes have more than {LIMIT} operations"));
    }
    if let Some((id, fault)) = failed.first() {
        let name = &graph.node(*id).name;
        check.leave_out(&format!("{} nodes do not run, the first is `{name}`: {fault}", failed.len()));
    }
    Ok(check)
}
