//! Which layers a figure is made of.

use crate::analysis::conventions::Convention;
use crate::analysis::memory::Model;
use crate::analysis::{cost::NodeCost, counts_by_node};
use crate::budget::amount::{Amount, Quantity};
use crate::budget::lookup::within;
use crate::budget::messages::Part;
use crate::budget::{Row, Scope, glob};
use crate::graph::Node;
use crate::report::measurement::Measured;
use crate::report::{Report, outlet_name, stage_name};

/// The layers of a row's part of the network and what each adds to its figure; for a peak the tensors that are in memory
/// then. Empty where the figure is no sum over either.
pub fn parts(report: &Report<'_>, row: &Row) -> Vec<Part> {
    let metric = row.metric.strip_prefix("totals.").unwrap_or(&row.metric);
    let quantity = Quantity::of(metric);
    let part = |name: String, count: u64| Part {
        name,
        amount: Amount::new(num::BigRational::from_integer(count.into()), quantity),
    };
    if let Some(model) = metric.strip_prefix("peak_memory_bytes.") {
        let index = Model::REPORTED.iter().position(|(key, _)| *key == model);
        let (Some(memory), Some(index), Scope::Net) = (report.memory, index, &row.scope) else {
            return Vec::new();
        };
        let peak = &memory.models[index];
        let alive = peak.alive(peak.step);
        return alive
            .iter()
            .map(|alive| part(outlet_name(report.graph, alive.tensor), alive.bytes))
            .collect();
    }
    if let (Some(measured), "measurement.time.forward.median_ns") = (Measured::new(report), metric) {
        let forward = measured.timed().filter_map(|(id, node)| {
            let time = num::BigRational::from_float(node.forward?.median)?;
            Some(Part { name: report.graph.node(id).name.to_string(), amount: Amount::new(time, quantity) })
        });
        return forward.collect();
    }
    let conventions = metric.strip_prefix("conventions.").and_then(Convention::find);
    let counts = conventions.and_then(|convention| counts_by_node(report.graph, convention).ok());
    let nodes = report.graph.nodes().filter(|(_, node)| is_part(report, node, &row.scope));
    nodes
        .filter_map(|(id, node)| {
            let index = id.index();
            let count = match &counts {
                Some(counts) => counts[index],
                None => of_node(&report.analysis.nodes[index], metric)
                    .or_else(|| traffic(report, index, metric))?,
            };
            Some(part(node.name.to_string(), count))
        })
        .collect()
}

fn is_part(report: &Report<'_>, node: &Node, scope: &Scope) -> bool {
    match scope {
        Scope::Net => true,
        Scope::Stage(stage) => {
            stage_name(report.graph, node).is_some_and(|own| within(Some(&own.into()), stage))
        }
        Scope::Layers(pattern) => **pattern == *node.name || glob::matches(pattern, &node.name),
        Scope::Op(op) => node.op.name() == op,
    }
}

fn of_node(cost: &NodeCost, metric: &str) -> Option<u64> {
    let stored = &cost.stored;
    Some(match metric {
        "macs" => cost.macs,
        "flops" => cost.flops,
        "activations" => cost.activations,
        "cio" => cost.cio,
        "cio_with_pools" => cost.cio_with_pools,
        "parameters" | "parameters.total" | "parameters.trainable" => stored.learned().ok()?,
        "parameters.weights" => stored.weights,
        "parameters.bias" => stored.bias,
        "parameters.norm" => stored.norm,
        "parameters.other" => stored.other,
        "buffers" => stored.buffers,
        "weight_bytes" => stored.bytes,
        _ => return None,
    })
}

fn traffic(report: &Report<'_>, index: usize, metric: &str) -> Option<u64> {
    let traffic = &report.analysis.traffic[index];
    Some(match metric.strip_prefix("traffic_bytes.")? {
        "unfused" => traffic.unfused,
        "fused" => traffic.fused,
        "compulsory" => traffic.compulsory,
        "onnxsim" => traffic.onnxsim,
        _ => return None,
    })
}
