#![no_main]
//! Bytes as choices that make an ONNX model which looks like a real one, with a byte changed now and then.

use csp_profile::analysis::analyze;
use csp_profile::diagnostic::Sink;
use csp_profile::frontend::{LoadOptions, load_bytes};
use csp_profile::report::diagnostics::render;
use csp_profile::source::SourceMap;

#[path = "../../common/onnx.rs"]
mod onnx;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let file = onnx::random::file(&mut onnx::random::Choices(bytes));
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let options = LoadOptions::default();
    let loaded = load_bytes("fuzz.onnx", "fuzz", file, &options, &mut sources, &mut sink);
    assert!(loaded.is_some() != sink.has_errors(), "a network or a reason");
    for diagnostic in sink.diagnostics() {
        render(diagnostic, &sources);
    }
    if let Some(loaded) = loaded {
        // An overflow of a sum is an answer too.
        drop(analyze(&loaded.graph));
    }
});
