//! Runs forward passes and nothing else: what runs under valgrind for `benches/traffic.py` and `benches/fma_lanes.py`.
//!
//! `csp-profile measure` reads clocks that valgrind does not have. Here seeded values are made, so many passes run on
//! one thread in the order of the file, and the predicted figures of one pass are printed as a line of JSON.
//!
//! ```console
//! $ cargo run --release --features exec --example forward -- architectures/resnet18.json 1x3x64x64 3
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, missing_docs, reason = "a program of its own")]

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use candle_core::Device;
use csp_profile::analysis::analyze;
use csp_profile::analysis::schedule::Schedule;
use csp_profile::diagnostic::Sink;
use csp_profile::executor::{Network, RunFault, seeded};
use csp_profile::frontend::{LoadOptions, load};
use csp_profile::graph::Graph;
use csp_profile::report::diagnostics::render;
use csp_profile::source::SourceMap;

const SEED: u64 = 1;
const USAGE: &str =
    "usage: forward FILE SHAPE PASSES, such as: forward architectures/resnet18.json 1x3x64x64 3";

/// The network of a file, its first input in this shape; what is wrong with the file is the error.
fn network(file: &str, shape: &str) -> Result<Graph, Box<dyn Error>> {
    let shape = shape.split('x').map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    let options = LoadOptions { inputs: vec![(None, shape)], ..LoadOptions::default() };
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let loaded = load(Path::new(file), &options, &mut sources, &mut sink)?;
    let told = || sink.diagnostics().iter().map(|one| render(one, &sources)).collect::<Vec<_>>().join("\n");
    Ok(loaded.ok_or_else(told)?.graph)
}

/// Why a network did not run, and at which node.
fn told(graph: &Graph, fault: &RunFault) -> String {
    let node = fault.node.map_or("the network", |id| &*graph.node(id).name);
    format!("{node} does not run: {}", fault.fault)
}

fn run(arguments: &[String]) -> Result<serde_json::Value, Box<dyn Error>> {
    let [file, shape, passes] = arguments else { return Err(USAGE.into()) };
    let passes: usize = passes.parse()?;
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    let graph = network(file, shape)?;
    let total = analyze(&graph)?.total;
    let schedule = Schedule::as_written(&graph);
    let device = Device::Cpu;
    let mut values = |id, one: &_| seeded::stored(&graph, id, one, SEED, &device);
    let network = Network::new(&graph, &device, &mut values).map_err(|fault| told(&graph, &fault))?;
    let inputs = seeded::inputs(&graph, SEED, &device)?;
    for _ in 0..passes {
        network.evaluate(&schedule, inputs.clone(), &mut ()).map_err(|fault| told(&graph, &fault))?;
    }
    Ok(serde_json::json!({
        "network": graph.name,
        "macs": total.macs,
        "stored_bytes": total.stored.bytes,
        "traffic_bytes": {
            "unfused": total.traffic.unfused,
            "fused": total.traffic.fused,
            "compulsory": total.traffic.compulsory,
        },
    }))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
