//! From the records of an ONNX file to [`Model`]: messages, fields and limits. What no graph needs (texts for people,
//! metadata, training, annotations) is passed over unread; it may be larger than the graph.
//!
//! A field that may stand once and stands twice is merged where it is a message, and otherwise the last one counts, as
//! for every reader of protocol buffers. Field numbers are those of `onnx.proto3`.

use std::io::{Read, Seek};

use super::fault::{Fault, Result};
use super::model::{Dim, Function, Graph, Model, Node, Tensor, ValueInfo};
use super::wire::{Field, Wire};
use crate::diagnostic::Code;

/// Graphs within each other: bodies of If, Loop and Scan.
const DEEPEST: usize = 64;
/// Operator sets that a model or a function may name; every node looks its own up among them.
const MOST_OPSETS: usize = 256;

/// Reads a model and leaves the weights where they are.
///
/// # Errors
/// When the bytes follow no version of the format, are cut off, or exceed a limit.
pub(crate) fn read(reader: &mut (impl Read + Seek)) -> Result<Model> {
    read_within(reader, Limits { bytes: 64 << 20, nodes: 2_000_000, memory: 512 << 20 })
}

/// How much a file may hold. Memory is at most some tens of times the bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes that are read, besides those that are passed over.
    pub(super) bytes: u64,
    /// Nodes in all graphs and functions.
    pub(super) nodes: usize,
    /// Bytes of what the file's messages become: an empty one is two bytes long.
    pub(super) memory: usize,
}

/// Reads a model that is not too large.
pub(super) fn read_within(reader: &mut (impl Read + Seek), limits: Limits) -> Result<Model> {
    let wire = Wire::new(reader, limits.bytes)?;
    Reader { wire, nodes_left: limits.nodes, memory_left: limits.memory, depth: 0, kept: 0 }.model()
}

/// A file that is being read.
pub(super) struct Reader<R> {
    pub(super) wire: Wire<R>,
    nodes_left: usize,
    memory_left: usize,
    depth: usize,
    /// Bytes of moderate payloads that were kept.
    pub(super) kept: u64,
}

impl<R: Read + Seek> Reader<R> {
    /// Makes sure that one more part of the model fits.
    pub(super) fn room<T>(&mut self, field: Field) -> Result<()> {
        self.memory_left = self.memory_left.checked_sub(size_of::<T>()).ok_or_else(|| {
            Fault::new(
                Code::TooLarge,
                field.at,
                "the file has too many parts: they are larger than 512 MiB in memory",
            )
        })?;
        Ok(())
    }

    /// Reads a name of a list.
    fn name(&mut self, field: Field) -> Result<String> {
        self.room::<String>(field)?;
        self.wire.text(field)
    }

    /// Reads the message in a field.
    pub(super) fn message<T>(
        &mut self,
        field: Field,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
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
                    let name = self.wire.text(field);
                    model.producer = name.map_err(|fault| fault.within("the producer's name".into()))?;
                }
                7 => {
                    has_graph = true;
                    self.message(field, |reader| reader.graph(&mut model.graph))
                        .map_err(|fault| fault.within("the graph".into()))?;
                }
                8 => self
                    .opset(field, &mut model.opsets)
                    .map_err(|fault| fault.within("the operator sets".into()))?,
                25 => {
                    self.room::<Function>(field)?;
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

    fn opset(&mut self, field: Field, opsets: &mut Vec<(String, i64)>) -> Result<()> {
        if opsets.len() == MOST_OPSETS {
            let message = format!("more than {MOST_OPSETS} operator sets are named");
            return Err(Fault::new(Code::TooLarge, field.at, message));
        }
        opsets.push(self.message(field, Self::domain_and_version)?);
        Ok(())
    }

    fn domain_and_version(&mut self) -> Result<(String, i64)> {
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

    pub(super) fn graph(&mut self, graph: &mut Graph) -> Result<()> {
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
                    self.room::<Tensor>(field)?;
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
                4 => function.inputs.push(self.name(field)?),
                5 => function.outputs.push(self.name(field)?),
                6 => function.attributes.push(self.name(field)?),
                7 => self.node(field, &mut function.nodes)?,
                9 => self.opset(field, &mut function.opsets)?,
                10 => function.domain = self.wire.text(field)?,
                11 => function.defaults.push(self.attribute(field)?),
                13 => function.overload = self.wire.text(field)?,
                _ => self.wire.skip(field)?,
            }
        }
        Ok(())
    }

    fn node(&mut self, field: Field, nodes: &mut Vec<Node>) -> Result<()> {
        if self.nodes_left == 0 {
            return Err(Fault::new(Code::TooLarge, field.at, "the file has more than 2,000,000 nodes"));
        }
        self.nodes_left -= 1;
        self.room::<Node>(field)?;
        let mut node = Node::default();
        let result = self.message(field, |reader| {
            while let Some(field) = reader.wire.field()? {
                match field.number {
                    1 => node.inputs.push(reader.name(field)?),
                    2 => node.outputs.push(reader.name(field)?),
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

    /// Adds to a list of `int64`.
    pub(super) fn ints(&mut self, field: Field, list: &mut Vec<i64>) -> Result<()> {
        self.wire.varints(field, |value| list.push(value.cast_signed()))
    }

    fn value_info(&mut self, field: Field, what: &str, values: &mut Vec<ValueInfo>) -> Result<()> {
        self.room::<ValueInfo>(field)?;
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
                Some(_) => self.message(field, |reader| reader.wire.finish())?,
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
                                1 => {
                                    reader.room::<Dim>(field)?;
                                    dims.push(reader.message(field, Self::dim)?);
                                }
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

/// `node 17 `/layer1/conv``
fn numbered(what: &str, index: usize, name: &str) -> String {
    named(&format!("{what} {index}"), name)
}

/// `attribute `pads``; a name that is not read yet is left out.
pub(super) fn named(what: &str, name: &str) -> String {
    if name.is_empty() { what.to_owned() } else { format!("{what} `{name}`") }
}
