//! What an ONNX file says, as plain data: the parts of `onnx.proto` that a graph needs. Payloads of tensors stay in
//! the file unless they are small or integers, which shapes may be computed from.

/// `ModelProto`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    /// The version of the format.
    pub(crate) ir_version: i64,
    /// The operator sets by domain; `""` is `ai.onnx`.
    pub(crate) opsets: Vec<(String, i64)>,
    /// The program that wrote the file.
    pub(crate) producer: String,
    /// The network.
    pub(crate) graph: Graph,
    /// Local functions.
    pub(crate) functions: Vec<Function>,
}

/// `GraphProto`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    pub(crate) name: String,
    pub(crate) nodes: Vec<Node>,
    pub(crate) initializers: Vec<Tensor>,
    pub(crate) inputs: Vec<ValueInfo>,
    pub(crate) outputs: Vec<ValueInfo>,
    /// What the exporter knew about values in between.
    pub(crate) values: Vec<ValueInfo>,
}

/// `FunctionProto`: a body that nodes of its domain and name stand for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Function {
    pub(crate) domain: String,
    pub(crate) name: String,
    pub(crate) overload: String,
    pub(crate) inputs: Vec<String>,
    pub(crate) outputs: Vec<String>,
    /// Attributes that a caller may give, without defaults.
    pub(crate) attributes: Vec<String>,
    /// Attributes with their defaults.
    pub(crate) defaults: Vec<Attribute>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) opsets: Vec<(String, i64)>,
}

/// `NodeProto`. An empty name among inputs and outputs is one that is left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) op_type: String,
    pub(crate) domain: String,
    pub(crate) overload: String,
    pub(crate) inputs: Vec<String>,
    pub(crate) outputs: Vec<String>,
    pub(crate) attributes: Vec<Attribute>,
}

/// `AttributeProto`.
#[derive(Clone, Debug)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) value: Value,
}

/// The value of an attribute.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Float(f32),
    Int(i64),
    /// Bytes, mostly UTF-8.
    String(Vec<u8>),
    Tensor(Box<Tensor>),
    Graph(Box<Graph>),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    Strings(Vec<Vec<u8>>),
    /// `ref_attr_name`: the caller's attribute of that name.
    Caller(String),
    /// A kind that no op of a network uses (sparse tensors, types), by its number in `AttributeType`.
    Other(i64),
}

/// `TensorProto` without its payload, unless that is small.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) dims: Vec<i64>,
    /// The number in `TensorProto.DataType`.
    pub(crate) data_type: i32,
    pub(crate) data: Data,
}

/// Where the elements of a tensor are.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Data {
    /// Nowhere: the file names a shape and a type alone.
    #[default]
    Absent,
    /// Here: little-endian as in `raw_data`, whichever field held them.
    Here(Vec<u8>),
    /// In this file, `length` bytes from `offset` in the encoding of the field.
    Skipped {
        /// From the file's first byte.
        offset: u64,
        /// In bytes.
        length: u64,
        /// The field of `TensorProto` that holds them: 9 is `raw_data`, 4 `float_data`.
        field: u32,
    },
    /// In another file. Never opened for an analysis.
    External {
        location: String,
        offset: u64,
        /// Absent where it runs to the end of the file.
        length: Option<u64>,
    },
}

/// `ValueInfoProto` of a tensor.
#[derive(Clone, Debug, Default)]
pub(crate) struct ValueInfo {
    pub(crate) name: String,
    /// The number in `TensorProto.DataType`; 0 where it is not known or the value is no tensor.
    pub(crate) data_type: i32,
    /// Absent where the rank is not known.
    pub(crate) dims: Option<Vec<Dim>>,
    /// What it is instead of a tensor: `sequence`, `map`, `optional`, `sparse_tensor`.
    pub(crate) not_a_tensor: Option<&'static str>,
}

/// One axis of a shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dim {
    Known(i64),
    /// A symbol: `batch`, `s53`.
    Symbol(String),
    Unknown,
}
