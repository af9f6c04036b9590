//! ONNX files: a walk over the wire format that leaves weights where they are, then a graph with exact shapes.

#![allow(dead_code, reason = "the import that reads it is being written")]

mod fault;
pub(crate) mod model;
mod payload;
pub(crate) mod reader;
#[cfg(test)]
mod tests;
mod wire;
#[cfg(test)]
pub(crate) mod writer;
