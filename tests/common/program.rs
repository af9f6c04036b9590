//! What the program said when it ran.

use std::process::Output;

/// Both streams, of a run that ended with this code.
#[track_caller]
pub(crate) fn said(output: &Output, code: i32) -> String {
    let said = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}
