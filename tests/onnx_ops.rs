//! ONNX ops as old and new operator sets spell them, dynamic sizes, and what is said of files that are wrong.
#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

mod common;
#[path = "common/onnx.rs"]
mod onnx;

use std::process::{Command, Output};

use common::Network;
use csp_profile::analysis::analyze;
use csp_profile::diagnostic::Sink;
use csp_profile::frontend::{LoadOptions, load_bytes};
use csp_profile::source::SourceMap;
use onnx::model::{Dim, Graph, Model, Node, Tensor, ValueInfo, data_type as T};
use onnx::writer::{encode, floats, ints, model, node, value, weight};

fn read_with(model: &Model, options: &LoadOptions) -> Result<Network, String> {
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let loaded = load_bytes("made.onnx", "made", encode(model).to_vec(), options, &mut sources, &mut sink);
    let said = || {
        let all = sink.diagnostics().iter().map(|found| {
            let place = found.place.as_ref().map_or(String::new(), |place| format!(" [{}]", place.part));
            format!("{}{place} {}", found.message, found.help.join(" "))
        });
        all.collect::<Vec<_>>().join("\n")
    };
    let loaded = loaded.ok_or_else(said)?;
    let analysis = analyze(&loaded.graph).unwrap();
    Ok(Network { loaded, analysis, sources, sink })
}

/// One node over x with further tensors, in an operator set.
fn one(opset: i64, x: &[i64], tensors: &[Tensor], made: Node) -> Result<Network, String> {
    let mut graph = Graph::default().input("x", x);
    for output in made.outputs.clone() {
        graph = graph.output(&output);
    }
    graph.initializers = tensors.to_vec();
    let mut model = model(opset, graph.node(made));
    model.opsets.push(("com.microsoft".into(), 1));
    read_with(&model, &LoadOptions::default())
}

/// The outputs' shapes, the names of ops and the FLOPs.
fn facts(network: &Network) -> (String, String, u64) {
    let graph = &network.loaded.graph;
    let shapes: Vec<String> =
        graph.outputs.iter().map(|&outlet| graph.tensor(outlet).shape.to_string()).collect();
    let ops: Vec<&str> = graph
        .nodes()
        .map(|(_, node)| node.op.name())
        .filter(|op| !["input", "constant"].contains(op))
        .collect();
    (shapes.join(" "), ops.join(" "), network.analysis.total.flops)
}

#[track_caller]
fn check(opset: i64, x: &[i64], tensors: &[Tensor], made: Node, shapes: &str, ops: &str, flops: u64) {
    let network = one(opset, x, tensors, made).unwrap_or_else(|said| panic!("{said}"));
    assert_eq!(facts(&network), (shapes.into(), ops.into(), flops));
    assert_eq!(network.analysis.total.unknown, 0);
}

fn scalar(name: &str, number: f32) -> Tensor {
    floats(name, &[], &[number])
}

const MAP: &[i64] = &[1, 4, 6, 8];

#[test]
fn bounds_of_clip() {
    let six = [scalar("low", 0.0), scalar("high", 6.0)];
    check(11, MAP, &six, node("Clip", &["x", "low", "high"], &["y"]), "1x4x6x8", "relu6", 2 * 192);
    check(
        6,
        MAP,
        &[],
        node("Clip", &["x"], &["y"]).with("min", 0f32).with("max", 1f32),
        "1x4x6x8",
        "hardtanh",
        384,
    );
    check(13, MAP, &six[..1], node("Clip", &["x", "low"], &["y"]), "1x4x6x8", "maximum", 192);
    check(13, MAP, &six[1..], node("Clip", &["x", "", "high"], &["y"]), "1x4x6x8", "minimum", 192);
    check(13, MAP, &[], node("Clip", &["x"], &["y"]), "1x4x6x8", "identity", 0);
}

#[test]
fn axes_that_became_inputs() {
    let (x, axes) = (&[1, 4, 1, 8][..], [ints("axes", &[1], &[2])]);
    let named = |op: &str| node(op, &["x"], &["y"]).with("axes", vec![2i64]);
    let given = |op: &str| node(op, &["x", "axes"], &["y"]);
    check(11, x, &[], named("Squeeze"), "1x4x8", "squeeze", 0);
    check(13, x, &axes, given("Squeeze"), "1x4x8", "squeeze", 0);
    check(13, x, &[], node("Squeeze", &["x"], &["y"]), "4x8", "squeeze", 0);
    check(11, x, &[], named("Unsqueeze"), "1x4x1x1x8", "unsqueeze", 0);
    check(13, x, &axes, given("Unsqueeze"), "1x4x1x1x8", "unsqueeze", 0);
    // 32 elements joined to 32: nothing to add.
    check(11, x, &[], named("ReduceSum"), "1x4x1x8", "reduce_sum", 0);
    check(13, MAP, &axes, given("ReduceSum"), "1x4x1x8", "reduce_sum", 160);
    check(13, MAP, &axes, given("ReduceSum").with("keepdims", 0i64), "1x4x8", "reduce_sum", 160);
    check(13, MAP, &[], node("ReduceSum", &["x"], &["y"]), "1x1x1x1", "reduce_sum", 191);
    let none = node("ReduceSum", &["x"], &["y"]).with("noop_with_empty_axes", 1i64);
    check(13, MAP, &[], none, "1x4x6x8", "identity", 0);
    check(18, MAP, &axes, given("ReduceMax"), "1x4x1x8", "reduce_max", 160);
    check(11, MAP, &[], named("ReduceL1"), "1x4x1x8", "abs reduce_sum", 192 + 160);
    check(11, MAP, &[], named("ReduceLogSumExp"), "1x4x1x8", "exp reduce_sum log", 192 + 160 + 32);
}

#[test]
fn slices_pads_and_splits() {
    let slice = |inputs: &[&str]| node("Slice", inputs, &["y"]);
    let old = slice(&["x"]).with("starts", vec![1i64]).with("ends", vec![-1i64]).with("axes", vec![3i64]);
    check(9, MAP, &[], old, "1x4x6x6", "slice", 0);
    let lists = [
        ints("s", &[2], &[0, -2]),
        ints("e", &[2], &[i64::MAX, i64::MIN]),
        ints("a", &[2], &[1, 3]),
        ints("t", &[2], &[2, -3]),
    ];
    // Channels 0 and 2; columns 6, 3 and 0.
    check(13, MAP, &lists, slice(&["x", "s", "e", "a", "t"]), "1x2x6x3", "slice gather", 0);
    let pads = vec![0i64, 0, 1, 2, 0, 0, 3, 4];
    check(7, MAP, &[], node("Pad", &["x"], &["y"]).with("pads", pads.clone()), "1x4x10x14", "pad", 0);
    let given = [ints("p", &[8], &pads)];
    check(13, MAP, &given, node("Pad", &["x", "p"], &["y"]).with("mode", "reflect"), "1x4x10x14", "pad", 0);
    let cut = [ints("p", &[2], &[-1, 2]), ints("a", &[1], &[3])];
    check(18, MAP, &cut, node("Pad", &["x", "p", "", "a"], &["y"]), "1x4x6x9", "slice pad", 0);
    let two = |inputs: &[&str]| node("Split", inputs, &["y", "z"]).with("axis", 1i64);
    check(7, MAP, &[], two(&["x"]), "1x2x6x8 1x2x6x8", "split", 0);
    check(11, MAP, &[], two(&["x"]).with("split", vec![1i64, 3]), "1x1x6x8 1x3x6x8", "split", 0);
    check(13, MAP, &[ints("l", &[2], &[1, 3])], two(&["x", "l"]), "1x1x6x8 1x3x6x8", "split", 0);
    let parts = node("Split", &["x"], &["a", "b", "c"]).with("axis", 3i64).with("num_outputs", 3i64);
    check(18, MAP, &[], parts, "1x4x6x3 1x4x6x3 1x4x6x2", "split", 0);
}

#[test]
fn resizes() {
    let scales = floats("s", &[4], &[1.0, 1.0, 2.0, 2.0]);
    let upsample = |inputs: &[&str]| node("Upsample", inputs, &["y"]);
    check(7, MAP, &[], upsample(&["x"]).with("scales", vec![1f32, 1.0, 2.0, 2.0]), "1x4x12x16", "resize", 0);
    check(9, MAP, std::slice::from_ref(&scales), upsample(&["x", "s"]), "1x4x12x16", "resize", 0);
    check(
        10,
        MAP,
        std::slice::from_ref(&scales),
        node("Resize", &["x", "s"], &["y"]),
        "1x4x12x16",
        "resize",
        0,
    );
    // Linear: 9 FLOPs for each of 4·12·16 outputs.
    let new = node("Resize", &["x", "", "s"], &["y"]).with("mode", "linear");
    check(13, MAP, &[scales], new, "1x4x12x16", "resize", 9 * 768);
    let empty = [floats("e", &[0], &[]), ints("n", &[4], &[1, 4, 5, 7])];
    check(11, MAP, &empty, node("Resize", &["x", "e", "e", "n"], &["y"]), "1x4x5x7", "resize", 0);
    let two = [ints("n", &[2], &[5, 7])];
    let on_axes = node("Resize", &["x", "", "", "n"], &["y"]).with("axes", vec![2i64, 3]);
    check(18, MAP, &two, on_axes, "1x4x5x7", "resize", 0);
    // 6·1.5 is 9; 8·0.3 is 2.4, rounded down.
    let odd = floats("s", &[4], &[1.0, 1.0, 1.5, 0.3]);
    check(13, MAP, &[odd], node("Resize", &["x", "", "s"], &["y"]), "1x4x9x2", "resize", 0);
    let row = floats("s", &[3], &[1.0, 1.0, 2.0]);
    check(
        13,
        &[1, 4, 8],
        &[row],
        node("Resize", &["x", "", "s"], &["y"]),
        "1x4x16",
        "reshape resize reshape",
        0,
    );
}

#[test]
fn softmax_before_and_after_operator_set_13() {
    // A row of n costs n − 1 max and add, n sub, exp and div: 5n − 2.
    check(13, &[2, 3, 4], &[], node("Softmax", &["x"], &["y"]), "2x3x4", "softmax", 6 * 18);
    check(11, &[2, 3, 4], &[], node("Softmax", &["x"], &["y"]), "2x3x4", "flatten softmax reshape", 2 * 58);
    check(
        11,
        &[2, 3, 4],
        &[],
        node("Softmax", &["x"], &["y"]).with("axis", 2i64),
        "2x3x4",
        "softmax",
        6 * 18,
    );
    check(11, &[2, 3, 1, 1], &[], node("Softmax", &["x"], &["y"]), "2x3x1x1", "softmax", 2 * 13);
}

#[test]
fn windows() {
    let pool = |op: &str| {
        node(op, &["x"], &["y"]).with("kernel_shape", vec![3i64, 3]).with("strides", vec![2i64, 2])
    };
    // 6 → 2, 8 → 3; rounded up 3 and 4, of which the last window starts inside.
    check(11, MAP, &[], pool("MaxPool"), "1x4x2x3", "max_pool2d", 24 * 8);
    check(11, MAP, &[], pool("MaxPool").with("ceil_mode", 1i64), "1x4x3x4", "max_pool2d", 48 * 8);
    check(11, MAP, &[], pool("AveragePool").with("auto_pad", "SAME_UPPER"), "1x4x3x4", "avg_pool2d", 48 * 9);
    check(11, MAP, &[], pool("AveragePool").with("auto_pad", "VALID"), "1x4x2x3", "avg_pool2d", 24 * 9);
    check(19, MAP, &[], pool("AveragePool").with("dilations", vec![2i64, 2]), "1x4x1x2", "avg_pool2d", 8 * 9);
    check(11, MAP, &[], pool("LpPool").with("p", 2i64), "1x4x2x3", "lp_pool2d", 24 * 18);
    let line = node("MaxPool", &["x"], &["y"]).with("kernel_shape", vec![2i64]).with("strides", vec![2i64]);
    check(11, &[1, 4, 8], &[], line, "1x4x4", "reshape max_pool2d reshape", 16);
    check(11, MAP, &[], node("GlobalAveragePool", &["x"], &["y"]), "1x4x1x1", "global_avg_pool", 192);
    let w = [weight("w", &[4, 1, 3, 3])];
    let conv = node("Conv", &["x", "w"], &["y"]).with("group", 4i64).with("auto_pad", "SAME_LOWER");
    // 9 taps at each of 192 outputs.
    check(11, MAP, &w, conv.with("strides", vec![1i64, 1]), "1x4x6x8", "conv2d", 2 * 9 * 192);
    let line = node("Conv", &["x", "w"], &["y"]).with("dilations", vec![2i64]);
    check(11, &[1, 4, 8], &[weight("w", &[5, 4, 3])], line, "1x5x4", "conv1d", 2 * 20 * 12);
    let back = node("ConvTranspose", &["x", "w"], &["y"])
        .with("strides", vec![2i64, 2])
        .with("output_shape", vec![12i64, 16]);
    check(11, MAP, &[weight("w", &[4, 2, 3, 3])], back, "1x2x12x16", "conv_transpose2d", 2 * 192 * 18);
}

#[test]
fn norms() {
    let tensors = ["s", "b", "m", "v"].map(|name| weight(name, &[4]));
    let batch = node("BatchNormalization", &["x", "s", "b", "m", "v"], &["y"]);
    check(7, MAP, &tensors, batch.clone(), "1x4x6x8", "batch_norm", 384);
    check(15, MAP, &tensors, batch, "1x4x6x8", "batch_norm", 384);
    // A row of n: 5n + 2, and 2n for scale and shift.
    let last = [weight("s", &[8]), weight("b", &[8])];
    check(
        17,
        MAP,
        &last,
        node("LayerNormalization", &["x", "s", "b"], &["y"]),
        "1x4x6x8",
        "layer_norm",
        24 * 58,
    );
    let instance = node("InstanceNormalization", &["x", "s", "b"], &["y"]);
    check(7, MAP, &tensors, instance, "1x4x6x8", "instance_norm", 4 * (5 * 48 + 2) + 384);
    let group = node("GroupNormalization", &["x", "s", "b"], &["y"]).with("num_groups", 2i64);
    check(21, MAP, &tensors, group, "1x4x6x8", "group_norm", 2 * (5 * 96 + 2) + 384);
    let skip = node("SkipLayerNormalization", &["x", "x", "s", "b"], &["y"]).of_domain("com.microsoft");
    check(17, &[1, 6, 8], &last, skip, "1x6x8", "add layer_norm", 48 + 6 * 58);
}

#[test]
fn activations() {
    for (op, name, flops) in
        [("Relu", "relu", 1), ("LeakyRelu", "leaky_relu", 2), ("HardSwish", "hardswish", 5)]
    {
        check(17, MAP, &[], node(op, &["x"], &["y"]), "1x4x6x8", name, flops * 192);
    }
    check(20, MAP, &[], node("Gelu", &["x"], &["y"]).with("approximate", "tanh"), "1x4x6x8", "gelu", 9 * 192);
    let slopes = [weight("a", &[4, 1, 1])];
    let network = one(17, MAP, &slopes, node("PRelu", &["x", "a"], &["y"])).unwrap();
    assert_eq!(facts(&network), ("1x4x6x8".into(), "prelu".into(), 384));
    assert_eq!(network.analysis.total.stored.learned().unwrap(), 4);
    let quick = node("QuickGelu", &["x"], &["y"]).of_domain("com.microsoft");
    check(17, MAP, &[], quick, "1x4x6x8", "mul sigmoid mul", 5 * 192);
}

#[test]
fn indices() {
    check(
        13,
        MAP,
        &[ints("i", &[], &[-1])],
        node("Gather", &["x", "i"], &["y"]).with("axis", 1i64),
        "1x6x8",
        "gather squeeze",
        0,
    );
    check(
        13,
        MAP,
        &[ints("i", &[2], &[0, 2])],
        node("Gather", &["x", "i"], &["y"]).with("axis", 1i64),
        "1x2x6x8",
        "gather",
        0,
    );
    let top = node("TopK", &["x"], &["y", "z"]).with("k", 3i64);
    check(7, MAP, &[], top, "1x4x6x3 1x4x6x3", "top_k", 24 * 7);
    check(
        11,
        MAP,
        &[ints("k", &[1], &[3])],
        node("TopK", &["x", "k"], &["y", "z"]),
        "1x4x6x3 1x4x6x3",
        "top_k",
        24 * 7,
    );
    check(13, MAP, &[], node("ArgMax", &["x"], &["y"]).with("axis", 1i64), "1x1x6x8", "argmax", 144);
    check(
        13,
        &[1, 16, 2, 2],
        &[],
        node("DepthToSpace", &["x"], &["y"]).with("blocksize", 2i64),
        "1x4x4x4",
        "depth_to_space",
        0,
    );
    // An embedding: rows that tokens pick of a learned table.
    let mut graph = Graph::default().output("y").initializer(weight("table", &[50, 8]));
    graph.inputs.push(value("tokens", T::INT64, &[1, 7]));
    let network = read_with(
        &model(13, graph.node(node("Gather", &["table", "tokens"], &["y"]))),
        &LoadOptions::default(),
    )
    .unwrap();
    assert_eq!(facts(&network).0, "1x7x8");
    assert_eq!(network.analysis.total.stored.learned().unwrap(), 400);
}

/// The sizes that a node makes of whole numbers, seen as the shape of a tensor that it fills.
#[track_caller]
fn sizes(tensors: &[Tensor], made: Node, expected: &str) {
    let mut graph = Graph::default().input("x", MAP).output("y");
    graph.initializers = tensors.to_vec();
    let graph = graph.node(made).node(node("ConstantOfShape", &["s"], &["y"]));
    let network =
        read_with(&model(17, graph), &LoadOptions::default()).unwrap_or_else(|said| panic!("{said}"));
    assert_eq!(facts(&network), (expected.into(), String::new(), 0));
}

#[test]
fn whole_numbers_are_evaluated_exactly() {
    let two = |a: &[i64], b: &[i64]| {
        [ints("a", &[i64::try_from(a.len()).unwrap()], a), ints("b", &[i64::try_from(b.len()).unwrap()], b)]
    };
    let of = |op: &str| node(op, &["a", "b"], &["s"]);
    sizes(&two(&[3, 4], &[2]), of("Add"), "5x6");
    sizes(&two(&[7, 9], &[2]), of("Div"), "3x4");
    sizes(&two(&[-7, 7], &[5]), of("Mod"), "3x2");
    sizes(&two(&[2, 3], &[3]), of("Pow"), "8x27");
    sizes(&two(&[2, 9], &[5]), of("Max"), "5x9");
    sizes(
        &[ints("a", &[], &[2]), ints("b", &[], &[9]), ints("c", &[], &[3])],
        node("Range", &["a", "b", "c"], &["s"]),
        "2x5x8",
    );
    sizes(&two(&[5, 6, 7], &[0, -1]), of("Gather"), "5x7");
    sizes(&two(&[5, 6, 7], &[2, 1]), node("Concat", &["a", "b"], &["s"]).with("axis", 0i64), "5x6x7x2x1");
    sizes(
        &[ints("a", &[2, 2], &[1, 2, 3, 4])],
        node("ReduceProd", &["a"], &["s"]).with("axes", vec![1i64]).with("keepdims", 0i64),
        "2x12",
    );
    sizes(&[ints("a", &[2, 2], &[1, 2, 3, 4]), ints("b", &[1], &[-1])], of("Reshape"), "1x2x3x4");
    sizes(&[ints("a", &[3], &[2, 3, 4])], node("Identity", &["a"], &["s"]), "2x3x4");
    sizes(&[ints("a", &[3], &[2, 3, 4]), ints("b", &[], &[0])], of("CumSum"), "2x5x9");
    sizes(&two(&[5, 6], &[2]), of("Tile"), "5x6x5x6");
    sizes(&[ints("a", &[1], &[4]), ints("b", &[1], &[3])], of("Expand"), "4x4x4");
    // Part of a shape, from its end.
    sizes(&[], node("Shape", &["x"], &["s"]).with("start", -2i64), "6x8");
    // Sizes through floats, as interpolation is exported: 7·0.5 is 3.5, rounded down.
    let mut graph = Graph::default().input("x", MAP).output("y");
    graph.initializers = vec![ints("a", &[2], &[7, 10]), ints("one", &[2], &[1, 4])];
    let graph = graph
        .node(node("Constant", &[], &["half"]).with("value", floats("", &[], &[0.5])))
        .node(node("Cast", &["a"], &["f"]).with("to", 1i64))
        .node(node("Mul", &["f", "half"], &["h"]))
        .node(node("Floor", &["h"], &["d"]))
        .node(node("Cast", &["d"], &["n"]).with("to", 7i64))
        .node(node("Concat", &["one", "n"], &["s"]).with("axis", 0i64))
        .node(node("Resize", &["x", "", "", "s"], &["y"]));
    let network = read_with(&model(17, graph), &LoadOptions::default()).unwrap();
    assert_eq!(facts(&network), ("1x4x3x5".into(), "resize".into(), 0));
}

/// x with the given axes: a number, a symbol, or `?`.
fn open(axes: &[&str]) -> Model {
    let dims = axes.iter().map(|axis| match (*axis, axis.parse()) {
        ("?", _) => Dim::Unknown,
        (_, Ok(size)) => Dim::Known(size),
        (symbol, _) => Dim::Symbol(symbol.into()),
    });
    let mut graph = Graph::default().output("y").node(node("Relu", &["x"], &["y"]));
    graph.inputs.push(ValueInfo { dims: Some(dims.collect()), ..value("x", T::FLOAT, &[]) });
    model(17, graph)
}

#[test]
fn sizes_that_a_file_leaves_open() {
    let shape =
        |axes: &[&str], options: &LoadOptions| read_with(&open(axes), options).map(|found| facts(&found).0);
    let none = LoadOptions::default();
    let given = |name: Option<&str>, axes: &[u64]| LoadOptions {
        inputs: vec![(name.map(str::to_owned), axes.to_vec())],
        ..LoadOptions::default()
    };
    assert_eq!(shape(&["batch", "3", "8", "8"], &none).unwrap(), "1x3x8x8");
    assert_eq!(
        shape(&["?", "3", "8", "8"], &LoadOptions { batch: Some(4), ..none.clone() }).unwrap(),
        "4x3x8x8"
    );
    assert_eq!(
        shape(&["1", "3", "8", "8"], &LoadOptions { batch: Some(4), ..none.clone() }).unwrap(),
        "4x3x8x8"
    );
    assert_eq!(shape(&["n", "3", "h", "w"], &given(Some("x"), &[2, 3, 5, 7])).unwrap(), "2x3x5x7");
    assert_eq!(shape(&["n", "3", "h", "w"], &given(None, &[3, 5, 7])).unwrap(), "1x3x5x7");
    let said = shape(&["n", "3", "h", "?"], &none).unwrap_err();
    assert_eq!(
        said,
        "the input `x` is [n, 3, h, ?]: its axis 2 is `h`, so its size must be given [] for example `--input \
         x=1x3x224x224`"
    );
    let said = shape(&["n", "3", "h", "w"], &given(Some("y"), &[1])).unwrap_err();
    assert!(said.contains("the network has no input `y`") && said.contains("inputs: x"), "{said}");
    let said = shape(&["n", "3"], &given(None, &[1, 2, 3, 4])).unwrap_err();
    assert!(said.contains("has 2 axes, [n, 3], but 4 are given"), "{said}");
    let said =
        read_with(&open(&["1"]), &LoadOptions { set: vec![("a".into(), "1".into())], ..none }).err().unwrap();
    assert!(said.contains("an ONNX file has none"), "{said}");
}

#[test]
fn what_is_wrong_names_the_node() {
    let said = |graph: Graph| read_with(&model(17, graph), &LoadOptions::default()).err().unwrap();
    let graph = || Graph::default().input("x", MAP).output("y");
    let found = said(
        graph()
            .initializer(weight("w", &[8, 3, 1, 1]))
            .node(node("Conv", &["x", "w"], &["y"]).named("/stem/Conv")),
    );
    assert!(
        found.contains("reads 3 channels, but the input 1x4x6x8 has 4 [node 0 `/stem/Conv` (Conv)]"),
        "{found}"
    );
    let found = said(graph().node(node("Relu", &["nowhere"], &["y"])));
    assert!(found.contains("nothing makes its input `nowhere` [node 0 `y` (Relu)]"), "{found}");
    let found = said(graph().node(node("Relu", &["z"], &["y"])).node(node("Relu", &["y"], &["z"])));
    assert!(found.contains("in a circle: "), "{found}");
    let found = said(graph().node(node("Relu", &["x"], &["z"])));
    assert!(found.contains("nothing makes the output `y`"), "{found}");
    let found = said(graph().node(node("Relu", &["x"], &["y"])).node(node("Relu", &["x"], &["y"])));
    assert!(found.contains("the name `y` stands for two values"), "{found}");
    // Nodes may stand in any order.
    let turned = graph().node(node("Relu", &["z"], &["y"])).node(node("Sigmoid", &["x"], &["z"]));
    let network = read_with(&model(17, turned), &LoadOptions::default()).unwrap();
    assert_eq!(facts(&network).1, "sigmoid relu");
}

/// The command's output on a model with an op that nobody knows.
fn command(arguments: &[&str]) -> Output {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("unknown.onnx");
    let graph = Graph::default()
        .input("x", MAP)
        .output("y")
        .initializer(weight("w", &[4, 4, 1, 1]))
        .node(node("Conv", &["x", "w"], &["c"]).named("/neck/Conv"))
        .node(node("Fancy", &["c"], &["y"]).of_domain("com.acme").named("/neck/Fancy"));
    std::fs::write(&path, encode(&model(17, graph)).to_vec()).unwrap();
    Command::new(env!("CARGO_BIN_EXE_csp-profile")).arg("analyze").arg(path).args(arguments).output().unwrap()
}

#[test]
fn every_format_says_at_least() {
    let text = |arguments: &[&str]| {
        let output = command(arguments);
        assert!(output.status.success(), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("the cost of `com.acme::Fancy` is unknown"));
        String::from_utf8(output.stdout).unwrap()
    };
    let table = text(&[]);
    // 16 weights at 48 places.
    let macs = table.lines().find(|line| line.starts_with("MACs")).unwrap();
    assert!(macs.contains(" ≥ 768"), "{table}");
    assert!(table.contains("≥ is at least: the cost of 1 op is unknown (com.acme::Fancy)"), "{table}");
    let markdown = text(&["--format", "markdown", "--by", "op"]);
    assert!(markdown.contains("| unknown | 1 | - | ? |") && markdown.contains("≥ 768"), "{markdown}");
    let csv = text(&["--format", "csv", "--by", "op"]);
    assert!(csv.contains("\nunknown,1,0,unknown,") && csv.contains("\ntotal,2,16,at least 768,"), "{csv}");
    let layers = text(&["--format", "csv"]);
    assert!(
        layers.contains("/neck/Fancy,com.acme::Fancy,,0,unknown,unknown,unknown,unknown,unknown,"),
        "{layers}"
    );
    let json: serde_json::Value = serde_json::from_str(&text(&["--format", "json"])).unwrap();
    assert_eq!(json["totals"]["at_least"], true);
    let expected = serde_json::json!([{"name": "/neck/Fancy", "op": "com.acme::Fancy"}]);
    assert_eq!(json["totals"]["unknown_ops"], expected);
    let node = &json["nodes"][2];
    assert_eq!((&node["unknown"], &node["macs"]), (&true.into(), &serde_json::Value::Null));
    assert_eq!(node["origin"], serde_json::json!({"onnx_index": 1, "onnx_name": "/neck/Fancy"}));
    let denied = command(&["--unknown", "deny"]);
    assert_eq!(denied.status.code(), Some(2));
    assert!(denied.stdout.is_empty());
}
