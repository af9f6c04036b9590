//! What training keeps: between forward and backward, beside the weights, and at its peak.
//!
//! Backward runs the nodes in reverse. What a node's backward pass needs of the forward pass
//! ([`crate::ops::Backward`]) stays in memory until then, once for each storage however many nodes need it. Network
//! inputs, parameters and buffers are there anyway and counted apart. A node that neither learns nor reads what does
//! keeps nothing.

use super::layout::{self, Block, Layout};
use super::liveness::{Span, base_spans, curve};
use crate::analysis::cost::weight_dtype;
use crate::analysis::schedule::Schedule;
use crate::graph::{Graph, Node, NodeId};
use crate::ops::{Backward, Family, Io, Kept, KeptInputs, Operator, Role, Storage};
use crate::units::{Overflow, product, sum};

/// Who decides what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// PyTorch's autograd, eager, on the CPU.
    PytorchEager,
    /// The least that each op's backward rule needs.
    Minimal,
    /// As PyTorch, but concats and the norms and activations that follow them directly are computed again in shared
    /// buffers (Pleiss et al., arXiv 1707.06990).
    SharedConcat,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 3] = [Self::PytorchEager, Self::Minimal, Self::SharedConcat];

    /// Its key in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::PytorchEager => "pytorch_eager",
            Self::Minimal => "minimal",
            Self::SharedConcat => "shared_concat",
        }
    }
}

/// Multiply-accumulates of one step of training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrainingMacs {
    /// The forward pass.
    pub forward: u64,
    /// The gradients of activations. None for what reads only network inputs.
    pub grad_input: u64,
    /// The gradients of weights.
    pub grad_weight: u64,
}

/// What an optimizer keeps beside weights and gradients, in the weights' element type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OptimizerBytes {
    /// One momentum for each learned element.
    pub sgd_momentum: u64,
    /// Two moments for each learned element.
    pub adam: u64,
}

/// What one step of training needs under one profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Training {
    /// The profile.
    pub profile: Profile,
    /// Work, the same under all profiles but for what `shared_concat` computes again, which has no
    /// multiply-accumulates.
    pub macs: TrainingMacs,
    /// Activations kept from forward to backward, statistics, indices, masks and shared buffers among them; network
    /// inputs and the loss apart.
    pub saved_bytes: u64,
    /// Network inputs that are kept.
    pub saved_input_bytes: u64,
    /// Of `saved_bytes`: buffers that concats and what follows them share.
    pub buffer_bytes: u64,
    /// Gradients of the learned elements.
    pub gradient_bytes: u64,
    /// The optimizer's state.
    pub optimizer_bytes: OptimizerBytes,
    /// The most activations, network inputs, saved extras and activations' gradients in memory at once. Weights, their
    /// gradients and the optimizer's state come on top.
    pub peak_bytes: u64,
    /// The node that runs at the peak, and whether it runs backward.
    pub peak_at: Option<(NodeId, bool)>,
}

/// What a node says about training.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fact {
    backward: Backward,
    /// Whether a gradient flows through it.
    pub(super) learns: bool,
}

/// Stands where a block is not needed by any backward pass.
const NEVER: u32 = u32::MAX;

/// What is kept, block by block.
pub(super) struct Saved {
    pub(super) facts: Vec<Fact>,
    pub(super) layout: Layout,
    /// By block: the first step whose backward pass needs it, or [`NEVER`].
    needed: Vec<u32>,
    /// By block: whether it lives in a shared buffer, and whether that is the concats'.
    pub(super) recomputed: Vec<Option<bool>>,
    profile: Profile,
}

impl Saved {
    /// Whether a block is needed, itself or as what others are computed from again.
    pub(super) fn is_needed(&self, block: usize) -> bool {
        self.needed[block] != NEVER
    }

    /// Whether a block is kept in memory of its own.
    pub(super) fn keeps(&self, block: usize) -> bool {
        let shares = self.profile == Profile::SharedConcat && self.recomputed[block].is_some();
        self.is_needed(block) && !shares && !self.layout.blocks[block].is_input
    }

    /// Bytes that a node keeps beside tensors.
    pub(super) fn extra(&self, id: NodeId) -> u64 {
        let fact = &self.facts[id.index()];
        if fact.learns { self.kept(fact).bytes } else { 0 }
    }

    fn kept(&self, fact: &Fact) -> Kept {
        match self.profile {
            Profile::PytorchEager | Profile::SharedConcat => fact.backward.eager,
            Profile::Minimal => fact.backward.minimal,
        }
    }
}

/// What training keeps under a profile. Linear in nodes and edges.
pub(super) fn saved(graph: &Graph, schedule: &Schedule, profile: Profile) -> Result<Saved, Overflow> {
    let facts = facts(graph)?;
    let mut storages = facts.iter();
    // Called once a node, in order.
    let storages = std::cell::RefCell::new(&mut storages);
    let layout = Layout::new(graph, |node| {
        let trained = storages.borrow_mut().next().and_then(|fact| fact.backward.storage);
        matches!(trained.unwrap_or_else(|| node.op.storage()), Storage::Alias | Storage::PartOfInput)
    })?;
    let mut saved = Saved {
        needed: vec![NEVER; layout.blocks.len()],
        recomputed: vec![None; layout.blocks.len()],
        facts,
        layout,
        profile,
    };
    for (id, node) in graph.nodes() {
        let output = layout::outlet(id, 0);
        let Some(own) = saved.layout.block(output).filter(|&own| saved.layout.blocks[own].owner == output)
        else {
            continue;
        };
        saved.recomputed[own] = match (node.op.storage(), node.op.family()) {
            (Storage::JoinOfInputs, _) => Some(true),
            (Storage::Overwrites, Family::Normalization | Family::Activation) => {
                let input = node.inputs.first().and_then(|&input| saved.layout.block(input));
                input.and_then(|input| saved.recomputed[input]).map(|_| false)
            }
            _ => None,
        };
    }
    for (step, &id) in (0u32..).zip(schedule.order()) {
        let fact = saved.facts[id.index()];
        if !fact.learns {
            continue;
        }
        let (node, kept) = (graph.node(id), saved.kept(&fact));
        let inputs = match kept.inputs {
            KeptInputs::None => 0,
            KeptInputs::First => 1,
            KeptInputs::All => usize::MAX,
        };
        let inputs = node.inputs.iter().take(inputs).filter_map(|&input| saved.layout.block(input));
        let outputs = saved.layout.outputs(id, node).take(if kept.outputs { usize::MAX } else { 0 });
        for block in inputs.chain(outputs) {
            saved.needed[block] = saved.needed[block].min(step);
        }
    }
    if profile == Profile::SharedConcat {
        // What is computed again needs its inputs as early as it is needed itself.
        for &id in schedule.order().iter().rev() {
            let node = graph.node(id);
            for own in saved.layout.outputs(id, node) {
                if saved.recomputed[own].is_some() && saved.is_needed(own) {
                    for input in saved.layout.inputs(node) {
                        saved.needed[input] = saved.needed[input].min(saved.needed[own]);
                    }
                }
            }
        }
    }
    Ok(saved)
}

fn io<T>(graph: &Graph, node: &Node, ask: impl FnOnce(Io<'_>) -> Result<T, Overflow>) -> Result<T, Overflow> {
    let inputs = graph.input_types(node);
    ask(Io { inputs: &inputs, outputs: &node.outputs })
}

/// What each node says.
fn facts(graph: &Graph) -> Result<Vec<Fact>, Overflow> {
    let mut facts: Vec<Fact> = Vec::with_capacity(graph.len());
    for (_, node) in graph.nodes() {
        let fact = io(graph, node, |io| {
            let learns = node.inputs.iter().any(|input| facts[input.node.index()].learns)
                || node.op.weights(io.inputs).iter().any(|weight| weight.role != Role::Buffer);
            Ok(Fact { backward: node.op.backward(io)?, learns })
        })?;
        facts.push(fact);
    }
    Ok(facts)
}

/// One step of training over a schedule. Linear in nodes and edges.
///
/// # Errors
/// When a count does not fit in 64 bits.
pub fn training(graph: &Graph, schedule: &Schedule, profile: Profile) -> Result<Training, Overflow> {
    let saved = saved(graph, schedule, profile)?;
    let blocks = &saved.layout.blocks;
    let buffers = [true, false].map(|concat| {
        let shared = (0..blocks.len())
            .filter(|&block| saved.recomputed[block] == Some(concat) && saved.is_needed(block));
        shared.map(|block| blocks[block].bytes).max().unwrap_or(0)
    });
    let buffers = if profile == Profile::SharedConcat { sum(buffers)? } else { 0 };
    let kept = (0..blocks.len()).filter(|&block| saved.keeps(block)).map(|block| blocks[block].bytes);
    let extra = graph.nodes().map(|(id, _)| saved.extra(id));
    let inputs = blocks.iter().enumerate().filter(|(block, of)| of.is_input && saved.is_needed(*block));
    let (macs, gradient_bytes) = weights_and_macs(graph, &saved.facts)?;
    let (peak_bytes, step) = peak(graph, schedule, &saved, buffers)?;
    let steps = schedule.order().len();
    let peak_at = match step.checked_sub(steps) {
        None => schedule.order().get(step).map(|&id| (id, false)),
        Some(back) => schedule.order().iter().rev().nth(back).map(|&id| (id, true)),
    };
    Ok(Training {
        profile,
        macs,
        saved_bytes: sum(kept.chain(extra).chain([buffers]))?,
        saved_input_bytes: sum(inputs.map(|(_, block)| block.bytes))?,
        buffer_bytes: buffers,
        gradient_bytes,
        optimizer_bytes: OptimizerBytes {
            sgd_momentum: gradient_bytes,
            adam: product(&[gradient_bytes, 2])?,
        },
        peak_bytes,
        peak_at,
    })
}

/// What PyTorch's cross-entropy keeps beside the network: the logarithms of the probabilities, a 64-bit label for each
/// row, and the f32 sum of the labels' weights. `None` where the network does not give one matrix of class scores.
pub fn cross_entropy_bytes(graph: &Graph) -> Option<u64> {
    let &[output] = graph.outputs.as_slice() else { return None };
    let scores = graph.tensor(output);
    let &[rows, _] = scores.shape.axes() else { return None };
    sum([scores.bytes().get(), product(&[rows, 8]).ok()?, 4]).ok()
}

/// Multiply-accumulates, and the bytes of one gradient of all learned elements.
fn weights_and_macs(graph: &Graph, facts: &[Fact]) -> Result<(TrainingMacs, u64), Overflow> {
    let (mut macs, mut bytes) = (TrainingMacs::default(), 0u64);
    let add = |total: &mut u64, term: u64| -> Result<(), Overflow> {
        *total = total.checked_add(term).ok_or(Overflow)?;
        Ok(())
    };
    for (id, node) in graph.nodes() {
        io(graph, node, |io| {
            let fact = &facts[id.index()];
            add(&mut macs.forward, node.op.cost(io)?.macs)?;
            let flows = node.inputs.iter().filter(|input| facts[input.node.index()].learns).count() as u64;
            // All of it where all inputs have a gradient; a product of one that has and one that has not, half.
            if flows > 0 {
                let share = fact.backward.grad_input_macs / node.inputs.len() as u64;
                let all = flows == node.inputs.len() as u64;
                let macs_of_inputs = if all { fact.backward.grad_input_macs } else { share * flows };
                add(&mut macs.grad_input, macs_of_inputs)?;
            }
            if fact.learns {
                add(&mut macs.grad_weight, fact.backward.grad_weight_macs)?;
            }
            if node.shares.is_none() {
                let dtype = weight_dtype(io);
                for weight in node.op.weights(io.inputs) {
                    if weight.role != Role::Buffer {
                        add(&mut bytes, product(&[weight.shape.elements()?, dtype.bits()])?.div_ceil(8))?;
                    }
                }
            }
            Ok(())
        })?;
    }
    Ok((macs, bytes))
}

/// The most in memory at once, and the step: forward ones first, then as many backward ones in reverse.
fn peak(graph: &Graph, schedule: &Schedule, saved: &Saved, buffers: u64) -> Result<(u64, usize), Overflow> {
    let spans = base_spans(graph, schedule, &saved.layout)?;
    let forward = schedule.order().len();
    let steps = product(&[forward as u64, 2])?;
    let last = u32::try_from(steps).map_err(|_| Overflow)?.saturating_sub(1);
    let (mut held, mut lives): (Vec<Block>, Vec<Span>) = (Vec::new(), Vec::new());
    let mut hold = |block: Block, birth: u32, death: u32| {
        held.push(block);
        lives.push(Span { birth, death, over: None });
    };
    for (index, (&block, span)) in saved.layout.blocks.iter().zip(&spans).enumerate() {
        let shares = saved.profile == Profile::SharedConcat && saved.recomputed[index].is_some();
        let until = if saved.is_needed(index) { last - saved.needed[index] } else { 0 };
        if !(shares && saved.is_needed(index)) {
            hold(block, span.birth, span.death.max(until).min(last));
        }
        // Its gradient: from the backward pass of its last reader to that of its writer.
        let learns = saved.facts[block.owner.node.index()].learns && !block.is_input;
        if learns && span.death > span.birth {
            hold(block, last - span.death.min(last - last / 2 - 1), last - span.birth);
        }
    }
    for (step, &id) in (0u32..).zip(schedule.order()) {
        let bytes = saved.extra(id);
        if bytes > 0 {
            let owner = layout::outlet(id, 0);
            hold(Block { owner, bytes, is_input: false }, step, last - step);
        }
    }
    let curve = curve(&held, &lives, usize::try_from(steps).map_err(|_| Overflow)?)?;
    let step = (0..curve.len()).rev().max_by_key(|&step| curve[step]).unwrap_or(0);
    let peak = curve.get(step).copied().unwrap_or(0);
    Ok((peak.checked_add(buffers).ok_or(Overflow)?, step))
}
