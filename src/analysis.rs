//! What a network costs: plain functions over a [`Graph`], one file each.
//!
//! Nothing here names an op; a pass asks [`crate::ops::Operator`]. The table of conventions is the exception that
//! proves it: it is data about other programs, which count by name.

pub mod conventions;
pub mod cost;

use indexmap::IndexMap;

pub use cost::{NodeCost, Stored, Sum};

use crate::graph::{CalledAs, Graph, NodeId};
use crate::ops::peers::{self, Quantities};
use crate::ops::{Elementary, Family, Io, Operator};
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
    let mut total = Sum::default();
    let mut stages: Vec<Sum> = vec![Sum::default(); graph.stages().len()];
    let mut blocks: Vec<Sum> = vec![Sum::default(); graph.blocks().len()];
    let mut ops: IndexMap<&'static str, Sum, rustc_hash::FxBuildHasher> = IndexMap::default();
    let mut classes = Classes::default();
    let mut scales = Vec::with_capacity(graph.len());
    let stage_parents = stage_parents(graph);
    for (_, node) in graph.nodes() {
        let (cost, full) = cost::of_node(graph, node)?;
        let is_source = node.op.family() == Family::Source;
        let elementary = &full.elementary;
        total.add(is_source, &cost, elementary)?;
        if !is_source {
            ops.entry(node.op.name()).or_default().add(false, &cost, elementary)?;
        }
        let mut stage = node.stage.map(|stage| stage.0);
        while let Some(index) = stage {
            stages[index as usize].add(is_source, &cost, elementary)?;
            stage = stage_parents[index as usize];
        }
        let mut block = node.block;
        while let Some(id) = block {
            blocks[id.0 as usize].add(is_source, &cost, elementary)?;
            block = graph.blocks()[id.0 as usize].parent;
        }
        // A node grows with the batch where an image reaches it.
        let grows = node.op.name() == "input" || node.inputs.iter().any(|outlet| scales[outlet.node.index()]);
        scales.push(grows);
        let called_as = node.called_as.unwrap_or_else(|| conventions::usual_call(node.op.name()));
        let inputs = graph.input_types(node);
        let io = Io { inputs: &inputs, outputs: &node.outputs };
        let counted = peers::quantities(&node.op, io, &full, &cost_weights(&cost))?;
        let class = classes.entry((node.op.name(), called_as, grows)).or_insert(Quantities::NONE);
        *class = class.checked_add(&counted)?;
        nodes.push(cost);
    }
    let conventions =
        CONVENTIONS.iter().map(|convention| count(convention, &classes, graph.batch)).collect::<Result<_, _>>()?;
    Ok(Analysis {
        largest_layer: largest_layer(graph, &nodes, total.macs),
        stages: stage_groups(graph, stages, &stage_parents),
        blocks: block_groups(graph, blocks),
        ops: op_groups(ops),
        conventions,
        nodes,
        total,
    })
}
