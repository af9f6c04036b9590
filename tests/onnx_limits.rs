//! ONNX files of some kilobytes that ask for all of the memory, or all of the time: each has an answer, soon, within a
//! bound of memory that the system holds.
#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]
#![cfg(unix)]

#[path = "common/onnx.rs"]
mod onnx;

use std::process::Command;
use std::time::{Duration, Instant};

use onnx::model::{Data, Function, Graph, Model, Node, Tensor, Value, data_type as T};
use onnx::writer::{encode, ints, model, node, value, weight};

/// Address space that the program may have. Its threads and its allocator take more of it than they use.
const KIBIBYTES: u64 = 2 << 20;
/// How long it may take, not optimised and on a machine with other work.
const SECONDS: Duration = Duration::from_secs(40);

/// What the program says of a file, with its exit code.
#[track_caller]
fn say(bytes: &[u8]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("limit.onnx");
    std::fs::write(&path, bytes).unwrap();
    let start = Instant::now();
    let output = Command::new("sh")
        .args([
            "-c",
            "ulimit -v \"$1\"; exec \"$2\" --color never analyze --no-report --sections summary \"$3\"",
        ])
        .args(["sh", &KIBIBYTES.to_string(), env!("CARGO_BIN_EXE_csp-profile")])
        .arg(&path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(start.elapsed() < SECONDS, "it took {:?} and said: {said}", start.elapsed());
    let code = output.status.code();
    (code.unwrap_or_else(|| panic!("{:?}: {said}", output.status)), said)
}

/// The file is refused with these words.
#[track_caller]
fn refused(model: &Model, words: &str) {
    let (code, said) = say(&encode(model).to_vec());
    assert!(code == 2 || code == 1, "{code}: {said}");
    assert!(said.contains("error") && said.contains(words), "{said}");
    assert!(said.len() < 4000, "{} bytes are no clear error", said.len());
}

/// The file is a network, perhaps of unknown cost.
#[track_caller]
fn taken(model: &Model, words: &str) {
    let (code, said) = say(&encode(model).to_vec());
    assert!(code == 0 && said.contains(words), "{code}: {said}");
}

fn image() -> Graph {
    Graph::default().input("x", &[1, 3, 8, 8])
}

/// `x` behind a node, and the result as the output.
fn one(node: Node, tensors: impl IntoIterator<Item = Tensor>) -> Model {
    let mut graph = image().output("y").node(node);
    graph.initializers.extend(tensors);
    model(17, graph)
}

fn truths(count: usize) -> Tensor {
    Tensor { data_type: T::BOOL, data: Data::Here(vec![1; count]), ..weight("truth", &[]) }
}

#[test]
fn huge_sizes() {
    let exa = 1 << 62;
    let conv = node("Conv", &["x", "w"], &["y"]);
    taken(
        &one(conv, [weight("w", &[exa, 3, exa, 1])]),
        "the cost of `Conv` is unknown: input 1 has no known size: the stored tensor",
    );
    let expand = || node("Expand", &["x", "s"], &["y"]);
    taken(&one(expand(), [ints("s", &[5], &[1 << 40, 1, 1, 1, 1])]), "");
    refused(&one(expand(), [ints("s", &[5], &[exa, 1, 1, 1, 1])]), "64 bits");
    let tile = || node("Tile", &["x", "s"], &["y"]);
    taken(&one(tile(), [ints("s", &[4], &[1 << 20, 1, 1 << 20, 1])]), "");
    refused(&one(tile(), [ints("s", &[4], &[exa, exa, 1, 1])]), "64 bits");
    let filled = |size| {
        let graph = image()
            .output("y")
            .initializer(ints("s", &[1], &[size]))
            .node(node("ConstantOfShape", &["s"], &["c"]))
            .node(node("Add", &["c", "x1"], &["y"]))
            .initializer(weight("x1", &[1]));
        model(17, graph)
    };
    taken(&filled(1 << 40), "");
    refused(&filled(i64::MAX), "64 bits");
    let range = node("Range", &["a", "b", "c"], &["y"]);
    taken(&one(range, [ints("a", &[], &[0]), ints("b", &[], &[exa]), ints("c", &[], &[1])]), "unknown");
    let split = node("Split", &["x"], &["y"]).with("num_outputs", 1i64 << 31).with("axis", 2);
    refused(&one(split, []), "2147483648 parts");
    let axes: Vec<i64> = (0..60_000).collect();
    refused(
        &one(node("Unsqueeze", &["w", "a"], &["y"]), [weight("w", &[4]), ints("a", &[60_000], &axes)]),
        "axes",
    );
    let zeros = vec![0; 60_000];
    let slice = node("Slice", &["x", "s", "e", "s"], &["y"]);
    let ends = ints("e", &[60_000], &vec![7; 60_000]);
    refused(&one(slice, [ints("s", &[60_000], &zeros), ends]), "60000 axes");
}

/// Constants that double with each step are followed while they are small.
#[test]
fn constants_that_double() {
    let mut graph = image().initializer(ints("c0", &[2], &[1, 1])).output("y");
    for step in 0..70 {
        let (from, to) = (format!("c{step}"), format!("c{}", step + 1));
        graph = graph.node(node("Concat", &[&from, &from], &[&to]).with("axis", 0));
    }
    refused(&model(17, graph.node(node("Identity", &["c70"], &["y"]))), "64 bits");
}

/// Both branches of an If are looked at where its condition is not known, and again those within.
#[test]
fn branches_within_branches() {
    let mut body = Graph::default().output("r").node(node("Relu", &["x"], &["r"]));
    for depth in 0..40 {
        let nested = node("If", &["condition"], &["r"])
            .with("then_branch", body)
            .with("else_branch", Graph::default().output("r").node(node("Identity", &["x"], &["r"])));
        body = Graph::default().output("r").node(nested.named(&format!("if{depth}")));
    }
    let mut graph = image().output("r");
    graph.inputs.push(value("condition", T::BOOL, &[]));
    graph.nodes = body.nodes;
    refused(&model(17, graph), "written out");
}

fn loops(depth: usize, mut body: Graph) -> Model {
    for _ in 0..depth {
        body.inputs =
            vec![value("i", T::INT64, &[]), value("goes_on", T::BOOL, &[]), value("v", T::FLOAT, &[])];
        body.outputs.insert(0, value("goes_on", T::BOOL, &[]));
        let turn = node("Loop", &["turns", "truth", "v"], &["r"]).named("loop").with("body", body);
        body = Graph::default().output("r").node(turn);
    }
    let mut graph = image().output("r").initializer(ints("turns", &[], &[256])).initializer(truths(1));
    graph.nodes = body.nodes;
    graph.nodes[0].inputs[2] = "x".into();
    model(17, graph)
}

#[test]
fn loops_within_loops() {
    refused(&loops(4, Graph::default().output("r").node(node("Relu", &["v"], &["r"]))), "written out");
    // What the body does not need costs nothing at any turn.
    let mut body = Graph::default().output("r").node(node("Relu", &["v"], &["r"]));
    body.nodes.extend((0..5000).map(|dead| node("Relu", &["v"], &[&format!("dead{dead}")])));
    taken(&loops(1, body.clone()), "");
    refused(&loops(3, body), "written out");
    // Names grow with the depth.
    let long = "n".repeat(60_000);
    refused(&loops(2, Graph::default().output("r").node(node("Relu", &["v"], &["r"]).named(&long))), "names");
}

fn calls(count: usize, times: usize) -> Model {
    let mut model = model(17, image().output("y").node(node("F0", &["x"], &["y"]).of_domain("d")));
    model.opsets.push(("d".into(), 1));
    for index in 0..count {
        let callee = format!("F{}", (index + 1) % count);
        let mut function = Function {
            domain: "d".into(),
            name: format!("F{index}"),
            inputs: vec!["v0".into()],
            outputs: vec![format!("v{times}")],
            opsets: vec![(String::new(), 17), ("d".into(), 1)],
            ..Function::default()
        };
        for step in 0..times {
            let (from, to) = (format!("v{step}"), format!("v{}", step + 1));
            let call = node(&callee, &[&from], &[&to]).of_domain("d");
            let last = node("Relu", &[&from], &[&to]);
            function.nodes.push(if index + 1 == count && times > 1 { last } else { call });
        }
        model.functions.push(function);
    }
    model
}

#[test]
fn functions_that_call_functions() {
    refused(&calls(40, 2), "written out");
    refused(&calls(1, 1), "within each other");
    refused(&calls(7, 1), "within each other");
}

/// Lists that one initializer holds and many nodes unfold.
#[test]
fn lists_that_are_used_many_times() {
    let many = |count: usize, node: &dyn Fn(&str) -> Node, tensors: Vec<Tensor>| {
        let mut graph = Graph::default().input("x", &[1 << 16]);
        graph.initializers = tensors;
        for index in 0..count {
            let name = format!("y{index}");
            graph = graph.node(node(&name)).output(&name);
        }
        model(17, graph)
    };
    let indices = ints("i", &[4096], &vec![0; 4096]);
    refused(&many(60_000, &|name| node("Gather", &["x", "i"], &[name]), vec![indices]), "written out");
    let split = |name: &str| node("Split", &["x"], &[name]).with("num_outputs", 1 << 15);
    refused(&many(2000, &split, Vec::new()), "written out");
    let to_sequence = |name: &str| node("SplitToSequence", &["x"], &[name]);
    refused(&many(100, &to_sequence, Vec::new()), "written out");
    let large = || ints("k", &[1 << 16], &vec![1; 1 << 16]);
    // Numbers that cannot be folded are looked at once, however many they are.
    refused(
        &many(5000, &|name| node("Clip", &["x", "k"], &[name]), vec![large()]),
        "different element types",
    );
    taken(&many(5000, &|name| node("Neg", &["k"], &[name]), vec![large()]), "");
    let lowest = ints("k", &[1 << 16], &vec![i64::MIN; 1 << 16]);
    taken(&many(5000, &|name| node("Neg", &["k"], &[name]), vec![lowest]), "");
}

/// What grows with each node of a chain.
#[test]
fn chains() {
    let chain = |count: usize, first: Node, next: &dyn Fn(&str, &str) -> Node| {
        let mut graph = image().node(first).initializer(weight("scale", &[])).initializer(weight("w", &[8]));
        for index in 0..count {
            graph = graph.node(next(&format!("c{index}"), &format!("c{}", index + 1)));
        }
        let last = format!("c{count}");
        graph = graph.node(node("SequenceLength", &[&last], &["y"])).output("y");
        model(17, graph)
    };
    let insert = |from: &str, to: &str| node("SequenceInsert", &[from, "x"], &[to]);
    refused(&chain(60_000, node("SequenceEmpty", &[], &["c0"]), &insert), "written out");
    let dequantize = |from: &str, to: &str| node("DequantizeLinear", &[from, "scale"], &[to]);
    taken(&chain(60_000, node("Identity", &["w"], &["c0"]), &dequantize), "");
}

/// Names that are taken, and blocks that are made and taken back.
#[test]
fn names() {
    let mut graph = image();
    for number in 2..60_000 {
        let output = format!("y{number}");
        graph = graph.node(node("Relu", &["x"], &[&output]).named(&format!("a#{number}"))).output(&output);
    }
    for number in 0..60_000 {
        let output = format!("z{number}");
        graph = graph.node(node("Relu", &["x"], &[&output]).named("a")).output(&output);
    }
    taken(&model(17, graph), "");
    let mut graph = image();
    for number in 0..60_000 {
        let output = format!("y{number}");
        let unknown = node("NonZero", &["x"], &[&output]).named(&format!("/block{number}/op"));
        graph = graph.node(unknown).output(&output);
    }
    taken(&model(17, graph), "unknown");
}

/// Weights behind a join of many tensors are looked for among the first.
#[test]
fn weights_of_many_parts() {
    let names: Vec<String> = (0..20_000).map(|part| format!("p{part}")).collect();
    let parts: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut graph = Graph::default().input("x", &[1, 20_000]);
    graph.nodes.push(node("Concat", &parts, &["w"]).with("axis", 0));
    graph.initializers = names.iter().map(|name| weight(name, &[1, 4])).collect();
    for index in 0..20_000 {
        let name = format!("y{index}");
        graph = graph.node(node("MatMul", &["x", "w"], &[&name])).output(&name);
    }
    taken(&model(17, graph), "");
}

/// Empty messages are two bytes long, and what they become is not.
#[test]
fn empty_messages() {
    let graph = encode(&model(17, image().output("x"))).to_vec();
    let functions: Vec<u8> = graph.iter().copied().chain([0xca, 0x01, 0].repeat(8 << 20)).collect();
    let (code, said) = say(&functions);
    assert!(code != 0 && said.contains("too many parts"), "{said}");
    let opsets: Vec<u8> = graph.into_iter().chain([0x42, 0].repeat(1 << 20)).collect();
    let (code, said) = say(&opsets);
    assert!(code != 0 && said.contains("operator sets"), "{said}");
}

/// A Conv in a loop has one set of weights, however often it turns.
#[test]
fn bodies_share_their_weights() {
    let mut body = Graph::default().output("r").node(node("Conv", &["v", "w"], &["r"]));
    body.initializers.push(weight("w", &[3, 3, 1, 1]));
    let mut model = loops(1, body);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("loop.onnx");
    model.graph.initializers[0] = ints("turns", &[], &[5]);
    std::fs::write(&path, encode(&model).to_vec()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_csp-profile"))
        .args(["analyze", "--format", "json"])
        .arg(&path)
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["totals"]["parameters"]["total"], 9, "{}", report["totals"]);
    assert_eq!(report["totals"]["macs"], 5 * 9 * 64);
    assert!(matches!(model.graph.nodes[0].attributes[0].value, Value::Graph(_)));
}
