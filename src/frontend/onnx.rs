//! ONNX files: a walk over the wire format that leaves weights where they are, then a graph with exact shapes.

#![allow(dead_code, reason = "the import that reads it is being written")]

mod attribute;
mod fault;
pub(crate) mod location;
pub(crate) mod model;
mod payload;
#[cfg(test)]
mod random;
pub(crate) mod reader;
mod tensor;
#[cfg(test)]
mod tests;
mod wire;
#[cfg(test)]
pub(crate) mod writer;

use std::io::{Read, Seek};

use super::{LoadOptions, Loaded};
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::source::SourceMap;

/// Reads a model. `path` is what diagnostics call the file, `name` the network's name by default.
///
/// The graph is absent where the sink has errors.
pub(crate) fn load(
    reader: &mut (impl Read + Seek),
    path: &str,
    name: &str,
    options: &LoadOptions,
    sources: &mut SourceMap,
    sink: &mut Sink,
) -> Option<Loaded> {
    let model = match reader::read(reader) {
        Ok(model) => model,
        Err(fault) => {
            sink.push(fault.diagnostic(path));
            return None;
        }
    };
    let _ = (model, name, options, sources);
    sink.push(Diagnostic::error(
        Code::UnknownFormat,
        format!("`{path}` is an ONNX model, whose import is not there yet"),
    ));
    None
}
