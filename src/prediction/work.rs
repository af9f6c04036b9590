//! What a device has to do for one node, in the numbers that its time may depend on.

use crate::analysis::kernels::Kernels;
use crate::graph::{Graph, NodeId};
use crate::ops::{Channels, Cost, Io, Operator as _, Storage};
use crate::prediction::Unit;
use crate::tensor::TensorType;

macro_rules! work {
    ($($(#[doc = $doc:literal])* $field:ident,)*) => {
        /// What one node does, for a whole batch unless said otherwise.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct Work { $($(#[doc = $doc])* pub $field: u64,)* }

        impl Work {
            /// The names of its numbers, in the order of [`Work::row`].
            pub const COLUMNS: &[&str] = &[$(stringify!($field),)*];

            /// Its numbers.
            pub fn row(&self) -> Vec<u64> {
                vec![$(self.$field,)*]
            }

            /// The work of such a row; none where it has another length.
            pub fn from_row(row: &[u64]) -> Option<Self> {
                let &[$($field,)*] = row else { return None };
                Some(Self { $($field,)* })
            }
        }
    };
}

work! {
    /// Images.
    batch,
    /// Multiply-accumulates.
    macs,
    /// Input elements that are joined to one output element: `c/g · kh · kw` of a convolution, `k · k` of a pool.
    reduction,
    /// Output channels of one group.
    channels,
    /// Groups of channels.
    groups,
    /// Output positions of one image: `h' · w'`.
    positions,
    /// Elements of the kernel for one input channel: `kh · kw`.
    taps,
    /// Input positions of one image.
    input_positions,
    /// Data inputs.
    operands,
    /// Bytes of all data inputs.
    input_bytes,
    /// Bytes of all outputs.
    output_bytes,
    /// Bytes of stored tensors.
    stored_bytes,
    /// Elementary operations beside multiply-accumulates.
    elementary,
}

/// Elements of one channel, or of what stands in its place.
fn positions(of: &TensorType, batch: u64) -> u64 {
    of.elements().get() / (of.channels().max(1) * batch.max(1)).max(1)
}

impl Work {
    /// The work of a node; none where its cost is not known.
    pub fn of(graph: &Graph, id: NodeId) -> Option<Self> {
        let node = graph.node(id);
        let types = graph.input_types(node);
        let io = Io { inputs: &types, outputs: &node.outputs };
        let cost = node.op.cost(io).ok().filter(|cost| !cost.unknown)?;
        let (output, batch) = (&node.outputs[0], graph.batch.max(1));
        let groups = match node.op.channels(io, 0) {
            Channels::Weighted { groups } if cost.macs > 0 => groups.max(1),
            _ => 1,
        };
        let elements = output.elements().get().max(1);
        let reduction = (joined(&cost) / elements).max(1);
        let in_channels = types.first().map_or(1, |input| input.channels()).max(1);
        let taps = if cost.macs > 0 { reduction * groups / in_channels } else { reduction };
        let stored = graph.stored_by_op(node, &types);
        Some(Self {
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
        })
    }
}

/// Elements that are read to be joined: by products, or by the windows of a pool.
fn joined(cost: &Cost) -> u64 {
    if cost.macs > 0 { cost.macs } else { cost.window }
}

fn bytes<'a>(types: impl IntoIterator<Item = &'a TensorType>) -> u64 {
    types.into_iter().map(|of| of.bytes().get()).fold(0, u64::saturating_add)
}

/// The name of a node's kind: nodes of one kind follow one law. An op's name, and how it is used where libraries have
/// other loops for that: `conv2d pointwise`, `dense`, `grouped`, `depthwise`; `add broadcast`. Where kernels may run as
/// one, what runs inside another's kernel says so: `relu in conv2d`.
pub fn kind(graph: &Graph, id: NodeId, kernels: &Kernels, unit: Unit) -> String {
    let node = graph.node(id);
    if node.op.storage() == Storage::Alias {
        return "view".into();
    }
    let anchor = kernels.kernel[id.index()];
    if unit == Unit::Kernel && anchor != id {
        return format!("{} in {}", node.op.name(), graph.node(anchor).op.name());
    }
    let types = graph.input_types(node);
    let io = Io { inputs: &types, outputs: &node.outputs };
    let how = match node.op.channels(io, 0) {
        Channels::Weighted { groups } => {
            let kernel = Work::of(graph, id).unwrap_or_default();
            match (groups, kernel.taps) {
                (0 | 1, 0 | 1) => "pointwise",
                (0 | 1, _) => "dense",
                (_, taps) if kernel.reduction == taps => "depthwise",
                _ => "grouped",
            }
        }
        _ if types.iter().any(|input| input.elements() < node.outputs[0].elements()) && types.len() > 1 => {
            match node.op.storage() {
                Storage::JoinOfInputs => return node.op.name().into(),
                _ => "broadcast",
            }
        }
        _ => return node.op.name().into(),
    };
    format!("{} {how}", node.op.name())
}
