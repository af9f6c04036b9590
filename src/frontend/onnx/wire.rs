//! The wire format of protocol buffers, read over `Read + Seek`: records of a field number and a value, in messages of
//! a known length. What a caller does not ask for is passed over by seeking.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>.

use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};

use super::fault::{Fault, Result};
use crate::diagnostic::Code;

/// Bytes that one read of the file asks for: the head of a tensor is small, and its payload is passed over.
const BUFFER: usize = 8 << 10;
/// Bytes of a name; a longer one is no name.
const LONGEST_NAME: u64 = 64 << 10;

/// How a record's value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Varint,
    Fixed64,
    /// A length and so many bytes: texts, messages, packed lists.
    Bytes,
    Fixed32,
}

impl Kind {
    fn describe(self) -> &'static str {
        match self {
            Self::Varint => "a varint",
            Self::Fixed64 => "8 bytes",
            Self::Bytes => "bytes with a length",
            Self::Fixed32 => "4 bytes",
        }
    }
}

/// The head of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) number: u32,
    pub(super) kind: Kind,
    /// Where it begins.
    pub(super) at: u64,
}

/// A reader within one message: nothing reads past the end of that.
pub(super) struct Wire<R> {
    reader: BufReader<R>,
    position: u64,
    /// The end of the message that is being read.
    end: u64,
    /// How many messages lie around it.
    depth: usize,
    /// Bytes that may still be read, besides those that are passed over.
    left: u64,
}

impl<R: Read + Seek> Wire<R> {
    /// A reader of the whole file, which is one message. It reads at most so many bytes and passes over any number.
    pub(super) fn new(mut reader: R, most: u64) -> Result<Self> {
        let io = |error| Fault::io(0, &error);
        let end = reader.seek(SeekFrom::End(0)).map_err(io)?;
        reader.rewind().map_err(io)?;
        Ok(Self { reader: BufReader::with_capacity(BUFFER, reader), position: 0, end, depth: 0, left: most })
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The end of the message that is being read.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The head of the next record; none at the end of the message.
    pub(super) fn field(&mut self) -> Result<Option<Field>> {
        let at = self.position;
        if at == self.end {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok().filter(|number| (1..1 << 29).contains(number));
        let Some(number) = number else {
            return Err(Fault::malformed(at, format!("no field has the number {}", tag >> 3)));
        };
        let kind = match tag & 7 {
            0 => Kind::Varint,
            1 => Kind::Fixed64,
            2 => Kind::Bytes,
            5 => Kind::Fixed32,
            3 | 4 => {
                return Err(Fault::malformed(at, format!("field {number} is a group, which ONNX never has")));
            }
            wire => {
                return Err(Fault::malformed(
                    at,
                    format!("field {number} is of wire type {wire}, which is none"),
                ));
            }
        };
        Ok(Some(Field { number, kind, at }))
    }

    /// Passes over the value of a field.
    pub(super) fn skip(&mut self, field: Field) -> Result<()> {
        match field.kind {
            Kind::Varint => self.varint().map(drop),
            Kind::Fixed64 => self.array::<8>().map(drop),
            Kind::Fixed32 => self.array::<4>().map(drop),
            Kind::Bytes => {
                let length = self.length(field)?;
                self.go(self.position + length)
            }
        }
    }

    /// Goes to a place in the message. What is buffered stays so, where the place is near.
    pub(super) fn go(&mut self, to: u64) -> Result<()> {
        debug_assert!(to <= self.end, "nothing reads past the end of a message");
        let distance = i128::from(to) - i128::from(self.position);
        let distance = i64::try_from(distance).map_err(|_| Fault::malformed(to, "no file is so long"))?;
        self.reader.seek_relative(distance).map_err(|error| Fault::io(to, &error))?;
        self.position = to;
        Ok(())
    }

    /// Begins a message that ends at a place in this one, and returns the end of this one.
    pub(super) fn enter(&mut self, end: u64) -> u64 {
        self.depth += 1;
        std::mem::replace(&mut self.end, end)
    }

    /// Goes on in the message around, whose end `enter` returned.
    pub(super) fn leave(&mut self, end: u64) {
        debug_assert_eq!(self.position, self.end, "a message is read to its end");
        self.depth -= 1;
        self.end = end;
    }

    /// Passes over the rest of the message.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.go(self.end)
    }

    /// Reads a packed list.
    fn list(&mut self, field: Field, mut element: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        let length = self.length(field)?;
        let outer = self.enter(self.position + length);
        while self.position < self.end {
            element(self)?;
        }
        self.leave(outer);
        Ok(())
    }

    /// Reads the varints of a field, be they packed or one a record.
    pub(super) fn varints(&mut self, field: Field, mut element: impl FnMut(u64)) -> Result<()> {
        if field.kind == Kind::Varint {
            element(self.varint()?);
            return Ok(());
        }
        self.list(field, |wire| wire.varint().map(&mut element))
    }

    /// The length of a field's value, which fits what is left of the message.
    pub(super) fn length(&mut self, field: Field) -> Result<u64> {
        self.expect(field, Kind::Bytes)?;
        let length = self.varint()?;
        let left = self.end - self.position;
        if length > left {
            return Err(self.short(field.at, &format!("field {} has {length} bytes", field.number), left));
        }
        Ok(length)
    }

    pub(super) fn int(&mut self, field: Field) -> Result<i64> {
        self.expect(field, Kind::Varint)?;
        self.varint().map(u64::cast_signed)
    }

    /// An `int32` or an enumeration.
    pub(super) fn int32(&mut self, field: Field) -> Result<i32> {
        let value = self.int(field)?;
        i32::try_from(value).map_err(|_| {
            Fault::malformed(field.at, format!("field {} is {value}, beyond 32 bits", field.number))
        })
    }

    pub(super) fn float(&mut self, field: Field) -> Result<f32> {
        self.expect(field, Kind::Fixed32)?;
        self.array().map(f32::from_le_bytes)
    }

    /// Adds to a list of `float`.
    pub(super) fn floats(&mut self, field: Field, list: &mut Vec<f32>) -> Result<()> {
        if field.kind == Kind::Fixed32 {
            list.push(self.float(field)?);
            return Ok(());
        }
        self.list(field, |wire| {
            list.push(wire.array().map(f32::from_le_bytes)?);
            Ok(())
        })
    }

    /// A name.
    pub(super) fn text(&mut self, field: Field) -> Result<String> {
        let length = self.length(field)?;
        if length > LONGEST_NAME {
            let message =
                format!("field {} is a name of {length} bytes; {LONGEST_NAME} are allowed", field.number);
            return Err(Fault::new(Code::TooLarge, field.at, message));
        }
        let at = self.position;
        String::from_utf8(self.take(length)?).map_err(|error| {
            let at = at + error.utf8_error().valid_up_to() as u64;
            Fault::malformed(
                at,
                format!("the name `{}` is not UTF-8", String::from_utf8_lossy(error.as_bytes())),
            )
        })
    }

    /// So many bytes; the caller knows that the message has them.
    pub(super) fn take(&mut self, length: u64) -> Result<Vec<u8>> {
        let at = self.position;
        self.count(length)?;
        let here = usize::try_from(length).ok().and_then(|length| self.reader.buffer().get(..length));
        if let Some(bytes) = here.map(<[u8]>::to_vec) {
            self.reader.consume(bytes.len());
            self.position += length;
            return Ok(bytes);
        }
        // The length is no more than what the file had when it was opened, and what comes is checked.
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        let got = self
            .reader
            .by_ref()
            .take(length)
            .read_to_end(&mut bytes)
            .map_err(|error| Fault::io(at, &error))?;
        if got as u64 != length {
            return Err(Fault::short(at, format!("{length} bytes were to be read, and {got} came")));
        }
        self.position += length;
        Ok(bytes)
    }

    /// So many bytes, unless the message ends within them.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let at = self.position;
        if self.end - at < N as u64 {
            return Err(self.short(at, &format!("a number has {N} bytes"), self.end - at));
        }
        self.count(N as u64)?;
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes).map_err(|error| Fault::io(at, &error))?;
        self.position += N as u64;
        Ok(bytes)
    }

    /// Seven bits a byte, the lowest first; the highest bit of a byte says that more come.
    pub(super) fn varint(&mut self) -> Result<u64> {
        // Nearly all are of one byte.
        if let [byte @ ..0x80, ..] = *self.reader.buffer()
            && self.position < self.end
        {
            self.reader.consume(1);
            self.position += 1;
            self.count(1)?;
            return Ok(u64::from(byte));
        }
        let at = self.position;
        let mut value = 0;
        for index in 0..10 {
            if self.position == self.end {
                return Err(self.short(at, "a varint goes on", 0));
            }
            let byte = self.byte()?;
            // Of the tenth byte one bit is left; other readers drop the rest too.
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.count(index + 1)?;
                return Ok(value);
            }
        }
        Err(Fault::malformed(at, "a varint of more than 10 bytes"))
    }

    fn byte(&mut self) -> Result<u8> {
        loop {
            match self.reader.fill_buf() {
                Ok([byte, ..]) => {
                    let byte = *byte;
                    self.reader.consume(1);
                    self.position += 1;
                    return Ok(byte);
                }
                Ok([]) => {
                    return Err(Fault::short(self.position, "the file became shorter while it was read"));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::io(self.position, &error)),
            }
        }
    }

    fn count(&mut self, bytes: u64) -> Result<()> {
        let Some(left) = self.left.checked_sub(bytes) else {
            let message = "the graph alone, without weights and metadata, is larger than 64 MiB";
            return Err(Fault::new(Code::FileTooLarge, self.position, message));
        };
        self.left = left;
        Ok(())
    }

    /// Something is longer than what is left: of the file, or of a message, which the file has whole.
    fn short(&self, at: u64, what: &str, left: u64) -> Fault {
        match self.depth {
            0 => Fault::short(at, format!("the file ends too early: {what}, and {left} are there")),
            _ => Fault::malformed(at, format!("{what}, and {left} are left of what it is part of")),
        }
    }

    fn expect(&self, field: Field, kind: Kind) -> Result<()> {
        if field.kind == kind {
            return Ok(());
        }
        let (is, must) = (field.kind.describe(), kind.describe());
        Err(Fault::malformed(field.at, format!("field {} is {is}, not {must}", field.number)))
    }
}
