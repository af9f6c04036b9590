//! `AttributeProto`: many fields, and a type that says which of them is meant.

use std::io::{Read, Seek};

use super::fault::{Fault, Result};
use super::model::{Attribute, Graph, Tensor, Value};
use super::reader::{Reader, named};
use super::wire::Field;

/// Texts of attributes longer than this are no setting but something packed in: compiled programs, vocabularies.
const LONGEST_TEXT: u64 = 64 << 10;

impl<R: Read + Seek> Reader<R> {
    pub(super) fn attribute(&mut self, field: Field) -> Result<Attribute> {
        self.room::<Attribute>(field)?;
        let mut parts = Parts::default();
        let result = self.message(field, |reader| reader.parts(&mut parts));
        let result = result.and_then(|()| parts.value(field.at));
        let value = result.map_err(|fault| fault.within(named("attribute", &parts.name)))?;
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
                5 => {
                    self.room::<Tensor>(field)?;
                    self.tensor(field, parts.tensor.get_or_insert_default())?;
                }
                6 => {
                    self.room::<Graph>(field)?;
                    let graph = parts.graph.get_or_insert_default();
                    self.message(field, |reader| reader.graph(graph))?;
                }
                7 => self.wire.floats(field, &mut parts.floats)?,
                8 => self.ints(field, &mut parts.ints)?,
                9 => match self.long_text(field)? {
                    Some(text) => {
                        self.room::<Vec<u8>>(field)?;
                        parts.texts.push(text);
                    }
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

    /// The bytes of an attribute; absent if they are too many to be a setting.
    fn long_text(&mut self, field: Field) -> Result<Option<Vec<u8>>> {
        let length = self.wire.length(field)?;
        if length > LONGEST_TEXT {
            self.wire.go(self.wire.position() + length)?;
            return Ok(None);
        }
        self.wire.take(length).map(Some)
    }
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
