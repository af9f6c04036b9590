//! Concats and splits without copies: where a tensor can be written at once to the place that a concat wants it.
//!
//! A tensor lies in one concat's buffer; every further concat that wants it elsewhere copies it. Concats are placed
//! from the last to the first, so that of nested ones (a dense layer's, of which the block's last one is the longest)
//! the longest owns the buffer and the others are views of its beginning. In order, for each concat:
//!
//! 1. if all its inputs lie side by side in one buffer already, its output is a view of that range;
//! 2. else every input that lies nowhere yet is placed in its buffer, which is its own output or, where that itself
//!    was placed in a later concat along the same axis, a range of that one's;
//! 3. the other inputs are copied: network inputs, constants, what lies in another buffer or elsewhere in this one.
//!
//! A split's or slice's output is a view of its input unless a concat wants it: then the split writes it there. Linear
//! in nodes and edges.

use super::layout::{self, NONE};
use crate::graph::{Graph, NodeId, Outlet};
use crate::ops::{Family, Operator, Storage};
use crate::units::{Overflow, sum};

/// Where tensors lie in the buffers of concats.
#[derive(Clone, Debug)]
pub struct Placement {
    /// By tensor: the concat output that it is written into, and its offset there in bytes.
    homes: Vec<(u32, u64)>,
    /// Inputs that a concat copies, in the order of the concats.
    pub copies: Vec<Copied>,
}

/// A tensor that a concat has to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Copied {
    /// The concat.
    pub by: NodeId,
    /// What it copies.
    pub tensor: Outlet,
}

impl Placement {
    /// Places all concats.
    ///
    /// # Errors
    /// Where there are 2³² tensors or more.
    pub fn new(graph: &Graph) -> Result<Self, Overflow> {
        let (first, tensors) = layout::number(graph)?;
        let mut place = Placing {
            graph,
            first,
            alias_of: Vec::with_capacity(tensors),
            homes: vec![(NONE, 0); tensors],
            axes: vec![u8::MAX; tensors],
            copies: Vec::new(),
        };
        for (id, node) in graph.nodes() {
            let input = node.inputs.first().filter(|_| node.op.storage() == Storage::Alias);
            for port in 0..node.outputs.len() {
                let own = place.tensor(layout::outlet(id, port));
                let base = input.map_or(own, |&input| place.alias_of[place.tensor(input)] as usize);
                place.alias_of.push(u32::try_from(base).map_err(|_| Overflow)?);
            }
        }
        let ids: Vec<NodeId> = graph
            .nodes()
            .filter(|(_, node)| node.op.storage() == Storage::JoinOfInputs)
            .map(|(id, _)| id)
            .collect();
        for &id in ids.iter().rev() {
            place.concat(id)?;
        }
        place.copies.sort_unstable();
        Ok(Self { homes: place.homes, copies: place.copies })
    }

    /// The outermost tensor in whose memory this one lies, itself where it has its own, and the offset there, counting
    /// along each concat's axis in the bytes of whole tensors.
    #[cfg(test)]
    pub(super) fn location(&self, tensor: usize) -> (usize, u64) {
        let (mut at, mut offset) = (tensor, 0);
        while let Some(home) = self.home(at) {
            offset += self.homes[at].1;
            at = home;
        }
        (at, offset)
    }

    /// The tensor in whose memory this one lies; `None` where it has its own or shares its input's.
    pub(super) fn home(&self, tensor: usize) -> Option<usize> {
        let (home, _) = self.homes[tensor];
        (home != NONE).then_some(home as usize)
    }
}

struct Placing<'a> {
    graph: &'a Graph,
    first: Vec<u32>,
    /// By tensor: the tensor that it is another name of.
    alias_of: Vec<u32>,
    homes: Vec<(u32, u64)>,
    /// By concat output: the axis it joins along.
    axes: Vec<u8>,
    copies: Vec<Copied>,
}

impl Placing<'_> {
    fn tensor(&self, outlet: Outlet) -> usize {
        (self.first[outlet.node.index()] + outlet.port) as usize
    }

    /// The tensor that an outlet names.
    fn base(&self, outlet: Outlet) -> usize {
        self.alias_of[self.tensor(outlet)] as usize
    }

    fn concat(&mut self, id: NodeId) -> Result<(), Overflow> {
        let node = self.graph.node(id);
        let own = self.tensor(Outlet { node: id, port: 0 });
        let joined = &node.outputs[0];
        // The axis is the one that grows; with one input any axis does.
        let axis = node.inputs.first().and_then(|&input| {
            let (from, to) = (self.graph.tensor(input).shape.axes(), joined.shape.axes());
            from.iter().zip(to).position(|(from, to)| from != to)
        });
        let axis = u8::try_from(axis.unwrap_or(1)).unwrap_or(u8::MAX - 1);
        self.axes[own] = axis;
        let bytes: Vec<u64> =
            node.inputs.iter().map(|&input| self.graph.tensor(input).bytes().get()).collect();
        if sum(bytes.iter().copied())? != joined.bytes().get() {
            // Elements of four bits do not start at bytes.
            self.copies.extend(node.inputs.iter().map(|&tensor| Copied { by: id, tensor }));
            return Ok(());
        }
        let placed = self.homes[own].0 != NONE;
        if !placed && let Some((buffer, start)) = self.side_by_side(&node.inputs, &bytes, axis) {
            self.homes[own] = (buffer, start);
            return Ok(());
        }
        let (outer, start) = self.homes[own];
        let (buffer, mut offset) = if placed && self.axes[outer as usize] == axis {
            (outer, start)
        } else {
            (u32::try_from(own).map_err(|_| Overflow)?, 0)
        };
        for (&input, bytes) in node.inputs.iter().zip(bytes) {
            let base = self.base(input);
            if self.may_move(input, base) {
                self.homes[base] = (buffer, offset);
            } else {
                self.copies.push(Copied { by: id, tensor: input });
            }
            offset += bytes;
        }
        Ok(())
    }

    /// Whether a tensor can be written straight into a buffer: an op makes it, and it lies nowhere yet.
    fn may_move(&self, outlet: Outlet, base: usize) -> bool {
        if self.homes[base].0 != NONE {
            return false;
        }
        // An alias of a source is that source's memory.
        let mut node = self.graph.node(outlet.node);
        while node.op.storage() == Storage::Alias
            && let Some(input) = node.inputs.first()
        {
            node = self.graph.node(input.node);
        }
        node.op.family() != Family::Source
    }

    /// The buffer and offset where all inputs lie side by side in order.
    fn side_by_side(&self, inputs: &[Outlet], bytes: &[u64], axis: u8) -> Option<(u32, u64)> {
        let (buffer, start) = self.homes[self.base(*inputs.first()?)];
        if buffer == NONE || self.axes[buffer as usize] != axis {
            return None;
        }
        let mut offset = start;
        for (&input, bytes) in inputs.iter().zip(bytes) {
            if self.homes[self.base(input)] != (buffer, offset) {
                return None;
            }
            offset += bytes;
        }
        Some((buffer, start))
    }
}
