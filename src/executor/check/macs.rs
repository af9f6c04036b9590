//! Multiply-accumulates: the all-ones probe through the real loops.
//!
//! With ones in, ones stored and ones beside the map, the sum of what comes out is the number of multiply-accumulates
//! that happened; the sum of an input's gradient is the number of those backward, and that of the kernel's likewise. Of
//! an op with several products, such as attention, each is made of ones by itself.
//! Single precision has every whole number up to 2^24: where an element is larger, the pass is run again in double.
//! With zeros beside the map the sum is the number of products that are not by a zero of the padding: its own figure.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::{Subject, ones};
use crate::executor::run::Network;
use crate::measurement::{Check, Unit};
use crate::ops::execute::kernel::reduce::{Max, Sum, reduce};
use crate::ops::execute::{BackwardCall, Call, Execute, Fault, Mode, Stored, dtype, probe};
use crate::ops::{Family, Io, KeptInputs, Op, Operator, Role};
use crate::tensor::{self, TensorType};
use crate::units::grouped;

/// Of the forward pass.
pub const FORWARD: Subject =
    Subject::new("macs", "multiply-accumulates forward, as the sum of ones", Unit::Macs);
/// Of the gradients of inputs.
pub const GRAD_INPUT: Subject =
    Subject::new("macs_grad_input", "multiply-accumulates of inputs' gradients, likewise", Unit::Macs);
/// Of the gradients of kernels.
pub const GRAD_WEIGHT: Subject =
    Subject::new("macs_grad_weight", "multiply-accumulates of kernels' gradients, likewise", Unit::Macs);

/// What one node's probe counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    forward: u64,
    /// With zeros beside the map.
    valid: u64,
    grad_input: u64,
    grad_weight: u64,
}

/// Why a pass has no count.
enum Failed {
    /// An element is so large that its type does not have every whole number below.
    Rounded,
    Fault(Fault),
}

impl<F: Into<Fault>> From<F> for Failed {
    fn from(fault: F) -> Self {
        Self::Fault(fault.into())
    }
}

/// The sum of sums of ones, in f64. While an element is below the limit all that were added to it were, so none was
/// rounded.
fn total(of: &Tensor) -> Result<u64, Failed> {
    let axes: Vec<usize> = (0..of.rank()).collect();
    let doubles = of.to_dtype(DType::F64)?;
    let first = |of: Tensor| Ok::<_, Fault>(of.flatten_all()?.to_vec1::<f64>()?.first().copied());
    let limit = if of.dtype() == DType::F64 { 9_007_199_254_740_992.0 } else { 16_777_216.0 };
    if of.elem_count() > 0 && first(reduce(&doubles, &axes, &Max)?)?.is_some_and(|most| most >= limit) {
        return Err(Failed::Rounded);
    }
    Ok(whole(first(reduce(&doubles, &axes, &Sum)?)?.unwrap_or(0.0))?)
}

fn whole(sum: f64) -> Result<u64, Fault> {
    if sum < 0.0 || sum.fract() != 0.0 || sum >= 9e15 {
        return Err(Fault::unrunnable(format!("the sum of ones is {sum}")));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number below 2^53")]
    Ok(sum as u64)
}

/// Ones for kernels and matrices, zeros for what is added.
fn stored_ones(op: &Op, inputs: &[&TensorType], of: tensor::DType, device: &Device) -> Result<Stored, Fault> {
    let tensors = op.weights(inputs).into_iter().map(|weight| {
        let of = TensorType::new(weight.shape.axes(), of);
        let ones = ones(&of, dtype(of.dtype).unwrap_or(DType::F32), device)?;
        Ok((weight.name, if weight.role == Role::Weight { ones } else { ones.zeros_like()? }))
    });
    tensors.collect()
}

/// One forward and one backward pass of ones, in the least precision that holds their sums.
fn pass(op: &Op, inputs: &[TensorType], backward: bool, device: &Device) -> Result<Counted, Fault> {
    for precision in [tensor::DType::F32, tensor::DType::F64] {
        match pass_in(precision, op, inputs, backward, device) {
            Ok(counted) => return Ok(counted),
            Err(Failed::Rounded) => {}
            Err(Failed::Fault(fault)) => return Err(fault),
        }
    }
    Err(Fault::unrunnable("a sum of ones is above 2^53"))
}

fn pass_in(
    precision: tensor::DType,
    op: &Op,
    inputs: &[TensorType],
    backward: bool,
    device: &Device,
) -> Result<Counted, Failed> {
    let of = |of: &TensorType| TensorType {
        dtype: if of.dtype.is_float() { precision } else { of.dtype },
        ..of.clone()
    };
    let types: Vec<TensorType> = inputs.iter().map(of).collect();
    let types: Vec<&TensorType> = types.iter().collect();
    let outputs = op.infer(&types).map_err(|mismatch| Fault::unrunnable(mismatch.message))?;
    let io = Io { inputs: &types, outputs: &outputs };
    let tensors = types
        .iter()
        .map(|&of| ones(of, dtype(of.dtype).unwrap_or(DType::F32), device))
        .collect::<Result<Vec<_>, _>>()?;
    let stored = stored_ones(op, &types, precision, device)?;
    let call = Call { io, inputs: &tensors, stored: &stored, mode: Mode::Train };
    let (made, products) = probe::products(|| op.forward(&call));
    let made = made?;
    let is_compound = probe::is_compound(op);
    let forward = if is_compound { whole(products)? } else { total(&made.outputs[0])? };
    let mut counted = Counted { forward, ..Counted::default() };
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
    let (made, products) = probe::products(|| op.gradients(&call));
    let made = made?;
    if is_compound {
        counted.grad_input = whole(products)?;
        return Ok(counted);
    }
    for (place, gradient) in made.inputs.iter().enumerate() {
        // A kernel may be computed.
        let is_kernel = place == 1 && op.family() == Family::Convolution;
        let sum = if is_kernel { &mut counted.grad_weight } else { &mut counted.grad_input };
        *sum += gradient.as_ref().map_or(Ok(0), total)?;
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
    let [mut forward, mut input, mut weight] = [FORWARD, GRAD_INPUT, GRAD_WEIGHT].map(Subject::comparison);
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
            check.leave_out(&why);
        }
    }
    Ok(checks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Linear;

    #[test]
    fn sums_that_single_precision_rounds_are_made_in_double() {
        // Odd and above 2^24.
        let features = (1 << 24) + 1;
        let op = Op::from(Linear { out_features: std::num::NonZeroU64::MIN, bias: false, dtype: None });
        let inputs = [TensorType::new([1, features], tensor::DType::F32)];
        let of = |precision| pass_in(precision, &op, &inputs, false, &Device::Cpu);
        assert!(matches!(of(tensor::DType::F32), Err(Failed::Rounded)));
        assert_eq!(pass(&op, &inputs, false, &Device::Cpu).unwrap().forward, features);
    }

    #[test]
    fn the_largest_element_decides() {
        let of = |most: f64, dtype| total(&Tensor::new(&[1.0, most, 3.0], &Device::Cpu)?.to_dtype(dtype)?);
        assert!(matches!(of(16_777_215.0, DType::F32), Ok(16_777_219)));
        assert!(matches!(of(16_777_216.0, DType::F32), Err(Failed::Rounded)));
        assert!(matches!(of(16_777_216.0, DType::F64), Ok(16_777_220)));
        assert!(matches!(of(9_007_199_254_740_992.0, DType::F64), Err(Failed::Rounded)));
    }
}
