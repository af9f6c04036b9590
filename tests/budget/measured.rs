//! Limits on what was measured.

use serde_json::{Value, json};

use super::{Place, rows};

const LIMITS: &str = r#"
    {"metric": "macs", "max": "1 GMACs"},
    {"metric": "measurement.time.forward.median_ns", "max": "90 ms"},
    {"metric": "measurement.memory.inference.measured_peak", "max": "16 KiB"},
    {"metric": "measurement.forward.median_ns", "layers": "a", "max": "1 ms"}"#;

/// A place with a budget on measured values, and the report of its network with a measurement.
fn place() -> (Place, Value) {
    let place = Place::with(LIMITS);
    let report = place.run(&["analyze", "net.json", "--format", "json"]);
    let mut report: Value = serde_json::from_str(&report.out).unwrap();
    report["measurement"] = json!({
        "time": {"forward": {"median_ns": 83_123_456.5}, "training_step": null},
        "memory": [{"name": "inference", "measured_peak": 16384}],
        "nodes": [{"name": "a", "forward": {"median_ns": 1_000_001}}],
    });
    place.write("measured.json", &report.to_string());
    (place, report)
}

#[test]
fn a_kept_report_is_judged() {
    let (place, _) = place();
    let ran = place.run(&["check", "net.json", "--measured", "measured.json", "--format", "json"]);
    let rows = rows(&ran);
    let statuses: Vec<_> = rows.iter().map(|row| row["status"].as_str().unwrap()).collect();
    // Far below its limit of a billion are the MACs.
    assert_eq!(statuses, ["loose", "holds", "holds", "violated"], "{}", ran.err);
    assert_eq!(ran.code, 1);
    assert_eq!(rows[1]["value"], 83_123_456.5);
    assert!(ran.err.contains("`measurement.forward.median_ns of layer a` is 1.000 ms"), "{}", ran.err);
}

#[test]
fn without_a_measurement_the_way_to_one_is_told() {
    let (place, _) = place();
    for command in [&["check", "net.json"][..], &["analyze", "net.json", "--budget", "--no-report"]] {
        let ran = place.run(command);
        assert_eq!(ran.code, 2, "{}", ran.err);
        assert!(ran.err.contains("`measurement.time.forward.median_ns` was not measured"), "{}", ran.err);
        assert!(ran.err.contains("csp-profile measure FILE --budget BUDGET"), "{}", ran.err);
        assert!(ran.err.contains("--measured REPORT"), "{}", ran.err);
    }
}

#[test]
fn what_was_measured_of_another_network_is_refused() {
    let (place, report) = place();
    let other = |pointer: &str, value: Value, told: &str| {
        let mut changed = report.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        place.write("other.json", &changed.to_string());
        let ran = place.run(&["check", "net.json", "--measured", "other.json"]);
        assert_eq!(ran.code, 2, "{}", ran.err);
        assert!(ran.err.contains(told), "{}", ran.err);
    };
    other("/architecture/batch", json!(2), "`other.json` is of another network: not the same batch");
    other("/nodes/1/op", json!("linear"), "not the same layers");
    other("/schema_version", json!(9), "schema version 9");
    place.write("other.json", &report.to_string().replace("\"measurement\"", "\"other\""));
    let ran = place.run(&["check", "net.json", "--measured", "other.json"]);
    assert!(ran.code == 2 && ran.err.contains("`other.json` has no measurement"), "{}", ran.err);
    let ran = place.run(&["check", "net.json", "--measured", "nowhere.json"]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    let ran = place.run(&["check", "net.json", "net.json", "--measured", "measured.json"]);
    assert!(ran.code == 2 && ran.err.contains("--measured is for one"), "{}", ran.err);
}

#[test]
fn an_update_leaves_measured_limits() {
    let (place, _) = place();
    let ran = place.run(&["budget", "update", "net.budget.json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let text = place.read("net.budget.json");
    assert!(!text.contains("1 GMACs") && text.contains("\"90 ms\"") && text.contains("\"16 KiB\""), "{text}");
}
