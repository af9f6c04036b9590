//! The picture of the crate in `lib.rs` holds: who may know whom. A scan of the sources, so that it cannot rot.
#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The table "Who may import whom" of `lib.rs`: each module and what it may import; `None` is anything.
fn table() -> BTreeMap<String, Option<BTreeSet<String>>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let text = std::fs::read_to_string(path).unwrap();
    let section = text.split("//! # Who may import whom\n").nth(1).unwrap().split("//! # ").next().unwrap();
    let rows = section
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `")?.strip_suffix(" |")?.split_once("` | "));
    let mut table = BTreeMap::new();
    for (modules, imports) in rows {
        let imports = match imports {
            "anything" => None,
            "nothing of the crate" => Some(BTreeSet::new()),
            // What stands in brackets says what for.
            _ => {
                Some(imports.split(", ").map(|import| import.split(' ').next().unwrap().to_owned()).collect())
            }
        };
        table.extend(modules.split("`, `").map(|module| (module.to_owned(), imports.clone())));
    }
    // The root only declares the modules.
    table.insert("lib".into(), None);
    table
}

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
    // Files that are only there for unit tests: declared under `#[cfg(test)]`.
    let texts: Vec<String> = paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    paths.retain(|path| {
        let declared = path.file_stem().unwrap().to_string_lossy();
        let declared = format!("mod {declared};");
        let is_test = |text: &String| {
            text.split("#[cfg(test)]\n")
                .skip(1)
                .any(|rest| rest.lines().next().unwrap_or("").ends_with(&declared))
        };
        !texts.iter().any(is_test)
    });
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
    let (table, mut faults) = (table(), Vec::new());
    for source in sources() {
        let Some(Some(allowed)) = table.get(&source.module) else { continue };
        let mut imports = words_after(&source.code, "crate::");
        // From a file at the root `super` is the crate too.
        if !source.path.contains('/') {
            imports.extend(words_after(&source.code, "super::"));
        }
        for import in imports.iter().filter(|import| table.contains_key(*import) && **import != source.module)
        {
            // Of `analysis::conventions` only that part.
            let part = |allowed: &String| {
                let part = allowed.strip_prefix(&format!("{import}::")).map(str::to_owned);
                let used = words_after(&source.code, &format!("crate::{import}::"));
                part.is_some_and(|part| used.into_iter().all(|word| word == part))
            };
            if !allowed.contains(import) && !allowed.iter().any(part) {
                faults.push(format!("{} imports `{import}`", source.path));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_table_has_every_module() {
    let modules: BTreeSet<String> = sources().into_iter().map(|source| source.module).collect();
    assert_eq!(modules, table().into_keys().collect());
}

/// A pass that needs the name of an op shows a fact that `Operator` lacks.
#[test]
fn passes_name_no_op() {
    // `input` is what a graph begins with, and what reports call the image.
    let ops = csp_profile::ops::Op::ALL.iter().map(|info| info.name).filter(|op| *op != "input");
    let ops: Vec<&str> = ops.collect();
    let mut faults = Vec::new();
    for source in sources() {
        if source.module != "analysis" || source.path == "analysis/conventions.rs" {
            continue;
        }
        faults.extend(
            ops.iter()
                .filter(|op| source.code.contains(&format!("\"{op}\"")))
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
    only(&["std::fs", "fs::", "File::"], &["frontend.rs", "report/", "commands.rs", "commands/"]);
}

#[test]
fn only_commands_see_the_environment_and_the_clock() {
    let needles = ["std::env", "env::", "SystemTime", "Instant::", "stdout()", "stderr()", "stdin()"];
    let measuring = ["executor/calibrate.rs", "executor/measure.rs", "executor/timing.rs"];
    only(&needles, &[&["commands.rs", "commands/", "main.rs"], &measuring[..]].concat());
}

/// What is serialised has a version; what the analysis works on has none. Units are numbers.
#[test]
fn only_reports_are_serialisable() {
    only(
        &["Serialize"],
        &[
            "report.rs",
            "report/",
            "claims.rs",
            "claims/",
            "comparison.rs",
            "comparison/",
            "sweep.rs",
            "units.rs",
        ],
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
