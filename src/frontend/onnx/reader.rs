//! From the records of an ONNX file to [`Model`]: messages, fields and limits. What no graph needs (texts for people,
//! metadata, training, annotations) is passed over unread; it may be larger than the graph.
//!
//! A field that may stand once and stands twice is merged where it is a message, and otherwise the last one counts, as
//! for every reader of protocol buffers. Field numbers are those of `onnx.proto3`.

use std::io::{Read, Seek};

use super::fault::{Fault, Result};
use super::model::{Attribute, Data, Dim, Function, Graph, Model, Node, Tensor, Value, ValueInfo};
use super::payload::{self, Payload};
use super::wire::{Field, Wire};
use crate::diagnostic::Code;

/// Graphs within each other: bodies of If, Loop and Scan.
const DEEPEST: usize = 64;
/// Nodes of a file, in all graphs and functions.
const MOST_NODES: usize = 2_000_000;
/// Texts of attributes longer than this are no setting but something packed in: compiled programs, vocabularies.
const LONGEST_TEXT: u64 = 64 << 10;

/// Reads a model and leaves the weights where they are.
///
/// # Errors
/// When the bytes follow no version of the format, are cut off, or exceed a limit.
pub(crate) fn read(reader: &mut (impl Read + Seek)) -> Result<Model> {
    let mut reader = Reader { wire: Wire::new(reader)?, nodes: 0, depth: 0, kept: 0 };
    reader.model()
}

struct Reader<R> {
    wire: Wire<R>,
    nodes: usize,
    depth: usize,
    /// Bytes of moderate payloads that were kept.
    kept: u64,
}

impl<R: Read + Seek> Reader<R> {
    /// Reads the message in a field.
    fn message<T>(&mut self, field: Field, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let length = self.wire.length(field)?;
        let end = self.wire.position() + length;
        let outer = self.wire.enter(end);
        let value = read(self)?;
        self.wire.leave(outer);
        Ok(value)
    }

    fn model(&mut self) -> Result<Model> {
        let mut model = Model::default();
        let mut has_graph = false;
        while let Some(field) = self.wire.field()? {
            match field.number {
                1 => model.ir_version = self.wire.int(field)?,
                2 => {
                    model.producer =
                        self.wire.text(field).map_err(|fault| fault.within("the producer's name".into()))?
                }
                7 => {
                    has_graph = true;
                    self.message(field, |reader| reader.graph(&mut model.graph))
                        .map_err(|fault| fault.within("the graph".into()))?;
                }
                8 => model.opsets.push(
                    self.message(field, Self::opset)
                        .map_err(|fault| fault.within("the operator sets".into()))?,
                ),
                25 => {
                    let mut function = Function::default();
                    let result = self.message(field, |reader| reader.function(&mut function));
                    let index = model.functions.len();
                    result.map_err(|fault| fault.within(numbered("function", index, &function.name)))?;
                    model.functions.push(function);
                }
                _ => self.wire.skip(field)?,
            }
        }
        if !has_graph {
            return Err(Fault::malformed(self.wire.end(), "the file has no graph"));
        }
        Ok(model)
    }

    fn opset(&mut self) -> Result<(String, i64)> {
        let mut opset = (String::new(), 0);
        while let Some(field) = self.wire.field()? {
            match field.number {
                1 => opset.0 = self.wire.text(field)?,
                2 => opset.1 = self.wire.int(field)?,
                _ => self.wire.skip(field)?,
            }
        }
        Ok(opset)
    }

    fn graph(&mut self, graph: &mut Graph) -> Result<()> {
        self.depth += 1;
        if self.depth > DEEPEST {
            let message = format!("more than {DEEPEST} graphs lie within each other");
            return Err(Fault::new(Code::TooLarge, self.wire.position(), message));
        }
        while let Some(field) = self.wire.field()? {
            match field.number {
                1 => self.node(field, &mut graph.nodes)?,
                2 => graph.name = self.wire.text(field)?,
                5 | 15 => {
                    let mut tensor = Tensor::default();
                    let result = if field.number == 5 {
                        self.tensor(field, &mut tensor)
                    } else {
                        self.message(field, |reader| reader.sparse_tensor(&mut tensor))
                    };
                    let index = graph.initializers.len();
                    result.map_err(|fault| fault.within(numbered("initializer", index, &tensor.name)))?;
                    graph.initializers.push(tensor);
                }
                11 => self.value_info(field, "input", &mut graph.inputs)?,
                12 => self.value_info(field, "output", &mut graph.outputs)?,
                13 => self.value_info(field, "value", &mut graph.values)?,
                _ => self.wire.skip(field)?,
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn function(&mut self, function: &mut Function) -> Result<()> {
        while let Some(field) = self.wire.field()? {
            match field.number {
                1 => function.name = self.wire.text(field)?,
                4 => function.inputs.push(self.wire.text(field)?),
                5 => function.outputs.push(self.wire.text(field)?),
                6 => function.attributes.push(self.wire.text(field)?),
                7 => self.node(field, &mut function.nodes)?,
                9 => function.opsets.push(self.message(field, Self::opset)?),
                10 => function.domain = self.wire.text(field)?,
                11 => function.defaults.push(self.attribute(field)?),
                13 => function.overload = self.wire.text(field)?,
                _ => self.wire.skip(field)?,
            }
        }
        Ok(())
    }

    fn node(&mut self, field: Field, nodes: &mut Vec<Node>) -> Result<()> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(Fault::new(Code::TooLarge, field.at, format!("more than {MOST_NODES} nodes")));
        }
        let mut node = Node::default();
        let result = self.message(field, |reader| {
            while let Some(field) = reader.wire.field()? {
                match field.number {
                    1 => node.inputs.push(reader.wire.text(field)?),
                    2 => node.outputs.push(reader.wire.text(field)?),
                    3 => node.name = reader.wire.text(field)?,
                    4 => node.op_type = reader.wire.text(field)?,
                    5 => node.attributes.push(reader.attribute(field)?),
                    7 => node.domain = reader.wire.text(field)?,
                    8 => node.overload = reader.wire.text(field)?,
                    _ => reader.wire.skip(field)?,
                }
            }
            if node.op_type.is_empty() {
                return Err(Fault::malformed(field.at, "a node names no op"));
            }
            Ok(())
        });
        result.map_err(|fault| fault.within(numbered("node", nodes.len(), &node.name)))?;
        nodes.push(node);
        Ok(())
    }

    fn attribute(&mut self, field: Field) -> Result<Attribute> {
        let mut parts = Parts::default();
        let result = self.message(field, |reader| reader.parts(&mut parts));
        let result = result.and_then(|()| parts.value(field.at));
        let value = result.map_err(|fault| fault.within(format!("attribute `{}`", parts.name)))?;
        Ok(Attribute { name: parts.name, value })
    }

    fn parts(&mut self, parts: &mut Parts) -> Result<()> {
        while let Some(field) = self.wire.field()? {
            parts.seen |= 1 << kind_of(field.number);
            match field.number {
                1 => parts.name = self.wire.text(field)?,
                2 => parts.float = self.wire.float(field)?,
                3 => parts.int = self.wire.int(field)?,
                4 => parts.text = self.long_text(field)?,
                5 => self.tensor(field, parts.tensor.get_or_insert_default())?,
                6 => {
                    let graph = parts.graph.get_or_insert_default();
                    self.message(field, |reader| reader.graph(graph))?;
                }
                7 => self.wire.floats(field, &mut parts.floats)?,
                8 => self.ints(field, &mut parts.ints)?,
                9 => match self.long_text(field)? {
                    Some(text) => parts.texts.push(text),
                    None => parts.has_long_texts = true,
                },
                20 => parts.kind = self.wire.int(field)?,
                21 => parts.caller = self.wire.text(field)?,
                22 => {
                    let tensor = parts.sparse.get_or_insert_default();
                    self.message(field, |reader| reader.sparse_tensor(tensor))?;
                }
                _ => self.wire.skip(field)?,
            }
        }
        Ok(())
    }

    /// Adds to a list of `int64`.
    fn ints(&mut self, field: Field, list: &mut Vec<i64>) -> Result<()> {
        self.wire.varints(field, |value| list.push(value.cast_signed()))
    }

    /// The bytes of an attribute; absent if they are too many to be a setting.
    fn long_text(&mut self, field: Field) -> Result<Option<Vec<u8>>> {
        let length = self.wire.length(field)?;
        if length > LONGEST_TEXT {
            self.wire.go(self.wire.position() + length)?;
            return Ok(None);
        }
        self.wire.take(length).map(Some)
    }

    fn tensor(&mut self, field: Field, tensor: &mut Tensor) -> Result<()> {
        let (mut external, mut payload) = (External::default(), Payload::default());
        self.message(field, |reader| {
            while let Some(field) = reader.wire.field()? {
                match field.number {
                    1 => reader.ints(field, &mut tensor.dims)?,
                    2 => tensor.data_type = reader.wire.int32(field)?,
                    payload::FLOAT
                    | payload::INT32
                    | payload::STRING
                    | payload::INT64
                    | payload::RAW
                    | payload::DOUBLE
                    | payload::UINT64 => payload.note(&mut reader.wire, field)?,
                    8 => tensor.name = reader.wire.text(field)?,
                    13 => reader.external(field, &mut external)?,
                    14 => external.is_meant = reader.wire.int(field)? == 1,
                    _ => reader.wire.skip(field)?,
                }
            }
            let is_empty = tensor.dims.contains(&0);
            let data = match external {
                External { is_meant: true, location, offset, length } => {
                    Data::External { location, offset, length }
                }
                _ => payload.finish(&mut reader.wire, tensor.data_type, is_empty, &mut reader.kept)?,
            };
            // A tensor in two messages is one, and one of them has the elements.
            match (&tensor.data, &data) {
                (Data::Absent, _) => tensor.data = data,
                (_, Data::Absent) => {}
                _ => return Err(Fault::malformed(field.at, "a tensor has its elements in two messages")),
            }
            Ok(())
        })
    }

    /// One key and value about an external file; other keys (`checksum`) are of no use here.
    fn external(&mut self, field: Field, external: &mut External) -> Result<()> {
        let (mut key, mut value) = (String::new(), String::new());
        self.message(field, |reader| {
            while let Some(field) = reader.wire.field()? {
                match field.number {
                    1 => key = reader.wire.text(field)?,
                    2 => value = reader.wire.text(field)?,
                    _ => reader.wire.skip(field)?,
                }
            }
            Ok(())
        })?;
        let number = || {
            value.parse().map_err(|_| {
                Fault::malformed(
                    field.at,
                    format!("the {key} of external data is `{value}`, which is no number"),
                )
            })
        };
        match &*key {
            "offset" => external.offset = number()?,
            "length" => external.length = Some(number()?),
            "location" => external.location = value,
            _ => {}
        }
        Ok(())
    }

    /// A sparse tensor is a tensor of its whole shape without elements: they are fewer than the shape says.
    fn sparse_tensor(&mut self, tensor: &mut Tensor) -> Result<()> {
        while let Some(field) = self.wire.field()? {
            match field.number {
                1 => {
                    let mut values = Tensor::default();
                    self.tensor(field, &mut values)?;
                    tensor.name = values.name;
                    tensor.data_type = values.data_type;
                }
                3 => self.ints(field, &mut tensor.dims)?,
                _ => self.wire.skip(field)?,
            }
        }
        Ok(())
    }

    fn value_info(&mut self, field: Field, what: &str, values: &mut Vec<ValueInfo>) -> Result<()> {
        let mut value = ValueInfo::default();
        let result = self.message(field, |reader| {
            while let Some(field) = reader.wire.field()? {
                match field.number {
                    1 => value.name = reader.wire.text(field)?,
                    2 => reader.message(field, |reader| reader.value_type(&mut value))?,
                    _ => reader.wire.skip(field)?,
                }
            }
            Ok(())
        });
        result.map_err(|fault| fault.within(numbered(what, values.len(), &value.name)))?;
        values.push(value);
        Ok(())
    }

    /// One of several kinds of values: the last one counts.
    fn value_type(&mut self, value: &mut ValueInfo) -> Result<()> {
        while let Some(field) = self.wire.field()? {
            let other = match field.number {
                1 => None,
                4 => Some("sequence"),
                5 => Some("map"),
                7 => Some("opaque"),
                8 => Some("sparse_tensor"),
                9 => Some("optional"),
                _ => {
                    self.wire.skip(field)?;
                    continue;
                }
            };
            if other.is_some() || value.not_a_tensor.is_some() {
                (value.data_type, value.dims) = (0, None);
            }
            value.not_a_tensor = other;
            match other {
                None => self.message(field, |reader| reader.tensor_type(value))?,
                Some(_) => self.message(field, |reader| reader.wire.to_end())?,
            }
        }
        Ok(())
    }

    fn tensor_type(&mut self, value: &mut ValueInfo) -> Result<()> {
        while let Some(field) = self.wire.field()? {
            match field.number {
                1 => value.data_type = self.wire.int32(field)?,
                2 => {
                    let dims = value.dims.get_or_insert_default();
                    self.message(field, |reader| {
                        while let Some(field) = reader.wire.field()? {
                            match field.number {
                                1 => dims.push(reader.message(field, Self::dim)?),
                                _ => reader.wire.skip(field)?,
                            }
                        }
                        Ok(())
                    })?;
                }
                _ => self.wire.skip(field)?,
            }
        }
        Ok(())
    }

    fn dim(&mut self) -> Result<Dim> {
        let mut dim = Dim::Unknown;
        while let Some(field) = self.wire.field()? {
            match field.number {
                1 => dim = Dim::Known(self.wire.int(field)?),
                2 => dim = Dim::Symbol(self.wire.text(field)?),
                _ => self.wire.skip(field)?,
            }
        }
        Ok(dim)
    }
}

/// Where a tensor's elements are, when they are in another file.
#[derive(Default)]
struct External {
    /// `data_location` says so: without it the rest has no meaning.
    is_meant: bool,
    location: String,
    offset: u64,
    length: Option<u64>,
}

/// What an attribute's fields hold; its type says which of them is meant.
#[derive(Default)]
struct Parts {
    name: String,
    /// A number in `AttributeProto.AttributeType`; 0 in files of the first version, which had none.
    kind: i64,
    caller: String,
    float: f32,
    int: i64,
    /// Absent if it is too long to be a setting.
    text: Option<Vec<u8>>,
    tensor: Option<Box<Tensor>>,
    sparse: Option<Box<Tensor>>,
    graph: Option<Box<Graph>>,
    floats: Vec<f32>,
    ints: Vec<i64>,
    texts: Vec<Vec<u8>>,
    has_long_texts: bool,
    /// The kinds whose fields were there, a bit each.
    seen: u32,
}

/// The numbers of `AttributeProto.AttributeType`.
mod kind {
    pub(super) const FLOAT: i64 = 1;
    pub(super) const INT: i64 = 2;
    pub(super) const STRING: i64 = 3;
    pub(super) const TENSOR: i64 = 4;
    pub(super) const GRAPH: i64 = 5;
    pub(super) const FLOATS: i64 = 6;
    pub(super) const INTS: i64 = 7;
    pub(super) const STRINGS: i64 = 8;
    pub(super) const TENSORS: i64 = 9;
    pub(super) const GRAPHS: i64 = 10;
    pub(super) const SPARSE_TENSOR: i64 = 11;
    pub(super) const SPARSE_TENSORS: i64 = 12;
    pub(super) const TYPE: i64 = 13;
    pub(super) const TYPES: i64 = 14;
}

/// The kind of attribute that a field is the value of; 0 for the others.
fn kind_of(field: u32) -> i64 {
    match field {
        2 => kind::FLOAT,
        3 => kind::INT,
        4 => kind::STRING,
        5 => kind::TENSOR,
        6 => kind::GRAPH,
        7 => kind::FLOATS,
        8 => kind::INTS,
        9 => kind::STRINGS,
        10 => kind::TENSORS,
        11 => kind::GRAPHS,
        14 => kind::TYPE,
        15 => kind::TYPES,
        22 => kind::SPARSE_TENSOR,
        23 => kind::SPARSE_TENSORS,
        _ => 0,
    }
}

impl Parts {
    /// The value that is meant.
    fn value(&mut self, at: u64) -> Result<Value> {
        use std::mem::take;
        if !self.caller.is_empty() {
            return Ok(Value::Caller(take(&mut self.caller)));
        }
        let seen = self.seen & !1;
        let kind = match self.kind {
            // Without a type it is the one field that is there.
            0 if seen.count_ones() == 1 => i64::from(seen.trailing_zeros()),
            0 => return Err(Fault::malformed(at, "an attribute of no type")),
            // Numbers of 0 and empty lists may be left out.
            kind if seen == 0
                || u32::try_from(kind)
                    .ok()
                    .and_then(|kind| seen.checked_shr(kind))
                    .is_some_and(|bit| bit & 1 == 1) =>
            {
                kind
            }
            kind => {
                let message = format!("an attribute of type {kind} holds a value of another type");
                return Err(Fault::malformed(at, message));
            }
        };
        Ok(match kind {
            kind::FLOAT => Value::Float(self.float),
            kind::INT => Value::Int(self.int),
            kind::STRING if seen == 0 => Value::String(Vec::new()),
            kind::STRING => self.text.take().map_or(Value::Other(kind), Value::String),
            kind::FLOATS => Value::Floats(take(&mut self.floats)),
            kind::INTS => Value::Ints(take(&mut self.ints)),
            kind::STRINGS if !self.has_long_texts => Value::Strings(take(&mut self.texts)),
            kind::TENSOR | kind::SPARSE_TENSOR => {
                let tensor = if kind == kind::TENSOR { &mut self.tensor } else { &mut self.sparse };
                Value::Tensor(
                    tensor.take().ok_or_else(|| Fault::malformed(at, "an attribute without its tensor"))?,
                )
            }
            kind::GRAPH => Value::Graph(
                self.graph.take().ok_or_else(|| Fault::malformed(at, "an attribute without its graph"))?,
            ),
            other => Value::Other(other),
        })
    }
}

/// `node 17 `/layer1/conv``
fn numbered(what: &str, index: usize, name: &str) -> String {
    if name.is_empty() { format!("{what} {index}") } else { format!("{what} {index} `{name}`") }
}
