#![no_main]
//! Any bytes as a darknet cfg: a network or diagnostics, never a panic, a hang or all of the memory.

use csp_profile::analysis::analyze;
use csp_profile::diagnostic::Sink;
use csp_profile::frontend::{LoadOptions, load_bytes};
use csp_profile::report::diagnostics::render;
use csp_profile::source::SourceMap;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // Long files find nothing that short ones do not, only slower.
    if bytes.len() > 4096 {
        return;
    }
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let options = LoadOptions::default();
    let loaded = load_bytes("fuzz.cfg", "fuzz", bytes.to_vec(), &options, &mut sources, &mut sink);
    assert!(loaded.is_some() != sink.has_errors(), "a network or a reason");
    for diagnostic in sink.diagnostics() {
        render(diagnostic, &sources);
    }
    if let Some(loaded) = loaded {
        // An overflow of a sum is an answer too.
        drop(analyze(&loaded.graph));
    }
});
