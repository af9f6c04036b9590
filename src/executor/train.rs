//! One step of training: forward, then backward in reverse, each node by its op's own rule.
//!
//! What backward needs of the forward pass is what [`crate::ops::Backward::minimal`] says, and nothing else stays in
//! memory. A tensor's gradient lives from the backward pass of its last reader to that of its writer; parts of a tensor
//! have parts of its gradient.

use candle_core::Tensor;
use smallvec::SmallVec;

use super::accumulate::{add_to, share_memory};
use super::run::{Live, Network, Observer, RunFault, Step};
use crate::analysis::memory::Layout;
use crate::analysis::memory::views::{Reshapes, Strides};
use crate::analysis::schedule::Schedule;
use crate::graph::{Graph, Node, NodeId, Outlet};
use crate::ops::execute::{BackwardCall, Call, Execute, Fault, Mode, Pass, dims, dtype};
use crate::ops::{Io, KeptInputs, Operator};
use crate::units::{Overflow, sum};

/// The gradients of a node's learned tensors, by name.
pub type Learned = SmallVec<[(&'static str, Tensor); 2]>;

/// Gives the gradients of the network's outputs, in memory of their own.
pub type Loss<'a> = dyn FnMut(&[Tensor]) -> Result<Vec<Tensor>, Fault> + 'a;

/// What a node keeps from forward to backward.
#[derive(Clone, Default)]
pub(super) struct Memory {
    /// By place; those that the op's backward pass reads.
    pub(super) inputs: Vec<Option<Tensor>>,
    outputs: Vec<Tensor>,
    extra: SmallVec<[Tensor; 2]>,
}

fn bytes(of: &Tensor) -> u64 {
    (of.elem_count() * of.dtype().size_in_bytes()) as u64
}

/// Which tensors share memory while training: what is a part of another is a view of it.
pub(super) struct Views {
    pub(super) layout: Layout,
    /// By node.
    pub(super) views: Vec<bool>,
    strides: Strides,
}

impl Views {
    pub(super) fn new(graph: &Graph, learns: &[bool]) -> Result<Self, Fault> {
        let mut strides = Strides::new(Reshapes::Contiguous);
        let of = |(id, node): (NodeId, &Node)| {
            let io = Io { inputs: &graph.input_types(node), outputs: &node.outputs };
            Ok::<_, Fault>(strides.is_view(graph, id, node, &node.op.backward(io)?.view))
        };
        let views = graph.nodes().map(of).collect::<Result<Vec<_>, _>>()?;
        let mut next = views.iter();
        let shares = |_: &Node| next.next().copied().unwrap_or(false);
        let layout = Layout::training(graph, |id| learns[id.index()], shares)?;
        Ok(Self { layout, views, strides })
    }

    /// The bytes of a node's inputs that have gaps: an op may copy them before it reads them.
    pub(super) fn with_gaps(&self, graph: &Graph, node: &Node) -> Result<u64, Overflow> {
        let gaps = node.inputs.iter().filter(|&&input| self.strides.has_gaps(input));
        sum(gaps.map(|&input| graph.tensor(input).bytes().get()))
    }
}

/// The gradients of tensors, one buffer for all tensors that share memory.
struct Flowing<'n, 'g> {
    network: &'n Network<'g>,
    layout: &'n Layout,
    /// By block.
    buffers: Vec<Option<Tensor>>,
    /// Of tensors that depend on no network input, by tensor: they have no block.
    loose: Vec<Option<Tensor>>,
}

impl Flowing<'_, '_> {
    /// The part of a buffer that is a tensor's gradient.
    fn part(&self, outlet: Outlet, buffer: &Tensor, owner: Outlet) -> Result<Tensor, Fault> {
        if outlet == owner {
            return Ok(buffer.clone());
        }
        // The gradient is cut as the tensor itself was.
        let graph = self.network.graph;
        let node = graph.node(outlet.node);
        let of_input = self.part(node.inputs[0], buffer, owner)?;
        let types = graph.input_types(node);
        let io = Io { inputs: &types, outputs: &node.outputs };
        let inputs = [of_input];
        let call = Call { io, inputs: &inputs, stored: self.network.stored(outlet.node), mode: Mode::Train };
        let mut made = node.op.forward(&call)?;
        Ok(made.outputs.swap_remove(outlet.port as usize))
    }

    /// The gradient of a tensor; `None` where nothing has added to it.
    fn of(&self, outlet: Outlet) -> Result<Option<Tensor>, Fault> {
        match self.layout.block(outlet) {
            None => Ok(self.loose[self.network.tensor(outlet)].clone()),
            Some(block) => match &self.buffers[block] {
                None => Ok(None),
                Some(buffer) => self.part(outlet, buffer, self.layout.blocks[block].owner).map(Some),
            },
        }
    }

    /// A part's gradient as one of the tensor that it is a part of, by the ops' own rules, and the bytes that this takes
    /// at most.
    fn whole(&self, part: Outlet, gradient: Tensor, owner: Outlet) -> Result<(Tensor, u64), Fault> {
        let graph = self.network.graph;
        let (mut at, mut gradient, mut taken) = (part, gradient, 0);
        while at != owner {
            let node = graph.node(at.node);
            let types = graph.input_types(node);
            let io = Io { inputs: &types, outputs: &node.outputs };
            let mut gradients = vec![None; node.outputs.len()];
            gradients[at.port as usize] = Some(gradient);
            let wanted: Vec<bool> = (0..node.inputs.len()).map(|input| input == 0).collect();
            let call = BackwardCall {
                io,
                inputs: &[],
                outputs: &[],
                kept: &[],
                stored: self.network.stored(at.node),
                gradients: &gradients,
                wanted: &wanted,
                mode: Mode::Train,
            };
            let of_input = node.op.gradients(&call)?.inputs.into_iter().next().flatten();
            gradient = of_input.ok_or(Fault::Internal("a view without a gradient"))?;
            taken = sum([taken, bytes(&gradient), node.op.workspace(io, Pass::Backward)?])?;
            at = *node.inputs.first().ok_or(Fault::Internal("a view of nothing"))?;
        }
        Ok((gradient, taken))
    }

    /// Adds to a tensor's gradient; gives the bytes that were in memory only until they were added. `read` are tensors
    /// whose memory it may not take.
    fn add(&mut self, outlet: Outlet, gradient: Tensor, read: &[Option<Tensor>]) -> Result<u64, Fault> {
        let is_shared = read.iter().flatten().any(|other| share_memory(other, &gradient));
        // A copy of what has gaps, and the gradient itself unless it is another's.
        let copy = if gradient.is_contiguous() { 0 } else { bytes(&gradient) };
        let own = if is_shared { 0 } else { bytes(&gradient) };
        let (there, owner) = match self.layout.block(outlet) {
            None => (&mut self.loose[self.network.tensor(outlet)], outlet),
            Some(block) => (&mut self.buffers[block], self.layout.blocks[block].owner),
        };
        if outlet == owner {
            if let Some(sum) = there {
                add_to(sum, &gradient)?;
                return Ok(own + copy);
            }
            *there = Some(if is_shared { gradient.force_contiguous()? } else { gradient.contiguous()? });
            return Ok(if is_shared { 0 } else { copy });
        }
        let mut buffer = match there.take() {
            Some(buffer) => buffer,
            None => {
                let whole = self.network.graph.tensor(owner);
                let dtype = dtype(whole.dtype).ok_or(Fault::Internal("a gradient without element type"))?;
                Tensor::zeros(dims(whole), dtype, &self.network.device)?
            }
        };
        let mut part = self.part(outlet, &buffer, owner)?;
        let repeats = part.dims().iter().zip(part.stride()).any(|(&size, &stride)| size > 1 && stride == 0);
        let taken = if buffer.device().is_cpu() && share_memory(&part, &buffer) && !repeats {
            add_to(&mut part, &gradient)?;
            copy
        } else {
            // Sums are not made in place on a device, nor where an element is repeated.
            drop(part);
            let (whole, taken) = self.whole(outlet, gradient, owner)?;
            add_to(&mut buffer, &whole)?;
            taken
        };
        if let Some(block) = self.layout.block(outlet) {
            self.buffers[block] = Some(buffer);
        }
        Ok(own + taken)
    }

    /// Drops the gradients of tensors that a node writes.
    fn drop_of(&mut self, id: NodeId, node: &Node) {
        for port in 0..node.outputs.len() {
            let outlet = Outlet { node: id, port: u32::try_from(port).unwrap_or(u32::MAX) };
            match self.layout.block(outlet) {
                None => {
                    let at = self.network.tensor(outlet);
                    self.loose[at] = None;
                }
                Some(block) if self.layout.blocks[block].owner == outlet => self.buffers[block] = None,
                Some(_) => {}
            }
        }
    }
}

impl Network<'_> {
    /// One step: forward in training mode, the gradients of the outputs from `loss`, backward.
    ///
    /// Gives the gradients of all learned tensors, those of shared ones at the node that stores them.
    ///
    /// # Errors
    /// Where an op does not run or the device fails.
    pub fn train(
        &self,
        schedule: &Schedule,
        inputs: Vec<Tensor>,
        loss: &mut Loss<'_>,
        observer: &mut impl Observer,
    ) -> Result<Vec<Learned>, RunFault> {
        let (kept, live) = self.remember(schedule, inputs, observer)?;
        let outputs = live.results()?;
        let gradients = loss(&outputs)?;
        self.recall(schedule, kept, gradients, (outputs, live), observer)
    }

    /// The forward half of a step: what every node keeps, and the tensors that are still there.
    pub(super) fn remember(
        &self,
        schedule: &Schedule,
        inputs: Vec<Tensor>,
        observer: &mut impl Observer,
    ) -> Result<(Vec<Memory>, Live<'_, '_>), RunFault> {
        let mut live = Live::new(self, schedule, inputs, Mode::Train)?;
        let mut kept: Vec<Memory> = vec![Memory::default(); self.graph.len()];
        for (index, &id) in schedule.order().iter().enumerate() {
            let step = Step { index, node: id, pass: Pass::Forward };
            observer.begin(step);
            if self.runs(id, Mode::Train) {
                kept[id.index()] = self.forward(id, &mut live, observer)?;
            }
            observer.ran(step, &live.outputs(id));
            live.drop_dead(index);
        }
        Ok((kept, live))
    }

    /// The backward half: `gradients` are those of the network's outputs, in memory of their own. `held` is
    /// dropped behind the first node.
    pub(super) fn recall<T>(
        &self,
        schedule: &Schedule,
        mut kept: Vec<Memory>,
        gradients: Vec<Tensor>,
        held: T,
        observer: &mut impl Observer,
    ) -> Result<Vec<Learned>, RunFault> {
        let graph = self.graph;
        let layout = &self.training.layout;
        let buffers = vec![None; layout.blocks.len()];
        let mut flowing = Flowing { network: self, layout, buffers, loose: vec![None; self.tensors()] };
        for (&output, gradient) in graph.outputs.iter().zip(gradients) {
            if self.learns(output.node) && graph.tensor(output).dtype.is_float() {
                flowing.add(output, gradient, &[])?;
            }
        }
        let mut held = Some(held);
        let mut learned: Vec<Learned> = vec![Learned::new(); graph.len()];
        for (back, &id) in schedule.order().iter().rev().enumerate() {
            let step = Step { index: schedule.order().len() + back, node: id, pass: Pass::Backward };
            observer.begin(step);
            let memory = std::mem::take(&mut kept[id.index()]);
            let bytes = self.backward(id, &memory, &mut flowing, &mut learned, observer)?;
            observer.learned(bytes);
            observer.ran(step, &[]);
            drop(memory);
            flowing.drop_of(id, graph.node(id));
            held = None;
        }
        drop(held);
        Ok(learned)
    }

    /// Runs a node forward; gives what it keeps.
    fn forward(
        &self,
        id: NodeId,
        live: &mut Live<'_, '_>,
        observer: &mut impl Observer,
    ) -> Result<Memory, RunFault> {
        let graph = self.graph;
        let node = graph.node(id);
        let read = live.read(node)?;
        let mut made = self.call(id, &read, Mode::Train)?;
        observer.made(id, &read, &mut made.outputs)?;
        let mut memory = Memory::default();
        if self.learns(id) {
            let types = graph.input_types(node);
            let facts = node.op.backward(Io { inputs: &types, outputs: &node.outputs })?;
            let inputs = match facts.minimal.inputs {
                KeptInputs::None => 0,
                KeptInputs::First => 1,
                KeptInputs::All => read.len(),
            };
            memory.inputs =
                (read.iter().enumerate()).map(|(at, one)| (at < inputs).then(|| one.clone())).collect();
            memory.outputs = if facts.minimal.outputs { made.outputs.to_vec() } else { Vec::new() };
            memory.extra = made.kept;
        }
        live.put(id, made.outputs);
        Ok(memory)
    }

    /// Whether a node's outputs get gradients of their own: a view's is a part of its input's already.
    pub(super) fn has_gradients(&self, id: NodeId) -> bool {
        let is_view = self.training.views[id.index()]
            && self.training.layout.block(Outlet { node: id, port: 0 }).is_some();
        self.learns(id) && !self.graph.node(id).is_input() && !is_view
    }

    /// Runs a node backward; gives the bytes of new gradients of stored tensors.
    fn backward(
        &self,
        id: NodeId,
        memory: &Memory,
        flowing: &mut Flowing<'_, '_>,
        learned: &mut [Learned],
        observer: &mut impl Observer,
    ) -> Result<u64, RunFault> {
        let graph = self.graph;
        let node = graph.node(id);
        if !self.has_gradients(id) {
            return Ok(0);
        }
        let ports = (0u32..).take(node.outputs.len());
        let gradients: Vec<Option<Tensor>> =
            ports.map(|port| flowing.of(Outlet { node: id, port })).collect::<Result<_, _>>()?;
        if gradients.iter().all(Option::is_none) {
            return Ok(0);
        }
        observer.gradients(id, &gradients)?;
        let types = graph.input_types(node);
        // What is known before the first image is there anyway.
        let known = |input: Outlet| {
            if self.runs(input.node, Mode::Train) { None } else { self.known(input).cloned() }
        };
        let inputs: Vec<Option<Tensor>> = (node.inputs.iter().enumerate())
            .map(|(at, &input)| memory.inputs.get(at).cloned().flatten().or_else(|| known(input)))
            .collect();
        let known_outputs: Vec<Tensor>;
        let outputs = if self.runs(id, Mode::Train) {
            &memory.outputs
        } else {
            let ports = (0u32..).take(node.outputs.len());
            known_outputs = ports.filter_map(|port| self.known(Outlet { node: id, port }).cloned()).collect();
            &known_outputs
        };
        let wanted: Vec<bool> = node.inputs.iter().map(|input| self.learns(input.node)).collect();
        let call = BackwardCall {
            io: Io { inputs: &types, outputs: &node.outputs },
            inputs: &inputs,
            outputs,
            kept: &memory.extra,
            stored: self.stored(id),
            gradients: &gradients,
            wanted: &wanted,
            mode: if self.runs(id, Mode::Train) { Mode::Train } else { Mode::Evaluate },
        };
        let made = node.op.gradients(&call).map_err(RunFault::at(id))?;
        for ((&input, gradient), wanted) in node.inputs.iter().zip(made.inputs).zip(wanted) {
            if let (Some(gradient), true) = (gradient, wanted) {
                if gradient.dims() != dims(graph.tensor(input)) {
                    return Err(RunFault::at(id)(Fault::Internal(
                        "a gradient has another shape than its tensor",
                    )));
                }
                observer.added(flowing.add(input, gradient, &gradients).map_err(RunFault::at(id))?);
            }
        }
        // Shared tensors learn where they are stored.
        let own = &mut learned[node.shares.unwrap_or(id).index()];
        let mut new = 0;
        for (name, gradient) in made.stored {
            let bytes = bytes(&gradient);
            match own.iter_mut().find(|(other, _)| *other == name) {
                Some((_, sum)) => {
                    add_to(sum, &gradient)?;
                    observer.added(bytes);
                }
                None => {
                    new += bytes;
                    own.push((name, gradient));
                }
            }
        }
        Ok(new)
    }
}
