//! Parameters, multiply-accumulates, FLOPs and memory elements of single nodes, and their sums.

use super::Traffic;
use crate::graph::{self, Node};
use crate::ops::{Cost, Elementary, Family, Io, Operator, Role};
use crate::units::Overflow;

/// Learned and stored elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Kernels of convolutions and matrices of linear layers.
    pub weights: u64,
    /// Biases of those.
    pub bias: u64,
    /// Scales and shifts of normalizations.
    pub norm: u64,
    /// Other learned elements.
    pub other: u64,
    /// Stored elements that are not learned.
    pub buffers: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

impl Stored {
    /// Learned elements.
    pub fn learned(&self) -> Result<u64, Overflow> {
        crate::units::sum([self.weights, self.bias, self.norm, self.other])
    }

    fn add(&mut self, other: &Self) -> Result<(), Overflow> {
        add(&mut self.weights, other.weights)?;
        add(&mut self.bias, other.bias)?;
        add(&mut self.norm, other.norm)?;
        add(&mut self.other, other.other)?;
        add(&mut self.buffers, other.buffers)?;
        add(&mut self.bytes, other.bytes)
    }
}

fn add(total: &mut u64, term: u64) -> Result<(), Overflow> {
    *total = total.checked_add(term).ok_or(Overflow)?;
    Ok(())
}

/// The costs of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeCost {
    /// What it stores; what it shares with an earlier node is stored there.
    pub stored: Stored,
    /// Learned elements that it uses, its own or shared.
    pub used: u64,
    /// Bytes of all stored tensors that it uses, its own or shared.
    pub used_bytes: u64,
    /// Multiply-accumulates.
    pub macs: u64,
    /// Floating-point operations.
    pub flops: u64,
    /// Elements that convolutions and matrix products write.
    pub activations: u64,
    /// Elements that a convolution reads and writes (HarDNet, arXiv 1909.00948).
    pub cio: u64,
    /// The same for convolutions and pools.
    pub cio_with_pools: u64,
    /// Whether its cost is not known: the other figures are what is known of it.
    pub unknown: bool,
}

/// What a node costs, from what its op says of one forward pass and the tensors that it stores.
pub(super) fn of_node(
    node: &Node,
    io: Io<'_>,
    cost: &Cost,
    tensors: &[graph::StoredTensor],
) -> Result<NodeCost, Overflow> {
    let used = stored(tensors.iter())?;
    let family = node.op.family();
    let moved = || {
        // A kernel that is computed is no map: the first input alone.
        let read = io.inputs.iter().take(1).map(|input| input.elements().get());
        let written = io.outputs.iter().map(|output| output.elements().get());
        crate::units::sum(read.chain(written))
    };
    let (is_conv, is_pool) =
        (family == Family::Convolution, matches!(family, Family::Pooling | Family::GlobalPooling));
    let cio = if is_conv { moved()? } else { 0 };
    Ok(NodeCost {
        used: used.learned()?,
        stored: stored(tensors.iter().filter(|tensor| !tensor.shared))?,
        used_bytes: used.bytes,
        macs: cost.macs,
        flops: cost.flops()?,
        activations: cost.activations,
        cio,
        cio_with_pools: if is_pool { moved()? } else { cio },
        unknown: cost.unknown,
    })
}

fn stored<'a>(tensors: impl Iterator<Item = &'a graph::StoredTensor>) -> Result<Stored, Overflow> {
    let mut stored = Stored::default();
    for tensor in tensors {
        let elements = tensor.weight.shape.elements()?;
        let slot = match tensor.weight.role {
            Role::Weight => &mut stored.weights,
            Role::Bias => &mut stored.bias,
            Role::Norm => &mut stored.norm,
            Role::Other => &mut stored.other,
            Role::Buffer => &mut stored.buffers,
        };
        add(slot, elements)?;
        add(&mut stored.bytes, tensor.bytes()?)?;
    }
    Ok(stored)
}

/// The sum over some nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many nodes, inputs and constants apart.
    pub nodes: u64,
    /// What they store.
    pub stored: Stored,
    /// Learned elements, counted at every use.
    pub used: u64,
    /// Multiply-accumulates.
    pub macs: u64,
    /// Floating-point operations.
    pub flops: u64,
    /// Elementary operations by kind.
    pub elementary: Elementary,
    /// Elements that convolutions and matrix products write.
    pub activations: u64,
    /// Elements that convolutions read and write.
    pub cio: u64,
    /// The same for convolutions and pools.
    pub cio_with_pools: u64,
    /// Bytes moved.
    pub traffic: Traffic,
    /// How many of the nodes have an unknown cost: every figure but those of stored tensors is then a lower bound.
    pub unknown: u64,
}

impl Sum {
    /// Adds a node.
    pub(super) fn add(
        &mut self,
        is_source: bool,
        node: &NodeCost,
        elementary: &Elementary,
    ) -> Result<(), Overflow> {
        self.nodes += u64::from(!is_source);
        self.unknown += u64::from(node.unknown);
        self.stored.add(&node.stored)?;
        add(&mut self.used, node.used)?;
        add(&mut self.macs, node.macs)?;
        add(&mut self.flops, node.flops)?;
        self.elementary = self.elementary.checked_add(elementary)?;
        add(&mut self.activations, node.activations)?;
        add(&mut self.cio, node.cio)?;
        add(&mut self.cio_with_pools, node.cio_with_pools)
    }

    /// Adds another sum.
    pub(super) fn merge(&mut self, other: &Self) -> Result<(), Overflow> {
        self.nodes += other.nodes;
        self.unknown += other.unknown;
        self.stored.add(&other.stored)?;
        add(&mut self.used, other.used)?;
        add(&mut self.macs, other.macs)?;
        add(&mut self.flops, other.flops)?;
        self.elementary = self.elementary.checked_add(&other.elementary)?;
        add(&mut self.activations, other.activations)?;
        add(&mut self.cio, other.cio)?;
        add(&mut self.cio_with_pools, other.cio_with_pools)?;
        self.traffic = self.traffic.checked_add(&other.traffic)?;
        Ok(())
    }
}
