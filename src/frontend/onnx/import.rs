//! From what an ONNX file says to our graph: node by node, each handed to the function of its op.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use smallvec::SmallVec;

use super::budget::Budget;
use super::call::{Call, Fault, Stop, Values};
use super::model::{self, Function, Model, Node};
use super::names::Names;
use super::order::Disorder;
use super::parameters::{Parameters, Use};
use super::scope::{Frame, plain_domain};
use super::sources::{Fit, Recorder, Sources};
use super::unknown::Unknowns;
use super::value::{Kind, Value};
use super::{fold, functions, inputs, ops, order};
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::frontend::{LoadOptions, Loaded, MAX_NODES, UnknownOps};
use crate::graph::{Given, Graph, NewNode, NodeId, Origin, Outlet};
use crate::ops::{Constant, Op, Role};
use crate::tensor::TensorType;

/// Nodes that are walked back from a computed weight to the tensors it is made of.
const LONGEST_TRACE: usize = 64;

/// The state of one import.
pub(super) struct Importer<'m> {
    pub(super) graph: Graph,
    pub(super) parameters: Parameters<'m>,
    pub(super) functions: HashMap<(&'m str, &'m str, &'m str), &'m Function>,
    pub(super) unknowns: Unknowns,
    /// Sizes of symbols, from inputs.
    pub(super) symbols: HashMap<&'m str, u64>,
    /// What the exporter knew of values, by name; made where it is first asked for.
    declared: OnceCell<HashMap<&'m str, &'m model::ValueInfo>>,
    pub(super) budget: Budget,
    /// The nodes of each list that are needed, by where it lies: bodies are taken many times.
    orders: HashMap<*const Node, Rc<[usize]>>,
    names: Names,
    /// By node, the bytes of the file's nodes that it stands for.
    bytes: Vec<u64>,
    /// Bytes of nodes that left no node behind.
    pending: u64,
    /// Values that got a constant of their own, in that order.
    materialized: Vec<Value>,
    /// The node that the node being taken added last.
    latest: Option<NodeId>,
    /// The index of the node of the file's graph that is being taken.
    index: u32,
    /// Warnings about single nodes.
    pub(super) remarks: Vec<Diagnostic>,
    /// Where values lie, if that is asked.
    pub(super) recorder: Option<Recorder>,
    model: &'m Model,
    path: &'m str,
}

/// A state to return to.
pub(super) struct Mark {
    nodes: usize,
    blocks: usize,
    names: usize,
    uses: usize,
    materialized: usize,
    pending: u64,
    unknowns: usize,
    remarks: usize,
    recorded: [usize; 2],
}

/// Builds the graph of a model. Without one the sink says why.
pub(crate) fn import(
    model: &Model,
    path: &str,
    name: &str,
    options: &LoadOptions,
    sink: &mut Sink,
) -> Option<Loaded> {
    match build(model, path, name, options, sink) {
        Ok((graph, sources)) => (!sink.has_errors()).then(|| Loaded {
            graph,
            sources,
            format: "onnx",
            parameters: Vec::new(),
            facts: Vec::new(),
        }),
        Err(diagnostic) => {
            sink.push(*diagnostic);
            None
        }
    }
}

fn build<'m>(
    model: &'m Model,
    path: &'m str,
    name: &str,
    options: &LoadOptions,
    sink: &mut Sink,
) -> Result<(Graph, Option<Box<Sources>>), Box<Diagnostic>> {
    if let Some((name, _)) = options.set.first() {
        let message = format!("there is no parameter `{name}`: an ONNX file has none");
        return Err(Box::new(Diagnostic::error(Code::UnknownParameter, message).in_file(path, None, "")));
    }
    let mut importer = Importer {
        graph: Graph::new(name, 1),
        parameters: Parameters::default(),
        functions: (model.functions.iter())
            .map(|function| {
                ((plain_domain(&function.domain), &*function.name, &*function.overload), function)
            })
            .collect(),
        unknowns: Unknowns::default(),
        symbols: HashMap::new(),
        declared: OnceCell::new(),
        budget: Budget::new(model),
        orders: HashMap::new(),
        names: Names::default(),
        bytes: Vec::new(),
        pending: 0,
        materialized: Vec::new(),
        latest: None,
        index: 0,
        remarks: Vec::new(),
        recorder: options.values.then(Recorder::default),
        model,
        path,
    };
    importer.graph.reserve(model.graph.nodes.len(), 2 * model.graph.nodes.len());
    let frame = Frame {
        values: RefCell::default(),
        around: None,
        attributes: HashMap::new(),
        opsets: &model.opsets,
        prefix: String::new(),
        depth: 0,
        absent: RefCell::default(),
    };
    importer.initializers(&frame, &model.graph);
    inputs::add(&mut importer, &frame, &model.graph, options).map_err(|diagnostic| {
        Box::new(if diagnostic.place.is_none() { diagnostic.in_file(path, None, "") } else { *diagnostic })
    })?;
    let outputs = order::output_names(&model.graph);
    importer.run(&frame, &model.graph.nodes, &outputs)?;
    for output in &outputs {
        let Some(value) = frame.find(output) else {
            let message = format!("nothing makes the output `{output}`");
            let error = Diagnostic::error(Code::UnknownReference, message);
            return Err(Box::new(error.in_file(path, None, "the graph")));
        };
        if value.tensor().is_some_and(|tensor| !tensor.shape.axes().contains(&0)) {
            let outlet = importer.outlet(&frame, &value).map_err(|stop| importer.failure(None, stop))?;
            importer.graph.outputs.push(outlet);
        }
    }
    for diagnostic in importer.remarks.drain(..) {
        sink.push(diagnostic);
    }
    let deny = options.unknown == UnknownOps::Deny;
    importer.unknowns.report(deny, path).into_iter().for_each(|diagnostic| sink.push(diagnostic));
    let recorded = (importer.recorder.take())
        .map(|recorder| recorder.finish(&importer.graph, &importer.parameters, model, &frame));
    let (sources, refusals) = recorded.unzip();
    Ok((importer.finish(refusals.unwrap_or_default()), sources.map(Box::new)))
}

impl<'m> Importer<'m> {
    /// Takes up a graph's stored tensors.
    pub(super) fn initializers(&mut self, frame: &Frame<'_, 'm>, graph: &'m model::Graph) {
        for tensor in &graph.initializers {
            let value = self.stored(tensor, false);
            frame.set(&tensor.name, value);
        }
    }

    /// A tensor of the file.
    pub(super) fn stored(&mut self, tensor: &'m model::Tensor, is_constant: bool) -> Value {
        match self.parameters.add(tensor, is_constant) {
            Some(stored) => Value::new(Kind::Stored(stored)),
            None => Value::without_size("the stored tensor has a shape or an element type that is not known"),
        }
    }

    /// Takes the nodes that the outputs need.
    pub(super) fn run(
        &mut self,
        frame: &Frame<'_, 'm>,
        nodes: &'m [Node],
        outputs: &[&str],
    ) -> Result<(), Box<Diagnostic>> {
        let order = match self.orders.get(&nodes.as_ptr()) {
            Some(order) => order.clone(),
            None => {
                let order =
                    order::needed(nodes, outputs).map_err(|disorder| self.disorder(nodes, &disorder))?;
                let order: Rc<[usize]> = order.into();
                if frame.depth > 0 && !nodes.is_empty() {
                    self.orders.insert(nodes.as_ptr(), order.clone());
                }
                order
            }
        };
        for &index in &*order {
            if frame.depth == 0 {
                self.index = u32::try_from(index).unwrap_or(u32::MAX);
            }
            let node = &nodes[index];
            self.budget.node(node).map_err(|stop| self.failure(Some(node), stop))?;
            self.node(frame, node)?;
        }
        Ok(())
    }

    fn disorder(&self, nodes: &[Node], disorder: &Disorder) -> Box<Diagnostic> {
        Box::new(match disorder {
            Disorder::Circle(circle) => {
                let names: Vec<&str> = circle.iter().take(6).map(|&index| label(&nodes[index])).collect();
                let message = format!("nodes depend on each other in a circle: {}", names.join(", "));
                Diagnostic::error(Code::Cycle, message).in_file(self.path, None, "the graph")
            }
            Disorder::Twice(index, name) => {
                let place = format!("node {index} `{}` ({})", label(&nodes[*index]), nodes[*index].op_type);
                let message = format!("the name `{name}` stands for two values");
                Diagnostic::error(Code::DuplicateName, message).in_file(self.path, None, place)
            }
        })
    }

    fn node(&mut self, frame: &Frame<'_, 'm>, node: &'m Node) -> Result<(), Box<Diagnostic>> {
        let mut inputs: SmallVec<[Option<Value>; 4]> = SmallVec::with_capacity(node.inputs.len());
        for name in &node.inputs {
            let value = if name.is_empty() { None } else { frame.find(name) };
            if value.is_none() && !name.is_empty() && !frame.is_left_out(name) {
                let stop = Stop::fault(Code::UnknownReference, format!("nothing makes its input `{name}`"));
                return Err(self.failure(Some(node), stop));
            }
            inputs.push(value);
        }
        let read: u64 = inputs.iter().flatten().map(Value::onnxsim_bytes).fold(0, u64::saturating_add);
        self.latest = None;
        let outputs = self.outputs(frame, node, inputs)?;
        let mut written = 0u64;
        for (index, name) in node.outputs.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            let missing = || Value::without_size("the output is not followed");
            let value = outputs.get(index).cloned().unwrap_or_else(missing);
            written = written.saturating_add(value.onnxsim_bytes());
            if frame.values.borrow_mut().insert(name, value).is_some() {
                let stop =
                    Stop::fault(Code::DuplicateName, format!("the name `{name}` stands for two values"));
                return Err(self.failure(Some(node), stop));
            }
        }
        let is_call = self.function(node).is_some();
        self.pending = self.pending.saturating_add(if is_call { 0 } else { read.saturating_add(written) });
        if let Some(latest) = self.latest {
            self.bytes.resize(self.graph.len(), 0);
            let bytes = &mut self.bytes[latest.index()];
            *bytes = bytes.saturating_add(std::mem::take(&mut self.pending));
        }
        Ok(())
    }

    /// The function that a node calls by its name.
    fn function(&self, node: &Node) -> Option<&'m Function> {
        if self.functions.is_empty() {
            return None;
        }
        self.functions.get(&(plain_domain(&node.domain), &*node.op_type, &*node.overload)).copied()
    }

    /// What the exporter knew of a value.
    fn declared(&self, name: &str) -> Option<TensorType> {
        let graph = &self.model.graph;
        let infos = || graph.values.iter().chain(&graph.outputs).map(|info| (&*info.name, info)).collect();
        inputs::declared(self.declared.get_or_init(infos).get(name)?, &self.symbols)
    }

    /// What a node makes.
    fn outputs(
        &mut self,
        frame: &Frame<'_, 'm>,
        node: &'m Node,
        inputs: SmallVec<[Option<Value>; 4]>,
    ) -> Result<Values, Box<Diagnostic>> {
        let domain = plain_domain(&node.domain);
        let opset = frame.opset(domain);
        let handler = ops::find(domain, &node.op_type);
        let function = self.function(node);
        let mut call = Call { importer: self, frame, node, inputs, opset, refusal: None };
        if domain.is_empty()
            && let Some(values) = fold::fold(&mut call)
        {
            return Ok(values);
        }
        if handler.is_none()
            && let Some(function) = function
        {
            return functions::call(&mut call, function);
        }
        let mark = call.importer.mark();
        if handler.is_none() && functions::has_bodies(domain, &node.op_type) {
            let values = functions::control(&mut call)?;
            let refusal = call.refusal.take();
            self.refuse(mark.nodes, refusal);
            return Ok(values);
        }
        let result = match handler {
            Some(handler) => handler(&mut call),
            None => Err(Stop::unknown("the op is not known")),
        };
        match result {
            Ok(values) => {
                let refusal = call.refusal.take();
                self.refuse(mark.nodes, refusal);
                Ok(values)
            }
            Err(Stop::Unknown(reason)) => {
                let Call { inputs, .. } = call;
                self.rewind(&mark);
                self.unknown(frame, node, &inputs, &reason)
            }
            Err(stop) => Err(self.failure(Some(node), stop)),
        }
    }

    /// Notes of the nodes from a number on why they do not compute what the file's node does. What they read stays.
    fn refuse(&mut self, from: usize, reason: Option<Cow<'static, str>>) {
        let (Some(recorder), Some(reason)) = (&mut self.recorder, reason) else { return };
        let new = self.graph.len() - from;
        for (id, _) in self.graph.nodes().rev().take(new).filter(|(_, node)| !node.inputs.is_empty()) {
            recorder.refuse(id, reason.clone().into_owned());
        }
    }

    /// A node whose cost is not known.
    pub(super) fn unknown(
        &mut self,
        frame: &Frame<'_, 'm>,
        node: &'m Node,
        inputs: &[Option<Value>],
        reason: &str,
    ) -> Result<Values, Box<Diagnostic>> {
        let mut values = Values::new();
        let (mut types, mut ports) = (Vec::new(), Vec::new());
        for name in &node.outputs {
            let declared = if frame.depth == 0 { self.declared(name) } else { None };
            ports.push(declared.is_some().then_some(types.len()));
            types.extend(declared);
        }
        let mut read = Vec::new();
        let mut uses = Vec::new();
        for value in inputs.iter().flatten() {
            match value.kind() {
                Kind::Computed(outlet, _) => read.push(*outlet),
                // What an op of its own learns is no bias and no norm, as far as anybody can tell.
                Kind::Stored(stored) => uses.extend(self.parameters.plain_role(stored).map(|role| Use {
                    storage: stored.storage,
                    name: "weight",
                    role,
                })),
                _ => {}
            }
        }
        let full = match plain_domain(&node.domain) {
            "" => node.op_type.clone(),
            domain => format!("{domain}::{}", node.op_type),
        };
        let op = crate::ops::Unknown::new(&full, &types);
        let added = self.add(frame, node, op.into(), &read).map_err(|stop| self.failure(Some(node), stop))?;
        for used in uses {
            self.parameters.note(added, used);
        }
        let words = full.len() + reason.len() + label(node).len();
        self.budget.name(words).map_err(|stop| self.failure(Some(node), stop))?;
        self.unknowns.add(&full, reason, self.index, label(node));
        for port in ports {
            values.push(match port {
                Some(port) => {
                    let outlet = Outlet { node: added, port: u32::try_from(port).unwrap_or(u32::MAX) };
                    Value::computed(outlet, self.graph.tensor(outlet).clone())
                }
                None => Value::without_size(&format!("it comes from `{}` ({full})", label(node))),
            });
        }
        Ok(values)
    }

    /// Adds a node.
    pub(super) fn add(
        &mut self,
        frame: &Frame<'_, 'm>,
        node: &'m Node,
        op: Op,
        inputs: &[Outlet],
    ) -> Result<NodeId, Stop> {
        let label = label(node);
        let path: Cow<'_, str> =
            if frame.prefix.is_empty() { label.into() } else { format!("{}{label}", frame.prefix).into() };
        self.room(path.len(), inputs.len())?;
        let block = self.names.block(&mut self.graph, &path, &mut self.budget)?;
        let name = self.names.unique(&path);
        let onnx_name = if *name == *label { name.clone() } else { label.into() };
        let new = NewNode {
            name,
            op: Arc::new(op),
            inputs: inputs.iter().copied().collect(),
            origin: Origin { onnx_index: Some(self.index), onnx_name: Some(onnx_name), ..Origin::default() },
            stage: None,
            block,
            shares: None,
            called_as: None,
        };
        let id = self.graph.add(new)?;
        self.budget.pieces(self.graph.node(id).outputs.len())?;
        self.latest = Some(id);
        Ok(id)
    }

    /// Makes sure that one more node fits.
    fn room(&mut self, name: usize, inputs: usize) -> Result<(), Stop> {
        if self.graph.len() >= MAX_NODES {
            let message = format!("written out, the network has more than {MAX_NODES} nodes");
            return Err(Stop::fault(Code::TooLarge, message));
        }
        self.budget.name(name)?;
        self.budget.pieces(1 + inputs)
    }

    /// A value as a tensor of our graph.
    pub(super) fn outlet(&mut self, frame: &Frame<'_, 'm>, value: &Value) -> Result<Outlet, Stop> {
        if let Some(outlet) = value.outlet() {
            return Ok(outlet);
        }
        let Some(tensor) = value.tensor() else { return Err(Stop::unknown("an input has no known size")) };
        let (name, uses) = match value.kind() {
            Kind::Stored(stored) => {
                let role = self.parameters.plain_role(stored);
                let used = role.map(|role| Use { storage: stored.storage, name: "value", role });
                let with =
                    stored.with.iter().map(|&storage| Use { storage, name: "scale", role: Role::Buffer });
                (self.parameters.name(stored.storage), used.into_iter().chain(with).collect())
            }
            _ => ("constant", Vec::new()),
        };
        let trainable = tensor.dtype.is_float() && uses.iter().any(|used| used.role != Role::Buffer);
        let op = Constant { shape: tensor.shape, dtype: tensor.dtype, trainable };
        let name = if name.is_empty() { "constant" } else { name };
        self.room(frame.prefix.len() + name.len(), uses.len())?;
        let new = NewNode {
            name: self.names.unique(&format!("{}{name}", frame.prefix)),
            op: Arc::new(op.into()),
            inputs: SmallVec::new(),
            origin: Origin {
                onnx_index: Some(self.index),
                onnx_name: Some(name.into()),
                ..Origin::default()
            },
            stage: None,
            block: None,
            shares: None,
            called_as: None,
        };
        let node = self.graph.add(new)?;
        for used in uses {
            self.parameters.note(node, used);
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.give(node, "value", value, Fit::SAME);
        }
        let outlet = Outlet { node, port: 0 };
        value.set_outlet(outlet);
        self.materialized.push(value.clone());
        Ok(outlet)
    }

    /// Says what a tensor is for that is computed from stored ones alone: they are found through the nodes between.
    pub(super) fn trace(&mut self, outlet: Outlet, name: &'static str, role: Role) {
        let elements = self.graph.tensor(outlet).elements().get();
        let mut open = vec![outlet.node];
        for _ in 0..LONGEST_TRACE {
            let Some(id) = open.pop() else { return };
            let node = self.graph.node(id);
            if node.inputs.is_empty() {
                if self.parameters.turn(id, elements, name, role) {
                    return;
                }
            } else {
                // The first input last: weights stand first.
                open.extend(node.inputs.iter().take(LONGEST_TRACE).rev().map(|input| input.node));
            }
        }
    }

    /// Keeps a name from being given again.
    pub(super) fn take_name(&mut self, name: &str) {
        self.names.unique(name);
    }

    /// What is wrong with a node, as a diagnostic.
    pub(super) fn failure(&self, node: Option<&Node>, stop: Stop) -> Box<Diagnostic> {
        let Fault { code, message, help } = match stop {
            Stop::Fault(fault) => *fault,
            Stop::Unknown(message) => Fault { code: Code::UnknownOp, message, help: None },
        };
        let diagnostic = Diagnostic::error(code, message).in_file(self.path, None, self.place(node));
        Box::new(match help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        })
    }

    /// Where a node is: `node 17 `/conv1/Conv` (Conv)`.
    pub(super) fn place(&self, node: Option<&Node>) -> String {
        node.map_or("the graph".into(), |node| {
            format!("node {} `{}` ({})", self.index, label(node), node.op_type)
        })
    }

    /// A warning about a node.
    pub(super) fn remark(&mut self, node: &Node, code: Code, message: String) {
        let place = self.place(Some(node));
        self.remarks.push(Diagnostic::warning(code, message).in_file(self.path, None, place));
    }

    /// The state to return to.
    pub(super) fn mark(&self) -> Mark {
        Mark {
            nodes: self.graph.len(),
            blocks: self.graph.blocks().len(),
            names: self.names.paths(),
            uses: self.parameters.uses(),
            materialized: self.materialized.len(),
            pending: self.pending,
            unknowns: self.unknowns.len(),
            remarks: self.remarks.len(),
            recorded: self.recorder.as_ref().map_or([0; 2], Recorder::len),
        }
    }

    /// Takes back what was added since.
    pub(super) fn rewind(&mut self, mark: &Mark) {
        for value in self.materialized.drain(mark.materialized..) {
            value.clear_outlet();
        }
        while self.graph.len() > mark.nodes {
            if let Some(node) = self.graph.pop() {
                self.names.release(&node.name);
            }
        }
        self.names.forget_paths(mark.names);
        self.graph.truncate_blocks(mark.blocks);
        self.parameters.forget(mark.uses);
        self.bytes.truncate(mark.nodes);
        self.pending = mark.pending;
        self.latest = None;
        self.unknowns.truncate(mark.unknowns);
        self.remarks.truncate(mark.remarks);
        if let Some(recorder) = &mut self.recorder {
            recorder.truncate(mark.recorded);
        }
    }

    /// The graph, with what each node stores, and why it does not run.
    fn finish(mut self, refusals: Vec<Option<Box<str>>>) -> Graph {
        self.bytes.resize(self.graph.len(), 0);
        let ids: Vec<NodeId> = self.graph.nodes().map(|(id, _)| id).collect();
        let stored = self.parameters.finish(&self.graph);
        let mut refusals = refusals.into_iter();
        for ((id, stored), bytes) in ids.into_iter().zip(stored).zip(self.bytes) {
            let unrunnable = refusals.next().flatten();
            self.graph.give(id, Given { stored: Some(stored), bytes: Some(bytes), unrunnable });
        }
        self.graph
    }
}

/// A node's name, or its first output's where it has none.
pub(super) fn label(node: &Node) -> &str {
    match node.name.as_str() {
        "" => node.outputs.iter().find(|name| !name.is_empty()).map_or("node", String::as_str),
        name => name,
    }
}
