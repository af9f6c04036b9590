//! Networks that run: every predicted figure is what happens, and gradients are slopes.
#![cfg(feature = "exec")]
#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "clippy takes only the test functions themselves for tests"
)]

use std::path::Path;
use std::process::Command;

use candle_core::{Device, Tensor};
use csp_profile::analysis::schedule::Schedule;
use csp_profile::analysis::{Analysis, analyze};
use csp_profile::diagnostic::Sink;
use csp_profile::executor::check::stored;
use csp_profile::executor::{Network, seeded};
use csp_profile::frontend::{LoadOptions, load_bytes};
use csp_profile::graph::{Graph, NodeId, StoredTensor};
use csp_profile::measurement::Verdict;
use csp_profile::ops::Io;
use csp_profile::ops::execute::{Call, Execute, Mode, Stored};
use csp_profile::source::SourceMap;

/// What `measure` says of a shipped network, timing nothing.
fn measured(network: &str, more: &[&str]) -> (Option<i32>, serde_json::Value) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("architectures").join(format!("{network}.json"));
    let output = Command::new(env!("CARGO_BIN_EXE_csp-profile"))
        .arg("measure")
        .arg(file)
        // The fewest producers of sources are enough where loops are not optimised.
        .args(["--samples", "0", "--sources", "0", "--format", "json", "--no-report"])
        .args(more)
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{network}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), report)
}

/// Every check of a report that is not exact, but for what a network has nothing of.
fn inexact(report: &serde_json::Value) -> Vec<&serde_json::Value> {
    let checks = report["measurement"]["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 14, "{checks:#?}");
    // Where networks are large, sources are looked at elsewhere.
    let wanted =
        |check: &&serde_json::Value| check["name"] != "gradient_sources" || check["verdict"] == "off";
    let copies = report["nodes"].as_array().unwrap().iter().any(|node| node["op"] == "add");
    // What an op takes while it runs is declared as the most.
    let is_within = |check: &serde_json::Value| {
        let most = check["name"] == "workspace" || check["name"] == "training_workspace";
        check["verdict"] == "exact" || (most && check["verdict"] == "within")
    };
    checks
        .iter()
        .filter(|check| !is_within(check))
        .filter(wanted)
        .filter(|check| copies || check["name"] != "gradient_copies")
        .collect()
}

#[test]
fn every_figure_of_shipped_networks_is_what_happens() {
    let mut faults = Vec::new();
    // Small ones: these loops are not optimised. Of one row and one place, batch_norm gives no gradient at all.
    for (network, more) in [
        ("mobilenet_v2", &["--input", "2x3x64x64"][..]),
        ("efficientnet_b0", &["--input", "2x3x64x64"]),
        ("peleenet", &["--input", "1x3x32x32", "--schedule", "lowered"]),
        ("csp_peleenet", &["--input", "1x3x32x32", "--set", "fusion=last"]),
        ("efficientnet_b0", &["--input", "2x3x32x32", "--dtype", "bf16"]),
        ("mobilenet_v2", &["--input", "2x3x32x32", "--dtype", "f16"]),
        // Its blocks begin with a concat of one slice, which is copied.
        ("csp_densenet121", &["--input", "1x3x32x32"]),
    ] {
        let (code, report) = measured(network, more);
        let inexact = inexact(&report);
        if code != Some(0) || !inexact.is_empty() {
            faults.push(format!("{network}: exit {code:?}, {inexact:#?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

const NETWORK: &str = r#"{
  "inputs": {"image": [3, 9, 8]},
  "layers": [
    {"op": "conv2d", "out_channels": 6, "kernel": 3, "stride": 2, "padding": 1},
    {"op": "batch_norm"},
    {"op": "silu", "name": "x0"},
    {"op": "slice", "axis": 1, "start": 0, "end": 2, "inputs": "x0", "name": "bypass"},
    {"op": "slice", "axis": 1, "start": 2, "end": 6, "inputs": "x0", "name": "inner"},
    {"op": "conv2d", "out_channels": 4, "kernel": 3, "padding": 1, "groups": 2},
    {"op": "mish", "name": "x1"},
    {"op": "concat", "inputs": ["inner", "x1"]},
    {"op": "conv2d", "out_channels": 4, "kernel": 1, "name": "transition"},
    {"op": "concat", "inputs": ["bypass", "transition"]},
    {"op": "avg_pool2d", "kernel": 2},
    {"op": "flatten"},
    {"op": "linear", "out_features": 3}
  ]
}
"#;

/// Parts that are no views when they run: every second channel, and a shape over axes in another order.
const COPIED_PARTS: &str = r#"{
  "inputs": {"image": [2, 3, 4]},
  "layers": [
    {"op": "conv2d", "out_channels": 4, "kernel": 1, "name": "x0"},
    {"op": "slice", "axis": 1, "start": 0, "step": 2, "inputs": "x0", "name": "even"},
    {"op": "slice", "axis": 1, "start": 1, "step": 2, "inputs": "x0", "name": "odd"},
    {"op": "conv2d", "out_channels": 2, "kernel": 3, "padding": 1, "inputs": "odd", "name": "inner"},
    {"op": "mul", "inputs": ["even", "inner"], "name": "product"},
    {"op": "concat", "inputs": ["product", "odd"], "name": "x1"},
    {"op": "transpose", "permutation": [0, 2, 3, 1], "name": "turned"},
    {"op": "reshape", "shape": [-1, 6, 8], "name": "rows"},
    {"op": "linear", "out_features": 3, "name": "head"},
    {"op": "global_avg_pool", "inputs": "x0", "name": "pooled"}
  ],
  "outputs": ["head", "pooled"]
}
"#;

/// Views of views: parts, transposes and repeats under other shapes, some of which are copies.
const VIEWS: &str = r#"{
  "inputs": {"image": [4, 3, 4]},
  "layers": [
    {"op": "conv2d", "out_channels": 4, "kernel": 1, "name": "x0"},
    {"op": "slice", "axis": 1, "start": 0, "step": 2, "inputs": "x0", "name": "even"},
    {"op": "slice", "axis": 1, "start": 1, "end": 3, "inputs": "x0", "name": "middle"},
    {"op": "flatten", "axis": 2, "inputs": "middle", "name": "flat"},
    {"op": "unsqueeze", "axes": [1], "inputs": "middle", "name": "longer"},
    {"op": "squeeze", "axes": [1], "name": "shorter"},
    {"op": "add", "inputs": ["even", "shorter"], "name": "halves"},
    {"op": "transpose", "permutation": [0, 2, 1], "inputs": "flat", "name": "turned"},
    {"op": "transpose", "permutation": [0, 2, 1], "name": "again"},
    {"op": "reshape", "shape": [-1, 2, 3, 4], "name": "back"},
    {"op": "mul", "inputs": ["back", "halves"], "name": "product"},
    {"op": "constant", "shape": [1, 2, 1, 1], "dtype": "f64", "trainable": true, "name": "token"},
    {"op": "expand", "shape": [-1, 2, 3, 4], "inputs": "token", "name": "wide"},
    {"op": "add", "inputs": ["product", "wide"], "name": "sum"},
    {"op": "global_avg_pool", "name": "pooled"},
    {"op": "expand", "shape": [-1, 2, 3, 4], "name": "spread"},
    {"op": "transpose", "permutation": [0, 2, 3, 1], "name": "last"},
    {"op": "reshape", "shape": [-1, 12, 2], "name": "rows"},
    {"op": "concat", "axis": 2, "inputs": ["rows", "turned"], "name": "head"}
  ],
  "outputs": ["head"]
}
"#;

fn graph(text: &str) -> Graph {
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let options = LoadOptions {
        dtype: Some(csp_profile::tensor::DType::F64),
        batch: Some(2),
        ..LoadOptions::default()
    };
    let loaded =
        load_bytes("network.json", "network", text.as_bytes().to_vec(), &options, &mut sources, &mut sink);
    loaded.unwrap_or_else(|| panic!("{:?}", sink.diagnostics())).graph
}

/// The sum of the outputs' squares, halved: its gradient is the outputs themselves.
fn loss(outputs: &[Tensor]) -> f64 {
    outputs.iter().map(|y| y.sqr().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap() / 2.0).sum()
}

#[test]
fn gradients_of_all_stored_tensors_are_slopes() {
    assert!(compared_slopes(NETWORK) > 60);
}

#[test]
fn gradients_of_parts_that_are_copies_are_slopes() {
    assert!(compared_slopes(COPIED_PARTS) > 30);
}

#[test]
fn gradients_of_views_of_views_are_slopes() {
    assert!(compared_slopes(VIEWS) > 10);
}

#[test]
fn what_is_a_view_in_training_takes_no_memory_and_what_is_not_does() {
    for text in [VIEWS, COPIED_PARTS] {
        for batch in ["1", "3"] {
            let (code, report) = measured_text(&text.replace("f64", "f32"), &["--batch", batch]);
            assert_eq!(code, Some(0), "{:#}", report["measurement"]["checks"]);
            let checks = report["measurement"]["checks"].as_array().unwrap();
            let verdict = |name: &str| &checks.iter().find(|check| check["name"] == name).unwrap()["verdict"];
            assert_eq!((verdict("memory"), verdict("training_memory")), (&"exact".into(), &"exact".into()));
        }
    }
}

#[test]
fn gradients_of_shared_tensors_are_slopes() {
    assert!(compared_slopes(STORING) > 20);
}

/// How many gradients were compared with slopes.
fn compared_slopes(text: &str) -> usize {
    let graph = graph(text);
    let mut values = |id, one: &_| seeded::stored(&graph, id, one, 1, &Device::Cpu);
    let mut network = Network::new(&graph, &Device::Cpu, &mut values).unwrap();
    let schedule = Schedule::as_written(&graph);
    let inputs = seeded::inputs(&graph, 1, &Device::Cpu).unwrap();
    let mut copy = |outputs: &[Tensor]| Ok(outputs.iter().map(Tensor::copy).collect::<Result<_, _>>()?);
    let learned = network.train(&schedule, inputs.clone(), &mut copy, &mut ()).unwrap();
    let value = |network: &Network<'_>| {
        let mut found = 0.0;
        let mut note = |outputs: &[Tensor]| {
            found = loss(outputs);
            Ok(outputs.iter().map(Tensor::copy).collect::<Result<_, _>>()?)
        };
        network.train(&schedule, inputs.clone(), &mut note, &mut ()).unwrap();
        found
    };
    let mut compared = 0;
    for (id, node) in graph.nodes() {
        for (name, gradient) in &learned[id.index()] {
            let stored = network.stored(id).get(name).unwrap().clone();
            let numbers = stored.flatten_all().unwrap().to_vec1::<f64>().unwrap();
            let gradient = gradient.flatten_all().unwrap().to_vec1::<f64>().unwrap();
            let largest = gradient.iter().fold(1e-3, |most: f64, g| most.max(g.abs()));
            for index in (0..numbers.len()).step_by(1 + numbers.len() / 12) {
                let mut moved = |by: f64| {
                    let mut numbers = numbers.clone();
                    numbers[index] += by;
                    let numbers = Tensor::from_vec(numbers, stored.shape(), &Device::Cpu).unwrap();
                    network.store(id, name, &numbers).unwrap();
                    value(&network)
                };
                let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                let difference = (slope - gradient[index]).abs();
                assert!(
                    difference < 1e-6 * largest.max(1.0),
                    "{}.{name}[{index}]: {slope} {}",
                    node.name,
                    gradient[index]
                );
                compared += 1;
            }
            network.store(id, name, &stored).unwrap();
        }
    }
    compared
}

/// The report of a network that is written here, timing nothing.
fn measured_text(text: &str, more: &[&str]) -> (Option<i32>, serde_json::Value) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("network.json");
    std::fs::write(&file, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_csp-profile"))
        .arg("measure")
        .arg(&file)
        .args(["--samples", "0", "--format", "json", "--no-report"])
        .args(more)
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), report)
}

/// Small networks of what few have, each with checks that are exact for it.
const ODD: [(&str, &str, &[&str]); 10] = [
    (
        "attention, whose two products are probed one by one",
        r#"{"inputs": {"x": [10, 8]}, "layers": [
            {"op": "linear", "name": "q", "out_features": 8},
            {"op": "linear", "name": "k", "inputs": "x", "out_features": 8},
            {"op": "linear", "name": "v", "inputs": "x", "out_features": 8},
            {"op": "attention", "heads": 2, "inputs": ["q", "k", "v"]}]}"#,
        &["macs", "macs_grad_input", "macs_grad_weight", "memory", "training_memory"],
    ),
    (
        "products of three tensors, and one that sums before it multiplies",
        r#"{"inputs": {"x": [6, 4], "y": [4, 5], "z": [5, 3]}, "layers": [
            {"op": "einsum", "equation": "bij,bjk,bkl->bil", "inputs": ["x", "y", "z"], "name": "three"},
            {"op": "einsum", "equation": "bij,bjk->k", "inputs": ["x", "y"], "name": "two"}],
            "outputs": ["three", "two"]}"#,
        &["macs", "macs_grad_input"],
    ),
    (
        "statistics of halves",
        r#"{"inputs": {"x": [4, 6, 6]}, "dtype": "f16", "layers": [
            {"op": "conv2d", "out_channels": 4, "kernel": 3}, {"op": "batch_norm"}, {"op": "relu"},
            {"op": "group_norm", "groups": 2}, {"op": "layer_norm"}, {"op": "instance_norm"}]}"#,
        &["memory", "training_memory"],
    ),
    (
        "learned tensors behind ops that train otherwise than they run",
        r#"{"inputs": {"x": [4, 6]}, "layers": [
            {"op": "constant", "name": "k", "shape": [2, 4, 6], "trainable": true},
            {"op": "layer_norm"}, {"op": "dropout"}, {"op": "relu"},
            {"op": "reduce_mean", "axes": [0], "name": "all"},
            {"op": "add", "inputs": ["x", "all"]}]}"#,
        &["memory", "training_memory"],
    ),
    (
        "a learned map before convolutions",
        r#"{"inputs": {"x": [3, 6, 6]}, "layers": [
            {"op": "constant", "name": "k", "shape": [1, 3, 6, 6], "trainable": true},
            {"op": "conv2d", "out_channels": 4, "kernel": 3, "padding": 1},
            {"op": "conv2d", "out_channels": 3, "kernel": 3, "padding": 1, "name": "b"},
            {"op": "add", "inputs": ["x", "b"]}, {"op": "conv2d", "out_channels": 2, "kernel": 1}]}"#,
        &["training_memory", "gradient_sources"],
    ),
    (
        "layers that nothing reads",
        r#"{"inputs": {"x": [3, 6, 6]}, "layers": [
            {"op": "conv2d", "out_channels": 4, "kernel": 3, "padding": 1}, {"op": "relu", "name": "r"},
            {"op": "conv2d", "out_channels": 4, "kernel": 3, "padding": 1, "name": "c"},
            {"op": "conv2d", "out_channels": 4, "kernel": 3, "padding": 1, "inputs": "r"}, {"op": "relu"}],
            "outputs": ["c"]}"#,
        &["memory", "training_memory", "gradient_sources"],
    ),
    (
        "convolutions that are transposed",
        r#"{"inputs": {"x": [2, 5, 5]}, "layers": [
            {"op": "conv_transpose2d", "out_channels": 3, "kernel": 4, "stride": 2, "padding": 1},
            {"op": "conv_transpose2d", "out_channels": 4, "kernel": 16, "stride": 8, "padding": 4},
            {"op": "conv_transpose2d", "out_channels": 4, "kernel": 3, "stride": 3, "output_padding": 1, "groups": 2}]}"#,
        &["macs", "memory", "training_memory"],
    ),
    (
        "kernels shared in a chain",
        r#"{"inputs": {"x": [4, 6, 6]}, "layers": [
            {"op": "conv2d", "out_channels": 4, "kernel": 3, "padding": 1, "name": "a"}, {"op": "relu"},
            {"op": "conv2d", "out_channels": 4, "kernel": 3, "padding": 1, "name": "b", "share": "a"}, {"op": "relu"},
            {"op": "conv2d", "out_channels": 4, "kernel": 3, "padding": 1, "name": "c", "share": "b"}]}"#,
        &["parameters", "training_memory", "gradient_sources"],
    ),
    (
        "an axis that is longer in the last tensor alone",
        r#"{"inputs": {"x": [4, 3, 2], "y": [2, 5]}, "layers": [
            {"op": "reduce_sum", "axes": [1], "keep_dims": true, "inputs": "x", "name": "one"},
            {"op": "einsum", "equation": "bhij,bjk,bhil->bhlk", "inputs": ["one", "y", "x"]}]}"#,
        &["macs_grad_input"],
    ),
    (
        "an output of truth values",
        r#"{"inputs": {"x": [4]}, "layers": [
            {"op": "linear", "out_features": 3, "name": "a"},
            {"op": "unary", "function": "is_nan", "name": "u"}, {"op": "relu", "inputs": "a", "name": "r"}],
            "outputs": ["r", "u"]}"#,
        &["macs"],
    ),
];

#[test]
fn odd_networks_are_as_predicted() {
    for (what, text, exact) in ODD {
        for batch in ["1", "3"] {
            let (code, report) = measured_text(text, &["--batch", batch]);
            let checks = report["measurement"]["checks"].as_array().unwrap();
            let off: Vec<_> = checks.iter().filter(|check| check["verdict"] == "off").collect();
            assert_eq!((code, off), (Some(0), vec![]), "{what}");
            for name in exact {
                let check = checks.iter().find(|check| check["name"] == *name).unwrap();
                assert_eq!(check["verdict"], "exact", "{what}: {check}");
            }
        }
    }
}

/// The graphs that onnxruntime ran, each as its file has it.
#[test]
fn exported_networks_are_as_predicted() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance");
    let mut ran = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "onnx") && !path.ends_with("ops.onnx") {
            let output = Command::new(env!("CARGO_BIN_EXE_csp-profile"))
                .args(["measure", "--samples", "0", "--format", "json", "--no-report", "--sources", "0"])
                .arg(&path)
                .output()
                .unwrap();
            let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            let checks = report["measurement"]["checks"].as_array().unwrap();
            let off: Vec<_> = checks.iter().filter(|check| check["verdict"] == "off").collect();
            assert_eq!((output.status.code(), off), (Some(0), vec![]), "{}", path.display());
            ran += 1;
        }
    }
    assert_eq!(ran, 8);
}

#[test]
fn a_second_gradient_has_room_where_there_is_a_first() {
    let text = r#"{"inputs": {"x": [2, 4, 4]}, "layers": [
        {"op": "conv2d", "out_channels": 3, "kernel": 1, "name": "a"},
        {"op": "relu", "name": "b"},
        {"op": "relu", "name": "c"},
        {"op": "add", "inputs": ["a", "c"], "name": "sum"},
        {"op": "add", "inputs": ["sum", "sum"], "name": "twice"}
    ]}"#;
    let (code, report) = measured_text(text, &[]);
    assert_eq!(code, Some(0), "{:#}", report["measurement"]["checks"]);
    let curve = report["measurement"]["memory"][1]["curve"].as_array().unwrap();
    let room = |name: &str| {
        let step = curve.iter().find(|step| step["node"] == name && step["pass"] == "backward").unwrap();
        step["workspace"].as_u64().unwrap()
    };
    // 3·4·4 numbers of 4 bytes. `sum` gives `a` a gradient before `b` does; that of `c` is the first of `b`.
    assert_eq!(room("b") - room("c"), 192);
    // What an add passes on is in memory already, and it takes nothing else.
    assert_eq!((room("sum"), room("twice")), (0, 0));
}

#[test]
fn what_is_not_run_is_said_to_be_unchecked() {
    let text = r#"{"inputs": {"x": [4]}, "layers": [{"op": "linear", "out_features": 3}, {"op": "relu"}]}"#;
    let (code, report) = measured_text(text, &["--no-training"]);
    assert_eq!(code, Some(0));
    let checks = report["measurement"]["checks"].as_array().unwrap();
    let unchecked = checks.iter().filter(|check| check["reason"] == "no step of training was run");
    let names: Vec<_> = unchecked.map(|check| check["name"].as_str().unwrap()).collect();
    let training = [
        "training_memory",
        "training_workspace",
        "gradient_edges",
        "gradient_paths",
        "gradient_sources",
        "gradient_copies",
    ];
    assert_eq!((checks.len(), names), (14, training.to_vec()));
}

/// A file may list tensors in other layouts than those that the op's loops read: one matrix for scale and shift, the
/// bounds of a clip.
#[test]
fn operations_are_counted_whatever_a_file_lists() {
    let text = r#"{"inputs": {"x": [4, 5, 5]}, "layers": [
        {"op": "batch_norm", "stored": [{"role": "weight", "shape": [2, 4]}, {"role": "buffer", "shape": [8]}]},
        {"op": "relu", "stored": [{"role": "buffer", "shape": []}, {"role": "buffer", "shape": []}]},
        {"op": "prelu", "stored": []}
    ]}"#;
    let flops = |text: &str| {
        let (_, report) = measured_text(text, &["--no-training"]);
        let checks = report["measurement"]["checks"].as_array().unwrap();
        let flops = checks.iter().find(|check| check["name"] == "flops").unwrap();
        assert_eq!((&flops["verdict"], &flops["compared"]), (&"exact".into(), &3.into()), "{flops}");
        flops["measured"].as_u64().unwrap()
    };
    let mut plain: serde_json::Value = serde_json::from_str(text).unwrap();
    for layer in plain["layers"].as_array_mut().unwrap() {
        layer.as_object_mut().unwrap().remove("stored");
    }
    let counted = flops(&plain.to_string());
    assert!(counted > 0);
    assert_eq!(flops(text), counted);
}

/// A kernel that two layers use, a norm with its buffers, and a constant.
const STORING: &str = r#"{
  "inputs": {"image": [4, 5, 5]},
  "layers": [
    {"op": "conv2d", "name": "a", "out_channels": 4, "kernel": 3, "padding": 1, "groups": 2},
    {"op": "batch_norm"},
    {"op": "conv2d", "name": "b", "out_channels": 4, "kernel": 3, "padding": 1, "groups": 2, "share": "a"},
    {"op": "constant", "name": "offset", "shape": [4, 1, 1], "dtype": "f64", "trainable": true},
    {"op": "add", "inputs": ["b", "offset"]}
  ]
}"#;

#[test]
fn stored_tensors_are_those_that_ops_read() {
    let graph = graph(STORING);
    let mut values = |id, one: &_| seeded::stored(&graph, id, one, 1, &Device::Cpu);
    let network = Network::new(&graph, &Device::Cpu, &mut values).unwrap();
    let schedule = Schedule::as_written(&graph);
    let checked = |change: &dyn Fn(&mut Analysis)| {
        let mut analysis = analyze(&graph).unwrap();
        change(&mut analysis);
        let mut inputs = || seeded::inputs(&graph, 1, &Device::Cpu);
        stored::check(&network, &analysis, &schedule, &mut inputs).map_err(|fault| fault.fault).unwrap()
    };
    // 4·2·9 and 4, once; 4·4; 4.
    let right = checked(&|_| {});
    assert_eq!((right.verdict, right.measured), (Verdict::Exact, Some(76 + 16 + 4)));
    // Counted again where it is shared; at a node and in all; in all alone.
    let wrong = checked(&|analysis| analysis.nodes[3].stored.weights += 72);
    assert_eq!((wrong.verdict, wrong.off.len()), (Verdict::Off, 1));
    let wrong = checked(&|analysis| analysis.total.stored.buffers -= 8);
    assert_eq!((wrong.verdict, wrong.predicted), (Verdict::Off, Some(88)));
}

/// What an op leaves unread is not counted, and told.
#[test]
fn what_is_not_read_is_told() {
    let stored: Stored = [("weight", 3), ("bias", 2)]
        .map(|(name, count)| (name, Tensor::zeros(count, candle_core::DType::F32, &Device::Cpu).unwrap()))
        .into_iter()
        .collect();
    let read = |stored: &Stored| stored.reads().filter(|(.., is_read)| *is_read).count();
    assert_eq!(read(&stored), 0);
    assert!(stored.get_if(false, "bias").unwrap().is_none() && stored.find("other").is_none());
    assert_eq!(read(&stored), 0);
    stored.get("weight").unwrap();
    assert_eq!((read(&stored), read(&stored.clone())), (1, 0));
    stored.forget();
    assert_eq!(read(&stored), 0);
    assert!(stored.get_if(true, "other").is_err());
}

#[test]
fn values_of_another_size_are_refused() {
    let graph = graph(STORING);
    let mut values = |id: NodeId, one: &StoredTensor| {
        let values = seeded::stored(&graph, id, one, 1, &Device::Cpu)?;
        // As without groups.
        Ok(if &*graph.node(id).name == "a" { Tensor::cat(&[&values, &values], 0)? } else { values })
    };
    let Err(fault) = Network::new(&graph, &Device::Cpu, &mut values) else { panic!("it is taken") };
    assert!(fault.fault.to_string().contains("`weight` is 4x2x3x3"), "{}", fault.fault);
    // An op that is handed such a kernel by itself does not take a part of it for the whole.
    let conv = graph.node(graph.nodes().nth(1).unwrap().0);
    let types = graph.input_types(conv);
    let ones = |dims: &[usize]| Tensor::ones(dims, candle_core::DType::F64, &Device::Cpu).unwrap();
    let stored: Stored = [("weight", ones(&[4, 4, 3, 3])), ("bias", ones(&[4]))].into_iter().collect();
    let (io, inputs) = (Io { inputs: &types, outputs: &conv.outputs }, [ones(&[2, 4, 5, 5])]);
    let call = Call { io, inputs: &inputs, stored: &stored, mode: Mode::Evaluate };
    assert!(conv.op.forward(&call).is_err_and(|fault| fault.to_string().contains("is read")));
}

#[test]
fn what_does_not_run_is_said_at_its_layer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("network.json");
    std::fs::write(&file, r#"{"inputs": {"x": {"shape": [4], "dtype": "i8"}}, "layers": [{"op": "relu"}]}"#)
        .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_csp-profile"))
        .arg("measure")
        .arg(&file)
        .arg("--no-report")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.is_empty());
}
