//! What training keeps: between forward and backward, beside the weights, and at its peak.
//!
//! Backward runs the nodes in reverse. What a node's backward pass needs of the forward pass
//! ([`crate::ops::Backward`]) stays in memory until then, once for each storage however many nodes need it. Network
//! inputs, parameters and buffers are there anyway and counted apart. A node that neither learns nor reads what does
//! keeps nothing.

use rustc_hash::FxHashMap;

use super::layout::{self, Block, Layout};
use super::liveness::{Span, base_spans, curve};
use super::views::{Reshapes, Strides};
use crate::analysis::schedule::Schedule;
use crate::graph::{Graph, Node, NodeId, Outlet};
use crate::ops::{Family, Io, Kept, KeptInputs, Operator, Role, Storage};
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
struct Fact {
    eager: Kept,
    minimal: Kept,
    /// Whether a gradient flows through it.
    learns: bool,
}

/// What all profiles share.
pub(super) struct Trained<'a> {
    graph: &'a Graph,
    schedule: &'a Schedule,
    facts: Vec<Fact>,
    pub(super) layout: Layout,
    spans: Vec<Span>,
    /// What gradients there are, and the forward steps from which to which what they are of is read differentiably.
    gradients: Vec<(Block, Span)>,
    /// By block: whether it lives in a shared buffer, and whether that is the concats'.
    pub(super) recomputed: Vec<Option<bool>>,
    macs: TrainingMacs,
    gradient_bytes: u64,
}

/// Stands where a block is not needed by any backward pass.
const NEVER: u32 = u32::MAX;

/// What is kept, block by block.
pub(super) struct Saved<'a> {
    trained: &'a Trained<'a>,
    /// By block: the first step whose backward pass needs it, or [`NEVER`].
    needed: Vec<u32>,
    profile: Profile,
}

impl Saved<'_> {
    /// Whether a block is needed, itself or as what others are computed from again.
    pub(super) fn is_needed(&self, block: usize) -> bool {
        self.needed[block] != NEVER
    }

    /// Whether a block is kept in memory of its own.
    pub(super) fn keeps(&self, block: usize) -> bool {
        self.is_needed(block) && !self.shares(block) && !self.trained.layout.blocks[block].is_input
    }

    /// Whether a block is kept in a shared buffer.
    fn shares(&self, block: usize) -> bool {
        self.profile == Profile::SharedConcat
            && self.trained.recomputed[block].is_some()
            && self.is_needed(block)
    }

    /// Bytes that a node keeps beside tensors.
    pub(super) fn extra(&self, id: NodeId) -> u64 {
        let fact = &self.trained.facts[id.index()];
        if fact.learns { fact.kept(self.profile).bytes } else { 0 }
    }
}

impl Fact {
    fn kept(&self, profile: Profile) -> Kept {
        match profile {
            Profile::PytorchEager | Profile::SharedConcat => self.eager,
            Profile::Minimal => self.minimal,
        }
    }
}

impl<'a> Trained<'a> {
    /// What the nodes say. Linear in nodes and edges.
    ///
    /// # Errors
    /// When a count does not fit in 64 bits.
    pub(super) fn new(
        graph: &'a Graph,
        schedule: &'a Schedule,
        reshapes: Reshapes,
    ) -> Result<Self, Overflow> {
        let (mut facts, mut shares) = (Vec::with_capacity(graph.len()), Vec::with_capacity(graph.len()));
        let (mut macs, mut gradient_bytes) = (TrainingMacs::default(), 0u64);
        let learning = learning(graph);
        // What nothing reads may store what others learn.
        let mut stores = learning.clone();
        for (id, node) in graph.nodes() {
            if let Some(owner) = node.shares {
                stores[owner.index()] |= learning[id.index()];
            }
        }
        let mut strides = Strides::new(reshapes);
        for (id, node) in graph.nodes() {
            let inputs = graph.input_types(node);
            let io = Io { inputs: &inputs, outputs: &node.outputs };
            let backward = node.op.backward(io)?;
            let tensors = graph.stored(node, &inputs);
            let learns = learning[id.index()];
            let flows = node.inputs.iter().filter(|input| learning[input.node.index()]).count();
            let flows = if learns { flows } else { 0 };
            add(&mut macs.forward, node.op.cost(io)?.macs)?;
            // All of it where all inputs have a gradient; a product of one that has and one that has not, half.
            if backward.grad_input_macs > 0 && flows > 0 {
                let all = node.inputs.len() as u64;
                let one = backward.grad_input_macs / all;
                let whole = flows as u64 == all;
                let part = if whole { backward.grad_input_macs } else { product(&[one, flows as u64])? };
                add(&mut macs.grad_input, part)?;
            }
            if learns {
                add(&mut macs.grad_weight, backward.grad_weight_macs)?;
            }
            let own = tensors.iter().filter(|tensor| !tensor.shared);
            for tensor in own.filter(|tensor| stores[id.index()] && tensor.weight.role != Role::Buffer) {
                add(&mut gradient_bytes, tensor.bytes()?)?;
            }
            shares.push(strides.is_view(graph, id, node, &backward.view));
            facts.push(Fact { eager: backward.eager, minimal: backward.minimal, learns });
        }
        // Nodes come in the order of their numbers.
        let mut shares = shares.into_iter();
        let mut next = || shares.next().unwrap_or(false);
        let layout = Layout::training(graph, |id| learning[id.index()], |_| next())?;
        let spans = base_spans(graph, schedule, &layout)?;
        let gradients = gradients(graph, schedule, &layout, &learning);
        let recomputed = recomputed(graph, &layout);
        Ok(Self { graph, schedule, facts, layout, spans, gradients, recomputed, macs, gradient_bytes })
    }

    /// What is kept under a profile. Linear in nodes and edges.
    pub(super) fn saved(&self, profile: Profile) -> Saved<'_> {
        let layout = &self.layout;
        let mut needed = vec![NEVER; layout.blocks.len()];
        for (step, &id) in (0u32..).zip(self.schedule.order()) {
            let fact = self.facts[id.index()];
            let kept = fact.kept(profile);
            if !fact.learns || (kept.inputs == KeptInputs::None && !kept.outputs) {
                continue;
            }
            let node = self.graph.node(id);
            let inputs = match kept.inputs {
                KeptInputs::None => 0,
                KeptInputs::First => 1,
                KeptInputs::All => usize::MAX,
            };
            let inputs = node.inputs.iter().take(inputs).filter_map(|&input| layout.block(input));
            let outputs = layout.outputs(id, node).take(if kept.outputs { usize::MAX } else { 0 });
            for block in inputs.chain(outputs) {
                needed[block] = needed[block].min(step);
            }
        }
        if profile == Profile::SharedConcat && self.recomputed.iter().any(Option::is_some) {
            // What is computed again needs its inputs as early as it is needed itself.
            for &id in self.schedule.order().iter().rev() {
                let node = self.graph.node(id);
                for own in layout.outputs(id, node) {
                    if self.recomputed[own].is_some() && needed[own] != NEVER {
                        for input in layout.inputs(node) {
                            needed[input] = needed[input].min(needed[own]);
                        }
                    }
                }
            }
        }
        Saved { trained: self, needed, profile }
    }
}

/// By node: whether a gradient flows through it. It stores something learned or reads what does, and a network output
/// of floats depends on its own floats.
pub fn learning(graph: &Graph) -> Vec<bool> {
    let mut learning: Vec<bool> = Vec::with_capacity(graph.len());
    for (_, node) in graph.nodes() {
        let stores = || graph.stored(node, &graph.input_types(node)).into_iter();
        let learns = node.inputs.iter().any(|input| learning[input.node.index()])
            || stores().any(|tensor| tensor.weight.role != Role::Buffer);
        learning.push(learns && node.outputs.iter().any(|output| output.dtype.is_float()));
    }
    let mut reached = vec![false; graph.len()];
    for &output in graph.outputs.iter().filter(|&&output| graph.tensor(output).dtype.is_float()) {
        reached[output.node.index()] = true;
    }
    let nodes: Vec<(NodeId, &Node)> = graph.nodes().collect();
    for (id, node) in nodes.into_iter().rev() {
        learning[id.index()] &= reached[id.index()];
        if learning[id.index()] {
            for &input in node.inputs.iter().filter(|&&input| graph.tensor(input).dtype.is_float()) {
                reached[input.node.index()] = true;
            }
        }
    }
    learning
}

fn add(total: &mut u64, term: u64) -> Result<(), Overflow> {
    *total = total.checked_add(term).ok_or(Overflow)?;
    Ok(())
}

/// The gradients of all storages, and of tensors without one: learned constants and views of them. Each lives, mirrored,
/// from where what it is of is written to where a gradient comes from last.
fn gradients(graph: &Graph, schedule: &Schedule, layout: &Layout, learning: &[bool]) -> Vec<(Block, Span)> {
    /// A storage, or a tensor that has none.
    type Key = Result<usize, Outlet>;
    let key = |outlet: Outlet| -> Key { layout.block(outlet).ok_or(outlet) };
    let mut found: Vec<(Block, Span)> = Vec::new();
    let mut places: FxHashMap<Key, usize> = FxHashMap::default();
    for (step, &id) in (0u32..).zip(schedule.order()).filter(|(_, id)| learning[id.index()]) {
        let node = graph.node(id);
        for &input in &node.inputs {
            if let Some(&place) = places.get(&key(input)) {
                found[place].1.death = step;
            }
        }
        let floats = node.outputs.iter().enumerate().filter(|(_, output)| output.dtype.is_float());
        for (port, output) in floats {
            let owner = layout::outlet(id, port);
            places.entry(key(owner)).or_insert_with(|| {
                let block = layout.block(owner).map(|block| layout.blocks[block]);
                let bytes = output.bytes().get();
                found.push((
                    block.unwrap_or(Block { owner, bytes, is_input: false }),
                    Span { birth: step, death: step, over: None },
                ));
                found.len() - 1
            });
        }
    }
    for &output in &graph.outputs {
        if let Some(&place) = places.get(&key(output)) {
            found[place].1.death = u32::MAX;
        }
    }
    found.retain(|(_, span)| span.death > span.birth);
    found
}

/// By block: whether it holds a concat, or what only a norm and an activation part from one.
fn recomputed(graph: &Graph, layout: &Layout) -> Vec<Option<bool>> {
    let mut recomputed: Vec<Option<bool>> = vec![None; layout.blocks.len()];
    for (id, node) in graph.nodes() {
        let cheap = match (node.op.storage(), node.op.family()) {
            (Storage::JoinOfInputs, _) => true,
            (Storage::Overwrites, Family::Normalization | Family::Activation) => false,
            _ => continue,
        };
        let output = layout::outlet(id, 0);
        let own = layout.block(output).filter(|&own| layout.blocks[own].owner == output);
        if let Some(own) = own {
            let input = node.inputs.first().and_then(|&input| layout.block(input));
            let follows = input.and_then(|input| recomputed[input]).map(|_| false);
            recomputed[own] = if cheap { Some(true) } else { follows };
        }
    }
    recomputed
}

/// One step of training over a schedule under every profile. Linear in nodes and edges.
///
/// # Errors
/// When a count does not fit in 64 bits.
pub fn all(graph: &Graph, schedule: &Schedule) -> Result<[Training; 3], Overflow> {
    let trained = Trained::new(graph, schedule, Reshapes::Strided)?;
    let [eager, minimal, shared] = Profile::ALL.map(|profile| trained.saved(profile).training());
    Ok([eager?, minimal?, shared?])
}

/// One step of training over a schedule. Linear in nodes and edges.
///
/// # Errors
/// When a count does not fit in 64 bits.
pub fn training(graph: &Graph, schedule: &Schedule, profile: Profile) -> Result<Training, Overflow> {
    Trained::new(graph, schedule, Reshapes::Strided)?.saved(profile).training()
}

/// Bytes in use at each step of one step of training, as [`Training::peak_bytes`] counts them: the forward steps, then
/// as many backward ones in reverse. Linear in nodes and edges.
///
/// # Errors
/// When a count does not fit in 64 bits.
pub fn curve_of(
    graph: &Graph,
    schedule: &Schedule,
    profile: Profile,
    reshapes: Reshapes,
) -> Result<Vec<u64>, Overflow> {
    Trained::new(graph, schedule, reshapes)?.saved(profile).curve()
}

/// Pieces of memory in use at each step of [`curve_of`], at most: one for each tensor and gradient, two for what a node
/// keeps beside them. Linear in nodes and edges.
///
/// # Errors
/// When a count does not fit in 64 bits.
pub fn pieces_of(
    graph: &Graph,
    schedule: &Schedule,
    profile: Profile,
    reshapes: Reshapes,
) -> Result<Vec<u64>, Overflow> {
    Trained::new(graph, schedule, reshapes)?.saved(profile).curve_by(|_| 1, |_| 2)
}

impl Saved<'_> {
    /// Its sums and its peak.
    pub(super) fn training(&self) -> Result<Training, Overflow> {
        let Trained { graph, schedule, layout, recomputed, macs, gradient_bytes, .. } = self.trained;
        let blocks = &layout.blocks;
        let buffers = [true, false].map(|concat| {
            let shared =
                (0..blocks.len()).filter(|&block| recomputed[block] == Some(concat) && self.shares(block));
            shared.map(|block| blocks[block].bytes).max().unwrap_or(0)
        });
        let buffers = sum(buffers)?;
        let kept = (0..blocks.len()).filter(|&block| self.keeps(block)).map(|block| blocks[block].bytes);
        let extra = graph.nodes().map(|(id, _)| self.extra(id));
        let inputs = blocks.iter().enumerate().filter(|(block, of)| of.is_input && self.is_needed(*block));
        let (peak_bytes, step) = self.peak(buffers)?;
        let peak_at = match step.checked_sub(schedule.order().len()) {
            None => schedule.order().get(step).map(|&id| (id, false)),
            Some(back) => schedule.order().iter().rev().nth(back).map(|&id| (id, true)),
        };
        Ok(Training {
            profile: self.profile,
            macs: *macs,
            saved_bytes: sum(kept.chain(extra).chain([buffers]))?,
            saved_input_bytes: sum(inputs.map(|(_, block)| block.bytes))?,
            buffer_bytes: buffers,
            gradient_bytes: *gradient_bytes,
            optimizer_bytes: OptimizerBytes {
                sgd_momentum: *gradient_bytes,
                adam: product(&[*gradient_bytes, 2])?,
            },
            peak_bytes,
            peak_at,
        })
    }

    /// The most in memory at once, and the step: forward ones first, then as many backward ones in reverse.
    fn peak(&self, buffers: u64) -> Result<(u64, usize), Overflow> {
        let curve = self.curve()?;
        let step = (0..curve.len()).rev().max_by_key(|&step| curve[step]).unwrap_or(0);
        let peak = curve.get(step).copied().unwrap_or(0);
        Ok((peak.checked_add(buffers).ok_or(Overflow)?, step))
    }

    /// Bytes in use at each step, shared buffers apart.
    fn curve(&self) -> Result<Vec<u64>, Overflow> {
        self.curve_by(|bytes| bytes, |bytes| bytes)
    }

    /// The same of other figures than bytes: what counts for a tensor or gradient, and for what a node keeps beside
    /// them, of so many bytes.
    fn curve_by(
        &self,
        tensor: impl Fn(u64) -> u64,
        extra: impl Fn(u64) -> u64,
    ) -> Result<Vec<u64>, Overflow> {
        let Trained { schedule, layout, spans, gradients, .. } = self.trained;
        let forward = schedule.order().len();
        let steps = product(&[forward as u64, 2])?;
        let last = u32::try_from(steps).map_err(|_| Overflow)?.saturating_sub(1);
        let mut held: Vec<Block> = Vec::with_capacity(2 * layout.blocks.len());
        let mut lives: Vec<Span> = Vec::with_capacity(2 * layout.blocks.len());
        let mut hold = |block: Block, birth: u32, death: u32| {
            held.push(block);
            lives.push(Span { birth, death, over: None });
        };
        for (index, (&block, span)) in layout.blocks.iter().zip(spans).enumerate() {
            let block = Block { bytes: tensor(block.bytes), ..block };
            let until = if self.is_needed(index) { last - self.needed[index] } else { 0 };
            if !self.shares(index) {
                hold(block, span.birth, span.death.max(until).min(last));
            }
        }
        // From the backward pass of the last reader, or the first of all for an output of the network, to that of the
        // writer.
        for &(block, span) in gradients {
            let block = Block { bytes: tensor(block.bytes), ..block };
            hold(block, last - span.death.min(last / 2), last - span.birth);
        }
        for (step, &id) in (0u32..).zip(schedule.order()) {
            let bytes = self.extra(id);
            if bytes > 0 {
                let owner = layout::outlet(id, 0);
                hold(Block { owner, bytes: extra(bytes), is_input: false }, step, last - step);
            }
        }
        curve(&held, &lives, usize::try_from(steps).map_err(|_| Overflow)?)
    }
}

/// What PyTorch's cross-entropy keeps beside the network: the logarithms of the probabilities, a 64-bit label for each
/// row, and the f32 sum of the labels' weights. `None` where the network does not give one matrix of class scores.
pub fn cross_entropy_bytes(graph: &Graph) -> Option<u64> {
    let &[output] = graph.outputs.as_slice() else { return None };
    let scores = graph.tensor(output);
    let &[rows, _] = scores.shape.axes() else { return None };
    sum([scores.bytes().get(), product(&[rows, 8]).ok()?, 4]).ok()
}
