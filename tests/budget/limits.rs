//! Limits against figures: every figure of the report, at its bound and below it.

use std::fmt::Write as _;

use serde_json::Value;

use super::{MACS, NET, Place, rows};

/// Every path of a report that leads to a figure, without those in lists.
fn figures(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                figures(value, &if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, found);
            }
        }
        Value::Number(number) => found.push((path.into(), number.to_string())),
        Value::String(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            found.push((path.into(), digits.clone()));
        }
        _ => {}
    }
}

#[test]
fn every_figure_of_the_report_keeps_to_its_own_value_and_to_nothing_less() {
    for name in ["csp_densenet121", "mobilenet_v2"] {
        let place = Place::new();
        let path = format!("{}/architectures/{name}.json", env!("CARGO_MANIFEST_DIR"));
        place.write("net.json", &std::fs::read_to_string(path).unwrap());
        let report = place.run(&["analyze", "net.json", "--format", "json"]);
        let report: Value = serde_json::from_str(&report.out).unwrap();
        let mut all = Vec::new();
        figures(&report["totals"], "", &mut all);
        figures(&report["gradient"], "gradient", &mut all);
        assert!(all.len() > 70, "{}", all.len());
        let unit = |path: &str| if path.split('.').any(|part| part.ends_with("bytes")) { " B" } else { "" };
        let check = |value: &dyn Fn(&str) -> Option<String>| {
            let mut limits = Vec::new();
            for (path, figure) in &all {
                if let Some(value) = value(figure) {
                    limits.push(format!("{{\"metric\": \"{path}\", \"max\": \"{value}{}\"}}", unit(path)));
                }
            }
            place.write("net.budget.json", &format!("{{\"limits\": [{}]}}", limits.join(",\n")));
            let ran = place.run(&["check", "net.json", "--format", "json"]);
            let rows = rows(&ran);
            assert_eq!(rows.len(), limits.len());
            (ran.code, rows)
        };
        let (code, rows) = check(&|figure| Some(figure.to_owned()));
        assert_eq!(code, 0);
        assert!(rows.iter().all(|row| row["status"] == "holds" && row["over"] == 0), "{rows:#?}");
        let less = |figure: &str| {
            let one: num::BigUint = figure.parse().ok()?;
            (one > num::BigUint::ZERO).then(|| (one - 1u32).to_string())
        };
        let (code, rows) = check(&less);
        assert_eq!(code, 1);
        assert!(rows.iter().all(|row| row["status"] == "violated" && row["over"] == 1), "{rows:#?}");
    }
}

#[test]
fn bounds_hold_where_they_should() {
    let exact = MACS.to_string();
    for (limit, statuses, code) in [
        (format!(r#"{{"metric": "macs", "max": {exact}}}"#), &["holds"][..], 0),
        (format!(r#"{{"metric": "macs", "max": {}}}"#, MACS - 1), &["violated"], 1),
        (format!(r#"{{"metric": "macs", "min": {exact}}}"#), &["holds"], 0),
        (format!(r#"{{"metric": "macs", "min": {}}}"#, MACS + 1), &["violated"], 1),
        (format!(r#"{{"metric": "macs", "equal": {exact}}}"#), &["holds"], 0),
        (format!(r#"{{"metric": "macs", "equal": {}}}"#, MACS + 1), &["violated"], 1),
        (r#"{"metric": "macs", "max": "1 M"}"#.into(), &["loose"], 0),
        (r#"{"metric": "macs", "max": "1 M", "fixed": true}"#.into(), &["holds"], 0),
        (r#"{"metric": "macs", "min": "0.1 M", "max": "0.21 M"}"#.into(), &["loose", "holds"], 0),
        // Stages one by one, layers together or each: 55,296 + 147,456.
        (r#"{"metric": "macs", "stage": "*", "max": "0.15 M"}"#.into(), &["holds", "holds"], 0),
        (r#"{"metric": "macs", "stage": "stem", "equal": 55296}"#.into(), &["holds"], 0),
        (format!(r#"{{"metric": "macs", "layers": "*", "equal": {exact}}}"#), &["holds"], 0),
        (r#"{"metric": "macs", "layers": "?", "each": true, "max": "0.15 M"}"#.into(), &["holds"; 4], 0),
        (r#"{"metric": "parameters.total", "layers": "b", "equal": 576}"#.into(), &["holds"], 0),
        (format!(r#"{{"metric": "macs", "op": "conv2d", "equal": {exact}}}"#), &["holds"], 0),
        (r#"{"metric": "output_shapes.0.1", "layers": "c", "equal": 16}"#.into(), &["holds"], 0),
        (r#"{"metric": "concat_bytes", "stage": "body", "equal": "16 KiB"}"#.into(), &["holds"], 0),
        (r#"{"metric": "gradient.weight_layers", "equal": 2}"#.into(), &["holds"], 0),
        (r#"{"metric": "gradient.paths", "layers": "a", "min": 1}"#.into(), &["loose"], 0),
        (r#"{"metric": "stages.body.macs", "equal": 147456}"#.into(), &["holds"], 0),
    ] {
        let place = Place::with(&limit);
        let ran = place.run(&["check", "net.json", "--format", "json"]);
        let found: Vec<String> =
            rows(&ran).iter().map(|row| row["status"].as_str().unwrap().into()).collect();
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!((found.as_slice(), ran.code), (statuses, code), "{limit}\n{}", ran.err);
    }
}

#[test]
fn the_budget_says_how_its_network_is_read() {
    let place = Place::new();
    place.write("net.json", NET);
    let wide = 256 * (3 * 16 * 9 + 16 * 8 * 9);
    let budget = format!(
        r#"{{"architecture": "net.json", "set": {{"width": 16}}, "inputs": {{"image": [3, 8, 8]}}, "batch": 4,
            "limits": [{{"metric": "macs", "equal": {wide}}}]}}"#
    );
    place.write("wide.budget.json", &budget);
    let ran = place.run(&["check"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    // The command line of `analyze` comes first.
    let analyze = |args: &[&str]| {
        place.run(&[&["analyze", "net.json", "--budget", "wide.budget.json"], args].concat()).code
    };
    assert_eq!(analyze(&[]), 0);
    assert_eq!(analyze(&["--set", "width=8"]), 1);
    assert_eq!(analyze(&["--batch", "1"]), 1);
}

#[test]
fn headroom_can_be_set_and_switched_off() {
    for (headroom, warns) in [("\"25 %\"", true), ("\"300 %\"", true), ("\"500 %\"", false), ("false", false)]
    {
        let place = Place::new();
        place.write("net.json", NET);
        let budget = format!(r#"{{"headroom": {headroom}, "limits": [{{"metric": "macs", "max": "1 M"}}]}}"#);
        place.write("net.budget.json", &budget);
        let ran = place.run(&["check"]);
        assert_eq!((ran.code, ran.err.contains("warning[loose-limit]")), (0, warns), "{headroom}");
    }
}

#[test]
fn all_files_are_checked_in_order_and_the_worst_decides() {
    let place = Place::new();
    let budget = |max: &str| format!("{{\"limits\": [{{\"metric\": \"macs\", \"max\": \"{max}\"}}]}}");
    for (name, max) in
        [("b/ok", "0.21 M"), ("a/over", "0.1 M"), ("c/wrong", "few"), ("target/x", "few"), (".h/x", "few")]
    {
        place.write(&format!("{name}.json"), NET);
        place.write(&format!("{name}.budget.json"), &budget(max));
    }
    let ran = place.run(&["check", "--format", "json"]);
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    let files = document["files"].as_array().unwrap();
    let found: Vec<(&str, &str)> = files
        .iter()
        .map(|file| (file["file"].as_str().unwrap(), file["outcome"].as_str().unwrap()))
        .collect();
    let expected =
        [("a/over.budget.json", "failed"), ("b/ok.budget.json", "passed"), ("c/wrong.budget.json", "wrong")];
    assert_eq!((found.as_slice(), ran.code), (&expected[..], 2));
    assert_eq!(place.run(&["check", "a/over.json", "b/ok.json"]).code, 1);
    assert_eq!(place.run(&["check", "b/ok.budget.json"]).code, 0);
    assert_eq!(place.run(&["check", "b/ok.json", "--budget", "a/over.budget.json"]).code, 1);
}

#[test]
fn analyze_shows_the_verdict() {
    let place = Place::with(r#"{"metric": "macs", "max": "0.1 M", "reason": "the chip"}"#);
    let ran = place.run(&["analyze", "net.json", "--budget", "--format", "json"]);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(ran.code, 1);
    assert_eq!(report["budget"]["passed"], false);
    let row = &report["budget"]["rows"][0];
    assert_eq!((&row["value"], &row["limit_value"]), (&MACS.into(), &100_000.into()));
    assert_eq!((row["over"].as_u64(), row["reason"].as_str()), (Some(MACS - 100_000), Some("the chip")));
    let ran = place.run(&["analyze", "net.json", "--budget"]);
    assert!(ran.out.contains("net: budget net.budget.json") && ran.err.contains("error[over-budget]"));
    assert!(ran.err.contains("the reason for this limit: the chip"));
    // Without it nothing is judged.
    let ran = place.run(&["analyze", "net.json", "--format", "json"]);
    assert_eq!((ran.code, ran.out.contains("\"budget\"")), (0, false));
}

#[test]
fn what_init_writes_holds_and_update_leaves_it() {
    for name in ["csp_densenet121", "mobilenet_v2", "vgg16", "darknet53", "peleenet"] {
        for headroom in ["0%", "0.1%", "5%", "30 %"] {
            let place = Place::new();
            let path = format!("{}/architectures/{name}.json", env!("CARGO_MANIFEST_DIR"));
            place.write("net.json", &std::fs::read_to_string(path).unwrap());
            let ran = place.run(&["budget", "init", "net.json", "--headroom", headroom]);
            assert_eq!(ran.code, 0, "{}", ran.err);
            let written = place.read("net.budget.json");
            let ran = place.run(&["check", "--format", "json"]);
            assert_eq!((ran.code, rows(&ran).len()), (0, 5), "{written}{}", ran.err);
            let ran = place.run(&["budget", "update", "--headroom", headroom]);
            assert_eq!((ran.code, &*ran.out), (0, ""), "{written}");
            assert_eq!(place.read("net.budget.json"), written);
            // Tighter: once, and then no more; it still holds.
            place.run(&["budget", "update", "--headroom", "0%"]);
            let tight = place.read("net.budget.json");
            assert_eq!(place.run(&["check"]).code, 0, "{tight}");
            place.run(&["budget", "update", "--headroom", "0%"]);
            assert_eq!(place.read("net.budget.json"), tight);
            // Never looser without a word.
            place.run(&["budget", "update", "--headroom", "50%"]);
            assert_eq!(place.read("net.budget.json"), tight);
        }
    }
}

#[test]
fn init_keeps_how_the_network_is_read() {
    let place = Place::new();
    place.write("net.json", NET);
    let args = [
        "budget", "init", "net.json", "--set", "width=16", "--batch", "2", "--input", "3x8x8", "--dtype",
        "f16",
    ];
    let ran = place.run(&[&args[..], &["--out", "net.wide.budget.json", "--headroom", "0%"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let mut text = String::new();
    let _ = write!(text, "{}", place.read("net.wide.budget.json"));
    super::expect("init.json", &text);
    let ran = place.run(&["check"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[test]
fn update_changes_the_bounds_and_nothing_else() {
    let before = r#"{
    "description" : "kept, odd spaces too",
  "limits": [ {"max":  "1 MMACs","metric":"macs", "reason": "é ≤ 1 M"},
    {"metric": "macs", "max": 300000},  {"metric": "macs", "max": "300,000"},
    {"metric": "macs", "max": "1 M", "fixed": true},
    {"metric": "macs", "max_change": "+1 %"},
    {"metric": "macs", "stage": "*", "max": "1e6 MAC"},
    {"metric": "weight_bytes", "max": "1MiB", "min": "1 KiB"},
    {"metric": "macs", "max": "1 k"}, {"metric": "macs", "equal": 7}
  ]
}"#;
    let after = r#"{
    "description" : "kept, odd spaces too",
  "limits": [ {"max":  "0.213 MMACs","metric":"macs", "reason": "é ≤ 1 M"},
    {"metric": "macs", "max": 213000},  {"metric": "macs", "max": "213,000"},
    {"metric": "macs", "max": "1 M", "fixed": true},
    {"metric": "macs", "max_change": "+1 %"},
    {"metric": "macs", "stage": "*", "max": "155000 MAC"},
    {"metric": "weight_bytes", "max": "0.00318MiB", "min": "2.93 KiB"},
    {"metric": "macs", "max": "1 k"}, {"metric": "macs", "equal": 7}
  ]
}"#;
    let place = Place::new();
    place.write("net.json", NET);
    place.write("net.budget.json", before);
    let ran = place.run(&["budget", "update"]);
    assert_eq!(place.read("net.budget.json"), after, "{}{}", ran.out, ran.err);
    // Two bounds are violated; they stay, and it says so.
    assert_eq!((ran.code, ran.err.matches("violated, and not loosened").count()), (1, 2));
    assert!(ran.out.contains("net.budget.json: macs ≤ 1 MMACs → 0.213 MMACs\n"), "{}", ran.out);
    let ran = place.run(&["budget", "update", "--loosen"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let loosened =
        after.replace("\"1 k\"", "\"213 k\"").replace("\"equal\": 7", &format!("\"equal\": {MACS}"));
    assert_eq!(place.read("net.budget.json"), loosened);
    assert_eq!(place.run(&["check", "--baseline", "none"]).code, 0);
}
