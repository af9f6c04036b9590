//! Every format, word for word, with names that would break it.

use std::process::Command;

use super::{NET, Place, expect, ran};

/// Three budgets: one fails, with names as bad as a file can have, one holds, one is wrong.
fn place() -> Place {
    let place = Place::new();
    place.write("over.json", &NET.replace("\"a\"", "\"a<b>&%\""));
    place.write(
        "over.budget.json",
        r#"{
  "limits": [
    {"metric": "macs", "max": "0.2 MMACs", "reason": "a <reason> | with `marks` & 100 %"},
    {"metric": "macs", "layers": "*", "each": true, "max": "50 k"},
    {"metric": "parameters.total", "stage": "body", "max": "1 k"},
    {"metric": "peak_memory_bytes.inference", "max": "20 KiB"},
    {"metric": "macs", "max_change": "+1 %"},
    {"metric": "weight_bytes", "max_change": "+10 %"}
  ]
}
"#,
    );
    place.write("ok.json", NET);
    place.write("ok.budget.json", r#"{"limits": [{"metric": "macs", "max": "203 k"}]}"#);
    place.write("wrong.json", NET);
    place.write("wrong.budget.json", r#"{"limits": [{"metric": "mcas", "max": "203 k"}]}"#);
    let smaller =
        NET.replace("\"width\": 8", "\"width\": 6").replace("\"name\": \"c\"", "\"name\": \"gone\"");
    place.write("base.json", &smaller);
    let report = place.run(&["analyze", "base.json", "--format", "json"]);
    place.write("report.json", &report.out);
    place
}

fn check(place: &Place, format: &str) -> super::Ran {
    place.run(&["check", "--format", format, "--baseline", "report.json"])
}

#[test]
fn table() {
    let place = place();
    let ran = check(&place, "table");
    assert_eq!(ran.code, 2);
    for line in ran.out.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    expect("table.txt", &ran.out);
    expect("diagnostics.txt", &ran.err);
}

#[test]
fn long_names_are_cut_to_fit() {
    let place = Place::new();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/architectures/csp_densenet201.json");
    place.write("net.json", &std::fs::read_to_string(path).unwrap());
    place.write(
        "net.budget.json",
        r#"{"limits": [
            {"metric": "traffic_bytes.compulsory", "layers": "*", "each": true, "max": "1023.5 KiB"},
            {"metric": "training.shared_concat.saved_input_bytes", "max": "888,888,888,888,888 B"},
            {"metric": "gradient.paths_to_input", "max": 1}]}"#,
    );
    let ran = place.run(&["check"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("… and ") && ran.out.lines().count() < 40, "{}", ran.out);
    for line in ran.out.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn json() {
    let ran = check(&place(), "json");
    let document: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(document["outcome"], "wrong");
    expect("check.json", &ran.out);
}

#[test]
fn markdown() {
    let ran = check(&place(), "markdown");
    assert!(!ran.out.contains("<b>"), "markup in a name");
    expect("comment.md", &ran.out);
}

#[test]
fn annotations() {
    let place = place();
    let ran = check(&place, "github");
    assert!(ran.out.lines().all(|line| line.starts_with("::error ") || line.starts_with("::warning ")));
    expect("annotations.txt", &ran.out);
}

#[test]
fn actions_are_found_out_from_the_environment() {
    let place = place();
    place.write("summary.md", "before\n");
    let run = |format: &str, actions: &str| {
        let mut command = place.command(&["check", "--format", format, "--baseline", "report.json"]);
        ran(command.env("GITHUB_ACTIONS", actions).env("GITHUB_STEP_SUMMARY", place.path("summary.md")))
    };
    let ran = run("table", "true");
    let annotations = check(&place, "github").out;
    assert!(ran.err.ends_with(&annotations), "{}", ran.err);
    assert_eq!(place.read("summary.md"), format!("before\n{}", check(&place, "markdown").out));
    // Once, and nowhere else.
    assert!(!run("github", "true").err.contains("::error"));
    let before = place.read("summary.md");
    assert!(!run("table", "false").err.contains("::error"));
    assert_eq!(place.read("summary.md"), before);
}

#[test]
fn junit() {
    let place = place();
    let ran = check(&place, "junit");
    expect("junit.xml", &ran.out);
    let skipped = place.run(&["check", "over.json", "--format", "junit", "--baseline", "none"]);
    assert!(skipped.out.contains("<skipped message=\"no baseline\">"), "{}", skipped.out);
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/junit/junit-10.xsd");
    for text in [&ran.out, &skipped.out] {
        place.write("junit.xml", text);
        let mut xmllint = Command::new("xmllint");
        xmllint.args(["--noout", "--nonet", "--schema", schema]).arg(place.path("junit.xml"));
        match xmllint.output() {
            Ok(output) => {
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            }
            Err(error) => {
                let required =
                    std::env::var_os("CSP_PROFILE_REQUIRE_TOOLS").is_some_and(|value| value == "1");
                assert!(!required, "xmllint: {error}");
                println!("skipped: xmllint is not installed, so JUnit is not held to its schema");
            }
        }
    }
}
