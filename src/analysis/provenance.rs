//! Channel provenance: which channels of which weight layers each channel of a tensor is made of.
//!
//! A tensor is a list of segments; a segment says, for some neighbouring channels, from which producers' channels they
//! come and on how many ways without weights. A producer is a graph input or a weight layer. Ops follow their
//! [`Channels`] rule: a convolution makes new channels, a concat appends, a slice cuts, an add unites channel by
//! channel. So a slice of a concat reaches only the layers that it really contains.
//!
//! Cost: the number of segments and terms that are written, once each. Ops that act on each channel alone share their
//! input's list, and a tensor's list is dropped behind its last reader: a chain is linear in time and constant in
//! memory, a dense block of k layers O(k²) in time, which is what its gradient graph has in edges.

mod segments;

use std::rc::Rc;

pub use segments::{Segment, Segments, Term};
use segments::{append, merge, unite};

use crate::graph::{Graph, Node, NodeId};
use crate::ops::{Channels, Io, Operator};

/// Terms that may be written before the pass gives up: a dense block of 2,800 layers writes so many, and what is kept
/// of them takes a gibibyte.
pub const WORK_LIMIT: u64 = 1 << 22;

/// The graph inputs, then the weight layers in the order of the file.
#[derive(Clone, Debug)]
pub struct Producers {
    /// How many are graph inputs.
    pub inputs: usize,
    /// The nodes.
    pub nodes: Vec<NodeId>,
}

/// Provenance would take more than [`WORK_LIMIT`] terms, or a multiplicity does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too many terms.
    TooLarge,
    /// Channels arrive on more than 2^64 ways without weights.
    Multiplicity,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLarge => write!(f, "its channels have more than {WORK_LIMIT} origins to follow"),
            Self::Multiplicity => f.write_str("channels are added to themselves on more than 2^64 ways"),
        }
    }
}

impl std::error::Error for Refusal {}

/// One node with the provenance of what it reads and makes.
#[derive(Debug)]
pub struct Step<'a> {
    /// The node.
    pub id: NodeId,
    /// The same.
    pub node: &'a Node,
    /// By input; equal to the outputs of earlier steps.
    pub inputs: &'a [Segments],
    /// By output.
    pub outputs: &'a [Segments],
    /// Its number, if it is a producer.
    pub producer: Option<u32>,
    /// For a weight layer, its groups.
    pub groups: u64,
}

/// What the walk found beside the steps.
#[derive(Clone, Debug)]
pub struct Provenance {
    /// All producers.
    pub producers: Producers,
    /// Whether the channel axis was lost somewhere, so that origins are an upper bound.
    pub approximate: bool,
    /// What reaches the graph's outputs.
    pub outputs: Vec<Segments>,
}

/// Walks the graph in order and shows each node to `visit`.
///
/// # Errors
/// A [`Refusal`] where it would take too long.
pub fn walk(graph: &Graph, mut visit: impl FnMut(&Step<'_>)) -> Result<Provenance, Refusal> {
    let mut state = State::new(graph);
    for (id, node) in graph.nodes() {
        let inputs: Vec<Segments> = node.inputs.iter().map(|&outlet| state.tensors.read(outlet)).collect();
        let types = graph.input_types(node);
        let io = Io { inputs: &types, outputs: &node.outputs };
        let mut producer = None;
        let mut groups = 1;
        let mut outputs: Vec<Segments> = Vec::with_capacity(node.outputs.len());
        for port in 0..node.outputs.len() {
            let rule = node.op.channels(io, port);
            let channels = node.outputs[port].channels();
            match &rule {
                Channels::Weighted { groups: count } => {
                    groups = *count;
                    let number = *producer.get_or_insert_with(|| state.produce(id));
                    outputs.push(state.fresh(number, channels));
                }
                Channels::Source => outputs.push(match state.input(id) {
                    Some(number) => {
                        producer = Some(number);
                        state.fresh(number, channels)
                    }
                    // A constant: no gradient path begins here.
                    None => Rc::new([Segment::new(channels, state.value(), 0, Vec::new())]),
                }),
                rule => outputs.push(state.pass(rule, &inputs, io, channels)),
            }
        }
        if state.work > WORK_LIMIT {
            return Err(Refusal::TooLarge);
        }
        visit(&Step { id, node, inputs: &inputs, outputs: &outputs, producer, groups });
        state.tensors.store(outputs);
    }
    if state.overflow {
        return Err(Refusal::Multiplicity);
    }
    let outputs = graph.outputs.iter().map(|&outlet| state.tensors.read(outlet)).collect();
    Ok(Provenance {
        producers: Producers { inputs: graph.inputs().len(), nodes: state.nodes },
        approximate: state.approximate,
        outputs,
    })
}

/// The lists of tensors that are still to be read.
struct Tensors {
    /// The first tensor of each node; one more at the end.
    starts: Vec<usize>,
    /// How often each is still read.
    uses: Vec<u32>,
    lists: Vec<Option<Segments>>,
}

impl Tensors {
    fn new(graph: &Graph) -> Self {
        let mut starts = Vec::with_capacity(graph.len() + 1);
        let mut count = 0;
        for (_, node) in graph.nodes() {
            starts.push(count);
            count += node.outputs.len();
        }
        let mut tensors = Self { starts, uses: vec![0; count], lists: Vec::with_capacity(count) };
        for outlet in graph.nodes().flat_map(|(_, node)| &node.inputs).chain(&graph.outputs) {
            let index = tensors.index(*outlet);
            tensors.uses[index] = tensors.uses[index].saturating_add(1);
        }
        tensors
    }

    fn index(&self, outlet: crate::graph::Outlet) -> usize {
        self.starts[outlet.node.index()] + outlet.port as usize
    }

    fn read(&mut self, outlet: crate::graph::Outlet) -> Segments {
        let index = self.index(outlet);
        self.uses[index] -= 1;
        let list = &mut self.lists[index];
        let read = if self.uses[index] == 0 { list.take() } else { list.clone() };
        read.unwrap_or_else(|| Rc::new([]))
    }

    fn store(&mut self, outputs: Vec<Segments>) {
        for list in outputs {
            let used = self.uses[self.lists.len()] > 0;
            self.lists.push(used.then_some(list));
        }
    }
}

struct State<'a> {
    graph: &'a Graph,
    tensors: Tensors,
    nodes: Vec<NodeId>,
    values: u64,
    work: u64,
    approximate: bool,
    overflow: bool,
}

impl<'a> State<'a> {
    fn new(graph: &'a Graph) -> Self {
        Self {
            graph,
            tensors: Tensors::new(graph),
            nodes: graph.inputs().to_vec(),
            values: 0,
            work: 0,
            approximate: false,
            overflow: false,
        }
    }

    fn value(&mut self) -> u64 {
        self.values += 1;
        self.values
    }

    #[expect(clippy::cast_possible_truncation, reason = "petgraph numbers nodes in 32 bits")]
    fn produce(&mut self, id: NodeId) -> u32 {
        self.nodes.push(id);
        (self.nodes.len() - 1) as u32
    }

    fn input(&self, id: NodeId) -> Option<u32> {
        let position = self.graph.inputs().binary_search(&id).ok()?;
        u32::try_from(position).ok()
    }

    fn fresh(&mut self, producer: u32, channels: u64) -> Segments {
        self.work += 1;
        let term = Term { producer, first: 0, span: channels, whole: false, multiplicity: 1 };
        Rc::new([Segment::new(channels, self.value(), 0, vec![term])])
    }

    /// What an op without weights passes on.
    fn pass(&mut self, rule: &Channels, inputs: &[Segments], io: Io<'_>, channels: u64) -> Segments {
        self.work += 1;
        match rule {
            Channels::Same => {
                let reaching: Vec<usize> = (0..inputs.len()).filter(|&i| !is_empty(&inputs[i])).collect();
                match reaching[..] {
                    [only] if io.inputs[only].channels() == channels => Rc::clone(&inputs[only]),
                    _ => {
                        let value = self.value();
                        let wide: Vec<Segments> = reaching
                            .iter()
                            .map(|&i| self.broadcast(&inputs[i], io.inputs[i].channels(), channels))
                            .collect();
                        self.unite(&wide, channels, value)
                    }
                }
            }
            Channels::FirstMin => {
                let value = self.value();
                let fitting: Vec<Segments> =
                    inputs.iter().map(|input| self.prefix(input, channels)).collect();
                self.unite(&fitting, channels, value)
            }
            Channels::Runs(runs) => {
                let mut list = Vec::with_capacity(runs.len());
                for run in runs.iter().filter(|run| run.length > 0) {
                    let input = &inputs[run.input];
                    if run.step == 1 {
                        self.work += append(&mut list, input, run.start, run.start + run.length);
                    } else {
                        for channel in (0..run.length).map(|index| run.start + index * run.step) {
                            self.work += append(&mut list, input, channel, channel + 1);
                            // A stride over 2^40 channels is one run.
                            if self.work > WORK_LIMIT {
                                break;
                            }
                        }
                    }
                    // What is left out does not matter: the walk ends behind this node.
                    if self.work > WORK_LIMIT {
                        break;
                    }
                }
                list.into()
            }
            Channels::Repeat { by } => self.rescale(inputs, |channels| channels * by),
            Channels::Fold { by } => self.fold(&inputs[0], *by),
            Channels::Source | Channels::Weighted { .. } | Channels::Mixed => self.mix(inputs, channels),
        }
    }

    fn unite(&mut self, tensors: &[Segments], channels: u64, value: u64) -> Segments {
        if tensors.is_empty() {
            return Rc::new([Segment::new(channels, value, 0, Vec::new())]);
        }
        let lists: Vec<&[Segment]> = tensors.iter().map(|tensor| &**tensor).collect();
        let (list, work) = unite(&lists, value);
        self.work += work;
        self.overflow |=
            list.iter().any(|segment| segment.terms().iter().any(|term| term.multiplicity == u64::MAX));
        list.into()
    }

    /// A tensor of one channel as one of many; what fits neither way counts as mixed.
    fn broadcast(&mut self, tensor: &Segments, from: u64, channels: u64) -> Segments {
        if from == channels {
            return Rc::clone(tensor);
        }
        if from != 1 {
            self.approximate = true;
        }
        Rc::new([self.all_of(std::slice::from_ref(tensor), channels)])
    }

    fn prefix(&mut self, tensor: &Segments, channels: u64) -> Segments {
        let mut list = Vec::new();
        self.work += append(&mut list, tensor, 0, channels);
        list.into()
    }

    fn rescale(&mut self, inputs: &[Segments], scale: impl Fn(u64) -> u64) -> Segments {
        let value = self.value();
        let mut at = 0;
        let mut list = Vec::with_capacity(inputs[0].len());
        for segment in inputs[0].iter() {
            let channels = scale(segment.channels);
            list.push(Segment { channels, value, at, terms: segment.terms.clone() });
            at += channels;
        }
        self.work += list.len() as u64;
        list.into()
    }

    /// Neighbouring channels become one; where they are of several segments, it carries all of those.
    fn fold(&mut self, input: &Segments, by: u64) -> Segments {
        let value = self.value();
        let (mut list, mut at, mut begin) = (Vec::new(), 0, 0);
        let mut rest: Vec<Segment> = Vec::new();
        for segment in input.iter() {
            let end = begin + segment.channels;
            let mut from = begin;
            if !rest.is_empty() {
                let to = end.min((at + 1) * by);
                rest.push(segment.cut(0, to - begin));
                from = to;
                if to == (at + 1) * by {
                    let joined = self.all_of(&[std::mem::take(&mut rest).into()], 1);
                    list.push(Segment { value, at, ..joined });
                    at += 1;
                }
            }
            let whole = (end - from) / by;
            if whole > 0 {
                let part = segment.cut(from - begin, from - begin + whole * by);
                list.push(Segment { channels: whole, value, at, terms: part.terms });
                (at, from) = (at + whole, from + whole * by);
            }
            if from < end {
                rest.push(segment.cut(from - begin, end - begin));
            }
            begin = end;
        }
        self.work += list.iter().map(|segment| segment.terms().len() as u64).sum::<u64>();
        list.into()
    }

    /// Every channel may come from everything.
    fn mix(&mut self, inputs: &[Segments], channels: u64) -> Segments {
        self.approximate = true;
        Rc::new([self.all_of(inputs, channels)])
    }

    fn all_of(&mut self, tensors: &[Segments], channels: u64) -> Segment {
        let terms = tensors.iter().flat_map(|tensor| tensor.iter()).flat_map(Segment::terms);
        let mut terms: Vec<Term> = terms.map(|&term| Term { whole: true, ..term }).collect();
        self.work += terms.len() as u64;
        merge(&mut terms, u64::max);
        Segment::new(channels, self.value(), 0, terms)
    }
}

fn is_empty(segments: &Segments) -> bool {
    segments.iter().all(|segment| segment.terms().is_empty())
}
