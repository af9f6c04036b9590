//! Networks for tests: small random ones, and long ones.

use std::num::NonZeroU64;
use std::sync::Arc;

use proptest::prelude::*;

use crate::graph::{Graph, NewNode, Outlet};
use crate::ops::attribute::{Padding, Pair};
use crate::ops::{Add, AddChannels, Concat, Conv2d, Identity, Input, Op, Relu, Slice};
use crate::tensor::DType;

/// Adds a node without name or place.
pub(in crate::analysis) fn push(graph: &mut Graph, op: impl Into<Op>, inputs: &[Outlet]) -> Outlet {
    let new = NewNode {
        name: format!("n{}", graph.len()).into(),
        op: Arc::new(op.into()),
        inputs: inputs.iter().copied().collect(),
        origin: crate::graph::Origin::default(),
        stage: None,
        block: None,
        shares: None,
        called_as: None,
    };
    Outlet { node: graph.add(new).unwrap(), port: 0 }
}

/// An input of 2x2 maps.
pub(in crate::analysis) fn input(graph: &mut Graph, channels: u64) -> Outlet {
    push(graph, Input { shape: [1, channels, 2, 2].into(), dtype: DType::F32 }, &[])
}

/// A 1×1 convolution.
pub(in crate::analysis) fn conv(graph: &mut Graph, from: Outlet, channels: u64) -> Outlet {
    let op = Conv2d {
        out_channels: NonZeroU64::new(channels).unwrap(),
        kernel: Pair::both(1),
        stride: Pair::both(1),
        padding: Padding::all(0),
        dilation: Pair::both(1),
        groups: NonZeroU64::MIN,
        bias: false,
        dtype: None,
    };
    push(graph, op, &[from])
}

/// One layer: what it does, which two earlier tensors it may read, and a number of channels.
pub(in crate::analysis) type Layer = (u8, usize, usize, u64);

/// Up to so many layers.
pub(in crate::analysis) fn layers(most: usize) -> impl Strategy<Value = Vec<Layer>> {
    prop::collection::vec((0u8..7, 0usize..64, 0usize..64, 1u64..9), 1..=most)
}

/// The network of some layers; all that nothing reads, or the last, is its output.
pub(in crate::analysis) fn build(layers: &[Layer], all_outputs: bool) -> Graph {
    let mut graph = Graph::new("random", 1);
    let mut made = vec![input(&mut graph, 4)];
    for &(kind, a, b, channels) in layers {
        // Late tensors are read more often.
        let pick = |index: usize| made[made.len() - 1 - (index * index / 64) % made.len()];
        let (a, b) = (pick(a), pick(b));
        let same = graph.tensor(a) == graph.tensor(b);
        let outlet = match kind {
            0 | 1 => conv(&mut graph, a, channels),
            2 => push(&mut graph, Relu {}, &[a]),
            3 if same => push(&mut graph, Add { channels: AddChannels::Equal, subsample: false }, &[a, b]),
            3 | 4 => push(&mut graph, Concat { axis: 1 }, &[a, b]),
            5 => {
                let end = Some(graph.tensor(a).channels().div_ceil(2));
                push(&mut graph, Slice { axis: 1, start: 0, end, step: NonZeroU64::MIN }, &[a])
            }
            _ => push(&mut graph, Identity {}, &[a]),
        };
        made.push(outlet);
    }
    let mut read = vec![false; graph.len()];
    for (_, node) in graph.nodes() {
        for input in &node.inputs {
            read[input.node.index()] = true;
        }
    }
    let unread = made.iter().copied().filter(|outlet| !read[outlet.node.index()]);
    graph.outputs = if all_outputs { unread.collect() } else { vec![made[made.len() - 1]] };
    graph
}

/// Convolutions and activations one after another.
pub(in crate::analysis) fn chain(nodes: usize) -> Graph {
    let mut graph = Graph::new("chain", 1);
    let mut last = input(&mut graph, 3);
    while graph.len() + 2 <= nodes {
        last = conv(&mut graph, last, 3);
        last = push(&mut graph, Relu {}, &[last]);
    }
    graph.outputs = vec![last];
    graph
}
