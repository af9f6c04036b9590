//! Wrong budgets: what the program says about each, word for word, in `faults.txt`.

use std::fmt::Write as _;

use super::{NET, Place, expect};

/// Each is a whole budget file.
const FAULTS: &[(&str, &str)] = &[
    ("empty", "  \n"),
    ("no JSON", "{\"limits\": [}"),
    ("a list", "[]"),
    ("no limits", "{\"description\": \"x\"}"),
    ("empty limits", "{\"limits\": []}"),
    ("limits is no list", "{\"limits\": {\"macs\": 1}}"),
    ("an unknown key", "{\"limit\": [], \"limits\": [{\"metric\": \"macs\", \"max\": 1e9}]}"),
    ("a key twice", "{\"limits\": [{\"metric\": \"macs\", \"max\": 1e9, \"max\": 2}]}"),
    ("a limit that is a text", "{\"limits\": [\"macs < 4\"]}"),
    ("an unknown key of a limit", "{\"limits\": [{\"metric\": \"macs\", \"maximum\": 1}]}"),
    ("no metric", "{\"limits\": [{\"max\": 1}]}"),
    ("no bound", "{\"limits\": [{\"metric\": \"macs\"}]}"),
    ("a metric that is a number", "{\"limits\": [{\"metric\": 1, \"max\": 1}]}"),
    ("an unknown metric", "{\"limits\": [{\"metric\": \"mcas\", \"max\": 1}]}"),
    (
        "a metric without its group",
        "{\"limits\": [{\"metric\": \"set_ratio\", \"max\": \"1 %\"}, {\"metric\": \"inference\", \"max\": 1}]}",
    ),
    ("a metric like nothing", "{\"limits\": [{\"metric\": \"kitchen.sink\", \"max\": 1}]}"),
    ("a metric that is a group", "{\"limits\": [{\"metric\": \"parameters\", \"max\": 1}]}"),
    ("a metric that is a text", "{\"limits\": [{\"metric\": \"largest_layer.name\", \"max\": 1}]}"),
    ("a metric without a value", "{\"limits\": [{\"metric\": \"training.loss_bytes\", \"max\": 1}]}"),
    (
        "a metric that stages lack",
        "{\"limits\": [{\"metric\": \"arena_bytes\", \"stage\": \"stem\", \"max\": \"1 B\"}]}",
    ),
    (
        "two scopes",
        "{\"limits\": [{\"metric\": \"macs\", \"stage\": \"stem\", \"op\": \"conv2d\", \"max\": 1}]}",
    ),
    ("each of the network", "{\"limits\": [{\"metric\": \"macs\", \"each\": true, \"max\": 1}]}"),
    ("an unknown stage", "{\"limits\": [{\"metric\": \"macs\", \"stage\": \"bodi\", \"max\": 1}]}"),
    ("a pattern of no stage", "{\"limits\": [{\"metric\": \"macs\", \"stage\": \"stage*\", \"max\": 1}]}"),
    ("an unknown op", "{\"limits\": [{\"metric\": \"macs\", \"op\": \"conv\", \"max\": 1}]}"),
    ("a pattern of no layer", "{\"limits\": [{\"metric\": \"macs\", \"layers\": \"body/*/x\", \"max\": 1}]}"),
    ("an empty pattern", "{\"limits\": [{\"metric\": \"macs\", \"layers\": \"\", \"max\": 1}]}"),
    (
        "a sum that there is not",
        "{\"limits\": [{\"metric\": \"output_shapes.0.1\", \"layers\": \"*\", \"max\": 1}]}",
    ),
    ("a unit of something else", "{\"limits\": [{\"metric\": \"macs\", \"max\": \"4.1 GFLOPs\"}]}"),
    ("bytes without their unit", "{\"limits\": [{\"metric\": \"weight_bytes\", \"max\": \"30 M\"}]}"),
    ("a number without a unit for bytes", "{\"limits\": [{\"metric\": \"weight_bytes\", \"max\": 30}]}"),
    ("a unit in other letters", "{\"limits\": [{\"metric\": \"weight_bytes\", \"max\": \"30 mib\"}]}"),
    ("no number", "{\"limits\": [{\"metric\": \"macs\", \"max\": \"few\"}]}"),
    ("a bound that is true", "{\"limits\": [{\"metric\": \"macs\", \"max\": true}]}"),
    ("a bound with a sign", "{\"limits\": [{\"metric\": \"macs\", \"max\": \"+1 %\"}]}"),
    ("a change without a sign", "{\"limits\": [{\"metric\": \"macs\", \"max_change\": \"1 %\"}]}"),
    ("a change without a baseline", "{\"limits\": [{\"metric\": \"macs\", \"max_change\": \"+1 %\"}]}"),
    ("a share of a count", "{\"limits\": [{\"metric\": \"macs\", \"max\": \"5 %\"}]}"),
    ("never equal", "{\"limits\": [{\"metric\": \"macs\", \"equal\": \"1.5\"}]}"),
    (
        "headroom that is a number",
        "{\"headroom\": 25, \"limits\": [{\"metric\": \"macs\", \"max\": \"1 G\"}]}",
    ),
    (
        "a type that there is not",
        "{\"dtype\": \"f23\", \"limits\": [{\"metric\": \"macs\", \"max\": \"1 G\"}]}",
    ),
    ("a batch of none", "{\"batch\": 0, \"limits\": [{\"metric\": \"macs\", \"max\": \"1 G\"}]}"),
    (
        "a shape of texts",
        "{\"inputs\": {\"image\": [\"3\"]}, \"limits\": [{\"metric\": \"macs\", \"max\": \"1 G\"}]}",
    ),
    (
        "a parameter that is a list",
        "{\"set\": {\"width\": []}, \"limits\": [{\"metric\": \"macs\", \"max\": \"1 G\"}]}",
    ),
    (
        "a parameter that there is not",
        "{\"set\": {\"gamma\": 1}, \"limits\": [{\"metric\": \"macs\", \"max\": \"1 G\"}]}",
    ),
    (
        "another architecture",
        "{\"architecture\": \"gone.json\", \"limits\": [{\"metric\": \"macs\", \"max\": \"1 G\"}]}",
    ),
    (
        "a baseline that there is not",
        "{\"baseline\": \"gone.json\", \"limits\": [{\"metric\": \"macs\", \"max_change\": \"+0\"}]}",
    ),
    (
        "a change of another unit",
        "{\"baseline\": \"net.report.json\", \"limits\": [{\"metric\": \"macs\", \"max_change\": \"+1 MiB\"}]}",
    ),
    ("a Git LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"),
    (
        "several faults",
        "{\"limits\": [{\"metric\": \"mcas\", \"max\": 1}, {\"metric\": \"macs\", \"max\": \"1 B\"}, {\"metric\": \"macs\", \"stage\": \"x\", \"max\": 1}]}",
    ),
];

#[test]
fn every_fault_is_told() {
    let place = Place::new();
    place.write("net.json", NET);
    let report = place.run(&["analyze", "net.json", "--format", "json"]);
    place.write("net.report.json", &report.out);
    let mut text = String::new();
    for (name, budget) in FAULTS {
        place.write("net.budget.json", budget);
        let ran = place.run(&["check", "net.budget.json"]);
        assert_eq!(ran.code, 2, "{name}\n{}{}", ran.out, ran.err);
        assert!(!ran.err.contains("panicked"), "{name}\n{}", ran.err);
        // `update` reads the same files, and must not touch a wrong one.
        place.run(&["budget", "update", "net.budget.json"]);
        assert_eq!(place.read("net.budget.json"), *budget, "{name}");
        let _ = writeln!(text, "== {name}\n{}", ran.err.trim_end());
    }
    expect("faults.txt", &text);
}

#[test]
fn wrong_command_lines_are_told() {
    let place = Place::with(r#"{"metric": "macs", "max": "1 G"}"#);
    place.write("other.json", NET);
    place.write("lonely.budget.json", &place.read("net.budget.json"));
    place.write("lfs.json", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
    place.write("lfs.budget.json", &place.read("net.budget.json"));
    place.write("two.json", NET);
    place.write("two.onnx", "");
    place.write("two.budget.json", &place.read("net.budget.json"));
    place.write("old.json", "{\"schema_version\": 7, \"totals\": {}}");
    let mut text = String::new();
    for (args, code) in [
        (&["check", "other.json"][..], 2),
        (&["check", "gone.json"], 2),
        (&["check", "lonely.budget.json"], 2),
        (&["check", "two.budget.json"], 2),
        (&["check", "lfs.json"], 2),
        (&["check", "net.json", "--out", "budget.html"], 2),
        (&["check", "net.json", "other.json", "--budget", "net.budget.json"], 2),
        (&["check", "net.json", "--baseline", "net.json"], 2),
        (&["check", "net.json", "--baseline", "lfs.json"], 2),
        (&["check", "net.json", "--baseline", "old.json"], 2),
        (&["check", "net.json", "--baseline", "git:-x"], 2),
        (&["check", "net.json", "--baseline", "git:"], 2),
        (&["check", "net.json", "--baseline", "git:main"], 2),
        (&["analyze", "-", "--budget"], 2),
        (&["analyze", "other.json", "--budget"], 2),
        (&["budget", "init", "net.json"], 2),
        (&["budget", "init", "-"], 2),
        (&["budget", "init", "net.budget.json"], 2),
        (&["budget", "init", "other.json", "--out", "x.json"], 2),
        (&["budget", "init", "other.json", "--headroom", "5"], 2),
        (&["budget", "update", "net.json", "--headroom", "-5%"], 2),
    ] {
        let ran = place.run(args);
        assert_eq!(ran.code, code, "{args:?}\n{}{}", ran.out, ran.err);
        let _ = writeln!(text, "$ csp-profile {}\n{}", args.join(" "), ran.err.trim_end());
    }
    expect("command_line.txt", &text);
    let empty = Place::new();
    let ran = empty.run(&["check"]);
    assert_eq!((ran.code, ran.err.contains("no NAME.budget.json below this folder")), (2, true));
}

#[test]
fn a_million_layers_are_not_held_in_memory() {
    let place = Place::new();
    place.write(
        "net.json",
        r#"{"inputs": {"x": [4]}, "layers": [{"op": "linear", "out_features": 4}, {"op": "relu", "repeat": 250000}]}"#,
    );
    let check = |limit: &str| {
        place.write("net.budget.json", &format!("{{\"limits\": [{limit}]}}"));
        place.run(&["check"])
    };
    assert_eq!(check(r#"{"metric": "macs", "op": "linear", "equal": 16}"#).code, 0);
    let ran = check(r#"{"metric": "macs", "layers": "relu*", "max": 1}"#);
    let told = "limits on layers are for networks of at most 50,000 nodes, and this one has 250,002";
    assert_eq!((ran.code, ran.err.contains(told)), (2, true), "{}", ran.err);
}
