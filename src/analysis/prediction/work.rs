//! What a node is to a device: its kind, and its work.

use crate::analysis::kernels::Kernels;
use crate::device::latency::Unit;
use crate::device::work::Work;
use crate::graph::{Graph, NodeId, Outlet};
use crate::ops::{Channels, Cost, Io, Operator as _, Storage};
use crate::tensor::TensorType;

/// Elements of one channel, or of what stands in its place.
fn positions(of: &TensorType, batch: u64) -> u64 {
    of.elements().get() / of.channels().max(1) / batch.max(1)
}

/// The works of a network's nodes.
pub struct Works<'g> {
    graph: &'g Graph,
    /// By node, the bytes that all nodes before it write.
    written: Vec<u64>,
}

impl<'g> Works<'g> {
    /// Of a network whose nodes run in order.
    pub fn new(graph: &'g Graph) -> Self {
        let mut sum = 0u64;
        let before = graph.nodes().map(|(_, node)| {
            let written = if node.op.storage() == Storage::Alias { 0 } else { bytes(&node.outputs) };
            let before = sum;
            sum = sum.saturating_add(written);
            before
        });
        Self { graph, written: before.collect() }
    }

    /// The work of a node; none where its cost is not known.
    pub fn of(&self, id: NodeId) -> Option<Work> {
        let node = self.graph.node(id);
        let types = self.graph.input_types(node);
        let io = Io { inputs: &types, outputs: &node.outputs };
        let cost = node.op.cost(io).ok().filter(|cost| !cost.unknown)?;
        let (output, batch) = (&node.outputs[0], self.graph.batch.max(1));
        let groups = match node.op.channels(io, 0) {
            Channels::Weighted { groups } if cost.macs > 0 => groups.max(1),
            _ => 1,
        };
        let elements = output.elements().get().max(1);
        let reduction = (joined(&cost) / elements).max(1);
        let in_channels = types.first().map_or(1, |input| input.channels()).max(1);
        let taps = if cost.macs > 0 { reduction.saturating_mul(groups) / in_channels } else { reduction };
        let stored = self.graph.stored_by_op(node, &types);
        let waited = |input: &Outlet| self.written[id.index()] - self.written[input.node.index()];
        Some(Work {
            batch,
            macs: cost.macs,
            reduction,
            channels: (output.channels() / groups).max(1),
            groups,
            positions: positions(output, batch).max(1),
            taps: taps.max(1),
            input_positions: types.first().map_or(1, |input| positions(input, batch)).max(1),
            operands: types.len() as u64,
            input_bytes: bytes(types.iter().copied()),
            output_bytes: bytes(&node.outputs),
            stored_bytes: stored.iter().filter_map(|one| one.bytes().ok()).fold(0, u64::saturating_add),
            elementary: cost.elementary.total().ok()?,
            waited_bytes: node.inputs.iter().map(waited).max().unwrap_or(0),
        })
    }

    /// The name of a node's kind: nodes of one kind follow one law. An op's name, and how it is used where libraries
    /// have other loops for that: `conv2d pointwise`, `dense`, `grouped`, `depthwise`, and `vector` for a map of one
    /// position; `mul broadcast`. Where kernels may run as one, what runs inside another's kernel says so:
    /// `relu in conv2d`.
    pub fn kind(&self, id: NodeId, work: &Work, kernels: &Kernels, unit: Unit) -> String {
        let node = self.graph.node(id);
        if node.op.storage() == Storage::Alias {
            return "view".into();
        }
        let anchor = kernels.kernel[id.index()];
        if unit == Unit::Kernel && anchor != id {
            return format!("{} in {}", node.op.name(), self.graph.node(anchor).op.name());
        }
        let types = self.graph.input_types(node);
        let io = Io { inputs: &types, outputs: &node.outputs };
        let is_smaller = |input: &&TensorType| input.elements() < node.outputs[0].elements();
        let how = match node.op.channels(io, 0) {
            Channels::Weighted { groups } => match (groups, work.taps) {
                (0 | 1, 0 | 1) if work.positions == 1 && work.batch == 1 => "vector",
                (0 | 1, 0 | 1) => "pointwise",
                (0 | 1, _) => "dense",
                (_, taps) if work.reduction == taps => "depthwise",
                _ => "grouped",
            },
            _ if node.op.storage() == Storage::JoinOfInputs => return node.op.name().into(),
            _ if types.len() > 1 && types.iter().any(is_smaller) => "broadcast",
            _ => return node.op.name().into(),
        };
        format!("{} {how}", node.op.name())
    }
}

/// Elements that are read to be joined: by products, or by the windows of a pool.
fn joined(cost: &Cost) -> u64 {
    if cost.macs > 0 { cost.macs } else { cost.window }
}

fn bytes<'a>(types: impl IntoIterator<Item = &'a TensorType>) -> u64 {
    types.into_iter().map(|of| of.bytes().get()).fold(0, u64::saturating_add)
}
