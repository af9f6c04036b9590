//! A reference vector as it stands in its file.

use std::path::Path;
use std::sync::Arc;

use csp_profile::frontend::LoadOptions;
use csp_profile::ops::{Op, execute};
use csp_profile::tensor::DType;
use serde_json::{Value, json};

use crate::common::Network;

/// A tensor's shape and values.
#[derive(Clone)]
pub(crate) struct Values {
    pub(crate) shape: Vec<usize>,
    pub(crate) dtype: DType,
    pub(crate) values: Vec<f64>,
}

/// One case of one op.
pub(crate) struct Case {
    /// `conv2d: same, stride 2`.
    pub(crate) name: String,
    pub(crate) op: Arc<Op>,
    pub(crate) train: bool,
    pub(crate) ties: bool,
    pub(crate) inputs: Vec<Values>,
    pub(crate) weights: Vec<(String, Values)>,
    pub(crate) outputs: Vec<Values>,
    pub(crate) output_gradients: Vec<Option<Values>>,
    pub(crate) input_gradients: Vec<Option<Values>>,
    pub(crate) weight_gradients: Vec<Option<Values>>,
}

impl Case {
    /// The types of its elements for which the executor has no loops.
    pub(crate) fn foreign_types(&self) -> Vec<DType> {
        let all = self.inputs.iter().chain(self.weights.iter().map(|(_, w)| w)).chain(&self.outputs);
        all.map(|tensor| tensor.dtype).filter(|&dtype| execute::dtype(dtype).is_none()).collect()
    }

    /// Whether it has a gradient at all.
    pub(crate) fn has_gradients(&self) -> bool {
        self.output_gradients.iter().any(Option::is_some)
    }
}

/// The ops that have vectors, by name; `VECTORS=relu,add` chooses some of them.
pub(crate) fn ops() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let names = std::fs::read_dir(folder).unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(".json").map(str::to_owned)
    });
    let chosen = std::env::var("VECTORS").ok();
    let chosen =
        |name: &String| chosen.as_ref().is_none_or(|chosen| chosen.split(',').any(|one| one == name));
    let mut names: Vec<String> = names.filter(chosen).collect();
    names.sort();
    names
}

/// All cases, in the order of their files.
pub(crate) fn cases() -> Vec<Case> {
    ops().iter().flat_map(|op| of_op(op)).collect()
}

fn of_op(op: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/vectors/{op}.json"));
    let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    cases.iter().map(|case| read(op, case)).collect()
}

fn read(op: &str, case: &Value) -> Case {
    let list = |key: &str| case[key].as_array().unwrap().clone();
    let optional =
        |key: &str| list(key).iter().map(|entry| (!entry.is_null()).then(|| values(entry))).collect();
    let named = |weight: &Value| (weight["name"].as_str().unwrap().to_owned(), values(weight));
    Case {
        name: format!("{op}: {}", case["what"].as_str().unwrap()),
        op: built(op, case),
        train: case["mode"] == "train",
        ties: case["ties"] == true,
        inputs: list("inputs").iter().map(values).collect(),
        weights: list("weights").iter().map(named).collect(),
        outputs: list("outputs").iter().map(values).collect(),
        output_gradients: optional("grad_outputs"),
        input_gradients: optional("grad_inputs"),
        weight_gradients: optional("grad_weights"),
    }
}

fn values(of: &Value) -> Values {
    let number = |value: &Value| match value {
        Value::String(text) => text.parse().unwrap(),
        value => value.as_f64().unwrap(),
    };
    Values {
        shape: of["shape"].as_array().unwrap().iter().map(|axis| axis.as_u64().unwrap() as usize).collect(),
        dtype: of["dtype"].as_str().map_or(DType::F32, |name| DType::from_name(name).unwrap()),
        values: of["values"].as_array().unwrap().iter().map(number).collect(),
    }
}

/// The op as an architecture file has it: the only layer of a network beside constants.
fn built(op: &str, case: &Value) -> Arc<Op> {
    let (mut inputs, mut layers, mut read) = (json!({}), Vec::new(), Vec::new());
    let given = case["inputs"].as_array().unwrap();
    let batch = &given[0]["shape"][0];
    for (index, input) in given.iter().enumerate() {
        let (name, dtype) = (format!("x{index}"), &input["dtype"]);
        let shape = input["shape"].as_array().unwrap();
        // Inputs of a network share the batch.
        if shape.first() == Some(batch) {
            inputs[&name] = json!({"shape": shape[1..], "dtype": dtype});
        } else {
            layers.push(json!({"op": "constant", "name": name, "shape": shape, "dtype": dtype}));
        }
        read.push(name);
    }
    let mut layer = case["attributes"].clone();
    layer["op"] = op.into();
    layer["name"] = "op".into();
    layer["inputs"] = read.into();
    layers.push(layer);
    let file = json!({"batch": batch, "inputs": inputs, "layers": layers});
    let network = Network::read(op, &file.to_string(), &LoadOptions::default());
    let network = network.unwrap_or_else(|fault| panic!("{op}: {}: {fault}", case["what"]));
    let (_, node) = network.loaded.graph.nodes().find(|(_, node)| &*node.name == "op").unwrap();
    Arc::clone(&node.op)
}
