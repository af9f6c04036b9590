//! Values by a formula that other programs can follow: `tests/conformance/README.md` has it, and vectors of it.

use candle_core::{Device, Tensor};

use crate::graph::{Graph, NodeId, StoredTensor};
use crate::ops::execute::{Fault, dtype};
use crate::ops::{Operator as _, Role};
use crate::tensor::TensorType;

/// Between which numbers values are drawn, all equally likely.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The least.
    pub low: f64,
    /// No value is as large.
    pub high: f64,
}

impl Range {
    /// As far below 0 as above.
    pub fn around_zero(size: f64) -> Self {
        Self { low: -size, high: size }
    }

    /// Of a network's inputs.
    pub const INPUT: Self = Self { low: -1.0, high: 1.0 };

    /// Of a stored tensor: He et al. 2015 for what is multiplied, so that values keep their size; norms near 1.
    ///
    /// `fan_in` is the number of products that an output is the sum of.
    #[expect(clippy::cast_precision_loss, reason = "a spread, not a count")]
    pub fn of(role: Role, name: &str, fan_in: u64) -> Self {
        match (role, name) {
            (Role::Weight, _) => Self::around_zero((6.0 / fan_in.max(1) as f64).sqrt()),
            (Role::Bias, _) => Self::around_zero(0.1),
            (Role::Norm, "weight") | (Role::Buffer, "running_var") => Self { low: 0.5, high: 1.5 },
            _ => Self::around_zero(0.5),
        }
    }
}

/// FNV-1a over the name, then a splitmix64 for each element: the upper 24 bits are a fraction that f32 holds exactly.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "24 bits, then f32 is what is asked for"
)]
pub fn values(name: &str, seed: u64, range: Range, count: usize) -> Vec<f32> {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    }) ^ seed;
    let mut state = hash;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let fraction = (z >> 40) as f64 / f64::from(1u32 << 24);
        (range.low + (range.high - range.low) * fraction) as f32
    };
    (0..count).map(|_| next()).collect()
}

/// A tensor of such values.
///
/// # Errors
/// Where the device fails or has no such element type.
pub fn tensor(
    name: &str,
    seed: u64,
    range: Range,
    of: &TensorType,
    device: &Device,
) -> Result<Tensor, Fault> {
    let dims = crate::ops::execute::dims(of);
    let wanted = dtype(of.dtype).ok_or_else(|| Fault::unrunnable(format!("no {} is run", of.dtype)))?;
    let values = values(name, seed, range, dims.iter().product());
    Ok(Tensor::from_vec(values, dims, &Device::Cpu)?.to_dtype(wanted)?.to_device(device)?)
}

/// The inputs of a network, by their names.
///
/// # Errors
/// Where the device fails or has no such element type.
pub fn inputs(graph: &Graph, seed: u64, device: &Device) -> Result<Vec<Tensor>, Fault> {
    let of = |&id: &NodeId| {
        let node = graph.node(id);
        tensor(&node.name, seed, Range::INPUT, &node.outputs[0], device)
    };
    graph.inputs().iter().map(of).collect()
}

/// The values of a stored tensor, by the layer's name and its own: `stage1.conv.weight`.
///
/// # Errors
/// Where the device fails or has no such element type.
pub fn stored(
    graph: &Graph,
    id: NodeId,
    one: &StoredTensor,
    seed: u64,
    device: &Device,
) -> Result<Tensor, Fault> {
    let node = graph.node(id);
    let name = format!("{}.{}", node.name, one.weight.name);
    let of = TensorType::new(one.weight.shape.axes(), one.dtype);
    // What each output of a product is the sum of, whatever the kernel's layout.
    let types = graph.input_types(node);
    let io = crate::ops::Io { inputs: &types, outputs: &node.outputs };
    let products = node.op.cost(io)?.macs / io.output_elements().max(1);
    tensor(&name, seed, Range::of(one.weight.role, one.weight.name, products), &of, device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_formula_says() {
        let some = values("conv.weight", 1, Range::INPUT, 1000);
        assert!(some.iter().all(|value| (-1.0..1.0).contains(value)));
        let mean = some.iter().sum::<f32>() / 1000.0;
        assert!(mean.abs() < 0.06, "{mean}");
        assert_eq!(some[..10], values("conv.weight", 1, Range::INPUT, 10)[..]);
        assert_ne!(some[..10], values("conv.weight", 2, Range::INPUT, 10)[..]);
        assert_ne!(some[..10], values("conv.bias", 1, Range::INPUT, 10)[..]);
    }
}
