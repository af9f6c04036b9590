//! Which tensors share memory: every tensor that counts belongs to one *storage*.

use crate::analysis::memory::placement::Placement;
use crate::graph::{Graph, Node, NodeId, Outlet};
use crate::ops::{Operator, Storage};
use crate::units::Overflow;

/// Stands where a tensor has no storage.
pub(super) const NONE: u32 = u32::MAX;

/// A piece of memory that one tensor, or several that share it, live in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The tensor that fills it: the others are views of this one.
    pub owner: Outlet,
    /// Its size.
    pub bytes: u64,
    /// Whether the caller owns it: it holds a network input.
    pub is_input: bool,
}

/// The storage of each tensor.
///
/// Network inputs have one. Tensors that depend on no network input (constants, and what is computed only from
/// weights and constants) have none: they are known before the first image.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The number of each node's first tensor.
    first: Vec<u32>,
    /// By tensor: its block, or [`NONE`].
    block_of: Vec<u32>,
    /// The blocks, in the order of their owners.
    pub blocks: Vec<Block>,
}

/// Numbers all tensors: the number of each node's first one, and how many there are.
pub(super) fn number(graph: &Graph) -> Result<(Vec<u32>, usize), Overflow> {
    let mut first = Vec::with_capacity(graph.len());
    let mut next = 0u32;
    for (_, node) in graph.nodes() {
        first.push(next);
        let outputs = u32::try_from(node.outputs.len()).map_err(|_| Overflow)?;
        next = next.checked_add(outputs).filter(|&next| next != NONE).ok_or(Overflow)?;
    }
    Ok((first, next as usize))
}

impl Layout {
    /// Every op's outputs in memory of their own, but for those that `shares` says live in the first input's; it is
    /// asked once for each node, in order. Linear.
    ///
    /// # Errors
    /// Where there are 2³² tensors or more.
    pub fn new(graph: &Graph, shares: impl FnMut(&Node) -> bool) -> Result<Self, Overflow> {
        Self::training(graph, |_| false, shares)
    }

    /// The same, where the outputs of nodes that `learns` names count too, though they depend on no network input: what
    /// is computed from learned tensors changes with every step. Constants and views of them are no such nodes. Linear.
    ///
    /// # Errors
    /// Where there are 2³² tensors or more.
    pub fn training(
        graph: &Graph,
        learns: impl Fn(NodeId) -> bool,
        mut shares: impl FnMut(&Node) -> bool,
    ) -> Result<Self, Overflow> {
        let (first, tensors) = number(graph)?;
        let mut layout = Self { first, block_of: Vec::with_capacity(tensors), blocks: Vec::new() };
        for (id, node) in graph.nodes() {
            let shared = shares(node).then(|| node.inputs.first()).flatten();
            let shared = shared.map(|&input| layout.block_of[layout.tensor(input)]);
            let counts = layout.counts(node) || (learns(id) && !node.inputs.is_empty());
            for port in 0..node.outputs.len() {
                let block = match shared {
                    Some(block) => block,
                    None if counts => layout.push(graph, id, port),
                    None => NONE,
                };
                layout.block_of.push(block);
            }
        }
        Ok(layout)
    }

    /// Concats and splits as views where a placement exists; aliases as ever. Linear.
    ///
    /// # Errors
    /// Where there are 2³² tensors or more.
    pub fn with_views(graph: &Graph, placement: &Placement) -> Result<Self, Overflow> {
        let (first, tensors) = number(graph)?;
        // The tensor whose memory each lives in: an earlier one for aliases and parts, a later one for what is placed
        // in a concat's buffer.
        let mut base: Vec<u32> = Vec::with_capacity(tensors);
        for (_, node) in graph.nodes() {
            for _ in 0..node.outputs.len() {
                let own = u32::try_from(base.len()).map_err(|_| Overflow)?;
                let view = match node.op.storage() {
                    Storage::Alias => true,
                    Storage::PartOfInput => placement.home(own as usize).is_none(),
                    _ => false,
                };
                let input = node.inputs.first().filter(|_| view);
                base.push(input.map_or(own, |input| base[(first[input.node.index()] + input.port) as usize]));
            }
        }
        let mut root = base;
        for tensor in (0..tensors).rev() {
            if let Some(home) = placement.home(tensor) {
                root[tensor] = root[home];
            }
        }
        let mut layout = Self { first, block_of: Vec::with_capacity(tensors), blocks: Vec::new() };
        let mut block_of_root = vec![NONE; tensors];
        let mut counted = Vec::with_capacity(tensors);
        for (id, node) in graph.nodes() {
            let counts = node.is_input() || node.inputs.iter().any(|&input| counted[layout.tensor(input)]);
            for port in 0..node.outputs.len() {
                let mut at = root[counted.len()] as usize;
                // A base behind an alias may itself have been placed.
                if root[at] as usize != at {
                    at = root[at] as usize;
                }
                if counts && block_of_root[at] == NONE {
                    block_of_root[at] = layout.push(graph, id, port);
                }
                if at == counted.len() && counts {
                    // The owner is the tensor that fills the block, though parts of it are written first.
                    let block = &mut layout.blocks[block_of_root[at] as usize];
                    block.owner = outlet(id, port);
                    block.bytes = node.outputs[port].bytes().get();
                }
                layout.block_of.push(if counts { block_of_root[at] } else { NONE });
                counted.push(counts);
            }
        }
        Ok(layout)
    }

    fn push(&mut self, graph: &Graph, id: NodeId, port: usize) -> u32 {
        let node = graph.node(id);
        self.blocks.push(Block {
            owner: outlet(id, port),
            bytes: node.outputs[port].bytes().get(),
            is_input: node.is_input(),
        });
        // Fewer blocks than tensors, and those fit.
        u32::try_from(self.blocks.len() - 1).unwrap_or(NONE)
    }

    /// Whether a node's outputs count.
    fn counts(&self, node: &Node) -> bool {
        node.is_input() || node.inputs.iter().any(|&input| self.block(input).is_some())
    }

    /// The number of a tensor.
    pub fn tensor(&self, outlet: Outlet) -> usize {
        (self.first[outlet.node.index()] + outlet.port) as usize
    }

    /// The block of a tensor; `None` where it does not count.
    pub fn block(&self, outlet: Outlet) -> Option<usize> {
        let block = self.block_of[self.tensor(outlet)];
        (block != NONE).then_some(block as usize)
    }

    /// The blocks of a node's outputs.
    pub fn outputs<'a>(&'a self, id: NodeId, node: &'a Node) -> impl Iterator<Item = usize> + 'a {
        (0..node.outputs.len()).filter_map(move |port| self.block(outlet(id, port)))
    }

    /// The blocks of a node's inputs.
    pub fn inputs<'a>(&'a self, node: &'a Node) -> impl Iterator<Item = usize> + 'a {
        node.inputs.iter().filter_map(move |&input| self.block(input))
    }
}

/// One output of a node.
pub(super) fn outlet(node: NodeId, port: usize) -> Outlet {
    Outlet { node, port: u32::try_from(port).unwrap_or(u32::MAX) }
}
