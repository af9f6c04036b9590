//! Multiply-accumulates: the all-ones probe through the real loops.
//!
//! With ones in, ones stored and ones beside the map, the sum of what comes out is the number of multiply-accumulates
//! that happened; the sum of an input's gradient is the number of those backward, and that of the kernel's likewise.
//! With zeros beside the map the sum is the number of products that are not by a zero of the padding: its own figure.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::{Comparison, ones};
use crate::executor::run::Network;
use crate::measurement::{Check, Unit, Verdict};
use crate::ops::execute::kernel::reduce::{Sum, reduce};
use crate::ops::execute::{BackwardCall, Call, Execute, Fault, Mode, Stored, dtype, probe};
use crate::ops::{Family, Io, KeptInputs, Op, Operator, Role};
use crate::tensor::TensorType;
use crate::units::grouped;

/// What one node's probe counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    forward: u64,
    /// With zeros beside the map.
    valid: u64,
    grad_input: u64,
    grad_weight: u64,
}

/// The sum in f64. Each element is a whole number below 2^24, exact in f32; halves are run in f32.
fn total(of: &Tensor) -> Result<u64, Fault> {
    let axes: Vec<usize> = (0..of.rank()).collect();
    let whole = reduce(&of.to_dtype(DType::F64)?, &axes, &Sum)?.flatten_all()?.to_vec1::<f64>()?;
    let sum = whole.first().copied().unwrap_or(0.0);
    if sum < 0.0 || sum.fract() != 0.0 || sum >= 9e15 {
        return Err(Fault::unrunnable(format!("the sum of ones is {sum}")));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number below 2^53")]
    Ok(sum as u64)
}

/// Ones for kernels and matrices, zeros for what is added.
fn stored_ones(op: &Op, inputs: &[&TensorType], device: &Device) -> Result<Stored, Fault> {
    let tensors = op.weights(inputs).into_iter().map(|weight| {
        let of = TensorType::new(weight.shape.axes(), crate::tensor::DType::F32);
        let ones = ones(&of, DType::F32, device)?;
        Ok((weight.name, if weight.role == Role::Weight { ones } else { ones.zeros_like()? }))
    });
    tensors.collect()
}

fn single(of: &TensorType) -> TensorType {
    let dtype = if of.dtype.is_float() { crate::tensor::DType::F32 } else { of.dtype };
    TensorType { dtype, ..of.clone() }
}

/// One forward and one backward pass of ones.
fn pass(op: &Op, inputs: &[TensorType], backward: bool, device: &Device) -> Result<Counted, Fault> {
    let types: Vec<TensorType> = inputs.iter().map(single).collect();
    let types: Vec<&TensorType> = types.iter().collect();
    let outputs = op.infer(&types).map_err(|mismatch| Fault::unrunnable(mismatch.message))?;
    let io = Io { inputs: &types, outputs: &outputs };
    let tensors = types
        .iter()
        .map(|&of| ones(of, dtype(of.dtype).unwrap_or(DType::F32), device))
        .collect::<Result<Vec<_>, _>>()?;
    let stored = stored_ones(op, &types, device)?;
    let call = Call { io, inputs: &tensors, stored: &stored, mode: Mode::Train };
    let made = op.forward(&call)?;
    let mut counted = Counted { forward: total(&made.outputs[0])?, ..Counted::default() };
    if !backward {
        return Ok(counted);
    }
    let kept = op.backward(io)?.minimal;
    let read = match kept.inputs {
        KeptInputs::None => 0,
        KeptInputs::First => 1,
        KeptInputs::All => tensors.len(),
    };
    let gradients = [Some(made.outputs[0].ones_like()?)];
    let call = BackwardCall {
        io,
        inputs: &tensors.iter().enumerate().map(|(at, x)| (at < read).then(|| x.clone())).collect::<Vec<_>>(),
        outputs: if kept.outputs { &made.outputs } else { &[] },
        kept: &made.kept,
        stored: &stored,
        gradients: &gradients,
        wanted: &vec![true; tensors.len()],
        mode: Mode::Train,
    };
    let made = op.gradients(&call)?;
    for gradient in made.inputs.iter().flatten() {
        counted.grad_input += total(gradient)?;
    }
    let kernels = op.weights(&types);
    for (name, gradient) in &made.stored {
        if kernels.iter().any(|weight| weight.name == *name && weight.role == Role::Weight) {
            counted.grad_weight += total(gradient)?;
        }
    }
    Ok(counted)
}

fn probed(op: &Op, io: Io<'_>, device: &Device) -> Result<Counted, Fault> {
    let (bare, inputs) = probe::unpadded(op, io)?;
    let full = pass(&bare, &inputs, true, device)?;
    let own: Vec<TensorType> = io.inputs.iter().map(|&input| input.clone()).collect();
    Ok(Counted { valid: pass(op, &own, false, device)?.forward, ..full })
}

/// Forward, backward by inputs and by kernels, and the products that no zero of the padding has a part in.
///
/// # Errors
/// When a count does not fit in 64 bits.
pub fn check(network: &Network<'_>) -> Result<Vec<Check>, crate::units::Overflow> {
    let graph = network.graph;
    let mut forward = Comparison::new("macs", "multiply-accumulates forward, as the sum of ones", Unit::Macs);
    let mut input =
        Comparison::new("macs_grad_input", "multiply-accumulates of inputs' gradients, likewise", Unit::Macs);
    let mut weight = Comparison::new(
        "macs_grad_weight",
        "multiply-accumulates of kernels' gradients, likewise",
        Unit::Macs,
    );
    let mut valid = 0u64;
    type Key = (*const Op, Vec<TensorType>);
    let mut seen: HashMap<Key, Result<Counted, String>> = HashMap::new();
    let mut failed = Vec::new();
    for (id, node) in graph.nodes() {
        let types = graph.input_types(node);
        let io = Io { inputs: &types, outputs: &node.outputs };
        let cost = node.op.cost(io)?;
        // Not by the predicted number alone: 0 may be the mistake.
        let has_kernel = matches!(node.op.family(), Family::Convolution | Family::Linear);
        if cost.macs == 0 && !has_kernel {
            continue;
        }
        let key = (Arc::as_ptr(&node.op), types.iter().map(|&of| of.clone()).collect());
        let counted = seen
            .entry(key)
            .or_insert_with(|| probed(&node.op, io, &network.device).map_err(|fault| fault.to_string()));
        match counted {
            Ok(counted) => {
                let backward = node.op.backward(io)?;
                forward.compare(id, cost.macs, counted.forward);
                input.compare(id, backward.grad_input_macs, counted.grad_input);
                weight.compare(id, backward.grad_weight_macs, counted.grad_weight);
                valid = valid.saturating_add(counted.valid);
            }
            Err(fault) => failed.push((id, fault.clone())),
        }
    }
    if forward.compared > 0 {
        forward.notes.push(format!("{} of them are not by a zero of the padding", grouped(valid)));
        // The totals of training leave out what no gradient is wanted of.
        input.notes.push("of every node, whether or not its input wants one".into());
    }
    let mut checks = vec![forward.exact(), input.exact(), weight.exact()];
    if let Some((id, fault)) = failed.first() {
        let name = &graph.node(*id).name;
        let why = format!("{} nodes are not probed, the first is `{name}`: {fault}", failed.len());
        for check in &mut checks {
            let note = check.note.take();
            check.note = Some(note.map_or_else(|| why.clone(), |note| format!("{note}; {why}")));
            if check.compared == 0 {
                check.verdict = Verdict::Unchecked("no node is probed".into());
            }
        }
    }
    Ok(checks)
}
