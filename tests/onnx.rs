//! Real ONNX files against what other programs print of them.
//!
//! `tests/onnx/truth.csv` has the figures: PyTorch's own counts, an independent reference over the files, and the
//! programs that conventions are named after. The files are not in the repository: `CSP_PROFILE_CORPUS` names the folder
//! that holds `onnx/` (batch norms folded) and `onnx-bn/` (not folded). Without it each file is skipped with a line, and
//! under `CSP_PROFILE_REQUIRE_CORPUS=1` a skip is a failure.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "clippy takes only the test functions themselves for tests"
)]

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;

use common::Network;
use csp_profile::analysis::memory::{self, InPlace, Model, arena};
use csp_profile::analysis::schedule::Schedule;
use csp_profile::analysis::{analyze, conventions};
use csp_profile::diagnostic::Sink;
use csp_profile::frontend::{LoadOptions, load};
use csp_profile::graph::Node;
use csp_profile::source::SourceMap;

/// A figure of the table by model and column; none where a program has no value.
fn truth() -> Vec<BTreeMap<String, String>> {
    let mut reader =
        csv::Reader::from_path(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/onnx/truth.csv"))
            .unwrap();
    let rows: Vec<BTreeMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 10);
    rows
}

/// A file of the corpus; skipped aloud where it is not there.
fn corpus(file: &str) -> Option<Network> {
    let path = std::env::var_os("CSP_PROFILE_CORPUS").map(|folder| PathBuf::from(folder).join(file));
    let Some(path) = path.filter(|path| path.exists()) else {
        let required = std::env::var("CSP_PROFILE_REQUIRE_CORPUS").is_ok_and(|value| value == "1");
        assert!(!required, "{file} is not in CSP_PROFILE_CORPUS");
        println!("skipped: {file} is not in CSP_PROFILE_CORPUS");
        return None;
    };
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let loaded = load(&path, &LoadOptions::default(), &mut sources, &mut sink).unwrap();
    let loaded = loaded.unwrap_or_else(|| panic!("{file}: {:?}", sink.diagnostics()));
    assert!(sink.diagnostics().is_empty(), "{file}: {:?}", sink.diagnostics());
    let analysis = analyze(&loaded.graph).unwrap();
    Some(Network { loaded, analysis, sources, sink })
}

/// Compares and collects what differs.
struct Check<'a> {
    row: &'a BTreeMap<String, String>,
    file: String,
    faults: Vec<String>,
}

impl Check<'_> {
    fn theirs(&self, column: &str) -> u64 {
        self.row[column].parse().unwrap_or_else(|_| panic!("{column} of {}", self.file))
    }

    fn equal(&mut self, column: &str, ours: u64) {
        let theirs = self.theirs(column);
        if ours != theirs {
            self.faults.push(format!("{}: {column} is {ours}, not {theirs}", self.file));
        }
    }
}

fn finish(faults: &[String]) {
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn folded_files_have_the_figures_of_the_truth() {
    let mut faults = Vec::new();
    for row in truth() {
        let model = &row["model"];
        let file = format!("onnx/{model}.onnx");
        let Some(network) = corpus(&file) else { continue };
        let mut check = Check { row: &row, file, faults: Vec::new() };
        let (graph, total) = (&network.loaded.graph, &network.analysis.total);
        check.equal("macs", total.macs);
        check.equal("activations", total.activations);
        let memory = memory::analyze(graph).unwrap();
        check.equal("peak", memory.models[0].peak);
        check.equal("peak_inplace", memory.models[1].peak);
        check.equal("stored_folded", total.stored.learned().unwrap() + total.stored.buffers);
        if !row["onnxsim_bytes"].is_empty() {
            check.equal("onnxsim_bytes", total.traffic.onnxsim);
        }
        // onnxsim overwrites no norm, and its arena has a place for constants: the sizes that a split is given are two
        // numbers of eight bytes.
        let model = Model { in_place: InPlace::AllButNorms, views: false };
        let arena = arena::plan(&model.memory(graph, &Schedule::as_written(graph)).unwrap(), 1).unwrap();
        let sizes = if row["model"].starts_with("csp") { 16 } else { 0 };
        check.equal("onnxsim_arena", arena.bytes + sizes);
        faults.extend(check.faults);
    }
    finish(&faults);
}

#[test]
fn unfolded_files_have_the_figures_of_the_truth() {
    let mut faults = Vec::new();
    for row in truth() {
        let file = format!("onnx-bn/{}.onnx", row["model"]);
        let Some(network) = corpus(&file) else { continue };
        let mut check = Check { row: &row, file, faults: Vec::new() };
        let total = &network.analysis.total;
        check.equal("macs", total.macs);
        check.equal("activations", total.activations);
        check.equal("params", total.stored.learned().unwrap());
        check.equal("buffers", total.stored.buffers);
        check.equal("bn_params", if total.stored.buffers > 0 { total.stored.norm } else { 0 });
        check.equal("peak_unfolded", memory::analyze(&network.loaded.graph).unwrap().models[0].peak);
        faults.extend(check.faults);
    }
    finish(&faults);
}

/// The sum of output elements over some nodes.
fn elements(network: &Network, wanted: impl Fn(&Node) -> bool) -> u64 {
    let nodes = network.loaded.graph.nodes().filter(|(_, node)| wanted(node));
    nodes.flat_map(|(_, node)| &node.outputs).map(|output| output.elements().get()).sum()
}

/// By how much a program's figure lies above what the file alone tells: what its classes and calls say.
fn by_class_or_call(network: &Network, model: &str, convention: &str) -> i64 {
    let of = |op: &'static str| move |node: &Node| node.op.name() == op;
    let signed = |count: u64| i64::try_from(count).unwrap();
    let norms = signed(elements(network, of("batch_norm")));
    let graph = &network.loaded.graph;
    let last = graph.nodes().rfind(|(_, node)| node.op.name() == "global_avg_pool");
    let pool = last.map_or((0, 0), |(_, node)| {
        (signed(graph.tensor(node.inputs[0]).elements().get()), signed(node.outputs[0].elements().get()))
    });
    match (model, convention) {
        // The last ReLU and the global pool are functions: each element is counted once, not twice.
        ("densenet121" | "densenet201", "ptflops") => -2 * pool.0,
        // A pool that is a function is not counted.
        ("densenet121" | "densenet201" | "mobilenet_v2", "thop") => -(pool.0 + pool.1),
        ("mobilenet_v2", "ptflops") => -pool.0,
        // The adaptive pool from 7×7 to 7×7 is exported as a pool with a window of one element.
        ("vgg16", "fvcore" | "thop") => signed(elements(network, of("avg_pool2d"))),
        // SiLU is exported as a sigmoid, which counts nothing, and a product with it.
        ("efficientnet_b0", "ptflops" | "calflops_flops") => {
            let gated = |node: &Node| {
                let reads = |index: usize| node.inputs.get(index).map(|input| input.node);
                let is_gate = |index| reads(index).is_some_and(|id| graph.node(id).op.name() == "sigmoid");
                let gate = |index| reads(index).map(|id| graph.node(id).inputs[0].node);
                let twice = |value: usize, index: usize| is_gate(index) && gate(index) == reads(value);
                node.op.name() == "mul" && (twice(0, 1) || twice(1, 0))
            };
            signed(elements(network, gated))
        }
        // timm derives its batch norm from PyTorch's, which programs that look for exact classes miss.
        ("cspresnext50" | "cspdarknet53", "ptflops") => -2 * norms,
        ("cspresnext50" | "cspdarknet53", "thop") => -4 * norms,
        ("cspresnext50" | "cspdarknet53", "torchinfo") => -signed(network.analysis.total.stored.norm),
        // The fused attention is lost: its projections, 197·768·(2304 + 768), and products, 2·12·197²·64, of 12 layers.
        ("vit_b_16", "fvcore" | "calflops_macs") => -12 * (197 * 768 * 3072 + 2 * 12 * 197 * 197 * 64),
        _ => 0,
    }
}

#[test]
fn conventions_differ_only_by_classes_and_calls() {
    let mut faults = Vec::new();
    for row in truth() {
        let model = row["model"].clone();
        let file = format!("onnx-bn/{model}.onnx");
        let Some(network) = corpus(&file) else { continue };
        let mut check = Check { row: &row, file, faults: Vec::new() };
        assert!(network.loaded.graph.nodes().all(|(_, node)| node.called_as.is_none()));
        for convention in conventions::CONVENTIONS {
            // The others count the ops of the fused attention and of GELU that the file writes out.
            let in_vit = ["fvcore", "calflops_macs", "onnxsim"].contains(&convention.name);
            if row.contains_key(convention.name) && (model != "vit_b_16" || in_vit) {
                let ours = network.convention(convention.name);
                let difference = by_class_or_call(&network, &model, convention.name);
                check.equal(convention.name, ours.checked_add_signed(difference).unwrap());
            }
        }
        faults.extend(check.faults);
    }
    finish(&faults);
}

/// 245 Identity nodes share equal initializers: each is stored once and used where it is used.
#[test]
fn aliased_initializers_are_stored_once() {
    let Some(network) = corpus("onnx/densenet121-aliased-initializers.onnx") else { return };
    let total = &network.analysis.total;
    assert_eq!(total.stored.learned().unwrap(), 7_928_936);
    assert_eq!(total.used, 7_971_368);
    // Every statistic is also some scale or shift.
    assert_eq!(total.stored.buffers, 0);
    let row = truth().into_iter().find(|row| row["model"] == "densenet121").unwrap();
    assert_eq!(total.macs.to_string(), row["macs"]);
}

#[test]
fn module_names_give_blocks_and_stages() {
    let Some(mut network) = corpus("onnx-bn/cspdarknet53.onnx") else { return };
    let graph = &mut network.loaded.graph;
    graph.find_stages();
    let stages: Vec<&str> = graph.stages().iter().map(String::as_str).collect();
    let expected = [
        "stem",
        "stages/stages.0",
        "stages/stages.1",
        "stages/stages.2",
        "stages/stages.3",
        "stages/stages.4",
        "head",
    ];
    assert_eq!(stages, expected);
    let blocks: Vec<&str> = graph.blocks().iter().map(|block| &*block.name).collect();
    assert!(blocks.contains(&"stages/stages.1/blocks/blocks.0/conv1/bn/act"));
    let (_, node) = graph.nodes().find(|(_, node)| &*node.name == "/stem/conv1/conv/Conv").unwrap();
    assert_eq!(
        (node.origin.onnx_index, node.origin.onnx_name.as_deref()),
        (Some(0), Some("/stem/conv1/conv/Conv"))
    );
}
