//! `calibrate --from`: onnxruntime's profiles of models.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::super::{Exit, Output, load_as, machine, usage};
use super::Calibrated;
use crate::analysis::kernels::{Kernels, kernels};
use crate::analysis::prediction::accuracy::Pair;
use crate::analysis::prediction::traced::{Kernel, Traced, traced};
use crate::analysis::prediction::{Prediction, predict};
use crate::cli::CalibrateArgs;
use crate::device::latency::{Latency, Provenance, Sample, Unit};
use crate::diagnostic::Sink;
use crate::frontend::{self, LoadOptions, trace};
use crate::graph::Graph;
use crate::report::called;
use crate::report::sections::prediction;
use crate::source::SourceMap;

/// Kernels that are named after no node may take so much of a run.
const MOST_UNNAMED: f64 = 0.2;

/// One model and what its profile has.
struct Profiled {
    name: String,
    graph: Graph,
    kernels: Kernels,
    samples: Vec<(String, Sample)>,
    /// Nanoseconds of a run, and of its kernels.
    whole: f64,
    sum: f64,
}

pub(super) fn run(args: &CalibrateArgs, output: &mut Output) -> io::Result<Exit> {
    if args.from.len() < 2 {
        let help = "one alone cannot tell how well another is predicted: --from a.onnx=a.json b.onnx=b.json";
        return usage(output, "`--from` takes the profiles of at least two models", Some(help));
    }
    let mut all = Vec::with_capacity(args.from.len());
    for (model, profile) in &args.from {
        match profiled(args, model, profile, output)? {
            Ok(one) => all.push(one),
            Err(exit) => return Ok(exit),
        }
    }
    let pairs: Vec<Pair> = (0..all.len())
        .filter_map(|left_out| {
            let one = &all[left_out];
            let others = all.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, other)| other);
            let predicted = predict(&one.graph, &one.kernels, &fitted(args, others)).ok()?;
            let lacks = lacking(one, &predicted);
            Some(Pair {
                name: one.name.clone(),
                predicted: predicted.nanoseconds,
                measured: one.whole,
                lacks,
            })
        })
        .collect();
    let title = "Each model, predicted from the others";
    let calibrated = Calibrated {
        name: "onnxruntime".into(),
        cache: None,
        latency: fitted(args, all.iter()),
        accuracy: Some(prediction::accuracies(title, &pairs)),
    };
    calibrated.write(args, output)
}

fn fitted<'a>(args: &CalibrateArgs, of: impl Iterator<Item = &'a Profiled> + Clone) -> Latency {
    let provenance = Provenance {
        library: "onnxruntime".into(),
        driver: None,
        threads: u64::from(args.threads),
        dtype: args.dtype,
        unit: Unit::Kernel,
        networks: of.clone().count() as u64,
        seed: None,
        date: machine::today(),
        load: None,
    };
    let (whole, sum) =
        of.clone().fold((0.0, 0.0), |(whole, sum), one| (whole + one.whole / one.sum, sum + 1.0));
    Latency::new(provenance, whole / sum, of.flat_map(|one| one.samples.iter().cloned()))
}

/// The ops of those nodes that a prediction misses.
fn lacking(one: &Profiled, predicted: &Prediction) -> Vec<String> {
    let ops: BTreeSet<&str> = predicted.unknown.iter().map(|&id| called(one.graph.node(id))).collect();
    ops.into_iter().map(str::to_owned).collect()
}

/// Reads a model and its profile, and sets the one against the other.
fn profiled(
    args: &CalibrateArgs,
    model: &Path,
    profile: &Path,
    output: &mut Output,
) -> io::Result<Result<Profiled, Exit>> {
    let mut sources = SourceMap::default();
    let options = LoadOptions { batch: args.batch, ..LoadOptions::default() };
    let loaded = match load_as(model, &options, &mut sources, output)? {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(Err(exit)),
    };
    let mut sink = Sink::default();
    let read = frontend::read(profile, &mut sink);
    output.diagnostics(&sink, &sources)?;
    let bytes = match read {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(Err(Exit::Usage)),
        Err(error) => {
            output.error(&error.to_string(), None)?;
            return Ok(Err(if error.is_usage() { Exit::Usage } else { Exit::World }));
        }
    };
    let wrong = |output: &mut Output, what: &str| {
        let help = "SessionOptions.enable_profiling makes one; run the model some ten times";
        usage(output, &format!("`{}`: {what}", profile.display()), Some(help)).map(Err)
    };
    let trace = match trace::read(&bytes) {
        Ok(trace) => trace,
        Err(what) => return wrong(output, &what),
    };
    let graph = loaded.graph;
    // Of tokens the first input has whole numbers.
    let dtype = {
        let mut types = graph.nodes().flat_map(|(_, node)| &node.outputs).map(|output| output.dtype);
        types.find(|dtype| dtype.is_float())
    };
    if let Some(dtype) = dtype.filter(|dtype| *dtype != args.dtype) {
        return wrong(output, &format!("its model computes in {dtype}: say --dtype {dtype}"));
    }
    let run: Vec<Kernel<'_>> = trace
        .events
        .iter()
        .map(|event| Kernel { name: &event.name, nanoseconds: event.nanoseconds })
        .collect();
    let kernels = kernels(&graph);
    let found = kernels.and_then(|kernels| Ok((traced(&graph, &kernels, &run)?, kernels)));
    let (Traced { samples, nodes }, kernels) = match found {
        Ok(found) => found,
        Err(overflow) => return wrong(output, &overflow.to_string()),
    };
    if let Some(what) = unlike(&graph, &trace, &nodes) {
        return wrong(output, &what);
    }
    let name = graph.name.to_string();
    let sum = trace.events.iter().map(|event| event.nanoseconds).sum();
    Ok(Ok(Profiled { name, graph, kernels, samples, whole: trace.whole, sum }))
}

/// In what a profile is not one of this model, read as it was run.
fn unlike(graph: &Graph, trace: &trace::Trace, nodes: &[Option<crate::graph::NodeId>]) -> Option<String> {
    let all: f64 = trace.events.iter().map(|event| event.nanoseconds).sum();
    let (mut unnamed, mut example) = (0.0, "");
    let (mut compared, mut other, mut differs) = (0usize, 0usize, None);
    for (event, node) in trace.events.iter().zip(nodes) {
        let Some(id) = node else {
            unnamed += event.nanoseconds;
            example = &event.name;
            continue;
        };
        let node = graph.node(*id);
        let ours = node.outputs[0].shape.axes();
        if event.shape.len() != ours.len() {
            continue;
        }
        compared += 1;
        // The library may pad channels, so they are not compared.
        let is_channels = |axis: usize| ours.len() == 4 && axis == 1;
        if (0..ours.len()).any(|axis| !is_channels(axis) && event.shape[axis] != ours[axis]) {
            other += 1;
            differs.get_or_insert((node, &event.shape));
        }
    }
    // A few may be joined with a change of layout.
    if let Some((node, shape)) = differs.filter(|_| 2 * other > compared) {
        let shape = shape.iter().map(u64::to_string).collect::<Vec<_>>().join("x");
        return Some(format!(
            "`{}` made {shape} there, and makes {} as the model is read here: --batch says another batch",
            node.name, node.outputs[0].shape
        ));
    }
    (unnamed > MOST_UNNAMED * all).then(|| {
        format!(
            "{:.0} % of its time is in kernels that are named after no node of the model, such as `{example}`",
            100.0 * unnamed / all
        )
    })
}
