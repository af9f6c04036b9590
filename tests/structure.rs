//! The picture of the crate in `lib.rs` holds: who may know whom. A scan of the sources, so that it cannot rot.
#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What each module may import of the crate; its own parts always. `None` is anything.
const IMPORTS: &[(&str, Option<&[&str]>)] = &[
    ("units", Some(&[])),
    ("source", Some(&[])),
    ("diagnostic", Some(&["source"])),
    ("tensor", Some(&["units"])),
    ("ops", Some(&["tensor", "units", "diagnostic", "source"])),
    ("graph", Some(&["ops", "tensor", "units", "source", "diagnostic"])),
    ("device", Some(&["tensor"])),
    ("published", Some(&["source", "units"])),
    ("frontend", Some(&["graph", "ops", "tensor", "device", "source", "diagnostic", "published", "units"])),
    ("analysis", Some(&["graph", "ops", "tensor", "device", "units", "diagnostic"])),
    ("claims", Some(&["analysis", "graph", "comparison", "units"])),
    ("comparison", Some(&["analysis", "graph", "ops", "tensor", "report"])),
    (
        "report",
        Some(&[
            "analysis",
            "claims",
            "comparison",
            "sweep",
            "device",
            "graph",
            "units",
            "published",
            "source",
            "diagnostic",
            "tensor",
            "ops",
        ]),
    ),
    (
        "sweep",
        Some(&[
            "analysis",
            "frontend",
            "graph",
            "ops",
            "published",
            "report",
            "source",
            "diagnostic",
            "tensor",
            "units",
        ]),
    ),
    ("commands", None),
    ("cli", None),
    ("main", None),
    ("lib", None),
];

struct Source {
    /// `analysis/cost.rs`
    path: String,
    /// `analysis`
    module: String,
    /// The code without comments and unit tests.
    code: String,
}

/// A file's code: comments say anything, and unit tests may look anywhere.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or("");
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.sort();
    assert!(paths.len() > 100, "the sources are missing");
    // Compiled for tests alone.
    paths.retain(|path| !["tests.rs", "oracle.rs", "random.rs"].iter().any(|name| path.ends_with(name)));
    let source = |path: &PathBuf| {
        let relative = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        let module = relative.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        Source { module, code: code(&std::fs::read_to_string(path).unwrap()), path: relative }
    };
    paths.iter().map(source).collect()
}

/// The words that follow each `prefix` in a code: `units` of `crate::units::sum`, all of `crate::{a, b::c}`.
fn words_after(code: &str, prefix: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        text.trim_start().chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
    };
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        // `csp_profile::` is no `profile::`, `$crate::` is a `crate::`.
        if code[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            found.insert(word(rest));
            continue;
        };
        let (mut depth, mut start) = (0, 0);
        for (offset, letter) in list.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' if depth == 0 => {
                    found.insert(word(&list[start..offset]));
                    break;
                }
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    found.insert(word(&list[start..offset]));
                    start = offset + 1;
                }
                _ => {}
            }
        }
    }
    found.remove("");
    found
}

#[test]
fn modules_import_only_what_they_may() {
    let mut faults = Vec::new();
    for source in sources() {
        let Some((_, allowed)) = IMPORTS.iter().find(|(module, _)| *module == source.module) else {
            faults.push(format!("{}: the module `{}` is not in the table", source.path, source.module));
            continue;
        };
        let Some(allowed) = allowed else { continue };
        let mut imports = words_after(&source.code, "crate::");
        // From a file at the root, and from one folder down, `super` is the crate too.
        if !source.path.contains('/') {
            imports.extend(words_after(&source.code, "super::"));
        }
        for import in imports {
            let known = IMPORTS.iter().any(|(module, _)| *module == import);
            if known && import != source.module && !allowed.contains(&import.as_str()) {
                faults.push(format!("{} imports `{import}`", source.path));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_table_names_only_modules_that_exist() {
    let modules: BTreeSet<String> = sources().into_iter().map(|source| source.module).collect();
    let table: BTreeSet<String> = IMPORTS.iter().map(|(module, _)| (*module).to_owned()).collect();
    assert_eq!(modules, table);
}

/// A pass that needs the name of an op shows a fact that `Operator` lacks.
#[test]
fn passes_name_no_op() {
    let ops: Vec<&str> = csp_profile::ops::Op::ALL.iter().map(|info| info.name).collect();
    let mut faults = Vec::new();
    for source in sources() {
        if source.module != "analysis" || source.path == "analysis/conventions.rs" {
            continue;
        }
        faults.extend(
            ops.iter()
                // Every graph begins with `input`: that is a word of graphs too.
                .filter(|op| **op != "input" && source.code.contains(&format!("\"{op}\"")))
                .map(|op| format!("{} names `{op}`", source.path)),
        );
        if !words_after(&source.code, "Op::").is_empty() {
            faults.push(format!("{} names a variant of `Op`", source.path));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn only(needles: &[&str], allowed: &[&str]) {
    let mut users = 0;
    for source in sources() {
        let Some(needle) = needles.iter().find(|needle| source.code.contains(**needle)) else { continue };
        users += 1;
        let may = allowed
            .iter()
            .any(|path| source.path == *path || path.ends_with('/') && source.path.starts_with(*path));
        assert!(may, "{} uses `{needle}`", source.path);
    }
    assert!(users > 0, "nothing uses any of {needles:?}: the scan is blind");
}

#[test]
fn one_file_names_prettytable() {
    only(&["prettytable"], &["report/table.rs"]);
}

#[test]
fn few_touch_files() {
    only(&["std::fs", "fs::", "File::", "::File"], &["frontend.rs", "report/", "commands.rs", "commands/"]);
}

#[test]
fn only_commands_see_the_environment_and_the_clock() {
    let needles = ["std::env", "env::", "SystemTime", "Instant::", "stdout()", "stderr()", "stdin()"];
    only(&needles, &["commands.rs", "commands/", "main.rs"]);
}

/// What is serialised has a version; what the analysis works on has none. Units are numbers.
#[test]
fn only_the_report_is_serialisable() {
    only(
        &["Serialize"],
        &["report.rs", "report/", "units.rs", "claims.rs", "comparison.rs", "comparison/", "sweep.rs"],
    );
}

#[test]
fn the_scan_sees_what_it_should() {
    let found = words_after(
        "use crate::{units::{a, b}, ops};\nlet x = crate::graph::Graph; $crate::tensor::T",
        "crate::",
    );
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["graph", "ops", "tensor", "units"]);
    assert_eq!(words_after("Op::Relu(_) SomeOp::New", "Op::").into_iter().collect::<Vec<_>>(), ["Relu"]);
}
