//! What `convert` writes says the same: every figure of every network, node by node.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test tells what it skips, and may fail")]

mod common;

use std::collections::HashMap;

use common::files;
use common::random::random;
use csp_profile::diagnostic::Sink;
use csp_profile::frontend::json::write::{Names, write};
use csp_profile::frontend::{LoadOptions, load_bytes};
use csp_profile::profile::{Profile, Wanted};
use csp_profile::source::SourceMap;
use proptest::prelude::*;
use serde_json::Value;

/// A network read and analysed in full.
fn profile(path: &str, bytes: Vec<u8>, sources: &mut SourceMap) -> Profile {
    let mut sink = Sink::default();
    let loaded = load_bytes(path, "network", bytes, &LoadOptions::default(), sources, &mut sink);
    let loaded = loaded.unwrap_or_else(|| panic!("{path}: {:?}", sink.diagnostics()));
    Profile::new(loaded, Wanted::ALL).unwrap_or_else(|_| panic!("{path} is too large"))
}

/// The whole report without what may differ: places in the file, blocks, and names, which become numbers of nodes.
fn figures(profile: &Profile, sources: &SourceMap) -> Value {
    let mut report = serde_json::to_value(profile.report(sources)).unwrap();
    let graph = &profile.loaded.graph;
    let numbers: HashMap<String, String> =
        graph.nodes().map(|(id, node)| (node.name.to_string(), format!("#{}", id.index()))).collect();
    for key in ["schema_version", "blocks", "published"] {
        report.as_object_mut().unwrap().remove(key);
    }
    // A stage of no layers is a label that nothing bears.
    if let Some(stages) = report["stages"].as_array_mut() {
        stages.retain(|stage| stage["nodes"] != 0);
    }
    let architecture = report["architecture"].as_object_mut().unwrap();
    for key in ["parameters", "format"] {
        architecture.remove(key);
    }
    scrub(&mut report, &numbers);
    report
}

fn scrub(value: &mut Value, numbers: &HashMap<String, String>) {
    match value {
        Value::Object(members) => {
            for key in ["origin", "block", "equations"] {
                members.remove(key);
            }
            for (key, inner) in members.iter_mut() {
                match (key.as_str(), &mut *inner) {
                    // Ops and stages may be called as nodes are.
                    ("op" | "stage" | "ops", _) => {}
                    ("stages", Value::Array(stages)) => {
                        for stage in stages {
                            let name = stage["name"].take();
                            scrub(stage, numbers);
                            stage["name"] = name;
                        }
                    }
                    _ => scrub(inner, numbers),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| scrub(item, numbers)),
        Value::String(text) => {
            let (name, port) = match text.rsplit_once(':') {
                Some((name, port)) if numbers.contains_key(name) => (name, format!(":{port}")),
                _ => (text.as_str(), String::new()),
            };
            if let Some(number) = numbers.get(name) {
                *text = format!("{number}{port}");
            }
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
fn round_trip(path: &str, bytes: Vec<u8>, names: Names) -> String {
    let mut sources = SourceMap::default();
    let before = profile(path, bytes, &mut sources);
    let written = write(&before.loaded.graph, names).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(written.unfolded, None, "{path} is written layer by layer");
    let after = profile(path, written.text.clone().into_bytes(), &mut sources);
    let difference = difference(&figures(&before, &sources), &figures(&after, &sources), "");
    assert_eq!(difference, None, "{path}\n{}", written.text);
    written.text
}

#[test]
fn every_architecture_says_the_same() {
    for (name, text) in files() {
        let path = format!("{name}.json");
        let named = round_trip(&path, text.clone().into(), Names::Paths);
        round_trip(&path, text.clone().into(), Names::Numbers);
        // Written again it is as it was.
        let again = round_trip(&path, named.clone().into(), Names::Paths);
        let differs = named.lines().zip(again.lines()).find(|(a, b)| a != b);
        assert_eq!(differs, None, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_networks_say_the_same(network in random()) {
        round_trip("random.json", network.text().into(), Names::Paths);
        round_trip("random.json", network.text().into(), Names::Numbers);
    }
}
