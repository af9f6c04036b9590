//! ONNX files for tests: builders of the plain data, and its bytes. The same data gives the same bytes.
//!
//! Tests outside of the crate and benches include this file and `model.rs` by their paths, see `tests/common/onnx.rs`;
//! so it uses nothing but those data.

use std::io::{Read, Result, Seek, SeekFrom, Write};

use super::model::{
    Attribute, Data, Dim, Function, Graph, Model, Node, Tensor, Value, ValueInfo, data_type as T,
};

/// How lists of numbers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Style {
    /// Tensors as `raw_data`, other lists packed.
    #[default]
    Raw,
    /// Tensors in the field of their type; lists packed.
    Packed,
    /// The same, one record an element.
    Unpacked,
}

/// A file that need not be in memory: payloads are zeros that take no space. It counts what is read of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    bytes: Vec<u8>,
    /// Zeros to insert: before which byte, and how many.
    gaps: Vec<(usize, u64)>,
    position: u64,
    /// How many bytes were read.
    pub(crate) read: u64,
    /// How many times it was sought.
    pub(crate) seeks: u64,
}

impl File {
    /// Its length in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64 + self.gaps.iter().map(|(_, zeros)| zeros).sum::<u64>()
    }

    /// Writes it; runs of zeros are sought past, which leaves holes where the system can.
    pub(crate) fn write_sparse(&self, file: &mut std::fs::File) -> Result<()> {
        let mut at = 0;
        for (byte, zeros) in &self.gaps {
            file.write_all(&self.bytes[at..*byte])?;
            file.seek(SeekFrom::Current(zeros.cast_signed()))?;
            at = *byte;
        }
        file.write_all(&self.bytes[at..])?;
        file.set_len(self.len())
    }

    /// All of its bytes.
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let mut file = Self { position: 0, ..self.clone() };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).expect("memory can be read");
        bytes
    }
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        // Where the position is: in which gap, or in the bytes before which gap.
        let (mut start, mut at) = (0, 0);
        let mut zeros = None;
        let mut rest = &self.bytes[..];
        for &(byte, length) in &self.gaps {
            let run = (byte - at) as u64;
            if self.position < start + run {
                rest = &self.bytes[at..byte];
                break;
            }
            (start, at) = (start + run, byte);
            rest = &self.bytes[at..];
            if self.position < start + length {
                zeros = Some(start + length - self.position);
                break;
            }
            start += length;
        }
        let count = if let Some(zeros) = zeros {
            let count = usize::try_from(zeros).unwrap_or(usize::MAX).min(buffer.len());
            buffer[..count].fill(0);
            count
        } else {
            let skipped = usize::try_from(self.position - start).unwrap_or(usize::MAX);
            let rest = rest.get(skipped..).unwrap_or(&[]);
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            count
        };
        self.position += count as u64;
        self.read += count as u64;
        Ok(count)
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.seeks += 1;
        self.position = match to {
            SeekFrom::Start(position) => position,
            SeekFrom::End(offset) => self.len().saturating_add_signed(offset),
            SeekFrom::Current(offset) => self.position.saturating_add_signed(offset),
        };
        Ok(self.position)
    }
}

/// Writes a model.
pub(crate) fn encode(model: &Model) -> File {
    encode_as(model, Style::Raw)
}

/// Writes a model in a style that other programs have.
pub(crate) fn encode_as(model: &Model, style: Style) -> File {
    Message::write(style, |out| {
        out.int(1, model.ir_version);
        out.text(2, &model.producer);
        out.message(7, |out| out.graph(&model.graph));
        out.opsets(8, &model.opsets);
        for function in &model.functions {
            out.message(25, |out| out.function(function));
        }
    })
}

/// The bytes of a message as they come.
pub(crate) struct Message {
    style: Style,
    file: File,
}

impl Message {
    /// Writes a file field by field, for what no data can say.
    pub(crate) fn write(style: Style, write: impl FnOnce(&mut Self)) -> File {
        let mut out = Self { style, file: File::default() };
        write(&mut out);
        out.file
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.file.bytes.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.file.bytes.push(value.to_le_bytes()[0]);
    }

    fn tag(&mut self, field: u32, wire: u64) {
        self.varint(u64::from(field) << 3 | wire);
    }

    pub(crate) fn int(&mut self, field: u32, value: i64) {
        self.tag(field, 0);
        self.varint(value.cast_unsigned());
    }

    pub(crate) fn float(&mut self, field: u32, value: f32) {
        self.tag(field, 5);
        self.file.bytes.extend(value.to_le_bytes());
    }

    pub(crate) fn bytes(&mut self, field: u32, value: &[u8]) {
        self.tag(field, 2);
        self.varint(value.len() as u64);
        self.file.bytes.extend(value);
    }

    /// An empty text is left out, as writers do.
    pub(crate) fn text(&mut self, field: u32, value: &str) {
        if !value.is_empty() {
            self.bytes(field, value.as_bytes());
        }
    }

    fn texts(&mut self, field: u32, values: &[String]) {
        values.iter().for_each(|value| self.bytes(field, value.as_bytes()));
    }

    pub(crate) fn zeros(&mut self, field: u32, length: u64) {
        self.tag(field, 2);
        self.varint(length);
        self.file.gaps.push((self.file.bytes.len(), length));
    }

    pub(crate) fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        let inner = Self::write(self.style, write);
        self.tag(field, 2);
        self.varint(inner.len());
        let start = self.file.bytes.len();
        self.file.bytes.extend(&inner.bytes);
        self.file.gaps.extend(inner.gaps.iter().map(|(at, zeros)| (start + at, *zeros)));
    }

    pub(crate) fn ints(&mut self, field: u32, values: &[i64]) {
        self.varints(field, values.iter().map(|value| value.cast_unsigned()));
    }

    fn varints(&mut self, field: u32, values: impl Iterator<Item = u64>) {
        if self.style == Style::Unpacked {
            for value in values {
                self.tag(field, 0);
                self.varint(value);
            }
            return;
        }
        let mut inner = Self { style: self.style, file: File::default() };
        values.for_each(|value| inner.varint(value));
        if !inner.file.bytes.is_empty() {
            self.bytes(field, &inner.file.bytes);
        }
    }

    /// Numbers of a fixed width.
    fn fixed(&mut self, field: u32, bytes: &[u8], width: usize) {
        if self.style != Style::Unpacked {
            if !bytes.is_empty() {
                self.bytes(field, bytes);
            }
            return;
        }
        for number in bytes.chunks(width) {
            self.tag(field, if width == 4 { 5 } else { 1 });
            self.file.bytes.extend(number);
        }
    }

    fn opsets(&mut self, field: u32, opsets: &[(String, i64)]) {
        for (domain, version) in opsets {
            self.message(field, |out| {
                out.text(1, domain);
                out.int(2, *version);
            });
        }
    }

    fn graph(&mut self, graph: &Graph) {
        graph.nodes.iter().for_each(|node| self.message(1, |out| out.node(node)));
        self.text(2, &graph.name);
        graph.initializers.iter().for_each(|tensor| self.message(5, |out| out.tensor(tensor)));
        for (field, values) in [(11, &graph.inputs), (12, &graph.outputs), (13, &graph.values)] {
            values.iter().for_each(|value| self.message(field, |out| out.value_info(value)));
        }
    }

    fn function(&mut self, function: &Function) {
        self.text(1, &function.name);
        self.texts(4, &function.inputs);
        self.texts(5, &function.outputs);
        self.texts(6, &function.attributes);
        function.nodes.iter().for_each(|node| self.message(7, |out| out.node(node)));
        self.opsets(9, &function.opsets);
        self.text(10, &function.domain);
        function.defaults.iter().for_each(|attribute| self.message(11, |out| out.attribute(attribute)));
        self.text(13, &function.overload);
    }

    fn node(&mut self, node: &Node) {
        self.texts(1, &node.inputs);
        self.texts(2, &node.outputs);
        self.text(3, &node.name);
        self.text(4, &node.op_type);
        node.attributes.iter().for_each(|attribute| self.message(5, |out| out.attribute(attribute)));
        self.text(7, &node.domain);
        self.text(8, &node.overload);
    }

    fn attribute(&mut self, attribute: &Attribute) {
        self.text(1, &attribute.name);
        match &attribute.value {
            Value::Float(value) => self.float(2, *value),
            Value::Int(value) => self.int(3, *value),
            Value::String(value) => self.bytes(4, value),
            Value::Tensor(tensor) => self.message(5, |out| out.tensor(tensor)),
            Value::Graph(graph) => self.message(6, |out| out.graph(graph)),
            Value::Floats(values) => {
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                self.fixed(7, &bytes, 4);
            }
            Value::Ints(values) => self.ints(8, values),
            Value::Strings(values) => values.iter().for_each(|value| self.bytes(9, value)),
            Value::Caller(name) => self.text(21, name),
            Value::Other(_) => {}
        }
        let kind = match attribute.value {
            Value::Caller(_) => return,
            Value::Float(_) => 1,
            Value::Int(_) => 2,
            Value::String(_) => 3,
            Value::Tensor(_) => 4,
            Value::Graph(_) => 5,
            Value::Floats(_) => 6,
            Value::Ints(_) => 7,
            Value::Strings(_) => 8,
            Value::Other(kind) => kind,
        };
        self.int(20, kind);
    }

    fn tensor(&mut self, tensor: &Tensor) {
        self.ints(1, &tensor.dims);
        self.int(2, i64::from(tensor.data_type));
        self.text(8, &tensor.name);
        match &tensor.data {
            Data::Absent => {}
            Data::Here(bytes) => self.elements(tensor.data_type, bytes),
            Data::Skipped { length, field, .. } => self.zeros(*field, *length),
            // Texts of one byte; a record of them has three.
            Data::Records { length, field, .. } => (0..length / 3).for_each(|_| self.bytes(*field, &[0])),
            Data::External { location, offset, length } => {
                let entries = [
                    ("location", Some(location.clone())),
                    ("offset", Some(offset.to_string())),
                    ("length", length.map(|length| length.to_string())),
                ];
                for (key, value) in entries.into_iter().filter_map(|(key, value)| Some((key, value?))) {
                    self.message(13, |out| {
                        out.text(1, key);
                        out.text(2, &value);
                    });
                }
                self.int(14, 1);
            }
        }
    }

    fn elements(&mut self, data_type: i32, bytes: &[u8]) {
        let number = |chunk: &[u8]| {
            let mut wide = [0; 8];
            wide[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(wide)
        };
        // Negative numbers of 32 bits and less are written with ten bytes.
        let signed = |chunk: &[u8]| {
            let unused = 64 - 8 * chunk.len();
            (number(chunk).cast_signed() << unused >> unused).cast_unsigned()
        };
        match (self.style, data_type) {
            (Style::Raw, _) => self.bytes(9, bytes),
            (_, T::FLOAT | T::COMPLEX64) => self.fixed(4, bytes, 4),
            (_, T::DOUBLE | T::COMPLEX128) => self.fixed(10, bytes, 8),
            (_, T::INT64) => self.varints(7, bytes.chunks(8).map(number)),
            (_, T::UINT64) => self.varints(11, bytes.chunks(8).map(number)),
            (_, T::UINT32) => self.varints(11, bytes.chunks(4).map(number)),
            (_, T::INT32) => self.varints(5, bytes.chunks(4).map(signed)),
            (_, T::INT16) => self.varints(5, bytes.chunks(2).map(signed)),
            (_, T::UINT16 | T::FLOAT16 | T::BFLOAT16) => self.varints(5, bytes.chunks(2).map(number)),
            (_, T::INT8) => self.varints(5, bytes.chunks(1).map(signed)),
            (_, T::UINT8 | T::BOOL | T::UINT4 | T::INT4 | T::UINT2 | T::INT2 | T::FLOAT8E4M3FN) => {
                self.varints(5, bytes.chunks(1).map(number));
            }
            _ => self.bytes(9, bytes),
        }
    }

    fn value_info(&mut self, value: &ValueInfo) {
        self.text(1, &value.name);
        let other = match value.not_a_tensor {
            None => None,
            Some("sequence") => Some(4),
            Some("map") => Some(5),
            Some("opaque") => Some(7),
            Some("sparse_tensor") => Some(8),
            Some(_) => Some(9),
        };
        if value.data_type == 0 && value.dims.is_none() && other.is_none() {
            return;
        }
        self.message(2, |out| match other {
            Some(field) => out.message(field, |_| {}),
            None => out.message(1, |out| {
                out.int(1, i64::from(value.data_type));
                if let Some(dims) = &value.dims {
                    out.message(2, |out| {
                        for dim in dims {
                            out.message(1, |out| match dim {
                                Dim::Known(size) => out.int(1, *size),
                                Dim::Symbol(symbol) => out.bytes(2, symbol.as_bytes()),
                                Dim::Unknown => {}
                            });
                        }
                    });
                }
            }),
        });
    }
}

/// A model of one graph for `ai.onnx` of a version.
pub(crate) fn model(opset: i64, graph: Graph) -> Model {
    Model {
        ir_version: 8,
        opsets: vec![(String::new(), opset)],
        producer: "test".into(),
        graph,
        functions: Vec::new(),
    }
}

/// A node without name and attributes.
pub(crate) fn node(op_type: &str, inputs: &[&str], outputs: &[&str]) -> Node {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Node { op_type: op_type.into(), inputs: names(inputs), outputs: names(outputs), ..Node::default() }
}

impl Node {
    /// Gives it a name.
    pub(crate) fn named(self, name: &str) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Puts it into another domain.
    pub(crate) fn of_domain(self, domain: &str) -> Self {
        Self { domain: domain.into(), ..self }
    }

    /// Adds an attribute.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.attributes.push(Attribute { name: name.into(), value: value.into() });
        self
    }
}

/// A value of known sizes; a negative size is unknown.
pub(crate) fn value(name: &str, data_type: i32, dims: &[i64]) -> ValueInfo {
    let dim = |&size: &i64| if size < 0 { Dim::Unknown } else { Dim::Known(size) };
    ValueInfo { name: name.into(), data_type, dims: Some(dims.iter().map(dim).collect()), not_a_tensor: None }
}

/// A tensor of floats without its elements.
pub(crate) fn weight(name: &str, dims: &[i64]) -> Tensor {
    Tensor { name: name.into(), dims: dims.to_vec(), data_type: T::FLOAT, data: Data::Absent }
}

/// The same with a payload of zeros, which takes no memory.
pub(crate) fn zeros(name: &str, dims: &[i64]) -> Tensor {
    let length = dims.iter().product::<i64>().cast_unsigned() * 4;
    Tensor { data: Data::Skipped { offset: 0, length, field: 9 }, ..weight(name, dims) }
}

/// A tensor of floats.
pub(crate) fn floats(name: &str, dims: &[i64], elements: &[f32]) -> Tensor {
    let bytes = elements.iter().flat_map(|element| element.to_le_bytes()).collect();
    Tensor { data: Data::Here(bytes), ..weight(name, dims) }
}

/// A tensor of `int64`.
pub(crate) fn ints(name: &str, dims: &[i64], elements: &[i64]) -> Tensor {
    let bytes = elements.iter().flat_map(|element| element.to_le_bytes()).collect();
    Tensor { data_type: T::INT64, data: Data::Here(bytes), ..weight(name, dims) }
}

impl Graph {
    /// Adds an input of floats.
    pub(crate) fn input(mut self, name: &str, dims: &[i64]) -> Self {
        self.inputs.push(value(name, T::FLOAT, dims));
        self
    }

    /// Adds an output of floats whose shape is not given.
    pub(crate) fn output(mut self, name: &str) -> Self {
        self.outputs.push(ValueInfo { dims: None, ..value(name, T::FLOAT, &[]) });
        self
    }

    /// Adds an initializer.
    pub(crate) fn initializer(mut self, tensor: Tensor) -> Self {
        self.initializers.push(tensor);
        self
    }

    /// Adds a node.
    pub(crate) fn node(mut self, node: Node) -> Self {
        self.nodes.push(node);
        self
    }
}

macro_rules! values {
    ($($type:ty as $name:ident => $value:expr,)*) => {
        $(impl From<$type> for Value {
            fn from($name: $type) -> Self {
                $value
            }
        })*
    };
}

values! {
    i64 as value => Self::Int(value),
    f32 as value => Self::Float(value),
    &str as value => Self::String(value.as_bytes().to_vec()),
    &[i64] as value => Self::Ints(value.to_vec()),
    Vec<i64> as value => Self::Ints(value),
    Vec<f32> as value => Self::Floats(value),
    Tensor as value => Self::Tensor(Box::new(value)),
    Graph as value => Self::Graph(Box::new(value)),
}
