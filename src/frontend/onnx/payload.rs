//! The elements of a tensor: found where they are, read only where they are few or a shape may be computed from them.
//!
//! `TensorProto` has seven fields that may hold elements. Which one is used, packed or not, is the writer's choice;
//! what is kept is the same bytes in any case.

use std::io::{Read, Seek};

use super::fault::{Fault, Result};
use super::model::{Data, data_type as T};
use super::wire::{Field, Kind, Wire};

/// The fields that hold elements.
pub(super) const FLOAT: u32 = 4;
pub(super) const INT32: u32 = 5;
pub(super) const STRING: u32 = 6;
pub(super) const INT64: u32 = 7;
pub(super) const RAW: u32 = 9;
pub(super) const DOUBLE: u32 = 10;
pub(super) const UINT64: u32 = 11;

/// Payloads of so few bytes are kept whatever they are: scales, epsilons, axes.
const SMALL: u64 = 1 << 10;
/// Larger ones are kept if they are integers or truth values, up to so many bytes: 64 Ki elements of `int64`.
const MODERATE: u64 = 512 << 10;
/// And up to so many bytes in a file.
pub(super) const MOST_KEPT: u64 = 4 << 20;

/// Where the elements of one tensor are, as far as it is read.
#[derive(Debug, Default)]
pub(super) struct Payload {
    found: Option<Found>,
}

#[derive(Clone, Copy, Debug)]
struct Found {
    field: u32,
    /// The first record's head, and the end of the last one.
    start: u64,
    end: u64,
    /// Where the content of the last record begins.
    content: u64,
    records: u64,
    /// The length of all contents.
    bytes: u64,
}

impl Payload {
    /// Notes a record with elements and passes over it.
    pub(super) fn note<R: Read + Seek>(&mut self, wire: &mut Wire<R>, field: Field) -> Result<()> {
        let content = if field.kind == Kind::Bytes {
            let length = wire.length(field)?;
            let content = wire.position();
            wire.go(content + length)?;
            content
        } else {
            let content = wire.position();
            wire.skip(field)?;
            content
        };
        let end = wire.position();
        let new =
            Found { field: field.number, start: field.at, end, content, records: 1, bytes: end - content };
        self.found = Some(match self.found {
            // An empty record beside one with elements says nothing, and of `raw_data` the last one counts.
            Some(old) if new.bytes == 0 && field.number != STRING && old.field != field.number => old,
            Some(old) if old.field == field.number && field.number != RAW => {
                Found { start: old.start, records: old.records + 1, bytes: old.bytes + new.bytes, ..new }
            }
            Some(old) if old.bytes > 0 && old.field != field.number => {
                let message =
                    format!("a tensor has elements in field {} and in field {}", old.field, field.number);
                return Err(Fault::malformed(field.at, message));
            }
            _ => new,
        });
        Ok(())
    }

    /// Decides whether the elements are read, and reads them. The reader is at the end of the tensor, before and after.
    pub(super) fn finish<R: Read + Seek>(
        self,
        wire: &mut Wire<R>,
        data_type: i32,
        is_empty: bool,
        kept: &mut u64,
    ) -> Result<Data> {
        let Some(found) = self.found.filter(|found| found.bytes > 0 || found.field == STRING) else {
            // A payload of no bytes is all of a tensor of no elements; of any other it was taken away.
            return Ok(if is_empty { Data::Here(Vec::new()) } else { Data::Absent });
        };
        let Found { field, start, end, content, records, bytes, .. } = found;
        let writing = Writing::of(field, data_type);
        let moderate = is_index(data_type) && bytes <= MODERATE && *kept + bytes <= MOST_KEPT;
        match writing {
            Some(writing) if bytes <= SMALL || moderate => {
                *kept += if bytes <= SMALL { 0 } else { bytes };
                let back = wire.position();
                wire.go(start)?;
                let outer = wire.enter(end);
                let elements = elements(wire, field, writing)?;
                wire.leave(outer);
                wire.go(back)?;
                Ok(Data::Here(elements))
            }
            _ if records == 1 && field != STRING => {
                Ok(Data::Skipped { offset: content, length: bytes, field })
            }
            _ => Ok(Data::Records { offset: start, length: end - start, field }),
        }
    }
}

/// Whether shapes and indices are computed in a type. Bytes are quantised weights.
fn is_index(data_type: i32) -> bool {
    matches!(data_type, T::UINT16 | T::INT16 | T::INT32 | T::INT64 | T::BOOL | T::UINT32 | T::UINT64)
}

/// How elements are written in a field, and what of them is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    /// The bytes themselves.
    Raw,
    /// Little-endian numbers of so many bytes.
    Fixed(u64),
    /// Varints, of which the lowest so many bytes are kept.
    Varint(usize),
    /// Varints, of which 6 bits are kept, without gaps.
    SixBits,
}

impl Writing {
    /// Absent where the field does not hold such elements, and for texts, which no shape needs.
    fn of(field: u32, data_type: i32) -> Option<Self> {
        Some(match (field, data_type) {
            (_, T::STRING) => return None,
            (RAW, _) => Self::Raw,
            (FLOAT, T::FLOAT | T::COMPLEX64) => Self::Fixed(4),
            (DOUBLE, T::DOUBLE | T::COMPLEX128) => Self::Fixed(8),
            (INT64, T::INT64) | (UINT64, T::UINT64) => Self::Varint(8),
            (UINT64, T::UINT32) | (INT32, T::INT32) => Self::Varint(4),
            (INT32, T::INT16 | T::UINT16 | T::FLOAT16 | T::BFLOAT16) => Self::Varint(2),
            (INT32, T::INT8 | T::UINT8 | T::BOOL) => Self::Varint(1),
            (
                INT32,
                T::FLOAT8E4M3FN | T::FLOAT8E4M3FNUZ | T::FLOAT8E5M2 | T::FLOAT8E5M2FNUZ | T::FLOAT8E8M0,
            ) => Self::Varint(1),
            // Two or four elements share a byte already, as in `raw_data`.
            (INT32, T::INT4 | T::UINT4 | T::FLOAT4E2M1 | T::INT2 | T::UINT2) => Self::Varint(1),
            (INT32, T::FLOAT6E2M3 | T::FLOAT6E3M2) => Self::SixBits,
            _ => return None,
        })
    }
}

/// The elements of a field's records up to the end, as little-endian bytes.
fn elements<R: Read + Seek>(wire: &mut Wire<R>, number: u32, writing: Writing) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut bits = Bits::default();
    while let Some(field) = wire.field()? {
        if field.number != number {
            wire.skip(field)?;
            continue;
        }
        match (writing, field.kind) {
            (Writing::Raw, Kind::Bytes) => {
                let length = wire.length(field)?;
                bytes = wire.take(length)?;
            }
            (Writing::Fixed(width), Kind::Bytes) => {
                let length = wire.length(field)?;
                if length % width != 0 {
                    let message = format!("field {number} has {length} bytes of numbers of {width}");
                    return Err(Fault::malformed(field.at, message));
                }
                bytes.extend(wire.take(length)?);
            }
            (Writing::Fixed(4), Kind::Fixed32) => bytes.extend(wire.array::<4>()?),
            (Writing::Fixed(8), Kind::Fixed64) => bytes.extend(wire.array::<8>()?),
            (Writing::Varint(_) | Writing::SixBits, Kind::Bytes | Kind::Varint) => {
                wire.varints(field, |value| add(&mut bytes, &mut bits, writing, value))?;
            }
            _ => return Err(Fault::malformed(field.at, format!("field {number} is of the wrong wire type"))),
        }
    }
    bits.finish(&mut bytes);
    Ok(bytes)
}

/// The elements of a tensor that was passed over, as little-endian bytes; empty where they are not in this file.
#[cfg(feature = "exec")]
pub(super) fn read<R: Read + Seek>(reader: &mut R, data: &Data, data_type: i32) -> Result<Vec<u8>> {
    let (offset, length, field, packed) = match data {
        Data::Here(bytes) => return Ok(bytes.clone()),
        &Data::Skipped { offset, length, field } => (offset, length, field, true),
        &Data::Records { offset, length, field } => (offset, length, field, false),
        Data::Absent | Data::External { .. } => return Ok(Vec::new()),
    };
    let Some(writing) = Writing::of(field, data_type) else {
        let message = format!("field {field} holds no elements of the type {data_type}");
        return Err(Fault::malformed(offset, message));
    };
    // What is read is part of the file, and the file is as long as it is.
    let mut wire = Wire::new(reader, u64::MAX)?;
    let end = offset.checked_add(length).filter(|&end| end <= wire.end());
    let end = end.ok_or_else(|| Fault::short(offset, "the file became shorter after it was read"))?;
    wire.go(offset)?;
    let outer = wire.enter(end);
    let bytes = match (packed, writing) {
        (false, _) => elements(&mut wire, field, writing)?,
        (true, Writing::Raw | Writing::Fixed(_)) => wire.take(length)?,
        (true, _) => {
            let (mut bytes, mut bits) = (Vec::new(), Bits::default());
            while wire.position() < end {
                add(&mut bytes, &mut bits, writing, wire.varint()?);
            }
            bits.finish(&mut bytes);
            bytes
        }
    };
    wire.leave(outer);
    Ok(bytes)
}

/// Bits that do not fill a byte yet.
#[derive(Default)]
struct Bits {
    pending: u16,
    count: u32,
}

impl Bits {
    /// Fills the last byte.
    fn finish(&self, bytes: &mut Vec<u8>) {
        if self.count > 0 {
            bytes.push(self.pending.to_le_bytes()[0]);
        }
    }
}

fn add(bytes: &mut Vec<u8>, bits: &mut Bits, writing: Writing, value: u64) {
    match writing {
        Writing::Varint(width) => bytes.extend(&value.to_le_bytes()[..width]),
        _ => {
            bits.pending |= u16::from(value.to_le_bytes()[0] & 0x3f) << bits.count;
            bits.count += 6;
            if bits.count >= 8 {
                bytes.push(bits.pending.to_le_bytes()[0]);
                bits.pending >>= 8;
                bits.count -= 8;
            }
        }
    }
}
