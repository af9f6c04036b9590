//! Values drawn from names and a seed: [`crate::seed`] has the formula.

use candle_core::{Device, Tensor};

use crate::graph::{Graph, Node, NodeId, StoredTensor};
use crate::ops::execute::{Fault, dims, dtype};
use crate::ops::{Family, Io, Operator as _, Role};
pub use crate::seed::Range;
use crate::tensor::TensorType;

/// So many values.
pub fn values(name: &str, seed: u64, range: Range, count: usize) -> Vec<f32> {
    // With just the room that they need: memory is counted.
    let mut values = Vec::with_capacity(count);
    values.extend(crate::seed::values(name, seed, range).take(count));
    values
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
    let dims = dims(of);
    let wanted = dtype(of.dtype).ok_or_else(|| Fault::unrunnable(format!("no {} is run", of.dtype)))?;
    let count = crate::ops::execute::size(of.elements().get())?;
    let values = values(name, seed, range, count);
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

/// The values of a stored tensor, by the layer's name and its own: `stage1.conv.weight`. A layer that shares another's
/// tensors has them under that one's name.
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
    let mut owner = id;
    // A layer shares those of an earlier one, so this ends.
    while let Some(other) = graph.node(owner).shares {
        owner = other;
    }
    let node = graph.node(owner);
    let name = format!("{}.{}", node.name, one.weight.name);
    let of = TensorType { shape: one.weight.shape.clone(), dtype: one.dtype };
    tensor(&name, seed, range(graph, node, one), &of, device)
}

/// What a stored tensor's values are drawn from, by what it is for.
fn range(graph: &Graph, node: &Node, stored: &StoredTensor) -> Range {
    match (stored.weight.role, stored.weight.name) {
        (Role::Weight, _) => Range::weight(fan_in(graph, node, stored)),
        (Role::Bias, _) => Range::BIAS,
        (Role::Norm, "weight") | (Role::Buffer, "running_var") => Range::SCALE,
        (Role::Norm | Role::Other | Role::Buffer, _) => Range::OTHER,
    }
}

/// The elements that a weight joins to one: those of it that belong to one output channel. Where each place of a map has
/// weights of its own, as in a locally connected layer, those to one place of it.
fn fan_in(graph: &Graph, node: &Node, stored: &StoredTensor) -> u64 {
    let Some(output) = node.outputs.first() else { return 1 };
    let elements = stored.weight.shape.elements().unwrap_or(u64::MAX);
    let features = output.shape.axes().last().copied().unwrap_or(1);
    let channels = if node.op.family() == Family::Linear { features } else { output.channels() };
    let types = graph.input_types(node);
    let macs = node.op.cost(Io { inputs: &types, outputs: &node.outputs }).map_or(0, |cost| cost.macs);
    let images = output.shape.axis(0).unwrap_or(1).max(1);
    // Each weight is used once for an image.
    let own_places = macs / images == elements && output.shape.rank() > 2;
    let joined = if own_places { output.elements().get() / images } else { channels };
    (elements / joined.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::{LoadOptions, load_bytes};

    fn network(text: &str) -> Graph {
        let (mut sources, mut sink) =
            (crate::source::SourceMap::default(), crate::diagnostic::Sink::default());
        let bytes = text.as_bytes().to_vec();
        let loaded = load_bytes("n.json", "n", bytes, &LoadOptions::default(), &mut sources, &mut sink);
        loaded.unwrap_or_else(|| panic!("{sink:?}")).graph
    }

    #[test]
    fn values_follow_roles_and_fans() {
        let graph = network(
            r#"{"name": "n", "inputs": {"x": [4, 5, 5]}, "layers": [
                {"name": "conv", "op": "conv2d", "out_channels": 6, "kernel": 3, "padding": 1},
                {"name": "up", "op": "conv_transpose2d", "out_channels": 8, "kernel": 2, "stride": 2, "groups": 2},
                {"name": "norm", "op": "batch_norm"},
                {"name": "local", "op": "locally_connected2d", "out_channels": 2, "kernel": 3},
                {"name": "flat", "op": "flatten"},
                {"name": "head", "op": "linear", "out_features": 7}
            ]}"#,
        );
        let mut found = Vec::new();
        for (_, node) in graph.nodes() {
            for stored in graph.stored_by_op(node, &graph.input_types(node)) {
                found.push((format!("{}.{}", node.name, stored.weight.name), range(&graph, node, &stored)));
            }
        }
        let of = |name: &str| found.iter().find(|(other, _)| other == name).map(|(_, range)| *range);
        assert_eq!(of("conv.weight"), Some(Range::weight(36)));
        // 6 channels in 2 groups, 2·2 taps.
        assert_eq!(of("up.weight"), Some(Range::weight(12)));
        assert_eq!(of("local.weight"), Some(Range::weight(72)));
        assert_eq!(of("head.weight"), Some(Range::weight(128)));
        assert_eq!(of("head.bias"), Some(Range::BIAS));
        assert_eq!(of("norm.weight"), Some(Range::SCALE));
        assert_eq!(of("norm.bias"), Some(Range::OTHER));
        assert_eq!(of("norm.running_mean"), Some(Range::OTHER));
        assert_eq!(of("norm.running_var"), Some(Range::SCALE));
    }

    #[test]
    fn values_are_those_of_the_formula_and_of_the_owner() {
        let graph = network(
            r#"{"name": "n", "inputs": {"x": [4, 5, 5]}, "layers": [
                {"name": "a", "op": "conv2d", "out_channels": 4, "kernel": 1},
                {"name": "b", "op": "conv2d", "out_channels": 4, "kernel": 1, "share": "a"}
            ]}"#,
        );
        let values = |place: usize, seed| {
            let (id, node) = graph.nodes().nth(place).expect("three nodes");
            let one = graph.stored_by_op(node, &graph.input_types(node));
            let tensor = stored(&graph, id, &one[0], seed, &Device::Cpu).expect("floats");
            tensor.flatten_all().and_then(|flat| flat.to_vec1::<f32>()).expect("on the CPU")
        };
        let wanted = super::values("a.weight", 3, Range::weight(4), 16);
        assert_eq!(values(1, 3), wanted);
        assert_eq!(values(2, 3), wanted);
        assert_ne!(values(1, 4), wanted);
    }
}
