//! When each block of memory is in use, and how much is at each step.

use super::Model;
use super::layout::{Block, Layout};
use crate::analysis::schedule::Schedule;
use crate::graph::{Graph, Node, NodeId, Outlet};
use crate::ops::{Family, Operator, Storage};
use crate::units::Overflow;

/// The steps at which a block is in use, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first step: where something in it is written, or the first of all for a network input.
    pub birth: u32,
    /// The last step: where something in it is read, or the last of all for a network output.
    pub death: u32,
    /// The block whose memory it takes over at its birth.
    pub over: Option<u32>,
}

/// The memory that one model of execution needs over one schedule.
#[derive(Clone, Debug)]
pub struct Memory {
    /// The model.
    pub model: Model,
    /// Bytes in use at each step.
    pub curve: Vec<u64>,
    /// The most at any step.
    pub peak: u64,
    /// The first step that needs so much.
    pub step: usize,
    /// The node that runs there; `None` in a network without nodes.
    pub at: Option<NodeId>,
    /// Which tensors share memory.
    pub layout: Layout,
    /// By block.
    pub spans: Vec<Span>,
}

/// A tensor in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alive {
    /// The tensor that fills the memory.
    pub tensor: Outlet,
    /// How much.
    pub bytes: u64,
}

impl Memory {
    /// What is in memory at a step, the largest first, then by age. Linear in blocks.
    pub fn alive(&self, step: usize) -> Vec<Alive> {
        let mut alive: Vec<Alive> = (self.layout.blocks.iter().zip(&self.spans))
            .filter(|(_, span)| {
                // What overwrites another block is that block at the step of its birth.
                let birth = span.birth as usize + usize::from(span.over.is_some());
                birth <= step && step <= span.death as usize
            })
            .map(|(block, _)| Alive { tensor: block.owner, bytes: block.bytes })
            .collect();
        alive.sort_by(|a, b| b.bytes.cmp(&a.bytes).then(a.tensor.cmp(&b.tensor)));
        alive
    }

    /// The most in use while a node of each stage runs, inner stages included.
    pub fn stage_peaks(&self, graph: &Graph, schedule: &Schedule) -> Vec<u64> {
        let mut peaks = vec![0u64; graph.stages().len()];
        for (&id, &bytes) in schedule.order().iter().zip(&self.curve) {
            if let Some(stage) = graph.node(id).stage {
                let peak = &mut peaks[stage.0 as usize];
                *peak = (*peak).max(bytes);
            }
        }
        let parents = crate::analysis::stage_parents(graph);
        for index in (0..peaks.len()).rev() {
            if let Some(parent) = parents[index] {
                peaks[parent as usize] = peaks[parent as usize].max(peaks[index]);
            }
        }
        peaks
    }
}

/// Liveness of one model over one schedule. Linear in nodes and edges.
///
/// A node's inputs and outputs are in memory together while it runs. Network inputs are there from the start, network
/// outputs until the end.
///
/// # Errors
/// When the bytes in use do not fit in 64 bits.
pub fn liveness(
    graph: &Graph,
    schedule: &Schedule,
    layout: Layout,
    model: Model,
) -> Result<Memory, Overflow> {
    let steps = schedule.order().len();
    let mut spans = base_spans(graph, schedule, &layout)?;
    if model.in_place != super::InPlace::Nothing {
        overwrite(graph, schedule, &layout, model, &mut spans);
    }
    let last = u32::try_from(steps.saturating_sub(1)).map_err(|_| Overflow)?;
    for span in &mut spans {
        span.death = span.death.min(last);
    }
    let curve = curve(&layout.blocks, &spans, steps)?;
    let step = (0..steps).rev().max_by_key(|&step| curve[step]).unwrap_or(0);
    Ok(Memory {
        model,
        peak: curve.get(step).copied().unwrap_or(0),
        at: schedule.order().get(step).copied(),
        step,
        curve,
        layout,
        spans,
    })
}

/// Births and deaths, nothing overwritten; what outlives the schedule dies one past its last step.
pub(in crate::analysis) fn base_spans(
    graph: &Graph,
    schedule: &Schedule,
    layout: &Layout,
) -> Result<Vec<Span>, Overflow> {
    let never = Span { birth: u32::MAX, death: 0, over: None };
    let mut spans = vec![never; layout.blocks.len()];
    let end = u32::try_from(schedule.order().len()).map_err(|_| Overflow)?;
    for (step, &id) in (0u32..).zip(schedule.order()) {
        let node = graph.node(id);
        for block in layout.outputs(id, node).chain(layout.inputs(node)) {
            let span = &mut spans[block];
            span.birth = span.birth.min(step);
            span.death = step;
        }
    }
    for (block, span) in layout.blocks.iter().zip(&mut spans) {
        if block.is_input {
            // A network input that nothing reads is dropped at once.
            *span = Span { death: if span.death == span.birth { 0 } else { span.death }, birth: 0, ..*span };
        }
    }
    for &output in &graph.outputs {
        if let Some(block) = layout.block(output) {
            spans[block].death = end;
        }
    }
    Ok(spans)
}

/// Finds for each op that may write over an input the first one that it can take over.
fn overwrite(graph: &Graph, schedule: &Schedule, layout: &Layout, model: Model, spans: &mut [Span]) {
    for (step, &id) in (0u32..).zip(schedule.order()) {
        let node = graph.node(id);
        if let Some(own) = overwriter(id, node, layout, model)
            && spans[own].birth == step
        {
            let dying = layout.inputs(node).find(|&input| {
                input != own
                    && spans[input].death == step
                    && layout.blocks[input].bytes == layout.blocks[own].bytes
            });
            spans[own].over = dying.and_then(|block| u32::try_from(block).ok());
        }
    }
}

/// The block of a node's output, where the model lets it take over a dying input: the op allows it and the output
/// fills the block.
pub(in crate::analysis) fn overwriter(
    id: NodeId,
    node: &Node,
    layout: &Layout,
    model: Model,
) -> Option<usize> {
    let allowed = match model.in_place {
        super::InPlace::Nothing => false,
        super::InPlace::AllButNorms => node.op.family() != Family::Normalization,
        super::InPlace::All => true,
    };
    let output = Outlet { node: id, port: 0 };
    let fills = |block: &usize| layout.blocks[*block].owner == output;
    (allowed && node.op.storage() == Storage::Overwrites)
        .then(|| layout.block(output))
        .flatten()
        .filter(fills)
}

/// Bytes in use at each step.
pub(super) fn curve(blocks: &[Block], spans: &[Span], steps: usize) -> Result<Vec<u64>, Overflow> {
    // Bytes that come at a step, and that went before it.
    let mut curve = vec![0u64; steps];
    let mut gone = vec![0u64; steps + 1];
    for (block, span) in blocks.iter().zip(spans) {
        let birth = span.birth as usize + usize::from(span.over.is_some());
        let death = span.death as usize;
        if birth <= death && death < steps {
            curve[birth] = curve[birth].checked_add(block.bytes).ok_or(Overflow)?;
            gone[death + 1] = gone[death + 1].checked_add(block.bytes).ok_or(Overflow)?;
        }
    }
    let mut alive = 0u64;
    for (bytes, gone) in curve.iter_mut().zip(&gone) {
        alive = alive.checked_sub(*gone).ok_or(Overflow)?.checked_add(*bytes).ok_or(Overflow)?;
        *bytes = alive;
    }
    Ok(curve)
}
