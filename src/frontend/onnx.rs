//! ONNX files: a walk over the wire format that leaves weights where they are, then a graph with exact shapes.

#![expect(dead_code, reason = "the import that reads it is being written")]

pub(crate) mod model;
