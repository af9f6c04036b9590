//! A network as a diagram: boxes in boxes of stages and blocks, and the tensors between them.
//!
//! The text of every box comes from a user's file, so each format escapes it.

pub mod dot;
pub mod mermaid;

use indexmap::IndexMap;
use serde_json::Value;

use crate::graph::{BlockId, Graph, NodeId, Outlet};
use crate::ops::{Family, Operator};
use crate::units;

/// What holds boxes: the network, a stage or a block.
#[derive(Debug, Default)]
struct Cluster {
    /// Its name within the one around it.
    name: String,
    /// Clusters within by what they are, in the order of their first node.
    inner: IndexMap<Key, Self>,
    nodes: Vec<NodeId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Stage(String),
    Block(u32),
}

impl Cluster {
    /// Some nodes of a network in their stages, each stage's in their blocks.
    fn of(graph: &Graph, keep: impl Fn(NodeId) -> bool) -> Self {
        let mut top = Self::default();
        for (id, node) in graph.nodes().filter(|(id, _)| keep(*id)) {
            let mut current = &mut top;
            for label in stage_name(graph, id).into_iter().flat_map(|name| name.split('/')) {
                current = current.within(Key::Stage(label.to_owned()), label.to_owned());
            }
            for block in blocks(graph, node.block) {
                let name = &graph.blocks()[block.0 as usize].name;
                let name = name.rsplit('/').next().unwrap_or(name).to_owned();
                // The use of a block that is a stage is in a box already.
                if current.name != name {
                    current = current.within(Key::Block(block.0), name);
                }
            }
            current.nodes.push(id);
        }
        top
    }

    fn within(&mut self, key: Key, name: String) -> &mut Self {
        self.inner.entry(key).or_insert_with(|| Self { name, ..Self::default() })
    }
}

/// A node's stage.
fn stage_name(graph: &Graph, id: NodeId) -> Option<&str> {
    let stage = graph.node(id).stage?;
    graph.stages().get_index(stage.0 as usize).map(String::as_str)
}

/// A block and those around it, outermost first.
fn blocks(graph: &Graph, block: Option<BlockId>) -> Vec<BlockId> {
    let parent = |block: &BlockId| graph.blocks()[block.0 as usize].parent;
    let mut chain: Vec<BlockId> = std::iter::successors(block, parent).collect();
    chain.reverse();
    chain
}

/// The lines in a node's box: its name's last part, what it does, what it gives, what it stores.
fn lines(graph: &Graph, id: NodeId) -> Vec<String> {
    let node = graph.node(id);
    let name = node.name.rsplit('/').next().unwrap_or(&node.name);
    let op = node.op.name();
    let mut what = op.to_owned();
    for (attribute, value) in node.op.settings() {
        if node.is_input() || matches!(attribute, "bias" | "eps" | "negative_slope") {
            continue;
        }
        let value = match &value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        what.push_str(&format!(" {attribute}={}", short(&value)));
    }
    let mut lines = Vec::new();
    if !name.starts_with(op) {
        lines.push(short(name));
    }
    lines.push(what);
    let shapes: Vec<String> = node.outputs.iter().take(4).map(|output| output.shape.to_string()).collect();
    let more = if node.outputs.len() > shapes.len() { ", …" } else { "" };
    lines.push(shapes.join(", ") + more);
    let weights = node.op.weights(&graph.input_types(node));
    let stored = units::sum(weights.iter().filter_map(|weight| weight.shape.elements().ok()));
    if let Ok(stored @ 1..) = stored
        && node.shares.is_none()
    {
        lines.push(format!("{} stored", units::si(stored)));
    }
    lines
}

/// A text that fits in a box.
fn short(text: &str) -> String {
    const MOST: usize = 48;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST - 1).chain(['…']).collect()
}

/// The shape of a tensor, beside an arrow.
fn shape(graph: &Graph, outlet: Outlet) -> String {
    graph.tensor(outlet).shape.to_string()
}

/// The sort of work that a box is, and its colour.
fn sort(graph: &Graph, id: NodeId) -> (&'static str, &'static str) {
    let family = graph.node(id).op.family();
    let sorts = SORTS.iter().find(|(_, _, families)| families.contains(&family));
    sorts.map_or(("other", "#fff9c4"), |(name, colour, _)| (name, colour))
}

/// Sorts of work: a name, a colour, the families of ops.
const SORTS: &[(&str, &str, &[Family])] = &[
    ("source", "#e0e0e0", &[Family::Source]),
    ("weights", "#bbdefb", &[Family::Convolution, Family::Linear, Family::Product]),
    ("norm", "#e1bee7", &[Family::Normalization]),
    ("activation", "#ffe0b2", &[Family::Activation]),
    ("pool", "#c8e6c9", &[Family::Pooling, Family::GlobalPooling, Family::Reduction]),
    ("arithmetic", "#ffcdd2", &[Family::Arithmetic]),
    ("other", "#fff9c4", &[Family::Movement]),
];
