//! Networks run and give what onnxruntime gives, tensor by tensor: `tests/conformance/README.md` has how the figures were
//! made. Weights are drawn from the names of the files' own tensors, so this holds too that each layer gets the right
//! one, laid out as its op stores it.
#![cfg(feature = "exec")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may stop, and says what it compared"
)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use csp_profile::analysis::schedule::Schedule;
use csp_profile::executor::{Network, seeded};
use csp_profile::frontend::values::{Reading, Values, read};
use csp_profile::frontend::{self, LoadOptions, Loaded};
use csp_profile::graph::{Graph, NodeId, Outlet};
use csp_profile::ops::execute::{Call, Execute, Fault, Mode, Stored};
use csp_profile::ops::{Io, Operator};
use csp_profile::seed;

/// The seed that `make.py` takes by default.
const SEED: u64 = 1;
/// Elements that a file holds of a large tensor.
const SAMPLES: usize = 24;
/// Differences that are allowed, as parts of a tensor's largest magnitude.
const TOLERANCE: f64 = 1e-4;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance")
}

fn load(path: &Path) -> Loaded {
    let options = LoadOptions { values: true, ..LoadOptions::default() };
    let (mut sources, mut sink) = Default::default();
    let loaded = frontend::load(path, &options, &mut sources, &mut sink).unwrap();
    loaded.unwrap_or_else(|| panic!("{}: {sink:?}", path.display()))
}

fn drawn(path: &Path, loaded: &Loaded) -> Values {
    let mut model = std::fs::File::open(path).unwrap();
    let reading = Reading { path: "model", seed: Some(SEED), most: 1 << 30, device: &Device::Cpu };
    let mut open = |below: &str| frontend::open_beside(path, below);
    read(&mut model, &mut open, loaded.sources.as_ref().unwrap(), reading).unwrap()
}

/// What a run came to: all tensors that could be computed, and why the others could not.
#[derive(Default)]
struct Run {
    tensors: HashMap<Outlet, Tensor>,
    faults: HashMap<NodeId, String>,
}

/// Runs each node whose inputs are there. One that does not run stops those behind it and no others.
fn run(graph: &Graph, values: &Values) -> Run {
    let mut run = Run::default();
    for (id, node) in graph.nodes() {
        let types = graph.input_types(node);
        if node.is_input() {
            let tensor =
                seeded::tensor(&node.name, SEED, seed::Range::INPUT, &node.outputs[0], &Device::Cpu).unwrap();
            run.tensors.insert(Outlet { node: id, port: 0 }, tensor);
            continue;
        }
        let read: Option<Vec<Tensor>> =
            node.inputs.iter().map(|input| run.tensors.get(input).cloned()).collect();
        let Some(read) = read else {
            run.faults.insert(id, "it reads what does not run".into());
            continue;
        };
        let made = || {
            if let Some(reason) = node.given.as_ref().and_then(|given| given.unrunnable.as_deref()) {
                return Err(Fault::unrunnable(reason));
            }
            let value = |name| values.get(id, name).cloned().map_err(Fault::unrunnable);
            let weights = node.op.weights(&types).into_iter();
            let stored: Stored =
                weights.map(|weight| Ok((weight.name, value(weight.name)?))).collect::<Result<_, Fault>>()?;
            let io = Io { inputs: &types, outputs: &node.outputs };
            node.op.forward(&Call { io, inputs: &read, stored: &stored, mode: Mode::Evaluate })
        };
        match made() {
            Ok(made) => {
                for (port, tensor) in (0..).zip(made.outputs) {
                    let wanted: Vec<usize> =
                        node.outputs[port as usize].shape.axes().iter().map(|&size| size as usize).collect();
                    assert_eq!(tensor.dims(), wanted, "{}", node.name);
                    run.tensors.insert(Outlet { node: id, port }, tensor);
                }
            }
            Err(fault) => {
                run.faults.insert(id, fault.to_string());
            }
        }
    }
    run
}

/// A tensor of a file of expected ones.
struct Expected {
    name: String,
    shape: Vec<usize>,
    output: bool,
    max: f64,
    values: Vec<f64>,
}

fn expected(path: &Path) -> Vec<Expected> {
    let text = std::fs::read_to_string(path.with_extension("expected")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&json["format"], &json["seed"], &json["samples"]),
        (&1.into(), &SEED.into(), &SAMPLES.into())
    );
    let one = |tensor: &serde_json::Value| Expected {
        name: tensor["name"].as_str().unwrap().into(),
        shape: tensor["shape"]
            .as_array()
            .unwrap()
            .iter()
            .map(|size| size.as_u64().unwrap() as usize)
            .collect(),
        output: tensor["output"].as_bool().unwrap(),
        max: tensor["max"].as_f64().unwrap(),
        values: tensor["values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect(),
    };
    json["tensors"].as_array().unwrap().iter().map(one).collect()
}

/// The largest difference, as a part of the largest magnitude.
fn difference(dims: &[usize], all: &[f64], expected: &Expected) -> f64 {
    assert_eq!(dims, expected.shape, "{}", expected.name);
    let places: Vec<usize> = if expected.output || all.len() <= SAMPLES {
        (0..all.len()).collect()
    } else {
        let count = all.len() as u64;
        seed::numbers(&expected.name, SEED).take(SAMPLES).map(|number| (number % count) as usize).collect()
    };
    assert_eq!(places.len(), expected.values.len(), "{}", expected.name);
    let differences = places.iter().zip(&expected.values).map(|(&place, value)| (all[place] - value).abs());
    // What is no number differs from everything.
    let most = differences.fold(0.0, |most: f64, one| if one <= most || most.is_nan() { most } else { one });
    if most == 0.0 { 0.0 } else { most / expected.max }
}

/// Runs a file and compares; the names of what has no counterpart must be these.
fn compare(name: &str, without: &[&str]) {
    let path = folder().join(format!("{name}.onnx"));
    let loaded = load(&path);
    let values = drawn(&path, &loaded);
    let graph = &loaded.graph;
    let run = run(graph, &values);
    let names: HashMap<&str, Outlet> = loaded.sources.as_ref().unwrap().names().collect();
    let folded: HashMap<&str, (Vec<usize>, Vec<f64>)> = (loaded.sources.as_ref().unwrap().folded())
        .map(|(name, dims, all)| (name, (dims.iter().map(|&size| size as usize).collect(), all)))
        .collect();
    let (mut compared, mut before, mut missing, mut wrong, mut worst) = (0, 0, Vec::new(), Vec::new(), 0f64);
    for expected in expected(&path) {
        let outlet = names.get(expected.name.as_str());
        let ran = outlet.and_then(|outlet| run.tensors.get(outlet)).map(|tensor| {
            compared += 1;
            let flat = tensor.flatten_all().unwrap().to_dtype(DType::F64).unwrap();
            (tensor.dims().to_vec(), flat.to_vec1().unwrap())
        });
        // What depends on sizes alone is computed while the file is read, and is compared too.
        let known = folded.get(expected.name.as_str()).cloned().inspect(|_| before += 1);
        match ran.or(known) {
            Some((dims, all)) => {
                let difference = difference(&dims, &all, &expected);
                worst = worst.max(difference);
                if difference.is_nan() || difference > TOLERANCE {
                    wrong.push(format!("{} differs by {difference:.1e}", expected.name));
                }
            }
            None => {
                let why = outlet.and_then(|outlet| run.faults.get(&outlet.node));
                println!(
                    "{name}: no {}: {}",
                    expected.name,
                    why.map_or("nothing of ours has its name", String::as_str)
                );
                missing.push(expected.name);
            }
        }
    }
    println!(
        "{name}: {compared} tensors compared, {} without a counterpart, {before} known before; worst {worst:.1e}",
        missing.len()
    );
    assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
    assert_eq!(missing, without, "{name}");
    assert!(compared > 4 * missing.len(), "{name}: {compared} of {}", compared + missing.len());
    if run.faults.is_empty() {
        same_by_the_executor(graph, &values, &run);
    }
}

/// The executor comes to the same bits, in the order of the file and in that of least memory.
fn same_by_the_executor(graph: &Graph, values: &Values, run: &Run) {
    let mut get = |id: NodeId, stored: &csp_profile::graph::StoredTensor| {
        values.get(id, stored.weight.name).cloned().map_err(Fault::unrunnable)
    };
    let network = Network::new(graph, &Device::Cpu, &mut get).unwrap();
    let schedule = Schedule::as_written(graph);
    let input = |&id: &NodeId| run.tensors[&Outlet { node: id, port: 0 }].clone();
    let inputs = graph.inputs().iter().map(input).collect();
    let outputs = network.evaluate(&schedule, inputs, &mut ()).unwrap();
    let list = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    for (outlet, output) in graph.outputs.iter().zip(&outputs) {
        assert_eq!(list(output), list(&run.tensors[outlet]));
    }
}

macro_rules! nets {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            compare(stringify!($name), &[]);
        }
    )*};
}

nets! { densenet121 resnet50 cspresnext50 cspdarknet53 mobilenet_v2 efficientnet_b0 vovnet39a vit_b_16 }

#[test]
fn single_operators() {
    // An op of ours has no such attributes, and says so instead of computing something else.
    compare("ops", &["/cum_sum_reverse/CumSum_output_0"]);
}
