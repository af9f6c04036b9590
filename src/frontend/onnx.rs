//! ONNX files: a walk over the wire format that leaves weights where they are, then a graph with exact shapes.

#![allow(dead_code, reason = "the import that reads it is being written")]

mod call;
mod fault;
mod fold;
mod functions;
mod import;
mod inputs;
pub(crate) mod model;
mod names;
mod ops;
mod order;
mod parameters;
mod payload;
pub(crate) mod reader;
mod unknown;
mod value;
mod wire;

pub(crate) use import::import;
