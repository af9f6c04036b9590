//! Predicted times: from profiles of onnxruntime into a device file, and from that file into reports and budgets.
#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

#[path = "common/program.rs"]
mod program;

use std::path::Path;
use std::process::{Command, Output};

use csp_profile::analysis::kernels::kernels;
use csp_profile::analysis::prediction::running;
use csp_profile::analysis::prediction::work::Works;
use csp_profile::frontend::{self, LoadOptions};
use program::said;

const NETS: [&str; 8] = [
    "cspdarknet53",
    "cspresnext50",
    "densenet121",
    "efficientnet_b0",
    "mobilenet_v2",
    "resnet50",
    "vit_b_16",
    "vovnet39a",
];

fn run(args: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_csp-profile"));
    command.args(["--color", "never"]).args(args).current_dir(folder).output().unwrap()
}

fn model(name: &str) -> String {
    format!("{}/tests/conformance/{name}.onnx", env!("CARGO_MANIFEST_DIR"))
}

/// A profile as onnxruntime would write it of a machine with a rate for each sort of work. What our kernels join runs
/// as one, and is named after the last of it.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn profile(name: &str) -> String {
    let (mut sources, mut sink) = Default::default();
    let loaded = frontend::load(Path::new(&model(name)), &LoadOptions::default(), &mut sources, &mut sink);
    let graph = loaded.unwrap().unwrap().graph;
    let (kernels, works) = (kernels(&graph).unwrap(), Works::new(&graph));
    let mut times = vec![0.0; graph.len()];
    let mut last = vec![None; graph.len()];
    for id in running(&graph).unwrap() {
        let anchor = kernels.kernel[id.index()];
        last[anchor.index()] = Some(id);
        if anchor == id {
            let work = works.of(id).unwrap();
            let depthwise = if work.channels == 1 && work.macs > 0 { 4.0 } else { 1.0 };
            times[id.index()] = 3_000.0
                + depthwise * work.macs as f64 / 20.0
                + (work.input_bytes + work.output_bytes + work.stored_bytes) as f64 / 10.0;
        }
    }
    let mut events = Vec::new();
    for run in 0..3 {
        let mut at = 1_000_000.0 * f64::from(run);
        let start = at;
        for (anchor, last) in last.iter().enumerate() {
            let Some(last) = last else { continue };
            let node = graph.node(*last);
            let shape = node.outputs[0].shape.axes();
            // A change of layout before every tenth kernel, which is named after no node.
            for (event, share) in [("Reorder", if anchor % 10 == 0 { 0.05 } else { 0.0 }), ("", 0.95)] {
                let name = if event.is_empty() {
                    format!("{}_output_0_nchwc", node.origin.onnx_name.as_deref().unwrap())
                } else {
                    format!("{event}_{anchor}")
                };
                let duration = times[anchor] / 1e3 * share;
                if duration > 0.0 {
                    events.push(serde_json::json!({
                        "cat": "Node", "name": format!("{name}_kernel_time"), "ts": at, "dur": duration,
                        "args": {"op_name": "x", "output_type_shape": [{"float": shape}]},
                    }));
                }
                at += duration;
            }
        }
        let whole = (at - start) * 1.03;
        events.push(serde_json::json!({"cat": "Session", "name": "model_run", "ts": start, "dur": whole}));
    }
    serde_json::Value::Array(events).to_string()
}

/// A device file from the profiles of all networks, and what was said when it was written.
fn calibrated(folder: &Path) -> String {
    let pairs = NETS.map(|name| {
        std::fs::write(folder.join(format!("{name}.json")), profile(name)).unwrap();
        format!("{}={name}.json", model(name))
    });
    let mut args = vec!["calibrate", "--out", "ort.json", "--from"];
    args.extend(pairs.iter().map(String::as_str));
    said(&run(&args, folder), 0)
}

#[test]
fn profiles_become_a_device_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let said_first = calibrated(folder);
    // The rates are simple, so a network is met from the others, but for kinds that it alone has.
    assert!(said_first.contains("within ±5 %: 2 of 2"), "{said_first}");
    assert!(said_first.contains("cspresnext50 alone has conv2d"), "{said_first}");
    assert!(
        said_first.contains("conv2d depthwise") && said_first.contains("batch_norm in conv2d"),
        "{said_first}"
    );
    let before = std::fs::read(folder.join("ort.json")).unwrap();
    let again = run(&["calibrate", "--out", "ort.json", "--from", "a=b", "c=d"], folder);
    assert!(said(&again, 3).contains("`ort.json` exists already"));
    assert_eq!(std::fs::read(folder.join("ort.json")).unwrap(), before);

    let resnet = format!("{}/architectures/resnet18.json", env!("CARGO_MANIFEST_DIR"));
    let table = said(&run(&["analyze", "--no-report", &resnet, "--device", "ort.json"], folder), 0);
    assert!(table.contains("Predicted time on onnxruntime"), "{table}");
    let json = run(&["analyze", &resnet, "--device", "ort.json", "--format", "json"], folder);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let prediction = &report["prediction"];
    let sum: f64 =
        prediction["nodes"].as_array().unwrap().iter().map(|node| node["forward_ns"].as_f64().unwrap()).sum();
    let whole = prediction["forward_ns"].as_f64().unwrap();
    assert!((sum / whole - 1.0).abs() < 1e-9);
    assert_eq!((&prediction["at_least"], &prediction["threads"]), (&false.into(), &1.into()));
    // 1.8 GMACs at 20 a nanosecond, and 3 % between kernels.
    assert!((90e6..130e6).contains(&whole), "{whole}");
    // Another element type was not timed.
    let half = run(&["analyze", "--no-report", &resnet, "--device", "ort.json", "--dtype", "f16"], folder);
    assert!(said(&half, 2).contains("no peak for f16"));
}

#[test]
fn a_device_file_that_was_damaged_is_told_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    calibrated(folder);
    let whole: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("ort.json")).unwrap()).unwrap();
    let net = format!("{}/architectures/resnet18.json", env!("CARGO_MANIFEST_DIR"));
    let told = |device: &serde_json::Value| {
        std::fs::write(folder.join("damaged.json"), device.to_string()).unwrap();
        said(&run(&["analyze", "--no-report", &net, "--device", "damaged.json"], folder), 2)
    };
    let keys =
        ["library", "threads", "dtype", "unit", "networks", "date", "whole_over_sum", "columns", "kinds"];
    for key in keys {
        let mut device = whole.clone();
        device["latency"].as_object_mut().unwrap().remove(key);
        let message = told(&device);
        assert!(message.contains(&format!("`latency` needs `{key}`")), "{key}: {message}");
        device["latency"][key] = serde_json::json!({});
        assert!(told(&device).contains(&format!("`{key}` ")), "{key}");
    }
    for key in ["name", "factors", "weights", "samples", "length", "error"] {
        let mut device = whole.clone();
        device["latency"]["kinds"][0][key] = serde_json::json!([[1, 2, -3]]);
        let message = told(&device);
        assert!(message.contains(&format!("`{key}` must")), "{key}: {message}");
    }
    // Numbers that no machine measured are numbers all the same.
    let mut huge = whole.clone();
    for kind in huge["latency"]["kinds"].as_array_mut().unwrap() {
        for row in kind["samples"].as_array_mut().unwrap() {
            for number in row.as_array_mut().unwrap().iter_mut().rev().skip(1) {
                *number = u64::MAX.into();
            }
        }
    }
    std::fs::write(folder.join("damaged.json"), huge.to_string()).unwrap();
    said(&run(&["analyze", "--no-report", &net, "--device", "damaged.json"], folder), 0);
    let mut other = whole.clone();
    other["latency"]["columns"][0] = "images".into();
    assert!(told(&other).contains("not those of this program's version"));
}

#[test]
fn budgets_hold_predicted_times() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    calibrated(folder);
    let net = r#"{"inputs": {"x": [3, 64, 64]}, "layers": [
        {"name": "conv", "op": "conv2d", "out_channels": 64, "kernel": 3}, {"name": "act", "op": "relu"}]}"#;
    std::fs::write(folder.join("net.json"), net).unwrap();
    let check = |limit: &str, args: &[&str]| {
        std::fs::write(folder.join("net.budget.json"), format!(r#"{{"limits": [{limit}]}}"#)).unwrap();
        run(&[&["check", "net.json"], args].concat(), folder)
    };
    let device = ["--device", "ort.json"];
    let whole = |max: &str| format!(r#"{{"metric": "prediction.forward_ns", "max": "{max}"}}"#);
    said(&check(&whole("100 ms"), &device), 0);
    assert!(said(&check(&whole("1 µs"), &device), 1).contains("over its limit"));
    let layer = r#"{"metric": "prediction.forward_ns", "layers": "conv", "max": "1 µs"}"#;
    assert!(said(&check(layer, &device), 1).contains("over its limit"));
    let without = said(&check(&whole("100 ms"), &[]), 2);
    assert!(without.contains("was not predicted") && without.contains("--device"), "{without}");
    // A kind that no profile had makes the time a lower bound, which no maximum can hold.
    std::fs::write(folder.join("net.json"), net.replace(r#""relu""#, r#""channel_shuffle", "groups": 2"#))
        .unwrap();
    let unknown = said(&check(&whole("100 ms"), &device), 1);
    assert!(unknown.contains("channel_shuffle"), "{unknown}");
    let table = said(&run(&["analyze", "--no-report", "net.json", "--device", "ort.json"], folder), 0);
    assert!(table.contains("at least") && table.contains("not calibrated"), "{table}");
}

#[test]
fn profiles_of_something_else_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let two = |first: &str| {
        std::fs::write(folder.join("a.json"), first).unwrap();
        std::fs::write(folder.join("b.json"), profile("resnet50")).unwrap();
        let (a, b) = (format!("{}=a.json", model("mobilenet_v2")), format!("{}=b.json", model("resnet50")));
        run(&["calibrate", "--out", "x.json", "--from", &a, &b], folder)
    };
    assert!(said(&two("{"), 2).contains("it is not a profile of onnxruntime"));
    // Another network's nodes have other names.
    assert!(said(&two(&profile("vit_b_16")), 2).contains("named after no node of the model"));
    let mut larger = profile("mobilenet_v2");
    for side in [2, 4, 8, 16, 32] {
        larger = larger.replace(&format!(",{side},{side}]"), &format!(",{},{}]", side + 1, side + 1));
    }
    let told = said(&two(&larger), 2);
    assert!(
        told.contains("33x33 there, and makes") && told.contains("32x32 as the model is read here"),
        "{told}"
    );
    let one = format!("{}=b.json", model("resnet50"));
    assert!(
        said(&run(&["calibrate", "--out", "x.json", "--from", &one], folder), 2).contains("at least two")
    );
    assert!(
        said(&run(&["calibrate", "--out", "x.json", "--from", "x"], folder), 2).contains("MODEL=PROFILE")
    );
    assert!(!folder.join("x.json").exists());
}

#[cfg(feature = "exec")]
#[test]
fn a_machine_is_calibrated_and_measured() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let args = ["calibrate", "--out", "here.json", "--seconds", "20", "--largest", "2", "--name", "here"];
    let written = said(&run(&args, folder), 0);
    assert!(written.contains("Calibration of here") && written.contains("conv2d pointwise"), "{written}");
    let net = r#"{"inputs": {"x": [8, 16, 16]}, "layers": [
        {"op": "conv2d", "out_channels": 16, "kernel": 1}, {"op": "relu"}]}"#;
    std::fs::write(folder.join("net.json"), net).unwrap();
    let measure = ["measure", "net.json", "--samples", "5", "--no-training", "--predict", "here.json"];
    let json = run(&[&measure[..], &["--format", "json"]].concat(), folder);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let predicted = report["prediction"]["forward_ns"].as_f64().unwrap();
    let measured = report["measurement"]["time"]["forward"]["median_ns"].as_f64().unwrap();
    assert!((report["prediction"]["error"].as_f64().unwrap() - (predicted / measured - 1.0)).abs() < 1e-9);
    let table = said(&run(&[&measure[..], &["--no-report"]].concat(), folder), 0);
    assert!(
        table.contains("| error") || table.lines().any(|line| line.trim_start().starts_with("error")),
        "{table}"
    );
}
