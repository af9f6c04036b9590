//! In which order nodes run: as written, or so that less memory is in use at once.
//!
//! [`lower_peak`] works piece by piece. Where only one tensor is in memory between two steps of the order as written,
//! the network is cut: all that follows needs nothing else, so the pieces can be ordered one by one and the peak of the
//! network is the largest peak of a piece. Pieces are taken by falling peak, until one cannot be lowered below what
//! another or its largest single step needs anyway. A piece of up to [`EXACT_LIMIT`] nodes is searched exactly
//! (shortest bottleneck path over the sets of nodes that have run, best first, bounded by the best order so far); a
//! larger one is ordered greedily (of the ready nodes the one that leaves least in memory, then that needs least, then
//! in the order of the file), and keeps its order where that does not help. Never worse than as written.

mod search;

use std::fmt;

use crate::analysis::memory::liveness::{Span, base_spans, overwriter};
use crate::analysis::memory::{Layout, Memory, Model, liveness};
use crate::graph::{Graph, NodeId};
use crate::units::Overflow;
use search::{Found, Piece};

/// Pieces of up to so many nodes are searched exactly.
pub const EXACT_LIMIT: usize = 20;

/// Pieces of more nodes keep their order: the greedy scheduler looks at every ready node at each step.
pub const GREEDY_LIMIT: usize = 2048;

/// Exact searches stop after so many sets of nodes, all pieces together.
pub const STATE_LIMIT: usize = 1 << 21;

/// An order of all nodes in which each comes after what it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    order: Vec<NodeId>,
}

impl Schedule {
    /// The order of the file.
    pub fn as_written(graph: &Graph) -> Self {
        Self { order: graph.nodes().map(|(id, _)| id).collect() }
    }

    /// The nodes in order.
    pub fn order(&self) -> &[NodeId] {
        &self.order
    }

    /// Whether it holds each node once, after what it reads.
    pub fn is_valid(&self, graph: &Graph) -> bool {
        let mut done = vec![false; graph.len()];
        self.order.len() == graph.len()
            && self.order.iter().all(|&id| {
                let ready = graph.node(id).inputs.iter().all(|input| done[input.node.index()]);
                ready && !std::mem::replace(&mut done[id.index()], true)
            })
    }
}

/// What became of the wish for a lower peak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No order needs less.
    Optimal,
    /// An order was found greedily, or none better was: there may be better ones.
    Greedy,
    /// The piece at the peak has so many nodes, more than [`GREEDY_LIMIT`], and keeps the order of the file.
    TooLarge(usize),
}

/// A schedule and its memory beside those as written.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// The schedule.
    pub schedule: Schedule,
    /// Its peak.
    pub peak: u64,
    /// The peak as written: never less.
    pub as_written: u64,
    /// How sure it is.
    pub verdict: Verdict,
}

impl fmt::Display for Lowered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (peak, before) = (crate::units::bytes(self.peak), crate::units::bytes(self.as_written));
        if self.peak < self.as_written {
            write!(f, "{peak} in another order, {before} as written")?;
        } else {
            write!(f, "{before} as written")?;
        }
        match self.verdict {
            Verdict::Optimal => f.write_str("; no order needs less"),
            Verdict::Greedy if self.peak == self.as_written => {
                f.write_str("; no better order was found, but one may exist")
            }
            Verdict::Greedy => f.write_str("; found greedily, a better order may exist"),
            Verdict::TooLarge(nodes) => {
                write!(f, "; not searched: {nodes} nodes without a cut, more than {GREEDY_LIMIT}")
            }
        }
    }
}

/// A schedule of lower peak under a model. Linear but for the pieces that are searched: those at the peak, up to 2ⁿ·n
/// for n ≤ [`EXACT_LIMIT`] nodes, n times the number of ready nodes for n ≤ [`GREEDY_LIMIT`].
///
/// # Errors
/// When the bytes in use do not fit in 64 bits.
pub fn lower_peak(graph: &Graph, model: Model) -> Result<Lowered, Overflow> {
    lower(graph, &model.memory(graph, &Schedule::as_written(graph))?)
}

/// The same where the memory as written is known.
///
/// # Errors
/// When the bytes in use do not fit in 64 bits.
pub fn lower(graph: &Graph, memory: &Memory) -> Result<Lowered, Overflow> {
    let written = Schedule::as_written(graph);
    if touches_all(graph, memory) {
        let (peak, verdict) = (memory.peak, Verdict::Optimal);
        return Ok(Lowered { schedule: written, peak, as_written: peak, verdict });
    }
    let spans = base_spans(graph, &written, &memory.layout)?;
    let mut pieces = cuts(&spans, written.order.len());
    let peak_of = |range: &Steps| memory.curve[range.start..range.end].iter().copied().max().unwrap_or(0);
    pieces.sort_by_cached_key(|range| (std::cmp::Reverse(peak_of(range)), range.start));
    let mut schedule = written;
    let (mut floor, mut verdict, mut states) = (0u64, Verdict::Optimal, STATE_LIMIT);
    for steps in pieces {
        let before = peak_of(&steps);
        if before <= floor {
            break;
        }
        let (order, peak, how) = reorder(
            graph,
            memory,
            &spans,
            &schedule.order[steps.start..steps.end],
            steps,
            before,
            &mut states,
        )?;
        schedule.order[steps.start..steps.end].copy_from_slice(&order);
        // Only the pieces that decide the peak decide how sure it is.
        if peak > floor {
            (floor, verdict) = (peak, how);
        }
    }
    let lowered = liveness(graph, &schedule, memory.layout.clone(), memory.model)?;
    if verdict == Verdict::Optimal && has_dead_ends(graph) {
        // What leads to no output could be run in any piece.
        verdict = Verdict::Greedy;
    }
    if lowered.peak > memory.peak {
        return Ok(Lowered {
            schedule: Schedule::as_written(graph),
            peak: memory.peak,
            as_written: memory.peak,
            verdict: Verdict::Greedy,
        });
    }
    Ok(Lowered { schedule, peak: lowered.peak, as_written: memory.peak, verdict })
}

/// Whether the node at the peak writes and reads all that is in memory there, so that no order needs less.
fn touches_all(graph: &Graph, memory: &Memory) -> bool {
    let Some(id) = memory.at else { return true };
    let (node, layout) = (graph.node(id), &memory.layout);
    let mut touched: Vec<usize> = layout.inputs(node).chain(layout.outputs(id, node)).collect();
    touched.sort_unstable();
    touched.dedup();
    // In another order it might overwrite an input that here outlives it.
    let writes = overwriter(id, node, layout, memory.model);
    let own = writes.filter(|&own| memory.spans[own].over.is_some());
    let needs: u64 =
        touched.iter().filter(|&&block| Some(block) != own).map(|&block| layout.blocks[block].bytes).sum();
    needs == memory.peak && writes == own
}

/// Whether some node leads to no output of the network.
fn has_dead_ends(graph: &Graph) -> bool {
    let mut leads = vec![false; graph.len()];
    for output in &graph.outputs {
        leads[output.node.index()] = true;
    }
    // Backwards: nodes are numbered in a topological order.
    for (id, node) in graph.nodes().rev() {
        if leads[id.index()] {
            for input in &node.inputs {
                leads[input.node.index()] = true;
            }
        }
    }
    leads.contains(&false)
}

/// Consecutive steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Steps {
    /// The first.
    start: usize,
    /// One past the last.
    end: usize,
    /// The block that is in use from the last step to the next.
    leaving: Option<usize>,
}

/// Steps divided where at most one block is in use from one step to the next.
fn cuts(spans: &[Span], steps: usize) -> Vec<Steps> {
    // How many blocks are in use after a step, and the sum of their numbers: of one block, its number.
    let mut crossing = vec![(0i64, 0i128); steps + 1];
    for (number, span) in (0i128..).zip(spans) {
        let (birth, death) = (span.birth as usize, (span.death as usize).min(steps));
        if birth < death {
            crossing[birth] = (crossing[birth].0 + 1, crossing[birth].1 + number);
            crossing[death] = (crossing[death].0 - 1, crossing[death].1 - number);
        }
    }
    let mut pieces = Vec::new();
    let (mut start, mut alive, mut numbers) = (0, 0, 0);
    for (step, (count, sum)) in crossing.iter().take(steps).enumerate() {
        (alive, numbers) = (alive + count, numbers + sum);
        if alive <= 1 {
            let leaving = usize::try_from(numbers).ok().filter(|_| alive == 1);
            pieces.push(Steps { start, end: step + 1, leaving });
            start = step + 1;
        }
    }
    if start < steps {
        pieces.push(Steps { start, end: steps, leaving: None });
    }
    pieces
}

/// The best order of one piece, its peak, and how sure that is.
fn reorder(
    graph: &Graph,
    memory: &Memory,
    spans: &[Span],
    nodes: &[NodeId],
    steps: Steps,
    before: u64,
    states: &mut usize,
) -> Result<(Vec<NodeId>, u64, Verdict), Overflow> {
    let keep = |verdict| Ok((nodes.to_vec(), before, verdict));
    let layout: &Layout = &memory.layout;
    let piece = Piece::new(graph, layout, spans, nodes, steps, memory.model)?;
    if piece.floor() >= before {
        return keep(Verdict::Optimal);
    }
    if nodes.len() > GREEDY_LIMIT {
        return keep(Verdict::TooLarge(nodes.len()));
    }
    let greedy = piece.greedy().filter(|(_, peak)| *peak < before);
    let bound = greedy.as_ref().map_or(before, |(_, peak)| *peak);
    let named = |order: Vec<usize>| order.into_iter().map(|index| nodes[index]).collect();
    let found = if nodes.len() <= EXACT_LIMIT { piece.exact(bound, states) } else { Found::GaveUp };
    Ok(match (found, greedy) {
        (Found::Better(order, peak), _) => (named(order), peak, Verdict::Optimal),
        (Found::NoBetter, Some((order, peak))) => (named(order), peak, Verdict::Optimal),
        (Found::NoBetter, None) => return keep(Verdict::Optimal),
        (Found::GaveUp, Some((order, peak))) => (named(order), peak, Verdict::Greedy),
        (Found::GaveUp, None) => return keep(Verdict::Greedy),
    })
}

#[cfg(test)]
mod tests;
