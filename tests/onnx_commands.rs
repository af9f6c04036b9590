//! Every command reads an ONNX model as it reads any other file: from its place, from standard input and from git.
#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

#[path = "common/onnx.rs"]
mod onnx;
#[path = "common/program.rs"]
mod program;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use onnx::model::Graph;
use onnx::writer::{File, encode, model, node, weight, zeros};
use program::said;

/// A convolution without a norm, or with weights of so many bytes beside it.
fn file(spare: i64) -> File {
    let graph = Graph::default()
        .input("x", &[1, 3, 8, 8])
        .output("y")
        .initializer(weight("w", &[8, 3, 3, 3]))
        .initializer(zeros("spare", &[spare / 4]))
        .node(node("Conv", &["x", "w"], &["y"]).named("/stem/conv").with("kernel_shape", vec![3, 3]));
    encode(&model(17, graph))
}

fn run(folder: &Path, args: &[&str], input: Option<&str>) -> Output {
    let input = input.map_or(Stdio::null(), |name| std::fs::File::open(folder.join(name)).unwrap().into());
    let mut command = Command::new(env!("CARGO_BIN_EXE_csp-profile"));
    command.args(["--color", "never"]).args(args).current_dir(folder).stdin(input).output().unwrap()
}

#[test]
fn every_command_reads_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("network.onnx"), file(400).to_vec()).unwrap();
    let json = ["analyze", "--format", "json"];
    let place = run(folder, &[&json[..], &["network.onnx"]].concat(), None);
    let stream = run(folder, &[&json[..], &["-"]].concat(), Some("network.onnx"));
    assert!(said(&place, 0).contains("\"macs\": 7776"));
    assert_eq!(place.stdout, stream.stdout, "from its place and from standard input");
    let compared = run(folder, &["compare", "--no-report", "network.onnx", "-"], Some("network.onnx"));
    assert!(said(&compared, 0).contains("MACs"));
    let swept = run(folder, &["sweep", "--set", "depth=1,2", "network.onnx"], None);
    assert!(said(&swept, 2).contains("an ONNX file has none"));
    let limits =
        r#"{"limits": [{"metric": "macs", "max": "7776"}, {"metric": "macs", "max_change": "+1 %"}]}"#;
    std::fs::write(folder.join("network.budget.json"), limits).unwrap();
    said(&run(folder, &["check", "--baseline", "none", "network.onnx"], None), 0);
    let git = |args: &[&str]| {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"];
        Command::new("git")
            .args(identity)
            .args(args)
            .current_dir(folder)
            .output()
            .is_ok_and(|out| out.status.success())
    };
    if git(&["init", "-q"]) && git(&["add", "."]) && git(&["commit", "-qm", "first"]) {
        said(&run(folder, &["check", "--baseline", "git:HEAD", "network.onnx"], None), 0);
    }
    said(&run(folder, &["convert", "network.onnx", "-o", "network.json"], None), 0);
    said(&run(folder, &["analyze", "--no-report", "network.json"], None), 0);
}

/// Weights are passed over where a file can be sought in; what must be in memory is told to be too large.
#[test]
fn large_files_are_read_from_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let large = file(70 << 20);
    large.write_sparse(&mut std::fs::File::create(folder.join("large.onnx")).unwrap()).unwrap();
    assert!(said(&run(folder, &["analyze", "--no-report", "large.onnx"], None), 0).contains("7,776"));
    for args in [&["analyze", "-"][..], &["sweep", "--batch", "2", "--set", "a=1", "large.onnx"]] {
        let output = run(folder, args, Some("large.onnx"));
        let said = said(&output, 2);
        assert!(said.contains("larger than 64 MiB") && said.contains("save it without them"), "{said}");
    }
}
