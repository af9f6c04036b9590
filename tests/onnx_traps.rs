//! What real ONNX files hide, each on a file made here, with figures worked by hand.
#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

mod common;
#[path = "common/onnx.rs"]
mod onnx;

use common::Network;
use csp_profile::analysis::{analyze, memory};
use csp_profile::diagnostic::{Severity, Sink};
use csp_profile::frontend::{LoadOptions, UnknownOps, load_bytes};
use csp_profile::source::SourceMap;
use onnx::model::{Data, Dim, Function, Graph, Model, Tensor, Value, data_type as T};
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

#[track_caller]
fn read(model: &Model) -> Network {
    read_with(model, &LoadOptions::default()).unwrap_or_else(|said| panic!("{said}"))
}

/// The shape of the first output.
fn shape(network: &Network) -> String {
    let graph = &network.loaded.graph;
    graph.outputs.first().map_or("none".into(), |&output| graph.tensor(output).to_string())
}

fn learned(network: &Network) -> u64 {
    network.analysis.total.stored.learned().unwrap()
}

fn peak(network: &Network) -> u64 {
    memory::analyze(&network.loaded.graph).unwrap().models[0].peak
}

fn warnings(network: &Network) -> Vec<String> {
    network.sink.diagnostics().iter().map(|found| found.message.clone()).collect()
}

/// x `[1, 4, 6, 6]` of floats, y without a shape.
fn graph() -> Graph {
    Graph::default().input("x", &[1, 4, 6, 6]).output("y")
}

fn constant(name: &str, tensor: Tensor) -> onnx::model::Node {
    node("Constant", &[], &[name]).with("value", tensor)
}

#[test]
fn trap_1_shapes_are_computed_and_symbols_are_sizes() {
    // [batch, 3, s53, s53] → a shape picked apart, put together again and expanded.
    let symbols =
        [Dim::Symbol("batch".into()), Dim::Known(3), Dim::Symbol("s53".into()), Dim::Symbol("s53".into())];
    let mut graph = Graph::default().output("y");
    graph.inputs.push(onnx::model::ValueInfo { dims: Some(symbols.to_vec()), ..value("x", T::FLOAT, &[]) });
    let graph = graph
        .initializer(ints("zero", &[], &[0]))
        .initializer(ints("one", &[1], &[1]))
        .initializer(ints("minus", &[1], &[-1]))
        .initializer(weight("w", &[5, 3, 1, 1]))
        .node(node("Identity", &["w"], &["same_w"]))
        .node(node("Conv", &["x", "same_w"], &["c"]))
        .node(node("Shape", &["c"], &["s"]))
        .node(node("Gather", &["s", "zero"], &["n"]).with("axis", 0i64))
        .node(node("Unsqueeze", &["n", "one_axis"], &["n1"]))
        .initializer(ints("one_axis", &[1], &[0]))
        .node(node("Concat", &["n1", "minus"], &["flat"]).with("axis", 0i64))
        .node(node("Reshape", &["c", "flat"], &["r"]))
        // A shape whose -1 is replaced by what a comparison finds, as `expand` is exported.
        .node(node("ConstantOfShape", &["two"], &["ones"]).with("value", ints("", &[1], &[1])))
        .initializer(ints("two", &[1], &[2]))
        .node(node("Equal", &["wanted", "minus"], &["open"]))
        .initializer(ints("wanted", &[2], &[7, -1]))
        .node(node("Where", &["open", "ones", "wanted"], &["target"]))
        .node(node("Expand", &["r", "target"], &["y"]));
    let options =
        LoadOptions { inputs: vec![(Some("x".into()), vec![1, 3, 8, 8])], ..LoadOptions::default() };
    let network = read_with(&model(17, graph.clone()), &options).unwrap();
    assert_eq!(shape(&network), "7x320 f32");
    // 5·3 weights at 64 places.
    assert_eq!((network.analysis.total.macs, learned(&network)), (15 * 64, 15));
    // Nothing is left of the shapes: a convolution, a reshape and an expand.
    assert_eq!(network.analysis.total.nodes, 3);
    let said = read_with(&model(17, graph), &LoadOptions::default()).err().unwrap();
    assert!(said.contains("axis 2 is `s53`"), "{said}");
    assert!(said.contains("--input x=1x3x224x224"), "{said}");
}

#[test]
fn trap_2_fused_and_integer_products_count() {
    let of = |graph: Graph| read(&model(17, graph));
    // 8·4·3·3 = 288 weights at 16 places, 8 biases, a sum and a ReLU.
    let fused = of(graph()
        .initializer(weight("w", &[8, 4, 3, 3]))
        .initializer(weight("b", &[8]))
        .input("z", &[1, 8, 4, 4])
        .node(
            node("FusedConv", &["x", "w", "b", "z"], &["y"])
                .of_domain("com.microsoft")
                .with("activation", "Relu"),
        ));
    assert_eq!((fused.analysis.total.macs, learned(&fused)), (288 * 16, 296));
    let bytes = |name: &str, data_type, dims: &[i64]| Tensor { data_type, ..weight(name, dims) };
    let quantized = |graph: Graph| {
        graph.initializer(floats("s", &[], &[0.1])).initializer(bytes("z", T::UINT8, &[])).initializer(bytes(
            "zw",
            T::INT8,
            &[],
        ))
    };
    let mut qlinear = quantized(Graph::default().output("y"))
        .initializer(bytes("w", T::INT8, &[8, 4, 3, 3]))
        .initializer(bytes("b", T::INT32, &[8]))
        .node(node("QLinearConv", &["x", "s", "z", "w", "s", "zw", "s", "z", "b"], &["y"]));
    qlinear.inputs.push(value("x", T::UINT8, &[1, 4, 6, 6]));
    let qlinear = of(qlinear);
    assert_eq!((qlinear.analysis.total.macs, shape(&qlinear)), (288 * 16, "1x8x4x4 u8".into()));
    // Weights of one byte, biases of four, and the scale that is stored once.
    assert_eq!((learned(&qlinear), qlinear.analysis.total.stored.bytes), (296, 288 + 32 + 4));
    let mut integer = Graph::default()
        .output("y")
        .initializer(bytes("w", T::UINT8, &[8, 4, 3, 3]))
        .node(node("ConvInteger", &["x", "w"], &["y"]));
    integer.inputs.push(value("x", T::UINT8, &[1, 4, 6, 6]));
    let integer = of(integer);
    assert_eq!((integer.analysis.total.macs, shape(&integer)), (288 * 16, "1x8x4x4 i32".into()));
    let mut matmul = Graph::default().output("y").initializer(bytes("w", T::UINT8, &[5, 7])).node(node(
        "MatMulInteger",
        &["x", "w"],
        &["y"],
    ));
    matmul.inputs.push(value("x", T::UINT8, &[2, 5]));
    let matmul = of(matmul);
    assert_eq!((matmul.analysis.total.macs, shape(&matmul)), (70, "2x7 i32".into()));
    let mut gemm = quantized(Graph::default().output("y")).initializer(bytes("w", T::INT8, &[7, 5])).node(
        node("QGemm", &["x", "s", "z", "w", "s", "zw"], &["y"])
            .of_domain("com.microsoft")
            .with("transB", 1i64),
    );
    gemm.inputs.push(value("x", T::UINT8, &[2, 5]));
    let gemm = of(gemm);
    assert_eq!((gemm.analysis.total.macs, shape(&gemm)), (70, "2x7 f32".into()));
    // Projections 10·6·18, scores and sums 2·(2·10·10·3).
    let attention = of(Graph::default()
        .input("x", &[1, 10, 6])
        .output("y")
        .initializer(weight("w", &[6, 18]))
        .initializer(weight("b", &[18]))
        .node(
            node("Attention", &["x", "w", "b"], &["y"]).of_domain("com.microsoft").with("num_heads", 2i64),
        ));
    assert_eq!((attention.analysis.total.macs, learned(&attention)), (1080 + 1200, 126));
    assert_eq!(shape(&attention), "1x10x6 f32");
    let einsum = of(Graph::default()
        .input("a", &[2, 3, 4])
        .output("y")
        .initializer(weight("w", &[4, 5]))
        .node(node("Einsum", &["a", "w"], &["y"]).with("equation", "bij,jk->bik")));
    assert_eq!((einsum.analysis.total.macs, learned(&einsum)), (120, 20));
    assert_eq!(einsum.analysis.total.stored.weights, 20);
}

#[test]
fn trap_2_functions_take_attributes_of_their_caller() {
    let mut convolve = node("Conv", &["a", "k"], &["c"]);
    convolve =
        convolve.with("strides", Value::Caller("step".into())).with("pads", Value::Caller("border".into()));
    let function = Function {
        domain: "local".into(),
        name: "Block".into(),
        inputs: vec!["a".into(), "k".into()],
        outputs: vec!["r".into()],
        attributes: vec!["step".into()],
        defaults: vec![onnx::model::Attribute { name: "border".into(), value: vec![1i64, 1, 1, 1].into() }],
        nodes: vec![convolve, node("Relu", &["c"], &["r"])],
        opsets: vec![(String::new(), 17)],
        ..Function::default()
    };
    let graph = graph().initializer(weight("w", &[8, 4, 3, 3])).node(
        node("Block", &["x", "w"], &["y"]).of_domain("local").named("/stem").with("step", vec![2i64, 2]),
    );
    let mut made = model(17, graph);
    made.functions.push(function.clone());
    made.opsets.push(("local".into(), 1));
    let network = read(&made);
    // A border of 1 and a step of 2: 6 → 3.
    assert_eq!((shape(&network), network.analysis.total.macs), ("1x8x3x3 f32".into(), 288 * 9));
    let names: Vec<&str> = network.loaded.graph.nodes().map(|(_, node)| &*node.name).collect();
    assert_eq!(names, ["x", "/stem/c", "/stem/r"]);
    // One that calls itself ends.
    let mut endless = made.clone();
    endless.functions[0].nodes = vec![node("Block", &["a", "k"], &["r"]).of_domain("local")];
    let said = read_with(&endless, &LoadOptions::default()).err().unwrap();
    assert!(said.contains("64 calls and bodies lie within each other"), "{said}");
}

/// A body of one node.
fn body(made: onnx::model::Node, output: &str) -> Value {
    Value::Graph(Box::new(Graph::default().node(made).output(output)))
}

#[test]
fn trap_2_both_costs_of_an_if_are_said() {
    let branches = |condition: &str| {
        node("If", &[condition], &["y"])
            .named("/choice/If")
            .with("then_branch", body(node("Conv", &["x", "w"], &["a"]), "a"))
            .with("else_branch", body(node("Relu", &["x"], &["b"]), "b"))
    };
    let made = |graph: Graph| graph.initializer(weight("w", &[4, 4, 1, 1]));
    let mut open = made(graph()).node(branches("c"));
    open.inputs.push(value("c", T::BOOL, &[]));
    let network = read(&model(17, open));
    // The convolution, 16·36 MACs, costs more than the ReLU, 4·36 FLOPs.
    assert_eq!(network.analysis.total.macs, 576);
    let said = warnings(&network).join("\n");
    assert!(said.contains("`then` has 576 MACs and 1,152 FLOPs, `else` 0 MACs and 144 FLOPs"), "{said}");
    let truth = |value: u8| Tensor { data_type: T::BOOL, data: Data::Here(vec![value]), ..weight("c", &[]) };
    for (value, macs) in [(1, 576), (0, 0)] {
        let network = read(&model(17, made(graph()).initializer(truth(value)).node(branches("c"))));
        assert_eq!((network.analysis.total.macs, warnings(&network)), (macs, Vec::new()));
    }
}

#[test]
fn trap_2_loops_are_written_out_or_at_least() {
    let turn = Graph::default().node(node("Conv", &["carried", "w"], &["next"])).node(node(
        "Identity",
        &["going"],
        &["goes"],
    ));
    let mut turn = turn.output("goes").output("next").output("next");
    turn.inputs =
        vec![value("i", T::INT64, &[]), value("going", T::BOOL, &[]), value("carried", T::FLOAT, &[])];
    let looped = |graph: Graph| {
        graph
            .initializer(weight("w", &[4, 4, 1, 1]))
            .output("all")
            .node(node("Loop", &["turns", "", "x"], &["y", "all"]).with("body", turn.clone()))
    };
    let known = read(&model(17, looped(graph().initializer(ints("turns", &[], &[3])))));
    assert_eq!((known.analysis.total.macs, known.analysis.total.unknown), (3 * 576, 0));
    // The weights are stored once, and used at every turn.
    assert_eq!((learned(&known), known.analysis.total.used), (16, 48));
    let all = known.loaded.graph.outputs[1];
    assert_eq!(known.loaded.graph.tensor(all).to_string(), "3x1x4x6x6 f32");
    let mut open = looped(graph());
    open.inputs.push(value("turns", T::INT64, &[]));
    let open = read(&model(17, open));
    assert_eq!((open.analysis.total.macs, open.analysis.total.unknown), (576, 1));
    assert!(warnings(&open)[0].contains("how often it turns depends on data"), "{:?}", warnings(&open));
}

#[test]
fn trap_3_gemm_either_way_about_and_transposed_convolutions() {
    // W[7, 5]·x[5, 2]: 70 MACs, whichever operand is the weight.
    let first = read(&model(
        17,
        Graph::default()
            .input("x", &[5, 2])
            .output("y")
            .initializer(weight("w", &[7, 5]))
            .initializer(weight("b", &[7, 1]))
            .node(node("Gemm", &["w", "x", "b"], &["y"])),
    ));
    assert_eq!((first.analysis.total.macs, learned(&first), shape(&first)), (70, 42, "7x2 f32".into()));
    assert_eq!((first.analysis.total.stored.weights, first.analysis.total.stored.bias), (35, 7));
    let turned = read(&model(
        17,
        Graph::default()
            .input("x", &[5, 2])
            .output("y")
            .initializer(weight("w", &[7, 5]))
            .node(node("Gemm", &["x", "w"], &["y"]).with("transA", 1i64).with("transB", 1i64)),
    ));
    assert_eq!((turned.analysis.total.macs, shape(&turned)), (70, "2x7 f32".into()));
    // 4 channels in 2 groups to 6; 6 → (6 − 1)·2 + 3 − 2 + 1 = 12. Each of 4·36 elements enters 3·9 products.
    let grouped = read(&model(
        17,
        graph().initializer(weight("w", &[4, 3, 3, 3])).initializer(weight("b", &[6])).node(
            node("ConvTranspose", &["x", "w", "b"], &["y"])
                .with("group", 2i64)
                .with("strides", vec![2i64, 2])
                .with("pads", vec![1i64, 1, 1, 1])
                .with("output_padding", vec![1i64, 1]),
        ),
    ));
    assert_eq!((shape(&grouped), grouped.analysis.total.macs), ("1x6x12x12 f32".into(), 144 * 27));
    assert_eq!(learned(&grouped), 4 * 3 * 9 + 6);
}

#[test]
fn trap_4_weights_are_found_behind_the_nodes_that_compute_them() {
    // Weight standardisation: (w − mean) / deviation, then a convolution.
    let standardised = read(&model(
        17,
        graph()
            .initializer(weight("w", &[8, 4, 3, 3]))
            .node(node("ReduceMean", &["w"], &["m"]).with("axes", vec![1i64, 2, 3]))
            .node(node("Sub", &["w", "m"], &["d"]))
            .node(node("Mul", &["d", "d"], &["q"]))
            .node(node("ReduceMean", &["q"], &["v"]).with("axes", vec![1i64, 2, 3]))
            .node(node("Sqrt", &["v"], &["s"]))
            .node(node("Div", &["d", "s"], &["k"]))
            .node(node("Conv", &["x", "k"], &["y"])),
    ));
    assert_eq!((standardised.analysis.total.macs, learned(&standardised)), (288 * 16, 288));
    assert_eq!(standardised.analysis.total.stored.weights, 288);
    // The input and the output alone are activations: 144 and 128 floats.
    assert_eq!(peak(&standardised), 4 * (144 + 128));
    // Its statistics are work all the same: 288 sub, 288 mul, 288 div, 8 sqrt, and two means of 288.
    let flops = standardised.analysis.total.flops;
    assert_eq!(flops, 2 * 288 * 16 + 3 * 288 + 8 + 2 * 288);
    let turned = read(&model(
        17,
        Graph::default()
            .input("x", &[2, 5])
            .output("y")
            .initializer(Tensor { data_type: T::FLOAT16, ..weight("w", &[7, 5]) })
            .node(node("Cast", &["w"], &["f"]).with("to", 1i64))
            .node(node("Transpose", &["f"], &["t"]).with("perm", vec![1i64, 0]))
            .node(node("MatMul", &["x", "t"], &["y"])),
    ));
    assert_eq!((turned.analysis.total.macs, turned.analysis.total.stored.weights), (70, 35));
    // As they are stored: two bytes each.
    assert_eq!((turned.analysis.total.stored.bytes, turned.analysis.total.nodes), (70, 1));
    let quantized = read(&model(
        17,
        graph()
            .initializer(Tensor { data_type: T::INT8, ..weight("w", &[8, 4, 3, 3]) })
            .initializer(weight("s", &[8]))
            .initializer(Tensor { data_type: T::INT8, ..weight("z", &[8]) })
            .node(node("DequantizeLinear", &["w", "s", "z"], &["k"]).with("axis", 0i64))
            .node(node("Conv", &["x", "k"], &["y"])),
    ));
    assert_eq!((quantized.analysis.total.stored.weights, quantized.analysis.total.stored.buffers), (288, 8));
    assert_eq!(quantized.analysis.total.stored.bytes, 288 + 32);
}

#[test]
fn trap_5_ones_and_zeros_of_an_exporter_are_stored_not_learned() {
    // A group norm of 2 groups as PyTorch exports it.
    let made = |one: f32| {
        model(
            17,
            graph()
                .initializer(ints("grouped", &[3], &[0, 2, -1]))
                .initializer(floats("one", &[2], &[one, 1.0]))
                .initializer(floats("zero", &[2], &[0.0, 0.0]))
                .initializer(weight("scale", &[4, 1, 1]))
                .initializer(weight("shift", &[4, 1, 1]))
                .initializer(ints("shape", &[4], &[1, 4, 6, 6]))
                .node(node("Reshape", &["x", "grouped"], &["g"]))
                .node(node("InstanceNormalization", &["g", "one", "zero"], &["n"]))
                .node(node("Reshape", &["n", "shape"], &["r"]))
                .node(node("Mul", &["r", "scale"], &["m"]))
                .node(node("Add", &["m", "shift"], &["y"])),
        )
    };
    let network = read(&made(1.0));
    assert_eq!((learned(&network), network.analysis.total.stored.buffers), (8, 4));
    // Anything else may be learned, and counts.
    let network = read(&made(0.5));
    assert_eq!((learned(&network), network.analysis.total.stored.buffers), (12, 0));
}

#[test]
fn trap_6_shared_tensors_are_stored_once_and_used_at_every_use() {
    let mut head = Graph::default().initializer(weight("w", &[4, 4, 1, 1])).initializer(weight("own", &[4]));
    for level in 0..5i64 {
        let (x, y) = (format!("x{level}"), format!("y{level}"));
        head = head.input(&x, &[1, 4, 8 - level, 8 - level]).output(&y);
        // The bias is the first level's alone.
        let inputs: &[&str] = if level == 0 { &[&x, "w", "own"] } else { &[&x, "w"] };
        head = head.node(node("Conv", inputs, &[&y]));
    }
    let head = read(&model(17, head));
    assert_eq!((learned(&head), head.analysis.total.used), (16 + 4, 5 * 16 + 4));
    // 64 + 49 + 36 + 25 + 16 places.
    assert_eq!(head.analysis.total.macs, 16 * 190);
    // One tensor is the running mean of a norm and the scale of a later one: it is learned.
    let norm = |x: &str, scale: &str, mean: &str, y: &str| {
        node("BatchNormalization", &[x, scale, "shift", mean, "variance"], &[y])
    };
    let merged = read(&model(
        17,
        graph()
            .initializer(weight("own", &[4]))
            .initializer(weight("both", &[4]))
            .initializer(weight("shift", &[4]))
            .initializer(weight("variance", &[4]))
            .node(norm("x", "own", "both", "h"))
            .node(norm("h", "both", "own", "y")),
    ));
    // Stored: own, both and shift are learned, the variance is a statistic. Used: two scales and two shifts.
    assert_eq!((learned(&merged), merged.analysis.total.stored.buffers), (12, 4));
    assert_eq!(merged.analysis.total.used, 16);
}

#[test]
fn trap_7_old_files_dead_nodes_and_unused_outputs() {
    let mut old = graph()
        .initializer(weight("w", &[4, 4, 1, 1]))
        .initializer(weight("unused", &[1000]))
        .node(node("Conv", &["x", "w"], &["c"]))
        .node(node("Relu", &["c"], &["dead"]))
        .node(
            node("MaxPool", &["c"], &["p", "indices"])
                .with("kernel_shape", vec![2i64, 2])
                .with("strides", vec![2i64, 2]),
        )
        .node(node("Dropout", &["p"], &["y", "mask"]));
    // IR version 3 lists initializers as inputs.
    old.inputs.extend([value("w", T::FLOAT, &[4, 4, 1, 1]), value("unused", T::FLOAT, &[1000])]);
    let network = read(&Model { ir_version: 3, ..model(11, old) });
    assert_eq!(network.loaded.graph.inputs().len(), 1);
    assert_eq!((learned(&network), network.analysis.total.nodes), (16, 3));
    assert_eq!(warnings(&network), Vec::<String>::new());
    // The input and what the convolution writes.
    assert_eq!(peak(&network), 4 * (144 + 144));
}

#[test]
fn trap_8_products_of_constants_cost_and_hold_nothing() {
    // A position encoding, [36, 3]·[3, 6], added to a map of one channel.
    let network = read(&model(
        17,
        Graph::default()
            .input("x", &[1, 36, 6])
            .output("y")
            .initializer(weight("grid", &[36, 3]))
            .initializer(weight("frequencies", &[3, 6]))
            .node(node("MatMul", &["grid", "frequencies"], &["e"]))
            .node(node("Add", &["x", "e"], &["y"])),
    ));
    assert_eq!((network.analysis.total.macs, learned(&network)), (36 * 18, 108 + 18));
    assert_eq!(peak(&network), 4 * 2 * 216);
}

#[test]
fn trap_9_after_a_custom_op_figures_are_lower_bounds() {
    let made = |declared: bool| {
        let mut graph = graph()
            .initializer(weight("w", &[4, 4, 1, 1]))
            .initializer(weight("slope", &[9]))
            .node(node("Conv", &["x", "w"], &["c"]))
            .node(node("Fancy", &["c", "slope"], &["f"]).of_domain("com.acme").named("/neck/Fancy"))
            .node(node("Conv", &["f", "w"], &["y"]));
        if declared {
            graph.values.push(value("f", T::FLOAT, &[1, 4, 5, 5]));
        }
        model(17, graph)
    };
    let known = read(&made(true));
    assert_eq!((known.analysis.total.unknown, shape(&known)), (1, "1x4x5x5 f32".into()));
    // Its parameters are known; the second convolution shares the first one's.
    assert_eq!((known.analysis.total.macs, learned(&known)), (16 * (36 + 25), 25));
    let said = warnings(&known);
    assert_eq!(said, ["the cost of `com.acme::Fancy` is unknown: the op is not known"]);
    let lost = read(&made(false));
    assert_eq!((lost.analysis.total.unknown, shape(&lost)), (2, "none".into()));
    assert_eq!((lost.analysis.total.macs, learned(&lost)), (16 * 36, 25));
    assert!(warnings(&lost)[1].contains("a node behind those has no known size"), "{:?}", warnings(&lost));
    let deny = LoadOptions { unknown: UnknownOps::Deny, ..LoadOptions::default() };
    let said = read_with(&made(true), &deny).err().unwrap();
    assert!(said.contains("node 1 `/neck/Fancy`"), "{said}");
    // What a search finds depends on data.
    let tail = read(&model(
        17,
        Graph::default()
            .input("boxes", &[1, 10, 4])
            .input("scores", &[1, 2, 10])
            .output("y")
            .initializer(ints("k", &[1], &[3]))
            .node(node("TopK", &["scores", "k"], &["best", "places"]))
            .node(node("NonMaxSuppression", &["boxes", "scores"], &["kept"]))
            .node(node("Cast", &["kept"], &["y"]).with("to", 1i64))
            .output("best"),
    ));
    assert_eq!(tail.analysis.total.unknown, 2);
    assert_eq!(shape(&tail), "1x2x3 f32");
    assert!(tail.sink.diagnostics().iter().all(|found| found.severity == Severity::Warning));
}

#[test]
fn trap_10_elements_of_every_size() {
    let network = read(&model(
        17,
        Graph::default()
            .input("x", &[1, 4, 5, 5])
            .output("y")
            .initializer(floats("s", &[], &[0.1]))
            .initializer(Tensor { data_type: T::UINT8, ..weight("z", &[]) })
            .node(node("QuantizeLinear", &["x", "s", "z"], &["q"]))
            .node(node("MaxPool", &["q"], &["p"]).with("kernel_shape", vec![2i64, 2]))
            .node(node("DequantizeLinear", &["p", "s", "z"], &["d"]))
            .node(node("Cast", &["d"], &["h"]).with("to", 10i64))
            .node(node("Relu", &["h"], &["r"]))
            .node(node("Cast", &["r"], &["y"]).with("to", 11i64)),
    ));
    // 100 floats and 100 bytes; 100 and 64 bytes; 64 bytes and 64 floats; floats and halves; halves; halves, doubles.
    let memory = memory::analyze(&network.loaded.graph).unwrap();
    assert_eq!(memory.models[0].curve[1..], [500, 164, 320, 384, 256, 640]);
    assert_eq!(shape(&network), "1x4x4x4 f64");
    assert_eq!((learned(&network), network.analysis.total.stored.buffers), (0, 1));
}

#[test]
fn trap_11_constant_nodes_hold_weights_too() {
    let external = Data::External { location: "weights.bin".into(), offset: 0, length: Some(1152) };
    let network = read(&model(
        17,
        graph()
            .node(constant("w", Tensor { data: external, ..weight("", &[8, 4, 3, 3]) }))
            .node(constant("half", floats("", &[], &[0.5])))
            .node(constant("mask", floats("", &[4], &[1.0, 0.0, 1.0, 0.0])))
            .node(node("Conv", &["x", "w"], &["c"]))
            .node(node("Mul", &["c", "half"], &["h"]))
            .node(node("Mul", &["h", "mask"], &["y"])),
    ));
    // The kernel is learned; a number is none of the network's; a mask is stored.
    assert_eq!((learned(&network), network.analysis.total.stored.buffers), (288, 4));
}

/// README's script takes large payloads out: all figures stay.
#[test]
fn weights_may_be_absent() {
    let figures = |kernel: Tensor| {
        let network = read(&model(
            17,
            graph().initializer(kernel).node(node("Conv", &["x", "w"], &["c"])).node(node(
                "Relu",
                &["c"],
                &["y"],
            )),
        ));
        let total = &network.analysis.total;
        (total.macs, total.stored, total.traffic, peak(&network))
    };
    let with = figures(onnx::writer::zeros("w", &[64, 4, 3, 3]));
    assert_eq!(with.1.bytes, 4 * 64 * 36);
    assert_eq!(figures(weight("w", &[64, 4, 3, 3])), with);
    let beside = Data::External { location: "weights.bin".into(), offset: 0, length: None };
    assert_eq!(figures(Tensor { data: beside, ..weight("w", &[64, 4, 3, 3]) }), with);
    let readme = include_str!("../README.md");
    let script = readme.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(script.lines().count() <= 10 && script.contains("ClearField"), "{script}");
}
