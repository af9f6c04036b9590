//! What holds for every network, not only for the known ones: random networks, expressions and texts.
#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use common::random::random;
use common::{Network, files};
use csp_profile::analysis::{Group, NodeCost, Stored, Sum};
use csp_profile::frontend::LoadOptions;
use csp_profile::graph::Graph;
use csp_profile::ops::Op;
use csp_profile::source::SourceMap;
use csp_profile::source::json::{Fault, Json, Value as Read, parse};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

/// The countable parts of a sum, by hand and not by the code under test.
fn parts(stored: &Stored, used: u64, counts: [u64; 5]) -> [u64; 12] {
    let [macs, flops, activations, cio, pools] = counts;
    let Stored { weights, bias, norm, other, buffers, bytes } = *stored;
    [weights, bias, norm, other, buffers, bytes, used, macs, flops, activations, cio, pools]
}

fn of_node(node: &NodeCost) -> [u64; 12] {
    let counts = [node.macs, node.flops, node.activations, node.cio, node.cio_with_pools];
    parts(&node.stored, node.used, counts)
}

fn of_sum(sum: &Sum) -> [u64; 12] {
    parts(&sum.stored, sum.used, [sum.macs, sum.flops, sum.activations, sum.cio, sum.cio_with_pools])
}

fn add(items: impl IntoIterator<Item = [u64; 12]>) -> [u64; 12] {
    items.into_iter().fold([0; 12], |mut total, item| {
        total.iter_mut().zip(item).for_each(|(total, part)| *total += part);
        total
    })
}

fn outermost(groups: &[Group]) -> [u64; 12] {
    add(groups.iter().filter(|group| group.depth == 0).map(|group| of_sum(&group.sum)))
}

fn sums_agree(network: &Network) {
    let (graph, analysis) = (&network.loaded.graph, &network.analysis);
    let total = of_sum(&analysis.total);
    assert_eq!(total, add(analysis.nodes.iter().map(of_node)), "nodes");
    assert_eq!(total, add(analysis.ops.iter().map(|group| of_sum(&group.sum))), "ops");
    let of = |keep: &dyn Fn(&csp_profile::graph::Node) -> bool| {
        let nodes = graph.nodes().filter(|(_, node)| keep(node));
        add(nodes.map(|(id, _)| of_node(&analysis.nodes[id.index()])))
    };
    assert_eq!(outermost(&analysis.stages), of(&|node| node.stage.is_some()), "stages");
    assert_eq!(outermost(&analysis.blocks), of(&|node| node.block.is_some()), "blocks");
    let elementary: u64 = analysis.total.elementary.iter().map(|(_, count)| count).sum();
    assert_eq!(analysis.total.flops, 2 * analysis.total.macs + elementary, "kinds of FLOPs");
    assert_eq!(analysis.total.nodes, analysis.ops.iter().map(|group| group.sum.nodes).sum::<u64>(), "nodes");
}

/// By name: the op, the shapes and the costs of every node.
fn by_name(network: &Network) -> BTreeMap<String, (Arc<Op>, String, [u64; 12])> {
    let nodes = network.loaded.graph.nodes().map(|(id, node)| {
        let mut shapes = String::new();
        node.outputs.iter().for_each(|output| write!(shapes, "{output} ").unwrap());
        let inputs: Vec<String> = node
            .inputs
            .iter()
            .map(|&outlet| csp_profile::report::outlet_name(&network.loaded.graph, outlet))
            .collect();
        shapes.push_str(&inputs.join(" "));
        (node.name.to_string(), (node.op.clone(), shapes, of_node(&network.analysis.nodes[id.index()])))
    });
    nodes.collect()
}

fn is_topological(graph: &Graph) -> bool {
    graph.nodes().all(|(id, node)| node.inputs.iter().all(|outlet| outlet.node < id))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn totals_are_sums(network in random()) {
        let network = network.read(&LoadOptions::default());
        // A block that no layer happens to use is the only thing to warn of.
        let others = network.sink.diagnostics().iter().filter(|found| !found.message.starts_with("the block"));
        prop_assert_eq!(others.count(), 0);
        sums_agree(&network);
    }

    /// All references are named, so that most of them point forward once the layers are shuffled.
    #[test]
    fn the_order_of_declaration_does_not_matter(network in random(), keys in any::<[u64; 64]>()) {
        let plain = network.read(&LoadOptions::default());
        let mut shuffled = network.clone();
        let mut keyed: Vec<(u64, Value)> = keys.into_iter().zip(shuffled.layers).collect();
        keyed.sort_by_key(|(key, _)| *key);
        shuffled.layers = keyed.into_iter().map(|(_, layer)| layer).collect();
        let shuffled = shuffled.read(&LoadOptions::default());
        prop_assert!(is_topological(&shuffled.loaded.graph));
        // Which operand an addition takes along, and which concat holds a tensor, follow the order of execution.
        let ordered = |network: &Network| {
            let mut total = network.analysis.total;
            (total.traffic.fused, total.traffic.compulsory) = (0, 0);
            total
        };
        prop_assert_eq!(ordered(&plain), ordered(&shuffled));
        prop_assert_eq!(&plain.analysis.conventions, &shuffled.analysis.conventions);
        prop_assert_eq!(by_name(&plain), by_name(&shuffled));
    }

    #[test]
    fn work_scales_with_the_batch_and_storage_does_not(network in random(), batch in 2u64..9) {
        let one = network.read(&LoadOptions::default());
        let many = network.read(&LoadOptions { batch: Some(batch), ..LoadOptions::default() });
        let (one_total, total) = (&one.analysis.total, &many.analysis.total);
        for (one, many) in [
            (one_total.macs, total.macs),
            (one_total.flops, total.flops),
            (one_total.activations, total.activations),
            (one_total.cio, total.cio),
            (one_total.cio_with_pools, total.cio_with_pools),
        ] {
            prop_assert_eq!(one * batch, many);
        }
        prop_assert_eq!((one_total.stored, one_total.used), (total.stored, total.used));
        // Conventions are for one image.
        prop_assert_eq!(&one.analysis.conventions, &many.analysis.conventions);
    }

    #[test]
    fn conventions_relate_to_what_they_count(network in random()) {
        let network = network.read(&LoadOptions::default());
        let (graph, total) = (&network.loaded.graph, &network.analysis.total);
        let biased: u64 = graph
            .nodes()
            .filter(|(_, node)| matches!(&*node.op, Op::Conv2d(conv) if conv.bias))
            .map(|(_, node)| node.outputs[0].elements().get())
            .sum();
        prop_assert_eq!(network.convention("onnxsim"), total.macs);
        prop_assert_eq!(network.convention("calflops_macs"), total.macs);
        prop_assert_eq!(network.convention("torch_flop_counter"), 2 * total.macs);
        prop_assert_eq!(network.convention("ptflops_aten"), total.macs + biased);
        prop_assert!(network.convention("calflops_flops") >= 2 * total.macs);
        for convention in ["fvcore", "thop", "ptflops", "torchinfo"] {
            prop_assert!(network.convention(convention) >= total.macs, "{}", convention);
        }
    }

    #[test]
    fn json_is_read_as_serde_json_reads_it(json in json_value(), edits in proptest::collection::vec(edit(), 0..4)) {
        let mut bytes = (if edits.len() % 2 == 0 { json.to_string() } else { format!("{json:#}") }).into_bytes();
        for (at, edit) in &edits {
            edit.apply(*at, &mut bytes);
        }
        if let Ok(text) = String::from_utf8(bytes) {
            agrees_with_serde_json(&text);
        }
    }

    #[test]
    fn integers_are_calculated_exactly(expression in arithmetic()) {
        let (text, value) = expression;
        prop_assume!(text.len() < 4000);
        let limit = 1 << 31;
        match value {
            Some(value) if (1..limit).contains(&value) => prop_assert_eq!(evaluate(&text), Some(value), "{}", text),
            // A width of 0 or less, or one that is too large, is refused; the value shifted into range shows it.
            Some(value) if value.abs() < limit => {
                let shifted = format!("({text}) + {limit}");
                prop_assert_eq!(evaluate(&shifted), Some(value + limit), "{}", text);
            }
            Some(_) => {}
            None => prop_assert_eq!(evaluate(&text), None, "{}", text),
        }
    }
}

/// The value of an expression, read off the channels of a convolution.
fn evaluate(expression: &str) -> Option<i128> {
    let file = json!({
        "inputs": {"image": [3, 1, 1]},
        "layers": [{"op": "conv2d", "out_channels": expression, "kernel": 1}]
    });
    let network = Network::read("expression.json", &file.to_string(), &LoadOptions::default()).ok()?;
    let (_, node) = network.loaded.graph.nodes().last()?;
    Some(i128::from(node.outputs[0].channels()))
}

/// A random expression and its value; `None` where it divides by zero.
fn arithmetic() -> impl Strategy<Value = (String, Option<i128>)> {
    let number = (0i128..1000).prop_map(|number| (number.to_string(), Some(number)));
    number
        .prop_recursive(4, 24, 2, |inner| {
            (inner.clone(), inner, 0u8..11).prop_map(|((a, x), (b, y), operator)| {
                let both = |apply: fn(i128, i128) -> Option<i128>| x.zip(y).and_then(|(x, y)| apply(x, y));
                match operator {
                    0 => (format!("({a} + {b})"), both(|x, y| Some(x + y))),
                    1 => (format!("({a} - {b})"), both(|x, y| Some(x - y))),
                    2 => (format!("({a} * ({b} % 7))"), both(|x, y| Some(x * y.rem_euclid(7)))),
                    3 => (
                        format!("floor({a} / {b})"),
                        both(|x, y| {
                            (y != 0).then(|| x.div_euclid(y) - i128::from(y < 0 && x.rem_euclid(y) != 0))
                        }),
                    ),
                    4 => (format!("({a} % 13)"), x.map(|x| x.rem_euclid(13))),
                    5 => (format!("min({a}, {b})"), both(|x, y| Some(x.min(y)))),
                    6 => (format!("max({a}, {b}, 3)"), both(|x, y| Some(x.max(y).max(3)))),
                    7 => (format!("abs(-{a})"), x.map(i128::abs)),
                    8 => (
                        format!("if({a} < {b} or not ({a} != {b}), 2 * {a}, -{b})"),
                        both(|x, y| Some(if x <= y { 2 * x } else { -y })),
                    ),
                    9 => (format!("(({a} % 5) ^ 3 ^ 2)"), x.map(|x| x.rem_euclid(5).pow(9))),
                    _ => (
                        format!("(ceil({a} / 4) - round({b} / 2))"),
                        both(|x, y| Some(-(-x).div_euclid(4) - half_away(y))),
                    ),
                }
            })
        })
        // A branch that is not taken, or an operand that is not needed, may divide by zero unseen.
        .prop_filter("no branch divides by zero", |(text, value)| value.is_some() || !text.contains("if("))
}

fn half_away(y: i128) -> i128 {
    (y.abs() + 1) / 2 * y.signum()
}

fn json_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof!["[a-z]{0,6}", "\\PC{0,4}", "[\\x00-\\x1f\"\\\\/\u{e9}\u{1f600}]{0,4}"];
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from)
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        text.clone().prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((text.clone(), inner), 0..6)
                .prop_map(|members| members.into_iter().collect())
        ]
    })
}

/// A change of one place of a text.
#[derive(Clone, Debug)]
enum Edit {
    Delete,
    Insert(&'static str),
    Byte(u8),
}

const PIECES: &[&str] = &[
    ",", ":", "[", "]", "{", "}", "\"", "\\", "\\u", "\\ud800", "\\udc00", "\\u00e9", "\\x", "-", "+", ".",
    "e", "E9", "0", "1", "00", " ", "\n", "\t", "\u{b}", "\u{a0}", "\u{feff}", "/", "//", "/*", "*/", "#",
    "'", "null", "true", "tru", "NaN", "Infinity", "\0", "\u{7f}", "\u{2028}",
];

fn edit() -> impl Strategy<Value = (Index, Edit)> {
    let edit = prop_oneof![
        Just(Edit::Delete),
        proptest::sample::select(PIECES).prop_map(Edit::Insert),
        any::<u8>().prop_map(Edit::Byte)
    ];
    (any::<Index>(), edit)
}

impl Edit {
    fn apply(&self, at: Index, bytes: &mut Vec<u8>) {
        let place = at.index(bytes.len() + 1);
        match self {
            Self::Insert(piece) => drop(bytes.splice(place..place, piece.bytes())),
            Self::Delete if place < bytes.len() => drop(bytes.remove(place)),
            Self::Byte(byte) if place < bytes.len() => bytes[place] = *byte,
            _ => {}
        }
    }
}

fn agrees_with_serde_json(text: &str) {
    let mut sources = SourceMap::default();
    let source = sources.add("random", text);
    let (read, faults) = parse(source, text);
    // serde_json takes no mark at the start and keeps the last of two equal keys.
    let theirs: Result<Value, _> = serde_json::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let duplicate = faults.iter().any(|fault| matches!(fault, Fault::DuplicateKey { .. }));
    match (read, theirs) {
        (Some(read), Ok(theirs)) if !duplicate => {
            assert!(equal(&read, &theirs), "{text:?} is read as {read:?}");
        }
        (Some(_), Ok(_)) => {}
        (None, Err(_)) => assert!(!faults.is_empty(), "{text:?}"),
        // A number that no float holds is one of theirs only.
        (Some(_), Err(error)) if error.to_string().contains("number out of range") => {}
        (Some(_), Err(error)) => panic!("{text:?} is read, but serde_json says: {error}"),
        (None, Ok(_)) => panic!("{text:?} is not read: {faults:?}"),
    }
}

fn equal(read: &Json<'_>, theirs: &Value) -> bool {
    match (&read.value, theirs) {
        (Read::Null, Value::Null) => true,
        (Read::Bool(a), Value::Bool(b)) => a == b,
        (Read::Number(a), Value::Number(b)) => {
            serde_json::from_str::<Value>(a).unwrap() == Value::Number(b.clone())
        }
        (Read::String(a), Value::String(b)) => a == b,
        (Read::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Read::Object(a), Value::Object(b)) => {
            let pairs = || a.iter().zip(b);
            a.len() == b.len() && pairs().all(|(a, (key, b))| a.key == *key && equal(&a.value, b))
        }
        _ => false,
    }
}

#[test]
fn known_edges_of_json() {
    let edges = [
        "\"\\ud800\"",
        "\"\\ud83d\\ude00\"",
        "\"\\udc00\\ud800\"",
        "\"\\u12\"",
        "\"\u{7f}\"",
        "\"\t\"",
        "\"a\nb\"",
        "1.",
        "-",
        "-0",
        "-01",
        "1e",
        "1e+",
        "1E400",
        "0.0e-0",
        "\u{feff}1",
        " \u{feff}1",
        "1\u{a0}",
        "\u{b}1",
        "[1,,2]",
        "[,1]",
        "{,}",
        "{\"a\":1 \"b\":2}",
        "\"\\/\"",
        "\"\\v\"",
        "nul",
        "nulll",
        "truefalse",
        "1 2",
        "1,",
        "",
        " ",
        "\0",
        "[1]\0",
        "\"\0\"",
        "1/**/",
        "\"a\" // b",
        "\u{2028}1",
        "{\"a\":1,}",
    ];
    edges.into_iter().for_each(agrees_with_serde_json);
}

/// Every op of every architecture, written as [`Op::settings`] spells it and read again.
#[test]
fn ops_are_written_as_they_are_read() {
    let mut seen = 0;
    for (name, text) in files() {
        let network = Network::read(&name, &text, &LoadOptions::default()).unwrap();
        seen += written_again(&network);
    }
    assert!(seen > 1000, "only {seen} ops were seen");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_ops_are_written_as_they_are_read(network in random()) {
        written_again(&network.read(&LoadOptions::default()));
    }
}

/// Writes the whole network out flat, reads that, and compares op by op.
fn written_again(network: &Network) -> usize {
    let graph = &network.loaded.graph;
    // Full names hold slashes, which a name must not.
    let flat = |name: &str| name.replace(['/', '[', ']'], "|");
    let spelled = |outlet| flat(&csp_profile::report::outlet_name(graph, outlet));
    let outputs: Vec<String> = graph.outputs.iter().map(|&outlet| spelled(outlet)).collect();
    let mut inputs = serde_json::Map::new();
    let mut layers = Vec::new();
    for (_, node) in graph.nodes() {
        if let Op::Input(input) = &*node.op {
            let shape = json!({"shape": &input.shape.axes()[1..], "dtype": input.dtype.name()});
            inputs.insert(flat(&node.name), shape);
            continue;
        }
        let reads: Vec<String> = node.inputs.iter().map(|&outlet| spelled(outlet)).collect();
        let mut layer = json!({"op": node.op.name(), "name": flat(&node.name), "inputs": reads});
        for (attribute, value) in node.op.settings() {
            layer[attribute] = value;
        }
        if let Some(way) = node.called_as {
            layer["called_as"] = way.name().into();
        }
        layers.push(layer);
    }
    let text =
        json!({"inputs": inputs, "layers": layers, "outputs": outputs, "batch": graph.batch}).to_string();
    let again =
        Network::read("again.json", &text, &LoadOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(graph.len(), again.loaded.graph.len(), "{}", graph.name);
    for ((_, a), (_, b)) in graph.nodes().zip(again.loaded.graph.nodes()) {
        assert_eq!(
            (&a.op, &a.outputs, &a.inputs),
            (&b.op, &b.outputs, &b.inputs),
            "{}: {}",
            graph.name,
            a.name
        );
    }
    assert_eq!(network.analysis.total, again.analysis.total, "{}", graph.name);
    assert_eq!(network.analysis.conventions, again.analysis.conventions, "{}", graph.name);
    graph.len()
}

#[test]
fn sums_agree_in_every_architecture() {
    for (name, text) in files() {
        sums_agree(&Network::read(&name, &text, &LoadOptions::default()).unwrap());
    }
}
