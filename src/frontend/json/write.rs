//! Any network as an architecture file that a person can read and edit.
//!
//! `tree.rs` holds layers in scopes and gives every scope a form, equal for those that differ in numbers only.
//! `scopes.rs` takes the scopes that a network has, `discover.rs` finds those that it does not name, `define.rs` makes
//! blocks of forms that occur more than once and arguments of the numbers in which they differ, `emit.rs` and `text.rs`
//! write. What is written is read again and compared: a file that says something else is never given out.

mod define;
mod discover;
mod emit;
mod labels;
mod leaf;
mod listed;
mod names;
mod scopes;
mod text;
mod tree;

use std::fmt;
use std::fmt::Write as _;

use serde_json::Value;

use self::emit::Emitter;
use self::labels::Labels;
use self::leaf::Leaves;
use self::names::Namer;
use self::text::{json, quoted};
use self::tree::{Forest, Item, Kind};
use crate::diagnostic::Sink;
use crate::frontend::{LoadOptions, MAX_FILE_BYTES};
use crate::graph::{Graph, Node, NodeId};
use crate::source::SourceMap;
use crate::tensor::DType;

/// Networks of more nodes are not searched for what repeats: the scopes that were found would be too many to read back.
const MOST_SEARCHED: usize = 1_000_000;

/// What is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// The names of layers are paths of scopes, in this language's own way.
    Paths,
    /// They are paths of PyTorch's modules, and end with ONNX's word for the op.
    Modules,
    /// They only number the layers: darknet files have none.
    Numbers,
}

/// An architecture file.
#[derive(Clone, Debug)]
pub struct Written {
    /// Its text.
    pub text: String,
    /// Why the layers stand one by one, where what repeats could not be folded into blocks.
    pub unfolded: Option<String>,
}

/// Why a network is no architecture file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// An input whose first axis is not the batch.
    Input {
        /// Its name.
        name: String,
        /// What it is.
        shape: String,
        /// The network's batch.
        batch: u64,
    },
    /// The file would be larger than those that are read.
    TooLarge,
    /// The file would say something else.
    Differs(String),
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input { name, shape, batch } => write!(
                f,
                "the input `{name}` is {shape}, but an architecture file's inputs begin with the batch, {batch} here"
            ),
            Self::TooLarge => {
                write!(f, "the file would be larger than the {} MiB that are read", MAX_FILE_BYTES >> 20)
            }
            Self::Differs(what) => write!(f, "an architecture file cannot say it: {what}"),
        }
    }
}

/// Writes a network. Its stages are taken as they are: [`Graph::find_stages`] finds those of a network that has none.
///
/// # Errors
/// Where no file says the same.
pub fn write(graph: &Graph, names: Names) -> Result<Written, Error> {
    for &id in graph.inputs() {
        let node = graph.node(id);
        let shape = &node.outputs[0].shape;
        if shape.axes().first() != Some(&graph.batch) {
            let (name, shape) = (node.name.to_string(), shape.to_string());
            return Err(Error::Input { name, shape, batch: graph.batch });
        }
    }
    let folded = write_folded(graph, names);
    let Err(obstacle) = check(graph, &folded) else {
        return Ok(Written { text: folded, unfolded: None });
    };
    drop(folded);
    let text = write_flat(graph);
    check(graph, &text)?;
    Ok(Written { text, unfolded: Some(obstacle.to_string()) })
}

fn write_folded(graph: &Graph, names: Names) -> String {
    let named = names != Names::Numbers;
    let mut forest = Forest::new(graph);
    let mut items = scopes::build(&mut forest, names);
    if graph.len() <= MOST_SEARCHED {
        items = discover::discover(&mut forest, items, named);
    }
    document(&mut forest, items)
}

fn write_flat(graph: &Graph) -> String {
    let mut forest = Forest::new(graph);
    let items = scopes::build(&mut forest, Names::Numbers);
    document(&mut forest, items)
}

fn document(forest: &mut Forest<'_>, mut items: Vec<Item>) -> String {
    let graph = forest.graph;
    let counts = define::shared_forms(&items);
    settle(&mut items, &counts);
    let blocks = define::define(forest, &items, &counts);
    let mut namer = Namer::default();
    let inputs: Vec<String> =
        graph.inputs().iter().map(|&id| input_name(graph.node(id), &mut namer)).collect();
    let mut text = String::from("{\n  \"$schema\": \"architecture.schema.json\"");
    let mut member = |key: &str, value: &str| {
        let _ = write!(text, ",\n  \"{key}\": {value}");
    };
    member("name", &quoted(&graph.name));
    if let Some(description) = &graph.description {
        member("description", &quoted(description));
    }
    let declared =
        graph.inputs().iter().zip(&inputs).map(|(&id, name)| (name.as_str(), shape(graph.node(id))));
    member("inputs", &text::object(declared));
    if graph.batch != 1 {
        member("batch", &graph.batch.to_string());
    }
    let mut emitter = Emitter::new(forest, &blocks, &inputs);
    let lines = emitter.network(&items);
    if !blocks.by_form.is_empty() {
        text.push_str(",\n  \"blocks\": {");
        for (index, (form, block)) in blocks.by_form.iter().enumerate() {
            text.push_str(if index == 0 { "\n" } else { ",\n" });
            let written = emitter.block(*form, block);
            text::block(&block.name, &written.head, &written.layers, &mut text);
        }
        text.push_str("\n  }");
    }
    text.push_str(",\n  \"layers\": [");
    text::layers(&lines, 4, &mut text);
    let last = items.last().and_then(|last| last.given);
    if graph.outputs.as_slice() != last.as_slice() {
        let outputs = emitter.outputs(&items, &graph.outputs);
        let _ = write!(text, ",\n  \"outputs\": {outputs}");
    }
    text.push_str("\n}\n");
    text
}

/// A group gives what its last layer gives; only a block can choose.
fn settle(items: &mut [Item], counts: &rustc_hash::FxHashMap<u32, u32>) {
    for item in items {
        if let Kind::Scope(inner) = &mut item.kind
            && !counts.contains_key(&item.form)
        {
            settle(inner, counts);
            item.given = inner.last().and_then(|last| last.given);
        }
    }
}

fn input_name(node: &Node, namer: &mut Namer) -> String {
    let wish = Some(&*node.name).filter(|name| *name != "input");
    namer.name("image", wish, false).text.to_string()
}

/// An input's shape without the batch, and its type where it is not the usual one.
fn shape(node: &Node) -> String {
    let output = &node.outputs[0];
    let axes = Value::from(output.shape.axes().get(1..).unwrap_or_default());
    if output.dtype == DType::F32 {
        return json(&axes);
    }
    format!("{{\"shape\": {}, \"dtype\": {}}}", json(&axes), quoted(output.dtype.name()))
}

/// Whether a text says this network.
fn check(graph: &Graph, text: &str) -> Result<(), Error> {
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(Error::TooLarge);
    }
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let options = LoadOptions::default();
    let bytes = text.as_bytes().to_vec();
    let loaded =
        crate::frontend::load_bytes("<written>", &graph.name, bytes, &options, &mut sources, &mut sink);
    let Some(again) = loaded else {
        let first = sink.diagnostics().first().map_or_else(String::new, |found| found.message.clone());
        return Err(Error::Differs(first));
    };
    match difference(graph, &again.graph) {
        None => Ok(()),
        Some(what) => Err(Error::Differs(what)),
    }
}

/// What differs between two networks, names of layers aside.
fn difference(a: &Graph, b: &Graph) -> Option<String> {
    if a.len() != b.len() || a.batch != b.batch || a.name != b.name || a.outputs.len() != b.outputs.len() {
        return Some("the networks differ in size".into());
    }
    let order = |graph: &Graph| -> Vec<NodeId> {
        let (mut inputs, rest): (Vec<NodeId>, Vec<NodeId>) =
            graph.nodes().map(|(id, _)| id).partition(|&id| graph.node(id).is_input());
        inputs.extend(rest);
        inputs
    };
    let (order_a, order_b) = (order(a), order(b));
    let mut places = vec![0; a.len()];
    for (place, id) in order_a.iter().enumerate() {
        places[id.index()] = place;
    }
    let same = |x: crate::graph::Outlet, y: crate::graph::Outlet| {
        order_b[places[x.node.index()]] == y.node && x.port == y.port
    };
    let labels = Labels::new(a);
    let stage = |node: &Node| node.stage.and_then(|stage| b.stages().get_index(stage.0 as usize));
    let mut leaves = Leaves::default();
    for (&id_a, &id_b) in order_a.iter().zip(&order_b) {
        let (x, y) = (a.node(id_a), b.node(id_b));
        let inputs =
            x.inputs.len() == y.inputs.len() && x.inputs.iter().zip(&y.inputs).all(|(&x, &y)| same(x, y));
        let shares = match (x.shares, y.shares) {
            (None, None) => true,
            (Some(x), Some(y)) => order_b[places[x.index()]] == y,
            _ => false,
        };
        let plain = x.is_input() || x.given.is_none() && y.given.is_none();
        let alike =
            plain && x.op == y.op || !x.is_input() && leaves.get(a, x).exact == leaves.get(b, y).exact;
        let called = x.called_as == y.called_as;
        let stages = labels.of(x).join("/") == stage(y).map_or("", String::as_str);
        if !(inputs && shares && alike && called && stages && x.outputs == y.outputs) {
            return Some(format!("`{}` would be another layer", x.name));
        }
    }
    let outputs = a.outputs.iter().zip(&b.outputs).all(|(&x, &y)| same(x, y));
    (!outputs).then(|| "the outputs would differ".into())
}
