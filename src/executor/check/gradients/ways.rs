//! What lies between a producer and the weight layers that read it.

use crate::graph::{Graph, Node, NodeId};
use crate::ops::Op;

/// The ways without weights from one producer to a tensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ways {
    /// Whether there is one.
    pub(super) any: bool,
    /// Whether one passes no norm that leaves nothing of what it reads.
    pub(super) open: bool,
    /// Whether one passes statistics over several channels: they carry features to channels that are not theirs.
    pub(super) crosses: bool,
}

impl Ways {
    /// Those of both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            any: self.any || other.any,
            open: self.open || other.open,
            crosses: self.crosses || other.crosses,
        }
    }

    /// Whether features end on the way.
    pub(super) fn are_shut(self) -> bool {
        self.any && !self.open
    }
}

/// By node, the ways from a producer to what it makes. They end at weight layers.
pub(super) fn ways(graph: &Graph, from: NodeId, is_layer: &[bool]) -> Vec<Ways> {
    let mut found = vec![Ways::default(); graph.len()];
    for (id, node) in graph.nodes() {
        found[id.index()] = if id == from {
            Ways { any: true, open: true, crosses: false }
        } else if is_layer[id.index()] {
            Ways::default()
        } else {
            let read = node.inputs.iter().map(|input| found[input.node.index()]);
            let read = read.fold(Ways::default(), Ways::and);
            Ways {
                open: read.open && !is_constant(graph, node),
                crosses: read.crosses || (read.any && crosses_channels(&node.op)),
                ..read
            }
        };
    }
    found
}

/// Ops with statistics over several channels: their gradients run channel by channel only in the analysis.
fn crosses_channels(op: &Op) -> bool {
    matches!(
        op,
        Op::GroupNorm(_)
            | Op::LayerNorm(_)
            | Op::RmsNorm(_)
            | Op::Lrn(_)
            | Op::Softmax(_)
            | Op::LogSoftmax(_)
            | Op::Attention(_)
            | Op::Matmul(_)
    )
}

/// Norms with one element for each mean: nothing is left when it is taken away.
fn is_constant(graph: &Graph, node: &Node) -> bool {
    let Some(&input) = node.inputs.first() else { return false };
    let of = graph.tensor(input);
    let images = of.shape.axis(0).unwrap_or(1);
    let means = match &*node.op {
        Op::BatchNorm(_) => Some(of.channels()),
        Op::InstanceNorm(_) => images.checked_mul(of.channels()),
        Op::GroupNorm(norm) => images.checked_mul(norm.groups.get()),
        _ => None,
    };
    means.is_some_and(|means| means == of.elements().get())
}
