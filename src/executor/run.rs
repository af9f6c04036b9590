//! One pass after the other, node by node.

use candle_core::{Device, Tensor};
use smallvec::SmallVec;

use super::accumulate::share_memory;
use super::train::Views;
use crate::analysis::memory::Layout;
use crate::analysis::memory::training::learning;
use crate::analysis::schedule::Schedule;
use crate::graph::{Graph, Node, NodeId, Outlet, StoredTensor};
use crate::ops::execute::{Call, Execute, Fault, Made, Mode, Pass, Stored, Tensors, dims, dtype};
use crate::ops::{Io, Operator, Storage};
use crate::tensor::TensorType;
use crate::units::Overflow;

/// Why a network cannot be run, and where.
#[derive(Debug)]
pub struct RunFault {
    /// The node; `None` where it is none in particular.
    pub node: Option<NodeId>,
    /// Why.
    pub fault: Fault,
}

impl RunFault {
    pub(super) fn at(node: NodeId) -> impl Fn(Fault) -> Self {
        move |fault| Self { node: Some(node), fault }
    }
}

impl<F: Into<Fault>> From<F> for RunFault {
    fn from(fault: F) -> Self {
        Self { node: None, fault: fault.into() }
    }
}

/// One node in one pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its place: forward steps first, then backward ones.
    pub index: usize,
    /// The node.
    pub node: NodeId,
    /// The pass.
    pub pass: Pass,
}

/// Looks on while a network runs.
pub trait Observer {
    /// A node is about to run.
    fn begin(&mut self, step: Step) {
        let _ = step;
    }

    /// It has run, nothing was dropped yet. Forward `made` are its outputs, backward the gradients of its inputs.
    fn ran(&mut self, step: Step, made: &[Option<&Tensor>]) {
        let _ = (step, made);
    }

    /// While training: what a node read and made, before anything else reads it. It may put something else in its place.
    ///
    /// # Errors
    /// Where the device fails.
    fn made(&mut self, node: NodeId, read: &[Tensor], made: &mut Tensors) -> Result<(), Fault> {
        let _ = (node, read, made);
        Ok(())
    }

    /// The gradients of a node's outputs, complete: all readers have added to them. Views of other tensors are left
    /// out, for theirs are parts of those tensors' gradients.
    ///
    /// # Errors
    /// Where the device fails.
    fn gradients(&mut self, node: NodeId, gradients: &[Option<Tensor>]) -> Result<(), Fault> {
        let _ = (node, gradients);
        Ok(())
    }

    /// So many bytes of gradients of stored tensors came into being.
    fn learned(&mut self, bytes: u64) {
        let _ = bytes;
    }

    /// So many bytes were in memory only until they were added to a gradient that was there.
    fn added(&mut self, bytes: u64) {
        let _ = bytes;
    }
}

/// Nobody.
impl Observer for () {}

/// A network with the values of its stored tensors, on a device.
pub struct Network<'g> {
    /// The network.
    pub graph: &'g Graph,
    /// Where it runs.
    pub device: Device,
    stored: Vec<Stored>,
    /// By node: whether a gradient flows through it.
    learns: Vec<bool>,
    layout: Layout,
    pub(super) training: Views,
    /// By tensor: what depends on no network input, and is known before the first image.
    known: Vec<Option<Tensor>>,
    /// The number of each node's first tensor.
    first: Vec<u32>,
}

/// Values of a stored tensor, if they are as many as it has.
fn sized(values: Tensor, of: &StoredTensor) -> Result<Tensor, Fault> {
    let wanted = dims(&TensorType { shape: of.weight.shape.clone(), dtype: of.dtype });
    match values.dims() == wanted {
        true => Ok(values),
        false => Err(Fault::unrunnable(format!(
            "its `{}` is {}, but is given {:?}",
            of.weight.name,
            of.weight.shape,
            values.dims()
        ))),
    }
}

/// Where the values of a stored tensor come from.
pub type Values<'a> = dyn FnMut(NodeId, &StoredTensor) -> Result<Tensor, Fault> + 'a;

impl<'g> Network<'g> {
    /// Gets the values of all stored tensors and computes what depends on no input.
    ///
    /// # Errors
    /// Where values are missing, an op does not run, or the device fails.
    pub fn new(graph: &'g Graph, device: &Device, values: &mut Values<'_>) -> Result<Self, RunFault> {
        let layout = Layout::new(graph, |node| node.op.storage() == Storage::Alias)?;
        let (mut stored, mut first, mut tensors) = (Vec::new(), Vec::new(), 0u32);
        for (id, node) in graph.nodes() {
            // What the op stores, in its own layout: a file may list more, and in others.
            let listed = graph.stored_by_op(node, &graph.input_types(node));
            if let Some(reason) = node.given.as_ref().and_then(|given| given.unrunnable.as_deref()) {
                return Err(RunFault::at(id)(Fault::unrunnable(reason)));
            }
            let own: Stored = match node.shares {
                Some(other) => Stored::clone(&stored[other.index()]),
                None => {
                    let made = listed.iter().map(|one| Ok((one.weight.name, sized(values(id, one)?, one)?)));
                    made.collect::<Result<_, Fault>>().map_err(RunFault::at(id))?
                }
            };
            stored.push(own);
            first.push(tensors);
            tensors += u32::try_from(node.outputs.len()).map_err(|_| Overflow)?;
        }
        let known = vec![None; tensors as usize];
        let learns = learning(graph);
        let training = Views::new(graph, &learns)?;
        let device = device.clone();
        let mut network = Self { graph, device, stored, learns, layout, training, known, first };
        network.know()?;
        Ok(network)
    }

    /// Computes what depends on no input.
    fn know(&mut self) -> Result<(), RunFault> {
        let graph = self.graph;
        for (id, node) in graph.nodes() {
            if node.is_input() || self.runs(id, Mode::Evaluate) {
                continue;
            }
            let inputs = self.known_inputs(node).map_err(RunFault::at(id))?;
            let made = self.call(id, &inputs, Mode::Evaluate)?;
            for (port, tensor) in made.outputs.into_iter().enumerate() {
                let at = self.tensor(Outlet { node: id, port: u32::try_from(port).map_err(|_| Overflow)? });
                self.known[at] = Some(tensor);
            }
        }
        Ok(())
    }

    fn known_inputs(&self, node: &Node) -> Result<Vec<Tensor>, Fault> {
        let of = |input: &Outlet| self.known[self.tensor(*input)].clone();
        let missing = Fault::Internal("a tensor without inputs reads one that has some");
        node.inputs.iter().map(of).collect::<Option<Vec<_>>>().ok_or(missing)
    }

    /// The number of a tensor.
    pub(super) fn tensor(&self, outlet: Outlet) -> usize {
        (self.first[outlet.node.index()] + outlet.port) as usize
    }

    /// How many tensors there are.
    pub(super) fn tensors(&self) -> usize {
        self.known.len()
    }

    /// A tensor that depends on no network input.
    pub(super) fn known(&self, outlet: Outlet) -> Option<&Tensor> {
        self.known[self.tensor(outlet)].as_ref()
    }

    /// The stored tensors of a node.
    pub fn stored(&self, id: NodeId) -> &Stored {
        &self.stored[id.index()]
    }

    /// Whether a gradient flows through a node.
    pub fn learns(&self, id: NodeId) -> bool {
        self.learns[id.index()]
    }

    /// Other values for a node's stored tensor, and for the layers that share it: after a step of training.
    ///
    /// # Errors
    /// Where what is computed from it alone does not run.
    pub fn store(&mut self, id: NodeId, name: &str, value: &Tensor) -> Result<(), RunFault> {
        let mut is_known = false;
        for (other, node) in self.graph.nodes() {
            if other == id || node.shares == Some(id) {
                self.stored[other.index()].put(name, value);
                is_known |= !self.runs(other, Mode::Evaluate);
            }
        }
        if is_known { self.know() } else { Ok(()) }
    }

    /// Runs one node and holds what it made against its types.
    pub(super) fn call(&self, id: NodeId, inputs: &[Tensor], mode: Mode) -> Result<Made, RunFault> {
        let node = self.graph.node(id);
        let types = self.graph.input_types(node);
        let io = Io { inputs: &types, outputs: &node.outputs };
        let call = Call { io, inputs, stored: self.stored(id), mode };
        let mut made = node.op.forward(&call).map_err(RunFault::at(id))?;
        if made.outputs.len() != node.outputs.len() {
            return Err(RunFault::at(id)(Fault::Internal("an op makes another number of outputs")));
        }
        let is_view = match mode {
            Mode::Evaluate => node.op.storage() == Storage::Alias,
            Mode::Train => self.training.views[id.index()],
        };
        if !is_view {
            // What has nothing to compute, such as a concat of one tensor, still writes to memory of its own.
            for output in &mut made.outputs {
                if inputs.iter().any(|input| share_memory(input, output)) {
                    *output = output.force_contiguous().map_err(Fault::from).map_err(RunFault::at(id))?;
                }
            }
        }
        for (made, wanted) in made.outputs.iter().zip(&node.outputs) {
            if made.dims() != dims(wanted) || Some(made.dtype()) != dtype(wanted.dtype) {
                return Err(RunFault::at(id)(Fault::Shape {
                    predicted: format!("{} of {}", wanted.shape, wanted.dtype),
                    measured: format!("{:?} of {}", made.dims(), made.dtype().as_str()),
                }));
            }
        }
        Ok(made)
    }

    /// A forward pass in evaluation mode; gives the network's outputs. Each tensor is dropped at its last use.
    ///
    /// # Errors
    /// Where an op does not run or the device fails.
    pub fn evaluate(
        &self,
        schedule: &Schedule,
        inputs: Vec<Tensor>,
        observer: &mut impl Observer,
    ) -> Result<Vec<Tensor>, RunFault> {
        let mut live = Live::new(self, schedule, inputs, Mode::Evaluate)?;
        for (index, &id) in schedule.order().iter().enumerate() {
            let node = self.graph.node(id);
            let step = Step { index, node: id, pass: Pass::Forward };
            observer.begin(step);
            if self.runs(id, Mode::Evaluate) {
                let read = live.read(node)?;
                let made = self.call(id, &read, Mode::Evaluate)?;
                drop(read);
                live.put(id, made.outputs);
            }
            observer.ran(step, &live.outputs(id));
            live.drop_dead(index);
        }
        live.results()
    }

    /// Whether a node runs in each pass: neither an input, nor known before. What is computed from learned tensors alone
    /// is known before the first image, but not before a step of training.
    pub fn runs(&self, id: NodeId, mode: Mode) -> bool {
        let node = self.graph.node(id);
        let layout = match mode {
            Mode::Evaluate => &self.layout,
            Mode::Train => &self.training.layout,
        };
        !node.is_input() && layout.outputs(id, node).next().is_some()
    }
}

/// The tensors of a pass.
pub(super) struct Live<'n, 'g> {
    network: &'n Network<'g>,
    tensors: Vec<Option<Tensor>>,
    /// By step: the tensors that are dropped after it.
    dying: Vec<SmallVec<[usize; 2]>>,
}

impl<'n, 'g> Live<'n, 'g> {
    pub(super) fn new(
        network: &'n Network<'g>,
        schedule: &Schedule,
        inputs: Vec<Tensor>,
        mode: Mode,
    ) -> Result<Self, RunFault> {
        let graph = network.graph;
        if inputs.len() != graph.inputs().len() {
            return Err(Fault::Internal("another number of inputs than the network has").into());
        }
        let mut tensors = network.known.clone();
        let mut is_known: Vec<bool> = tensors.iter().map(Option::is_some).collect();
        for (id, node) in graph.nodes().filter(|(id, _)| network.runs(*id, mode)) {
            let first = network.first[id.index()] as usize;
            tensors[first..first + node.outputs.len()].fill(None);
            is_known[first..first + node.outputs.len()].fill(false);
        }
        for (&id, tensor) in graph.inputs().iter().zip(inputs) {
            tensors[network.tensor(Outlet { node: id, port: 0 })] = Some(tensor);
        }
        let mut last: Vec<Option<usize>> = vec![None; tensors.len()];
        for (index, &id) in schedule.order().iter().enumerate() {
            let node = graph.node(id);
            for port in 0..node.outputs.len() {
                let at = network.first[id.index()] as usize + port;
                // A network input that nothing reads is dropped at once.
                last[at] = Some(if node.is_input() { 0 } else { index });
            }
            for &input in &node.inputs {
                last[network.tensor(input)] = Some(index);
            }
        }
        for &output in &graph.outputs {
            last[network.tensor(output)] = None;
        }
        let mut dying = vec![SmallVec::new(); graph.len()];
        for (tensor, step) in last.into_iter().enumerate() {
            if let Some(step) = step
                && !is_known[tensor]
            {
                dying[step].push(tensor);
            }
        }
        Ok(Self { network, tensors, dying })
    }

    pub(super) fn read(&self, node: &Node) -> Result<Vec<Tensor>, RunFault> {
        let of = |input: &Outlet| self.tensors[self.network.tensor(*input)].clone();
        let read = node.inputs.iter().map(of).collect::<Option<Vec<_>>>();
        read.ok_or_else(|| Fault::Internal("a tensor was dropped before its last use").into())
    }

    pub(super) fn put(&mut self, id: NodeId, made: impl IntoIterator<Item = Tensor>) {
        let first = self.network.first[id.index()] as usize;
        for (port, tensor) in made.into_iter().enumerate() {
            self.tensors[first + port] = Some(tensor);
        }
    }

    pub(super) fn outputs(&self, id: NodeId) -> Vec<Option<&Tensor>> {
        let first = self.network.first[id.index()] as usize;
        self.tensors[first..first + self.network.graph.node(id).outputs.len()]
            .iter()
            .map(Option::as_ref)
            .collect()
    }

    pub(super) fn drop_dead(&mut self, step: usize) {
        for &tensor in &self.dying[step] {
            self.tensors[tensor] = None;
        }
    }

    pub(super) fn results(&self) -> Result<Vec<Tensor>, RunFault> {
        let of = |&output: &Outlet| self.tensors[self.network.tensor(output)].clone();
        let results = self.network.graph.outputs.iter().map(of).collect::<Option<Vec<_>>>();
        results.ok_or_else(|| Fault::Internal("a network output was dropped").into())
    }
}
