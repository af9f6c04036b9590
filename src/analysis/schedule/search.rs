//! The search for an order of one piece of a network.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use super::Steps;
use crate::analysis::memory::liveness::{Span, overwriter};
use crate::analysis::memory::{Layout, Model};
use crate::graph::{Graph, NodeId};
use crate::units::{Overflow, sum};

/// What an exact search found.
pub(super) enum Found {
    /// An order with a lower peak than the bound.
    Better(Vec<usize>, u64),
    /// There is none.
    NoBetter,
    /// The number of states ran out.
    GaveUp,
}

/// A block as a piece sees it.
struct Block {
    bytes: u64,
    /// In memory before the piece.
    before: bool,
    /// In memory after it.
    after: bool,
    /// The nodes that write or read it.
    users: Vec<usize>,
}

struct Node {
    /// The nodes of the piece that it reads from, each once.
    sources: Vec<usize>,
    /// The nodes of the piece that read from it, each once.
    targets: Vec<usize>,
    /// The blocks that it writes or reads, each once.
    blocks: Vec<usize>,
    /// The block that it may write in the place of a dying one, and the blocks that it reads, in order.
    overwrites: Option<(usize, Vec<usize>)>,
}

/// Consecutive nodes of the order as written.
pub(super) struct Piece {
    nodes: Vec<Node>,
    blocks: Vec<Block>,
    /// Bytes that are in memory throughout, whatever the order.
    base: u64,
}

impl Piece {
    /// The nodes of some steps and the memory that they touch. Linear in their edges.
    pub(super) fn new(
        graph: &Graph,
        layout: &Layout,
        spans: &[Span],
        ids: &[NodeId],
        steps: Steps,
        model: Model,
    ) -> Result<Self, Overflow> {
        let Steps { start, end, leaving } = steps;
        let before = |block: usize| {
            (spans[block].birth as usize) < start || (layout.blocks[block].is_input && start == 0)
        };
        let place: FxHashMap<NodeId, usize> =
            ids.iter().enumerate().map(|(index, &id)| (id, index)).collect();
        let mut local: FxHashMap<usize, usize> = FxHashMap::default();
        let mut piece = Self { nodes: Vec::with_capacity(ids.len()), blocks: Vec::new(), base: 0 };
        for (index, &id) in ids.iter().enumerate() {
            let node = graph.node(id);
            let mut number = |block: usize, blocks: &mut Vec<Block>| {
                *local.entry(block).or_insert_with(|| {
                    blocks.push(Block {
                        bytes: layout.blocks[block].bytes,
                        before: before(block),
                        after: spans[block].death as usize >= end,
                        users: Vec::new(),
                    });
                    blocks.len() - 1
                })
            };
            let read: Vec<usize> =
                layout.inputs(node).map(|block| number(block, &mut piece.blocks)).collect();
            let written: Vec<usize> =
                layout.outputs(id, node).map(|block| number(block, &mut piece.blocks)).collect();
            let mut touched: Vec<usize> = read.iter().chain(&written).copied().collect();
            touched.sort_unstable();
            touched.dedup();
            for &block in &touched {
                piece.blocks[block].users.push(index);
            }
            let over = overwriter(id, node, layout, model);
            let over = over.map(|block| (number(block, &mut piece.blocks), read));
            let mut sources: Vec<usize> =
                node.inputs.iter().filter_map(|input| place.get(&input.node).copied()).collect();
            sources.sort_unstable();
            sources.dedup();
            for &source in &sources {
                piece.nodes[source].targets.push(index);
            }
            piece.nodes.push(Node { sources, targets: Vec::new(), blocks: touched, overwrites: over });
        }
        // Only what leaves the piece can be there throughout without being touched.
        if let Some(block) = leaving.filter(|&block| before(block) && !local.contains_key(&block)) {
            piece.base = layout.blocks[block].bytes;
        }
        // All sums below are parts of this one.
        sum(piece.blocks.iter().map(|block| block.bytes).chain([piece.base]))?;
        Ok(piece)
    }

    /// What some single step needs in any order.
    pub(super) fn floor(&self) -> u64 {
        let always: u64 = self.blocks.iter().filter(|b| b.before && b.after).map(|b| b.bytes).sum();
        let step = |node: &Node| {
            let touched = node.blocks.iter().map(|&block| &self.blocks[block]);
            let touched: u64 = touched.filter(|b| !(b.before && b.after)).map(|b| b.bytes).sum();
            let saved = node.overwrites.as_ref().map_or(0, |(own, read)| {
                let own = self.blocks[*own].bytes;
                let may = |&block: &usize| !self.blocks[block].after && self.blocks[block].bytes == own;
                if read.iter().any(may) { own } else { 0 }
            });
            self.base + always + touched - saved
        };
        self.nodes.iter().map(step).max().unwrap_or(0)
    }

    /// An order by the greedy rule and its peak.
    pub(super) fn greedy(&self) -> Option<(Vec<usize>, u64)> {
        let mut waiting: Vec<usize> = self.nodes.iter().map(|node| node.sources.len()).collect();
        let mut left: Vec<usize> = self.blocks.iter().map(|block| block.users.len()).collect();
        let mut present: Vec<bool> = self.blocks.iter().map(|block| block.before).collect();
        let mut alive = self.base + self.blocks.iter().filter(|b| b.before).map(|b| b.bytes).sum::<u64>();
        let mut ready: Vec<usize> = (0..self.nodes.len()).filter(|&node| waiting[node] == 0).collect();
        let (mut order, mut peak) = (Vec::with_capacity(self.nodes.len()), 0u64);
        while !ready.is_empty() {
            let step = |node: usize| {
                let (mut come, mut gone) = (0u64, 0u64);
                for &block in &self.nodes[node].blocks {
                    let bytes = self.blocks[block].bytes;
                    come += if present[block] { 0 } else { bytes };
                    gone += if left[block] == 1 && !self.blocks[block].after { bytes } else { 0 };
                }
                let saved = self.nodes[node].overwrites.as_ref().map_or(0, |(own, read)| {
                    let bytes = self.blocks[*own].bytes;
                    let dies = |&block: &usize| {
                        block != *own
                            && left[block] == 1
                            && !self.blocks[block].after
                            && self.blocks[block].bytes == bytes
                    };
                    if !present[*own] && read.iter().any(dies) { bytes } else { 0 }
                });
                (alive + come - gone, alive + come - saved, node)
            };
            let (at, (after, during, node)) =
                ready.iter().enumerate().map(|(at, &node)| (at, step(node))).min_by_key(|(_, key)| *key)?;
            ready.swap_remove(at);
            peak = peak.max(during);
            alive = after;
            for &block in &self.nodes[node].blocks {
                present[block] = true;
                left[block] -= 1;
            }
            for &target in &self.nodes[node].targets {
                waiting[target] -= 1;
                if waiting[target] == 0 {
                    ready.push(target);
                }
            }
            order.push(node);
        }
        Some((order, peak))
    }

    /// The best order with a peak below a bound. A state is the set of nodes that have run: what is in memory follows
    /// from it. States leave the queue by rising peak, so the first whole set that does has the best order.
    pub(super) fn exact(&self, bound: u64, budget: &mut usize) -> Found {
        let whole: u32 = (0..self.nodes.len()).fold(0, |set, node| set | 1 << node);
        let mask = |list: &[usize]| list.iter().fold(0u32, |set, &node| set | 1 << node);
        let users: Vec<u32> = self.blocks.iter().map(|block| mask(&block.users)).collect();
        let sources: Vec<u32> = self.nodes.iter().map(|node| mask(&node.sources)).collect();
        // Whether a block is in memory between a set of nodes that has begun and one that has ended.
        let is_alive = |block: usize, begun: u32, ended: u32| {
            (self.blocks[block].before || users[block] & begun != 0)
                && (self.blocks[block].after || users[block] & !ended != 0)
        };
        let step = |set: u32, node: usize| {
            let begun = set | 1 << node;
            let alive = (0..self.blocks.len()).filter(|&block| is_alive(block, begun, set));
            let bytes = self.base + alive.map(|block| self.blocks[block].bytes).sum::<u64>();
            let saved = self.nodes[node].overwrites.as_ref().map_or(0, |(own, read)| {
                let size = self.blocks[*own].bytes;
                let dies = |&block: &usize| {
                    block != *own
                        && !self.blocks[block].after
                        && users[block] & !begun == 0
                        && self.blocks[block].bytes == size
                };
                let first = !self.blocks[*own].before && users[*own] & set == 0;
                if first && read.iter().any(dies) { size } else { 0 }
            });
            bytes - saved
        };
        // The best peak known for each set and the node that ran last.
        let mut best: FxHashMap<u32, (u64, u8)> = FxHashMap::default();
        let mut queue = BinaryHeap::from([(Reverse(0u64), 0u32, 0u32)]);
        while let Some((Reverse(peak), _, set)) = queue.pop() {
            if best.get(&set).is_some_and(|&(known, _)| known < peak) {
                continue;
            }
            if set == whole {
                let mut order = Vec::with_capacity(self.nodes.len());
                let mut rest = whole;
                while let Some(&(_, node)) = best.get(&rest).filter(|_| rest != 0) {
                    order.push(usize::from(node));
                    rest &= !(1 << node);
                }
                order.reverse();
                return Found::Better(order, peak);
            }
            for (node, sources) in sources.iter().enumerate() {
                if set & 1 << node != 0 || sources & !set != 0 {
                    continue;
                }
                let (next, needs) = (set | 1 << node, peak.max(step(set, node)));
                if needs >= bound || best.get(&next).is_some_and(|&(known, _)| known <= needs) {
                    continue;
                }
                let Some(left) = budget.checked_sub(1) else { return Found::GaveUp };
                *budget = left;
                best.insert(next, (needs, u8::try_from(node).unwrap_or(u8::MAX)));
                // Of equal peaks the larger set first: it is nearer to the end.
                queue.push((Reverse(needs), next.count_ones(), next));
            }
        }
        Found::NoBetter
    }
}
