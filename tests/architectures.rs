//! The files in `architectures/`: each loads, is well formed, and meets every published figure.
#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

mod common;

use common::{Network, architectures, file, files};
use csp_profile::analysis::conventions::CONVENTIONS;
use csp_profile::frontend::LoadOptions;
use csp_profile::frontend::json::schema;
use csp_profile::published::{Fact, Verdict};
use jsonschema::Validator;

/// Counts that belong to papers, not to a program that could be run on a torchvision network.
const OF_PAPERS: &[&str] = &["darknet", "cspnet_paper", "cspnet_paper_parameters"];

#[test]
fn every_published_figure_holds_or_differs_as_stated() {
    let mut failures = Vec::new();
    for (name, text) in files() {
        let facts = match Network::read(&name, &text, &LoadOptions::default()) {
            Ok(network) => network.loaded.facts,
            Err(error) => {
                failures.push(format!("{name}: {error}"));
                continue;
            }
        };
        // Most facts of a file hold for the same parameters and inputs: it is read once for each.
        let mut networks: Vec<(&Fact, Result<Network, String>)> = Vec::new();
        for (index, fact) in facts.iter().enumerate() {
            let label = format!("{name}: {} = {} ({})", fact.label(), fact.value.text, fact.source);
            let same = |other: &Fact| other.set == fact.set && other.inputs == fact.inputs;
            let known = networks.iter().position(|(other, _)| same(other)).unwrap_or_else(|| {
                let inputs = fact.inputs.iter().map(|(name, shape)| (Some(name.clone()), shape.clone()));
                let options =
                    LoadOptions { set: fact.set.clone(), inputs: inputs.collect(), ..LoadOptions::default() };
                networks.push((fact, Network::read(&name, &text, &options)));
                networks.len() - 1
            });
            let network = match &networks[known].1 {
                Ok(network) => network,
                Err(error) => {
                    failures.push(format!("{label}: {error}"));
                    continue;
                }
            };
            let (report, fact) = (network.report(), &network.loaded.facts[index]);
            if !fact.applies {
                failures.push(format!("{label} does not apply to its own `set` and `inputs`"));
            }
            let ours = report.value(&fact.metric, fact.convention.as_deref());
            let recorded = fact.metric.starts_with("accuracy.") && fact.convention.is_none();
            match report.judge(fact) {
                Verdict::Holds | Verdict::DiffersAsStated => {}
                Verdict::Recorded if recorded => {}
                Verdict::Recorded => failures.push(format!("{label} names nothing that is computed")),
                Verdict::Fails => failures.push(format!("{label}, ours is {}", ours.unwrap_or_default())),
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn files_are_short_and_have_a_schema_and_facts() {
    for (name, text) in files() {
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["$schema"], "architecture.schema.json", "{name}");
        assert!(json["published"].as_array().is_some_and(|facts| !facts.is_empty()), "{name} has no fact");
        for (number, line) in text.lines().enumerate() {
            assert!(line.chars().count() <= 120, "{name}:{} is longer than 120 columns", number + 1);
        }
        assert!(text.ends_with("}\n") && !text.contains(['\t', '\r']), "{name} is not formatted");
    }
    assert!(file("densenet121").lines().count() <= 80, "the DenseNet fits on a screen or two");
}

#[test]
fn files_load_without_a_warning() {
    for (name, text) in files() {
        let network = Network::read(&name, &text, &LoadOptions::default()).unwrap();
        let found: Vec<_> = network.sink.diagnostics().iter().map(|found| &found.message).collect();
        assert!(found.is_empty(), "{name}: {found:?}");
    }
}

#[test]
fn without_fusion_a_csp_densenet_is_the_densenet() {
    for depth in ["121", "201"] {
        let none = LoadOptions { set: vec![("fusion".into(), "none".into())], ..LoadOptions::default() };
        let [csp, plain] =
            [(format!("csp_densenet{depth}"), none), (format!("densenet{depth}"), LoadOptions::default())]
                .map(|(name, options)| Network::read(&name, &file(&name), &options).unwrap());
        assert_eq!(csp.analysis.total, plain.analysis.total, "densenet{depth}");
        for (index, convention) in CONVENTIONS.iter().enumerate() {
            assert_eq!(
                csp.analysis.conventions[index], plain.analysis.conventions[index],
                "densenet{depth}: {}",
                convention.name
            );
        }
    }
}

#[test]
fn torchvisions_networks_are_checked_against_every_program() {
    for name in ["densenet121", "densenet201", "efficientnet_b0", "mobilenet_v2", "resnet50", "vgg16"] {
        let network = Network::read(name, &file(name), &LoadOptions::default()).unwrap();
        for convention in CONVENTIONS.iter().filter(|convention| !OF_PAPERS.contains(&convention.name)) {
            let checked =
                |fact: &Fact| fact.convention.as_deref() == Some(convention.name) && fact.differs.is_none();
            assert!(network.loaded.facts.iter().any(checked), "{name} has no fact for {}", convention.name);
        }
    }
}

fn validator() -> Validator {
    let schema: serde_json::Value = serde_json::from_str(&schema::text()).unwrap();
    jsonschema::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn faults(validator: &Validator, text: &str) -> Vec<String> {
    let json = serde_json::from_str(text).unwrap();
    validator.iter_errors(&json).map(|error| format!("{} {error}", error.instance_path())).collect()
}

#[test]
fn the_kept_schema_is_the_generated_one() {
    let path = architectures().join("architecture.schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, schema::text()).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == schema::text(), "the schema is out of date: UPDATE_SCHEMA=1 cargo test rewrites it");
}

#[test]
fn every_file_is_valid_under_the_schema() {
    let validator = validator();
    for (name, text) in files() {
        let found = faults(&validator, &text);
        assert!(found.is_empty(), "{name}: {}", found.join("\n"));
    }
}

/// An editor shows these while somebody types: each must stand at the fault and say what it is.
#[test]
fn the_schema_points_at_faults() {
    let validator = validator();
    let network = |layer: &str| {
        format!(r#"{{"inputs": {{"image": [3, 8, 8]}}, "layers": [{{"op": "relu"}}, {layer}]}}"#)
    };
    for (layer, place, words) in [
        (r#"{"op": "conv2d", "out_channels": 8, "kernel": 3, "sride": 2}"#, "/layers/1 ", "sride"),
        (r#"{"op": "conv2d", "kernel": 3}"#, "/layers/1 ", "\"out_channels\" is a required property"),
        (r#"{"op": "conv2", "out_channels": 8}"#, "/layers/1/op ", "\"conv2\" is not one of"),
        (r#"{"op": "conv2d", "out_channels": 0, "kernel": 3}"#, "/layers/1/out_channels ", ""),
        (r#"{"op": "relu", "called_as": "method"}"#, "/layers/1/called_as ", "method"),
        (r#"{"op": "relu", "repeat": -1}"#, "/layers/1/repeat ", ""),
        (r#"{"op": "relu", "name": "a/b"}"#, "/layers/1/name ", "a/b"),
        (r#"{"block": "b", "wiht": {}}"#, "/layers/1 ", "wiht"),
        (r#"{"layers": [{"op": "relu", "slope": 1}]}"#, "/layers/1/layers/0 ", "slope"),
        (r#"{"choose": "x", "cases": {"a": [{"op": "rleu"}]}}"#, "/layers/1/cases/a/0/op ", "rleu"),
        (r#"{"choose": "x"}"#, "/layers/1 ", "\"cases\" is a required property"),
        (r#"{"name": "x"}"#, "/layers/1 ", ""),
        (r#"{"op": "relu", "block": "b"}"#, "/layers/1 ", ""),
        (r#"7"#, "/layers/1 ", "7 is not of type \"object\""),
    ] {
        let found = faults(&validator, &network(layer));
        let hit = found.iter().any(|fault| fault.starts_with(place) && fault.contains(words));
        assert!(hit, "{layer}: {found:#?}");
        assert!(Network::read("network.json", &network(layer), &LoadOptions::default()).is_err(), "{layer}");
    }
    for (text, place) in [
        (r#"{"layers": []}"#, " \"inputs\" is"),
        (r#"{"inputs": {}, "layers": []}"#, "/inputs "),
        (r#"{"inputs": {"image": [0]}, "layers": []}"#, "/inputs/image "),
        (r#"{"inputs": {"image": [1]}, "layers": [], "layres": []}"#, " Additional properties"),
        (r#"{"inputs": {"image": [1]}, "layers": [], "parameters": {"p": {"max": 1}}}"#, "/parameters/p "),
        (r#"{"inputs": {"image": [1]}, "layers": [], "blocks": {"b": {}}}"#, "/blocks/b "),
        (r#"{"inputs": {"image": [1]}, "layers": [], "published": [{"metric": "macs"}]}"#, "/published/0 "),
        (r#"{"inputs": {"image": [1]}, "layers": [], "dtype": "float"}"#, "/dtype "),
    ] {
        let found = faults(&validator, text);
        assert!(found.iter().any(|fault| fault.starts_with(place)), "{text}: {found:#?}");
    }
}
