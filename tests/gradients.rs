//! What the analysis says about gradients, held against gradients that were run.
#![cfg(feature = "exec")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "clippy takes only the test functions themselves for tests"
)]

mod common;

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use csp_profile::analysis::gradient::{Gradient, vertex_name};
use csp_profile::analysis::schedule::Schedule;
use csp_profile::executor::check::gradients::check;
use csp_profile::executor::seeded::Range;
use csp_profile::executor::{Network, Observer, seeded};
use csp_profile::frontend::LoadOptions;
use csp_profile::graph::{Graph, NodeId, StoredTensor};
use csp_profile::measurement::{Check, Verdict};
use csp_profile::ops::execute::Fault;

/// Multiply-accumulates that sources may take: all that these networks have.
const PRODUCTS: u64 = 5_000_000_000;

const FUSIONS: [&str; 4] = ["none", "csp", "first", "last"];

fn text(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/gradients/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn graph(text: &str, settings: &[(&str, &str)]) -> Graph {
    let set = settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let options = LoadOptions { set, ..LoadOptions::default() };
    common::Network::read("network.json", text, &options).unwrap().loaded.graph
}

fn network(graph: &Graph) -> Network<'_> {
    let mut values = |id: NodeId, one: &StoredTensor| seeded::stored(graph, id, one, 1, &Device::Cpu);
    Network::new(graph, &Device::Cpu, &mut values).map_err(|fault| fault.fault).unwrap()
}

/// The checks of a network against an analysis, by name.
fn checks(graph: &Graph, gradient: &Gradient) -> BTreeMap<&'static str, Check> {
    let schedule = Schedule::as_written(graph);
    let checks =
        check(&network(graph), gradient, &schedule, 1, PRODUCTS).map_err(|fault| fault.fault).unwrap();
    checks.into_iter().map(|check| (check.name, check)).collect()
}

#[track_caller]
fn holds(graph: &Graph) -> BTreeMap<&'static str, Check> {
    let gradient = Gradient::new(graph).unwrap();
    let checks = checks(graph, &gradient);
    for (name, check) in &checks {
        let off = check.off.iter().map(|off| (&*graph.node(off.node).name, &off.predicted, &off.measured));
        let off: Vec<_> = off.collect();
        let adds = gradient.copies.tensors > 0 || *name != "gradient_copies";
        assert!(
            !adds || check.verdict == Verdict::Exact,
            "{name}: {:?} {off:#?} {:?}",
            check.verdict,
            check.note
        );
        assert_eq!(check.predicted, check.measured, "{name}");
    }
    checks
}

#[test]
fn dense_stages_with_and_without_a_split() {
    // Ways from the network's input to the loss: through the stem, the stage of 4 layers and the reader.
    for (fusion, paths, layers) in [("none", 16, 8), ("csp", 17, 9), ("first", 16, 8), ("last", 17, 8)] {
        let graph = graph(&text("dense.json"), &[("fusion", fusion)]);
        let checks = holds(&graph);
        assert_eq!(checks["gradient_paths"].measured, Some(paths), "{fusion}");
        assert_eq!(checks["gradient_edges"].compared, layers, "{fusion}");
        // Every producer, the input among them, with every layer.
        assert_eq!(checks["gradient_sources"].compared, layers * (layers + 1), "{fusion}");
        assert!(matches!(checks["gradient_copies"].verdict, Verdict::Unchecked(_)));
    }
}

#[test]
fn sums_groups_and_shuffles() {
    let checks = holds(&graph(&text("residual.json"), &[]));
    // Three residual blocks, and one tensor added to itself.
    assert_eq!(checks["gradient_paths"].measured, Some(16));
    // Of the blocks the stem and three times an operand and the sum, of which the operand has a copy; the tensor and its
    // double have gradients of their own.
    let copies = &checks["gradient_copies"];
    assert_eq!((copies.compared, copies.measured), (1 + 3 * 2 + 2, Some(3)));
}

/// What passes a gradient on unchanged joins no classes, and is no fault either.
#[test]
fn classes_may_have_equal_gradients() {
    for between in ["dropout", "identity", "relu6", "flatten"] {
        let text = r#"{"inputs": {"x": [4]}, "batch": 2, "layers": [
            {"op": "linear", "name": "stem", "out_features": 4},
            {"op": "sigmoid", "name": "a"},
            {"op": "linear", "inputs": "stem", "out_features": 4},
            {"op": "sigmoid", "name": "b"},
            {"op": "add", "name": "first", "inputs": ["a", "b"]},
            {"op": "BETWEEN", "name": "between"},
            {"op": "linear", "inputs": "stem", "name": "c", "out_features": 4},
            {"op": "add", "inputs": ["between", "c"]},
            {"op": "linear", "out_features": 3}
        ]}"#;
        let graph = graph(&text.replace("BETWEEN", between), &[]);
        let copies = &checks(&graph, &Gradient::new(&graph).unwrap())["gradient_copies"];
        assert_eq!(copies.verdict, Verdict::Exact, "{between}: {copies:?}");
        // Two of three, and one of the two or three whose gradient is not a view.
        assert!(matches!(copies.measured, Some(3 | 4)), "{between}: {copies:?}");
        assert_eq!(copies.predicted, copies.measured, "{between}");
    }
}

/// A norm with one element for each mean makes constants: no gradient passes it, and no feature.
#[test]
fn nothing_is_exact_where_nothing_changes() {
    for (norm, batch) in [("batch_norm", "1"), ("instance_norm", "3")] {
        let text = r#"{"inputs": {"x": [3, 1, 1]}, "batch": BATCH, "layers": [
            {"op": "conv2d", "out_channels": 4, "kernel": 1},
            {"op": "NORM", "affine": true},
            {"op": "conv2d", "out_channels": 2, "kernel": 1}
        ]}"#;
        let graph = graph(&text.replace("NORM", norm).replace("BATCH", batch), &[]);
        let sources = &checks(&graph, &Gradient::new(&graph).unwrap())["gradient_sources"];
        let Verdict::Unchecked(why) = &sources.verdict else { panic!("{norm}: {sources:?}") };
        assert!(why.contains("no block"), "{norm}: {why}");
        assert!(sources.note.as_ref().unwrap().contains("2 blocks tell nothing"), "{sources:?}");
        assert_eq!(sources.predicted, sources.measured);
    }
}

/// Two features in one concat, and beside them a norm of one element.
fn concat_beside_a_dead_norm(order: &str) -> Graph {
    let text = r#"{"inputs": {"x": [3, 4, 4]}, "batch": 1, "outputs": ["head", "classes"], "layers": [
        {"op": "conv2d", "name": "a", "out_channels": 4, "kernel": 1},
        {"op": "conv2d", "name": "b", "inputs": "x", "out_channels": 4, "kernel": 1},
        {"op": "concat", "inputs": [ORDER]},
        {"op": "conv2d", "name": "head", "out_channels": 2, "kernel": 1},
        {"op": "global_avg_pool", "inputs": "a"},
        {"op": "batch_norm"},
        {"op": "flatten"},
        {"op": "linear", "name": "classes", "out_features": 2}
    ]}"#;
    graph(&text.replace("ORDER", order), &[])
}

/// What changes and was not predicted is off, whatever else is dead.
#[test]
fn a_dead_norm_hides_no_wrong_source() {
    let real = concat_beside_a_dead_norm(r#""a", "b""#);
    let sources = &checks(&real, &Gradient::new(&real).unwrap())["gradient_sources"];
    assert_eq!(sources.verdict, Verdict::Exact, "{sources:?}");
    assert!(sources.note.as_ref().unwrap().contains("1 blocks tell nothing"), "{sources:?}");
    for (order, what) in [(r#""b", "a""#, "4 more channels change"), (r#""a", "b", "a""#, "do not change")] {
        let wrong = Gradient::new(&concat_beside_a_dead_norm(order)).unwrap();
        let sources = &checks(&real, &wrong)["gradient_sources"];
        assert_eq!(sources.verdict, Verdict::Off, "{order}: {sources:?}");
        assert!(sources.off.iter().any(|off| off.measured.contains(what)), "{order}: {:?}", sources.off);
    }
}

/// A layer that the loss does not depend on has no gradient to look at, and that is said.
#[test]
fn layers_without_gradients_are_counted() {
    let graph = graph(
        r#"{"inputs": {"x": [3, 4, 4]}, "batch": 1, "outputs": ["head"], "layers": [
            {"op": "conv2d", "name": "head", "out_channels": 4, "kernel": 1},
            {"op": "conv2d", "name": "idle", "out_channels": 4, "kernel": 1},
            {"op": "conv2d", "name": "idle_too", "out_channels": 4, "kernel": 1}
        ]}"#,
        &[],
    );
    let sources = &checks(&graph, &Gradient::new(&graph).unwrap())["gradient_sources"];
    assert_eq!(sources.verdict, Verdict::Exact, "{sources:?}");
    assert!(sources.note.as_ref().unwrap().contains("2 layers' kernels get no gradient"), "{sources:?}");
}

#[test]
fn more_paths_than_doubles_count() {
    let checks = holds(&graph(&text("dense.json"), &[("k", "64"), ("growth", "1"), ("base", "2")]));
    let paths = &checks["gradient_paths"];
    assert_eq!(paths.measured, None);
    assert!(paths.note.as_ref().unwrap().contains("modulo two primes"), "{paths:?}");
}

/// An analysis of another wiring than the one that runs is found out, by every check that it concerns.
#[test]
fn a_wrong_analysis_is_off() {
    let right = text("dense.json");
    let real = graph(&right, &[]);
    let wiring = r#""inputs": ["input", "x[..index]"]"#;
    // Each layer reads the one before it twice in place of all before it: as many channels at one layer only.
    let wrong = right.replace(wiring, r#""inputs": ["input", "x[..index]", "input"]"#);
    assert_ne!(right, wrong);
    let mut gradient = Gradient::new(&graph(&wrong, &[])).unwrap();
    let found = checks(&real, &gradient);
    assert_eq!(found["gradient_sources"].verdict, Verdict::Off);
    gradient = Gradient::new(&real).unwrap();
    let paths = gradient.paths.as_mut().unwrap();
    paths[2] += 1u32;
    let found = checks(&real, &gradient);
    assert_eq!(found["gradient_paths"].verdict, Verdict::Off);
    assert_eq!(found["gradient_paths"].off.len(), 1);
    // A layer that is said to read one of its inputs less.
    let less = right.replace(wiring, r#""inputs": ["input", "x[max(0, index - 2)..index]"]"#);
    assert_ne!(right, less);
    let gradient = Gradient::new(&graph(&less, &[])).unwrap();
    let found = checks(&real, &gradient);
    for name in ["gradient_edges", "gradient_paths", "gradient_sources"] {
        assert_eq!(found[name].verdict, Verdict::Off, "{name}");
    }
}

/// The gradients of all nodes' outputs, an image a row.
#[derive(Default)]
struct Arrivals(BTreeMap<NodeId, Vec<Vec<f64>>>);

impl Observer for Arrivals {
    fn gradients(&mut self, node: NodeId, gradients: &[Option<Tensor>]) -> Result<(), Fault> {
        if let [Some(gradient)] = gradients {
            self.0.insert(node, gradient.flatten_from(1)?.to_vec2()?);
        }
        Ok(())
    }
}

/// The columns of some rows, from `first` on.
fn columns(rows: &[Vec<f64>], first: usize, count: usize) -> Vec<Vec<f64>> {
    (first..first + count).map(|column| rows.iter().map(|row| row[column]).collect()).collect()
}

/// The share of some columns that no linear map of others gives.
fn unexplained(of: &[Vec<f64>], by: &[Vec<f64>]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let less = |column: &mut Vec<f64>, basis: &[Vec<f64>]| {
        // Twice is enough (Kahan).
        for direction in basis.iter().chain(basis) {
            let part = dot(column, direction);
            column.iter_mut().zip(direction).for_each(|(value, along)| *value -= part * along);
        }
    };
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for column in by {
        let mut rest = column.clone();
        less(&mut rest, &basis);
        let length = dot(&rest, &rest).sqrt();
        if length > 1e-10 * dot(column, column).sqrt() {
            basis.push(rest.into_iter().map(|value| value / length).collect());
        }
    }
    let (mut left, mut all) = (0.0, 0.0);
    for column in of {
        let mut rest = column.clone();
        less(&mut rest, &basis);
        (left, all) = (left + dot(&rest, &rest), all + dot(column, column));
    }
    (left / all).sqrt()
}

/// CSPNet's truncation of the gradient flow: what arrives at a layer is a linear image of what arrives at the layer
/// that all its paths pass. So in a CSP stage what arrives at part 2 and in the block is known from T, and what arrives
/// at part 1 is not: "both sides do not contain duplicate gradient information that belongs to other sides".
#[test]
fn gradients_are_truncated_where_the_analysis_says() {
    for fusion in FUSIONS {
        let graph = graph(&text("linear.json"), &[("fusion", fusion)]);
        let gradient = Gradient::new(&graph).unwrap();
        let (h, groups) = (&gradient.h, &gradient.groups);
        let mut arrivals = Arrivals::default();
        let inputs = seeded::inputs(&graph, 1, &Device::Cpu).unwrap();
        let mut loss = |outputs: &[Tensor]| {
            let of = graph.tensor(graph.outputs[0]);
            Ok(vec![seeded::tensor("loss", 1, Range::INPUT, of, outputs[0].device())?])
        };
        let schedule = Schedule::as_written(&graph);
        let run = network(&graph).train(&schedule, inputs, &mut loss, &mut arrivals);
        run.map_err(|fault| fault.fault).unwrap();
        // The gradient of one channel group.
        let of = |node: u32| {
            let rows = &arrivals.0[&h.node(groups.vertices[node as usize]).unwrap()];
            let ranges = groups.ranges[node as usize].iter();
            ranges
                .flat_map(|&(first, count)| columns(rows, first as usize, count as usize))
                .collect::<Vec<_>>()
        };
        let mut compared = 0;
        for node in groups.of_layers(h) {
            let Some(dominator) = gradient.dominators.of(node) else { continue };
            if groups.vertices[dominator as usize] == h.loss() {
                continue;
            }
            let left = unexplained(&of(node), &of(dominator));
            let name = |node: u32| vertex_name(&graph, h, groups.vertices[node as usize]);
            assert!(left < 1e-9, "{fusion}: {} by {}: {left}", name(node), name(dominator));
            compared += 1;
        }
        assert!(compared >= 5, "{fusion}: {compared}");
        let layer = |name: &str| {
            arrivals.0.iter().find(|(id, _)| &*graph.node(**id).name == name).map(|(_, rows)| rows)
        };
        let all = |rows: &Vec<Vec<f64>>| columns(rows, 0, rows[0].len());
        let base = layer("base/conv2d").unwrap();
        let (part1, part2) = (columns(base, 0, 6), columns(base, 6, 6));
        if let Some(t) = layer("stage/T/conv2d").map(all) {
            assert!(unexplained(&part2, &t) < 1e-9, "{fusion}");
            for x in 0..3 {
                let x = all(layer(&format!("stage/dense/x[{x}]/conv2d")).unwrap());
                assert!(unexplained(&x, &t) < 1e-9, "{fusion}");
            }
            let left = unexplained(&part1, &t);
            assert!(left > 0.1, "{fusion}: part 1 is known from T: {left}");
        } else {
            // Without a transition of its own, part 2 gets all that arrives behind the stage.
            let u = all(layer("stage/U/conv2d").unwrap());
            assert!(unexplained(&part1, &u) < 1e-9 && unexplained(&part2, &u) < 1e-9, "{fusion}");
        }
    }
}
