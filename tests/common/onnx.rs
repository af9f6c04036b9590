//! The writer of ONNX files that the crate's own tests use. A test that wants it says `mod common;` and
//! `use common::onnx::writer`.
#![allow(dead_code, reason = "each test uses a part")]

#[path = "../../src/frontend/onnx/model.rs"]
pub(crate) mod model;
#[path = "../../src/frontend/onnx/random.rs"]
pub(crate) mod random;
#[path = "../../src/frontend/onnx/writer.rs"]
pub(crate) mod writer;
