//! What is reported: the serialisable view of an analysis, schema version 1, and its renderers.
//!
//! Definitions of all keys: `csp-profile explain report`. Keys are added, never renamed.

pub mod budget;
pub mod chart;
pub mod claims;
pub mod comparison;
pub mod csv;
pub mod device;
pub mod diagnostics;
pub mod diagram;
pub mod figures;
pub mod gradient;
pub mod markdown;
pub mod measurement;
pub mod memory;
pub mod page;
pub mod prediction;
pub mod sections;
pub mod sheet;
pub mod sweep;
pub mod table;

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};

use crate::analysis::conventions::CONVENTIONS;
use crate::analysis::gradient::Gradient;
use crate::analysis::gradient::equations::Notation;
use crate::analysis::memory as memory_analysis;
use crate::analysis::prediction::Prediction;
use crate::analysis::roofline::Roofline;
use crate::analysis::{Analysis, Group, Sum, Traffic};
use crate::budget::Verdict;
use crate::device::Device;
use crate::graph::{Graph, Node, NodeId, Outlet};
use crate::measurement::Measurement;
use crate::ops::Op;
use crate::ops::attribute::{SettingValue, decimal};
use crate::published::{self, Fact};
use crate::source::{LineIndex, SourceMap};

/// The version of the JSON report's keys.
pub const SCHEMA_VERSION: u32 = 1;

/// All that a report is made from.
#[derive(Clone, Copy)]
pub struct Report<'a> {
    /// The network.
    pub graph: &'a Graph,
    /// Its costs.
    pub analysis: &'a Analysis,
    /// The values of the file's parameters.
    pub parameters: &'a [(String, SettingValue)],
    /// The published figures of the file. Those that hold for other parameters or inputs are counted, not judged.
    pub facts: &'a [Fact],
    /// The texts that nodes come from.
    pub sources: &'a SourceMap,
    /// The file's format.
    pub format: &'a str,
    /// Its memory, where that was asked for.
    pub memory: Option<&'a memory_analysis::Analysis>,
    /// Its gradient paths, where those were asked for.
    pub gradient: Option<&'a Gradient>,
    /// The verdict of its budget, where one was asked for.
    pub budget: Option<&'a Verdict>,
    /// What was measured of it, where it was run.
    pub measurement: Option<&'a Measurement>,
    /// A device, where one was named, and the least times on it: bounds of what was measured.
    pub roofline: Option<(&'a Device, &'a Roofline)>,
    /// A device that was calibrated, where one was named, and the time predicted on it.
    pub prediction: Option<(&'a Device, &'a Prediction)>,
}

impl Report<'_> {
    /// Our value of a metric of the totals, under a convention if one is named; `None` where we have none.
    pub fn value(&self, metric: &str, convention: Option<&str>) -> Option<u64> {
        if let Some(name) = convention {
            let index = CONVENTIONS.iter().position(|convention| convention.name == name)?;
            return self.analysis.conventions[index];
        }
        let total = &self.analysis.total;
        let stored = &total.stored;
        Some(match metric {
            "nodes" => total.nodes,
            "parameters.total" | "parameters.trainable" => stored.learned().ok()?,
            "parameters.as_used" => total.used,
            "parameters.weights" => stored.weights,
            "parameters.bias" => stored.bias,
            "parameters.norm" => stored.norm,
            "parameters.other" => stored.other,
            "buffers" => stored.buffers,
            "weight_bytes" => stored.bytes,
            "macs" => total.macs,
            "flops" => total.flops,
            "activations" => total.activations,
            "cio" => total.cio,
            "cio_with_pools" => total.cio_with_pools,
            "traffic_bytes.unfused" => total.traffic.unfused,
            "traffic_bytes.fused" => total.traffic.fused,
            "traffic_bytes.compulsory" => total.traffic.compulsory,
            "traffic_bytes.onnxsim" => total.traffic.onnxsim,
            _ => match metric.strip_prefix("conventions.") {
                Some(name) => return self.value("", Some(name)),
                None if published::is_of_gradient(metric) => {
                    return gradient::value(self.gradient?, metric);
                }
                None => return memory::value(self.memory?, metric),
            },
        })
    }

    /// The published figures that hold for these parameters and inputs.
    pub fn applying(&self) -> impl Iterator<Item = &Fact> {
        self.facts.iter().filter(|fact| fact.applies)
    }

    /// A fact's verdict.
    pub fn judge(&self, fact: &Fact) -> published::Verdict {
        fact.judge(self.value(&fact.metric, fact.convention.as_deref()))
    }
}

/// A node whose cost is not known.
#[derive(Serialize)]
struct UnknownOp<'a> {
    name: &'a str,
    op: &'a str,
}

impl<'a> Report<'a> {
    /// The nodes whose cost is not known, and what their format calls their op.
    fn unknown_ops(&self) -> impl Iterator<Item = UnknownOp<'a>> {
        let Report { graph, analysis, .. } = *self;
        let nodes = graph.nodes().filter(|(id, _)| analysis.nodes[id.index()].unknown);
        nodes.map(|(_, node)| UnknownOp { name: &node.name, op: called(node) })
    }

    /// Why figures are lower bounds, where they are: what stands below a table.
    pub fn at_least(&self) -> Option<String> {
        self.unknown_costs().map(|why| format!("≥ is at least: {why}"))
    }

    /// Which costs are unknown, where some are: `the cost of 1 op is unknown (Fancy)`.
    pub fn unknown_costs(&self) -> Option<String> {
        let count = self.analysis.total.unknown;
        if count == 0 {
            return None;
        }
        let mut kinds: Vec<&str> = Vec::new();
        for unknown in self.unknown_ops() {
            if !kinds.contains(&unknown.op) && kinds.len() <= MOST_KINDS {
                kinds.push(unknown.op);
            }
        }
        let more = if kinds.len() > MOST_KINDS { ", …" } else { "" };
        kinds.truncate(MOST_KINDS);
        let ops = if count == 1 { "1 op".into() } else { format!("{count} ops") };
        Some(format!("the cost of {ops} is unknown ({}{more})", kinds.join(", ")))
    }
}

/// Kinds of unknown ops that are named.
const MOST_KINDS: usize = 4;

/// What an op is called: an unknown one as in its file.
pub fn called(node: &Node) -> &str {
    match &*node.op {
        Op::Unknown(unknown) if !unknown.called.is_empty() => &unknown.called,
        op => op.name(),
    }
}

impl Serialize for Report<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.write(serializer, true)
    }
}

impl Report<'_> {
    /// The serialised report as a tree: what budgets look figures up in. A tree of a million nodes is gigabytes, so they
    /// may be left out, and with them the blocks.
    ///
    /// # Errors
    /// Where serde_json cannot hold a figure.
    pub fn tree(&self, nodes: bool) -> Result<serde_json::Value, serde_json::Error> {
        self.write(serde_json::value::Serializer, nodes)
    }

    fn write<S: Serializer>(&self, serializer: S, nodes: bool) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema_version", &SCHEMA_VERSION)?;
        map.serialize_entry("architecture", &Architecture::new(self))?;
        map.serialize_entry("totals", &Totals(self))?;
        let stages = self.memory.map_or(&[][..], |memory| &memory.stages);
        map.serialize_entry("stages", &Groups(&self.analysis.stages, stages))?;
        if nodes {
            map.serialize_entry("blocks", &Groups(&self.analysis.blocks, &[]))?;
        }
        map.serialize_entry("ops", &Groups(&self.analysis.ops, &[]))?;
        if nodes {
            map.serialize_entry("nodes", &Nodes(self))?;
        }
        map.serialize_entry("published", &Facts(self))?;
        if let Some(gradient) = self.gradient {
            let view = gradient::GradientReport { graph: self.graph, gradient, notation: Notation::Text };
            map.serialize_entry("gradient", &view)?;
        }
        if let Some((device, prediction)) = self.prediction {
            map.serialize_entry("prediction", &prediction::keys(self, device, prediction, nodes))?;
        }
        if let Some(measured) = measurement::Measured::new(self) {
            map.serialize_entry("measurement", &measured.keys(nodes))?;
        }
        if let Some(verdict) = self.budget {
            map.serialize_entry("budget", verdict)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Architecture<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    format: &'a str,
    parameters: serde_json::Map<String, serde_json::Value>,
    batch: u64,
    inputs: Vec<Tensor<'a>>,
    outputs: Vec<Tensor<'a>>,
}

#[derive(Serialize)]
struct Tensor<'a> {
    name: String,
    shape: &'a [u64],
    dtype: &'static str,
}

impl<'a> Architecture<'a> {
    fn new(report: &Report<'a>) -> Self {
        let graph = report.graph;
        let tensor = |outlet: Outlet| {
            let tensor = graph.tensor(outlet);
            Tensor {
                name: outlet_name(graph, outlet),
                shape: tensor.shape.axes(),
                dtype: tensor.dtype.name(),
            }
        };
        Self {
            name: &graph.name,
            description: graph.description.as_deref(),
            format: report.format,
            parameters: report
                .parameters
                .iter()
                .map(|(name, value)| (name.clone(), setting(value)))
                .collect(),
            batch: graph.batch,
            inputs: graph.inputs().iter().map(|&node| tensor(Outlet { node, port: 0 })).collect(),
            outputs: graph.outputs.iter().map(|&outlet| tensor(outlet)).collect(),
        }
    }
}

/// A parameter's value: a whole number as a number, a fraction as text, for JSON has no exact ones.
fn setting(value: &SettingValue) -> serde_json::Value {
    match value {
        SettingValue::Flag(flag) => (*flag).into(),
        SettingValue::Text(text) => text.as_ref().into(),
        SettingValue::Number(number) => {
            let whole = number.is_integer().then(|| i64::try_from(*number.numer()).ok()).flatten();
            whole.map_or_else(|| decimal(*number).into(), Into::into)
        }
        SettingValue::Null | SettingValue::List(_) => serde_json::Value::Null,
    }
}

/// A tensor's name: its node's, with the output's number where there are several.
pub fn outlet_name(graph: &Graph, outlet: Outlet) -> String {
    let node = graph.node(outlet.node);
    if node.outputs.len() > 1 { format!("{}:{}", node.name, outlet.port) } else { node.name.to_string() }
}

#[derive(Serialize)]
struct Parameters {
    total: u64,
    trainable: u64,
    as_used: u64,
    weights: u64,
    bias: u64,
    norm: u64,
    other: u64,
}

impl Parameters {
    fn new(sum: &Sum) -> Self {
        let stored = &sum.stored;
        // The analysis has summed these already, so the sum fits.
        let total = stored.learned().unwrap_or(u64::MAX);
        Self {
            total,
            trainable: total,
            as_used: sum.used,
            weights: stored.weights,
            bias: stored.bias,
            norm: stored.norm,
            other: stored.other,
        }
    }
}

/// The keys that totals and groups share.
fn costs<M: SerializeMap>(map: &mut M, sum: &Sum) -> Result<(), M::Error> {
    map.serialize_entry("nodes", &sum.nodes)?;
    map.serialize_entry("at_least", &(sum.unknown > 0))?;
    map.serialize_entry("parameters", &Parameters::new(sum))?;
    map.serialize_entry("buffers", &sum.stored.buffers)?;
    map.serialize_entry("weight_bytes", &sum.stored.bytes)?;
    map.serialize_entry("macs", &sum.macs)?;
    map.serialize_entry("flops", &sum.flops)?;
    map.serialize_entry("flops_by_kind", &by_kind(sum))?;
    map.serialize_entry("activations", &sum.activations)?;
    map.serialize_entry("cio", &sum.cio)?;
    map.serialize_entry("cio_with_pools", &sum.cio_with_pools)?;
    map.serialize_entry("traffic_bytes", &TrafficBytes::from(&sum.traffic))
}

#[derive(Serialize)]
struct TrafficBytes {
    unfused: u64,
    fused: u64,
    compulsory: u64,
    onnxsim: u64,
}

impl From<&Traffic> for TrafficBytes {
    fn from(traffic: &Traffic) -> Self {
        let Traffic { unfused, fused, compulsory, onnxsim } = *traffic;
        Self { unfused, fused, compulsory, onnxsim }
    }
}

/// FLOPs by kind; they sum to `flops`. A multiply-accumulate is 2.
fn by_kind(sum: &Sum) -> BTreeMap<&'static str, u64> {
    let products = std::iter::once(("mac", sum.macs.saturating_mul(2)));
    let others = sum.elementary.iter().map(|(kind, count)| (kind.name(), count));
    products.chain(others).filter(|(_, count)| *count > 0).collect()
}

struct Totals<'a, 'r>(&'r Report<'a>);

#[derive(Serialize)]
struct LargestLayer<'a> {
    name: &'a str,
    share: f64,
    max_over_mean: f64,
}

impl Serialize for Totals<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Report { graph, analysis, .. } = self.0;
        let mut map = serializer.serialize_map(None)?;
        costs(&mut map, &analysis.total)?;
        let conventions: serde_json::Map<String, serde_json::Value> = CONVENTIONS
            .iter()
            .zip(&analysis.conventions)
            .map(|(convention, &count)| {
                (convention.name.to_owned(), count.map_or(serde_json::Value::Null, Into::into))
            })
            .collect();
        map.serialize_entry("conventions", &conventions)?;
        let unknown: Vec<UnknownOp<'_>> = self.0.unknown_ops().collect();
        map.serialize_entry("unknown_ops", &unknown)?;
        let largest = analysis.largest_layer.as_ref().map(|layer| LargestLayer {
            name: &graph.node(layer.node).name,
            share: layer.share,
            max_over_mean: layer.max_over_mean,
        });
        map.serialize_entry("largest_layer", &largest)?;
        if let Some(analysis) = self.0.memory {
            memory::totals(&mut map, graph, analysis)?;
        }
        map.end()
    }
}

struct Groups<'a>(&'a [Group], &'a [memory_analysis::StageMemory]);

impl Serialize for Groups<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct One<'a>(&'a Group, Option<&'a memory_analysis::StageMemory>);
        impl Serialize for One<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("name", &self.0.name)?;
                costs(&mut map, &self.0.sum)?;
                if let Some(stage) = self.1 {
                    memory::stage(&mut map, stage)?;
                }
                map.end()
            }
        }
        serializer.collect_seq(self.0.iter().enumerate().map(|(index, group)| One(group, self.1.get(index))))
    }
}

struct Nodes<'a, 'r>(&'r Report<'a>);

#[derive(Serialize)]
struct Origin<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    section: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    onnx_index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    onnx_name: Option<&'a str>,
}

#[derive(Serialize)]
struct NodeRow<'a> {
    name: &'a str,
    op: &'static str,
    attributes: serde_json::Map<String, serde_json::Value>,
    stage: Option<&'a str>,
    block: Option<&'a str>,
    inputs: Vec<String>,
    output_shapes: Vec<&'a [u64]>,
    parameters: u64,
    buffers: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unknown: bool,
    macs: Option<u64>,
    flops: Option<u64>,
    activations: Option<u64>,
    cio: Option<u64>,
    traffic_bytes: TrafficBytes,
    origin: Origin<'a>,
}

impl Serialize for Nodes<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let report = self.0;
        let mut lines = LineIndex::new(report.sources);
        let mut rows = serializer.serialize_seq(Some(report.graph.len()))?;
        for (id, node) in report.graph.nodes() {
            rows.serialize_element(&row(report, id, node, &mut lines))?;
        }
        rows.end()
    }
}

fn row<'a>(report: &Report<'a>, id: NodeId, node: &'a Node, lines: &mut LineIndex<'a>) -> NodeRow<'a> {
    let cost = &report.analysis.nodes[id.index()];
    let span = node.origin.span;
    // Nothing is known is not nothing.
    let known = |count: u64| (!cost.unknown).then_some(count);
    NodeRow {
        name: &node.name,
        op: node.op.name(),
        attributes: node.op.settings().into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        stage: stage_name(report.graph, node),
        block: block_name(report.graph, node),
        inputs: node.inputs.iter().map(|&outlet| outlet_name(report.graph, outlet)).collect(),
        output_shapes: node.outputs.iter().map(|output| output.shape.axes()).collect(),
        parameters: cost.stored.learned().unwrap_or(u64::MAX),
        buffers: cost.stored.buffers,
        unknown: cost.unknown,
        macs: known(cost.macs),
        flops: known(cost.flops),
        activations: known(cost.activations),
        cio: known(cost.cio),
        traffic_bytes: (&report.analysis.traffic[id.index()]).into(),
        origin: Origin {
            file: span.map(|span| report.sources.get(span.source).name.as_str()),
            line: span.map(|span| lines.line(span)),
            section: node.origin.section,
            onnx_index: node.origin.onnx_index,
            onnx_name: node.origin.onnx_name.as_deref(),
        },
    }
}

/// The name of a node's stage.
pub fn stage_name<'a>(graph: &'a Graph, node: &Node) -> Option<&'a str> {
    node.stage.and_then(|stage| graph.stages().get_index(stage.0 as usize)).map(String::as_str)
}

/// The name of a node's block instance.
pub fn block_name<'a>(graph: &'a Graph, node: &Node) -> Option<&'a str> {
    node.block.and_then(|block| graph.blocks().get(block.0 as usize)).map(|block| &*block.name)
}

struct Facts<'a, 'r>(&'r Report<'a>);

#[derive(Serialize)]
struct FactRow<'a> {
    metric: &'a str,
    convention: Option<&'a str>,
    value: &'a str,
    source: &'a str,
    ours: Option<u64>,
    verdict: &'static str,
    reason: Option<&'a str>,
}

/// A verdict's name in reports.
pub fn verdict_name(verdict: published::Verdict) -> &'static str {
    match verdict {
        published::Verdict::Holds => "holds",
        published::Verdict::DiffersAsStated => "differs",
        published::Verdict::Fails => "fails",
        published::Verdict::Recorded => "recorded",
    }
}

impl Serialize for Facts<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let report = self.0;
        serializer.collect_seq(report.applying().map(|fact| FactRow {
            metric: &fact.metric,
            convention: fact.convention.as_deref(),
            value: &fact.value.text,
            source: &fact.source,
            ours: report.value(&fact.metric, fact.convention.as_deref()),
            verdict: verdict_name(report.judge(fact)),
            reason: fact.differs.as_ref().map(|difference| difference.reason.as_str()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_may_name_every_convention() {
        let names: Vec<&str> = CONVENTIONS.iter().map(|convention| convention.name).collect();
        assert_eq!(names, published::CONVENTIONS);
    }

    #[test]
    fn every_listed_metric_has_a_value() {
        let (mut sources, mut sink) = (SourceMap::default(), crate::diagnostic::Sink::default());
        let text = br#"{"inputs": {"x": [4]}, "layers": [{"op": "relu"}]}"#;
        let options = crate::frontend::LoadOptions::default();
        let loaded =
            crate::frontend::load_bytes("t.json", "t", text.to_vec(), &options, &mut sources, &mut sink)
                .unwrap();
        let analysis = crate::analysis::analyze(&loaded.graph).unwrap();
        let memory = memory_analysis::analyze(&loaded.graph).unwrap();
        let (graph, analysis, sources) = (&loaded.graph, &analysis, &sources);
        let memory = Some(&memory);
        let report = Report {
            graph,
            analysis,
            parameters: &[],
            facts: &[],
            sources,
            format: "json",
            memory,
            gradient: None,
            budget: None,
            measurement: None,
            prediction: None,
            roofline: None,
        };
        for metric in published::METRICS {
            assert!(report.value(metric, None).is_some(), "{metric}");
        }
    }
}
