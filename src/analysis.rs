//! What a network costs: plain functions over a [`Graph`], one file each.
//!
//! Nothing here names an op; a pass asks [`crate::ops::Operator`]. The table of conventions is the exception that
//! proves it: it is data about other programs, which count by name.

pub mod conventions;
pub mod cost;
pub mod gradient;
pub mod kernels;
pub mod memory;
pub mod prediction;
pub mod provenance;
pub mod roofline;
pub mod schedule;
pub mod traffic;

use indexmap::IndexMap;

pub use cost::{NodeCost, Stored, Sum};
pub use kernels::Kernels;
pub use traffic::Traffic;

use crate::graph::{CalledAs, Graph, NodeId, StoredTensor};
use crate::ops::peers::{self, Quantities};
use crate::ops::{Family, Io, Operator, Weights};
use crate::units::Overflow;
use conventions::{CONVENTIONS, Convention};

/// A group of nodes and what they cost together.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its full name.
    pub name: String,
    /// How many groups are around it.
    pub depth: usize,
    /// The sum over its nodes, those of inner groups included.
    pub sum: Sum,
}

/// The layer that computes most: the paper's computational bottleneck.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LargestLayer {
    /// The node with most multiply-accumulates, the first of equals.
    pub node: NodeId,
    /// Its part of all multiply-accumulates.
    pub share: f64,
    /// Its multiply-accumulates over the mean of all nodes that have any.
    pub max_over_mean: f64,
}

/// Everything that is known about a network's cost.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// By [`NodeId`].
    pub nodes: Vec<NodeCost>,
    /// Bytes moved, by [`NodeId`].
    pub traffic: Vec<Traffic>,
    /// Which nodes run as one kernel.
    pub kernels: Kernels,
    /// The whole network.
    pub total: Sum,
    /// By stage, outer ones before inner ones; nodes without a stage are in none.
    pub stages: Vec<Group>,
    /// By block instance.
    pub blocks: Vec<Group>,
    /// By op, most multiply-accumulates first, then most FLOPs, then by name.
    pub ops: Vec<Group>,
    /// In the order of [`CONVENTIONS`]; `None` where a batch does not divide into images.
    pub conventions: Vec<Option<u64>>,
    /// `None` without multiply-accumulates.
    pub largest_layer: Option<LargestLayer>,
}

/// Sums of quantities over nodes of one op that are called in one way, apart by whether they grow with the batch.
type Classes = IndexMap<(&'static str, CalledAs, bool), Quantities, rustc_hash::FxBuildHasher>;

/// Analyses a network. Linear in nodes and edges.
///
/// # Errors
/// When a sum does not fit in 64 bits; single nodes that do not fit are not in a graph.
pub fn analyze(graph: &Graph) -> Result<Analysis, Overflow> {
    let mut nodes = Vec::with_capacity(graph.len());
    let mut stages: Vec<Sum> = vec![Sum::default(); graph.stages().len()];
    let mut blocks = block_groups(graph);
    let mut ops: IndexMap<&'static str, (bool, Sum), rustc_hash::FxBuildHasher> = IndexMap::default();
    let mut classes = Classes::default();
    // A node grows with the batch where an image reaches it.
    let mut grows = vec![false; graph.len()];
    graph.inputs().iter().for_each(|input| grows[input.index()] = true);
    for (id, node) in graph.nodes() {
        let inputs = graph.input_types(node);
        let io = Io { inputs: &inputs, outputs: &node.outputs };
        let (full, tensors) = (node.op.cost(io)?, graph.stored(node, &inputs));
        let cost = cost::of_node(node, io, &full, &tensors)?;
        let is_source = node.op.family() == Family::Source;
        let elementary = &full.elementary;
        ops.entry(node.op.name())
            .or_insert((is_source, Sum::default()))
            .1
            .add(is_source, &cost, elementary)?;
        if let Some(stage) = node.stage {
            stages[stage.0 as usize].add(is_source, &cost, elementary)?;
        }
        if let Some(block) = node.block {
            blocks[block.0 as usize].sum.add(is_source, &cost, elementary)?;
        }
        let grown = grows[id.index()] || node.inputs.iter().any(|outlet| grows[outlet.node.index()]);
        grows[id.index()] = grown;
        let called_as = node.called_as.unwrap_or_else(|| conventions::usual_call(node.op.name()));
        let counted = peers::quantities(&node.op, io, &full, &own(&tensors))?;
        let class = classes.entry((node.op.name(), called_as, grown)).or_insert(Quantities::NONE);
        *class = class.checked_add(&counted)?;
        nodes.push(cost);
    }
    let (traffic, kernels) = traffic::traffic(graph, &nodes)?;
    for ((_, node), moved) in graph.nodes().zip(&traffic) {
        let op = ops.get_mut(node.op.name()).map(|(_, sum)| sum);
        let stage = node.stage.map(|stage| &mut stages[stage.0 as usize]);
        let block = node.block.map(|block| &mut blocks[block.0 as usize].sum);
        for sum in [op, stage, block].into_iter().flatten() {
            sum.traffic = sum.traffic.checked_add(moved)?;
        }
    }
    let mut total = Sum::default();
    for (_, sum) in ops.values() {
        total.merge(sum)?;
    }
    // Outer groups stand before inner ones, so that backwards each is whole when it joins the one around it.
    let stage_parents = stage_parents(graph);
    roll_up(&mut stages, |stage| stage, |index| stage_parents[index])?;
    roll_up(
        &mut blocks,
        |block| &mut block.sum,
        |index| graph.blocks()[index].parent.map(|parent| parent.0),
    )?;
    let conventions = CONVENTIONS
        .iter()
        .map(|convention| count(convention, &classes, graph.batch))
        .collect::<Result<_, _>>()?;
    Ok(Analysis {
        largest_layer: largest_layer(graph, &nodes, total.macs),
        stages: stage_groups(graph, stages, &stage_parents),
        blocks,
        ops: op_groups(ops),
        conventions,
        nodes,
        traffic,
        kernels,
        total,
    })
}

/// The tensors that a node itself stores.
fn own(tensors: &[StoredTensor]) -> Weights {
    tensors.iter().filter(|tensor| !tensor.shared).map(|tensor| tensor.weight.clone()).collect()
}

/// Adds each group to the one around it.
fn roll_up<T>(
    groups: &mut [T],
    sum: fn(&mut T) -> &mut Sum,
    parent: impl Fn(usize) -> Option<u32>,
) -> Result<(), Overflow> {
    for index in (0..groups.len()).rev() {
        if let Some(parent) = parent(index) {
            let inner = *sum(&mut groups[index]);
            sum(&mut groups[parent as usize]).merge(&inner)?;
        }
    }
    Ok(())
}

/// One convention's figure for the whole network and one image.
fn count(convention: &Convention, classes: &Classes, batch: u64) -> Result<Option<u64>, Overflow> {
    let mut total = 0u64;
    for (&(op, called_as, grows), quantities) in classes {
        let Some(one) = quantities.per_image(if grows { batch } else { 1 }) else { return Ok(None) };
        total = total.checked_add(convention.count(op, Some(called_as), &one)?).ok_or(Overflow)?;
    }
    Ok(Some(total))
}

/// One convention's figure for each node, all images of the batch: for tables by layer and stage.
///
/// # Errors
/// When a count does not fit in 64 bits.
pub fn counts_by_node(graph: &Graph, convention: &Convention) -> Result<Vec<u64>, Overflow> {
    graph
        .nodes()
        .map(|(_, node)| {
            let inputs = graph.input_types(node);
            let io = Io { inputs: &inputs, outputs: &node.outputs };
            let tensors = graph.stored(node, &inputs);
            let quantities = peers::quantities(&node.op, io, &node.op.cost(io)?, &own(&tensors))?;
            convention.count(node.op.name(), node.called_as, &quantities)
        })
        .collect()
}

/// Ops whose count under some convention depends on how PyTorch calls them, where the network does not say.
pub fn calls_unknown(graph: &Graph, convention: &Convention) -> Vec<&'static str> {
    let mut found: Vec<&'static str> = graph
        .nodes()
        .filter(|(_, node)| node.called_as.is_none() && convention.depends_on_call(node.op.name()))
        .map(|(_, node)| node.op.name())
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn largest_layer(graph: &Graph, nodes: &[NodeCost], total: u64) -> Option<LargestLayer> {
    let layers = nodes.iter().filter(|cost| cost.macs > 0).count();
    let (node, cost) = graph
        .nodes()
        .map(|(id, _)| (id, &nodes[id.index()]))
        .filter(|(_, cost)| cost.macs > 0)
        .reduce(|best, next| if next.1.macs > best.1.macs { next } else { best })?;
    #[expect(clippy::cast_precision_loss, reason = "ratios are approximate by nature")]
    let (most, total, layers) = (cost.macs as f64, total as f64, layers as f64);
    Some(LargestLayer { node, share: most / total, max_over_mean: most * layers / total })
}

/// The stage around each stage, where its name is one too.
fn stage_parents(graph: &Graph) -> Vec<Option<u32>> {
    let stages = graph.stages();
    let parent = |name: &String| {
        let index = stages.get_index_of(name.rsplit_once('/')?.0)?;
        u32::try_from(index).ok()
    };
    stages.iter().map(parent).collect()
}

fn stage_groups(graph: &Graph, sums: Vec<Sum>, parents: &[Option<u32>]) -> Vec<Group> {
    let depth =
        |index: usize| std::iter::successors(parents[index], |&parent| parents[parent as usize]).count();
    let named = graph.stages().iter().zip(sums).enumerate();
    named.map(|(index, (name, sum))| Group { name: name.clone(), depth: depth(index), sum }).collect()
}

/// The block instances without their sums. A network may have a million of them, so they are made once.
fn block_groups(graph: &Graph) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::with_capacity(graph.blocks().len());
    for block in graph.blocks() {
        let depth = block.parent.map_or(0, |parent| groups[parent.0 as usize].depth + 1);
        groups.push(Group { name: block.name.to_string(), depth, sum: Sum::default() });
    }
    groups
}

fn op_groups(sums: IndexMap<&'static str, (bool, Sum), rustc_hash::FxBuildHasher>) -> Vec<Group> {
    let worked = sums.into_iter().filter(|(_, (is_source, _))| !is_source);
    let mut groups: Vec<Group> =
        worked.map(|(name, (_, sum))| Group { name: name.into(), depth: 0, sum }).collect();
    groups.sort_by(|a, b| (b.sum.macs, b.sum.flops, &a.name).cmp(&(a.sum.macs, a.sum.flops, &b.name)));
    groups
}
