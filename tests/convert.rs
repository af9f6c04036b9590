//! What `convert` writes says the same: every figure of every network, node by node.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test tells what it skips, and may fail")]

mod common;

use std::collections::HashMap;

use std::path::Path;

use common::files;
use common::random::random;
use csp_profile::diagnostic::Sink;
use csp_profile::frontend::json::write::{Names, write};
use csp_profile::frontend::{LoadOptions, load, load_bytes};
use csp_profile::profile::{Profile, Wanted};
use csp_profile::source::SourceMap;
use proptest::prelude::*;
use serde_json::Value;

/// A network read and analysed in full: the file at a path, or a text.
fn profile(path: &str, bytes: Option<Vec<u8>>, sources: &mut SourceMap) -> Profile {
    let (mut sink, options) = (Sink::default(), LoadOptions::default());
    let loaded = match bytes {
        Some(bytes) => load_bytes(path, "network", bytes, &options, sources, &mut sink),
        None => load(Path::new(path), &options, sources, &mut sink).unwrap(),
    };
    let loaded = loaded.unwrap_or_else(|| panic!("{path}: {:?}", sink.diagnostics()));
    Profile::new(loaded, Wanted::ALL).unwrap_or_else(|_| panic!("{path} is too large"))
}

/// The whole report without what may differ: places in the file, blocks, and names, which become numbers of nodes.
fn figures(profile: &Profile, sources: &SourceMap) -> Value {
    let mut report = serde_json::to_value(profile.report(sources)).unwrap();
    let graph = &profile.loaded.graph;
    let numbers: HashMap<String, String> =
        graph.nodes().map(|(id, node)| (node.name.to_string(), format!("#{}", id.index()))).collect();
    // The image, as gradient paths call it.
    let mut numbers = numbers;
    numbers.entry("input".into()).or_insert_with(|| "#0".into());
    for key in ["schema_version", "blocks", "published"] {
        report.as_object_mut().unwrap().remove(key);
    }
    // A stage of no layers is a label that nothing bears.
    if let Some(stages) = report["stages"].as_array_mut() {
        stages.retain(|stage| stage["nodes"] != 0);
    }
    // Their names become their numbers: a label has no slash, and a module's path may.
    let stages: HashMap<String, String> = (report["stages"].as_array().into_iter().flatten().enumerate())
        .map(|(index, stage)| (stage["name"].as_str().unwrap().to_owned(), format!("stage {index}")))
        .collect();
    let architecture = report["architecture"].as_object_mut().unwrap();
    for key in ["parameters", "format"] {
        architecture.remove(key);
    }
    scrub(&mut report, &numbers, &stages);
    report
}

fn scrub(value: &mut Value, numbers: &HashMap<String, String>, labels: &HashMap<String, String>) {
    let number = |value: &mut Value| {
        if let Some(number) = value.as_str().and_then(|name| labels.get(name)) {
            *value = number.as_str().into();
        }
    };
    match value {
        Value::Object(members) => {
            for key in ["origin", "block", "equations"] {
                members.remove(key);
            }
            for (key, inner) in members.iter_mut() {
                match (key.as_str(), &mut *inner) {
                    // Ops and stages may be called as nodes are.
                    ("op" | "ops", _) => {}
                    ("stage", stage) => number(stage),
                    ("stages", Value::Array(stages)) => {
                        for stage in stages {
                            let mut name = stage["name"].take();
                            number(&mut name);
                            scrub(stage, numbers, labels);
                            stage["name"] = name;
                        }
                    }
                    _ => scrub(inner, numbers, labels),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| scrub(item, numbers, labels)),
        Value::String(text) => {
            let (name, port) = match text.rsplit_once(':') {
                Some((name, port)) if numbers.contains_key(name) => (name, format!(":{port}")),
                _ => (text.as_str(), String::new()),
            };
            if let Some(number) = numbers.get(name) {
                *text = format!("{number}{port}");
            }
        }
        // Attributes that no count depends on keep 13 digits.
        Value::Number(number) if number.is_f64() => {
            *value = format!("{:.11e}", number.as_f64().unwrap()).into();
        }
        _ => {}
    }
}

/// Where two reports differ first.
fn difference(a: &Value, b: &Value, path: &str) -> Option<String> {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) if x.keys().eq(y.keys()) => {
            x.iter().find_map(|(key, inner)| difference(inner, &y[key], &format!("{path}.{key}")))
        }
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => {
            let pairs = x.iter().zip(y).enumerate();
            pairs.into_iter().find_map(|(index, (x, y))| difference(x, y, &format!("{path}[{index}]")))
        }
        _ => (a != b).then(|| format!("{path}: {a} became {b}")),
    }
}

/// Converts a network and analyses both; the text that was written.
fn round_trip(path: &str, bytes: Option<Vec<u8>>, names: Names) -> String {
    let mut sources = SourceMap::default();
    let before = profile(path, bytes, &mut sources);
    let written = write(&before.loaded.graph, names).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(written.unfolded, None, "{path} is written layer by layer");
    let after = profile("again.json", Some(written.text.clone().into()), &mut sources);
    let (x, y) = (figures(&before, &sources), figures(&after, &sources));
    let difference = difference(&x, &y, "");
    if let Some(difference) = difference {
        panic!("{path}: {difference}\n{}", written.text);
    }
    written.text
}

#[test]
fn every_architecture_says_the_same() {
    for (name, text) in files() {
        let path = format!("{name}.json");
        let named = round_trip(&path, Some(text.clone().into()), Names::Paths);
        round_trip(&path, Some(text.clone().into()), Names::Numbers);
        // Written again it is as it was.
        let again = round_trip(&path, Some(named.clone().into()), Names::Paths);
        let differs = named.lines().zip(again.lines()).find(|(a, b)| a != b);
        assert_eq!(differs, None, "{name}");
    }
}

/// Cfg and ONNX files of others, where there are any.
#[test]
fn the_corpus_says_the_same() {
    let Some(corpus) = std::env::var_os("CSP_PROFILE_CORPUS") else {
        println!("skipped: CSP_PROFILE_CORPUS is not set");
        return;
    };
    let mut files = Vec::new();
    for folder in ["darknet", "onnx", "onnx-bn"] {
        let Ok(entries) = std::fs::read_dir(Path::new(&corpus).join(folder)) else {
            println!("skipped: the corpus has no folder {folder}");
            continue;
        };
        files.extend(entries.map(|entry| entry.unwrap().path()));
    }
    files.sort();
    let mut faults = Vec::new();
    for path in &files {
        let name = path.display().to_string();
        let names = if name.ends_with(".cfg") { Names::Numbers } else { Names::Modules };
        let result = std::panic::catch_unwind(|| round_trip(&name, None, names));
        if let Err(fault) = result {
            let text = fault.downcast_ref::<String>().cloned().unwrap_or_default();
            faults.push(text.chars().filter(|letter| *letter != '\n').take(300).collect::<String>());
        }
    }
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), files.len(), faults.join("\n"));
}

fn program(args: &[&str]) -> std::process::Output {
    let folder = env!("CARGO_MANIFEST_DIR");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_csp-profile"));
    command.current_dir(folder).arg("convert").args(args).output().unwrap()
}

/// What is written, letter by letter; `UPDATE_EXPECT=1` writes it anew.
#[test]
fn results_to_read() {
    for (args, expected) in [
        (&["architectures/csp_resnext50.json"][..], "csp_resnext50.json"),
        (&["tests/convert/flat.json"], "flat.folded.json"),
        (&["tests/convert/names.json", "--to", "dot"], "names.dot"),
        (&["tests/convert/names.json", "--to", "mermaid"], "names.md"),
        (&["architectures/densenet121.json", "--to", "mermaid", "--stage", "head"], "head.mmd"),
    ] {
        let output = program(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/convert").join(expected);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&path, &output.stdout).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected, "{args:?}");
    }
}

#[test]
fn a_file_that_is_there_stays() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("net.json");
    let name = path.to_str().unwrap();
    std::fs::write(&path, "mine").unwrap();
    let network = "architectures/depthwise_separable.json";
    let refused = program(&[network, "-o", name]);
    assert_eq!(refused.status.code(), Some(2));
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(words.contains("exists already") && words.contains("--force"), "{words}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    let replaced = program(&[network, "-o", name, "--force"]);
    assert!(replaced.status.success());
    let written = std::fs::read_to_string(&path).unwrap();
    round_trip("net.json", Some(written.into()), Names::Paths);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn wrong_command_lines() {
    let network = "architectures/depthwise_separable.json";
    for (args, words) in [
        (&[network, "-o", "net.txt"][..], "does not say what to write"),
        (&[network, "-o", "net.mmd"], "holds one diagram"),
        (&[network, "--stage", "x"], "`--stage` is for diagrams"),
        (&["architectures/densenet121.json", "--to", "dot", "--stage", "dense"], "did you mean `dense1`"),
        (&[network, "-o", "no/such/folder/net.json"], "cannot write"),
    ] {
        let output = program(args);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains(words), "{args:?}: {told}");
    }
}

/// What a file stores and lists beyond its ops, in blocks and with a share among them.
const LISTED: &str = r#"{
  "inputs": {"tokens": [16, 64]},
  "blocks": {"mlp": {"arguments": {"inner": null, "shared": false}, "layers": [
    {"op": "linear", "out_features": "inner", "bias": false, "listed_bytes": "4096 * inner + 5",
      "stored": [{"role": "weight", "shape": ["inner", 64], "dtype": "i8", "shared": "shared"}]},
    {"op": "gelu"},
    {"op": "linear", "out_features": 64, "stored": []}
  ]}},
  "layers": [
    {"block": "mlp", "with": {"inner": 256}},
    {"block": "mlp", "with": {"inner": 256, "shared": true}},
    {"block": "mlp", "with": {"inner": 128}},
    {"op": "add", "inputs": ["previous", "tokens"],
      "stored": [{"role": "other", "shape": []}, {"role": "buffer", "shape": [3, 3], "dtype": "i4"}]}
  ]}"#;

#[test]
fn what_a_file_lists_stays() {
    let mut sources = SourceMap::default();
    let total = profile("listed.json", Some(LISTED.into()), &mut sources).analysis.total;
    // Two of three matrices, the second of which is the first: 64·256 + 64·128, and one number.
    assert_eq!((total.stored.weights, total.stored.other, total.stored.buffers), (24_576, 1, 9));
    assert_eq!((total.stored.bias, total.used), (0, 64 * (256 + 256 + 128) + 1));
    // Nine elements of four bits are five bytes; an f32 four.
    assert_eq!(total.stored.bytes, 24_576 + 4 + 5);
    for names in [Names::Paths, Names::Numbers] {
        let written = round_trip("listed.json", Some(LISTED.into()), names);
        assert!(written.contains("\"shared\"") && written.contains("\"listed_bytes\""), "{written}");
    }
}

#[test]
fn unknown_ops_stay_unknown() {
    let text = r#"{"inputs": {"image": [8, 16, 16]}, "layers": [
        {"op": "conv2d", "out_channels": 8, "kernel": 3},
        {"op": "unknown", "called": "com.acme::Fancy", "shapes": [[1, 8, 7, 7], [1, 4]], "dtypes": ["f16"]},
        {"op": "relu", "inputs": "unknown:0"},
        {"op": "unknown", "called": "com.acme::Other", "shapes": [[1, 2]], "inputs": ["relu", "unknown:1"]}]}"#;
    let mut sources = SourceMap::default();
    assert_eq!(profile("unknown.json", Some(text.into()), &mut sources).analysis.total.unknown, 2);
    for names in [Names::Paths, Names::Modules, Names::Numbers] {
        let written = round_trip("unknown.json", Some(text.into()), names);
        assert!(written.contains("com.acme::Fancy") && written.contains("com.acme::Other"), "{written}");
        assert_eq!(profile("again.json", Some(written.into()), &mut sources).analysis.total.unknown, 2);
    }
}

/// Near linear: no square of the nodes, and no cube of a window. Ten thousand layers in debug take about two seconds.
#[test]
fn long_networks_are_folded() {
    let unit = r#"{"op": "conv2d", "out_channels": 8, "kernel": 1}, {"op": "relu"}, "#;
    let text = format!(
        r#"{{"inputs": {{"image": [8, 4, 4]}}, "layers": [{}{{"op": "relu"}}]}}"#,
        unit.repeat(5_000)
    );
    let written = round_trip("long.json", Some(text.into()), Names::Numbers);
    assert!(written.lines().count() < 40, "{written}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_networks_say_the_same(network in random()) {
        round_trip("random.json", Some(network.text().into()), Names::Paths);
        round_trip("random.json", Some(network.text().into()), Names::Numbers);
    }
}
