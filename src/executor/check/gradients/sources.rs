//! Sources: which stored features each block of a weight gradient is made with.
//!
//! ∂L/∂w_i is the product of what arrives at layer i and what it read. So one producer's features are replaced by zeros
//! in everything that weight layers have stored, what arrives stays as it was, and the blocks of the gradients that
//! change are those that were made with these features.

use candle_core::{DType, Device, Tensor};

use super::step::Step;
use super::ways::{Ways, ways};
use crate::analysis::gradient::Gradient;
use crate::analysis::gradient::weight_graph::{Placed, Vertex};
use crate::analysis::schedule::Schedule;
use crate::executor::run::{Network, RunFault};
use crate::executor::seeded::{self, Range};
use crate::executor::train::Learned;
use crate::graph::{Graph, NodeId};
use crate::measurement::{Check, Difference, Unit, Verdict};
use crate::ops::execute::Fault;
use crate::ops::{Op, Operator};
use crate::units::grouped;

/// Other features that are tried where zeros change nothing.
const TRIALS: usize = 3;

/// How the input channels of a kernel lie in memory.
#[derive(Clone, Copy)]
struct Columns {
    groups: usize,
    /// Input channels.
    inputs: usize,
    /// Output channels.
    outputs: usize,
    /// Elements for one pair of them.
    taps: usize,
    /// Whether the input's channels come first.
    is_transposed: bool,
}

impl Columns {
    /// Of a layer's `weight`; `None` where it has no channels in that sense.
    fn new(graph: &Graph, id: NodeId) -> Option<Self> {
        let node = graph.node(id);
        let input = graph.tensor(node.inputs[0]);
        let (groups, is_transposed) = match &*node.op {
            Op::Linear(_) if input.shape.rank() == 2 => (1, false),
            Op::Conv2d(conv) if node.inputs.len() == 1 => (conv.groups.get(), false),
            Op::Conv1d(conv) if node.inputs.len() == 1 => (conv.groups.get(), false),
            Op::ConvTranspose2d(conv) if node.inputs.len() == 1 => (conv.groups.get(), true),
            _ => return None,
        };
        let types = graph.input_types(node);
        let weight = node.op.weights(&types).into_iter().find(|weight| weight.name == "weight")?;
        let of = |size: u64| usize::try_from(size).ok();
        let (groups, inputs) = (of(groups)?, of(input.channels())?);
        let outputs = of(node.outputs[0].channels())?;
        let taps = of(weight.shape.elements().ok()?)?.checked_mul(groups)? / inputs.checked_mul(outputs)?;
        Some(Self { groups, inputs, outputs, taps, is_transposed })
    }

    /// The input channel that an element is for.
    fn channel(&self, element: usize) -> usize {
        let (inputs, outputs) = (self.inputs / self.groups, self.outputs / self.groups);
        if self.is_transposed {
            element / (outputs * self.taps)
        } else {
            let (row, column) = (element / (inputs * self.taps), element / self.taps % inputs);
            row / outputs * inputs + column
        }
    }

    /// The input channels for which two gradients differ.
    fn changed(&self, before: &Tensor, after: &Tensor) -> Result<Vec<bool>, Fault> {
        let read = |of: &Tensor| of.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>();
        let mut changed = vec![false; self.inputs];
        for (element, (before, after)) in read(before)?.into_iter().zip(read(after)?).enumerate() {
            changed[self.channel(element)] |= before.to_bits() != after.to_bits();
        }
        Ok(changed)
    }
}

/// What was found so far.
#[derive(Default)]
struct Found {
    /// Pairs of producer and layer that were told apart.
    pairs: usize,
    /// Of them, those with an edge; and those whose gradient changed.
    predicted: u64,
    changed: u64,
    /// Blocks that were predicted and changed.
    seen: usize,
    /// Blocks that could not change: the features had no part in what was stored, or nothing arrived.
    silent: usize,
    /// Pairs in which other channels may change too.
    crossed: usize,
    off: Vec<Difference>,
}

struct Search<'a, 'g> {
    network: &'a Network<'g>,
    gradient: &'a Gradient,
    schedule: &'a Schedule,
    is_layer: &'a [bool],
    step: &'a Step,
    /// By layer: how its kernel lies.
    columns: Vec<Option<Columns>>,
}

/// Every pair of a producer and a layer; where that takes more than `products` multiply-accumulates, of some producers.
pub(super) fn check(
    network: &Network<'_>,
    gradient: &Gradient,
    schedule: &Schedule,
    is_layer: &[bool],
    step: &Step,
    seed: u64,
    products: u64,
) -> Result<Check, RunFault> {
    let (graph, h) = (network.graph, &gradient.h);
    let columns: Vec<Option<Columns>> = (0..h.loss())
        .map(|vertex| Columns::new(graph, h.node(vertex).filter(|_| h.layers().contains(&vertex))?))
        .collect();
    let search = Search { network, gradient, schedule, is_layer, step, columns };
    let mut order: Vec<Vertex> = (0..h.loss()).collect();
    let all = order.len();
    let chance = seeded::values("producers", seed, Range { low: 0.0, high: 1.0 }, all);
    order.sort_by(|&a, &b| chance[a as usize].total_cmp(&chance[b as usize]));
    let mut once = 0u64;
    for (_, node) in graph.nodes() {
        let types = graph.input_types(node);
        let cost = node.op.cost(crate::ops::Io { inputs: &types, outputs: &node.outputs })?;
        once = once.saturating_add(cost.macs.saturating_mul(3)).saturating_add(cost.flops()?);
    }
    let some = usize::try_from(products / once.max(1)).unwrap_or(usize::MAX).clamp(2, all.max(2));
    order.truncate(some);
    let mut found = Found::default();
    // What an op does with what it kept beyond the product would change what arrives.
    let is_odd = graph.nodes().any(|(_, node)| matches!(*node.op, Op::XnorConv2d(_)));
    if !is_odd {
        for &producer in &order {
            search.producer(producer, seed, &mut found)?;
        }
    }
    Ok(found.check(&search, order.len(), all, is_odd))
}

impl Search<'_, '_> {
    /// The gradients with a producer's features replaced in all that weight layers have stored.
    fn without(
        &self,
        producer: Vertex,
        replaced: &dyn Fn(&Tensor) -> Result<Tensor, Fault>,
    ) -> Result<Vec<Learned>, RunFault> {
        let (step, graph) = (self.step, self.network.graph);
        let Some(id) = self.gradient.h.node(producer) else { return Ok(Vec::new()) };
        let (mut inputs, mut made) = (step.inputs.clone(), step.made.clone());
        match graph.inputs().iter().position(|&input| input == id) {
            Some(at) => inputs[at] = replaced(&inputs[at])?,
            None => {
                for tensor in made[id.index()].iter_mut().flatten() {
                    *tensor = replaced(tensor)?;
                }
            }
        }
        let other = step.kept_with(self.network, self.schedule, self.is_layer, inputs, made)?;
        let mut kept = step.kept.clone();
        for layer in self.gradient.h.layers().filter_map(|layer| self.gradient.h.node(layer)) {
            let at = layer.index();
            if let (Some(own), Some(other)) = (kept[at].inputs.first_mut(), other[at].inputs.first()) {
                own.clone_from(other);
            }
        }
        drop(other);
        step.learned_with(self.network, self.schedule, kept)
    }

    fn producer(&self, producer: Vertex, seed: u64, found: &mut Found) -> Result<(), RunFault> {
        let (graph, h) = (self.network.graph, &self.gradient.h);
        let Some(from) = h.node(producer) else { return Ok(()) };
        let ways = ways(graph, from, self.is_layer);
        // Zeros may be what was there, or may be what an activation makes of all; then other features are tried.
        let mut tried: Vec<Vec<Learned>> = vec![self.without(producer, &|of| Ok(of.zeros_like()?))?];
        for (owner, readers) in self.readers() {
            let Some(columns) = self.columns[readers[0] as usize] else { continue };
            let Some(before) = weight(&self.step.learned, owner) else { continue };
            let (mut blocks, mut crosses): (Vec<Block>, bool) = (Vec::new(), false);
            for &reader in &readers {
                let input = h.node(reader).map(|id| graph.node(id).inputs[0].node);
                let ways = input.map_or_else(Ways::default, |id| ways[id.index()]);
                crosses |= ways.crosses;
                let row = h.reads.row(reader as usize).iter().filter(|placed| placed.read.vertex == producer);
                blocks.extend(row.map(|&placed| Block {
                    placed,
                    is_shut: ways.are_shut(),
                    // Where the channel axis was lost, a source is an upper bound.
                    must_change: !(ways.are_shut() || placed.whole && h.approximate),
                }));
            }
            let mut changed = vec![false; columns.inputs];
            let is_changed =
                |changed: &[bool], block: &Block| changed[ends(changed.len(), &block.placed)].contains(&true);
            for trial in 0..=TRIALS {
                if trial == tried.len() {
                    tried.push(self.without(producer, &|of| features(of, seed, trial))?);
                }
                if let Some(after) = weight(&tried[trial], owner) {
                    let more = columns.changed(before, after)?;
                    changed.iter_mut().zip(more).for_each(|(one, more)| *one |= more);
                }
                if blocks.iter().all(|block| !block.must_change || is_changed(&changed, block)) {
                    break;
                }
            }
            let mut others = changed.clone();
            blocks.iter().for_each(|block| others[ends(changed.len(), &block.placed)].fill(false));
            let first = others.iter().position(|&other| other).filter(|_| !crosses);
            let is_seen = |block: &&Block| !block.is_shut && is_changed(&changed, block);
            let seen = blocks.iter().filter(is_seen).count();
            let faults =
                blocks.iter().filter(|block| block.must_change && !is_changed(&changed, block)).count();
            // Where nothing arrives at a layer, nothing can change.
            let faults = if faults > 0 && is_zero(before)? { 0 } else { faults };
            found.seen += seen;
            found.silent += blocks.len() - seen - faults;
            found.crossed += usize::from(crosses);
            if !blocks.is_empty() && seen + faults == 0 && first.is_none() {
                continue;
            }
            found.pairs += 1;
            found.predicted += u64::from(!blocks.is_empty());
            found.changed += u64::from(seen > 0 || first.is_some());
            let measured = match first {
                Some(first) => {
                    let others = others.iter().filter(|&&other| other).count();
                    format!("{others} more channels change, the first is {first}")
                }
                None if faults > 0 => format!("{faults} of these runs of channels do not change"),
                None => continue,
            };
            found.off.push(Difference {
                node: owner,
                predicted: format!("made with `{}` in {}", self.name(producer), shown(&blocks)),
                measured,
            });
        }
        Ok(())
    }

    /// The nodes that store kernels, each with the layers that use it.
    fn readers(&self) -> Vec<(NodeId, Vec<Vertex>)> {
        let h = &self.gradient.h;
        let mut found: Vec<(NodeId, Vec<Vertex>)> = Vec::new();
        for layer in h.layers() {
            let Some(id) = h.node(layer) else { continue };
            match self.network.graph.node(id).shares {
                None => found.push((id, vec![layer])),
                Some(owner) => {
                    if let Ok(at) = found.binary_search_by_key(&owner, |(id, _)| *id) {
                        found[at].1.push(layer);
                    }
                }
            }
        }
        found
    }

    fn name(&self, vertex: Vertex) -> &str {
        crate::analysis::gradient::vertex_name(self.network.graph, &self.gradient.h, vertex)
    }
}

/// The gradient of a node's `weight`.
fn weight(of: &[Learned], owner: NodeId) -> Option<&Tensor> {
    of.get(owner.index())?.iter().find(|(name, _)| *name == "weight").map(|(_, gradient)| gradient)
}

fn is_zero(of: &Tensor) -> Result<bool, Fault> {
    let values = of.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
    Ok(values.iter().all(|&value| value == 0.0))
}

/// Other features of the size of those that are there: of both signs, all positive, all negative.
fn features(of: &Tensor, seed: u64, trial: usize) -> Result<Tensor, Fault> {
    let spread =
        [Range::INPUT, Range { low: 0.0, high: 1.0 }, Range { low: -1.0, high: 0.0 }][(trial + 2) % 3];
    let values = seeded::values("features", seed, spread, of.elem_count());
    let values = Tensor::from_vec(values, of.dims(), &Device::Cpu)?;
    let size = of.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.flatten_all()?.abs()?.max(0)?;
    Ok(values.broadcast_mul(&size)?.to_dtype(of.dtype())?.to_device(of.device())?)
}

/// A predicted run of channels.
struct Block {
    placed: Placed,
    /// Whether it is behind what no feature passes: what changes there is rounding.
    is_shut: bool,
    /// Whether it changes with its source.
    must_change: bool,
}

/// The channels of a block.
fn ends(of: usize, block: &Placed) -> std::ops::Range<usize> {
    let [first, end] = [block.at, block.at.saturating_add(block.over)]
        .map(|at| usize::try_from(at).unwrap_or(usize::MAX).min(of));
    first..end
}

fn shown(blocks: &[Block]) -> String {
    let one = |block: &Block| format!("{}..{}", block.placed.at, block.placed.at + block.placed.over);
    match blocks {
        [] => "no channels".into(),
        blocks if blocks.len() < 5 => {
            format!("channels {}", blocks.iter().map(one).collect::<Vec<_>>().join(", "))
        }
        blocks => format!("channels {} and {} more runs", one(&blocks[0]), blocks.len() - 1),
    }
}

impl Found {
    fn check(self, search: &Search<'_, '_>, producers: usize, all: usize, is_odd: bool) -> Check {
        let mut notes = vec![format!("{} pairs of producer and layer", grouped(self.pairs as u64))];
        if producers < all {
            notes.push(format!("{producers} of {all} producers, chosen by the seed"));
        }
        if self.silent > 0 {
            notes.push(format!("{} blocks tell nothing: dead features, or dead gradients", self.silent));
        }
        if self.crossed > 0 {
            notes.push(format!(
                "in {} pairs statistics over several channels carry features that are not called sources",
                self.crossed
            ));
        }
        let h = &search.gradient.h;
        let apart = h.layers().filter(|&layer| search.columns[layer as usize].is_none()).count();
        if apart > 0 {
            notes.push(format!("{apart} layers have no kernel of input channels"));
        }
        let unlearned = search.readers().into_iter().filter(|(owner, readers)| {
            search.columns[readers[0] as usize].is_some() && weight(&search.step.learned, *owner).is_none()
        });
        let unlearned: usize = unlearned.map(|(_, readers)| readers.len()).sum();
        if unlearned > 0 {
            notes.push(format!("{unlearned} layers' kernels get no gradient and were not looked at"));
        }
        Check {
            name: "gradient_sources",
            what: "weight gradients that change with one producer's stored features",
            verdict: if is_odd {
                Verdict::Unchecked("binary layers' way back reads what they stored".into())
            } else if !self.off.is_empty() {
                Verdict::Off
            } else if self.seen > 0 {
                Verdict::Exact
            } else if apart == h.layers().len() {
                Verdict::Unchecked("it has no kernel whose input channels can be told apart".into())
            } else {
                Verdict::Unchecked("no block of a gradient was seen to change with its source".into())
            },
            predicted: Some(self.predicted),
            measured: Some(self.changed),
            unit: Unit::Pairs,
            compared: self.pairs,
            off: self.off,
            note: Some(notes.join("; ")),
        }
    }
}
