//! What grows with a network. `cargo bench`; tests do not time.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a bench is no library")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use csp_profile::analysis::gradient::{Gradient, WeightGraph};
use csp_profile::analysis::{Analysis, analyze, memory, traffic};
use csp_profile::diagnostic::Sink;
use csp_profile::frontend::{self, LoadOptions, Loaded, load_bytes};
use csp_profile::profile::{Profile, Wanted};
use csp_profile::report::chart;
use csp_profile::report::page::Network;
use csp_profile::source::SourceMap;
use csp_profile::source::json::parse;

#[path = "../tests/common/onnx.rs"]
mod onnx;

fn load(text: &str) -> Loaded {
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let options = LoadOptions::default();
    let loaded =
        load_bytes("bench.json", "bench", text.as_bytes().to_vec(), &options, &mut sources, &mut sink);
    loaded.unwrap_or_else(|| panic!("{:?}", sink.diagnostics().first()))
}

fn whole(text: &str) -> Analysis {
    analyze(&load(text).graph).unwrap()
}

fn file(name: &str) -> String {
    std::fs::read_to_string(format!("{}/architectures/{name}.json", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// A network of so many nodes in a few lines: blocks of three, repeated.
fn repeated(nodes: usize) -> String {
    format!(
        r#"{{"inputs": {{"image": [8, 8, 8]}},
"blocks": {{"unit": {{"layers": [{{"op": "conv2d", "out_channels": 8, "kernel": 3, "padding": 1}},
{{"op": "batch_norm"}}, {{"op": "relu"}}]}}}},
"layers": [{{"block": "unit", "repeat": {}}}]}}"#,
        nodes / 3
    )
}

/// The same network with every layer written down and named, as a converter would.
fn flat(nodes: usize) -> String {
    let mut text = String::from("{\"inputs\": {\"image\": [8, 8, 8]}, \"layers\": [");
    let mut previous = "image".to_owned();
    for index in 0..nodes {
        let (name, attributes) = match index % 3 {
            0 => ("conv2d", ", \"out_channels\": 8, \"kernel\": 3, \"padding\": 1"),
            1 => ("batch_norm", ""),
            _ => ("relu", ""),
        };
        let comma = if index == 0 { "" } else { "," };
        write!(
            text,
            "{comma}\n{{\"op\": \"{name}\", \"name\": \"n{index}\", \"inputs\": \"{previous}\"{attributes}}}"
        )
        .unwrap();
        previous = format!("n{index}");
    }
    text + "]}"
}

/// A dense block: layer n reads n tensors.
fn dense(layers: usize) -> String {
    format!(
        r#"{{"inputs": {{"image": [8, 8, 8]}},
"blocks": {{"layer": {{"layers": [{{"op": "concat"}}, {{"op": "conv2d", "out_channels": 4, "kernel": 1}}]}}}},
"layers": [{{"block": "layer", "name": "layer", "repeat": {layers}, "inputs": ["image", "layer[..index]"]}}]}}"#
    )
}

fn networks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("architectures");
    for name in ["densenet201", "csp_densenet201", "resnet50"] {
        let text = file(name);
        group.bench_with_input(BenchmarkId::new("load+analyze", name), &text, |bencher, text| {
            bencher.iter(|| whole(black_box(text)));
        });
    }
    let loaded = load(&file("densenet201"));
    group.bench_function("analyze/densenet201", |bencher| bencher.iter(|| analyze(black_box(&loaded.graph))));
    group.finish();

    let mut group = criterion.benchmark_group("dense block");
    group.sample_size(20);
    let text = dense(1000);
    group.bench_function("load/1000 layers", |bencher| bencher.iter(|| load(black_box(&text))));
    group.finish();
}

/// Each pass over a network that is read: together at most 10 ms on densenet201.
fn passes(criterion: &mut Criterion) {
    for (name, text) in [("densenet201", file("densenet201")), ("dense block of 1000", dense(1000))] {
        let graph = load(&text).graph;
        let costs = analyze(&graph).unwrap();
        let mut group = criterion.benchmark_group(format!("passes/{name}"));
        group.sample_size(20);
        group.bench_function("traffic", |bencher| {
            bencher.iter(|| traffic::traffic(black_box(&graph), &costs.nodes));
        });
        group.bench_function("memory", |bencher| bencher.iter(|| memory::analyze(black_box(&graph))));
        group.bench_function("provenance", |bencher| bencher.iter(|| WeightGraph::new(black_box(&graph))));
        group.bench_function("gradient", |bencher| bencher.iter(|| Gradient::new(black_box(&graph))));
        group.finish();
    }
}

fn json(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("json");
    for (name, text) in [("densenet201", file("densenet201")), ("flat 100k", flat(100_000))] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::new("parse", name), &text, |bencher, text| {
            let source = SourceMap::default().add("bench", "");
            bencher.iter(|| parse(source, black_box(text)));
        });
    }
    group.finish();
}

/// A file of DenseNet-121's size: 121 layers of two convolutions, with their norms folded or not.
fn dense_model(payloads: bool) -> onnx::model::Model {
    use onnx::writer::{model, node, weight, zeros};
    let tensor = |name: &str, dims: &[i64]| if payloads { zeros(name, dims) } else { weight(name, dims) };
    let mut graph = onnx::model::Graph::default().input("t0", &[1, 64, 56, 56]).output("t121");
    for index in 0..121 {
        let name = |part: &str| format!("/features/denseblock/denselayer{index}/{part}");
        let (before, after) = (format!("t{index}"), format!("t{}", index + 1));
        let channels = 64 + 32 * i64::from(index);
        let statistics = ["scale", "bias", "mean", "var"].map(&name);
        let norm = [&before[..], &statistics[0], &statistics[1], &statistics[2], &statistics[3]];
        let (normal, relu, wide, narrow) = (name("bn"), name("relu"), name("w1"), name("w2"));
        let (middle, grown) = (name("c1"), name("c2"));
        graph = graph
            .node(
                node("BatchNormalization", &norm, &[&normal]).named(&name("norm1/bn")).with("epsilon", 1e-5),
            )
            .node(node("Relu", &[&normal], &[&relu]).named(&name("relu1/Relu")))
            .node(
                node("Conv", &[&relu, &wide], &[&middle])
                    .named(&name("conv1/Conv"))
                    .with("kernel_shape", vec![1, 1]),
            )
            .node(
                node("Conv", &[&middle, &narrow], &[&grown])
                    .named(&name("conv2/Conv"))
                    .with("kernel_shape", vec![3, 3])
                    .with("pads", vec![1, 1, 1, 1]),
            )
            .node(node("Concat", &[&before, &grown], &[&after]).named(&name("Concat")).with("axis", 1))
            .initializer(tensor(&wide, &[128, channels, 1, 1]))
            .initializer(tensor(&narrow, &[32, 128, 3, 3]));
        graph = statistics.iter().fold(graph, |graph, name| graph.initializer(tensor(name, &[channels])));
    }
    model(17, graph)
}

/// Weights cost nothing: both take the time of the graph.
fn onnx_files(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("onnx");
    group.sample_size(20);
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    for (name, payloads) in [("without weights", false), ("with weights", true)] {
        let encoded = onnx::writer::encode(&dense_model(payloads));
        let path = folder.join(format!("bench {name}.onnx"));
        // Zeros that are sought past take no space on a disk.
        encoded.write_sparse(&mut std::fs::File::create(&path).unwrap()).unwrap();
        group.bench_function(BenchmarkId::new("load", name), |bencher| {
            bencher.iter(|| {
                let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
                frontend::load(&path, &LoadOptions::default(), &mut sources, &mut sink).unwrap()
            });
        });
    }
    group.finish();
}

fn scale(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scale");
    group.sample_size(10);
    for nodes in [10_000, 100_000] {
        group.throughput(Throughput::Elements(nodes as u64));
        for (kind, text) in [("repeat", repeated(nodes)), ("flat", flat(nodes))] {
            group.bench_with_input(BenchmarkId::new(kind, nodes), &text, |bencher, text| {
                bencher.iter(|| whole(black_box(text)));
            });
        }
    }
    group.finish();
}

/// The HTML page of the largest DenseNet that torchvision has, with all its charts.
fn page(criterion: &mut Criterion) {
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let (text, options) = (file("densenet201").into_bytes(), LoadOptions::default());
    let loaded =
        load_bytes("densenet201.json", "densenet201", text, &options, &mut sources, &mut sink).unwrap();
    let profile = Profile::new(loaded, Wanted::ALL).unwrap_or_else(|_| panic!("too large"));
    let report = profile.report(&sources);
    let charts = chart::network(&report);
    let page = || Network { report, charts: black_box(&charts), command: "csp-profile" }.render();
    let bare = || Network { report, charts: &[], command: black_box("csp-profile") }.render();
    let mut group = criterion.benchmark_group("page");
    group.bench_function("densenet201", |bencher| bencher.iter(page));
    group.bench_function("densenet201 without charts", |bencher| bencher.iter(bare));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = networks, passes, json, onnx_files, scale, page
}
criterion_main!(benches);
