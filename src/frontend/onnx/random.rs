//! Models that look like real ones, from choices that a fuzzer or a random number makes. Without choices left they end
//! soon, so that what fails can be made smaller. Included by path outside of the crate, as `writer.rs` is.

use super::model::{
    Attribute, Data, Dim, Function, Graph, Model, Node, Tensor, Value, ValueInfo, data_type as T,
};
use super::writer::{self, Style};

/// Where choices come from: two bytes decide one.
#[derive(Debug)]
pub(crate) struct Choices<'a>(pub(crate) &'a [u8]);

impl Choices<'_> {
    /// A number below a bound; 0 where no choice is left.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let Some((two, rest)) = self.0.split_first_chunk() else { return 0 };
        self.0 = rest;
        usize::from(u16::from_le_bytes(*two)) % bound.max(1)
    }

    /// One of some things.
    fn of<'t, T: ?Sized>(&mut self, things: &[&'t T]) -> &'t T {
        things[self.below(things.len())]
    }

    /// True once in so many times, and never where no choice is left.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) + 1 == times
    }

    fn size(&mut self) -> i64 {
        const SIZES: [i64; 14] = [1, 2, 3, 4, 8, 16, 5, 7, 12, 32, 0, -1, 1 << 31, i64::MAX];
        // The odd ones are rare: one of them is enough to make a model wrong.
        let most = if self.once_in(40) { SIZES.len() } else { 10 };
        SIZES[self.below(most)]
    }

    fn sizes(&mut self, count: usize) -> Vec<i64> {
        (0..count).map(|_| self.size()).collect()
    }
}

/// The bytes of a model, with some of them changed now and then.
pub(crate) fn file(choices: &mut Choices<'_>) -> Vec<u8> {
    let style = [Style::Raw, Style::Packed, Style::Unpacked][choices.below(3)];
    let changes = if choices.once_in(4) { 1 + choices.below(3) } else { 0 };
    let places: Vec<usize> = (0..2 * changes).map(|_| choices.below(1 << 16)).collect();
    let mut bytes = writer::encode_as(&model(choices), style).to_vec();
    for place in places.chunks_exact(2) {
        let at = place[0] % bytes.len();
        bytes[at] = place[1].to_le_bytes()[0];
    }
    bytes
}

/// A model.
pub(crate) fn model(choices: &mut Choices<'_>) -> Model {
    let version = [17, 13, 11, 7, 21, 9, 23, 1][choices.below(8)];
    let mut model = writer::model(version, Graph::default());
    model.ir_version = [8, 3, 10, 4][choices.below(4)];
    if choices.once_in(8) {
        model.opsets.push(("com.example".into(), 1));
        model.functions.push(function(choices));
    }
    model.graph = graph(choices, 12, 2);
    model
}

/// A graph of some nodes; graphs within it are allowed so deep.
fn graph(choices: &mut Choices<'_>, most: usize, depth: usize) -> Graph {
    let mut graph = Graph::default();
    if depth == 2 {
        let mut dims = vec![1, [3, 4, 8][choices.below(3)], 8, 8];
        if choices.once_in(4) {
            let rank = choices.below(6);
            dims = choices.sizes(rank);
        }
        graph.inputs.push(writer::value("x", if choices.once_in(8) { T::INT64 } else { T::FLOAT }, &dims));
        if choices.once_in(6) {
            graph.inputs.push(value(choices, "second"));
        }
    }
    let mut names = vec!["x".to_owned()];
    let nodes = choices.below(most + 1);
    for index in 0..nodes {
        let node = node(choices, &mut graph, &names, index, depth);
        names.extend(node.outputs.iter().cloned());
        graph.nodes.push(node);
    }
    if choices.once_in(5) {
        let name = pick(choices, &names);
        graph.values.push(value(choices, &name));
    }
    let output = names.last().cloned().unwrap_or_default();
    graph.outputs.push(if choices.once_in(4) {
        value(choices, &output)
    } else {
        writer::value(&output, 0, &[])
    });
    if !choices.once_in(4) {
        graph.outputs[0].dims = None;
    }
    graph
}

fn function(choices: &mut Choices<'_>) -> Function {
    let body = graph(choices, 4, 1);
    let last = body.nodes.last().map_or("x", |node| node.outputs.first().map_or("x", |name| name));
    Function {
        domain: "com.example".into(),
        name: "Custom".into(),
        inputs: vec!["x".into()],
        outputs: vec![last.to_owned()],
        attributes: vec!["alpha".into()],
        defaults: vec![Attribute { name: "axis".into(), value: Value::Int(1) }],
        opsets: vec![(String::new(), 17)],
        nodes: body.nodes,
        ..Function::default()
    }
}

/// An op, its inputs, the number of its outputs and its attributes. Inputs: `x` is a value, `w` a weight of four axes,
/// `m` a matrix, `v` a vector of floats, `n` a number, `s` a list of integers, `i` one integer, `b` a truth value.
/// Attributes: `i` an integer, `k` two, `p` four, `l` a list, `f` a float, `t` a tensor, `g` a graph, others a text.
type Form = (&'static str, &'static str, usize, &'static [(&'static str, &'static str)]);

const FORMS: &[Form] = &[
    (
        "Conv",
        "xwv",
        1,
        &[("kernel_shape", "k"), ("pads", "p"), ("strides", "k"), ("group", "i"), ("dilations", "k")],
    ),
    ("Relu", "x", 1, &[]),
    ("Add", "xx", 1, &[]),
    ("BatchNormalization", "xvvvv", 1, &[("epsilon", "f"), ("training_mode", "i")]),
    ("MaxPool", "x", 1, &[("kernel_shape", "k"), ("strides", "k"), ("pads", "p"), ("ceil_mode", "i")]),
    ("Gemm", "xmv", 1, &[("transB", "i"), ("alpha", "f"), ("transA", "i")]),
    ("Shape", "x", 1, &[("start", "i"), ("end", "i")]),
    ("Gather", "xi", 1, &[("axis", "i")]),
    ("Concat", "xx", 1, &[("axis", "i")]),
    ("Reshape", "xs", 1, &[("allowzero", "i")]),
    ("Reshape", "xx", 1, &[]),
    ("Constant", "", 1, &[("value", "t")]),
    ("Constant", "", 1, &[("value_ints", "l")]),
    ("ConstantOfShape", "x", 1, &[("value", "t")]),
    ("Unsqueeze", "xs", 1, &[]),
    ("Unsqueeze", "x", 1, &[("axes", "l")]),
    ("Squeeze", "xs", 1, &[]),
    ("Slice", "xssss", 1, &[]),
    ("Transpose", "x", 1, &[("perm", "l")]),
    ("Cast", "x", 1, &[("to", "i")]),
    ("Mul", "xx", 1, &[]),
    ("Sub", "xn", 1, &[]),
    ("Div", "xx", 1, &[]),
    ("Pow", "xn", 1, &[]),
    ("Equal", "xi", 1, &[]),
    ("Where", "xxx", 1, &[]),
    ("Expand", "xs", 1, &[]),
    ("Tile", "xs", 1, &[]),
    ("Range", "iii", 1, &[]),
    ("Pad", "xsn", 1, &[("mode", "reflect")]),
    ("Resize", "x", 1, &[("mode", "nearest")]),
    ("Resize", "xvvs", 1, &[("mode", "linear")]),
    ("Split", "xs", 2, &[("axis", "i")]),
    ("Split", "x", 2, &[("axis", "i"), ("num_outputs", "i")]),
    ("Flatten", "x", 1, &[("axis", "i")]),
    ("MatMul", "xm", 1, &[]),
    ("MatMul", "xx", 1, &[]),
    ("Einsum", "xx", 1, &[("equation", "bchw,bcij->bhwij")]),
    ("Softmax", "x", 1, &[("axis", "i")]),
    ("LayerNormalization", "xvv", 1, &[("axis", "i"), ("epsilon", "f")]),
    ("InstanceNormalization", "xvv", 1, &[]),
    ("GroupNormalization", "xvv", 1, &[("num_groups", "i")]),
    ("ReduceMean", "xs", 1, &[("keepdims", "i")]),
    ("ReduceSum", "x", 1, &[("axes", "l"), ("keepdims", "i")]),
    ("AveragePool", "x", 1, &[("kernel_shape", "k"), ("strides", "k"), ("count_include_pad", "i")]),
    ("GlobalAveragePool", "x", 1, &[]),
    (
        "ConvTranspose",
        "xwv",
        1,
        &[("strides", "k"), ("output_padding", "k"), ("group", "i"), ("output_shape", "k")],
    ),
    ("Clip", "xnn", 1, &[]),
    ("Sigmoid", "x", 1, &[]),
    ("Identity", "x", 1, &[]),
    ("Identity", "w", 1, &[]),
    ("Dropout", "xnb", 2, &[]),
    ("DepthToSpace", "x", 1, &[("blocksize", "i"), ("mode", "CRD")]),
    ("QuantizeLinear", "xnn", 1, &[("axis", "i")]),
    ("DequantizeLinear", "xn", 1, &[("axis", "i")]),
    ("QLinearConv", "xnnwnnnn", 1, &[("kernel_shape", "k")]),
    ("TopK", "xs", 2, &[("axis", "i")]),
    ("NonMaxSuppression", "xxinn", 1, &[]),
    ("If", "b", 1, &[("then_branch", "g"), ("else_branch", "g")]),
    ("Loop", "ibx", 1, &[("body", "g")]),
    ("Attention", "xxx", 1, &[("q_num_heads", "i"), ("kv_num_heads", "i")]),
    ("LSTM", "xmmv", 3, &[("hidden_size", "i"), ("direction", "bidirectional")]),
    ("ScatterND", "xxx", 1, &[]),
    ("Custom", "x", 1, &[("alpha", "f")]),
];

fn node(choices: &mut Choices<'_>, graph: &mut Graph, names: &[String], index: usize, depth: usize) -> Node {
    let (op_type, inputs, outputs, attributes) = FORMS[choices.below(FORMS.len())];
    let mut node = Node { op_type: op_type.into(), ..Node::default() };
    if op_type == "Custom" {
        node.domain = "com.example".into();
    }
    if !choices.once_in(3) {
        node.name = format!("/stage{}/{index}/{op_type}", index % 3);
    }
    for kind in inputs.bytes() {
        let input = match kind {
            b'x' if names.len() > 1 && !choices.once_in(3) => names[names.len() - 1].clone(),
            b'x' => pick(choices, names),
            kind => {
                let name = format!("{}{}", char::from(kind), graph.initializers.len());
                let tensor = Tensor { name: name.clone(), ..parameter(choices, kind) };
                graph.initializers.push(tensor);
                name
            }
        };
        node.inputs.push(if choices.once_in(60) { String::new() } else { input });
    }
    if choices.once_in(30) {
        node.inputs.pop();
    }
    node.outputs = (0..outputs).map(|output| format!("t{depth}_{index}_{output}")).collect();
    for (name, kind) in attributes {
        if !choices.once_in(6) {
            let value = attribute(choices, kind, depth);
            node.attributes.push(Attribute { name: (*name).to_owned(), value });
        }
    }
    if choices.once_in(20) {
        node.attributes.push(anything(choices));
    }
    node
}

fn pick(choices: &mut Choices<'_>, names: &[String]) -> String {
    names[choices.below(names.len())].clone()
}

fn parameter(choices: &mut Choices<'_>, kind: u8) -> Tensor {
    if choices.once_in(12) {
        return tensor(choices);
    }
    match kind {
        b'w' => {
            let kernel = [3, 1, 7][choices.below(3)];
            let (out, inner) = ([8, 3, 4, 1][choices.below(4)], [3, 8, 1, 4][choices.below(4)]);
            writer::weight("", &[out, inner, kernel, kernel])
        }
        b'm' => writer::weight("", &[[64, 8, 512, 3][choices.below(4)], [8, 512, 10][choices.below(3)]]),
        b'v' => writer::weight("", &[[8, 3, 4, 1][choices.below(4)]]),
        b'n' => writer::floats("", &[], &[[1.0, 0.5, 2.0, 0.0][choices.below(4)]]),
        b'b' => Tensor {
            data_type: T::BOOL,
            data: Data::Here(vec![u8::from(choices.once_in(2))]),
            ..writer::weight("", &[])
        },
        b'i' => writer::ints("", &[], &[small(choices)]),
        _ => {
            let list = list(choices);
            writer::ints("", &[list.len().try_into().unwrap_or(0)], &list)
        }
    }
}

fn small(choices: &mut Choices<'_>) -> i64 {
    const VALUES: [i64; 12] = [1, 0, 2, -1, 3, 4, 8, -2, 100, i64::MAX, i64::MIN, 1 << 32];
    let most = if choices.once_in(20) { VALUES.len() } else { 8 };
    VALUES[choices.below(most)]
}

fn list(choices: &mut Choices<'_>) -> Vec<i64> {
    (0..choices.below(5)).map(|_| small(choices)).collect()
}

fn attribute(choices: &mut Choices<'_>, kind: &str, depth: usize) -> Value {
    if choices.once_in(60) {
        return anything(choices).value;
    }
    let positive = |choices: &mut Choices<'_>| [3, 1, 2, 1, 7][choices.below(5)];
    match kind {
        "i" => small(choices).into(),
        "k" => vec![positive(choices); 2].into(),
        "p" => vec![[1, 0, 3][choices.below(3)]; 4].into(),
        "l" => list(choices).into(),
        "f" => [0.5_f32, 1e-5, 1.0][choices.below(3)].into(),
        "t" => tensor(choices).into(),
        "g" if depth > 0 => graph(choices, 3, depth - 1).into(),
        "g" => Graph::default().into(),
        text => text.into(),
    }
}

/// An attribute that no op asked for.
fn anything(choices: &mut Choices<'_>) -> Attribute {
    let name = choices.of(&["axis", "axes", "kernel_shape", "value", "to", "mode", "unheard_of"]).to_owned();
    let value = match choices.below(9) {
        0 => Value::Int(small(choices)),
        1 => Value::Float(0.25),
        2 => Value::String(vec![0xff, 0]),
        3 => Value::Ints(list(choices)),
        4 => Value::Floats(vec![1.0; choices.below(4)]),
        5 => Value::Strings(vec![b"a".to_vec(), Vec::new()]),
        6 => Value::Tensor(Box::new(tensor(choices))),
        7 => Value::Caller(choices.of(&["alpha", "axis", "none"]).to_owned()),
        _ => Value::Other(9),
    };
    Attribute { name, value }
}

/// A tensor of any type, shape and place.
fn tensor(choices: &mut Choices<'_>) -> Tensor {
    const WIDTHS: [(i32, usize); 12] = [
        (T::INT64, 8),
        (T::FLOAT, 4),
        (T::INT32, 4),
        (T::BOOL, 1),
        (T::FLOAT16, 2),
        (T::INT8, 1),
        (T::UINT8, 1),
        (T::DOUBLE, 8),
        (T::UINT64, 8),
        (T::BFLOAT16, 2),
        (T::FLOAT8E4M3FN, 1),
        (T::INT16, 2),
    ];
    let (data_type, width) = WIDTHS[choices.below(WIDTHS.len())];
    let rank = choices.below(4);
    let dims = choices.sizes(rank);
    let elements = dims.iter().try_fold(1_i64, |product, dim| product.checked_mul(*dim));
    let elements = elements.and_then(|elements| usize::try_from(elements).ok()).filter(|count| *count <= 64);
    let data = match (elements, choices.below(4)) {
        (Some(0), _) => Data::Here(Vec::new()),
        (Some(elements), 0 | 1) => {
            Data::Here((0..elements * width).map(|_| choices.below(256).to_le_bytes()[0]).collect())
        }
        (_, 2) if data_type == T::FLOAT => Data::Skipped { offset: 0, length: 2048, field: 9 },
        (_, 3) => Data::External { location: "w.bin".into(), offset: 64, length: None },
        _ if dims.contains(&0) => Data::Here(Vec::new()),
        _ => Data::Absent,
    };
    Tensor { name: String::new(), dims, data_type, data }
}

fn value(choices: &mut Choices<'_>, name: &str) -> ValueInfo {
    if choices.once_in(10) {
        let other = ["sequence", "map", "optional", "sparse_tensor", "opaque"][choices.below(5)];
        return ValueInfo { name: name.into(), not_a_tensor: Some(other), ..ValueInfo::default() };
    }
    let dims = (0..choices.below(5))
        .map(|_| match choices.below(4) {
            0 => Dim::Symbol(choices.of(&["batch", "s53", ""]).to_owned()),
            1 => Dim::Unknown,
            _ => Dim::Known(choices.size()),
        })
        .collect();
    let data_type = [T::FLOAT, T::INT64, T::FLOAT16, 0, 99][choices.below(5)];
    ValueInfo { name: name.into(), data_type, dims: Some(dims), not_a_tensor: None }
}
