//! What is wrong with the bytes of an ONNX file, where, and what was being read.

use std::io;

use crate::diagnostic::{Code, Diagnostic};

pub(super) type Result<T> = std::result::Result<T, Fault>;

/// Why a file cannot be read. It is small, for every function returns it.
#[derive(Debug)]
pub(crate) struct Fault(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: Code,
    at: u64,
    message: String,
    /// What was being read: `attribute `, `node 17`, `the graph`, from the inside out.
    trail: Vec<String>,
}

impl Fault {
    pub(super) fn new(code: Code, at: u64, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { code, at, message: message.into(), trail: Vec::new() }))
    }

    /// Bytes that no writer of the format makes.
    pub(super) fn malformed(at: u64, message: impl Into<String>) -> Self {
        Self::new(Code::Malformed, at, message)
    }

    /// Bytes that are missing.
    pub(super) fn short(at: u64, message: impl Into<String>) -> Self {
        Self::new(Code::Truncated, at, message)
    }

    /// The operating system's fault.
    pub(super) fn io(at: u64, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::short(at, "the file became shorter while it was read"),
            _ => Self::new(Code::Unreadable, at, format!("the file cannot be read on: {error}")),
        }
    }

    /// Adds what was being read.
    #[must_use]
    pub(super) fn within(mut self, part: String) -> Self {
        self.0.trail.push(part);
        self
    }

    /// Its kind, place, message and what was being read.
    #[cfg(test)]
    pub(super) fn parts(&self) -> (Code, u64, String) {
        let Inner { code, at, message, trail } = &*self.0;
        (*code, *at, format!("{message}, in {}", trail.join(" of ")))
    }

    /// As the user sees it.
    pub(crate) fn diagnostic(self, path: &str) -> Diagnostic {
        let Inner { code, at, message, trail } = *self.0;
        // Of a long way the ends say enough.
        let part = match &*trail {
            [first, second, .., last] if trail.len() > 6 => format!("{first} of {second} of … of {last}"),
            _ => trail.join(" of "),
        };
        let diagnostic = Diagnostic::error(code, message).in_file(path, Some(at), part);
        match code {
            Code::Truncated => diagnostic.help(
                "the file is damaged or was not copied completely; compare its size with the original's",
            ),
            Code::Malformed => diagnostic.help(
                "the file is damaged or is no ONNX model; `check-model FILE` of the Python package `onnx` judges it too",
            ),
            _ => diagnostic,
        }
    }
}
