//! The console blocks of README.md show what the commands really print.
//!
//! `TRYCMD=overwrite cargo test --test readme` writes them anew.

#![expect(clippy::unwrap_used, reason = "a test's helpers are tests")]

use std::fs;
use std::path::Path;

/// Copies the files of a folder.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn what_the_readme_shows_is_true() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The commands write reports: they run beside copies of the files that they read.
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme");
    if place.exists() {
        fs::remove_dir_all(&place).unwrap();
    }
    for folder in ["architectures", "tests/convert", "tests/readme"] {
        copy(&root.join(folder), &place.join(folder));
    }
    std::env::set_current_dir(&place).unwrap();
    // Under GitHub Actions `check` would add annotations.
    trycmd::TestCases::new().env("GITHUB_ACTIONS", "false").case(root.join("README.md")).run();
    assert!(place.join("reports/csp_resnext50/report.json").exists(), "the first example writes a report");
}
