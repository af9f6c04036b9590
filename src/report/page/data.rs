//! What the page's script shows: the layers, their gradient paths, the drawing. One JSON document.

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;
use serde::{Serialize, Serializer};

use super::drawing::{Drawing, NODE_LIMIT, drawing};
use super::shown;
use crate::analysis::gradient::{Gradient, paths};
use crate::graph::{Node, NodeId};
use crate::report::Report;
use crate::source::LineIndex;

/// Beyond so many connections of layers, or of gradients, the lists of them are left out.
const EDGE_LIMIT: usize = 60_000;

/// A count: a number in JSON while a script can hold it exactly, else its digits as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number(u64);

impl From<u64> for Number {
    fn from(count: u64) -> Self {
        Self(count)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const EXACT: u64 = 1 << 53;
        if self.0 <= EXACT { serializer.serialize_u64(self.0) } else { serializer.collect_str(&self.0) }
    }
}

/// An op's attributes: names and values.
type Settings = Vec<(String, String)>;

/// The document.
#[derive(Serialize)]
pub(super) struct Data {
    name: String,
    ops: Vec<&'static str>,
    stages: Vec<String>,
    /// Different lists of attributes.
    settings: Vec<Settings>,
    nodes: Vec<Layer>,
    macs: Number,
    gradient: Vec<Paths>,
    drawing: Drawing,
    remarks: Vec<String>,
}

/// Name, op, attributes, stage (−1: none), output shapes, parameters, MACs, FLOPs, activations and CIO (none of the four
/// where they are unknown), traffic, place in the file, what it reads, its number among all nodes.
#[derive(Serialize)]
struct Layer(
    String,
    usize,
    usize,
    i64,
    String,
    Number,
    Option<Number>,
    Option<Number>,
    Option<Number>,
    Option<Number>,
    Number,
    String,
    Vec<usize>,
    usize,
);

/// A weight layer's node, log₂ of its number of gradient paths, the shortest and the longest one, its sources (node,
/// first channel, channels, ways), its consumers (−1: the loss).
#[derive(Serialize)]
struct Paths(usize, Option<String>, Option<u64>, Option<u64>, Vec<(i64, u64, u64, u64)>, Vec<i64>);

impl Data {
    pub(super) fn new(report: &Report<'_>) -> Self {
        let graph = report.graph;
        let mut remarks = Vec::new();
        let is_whole = graph.len() <= NODE_LIMIT;
        let ids = costliest(report, NODE_LIMIT);
        if !is_whole {
            remarks.push(format!(
                "The {} costliest of {} layers; --format csv lists all.",
                crate::units::grouped(ids.len() as u64),
                crate::units::grouped(graph.len() as u64)
            ));
        }
        let reads = is_whole && graph.edges() <= EDGE_LIMIT;
        let gradient = match report.gradient {
            Some(gradient) if is_whole && gradient.h.edges() <= EDGE_LIMIT => all_paths(gradient),
            Some(_) => {
                remarks.push("Gradient sources of single layers are left out: there are too many.".into());
                Vec::new()
            }
            None => Vec::new(),
        };
        let mut ops = IndexSet::default();
        let mut settings = IndexSet::default();
        let mut lines = LineIndex::new(report.sources);
        let nodes =
            ids.iter().map(|&id| layer(report, id, reads, &mut ops, &mut settings, &mut lines)).collect();
        Self {
            name: shown(&graph.name),
            ops: ops.into_iter().collect(),
            stages: graph.stages().iter().map(|stage| shown(stage)).collect(),
            settings: settings.into_iter().collect(),
            nodes,
            macs: report.analysis.total.macs.into(),
            gradient,
            drawing: drawing(report),
            remarks,
        }
    }

    /// What the page does not show of this network, in sentences.
    pub(super) fn remarks(&self) -> (&[String], &[String]) {
        (&self.remarks, &self.drawing.remarks)
    }
}

/// All nodes, or the costliest of very many, in order.
fn costliest(report: &Report<'_>, limit: usize) -> Vec<NodeId> {
    let mut ids: Vec<NodeId> = report.graph.nodes().map(|(id, _)| id).collect();
    if ids.len() > limit {
        let rank = |id: &NodeId| {
            let cost = &report.analysis.nodes[id.index()];
            (std::cmp::Reverse(cost.macs), std::cmp::Reverse(cost.flops), *id)
        };
        ids.select_nth_unstable_by_key(limit, rank);
        ids.truncate(limit);
        ids.sort_unstable();
    }
    ids
}

fn layer<'a>(
    report: &Report<'a>,
    id: NodeId,
    reads: bool,
    ops: &mut IndexSet<&'static str, FxBuildHasher>,
    settings: &mut IndexSet<Settings, FxBuildHasher>,
    lines: &mut LineIndex<'a>,
) -> Layer {
    let node = report.graph.node(id);
    let cost = &report.analysis.nodes[id.index()];
    let shapes: Vec<String> = node.outputs.iter().map(|output| output.shape.to_string()).collect();
    let stage = node.stage;
    let known = |count: u64| (!cost.unknown).then(|| count.into());
    Layer(
        shown(&node.name),
        ops.insert_full(node.op.name()).0,
        settings.insert_full(attributes(node)).0,
        stage.map_or(-1, |stage| i64::from(stage.0)),
        shapes.join(" "),
        cost.stored.learned().unwrap_or(u64::MAX).into(),
        known(cost.macs),
        known(cost.flops),
        known(cost.activations),
        known(cost.cio),
        report.analysis.traffic[id.index()].fused.into(),
        place(report, node, lines),
        if reads { node.inputs.iter().map(|outlet| outlet.node.index()).collect() } else { Vec::new() },
        id.index(),
    )
}

fn attributes(node: &Node) -> Settings {
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let settings = node.op.settings().into_iter().filter(|(_, value)| !value.is_null());
    settings.map(|(name, value)| (name.to_owned(), shown(&text(&value)))).collect()
}

/// `densenet121.json:12`, as the user named the file.
fn place<'a>(report: &Report<'a>, node: &Node, lines: &mut LineIndex<'a>) -> String {
    let line = node.origin.span.map(|span| {
        let file = &report.sources.get(span.source).name;
        format!("{}:{}", shown(file), lines.line(span))
    });
    let section = node.origin.section.map(|section| format!("section {section}"));
    line.into_iter().chain(section).collect::<Vec<_>>().join(", ")
}

fn all_paths(gradient: &Gradient) -> Vec<Paths> {
    let h = &gradient.h;
    let number = |vertex| h.node(vertex).map_or(-1, |id| i64::try_from(id.index()).unwrap_or(-1));
    let layers = h.layers().filter_map(|vertex| {
        let index = vertex as usize;
        let lengths = gradient.lengths[index];
        let log = gradient.paths.as_ref().map(|counts| paths::log2(&counts[index]));
        let sources = h.sources.row(index).iter();
        Some(Paths(
            h.node(vertex)?.index(),
            log.filter(|log| log.is_finite()).map(|log| format!("{log:.2}")),
            lengths.map(|lengths| lengths.0),
            lengths.map(|lengths| lengths.1),
            sources.map(|read| (number(read.vertex), read.first, read.channels, read.multiplicity)).collect(),
            h.consumers.row(index).iter().map(|read| number(read.vertex)).collect(),
        ))
    });
    layers.collect()
}
