//! The key `prediction` of the JSON report: a network's time on a device that was calibrated.

use serde::Serialize;

use super::measurement::Measured;
use super::{Report, called};
use crate::analysis::prediction::Prediction;
use crate::device::Device;

#[derive(Serialize)]
struct Keys<'a> {
    device: &'a str,
    library: Option<&'a str>,
    threads: Option<u64>,
    calibrated: Option<&'a str>,
    /// Nanoseconds of the forward pass.
    forward_ns: f64,
    at_least: bool,
    unknown: Vec<Named<'a>>,
    likened: usize,
    stretched: usize,
    /// By how much it is above what was measured, as a share of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<Vec<Node<'a>>>,
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
    op: &'a str,
}

#[derive(Serialize)]
struct Node<'a> {
    name: &'a str,
    forward_ns: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<f64>,
}

/// The value of the key; without single nodes where those are not wanted.
pub(super) fn keys<'a>(
    report: &Report<'a>,
    device: &'a Device,
    prediction: &Prediction,
    nodes: bool,
) -> impl Serialize + use<'a> {
    let graph = report.graph;
    let from = device.latency.as_ref().map(|latency| &latency.provenance);
    let measured = Measured::new(report);
    let named = |id: &crate::graph::NodeId| {
        let node = graph.node(*id);
        Named { name: &node.name, op: called(node) }
    };
    let node = |(id, node): (crate::graph::NodeId, &'a crate::graph::Node)| {
        let forward_ns = prediction.nodes[id.index()]?;
        let pace = measured.and_then(|measured| measured.node(id));
        let error =
            pace.filter(|pace| pace.timing.is_resolved()).map(|pace| forward_ns / pace.timing.median - 1.0);
        Some(Node { name: &node.name, forward_ns, error })
    };
    Keys {
        device: &device.name,
        library: from.map(|from| from.library.as_str()),
        threads: from.map(|from| from.threads),
        calibrated: from.map(|from| from.date.as_str()),
        forward_ns: prediction.nanoseconds,
        at_least: !prediction.unknown.is_empty(),
        unknown: prediction.unknown.iter().map(named).collect(),
        likened: prediction.likened.len(),
        stretched: prediction.stretched.len(),
        error: error(report, prediction),
        nodes: nodes.then(|| graph.nodes().filter_map(node).collect()),
    }
}

/// By how much a prediction is above what was measured in the same report, as a share of that.
pub fn error(report: &Report<'_>, prediction: &Prediction) -> Option<f64> {
    let measured = Measured::new(report)?.forward()?.timing.median;
    prediction.unknown.is_empty().then(|| prediction.nanoseconds / measured - 1.0)
}
