//! Bytes that move between memory and the processor, under named models.
//!
//! - `unfused`: every op reads its inputs and what it stores, and writes its outputs; reshape, flatten, identity and
//!   dropout at inference move nothing.
//! - `fused`: the kernels of `kernels.rs`; what stays inside a kernel moves nothing, slices and splits are views, and a
//!   concat moves only the operands that it has to copy.
//! - `compulsory`: every tensor that kernels exchange once, and everything stored once: no order of the same kernels
//!   moves less, unless tensors stay in a cache.
//! - `onnxsim`: onnxsim's rule on the file that PyTorch's exporter writes, in which batch norm behind a convolution is
//!   folded into it: every node's inputs, weights and outputs, whatever the op.
//!
//! Linear in nodes and edges.

use super::cost::NodeCost;
use super::kernels::{Kernels, kernels, readers};
use crate::graph::{Graph, Node, NodeId};
use crate::ops::{Family, Operator, Storage};
use crate::tensor::TensorType;
use crate::units::Overflow;

/// Bytes under each model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Every op by itself.
    pub unfused: u64,
    /// Epilogues fused, concats and slices as views.
    pub fused: u64,
    /// Every tensor and weight once.
    pub compulsory: u64,
    /// As onnxsim counts.
    pub onnxsim: u64,
}

impl Traffic {
    /// Model by model, or [`Overflow`].
    pub fn checked_add(&self, other: &Self) -> Result<Self, Overflow> {
        let add = |a: u64, b: u64| a.checked_add(b).ok_or(Overflow);
        Ok(Self {
            unfused: add(self.unfused, other.unfused)?,
            fused: add(self.fused, other.fused)?,
            compulsory: add(self.compulsory, other.compulsory)?,
            onnxsim: add(self.onnxsim, other.onnxsim)?,
        })
    }
}

/// The traffic of each node, and the kernels behind `fused`. `costs` tell the bytes that each node stores and uses.
///
/// # Errors
/// When a sum does not fit in 64 bits.
pub fn traffic(graph: &Graph, costs: &[NodeCost]) -> Result<(Vec<Traffic>, Kernels), Overflow> {
    let kernels = kernels(graph)?;
    let folded = folded(graph);
    let mut all = Vec::with_capacity(graph.len());
    for (id, node) in graph.nodes() {
        // Weights that are shared move for each that reads them, but exist once.
        let NodeCost { stored, used_bytes: read, .. } = costs[id.index()];
        let own = stored.bytes;
        all.push(Traffic {
            unfused: unfused(graph, node, read)?,
            fused: fused(graph, &kernels, id, node, read)?,
            compulsory: compulsory(&kernels, id, node, own)?,
            onnxsim: onnxsim(graph, &folded, id, node, read)?,
        });
    }
    Ok((all, kernels))
}

fn bytes<'a>(tensors: impl IntoIterator<Item = &'a TensorType>) -> Result<u64, Overflow> {
    crate::units::sum(tensors.into_iter().map(|tensor| tensor.bytes().get()))
}

fn add(terms: &[u64]) -> Result<u64, Overflow> {
    crate::units::sum(terms.iter().copied())
}

fn unfused(graph: &Graph, node: &Node, stored: u64) -> Result<u64, Overflow> {
    if node.op.storage() == Storage::Alias || node.op.family() == Family::Source {
        return Ok(0);
    }
    add(&[bytes(graph.input_types(node))?, stored, bytes(&node.outputs)?])
}

fn fused(graph: &Graph, kernels: &Kernels, id: NodeId, node: &Node, stored: u64) -> Result<u64, Overflow> {
    match node.op.storage() {
        Storage::Alias | Storage::PartOfInput => return Ok(0),
        Storage::JoinOfInputs => {
            let once = kernels.copied[id.index()];
            return add(&[once, once]);
        }
        Storage::New | Storage::Overwrites => {}
    }
    if node.op.family() == Family::Source {
        return Ok(0);
    }
    let read = node.inputs.iter().filter(|outlet| {
        let inside = kernels.inner[outlet.node.index()]
            && kernels.kernel[outlet.node.index()] == kernels.kernel[id.index()];
        !inside
    });
    let written = if kernels.inner[id.index()] { 0 } else { bytes(&node.outputs)? };
    add(&[bytes(read.map(|&outlet| graph.tensor(outlet)))?, stored, written])
}

/// Tensors are counted where they are made: the network's inputs and stored constants too.
fn compulsory(kernels: &Kernels, id: NodeId, node: &Node, stored: u64) -> Result<u64, Overflow> {
    let made = match node.op.storage() {
        // The same memory, or a part of it.
        Storage::Alias | Storage::PartOfInput => 0,
        Storage::JoinOfInputs => kernels.copied[id.index()],
        // A constant is what it stores.
        _ if node.op.family() == Family::Source && stored > 0 => 0,
        _ if kernels.inner[id.index()] => 0,
        Storage::New | Storage::Overwrites => bytes(&node.outputs)?,
    };
    add(&[made, stored])
}

/// By node, whether PyTorch's exporter folds it: a batch norm into the convolution before it.
fn folded(graph: &Graph) -> Vec<bool> {
    let readers = readers(graph);
    let mut folded = vec![false; graph.len()];
    for (id, node) in graph.nodes() {
        let normalizes =
            node.op.family() == Family::Normalization && node.op.storage() == Storage::Overwrites;
        let behind = node.inputs.first().is_some_and(|outlet| {
            graph.node(outlet.node).op.family() == Family::Convolution && readers[outlet.node.index()] == 1
        });
        folded[id.index()] = normalizes && behind;
    }
    folded
}

fn onnxsim(graph: &Graph, folded: &[bool], id: NodeId, node: &Node, stored: u64) -> Result<u64, Overflow> {
    if folded[id.index()] {
        return Ok(0);
    }
    let types = graph.input_types(node);
    let tensors = graph.stored(node, &types);
    // A folded batch norm leaves a bias, one element for each channel.
    let biased = tensors.iter().any(|tensor| tensor.weight.role == crate::ops::Role::Bias);
    let gains_bias = node.op.family() == Family::Convolution && !biased && next_is_folded(graph, folded, id);
    let bias = if gains_bias { bias_bytes(&node.outputs[0]) } else { 0 };
    add(&[graph.listed_bytes(node, &types, stored)?, bias])
}

fn bias_bytes(output: &TensorType) -> u64 {
    (output.channels() * output.dtype.bits()).div_ceil(8)
}

/// Whether the one reader of a node is a folded batch norm.
fn next_is_folded(graph: &Graph, folded: &[bool], id: NodeId) -> bool {
    let mut readers = graph.readers(id);
    readers.next().is_some_and(|reader| folded[reader.index()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::{LoadOptions, load_bytes};

    fn total(text: &str) -> Traffic {
        let mut sources = crate::source::SourceMap::default();
        let mut sink = crate::diagnostic::Sink::default();
        let options = LoadOptions::default();
        let loaded = load_bytes("t.json", "t", text.into(), &options, &mut sources, &mut sink);
        let graph = loaded.unwrap_or_else(|| panic!("{:?}", sink.diagnostics())).graph;
        let analysis = crate::analysis::analyze(&graph).unwrap();
        let (nodes, _) = traffic(&graph, &analysis.nodes).unwrap();
        nodes.iter().try_fold(Traffic::default(), |sum, node| sum.checked_add(node)).unwrap()
    }

    #[test]
    fn an_epilogue_stays_in_its_kernel() {
        // x: 2·4·4 = 32 elements; conv 2→4, 1×1, no bias: 8 weights; y: 64 elements. f32.
        let found = total(
            r#"{"inputs": {"x": [2, 4, 4]}, "layers": [
                {"op": "conv2d", "out_channels": 4, "kernel": 1, "bias": false}, {"op": "batch_norm"}, {"op": "relu"}]}"#,
        );
        // conv 32+8+64, norm 64+16+64, relu 64+64.
        assert_eq!(found.unfused, 4 * (104 + 144 + 128));
        // 32 + 8 in, 16 of the norm, 64 out.
        assert_eq!(found.fused, 4 * (32 + 8 + 16 + 64));
        assert_eq!(found.compulsory, 4 * (32 + 8 + 16 + 64));
        // The folded norm leaves a bias of 4: conv 32+8+4+64, relu 64+64.
        assert_eq!(found.onnxsim, 4 * (108 + 128));
    }

    #[test]
    fn a_residual_addition_reads_the_skip_once() {
        let found = total(
            r#"{"inputs": {"x": [4, 4, 4]}, "layers": [
                {"op": "relu"},
                {"op": "conv2d", "out_channels": 4, "kernel": 1, "bias": false},
                {"op": "add", "inputs": ["previous", "relu"]}, {"op": "relu"}]}"#,
        );
        // relu 64+64; one kernel: x 64, weights 16, the skip 64, y 64.
        assert_eq!(found.fused, 4 * (128 + 64 + 16 + 64 + 64));
        // The image, relu's output, the weights, y.
        assert_eq!(found.compulsory, 4 * (64 + 64 + 16 + 64));
    }

    #[test]
    fn concats_are_views_where_their_operands_have_a_place() {
        let found = total(
            r#"{"inputs": {"x": [4, 4, 4]}, "layers": [
                {"op": "relu", "name": "a"}, {"op": "relu", "name": "b"},
                {"op": "concat", "name": "first", "inputs": ["a", "b"]},
                {"op": "concat", "name": "second", "inputs": ["a", "b", "x"]},
                {"op": "slice", "name": "part", "inputs": "first", "end": 2}],
               "outputs": ["second", "part"]}"#,
        );
        // Two relus move 128 each. The second concat owns the buffer that a and b are written to, so the first is a view
        // of its beginning; only the image is copied.
        assert_eq!(found.fused, 4 * (128 + 128 + 2 * 64));
        assert_eq!(found.unfused, 4 * (128 + 128 + 256 + 384 + 128 + 32));
        assert_eq!(found.compulsory, 4 * (64 + 64 + 64 + 64));
    }
}
