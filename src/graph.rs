//! The network as a directed acyclic graph of typed ops.
//!
//! A [`Graph`] is built node by node in a topological order, and every node's outputs are typed when it is added: a
//! graph that exists is a graph whose shapes fit. petgraph lists neighbours last-added first, so the order of a node's
//! inputs is kept in the node.

mod stages;
mod stored;

use std::sync::Arc;

pub(crate) use self::stored::weight_dtype;
pub use self::stored::{Given, StoredTensor};

use indexmap::IndexSet;
use petgraph::graph::{DiGraph, NodeIndex};
use smallvec::SmallVec;

use crate::diagnostic::Code;
use crate::ops::{Io, Mismatch, Op, Operator, Outputs};
use crate::source::Span;
use crate::tensor::{TensorShape, TensorType};
use crate::units::Overflow;

/// A node of a [`Graph`]: its place in the topological order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

impl NodeId {
    /// The index into per-node results.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    fn petgraph(self) -> NodeIndex {
        NodeIndex::new(self.index())
    }
}

/// One output of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Outlet {
    /// The node.
    pub node: NodeId,
    /// Which of its outputs.
    pub port: u32,
}

/// Where a node comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The layer's text.
    pub span: Option<Span>,
    /// The index of the format's own layer, where one layer becomes several nodes (darknet).
    pub section: Option<u32>,
    /// The index of the ONNX node in the file's graph; of the calling node for one in a function or a subgraph.
    pub onnx_index: Option<u32>,
    /// That node's name, or its first output's where it has none.
    pub onnx_name: Option<Arc<str>>,
}

/// How PyTorch code called an op. Programs that hook modules, or patch functions, count by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CalledAs {
    /// A module of exactly PyTorch's class: `nn.ReLU()(x)`.
    Module,
    /// A module of a class derived from PyTorch's, such as timm's `BatchNormAct2d`: missed where exact classes
    /// are looked up.
    Subclass,
    /// A function: `F.relu(x)`, `torch.add(a, b)`; also the methods `Tensor.add`, `mul` and `matmul`.
    Function,
    /// A Python operator, an in-place method or another method of the tensor: `a + b`, `a @ b`, `x.softmax(-1)`.
    Operator,
}

impl CalledAs {
    /// Every way.
    pub const ALL: &[Self] = &[Self::Module, Self::Subclass, Self::Function, Self::Operator];

    /// Its name in architecture files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::Subclass => "subclass",
            Self::Function => "function",
            Self::Operator => "operator",
        }
    }

    /// The way of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|way| way.name() == name)
    }
}

/// A stage: a label of the file, or one that was found. Stages nest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StageId(pub u32);

/// A block instance: a named group of layers that the file repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockId(pub u32);

/// A named group of layers, one use of it.
#[derive(Clone, Debug)]
pub struct Block {
    /// Its full name.
    pub name: Arc<str>,
    /// The block instance around it.
    pub parent: Option<BlockId>,
}

/// One op with its place in the network.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its full name, unique in the graph.
    pub name: Arc<str>,
    /// What it does. Equal layers share it: a network has few different ones.
    pub op: Arc<Op>,
    /// What it reads, in order.
    pub inputs: SmallVec<[Outlet; 2]>,
    /// The types of what it makes.
    pub outputs: Outputs,
    /// Where it comes from.
    pub origin: Origin,
    /// Its stage, the innermost one.
    pub stage: Option<StageId>,
    /// Its block instance, the innermost one.
    pub block: Option<BlockId>,
    /// The earlier node whose weights it uses instead of its own.
    pub shares: Option<NodeId>,
    /// How PyTorch calls it, where that is known.
    pub called_as: Option<CalledAs>,
    /// What the file says of it beyond its op.
    pub given: Option<Box<Given>>,
}

impl Node {
    /// Whether it is an input of the network: its values come with each image.
    pub fn is_input(&self) -> bool {
        matches!(*self.op, Op::Input(_))
    }
}

/// What [`Graph::add`] needs to make a [`Node`].
#[derive(Clone, Debug)]
pub struct NewNode {
    /// See [`Node::name`].
    pub name: Arc<str>,
    /// See [`Node::op`].
    pub op: Arc<Op>,
    /// See [`Node::inputs`]; every outlet must exist.
    pub inputs: SmallVec<[Outlet; 2]>,
    /// See [`Node::origin`].
    pub origin: Origin,
    /// See [`Node::stage`].
    pub stage: Option<StageId>,
    /// See [`Node::block`].
    pub block: Option<BlockId>,
    /// See [`Node::shares`].
    pub shares: Option<NodeId>,
    /// See [`Node::called_as`].
    pub called_as: Option<CalledAs>,
}

/// A typed network. Nodes are numbered in a topological order that follows the order of declaration.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The network's name.
    pub name: String,
    /// What it is, in a line.
    pub description: Option<String>,
    /// The number of images in a batch: the first axis of the inputs.
    pub batch: u64,
    /// What the network gives.
    pub outputs: Vec<Outlet>,
    network: DiGraph<Node, ()>,
    inputs: Vec<NodeId>,
    stages: IndexSet<String>,
    blocks: Vec<Block>,
}

impl Graph {
    /// An empty network.
    pub fn new(name: impl Into<String>, batch: u64) -> Self {
        Self { name: name.into(), batch, ..Self::default() }
    }

    /// Makes room for so many nodes and edges.
    pub fn reserve(&mut self, nodes: usize, edges: usize) {
        self.network.reserve_nodes(nodes);
        self.network.reserve_edges(edges);
    }

    /// Adds a node behind all it reads and types its outputs.
    ///
    /// # Errors
    /// A [`Mismatch`] where the op does not take these inputs; the graph is then unchanged.
    ///
    /// # Panics
    /// If an input does not exist.
    pub fn add(&mut self, new: NewNode) -> Result<NodeId, Box<Mismatch>> {
        let outputs = self.infer(&new)?;
        let NewNode { name, op, inputs, origin, stage, block, shares, called_as } = new;
        // Of a chain all share with the one that stores.
        let shares = shares.map(|other| self.node(other).shares.unwrap_or(other));
        let sources: SmallVec<[NodeId; 4]> = inputs.iter().map(|outlet| outlet.node).collect();
        let is_input = op.name() == "input";
        let index = self.network.add_node(Node {
            name,
            op,
            inputs,
            outputs,
            origin,
            stage,
            block,
            shares,
            called_as,
            given: None,
        });
        let id =
            NodeId(u32::try_from(index.index()).expect("fewer than 2^32 nodes: readers stop at two million"));
        for source in sources {
            self.network.add_edge(source.petgraph(), index, ());
        }
        if is_input {
            self.inputs.push(id);
        }
        Ok(id)
    }

    /// The types of a new node's outputs, every count checked.
    fn infer(&self, new: &NewNode) -> Result<Outputs, Box<Mismatch>> {
        let types: SmallVec<[&TensorType; 4]> =
            new.inputs.iter().map(|&outlet| self.tensor(outlet)).collect();
        let arity = new.op.arity();
        if !arity.contains(&types.len()) {
            let expected = match (*arity.start(), *arity.end()) {
                (low, high) if low == high => format!("{low}"),
                (low, usize::MAX) => format!("at least {low}"),
                (low, high) => format!("{low} to {high}"),
            };
            let plural = if expected == "1" || expected == "at least 1" { "" } else { "s" };
            return Err(Mismatch::new(
                Code::WrongCount,
                format!("`{}` takes {expected} input{plural}, but is given {}", new.op.name(), types.len()),
            ));
        }
        let large = |what: String| {
            let mismatch = Mismatch::new(Code::Overflow, what);
            let shapes = types.iter().take(4).enumerate();
            shapes.fold(mismatch, |mismatch, (index, input)| {
                mismatch.input(index, format!("this is {}", input.shape))
            })
        };
        let outputs = new.op.infer(&types).map_err(|mismatch| {
            let is_plain = mismatch.message == Overflow.to_string();
            if is_plain {
                large(match types.is_empty() {
                    true => "it has more elements than 64 bits count".into(),
                    false => "its weights or its output have more elements than 64 bits count".into(),
                })
            } else {
                mismatch
            }
        })?;
        for output in &outputs {
            if output.shape.rank() > TensorShape::MAX_RANK {
                return Err(Mismatch::new(
                    Code::TooLarge,
                    format!(
                        "the output has {} axes, more than the {} a tensor may have",
                        output.shape.rank(),
                        TensorShape::MAX_RANK
                    ),
                ));
            }
            output.check().map_err(|Overflow| {
                large(format!(
                    "the bits of the output, {} {}, do not fit in 64 bits",
                    output.shape, output.dtype
                ))
            })?;
            if output.shape.axes().contains(&0) {
                return Err(Mismatch::new(
                    Code::VanishingSize,
                    format!("the output {} has no elements", output.shape),
                ));
            }
        }
        // A count that overflows is found where the layer stands, not in a later sum.
        let io = Io { inputs: &types, outputs: &outputs };
        let cost = new.op.cost(io).and_then(|cost| cost.flops());
        cost.map_err(|Overflow| large("the number of its operations does not fit in 64 bits".into()))?;
        new.op.backward(io).map_err(|Overflow| {
            large("the number of its operations in training does not fit in 64 bits".into())
        })?;
        Ok(outputs)
    }

    /// The stage of that full name (`outer/inner`), made if it is new.
    pub fn stage(&mut self, name: &str) -> StageId {
        let index = match self.stages.get_index_of(name) {
            Some(index) => index,
            None => self.stages.insert_full(name.to_owned()).0,
        };
        StageId(u32::try_from(index).expect("fewer stages than nodes"))
    }

    /// A new block instance of that name within another.
    pub fn block(&mut self, name: Arc<str>, parent: Option<BlockId>) -> BlockId {
        self.blocks.push(Block { name, parent });
        BlockId(u32::try_from(self.blocks.len() - 1).expect("fewer blocks than nodes"))
    }

    /// Takes the last node back, which nothing reads.
    pub(crate) fn pop(&mut self) -> Option<Node> {
        let last = self.len().checked_sub(1)?;
        self.network.remove_node(NodeIndex::new(last))
    }

    /// Takes block instances back that no node is in.
    pub(crate) fn truncate_blocks(&mut self, blocks: usize) {
        self.blocks.truncate(blocks);
    }

    /// All stages' names in the order of their first use.
    pub fn stages(&self) -> &IndexSet<String> {
        &self.stages
    }

    /// All block instances, outer ones before inner ones.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The network's inputs in order.
    pub fn inputs(&self) -> &[NodeId] {
        &self.inputs
    }

    /// How many nodes there are, inputs and constants among them.
    pub fn len(&self) -> usize {
        self.network.node_count()
    }

    /// Whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many edges there are: one for each input of each node.
    pub fn edges(&self) -> usize {
        self.network.edge_count()
    }

    /// The graph as petgraph sees it: its algorithms run on this.
    pub fn network(&self) -> &DiGraph<Node, ()> {
        &self.network
    }

    /// One node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.network[id.petgraph()]
    }

    /// The nodes that read a node, one for each edge, in no particular order.
    pub fn readers(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        self.network.neighbors_directed(id.petgraph(), petgraph::Direction::Outgoing).map(|index| {
            #[expect(clippy::cast_possible_truncation, reason = "petgraph's own indices are 32 bits")]
            let id = NodeId(index.index() as u32);
            id
        })
    }

    /// All nodes in topological order.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (NodeId, &Node)> + DoubleEndedIterator {
        self.network.raw_nodes().iter().enumerate().map(|(index, node)| {
            #[expect(clippy::cast_possible_truncation, reason = "petgraph's own indices are 32 bits")]
            let id = NodeId(index as u32);
            (id, &node.weight)
        })
    }

    /// The type of one outlet.
    pub fn tensor(&self, outlet: Outlet) -> &TensorType {
        &self.node(outlet.node).outputs[outlet.port as usize]
    }

    /// The types that a node reads.
    pub fn input_types(&self, node: &Node) -> SmallVec<[&TensorType; 4]> {
        node.inputs.iter().map(|&outlet| self.tensor(outlet)).collect()
    }

    /// Gives a stage another name, unless that is taken.
    fn rename_stage(&mut self, index: usize, name: &str) {
        if !self.stages.contains(name) {
            // Within an index set a name changes by leaving and entering at the end, then trading places.
            self.stages.swap_remove_index(index);
            let (last, _) = self.stages.insert_full(name.to_owned());
            self.stages.swap_indices(index, last);
        }
    }

    /// Sets the stage of nodes that have none.
    pub(crate) fn set_stage(&mut self, id: NodeId, stage: StageId) {
        self.network[id.petgraph()].stage = Some(stage);
    }
}
