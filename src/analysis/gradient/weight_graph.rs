//! H, the graph of weight layers: what is left of a network when everything without weights is contracted.
//!
//! Vertices: the graph inputs, the weight layers in the order of the file, the loss. An edge p → i says that weight
//! layer i reads channels that p made; the loss reads the network's outputs. Numbers rise along edges, so a pass over
//! the vertices in order is a topological one.
//!
//! Cost: O(|E| log |E|) over one walk of [`provenance`].

use rustc_hash::FxHashMap;

use super::csr::Rows;
use crate::analysis::provenance::{self, Producers, Refusal, Segment, Segments, Step, Term};
use crate::graph::{Graph, NodeId, Outlet, StageId};

/// A vertex of H.
pub type Vertex = u32;

/// A weight layer reads channels of a producer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Read {
    /// The producer (or, seen from there, the reader).
    pub vertex: Vertex,
    /// The first of the producer's channels.
    pub first: u64,
    /// How many.
    pub channels: u64,
    /// On how many ways without weights; see [`Term::multiplicity`].
    pub multiplicity: u64,
}

/// The same with its place in what is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// What is read.
    pub read: Read,
    /// The first channel of the reader's input where it is.
    pub at: u64,
    /// Over how many of them.
    pub over: u64,
    /// Whether every one of those carries all of it.
    pub whole: bool,
}

/// A value that a weight layer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadValue {
    /// The value's number in provenance.
    pub value: u64,
    /// The index into [`WeightGraph::maps`].
    pub map: u32,
    /// The first of its channels.
    pub at: u64,
    /// How many.
    pub channels: u64,
}

/// An edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// The other end.
    pub vertex: Vertex,
    /// Ways without weights, the most that any channel has.
    pub multiplicity: u64,
}

/// What enters or leaves a stage.
#[derive(Clone, Debug, Default)]
pub struct Border {
    /// The tensors of the stage that nodes outside read, or that are the network's outputs.
    pub leaves: Vec<Segments>,
    /// The stage's last tensor that merges at least two producers.
    pub merged: Option<(NodeId, Segments)>,
}

/// The graph.
#[derive(Clone, Debug)]
pub struct WeightGraph {
    /// Inputs and weight layers; the loss is the vertex after them.
    pub producers: Producers,
    /// Output channels, by vertex; 0 for the loss.
    pub channels: Vec<u64>,
    /// Input channels, by vertex; 0 for inputs.
    pub input_channels: Vec<u64>,
    /// Groups, by vertex.
    pub groups: Vec<u64>,
    /// What each vertex reads, in the order of its input's channels.
    pub reads: Rows<Placed>,
    /// The same by producer: each channel range once, neighbouring ranges joined.
    pub sources: Rows<Read>,
    /// Edges into each vertex, by producer.
    pub before: Rows<Edge>,
    /// Edges out of each vertex, by reader.
    pub after: Rows<Edge>,
    /// What reads each vertex, by reader.
    pub consumers: Rows<Read>,
    /// The values that weight layers read.
    pub values: Vec<ReadValue>,
    /// The sizes of the maps that weight layers read.
    pub maps: Vec<Box<[u64]>>,
    /// By [`StageId`].
    pub borders: Vec<Border>,
    /// The weight layers of each stage, those of inner stages included; by [`StageId`].
    pub stages: Vec<Vec<Vertex>>,
    /// Whether the channel axis was lost somewhere.
    pub approximate: bool,
}

impl WeightGraph {
    /// Contracts a network.
    ///
    /// # Errors
    /// When there is too much to follow.
    pub fn new(graph: &Graph) -> Result<Self, Refusal> {
        let mut builder = Builder::new(graph);
        let found = provenance::walk(graph, |step| builder.step(step))?;
        Ok(builder.finish(found))
    }

    /// The loss.
    pub fn loss(&self) -> Vertex {
        vertex(self.producers.nodes.len())
    }

    /// The graph inputs.
    pub fn inputs(&self) -> std::ops::Range<Vertex> {
        0..vertex(self.producers.inputs)
    }

    /// The weight layers.
    pub fn layers(&self) -> std::ops::Range<Vertex> {
        vertex(self.producers.inputs)..self.loss()
    }

    /// The node of an input or layer; `None` for the loss.
    pub fn node(&self, vertex: Vertex) -> Option<NodeId> {
        self.producers.nodes.get(vertex as usize).copied()
    }

    /// Edges between producers and weight layers; those into the loss are not among them.
    pub fn edges(&self) -> usize {
        self.before.items().len() - self.before.row(self.loss() as usize).len()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "petgraph numbers nodes in 32 bits")]
fn vertex(index: usize) -> Vertex {
    index as Vertex
}

/// What a vertex reads, gathered while walking.
struct Builder<'a> {
    graph: &'a Graph,
    /// By weight layer.
    reads: Rows<Placed>,
    input_channels: Vec<u64>,
    groups: Vec<u64>,
    values: Vec<ReadValue>,
    maps: indexmap::IndexSet<Box<[u64]>, rustc_hash::FxBuildHasher>,
    borders: Vec<Border>,
    around: Vec<Vec<u32>>,
    /// Tensors that are known to leave a stage.
    left: FxHashMap<(u32, Outlet), ()>,
}

impl<'a> Builder<'a> {
    fn new(graph: &'a Graph) -> Self {
        Self {
            graph,
            reads: Rows::default(),
            input_channels: Vec::new(),
            groups: Vec::new(),
            values: Vec::new(),
            maps: indexmap::IndexSet::default(),
            borders: vec![Border::default(); graph.stages().len()],
            around: around(graph),
            left: FxHashMap::default(),
        }
    }

    fn step(&mut self, step: &Step<'_>) {
        self.stages(step);
        if step.producer.is_none() || step.inputs.is_empty() {
            return;
        }
        // A weight layer's data is its first input.
        let input = &step.inputs[0];
        let tensor = self.graph.tensor(step.node.inputs[0]);
        self.reads.push(placed(std::slice::from_ref(input)));
        self.input_channels.push(tensor.channels());
        self.groups.push(step.groups);
        let map = match self.maps.get_index_of(tensor.spatial()) {
            Some(index) => index,
            None => self.maps.insert_full(tensor.spatial().into()).0,
        };
        let map = vertex(map);
        self.values.extend(input.iter().map(|segment| ReadValue {
            value: segment.value,
            map,
            at: segment.at,
            channels: segment.channels,
        }));
    }

    /// Notes what crosses a stage's border.
    fn stages(&mut self, step: &Step<'_>) {
        if let Some(stage) = step.node.stage
            && let Some(merged) = step.outputs.iter().rfind(|output| merges(output))
        {
            for &outer in &self.around[stage.0 as usize] {
                self.borders[outer as usize].merged = Some((step.id, merged.clone()));
            }
        }
        for (&outlet, input) in step.node.inputs.iter().zip(step.inputs) {
            let from = self.graph.node(outlet.node).stage;
            if from != step.node.stage {
                self.leave(from, step.node.stage, outlet, input);
            }
        }
    }

    fn leave(&mut self, from: Option<StageId>, to: Option<StageId>, outlet: Outlet, tensor: &Segments) {
        let Some(from) = from else { return };
        let inside: &[u32] = to.map_or(&[], |to| &self.around[to.0 as usize]);
        for &stage in &self.around[from.0 as usize] {
            if !inside.contains(&stage) && self.left.insert((stage, outlet), ()).is_none() {
                self.borders[stage as usize].leaves.push(tensor.clone());
            }
        }
    }

    fn finish(mut self, found: provenance::Provenance) -> WeightGraph {
        let graph = self.graph;
        for (&outlet, tensor) in graph.outputs.iter().zip(&found.outputs) {
            self.leave(graph.node(outlet.node).stage, None, outlet, tensor);
        }
        let producers = found.producers;
        let inputs = producers.inputs;
        let vertices = producers.nodes.len() + 1;
        let outputs = producers.nodes.iter().map(|&id| graph.node(id).outputs[0].channels());
        let mut reads = Rows::default();
        (0..inputs).for_each(|_| reads.push([]));
        (0..self.reads.len()).for_each(|layer| reads.push(self.reads.row(layer).iter().copied()));
        reads.push(placed(&found.outputs));
        let (mut sources, mut before) = (Rows::default(), Rows::default());
        let (mut row, mut ends) = (Vec::new(), Vec::new());
        for reader in 0..vertices {
            collect(reads.row(reader), &mut row, &mut ends);
            sources.push(row.iter().copied());
            before.push(ends.iter().copied());
        }
        let mut stages = vec![Vec::new(); graph.stages().len()];
        for (index, &id) in producers.nodes.iter().enumerate().skip(inputs) {
            for &stage in graph.node(id).stage.map_or(&[][..], |stage| &self.around[stage.0 as usize]) {
                stages[stage as usize].push(vertex(index));
            }
        }
        let consumers = sources.transposed(
            vertices,
            |read| read.vertex as usize,
            |row, read| Read { vertex: vertex(row), ..*read },
        );
        let after = before.transposed(
            vertices,
            |edge: &Edge| edge.vertex as usize,
            |row, edge| Edge { vertex: vertex(row), ..*edge },
        );
        let padded = |ends: u64, inner: Vec<u64>| {
            std::iter::repeat_n(ends, inputs).chain(inner).chain([ends]).collect()
        };
        WeightGraph {
            channels: outputs.chain([0]).collect(),
            input_channels: padded(0, self.input_channels),
            groups: padded(1, self.groups),
            reads,
            sources,
            before,
            after,
            consumers,
            values: self.values,
            maps: self.maps.into_iter().collect(),
            borders: self.borders,
            stages,
            approximate: found.approximate,
            producers,
        }
    }
}

/// The stages around each stage, itself first.
fn around(graph: &Graph) -> Vec<Vec<u32>> {
    let stages = graph.stages();
    let outer = |name: &str| {
        let names = std::iter::successors(Some(name), |name| Some(name.rsplit_once('/')?.0));
        names.filter_map(|name| u32::try_from(stages.get_index_of(name)?).ok()).collect()
    };
    stages.iter().map(|name| outer(name)).collect()
}

/// The edges that some tensors' producers have, each tensor on its own.
pub(super) fn ways(tensor: &Segments) -> Vec<Edge> {
    let (mut row, mut edges) = (Vec::new(), Vec::new());
    collect(&placed(std::slice::from_ref(tensor)), &mut row, &mut edges);
    edges
}

/// What is read of some tensor, by producer; each range once.
pub(super) fn ranges(tensor: &Segments) -> Vec<Read> {
    let (mut row, mut edges) = (Vec::new(), Vec::new());
    collect(&placed(std::slice::from_ref(tensor)), &mut row, &mut edges);
    row
}

/// Whether a tensor is made of at least two producers' channels.
fn merges(tensor: &Segments) -> bool {
    let mut producers = tensor.iter().flat_map(Segment::terms).map(|term| term.producer);
    let first = producers.next();
    producers.any(|other| Some(other) != first)
}

/// The reads of some tensors that lie one behind another.
fn placed(tensors: &[Segments]) -> Vec<Placed> {
    let mut list = Vec::with_capacity(tensors.iter().map(|tensor| tensor.len()).sum());
    let mut at = 0;
    for segment in tensors.iter().flat_map(|tensor| tensor.iter()) {
        list.extend(segment.terms().iter().map(|&Term { producer, first, span, whole, multiplicity }| {
            Placed {
                read: Read { vertex: producer, first, channels: span, multiplicity },
                at,
                over: segment.channels,
                whole,
            }
        }));
        at += segment.channels;
    }
    list
}

/// One vertex's reads by producer, and its edges.
///
/// The multiplicity of an edge is the most that any channel of the input has: two ranges of one producer that are
/// added are two ways, two that are concatenated are one.
fn collect(reads: &[Placed], row: &mut Vec<Read>, edges: &mut Vec<Edge>) {
    row.clear();
    edges.clear();
    row.extend(reads.iter().map(|placed| placed.read));
    // (producer, place) pairs with more than one term are sums within one channel.
    let mut ways: Vec<(Vertex, u64, u64)> = reads
        .iter()
        .map(|placed| {
            // A lost axis joins ranges that had channels of their own.
            (placed.read.vertex, if placed.whole { u64::MAX } else { placed.at }, placed.read.multiplicity)
        })
        .collect();
    ways.sort_unstable();
    for same in ways.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let (producer, place, _) = same[0];
        let counts = same.iter().map(|way| way.2);
        let multiplicity =
            if place == u64::MAX { counts.max().unwrap_or(1) } else { counts.fold(0, u64::saturating_add) };
        match edges.last_mut() {
            Some(edge) if edge.vertex == producer => edge.multiplicity = edge.multiplicity.max(multiplicity),
            _ => edges.push(Edge { vertex: producer, multiplicity }),
        }
    }
    row.sort_unstable();
    row.dedup();
    row.dedup_by(|next, kept| {
        let joins = next.vertex == kept.vertex
            && next.multiplicity == kept.multiplicity
            && next.first == kept.first + kept.channels;
        if joins {
            kept.channels += next.channels;
        }
        joins
    });
}
