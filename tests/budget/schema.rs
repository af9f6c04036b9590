//! The JSON Schema and the reader agree.

use csp_profile::budget::{document, schema};
use csp_profile::diagnostic::Sink;
use csp_profile::source::SourceMap;
use jsonschema::Validator;

#[test]
fn the_committed_schema_is_the_one_that_is_printed() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("architectures/budget.schema.json");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, schema::text()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), schema::text(), "csp-profile schema budget");
}

#[test]
fn the_schema_accepts_what_the_reader_accepts() {
    let schema: serde_json::Value = serde_json::from_str(&schema::text()).unwrap();
    let validator = Validator::new(&schema).unwrap();
    let mut count = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/architectures")).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().ends_with(".budget.json") {
            let json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            assert!(validator.is_valid(&json), "{}", path.display());
            count += 1;
        }
    }
    assert!(count >= 4);
    for (limit, valid) in [
        (r#"{"metric": "macs", "max": "4.1 GMACs"}"#, true),
        (r#"{"metric": "macs", "max": 4100000000, "min": 1, "reason": "x"}"#, true),
        (r#"{"metric": "macs", "layers": "*", "each": true, "max": "1 G"}"#, true),
        (r#"{"metric": "macs", "max_change": "+1 %", "min_change": -5}"#, true),
        (r#"{"metric": "macs"}"#, false),
        (r#"{"max": 1}"#, false),
        (r#"{"metric": "macs", "max": -1}"#, false),
        (r#"{"metric": "macs", "max": "+1"}"#, false),
        (r#"{"metric": "macs", "max_change": "1 %"}"#, false),
        (r#"{"metric": "macs", "max_change": 5}"#, false),
        (r#"{"metric": "macs", "max": true}"#, false),
        (r#"{"metric": "macs", "maximum": 1}"#, false),
        (r#"{"metric": "macs", "stage": "", "max": 1}"#, false),
    ] {
        let json = serde_json::from_str(&format!("{{\"limits\": [{limit}]}}")).unwrap();
        assert_eq!(validator.is_valid(&json), valid, "{limit}");
        let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
        let source = sources.add("t", format!("{{\"limits\": [{limit}]}}"));
        let read = document::read(source, &sources, &mut sink);
        assert_eq!(read.is_some(), valid, "{limit}");
    }
    for (text, valid) in [
        (r#"{"limits": [{"metric": "macs", "max": 1}], "headroom": false, "set": {"gamma": 0.5}}"#, true),
        (
            r#"{"limits": [{"metric": "macs", "max": 1}], "headroom": "10 %", "inputs": {"x": [3, 8, 8]}}"#,
            true,
        ),
        (r#"{"limits": []}"#, false),
        (r#"{}"#, false),
        (r#"{"limits": [{"metric": "macs", "max": 1}], "headroom": 25}"#, false),
    ] {
        assert_eq!(validator.is_valid(&serde_json::from_str(text).unwrap()), valid, "{text}");
    }
}

const PAGE: &str = include_str!("../../src/commands/explain/budget.md");

#[test]
fn the_manual_names_every_key_and_its_example_can_be_read() {
    let words: Vec<&str> = PAGE.split(|c: char| !(c.is_alphanumeric() || "_$".contains(c))).collect();
    for key in document::KEYS.iter().chain(&document::LIMIT_KEYS) {
        assert!(words.contains(key), "{key}");
    }
    let example: String = PAGE
        .lines()
        .skip_while(|line| *line != "    {")
        .take_while(|line| line.starts_with("    "))
        .collect();
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let source = sources.add("t", example);
    let budget = document::read(source, &sources, &mut sink);
    assert_eq!(budget.map(|budget| budget.limits.len()), Some(8), "{:?}", sink.diagnostics());
}
