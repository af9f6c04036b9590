//! What an ONNX file says, as plain data: the parts of `onnx.proto` that a graph needs. Payloads of tensors stay in
//! the file unless they are small or integers, which shapes may be computed from.

/// `ModelProto`.
#[derive(Clone, Debug, Default, PartialEq)]
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
#[derive(Clone, Debug, Default, PartialEq)]
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
#[derive(Clone, Debug, Default, PartialEq)]
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
#[derive(Clone, Debug, Default, PartialEq)]
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
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) value: Value,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
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
    /// A kind that no op of a network uses (lists of tensors, types, texts of more than 64 KiB), by its number in
    /// `AttributeType`. A sparse tensor is a [`Tensor`] without data.
    Other(i64),
}

/// `TensorProto` without its payload, unless that is small. A sparse one has its whole shape and no data.
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// Here: little-endian as in `raw_data`, whichever field held them. Their number is as the file has it, and need
    /// not fit the shape. Payloads of at most 1 KiB are here, and larger ones of integers of more than 8 bits and of
    /// truth values up to 512 KiB, until a file has 4 MiB of these.
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
    /// In this file, as several records of a field, among the `length` bytes from the head of the first one: texts,
    /// and numbers of writers that do not pack them.
    Records {
        /// From the file's first byte.
        offset: u64,
        /// In bytes, with the records' heads.
        length: u64,
        /// The field of `TensorProto`.
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
#[derive(Clone, Debug, Default, PartialEq)]
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

/// The numbers of `TensorProto.DataType`.
#[allow(missing_docs, reason = "the names are those of the format")]
pub(crate) mod data_type {
    pub(crate) const FLOAT: i32 = 1;
    pub(crate) const UINT8: i32 = 2;
    pub(crate) const INT8: i32 = 3;
    pub(crate) const UINT16: i32 = 4;
    pub(crate) const INT16: i32 = 5;
    pub(crate) const INT32: i32 = 6;
    pub(crate) const INT64: i32 = 7;
    pub(crate) const STRING: i32 = 8;
    pub(crate) const BOOL: i32 = 9;
    pub(crate) const FLOAT16: i32 = 10;
    pub(crate) const DOUBLE: i32 = 11;
    pub(crate) const UINT32: i32 = 12;
    pub(crate) const UINT64: i32 = 13;
    pub(crate) const COMPLEX64: i32 = 14;
    pub(crate) const COMPLEX128: i32 = 15;
    pub(crate) const BFLOAT16: i32 = 16;
    pub(crate) const FLOAT8E4M3FN: i32 = 17;
    pub(crate) const FLOAT8E4M3FNUZ: i32 = 18;
    pub(crate) const FLOAT8E5M2: i32 = 19;
    pub(crate) const FLOAT8E5M2FNUZ: i32 = 20;
    pub(crate) const UINT4: i32 = 21;
    pub(crate) const INT4: i32 = 22;
    pub(crate) const FLOAT4E2M1: i32 = 23;
    pub(crate) const FLOAT8E8M0: i32 = 24;
    pub(crate) const UINT2: i32 = 25;
    pub(crate) const INT2: i32 = 26;
    pub(crate) const FLOAT6E2M3: i32 = 27;
    pub(crate) const FLOAT6E3M2: i32 = 28;
}
