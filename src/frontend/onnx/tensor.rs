//! `TensorProto`, `SparseTensorProto` and what they say of external data.

use std::io::{Read, Seek};

use super::fault::{Fault, Result};
use super::model::{Data, Tensor};
use super::payload::{self, Payload};
use super::reader::Reader;
use super::wire::Field;

impl<R: Read + Seek> Reader<R> {
    /// Reads a tensor, or more of one, and its elements where they are kept.
    pub(super) fn tensor(&mut self, field: Field, tensor: &mut Tensor) -> Result<()> {
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
    pub(super) fn sparse_tensor(&mut self, tensor: &mut Tensor) -> Result<()> {
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
