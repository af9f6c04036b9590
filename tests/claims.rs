//! `claims`, as a user runs it.

#![expect(clippy::unwrap_used, reason = "a test's helpers are tests")]

use std::process::{Command, Output};

use serde_json::Value;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_csp-profile"))
        .current_dir(format!("{}/architectures", env!("CARGO_MANIFEST_DIR")))
        .arg("claims")
        .args(arguments)
        .output()
        .unwrap()
}

fn text(arguments: &[&str]) -> String {
    let output = run(arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

struct Claims(Value);

impl Claims {
    fn of(base: &str, csp: &str) -> Self {
        Self(serde_json::from_str(&text(&[base, csp, "--format", "json"])).unwrap())
    }

    fn claim(&self, key: &str) -> &Value {
        let claims = self.0["claims"].as_array().unwrap();
        claims.iter().find(|claim| claim["claim"] == key).unwrap()
    }

    fn verdicts(&self) -> Vec<&str> {
        let claims = self.0["claims"].as_array().unwrap();
        claims.iter().map(|claim| claim["verdict"].as_str().unwrap()).collect()
    }

    /// A figure of the whole networks.
    fn figure(&self, key: &str, index: usize) -> (&Value, &Value) {
        let figure = &self.claim(key)["figures"][index];
        (&figure["base"], &figure["csp"])
    }

    /// One figure of all changed stages.
    fn stages(&self, key: &str, figure: &str) -> Vec<(&Value, &Value)> {
        let stages = self.claim(key)["stages"].as_array().unwrap().iter();
        stages.filter(|row| row["figure"] == figure).map(|row| (&row["base"], &row["csp"])).collect()
    }

    /// D× falls from 1 to 0 and one branch becomes two in so many stages, all that have changed.
    fn check_sides(&self, count: usize) {
        let overlaps = self.stages("cross_side", "Dx");
        let branches = self.stages("paths", "branches");
        assert_eq!((overlaps.len(), branches.len()), (count, count));
        assert!(overlaps.iter().all(|(base, csp)| **base == 1.0 && **csp == 0.0), "{overlaps:?}");
        assert!(branches.iter().all(|(base, csp)| **base == 1 && **csp == 2), "{branches:?}");
    }
}

#[test]
fn resnext50() {
    let claims = Claims::of("darknet_resnext50.json", "csp_resnext50.json");
    assert_eq!(
        claims.verdicts(),
        [
            "holds",
            "holds_per_stage",
            "holds",
            "does_not_hold",
            "does_not_hold",
            "holds",
            "holds",
            "holds",
            "holds"
        ]
    );
    let ratio = claims.claim("computation")["figures"][0]["ratio"].as_f64().unwrap();
    assert_eq!(format!("{ratio:.2}"), "0.78");
    let (base, csp) = claims.figure("bottleneck", 0);
    assert_eq!((base, csp), (&Value::from(268_435_456u64), base));
    let (base, csp) = claims.figure("shortest_path", 0);
    assert_eq!((base, csp), (&Value::from(4), &Value::from(15)));
    let (base, csp) = claims.figure("paths", 0);
    assert_eq!((base, csp), (&Value::from("65536"), &Value::from("13365")));
    let (base, csp) = claims.figure("traffic", 2);
    assert_eq!((base, csp), (&Value::from(34_411_496), &Value::from(32_642_024)));
    claims.check_sides(4);
}

#[test]
fn darknet53() {
    let claims = Claims::of("darknet53.json", "csp_darknet53.json");
    claims.check_sides(5);
    // The product over five stages is more than twice, and yet no stage's is.
    assert_eq!(claims.claim("paths")["verdict"], "holds_per_stage");
    assert!(claims.claim("paths")["figures"][0]["ratio"].as_f64().unwrap() > 2.0);
    for key in ["bottleneck", "peak_memory", "inside_block"] {
        assert_eq!(claims.claim(key)["verdict"], "does_not_hold", "{key}");
    }
    assert_eq!(claims.claim("traffic")["verdict"], "holds_per_stage");
}

#[test]
fn densenet121() {
    let claims = Claims::of("densenet121.json", "csp_densenet121.json");
    claims.check_sides(4);
    for key in ["computation", "bottleneck", "parameters"] {
        assert_eq!(claims.claim(key)["verdict"], "does_not_hold", "{key}");
    }
    let paths = claims.stages("paths", "paths");
    assert_eq!(paths[0], (&Value::from("64"), &Value::from("65")));
    // What bypasses the block decides: at 3/4 the largest layer and the computation are less than at 1/2.
    let most = Claims::of("densenet121.json", "csp_densenet121.json:gamma=0.75");
    let macs = |claims: &Claims| claims.figure("computation", 0).1.as_u64().unwrap();
    assert!(macs(&most) < macs(&claims));
}

#[test]
fn fusion_first_keeps_the_reuse() {
    let first = Claims::of("densenet121.json", "csp_densenet121.json:fusion=first");
    assert_eq!(first.claim("cross_side")["verdict"], "does_not_hold");
    assert_eq!(first.claim("paths")["verdict"], "does_not_hold");
    let last = Claims::of("densenet121.json", "csp_densenet121.json:fusion=last");
    assert_eq!(last.claim("cross_side")["verdict"], "holds");
}

#[test]
fn a_network_against_itself_has_nothing_to_judge_by_stage() {
    let claims = Claims::of("densenet121.json", "csp_densenet121.json:fusion=none");
    assert_eq!(claims.claim("cross_side")["verdict"], "not_judged");
    assert_eq!(claims.claim("computation")["verdict"], "does_not_hold");
}

#[test]
fn tables_fit_and_markdown_has_the_verdicts() {
    for (base, csp) in [
        ("densenet121.json", "csp_densenet121.json"),
        ("darknet_resnext50.json", "csp_resnext50.json"),
        ("darknet53.json", "csp_darknet53.json"),
        ("darknet_mobilenet_v2.json", "csp_mobilenet_v2.json"),
    ] {
        let table = text(&[base, csp]);
        for line in table.lines() {
            assert!(line.chars().count() <= 80, "{line}");
            assert_eq!(line, line.trim_end());
        }
    }
    let markdown = text(&["darknet_resnext50.json", "csp_resnext50.json", "--format", "markdown"]);
    assert!(markdown.contains("| 5 bottleneck nearly halved |  |  |  | does not hold |"), "{markdown}");
    assert_eq!(run(&["-", "-"]).status.code(), Some(2));
    assert_eq!(run(&["darknet53.json"]).status.code(), Some(2));
}
