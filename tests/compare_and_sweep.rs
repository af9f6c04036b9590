//! `compare` and `sweep`, as a user runs them.

#![expect(clippy::unwrap_used, reason = "a test's helpers are tests")]

use std::process::{Command, Output};

use serde_json::Value;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

/// Runs the binary on files of `architectures/`; it writes none.
fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_csp-profile"))
        .current_dir(format!("{FOLDER}/architectures"))
        .args(arguments)
        .arg("--no-report")
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn json(arguments: &[&str]) -> Value {
    let output = run(arguments);
    assert_eq!((code(&output), err(&output)), (0, String::new()), "{arguments:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Standard output, which must be a table that fits a terminal.
fn table(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!((code(&output), err(&output)), (0, String::new()), "{arguments:?}");
    let text = out(&output);
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{arguments:?}: {line}");
        assert_eq!(line, line.trim_end(), "{arguments:?}");
    }
    text
}

fn total<'a>(comparison: &'a Value, metric: &str) -> &'a Value {
    let rows = comparison["totals"].as_array().unwrap();
    rows.iter().find(|row| row["metric"] == metric).unwrap()
}

#[test]
fn without_fusion_csp_densenet_is_densenet() {
    let same = ["compare", "densenet121.json", "csp_densenet121.json:fusion=none", "--fail-on-difference"];
    let comparison = json(&[&same[..], &["--format", "json"]].concat());
    assert_eq!(comparison["same"], true);
    let layers = &comparison["layers"][0];
    for kind in ["changed", "added", "removed"] {
        assert_eq!(layers[kind], 0, "{kind}");
    }
    assert!(table(&same).contains(" 0 changed, 0 added, 0 removed"));
    let other = run(&["compare", "densenet121.json", "csp_densenet121.json", "--fail-on-difference"]);
    assert_eq!(code(&other), 1);
}

#[test]
fn changes_are_named() {
    let comparison = json(&["compare", "csp_resnext50.json", "darknet_resnext50.json", "--format", "json"]);
    let macs = total(&comparison, "macs");
    let values: Vec<i64> = macs["values"].as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect();
    assert_eq!(values[0], 3_964_616_704);
    let growth = macs["growth"][1].as_f64().unwrap();
    #[expect(clippy::cast_precision_loss, reason = "compared with a float")]
    let expected = (values[1] - values[0]) as f64 / values[0] as f64;
    assert!((growth - expected).abs() < 1e-12);
    let names: Vec<&Value> =
        comparison["stages"].as_array().unwrap().iter().map(|stage| &stage["names"]).collect();
    assert!(names.contains(&&serde_json::json!(["stage3", "stage3"])));
    let layers = &comparison["layers"][0];
    let differences = layers["differences"].as_array().unwrap();
    for kind in ["changed", "added", "removed", "renamed"] {
        let count = differences.iter().filter(|difference| difference["kind"] == kind).count();
        assert_eq!(layers[kind], count, "{kind}");
    }
}

#[test]
fn one_parameter_changes_attributes_only() {
    let comparison =
        json(&["compare", "densenet121.json", "densenet121.json:growth_rate=48", "--format", "json"]);
    let layers = &comparison["layers"][0];
    assert_eq!((&layers["added"], &layers["removed"], &layers["renamed"]), (&0.into(), &0.into(), &0.into()));
    let differences = layers["differences"].as_array().unwrap();
    let name = "dense1/dense_block/layer[2]/conv2/conv2d";
    let layer = differences.iter().find(|difference| difference["after"]["name"] == name).unwrap();
    let change = serde_json::json!({"attribute": "out_channels", "before": "32", "after": "48"});
    assert!(layer["changes"].as_array().unwrap().contains(&change), "{layer}");
}

#[test]
fn common_and_own_parameters() {
    let comparison = json(&[
        "compare",
        "csp_densenet121.json",
        "csp_densenet121.json:fusion=last",
        "--set",
        "gamma=0.25",
        "--set",
        "fusion=first",
        "--batch",
        "2",
        "--format",
        "json",
    ]);
    for (index, fusion) in ["first", "last"].iter().enumerate() {
        let architecture = &comparison["architectures"][index];
        assert_eq!(architecture["parameters"]["gamma"], "0.25");
        assert_eq!(architecture["parameters"]["fusion"], *fusion);
        assert_eq!(architecture["batch"], 2);
    }
}

#[test]
fn comparisons_fit_a_terminal() {
    let nets = ["csp_densenet121.json:fusion=none", "csp_densenet121.json", "densenet201.json", "vgg16.json"];
    for count in 2..=4 {
        let text = table(&[&["compare"], &nets[..count]].concat());
        assert!(text.contains("Totals") && text.contains("MACs"), "{text}");
    }
    for part in ["total", "stage", "layer"] {
        table(&["compare", nets[1], nets[2], "--by", part]);
    }
    table(&["compare", "vgg16.json", "efficientnet_b0.json"]);
    let many: Vec<&str> = [&["compare"][..], &nets, &nets].concat();
    table(&many);
}

#[test]
fn comparisons_as_csv_and_markdown() {
    let nets = ["compare", "csp_resnext50.json", "darknet_resnet50.json"];
    for (part, first) in [("total", "figure"), ("stage", "stage"), ("layer", "network")] {
        let output = run(&[&nets[..], &["--format", "csv", "--by", part]].concat());
        let mut reader = csv::Reader::from_reader(&output.stdout[..]);
        assert_eq!(reader.headers().unwrap().get(0), Some(first));
        assert!(reader.records().map(Result::unwrap).count() > 5);
    }
    let text = out(&run(&[&nets[..], &["--format", "markdown"]].concat()));
    assert!(text.starts_with("### Networks") && text.contains("| MACs |"), "{text}");
}

#[test]
fn wrong_comparisons() {
    for (arguments, message) in [
        (&["compare", "vgg16.json"][..], "one network cannot be compared"),
        (&["compare", "vgg16.json", "no.json:gamma=1"], "there is no file `no.json`"),
        (&["compare", "vgg16.json", "csp_densenet121.json:gama=1"], "has no parameter `gama`"),
        (&["compare", "-", "-"], "standard input can be read once"),
    ] {
        let output = run(arguments);
        assert_eq!((code(&output), out(&output)), (2, String::new()), "{arguments:?}");
        assert!(err(&output).contains(message), "{}", err(&output));
    }
}

const SWEEP: [&str; 8] = [
    "sweep",
    "csp_densenet121.json",
    "--set",
    "gamma=0.25,0.5,1.5",
    "--set",
    "fusion=csp,last",
    "--align",
    "8",
];

#[test]
fn a_sweep_goes_past_what_is_no_network() {
    let sweep = json(&[&SWEEP[..], &["--format", "json", "--metric", "conventions.thop"]].concat());
    let points = sweep["points"].as_array().unwrap();
    let combinations: Vec<(&str, &str)> = points
        .iter()
        .map(|point| &point["parameters"])
        .map(|set| (set["gamma"].as_str().unwrap(), set["fusion"].as_str().unwrap()))
        .collect();
    let expected =
        [("0.25", "csp"), ("0.25", "last"), ("0.5", "csp"), ("0.5", "last"), ("1.5", "csp"), ("1.5", "last")];
    assert_eq!(combinations, expected);
    // The figures that the file says were counted independently.
    assert_eq!(points[0]["figures"]["macs"], 3_338_330_112u64);
    assert_eq!(points[2]["figures"]["parameters.total"], 9_621_032);
    assert_eq!(points[3]["figures"]["macs"], 2_572_354_497u64);
    assert!(points[0]["figures"]["conventions.thop"].is_u64());
    assert_eq!(points[2]["alignment"]["wasted_macs"], 0);
    assert!(points[3]["alignment"]["wasted_macs"].as_u64().unwrap() > 0);
    assert_eq!(points[4]["error"], "`gamma` must be at most 1, but is 1.5");
    assert!(points[4].get("figures").is_none());
}

#[test]
fn sweeps_fit_a_terminal_and_repeat() {
    let text = table(&SWEEP);
    assert!(text.contains("4 combinations") && text.contains("2 combinations are no network"), "{text}");
    assert_eq!(text, table(&SWEEP));
    let text = table(&[
        "sweep",
        "csp_peleenet.json",
        "--set",
        "gamma=0.25,0.5,0.75",
        "--set",
        "fusion=csp,last",
        "--metric",
        "conventions.cspnet_paper_parameters",
        "--metric",
        "weight_bytes",
    ]);
    assert!(text.contains("top1") && text.contains("71.5"), "{text}");
}

#[test]
fn sweeps_as_csv_and_markdown() {
    let output = run(&[&SWEEP[..], &["--format", "csv"]].concat());
    let mut reader = csv::Reader::from_reader(&output.stdout[..]);
    let headers = reader.headers().unwrap().clone();
    assert_eq!(
        (&headers[0], &headers[2], &headers[headers.len() - 1]),
        ("gamma", "parameters.total", "error")
    );
    assert_eq!(reader.records().map(Result::unwrap).count(), 6);
    let text = out(&run(&[&SWEEP[..], &["--format", "markdown"]].concat()));
    assert!(text.contains("| gamma | fusion | params |"), "{text}");
}

#[test]
fn wrong_sweeps() {
    let file = "csp_densenet121.json";
    for (arguments, message) in [
        (&["sweep", file, "--set", "gama=1,2"][..], "the file has no parameter `gama`"),
        (&["sweep", file, "--set", "gamma=2,3"], "no combination is a network"),
        (
            &["sweep", file, "--set", "growth_rate=1..1000", "--set", "classes=1..1000"],
            "1000 × 1000 combinations",
        ),
        (&["sweep", file, "--set", "growth_rate=1..1000000000"], "more than 100000 values"),
        (&["sweep", file, "--set", "gamma=0.1", "--set", "gamma=0.2"], "`gamma` is set twice"),
        (&["sweep", file, "--set", "growth_rate=9..1"], "does not lead from 9 to 1"),
        (&["sweep", file, "--metric", "mac"], "did you mean `macs`?"),
        (&["sweep", "no.json", "--set", "gamma=1"], "there is no file `no.json`"),
    ] {
        let output = run(arguments);
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert!(err(&output).contains(message), "{arguments:?}: {}", err(&output));
    }
}
