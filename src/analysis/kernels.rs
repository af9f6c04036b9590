//! Which ops run as one kernel, and which tensors are views of others: the model behind `traffic_bytes.fused`.
//!
//! Epilogues only. A convolution, a matrix product or a normalization takes along what follows it element by element:
//! batch norm, activations, and an addition whose other operand is read once. What flows between them never reaches
//! memory, so it must have one reader and be no output of the network. A normalization that no convolution can take
//! along (pre-activation) is a kernel of its own with the activation behind it.
//!
//! Slices and splits are views. A concat is one too where its operands have a place: a tensor lies in one concat
//! buffer, the first that reads it; every further concat copies it, and so does the first where the tensor cannot be
//! put there (a network's input, a constant, a part of another tensor).
//!
//! Linear in nodes and edges.

use smallvec::SmallVec;

use crate::graph::{Graph, Node, NodeId, Outlet};
use crate::ops::{Family, Io, Kind, Operator, Storage};

/// What becomes of a concat's operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// It was written in its place.
    Placed,
    /// It is copied there.
    Copied,
}

/// Kernels and views of a network.
#[derive(Clone, Debug)]
pub struct Kernels {
    /// By node, the node whose kernel it runs in; itself for most.
    pub kernel: Vec<NodeId>,
    /// By node, whether its output stays inside its kernel.
    pub inner: Vec<bool>,
    /// By node, what becomes of a concat's operands; empty for every other op.
    pub operands: Vec<SmallVec<[Operand; 0]>>,
}

/// How often each first output is read, outputs of the network included.
pub(super) fn readers(graph: &Graph) -> Vec<u32> {
    let mut readers = vec![0u32; graph.len()];
    let outlets = graph.nodes().flat_map(|(_, node)| node.inputs.iter());
    for outlet in outlets.chain(&graph.outputs) {
        readers[outlet.node.index()] += 1;
    }
    readers
}

/// Finds a network's kernels.
pub fn kernels(graph: &Graph) -> Kernels {
    let readers = readers(graph);
    let mut kernel: Vec<NodeId> = Vec::with_capacity(graph.len());
    let mut inner = vec![false; graph.len()];
    // Whether a kernel is open: its last op may be followed.
    let mut open = vec![false; graph.len()];
    for (id, node) in graph.nodes() {
        let followed = follows(graph, node, &readers, &kernel, &open);
        if let Some(outlet) = followed {
            inner[outlet.node.index()] = true;
            kernel.push(kernel[outlet.node.index()]);
            open[id.index()] = true;
            continue;
        }
        kernel.push(id);
        open[id.index()] = matches!(
            node.op.family(),
            Family::Convolution | Family::Linear | Family::Product | Family::Normalization
        );
    }
    Kernels { kernel, inner, operands: operands(graph) }
}

/// The input whose kernel takes this node along.
fn follows(graph: &Graph, node: &Node, readers: &[u32], kernel: &[NodeId], open: &[bool]) -> Option<Outlet> {
    let elementwise = match node.op.family() {
        Family::Normalization | Family::Activation => node.op.storage() == Storage::Overwrites,
        Family::Arithmetic => is_addition(graph, node),
        _ => false,
    };
    if !elementwise {
        return None;
    }
    let bytes = node.outputs[0].bytes();
    let fits = |outlet: &&Outlet| {
        let index = outlet.node.index();
        let producer = graph.node(outlet.node);
        let normalizes = node.op.family() == Family::Normalization;
        let anchor = graph.node(kernel[index]).op.family();
        open[index]
            && readers[index] == 1
            && producer.outputs.len() == 1
            && producer.outputs[0].bytes() == bytes
            // A second normalization begins a kernel, and only convolutions and products take additions along.
            && !(normalizes && anchor == Family::Normalization)
            && !(node.op.family() == Family::Arithmetic && anchor == Family::Normalization)
    };
    // Of two operands that both could, the one computed last: the other is in memory by then.
    node.inputs.iter().filter(fits).max_by_key(|outlet| outlet.node).copied()
}

/// Whether a node does nothing but add.
fn is_addition(graph: &Graph, node: &Node) -> bool {
    let types = graph.input_types(node);
    let io = Io { inputs: &types, outputs: &node.outputs };
    node.op.cost(io).is_ok_and(|cost| {
        let adds = cost.elementary.get(Kind::Add);
        adds > 0 && cost.flops() == Ok(adds)
    })
}

fn operands(graph: &Graph) -> Vec<SmallVec<[Operand; 0]>> {
    // By node: whether its output lies in a concat buffer, or can lie in none.
    let mut fixed = vec![false; graph.len()];
    // The node whose memory a node's output is.
    let mut root: Vec<NodeId> = Vec::with_capacity(graph.len());
    let mut all = Vec::with_capacity(graph.len());
    for (id, node) in graph.nodes() {
        let storage = node.op.storage();
        let mut operands = SmallVec::new();
        let aliased = node.inputs.first().filter(|_| storage == Storage::Alias);
        root.push(aliased.map_or(id, |outlet| root[outlet.node.index()]));
        match storage {
            Storage::PartOfInput => fixed[id.index()] = true,
            _ if node.op.family() == Family::Source => fixed[id.index()] = true,
            Storage::JoinOfInputs => {
                for outlet in &node.inputs {
                    let memory = root[outlet.node.index()].index();
                    operands.push(if fixed[memory] { Operand::Copied } else { Operand::Placed });
                    fixed[memory] = true;
                }
            }
            _ => {}
        }
        all.push(operands);
    }
    all
}
