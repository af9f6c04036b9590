//! ONNX files: a walk over the wire format that leaves weights where they are, then a graph with exact shapes.

mod attribute;
mod budget;
mod call;
mod fault;
mod fold;
mod functions;
mod import;
mod inputs;
#[allow(dead_code, reason = "for execution, which is to come")]
pub(crate) mod location;
pub(crate) mod model;
mod names;
mod ops;
mod order;
mod parameters;
mod payload;
#[cfg(test)]
mod random;
mod range;
pub(crate) mod reader;
mod scope;
pub(crate) mod sources;
mod tensor;
#[cfg(test)]
mod tests;
mod unknown;
mod value;
#[cfg(feature = "exec")]
pub mod values;
mod views;
mod wire;
#[cfg(test)]
pub(crate) mod writer;

use std::io::{Read, Seek};

use super::{LoadOptions, Loaded};
use crate::diagnostic::Sink;

/// Reads a model. `path` is what diagnostics call the file, `name` the network's name by default.
///
/// The graph is absent where the sink has errors.
pub(crate) fn load(
    reader: &mut (impl Read + Seek),
    path: &str,
    name: &str,
    options: &LoadOptions,
    sink: &mut Sink,
) -> Option<Loaded> {
    match reader::read(reader) {
        Ok(model) => import::import(&model, path, name, options, sink),
        Err(fault) => {
            sink.push(fault.diagnostic(path));
            None
        }
    }
}
