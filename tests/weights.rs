//! `measure --weights`: the values of an ONNX file, in it or beside it, are those that run; what lacks them is refused.
#![cfg(feature = "exec")]
#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

#[path = "common/onnx.rs"]
mod onnx;
#[path = "common/program.rs"]
mod program;

use std::path::Path;
use std::process::{Command, Output};

use candle_core::{DType, Device, Tensor};
use csp_profile::analysis::schedule::Schedule;
use csp_profile::executor::Network;
use csp_profile::frontend::values::{Reading, Values, read};
use csp_profile::frontend::{self, LoadOptions, Loaded};

use onnx::model::{Data, Graph, Tensor as Stored};
use onnx::writer::{Style, encode_as, floats, model, node, weight};
use program::said;

/// Rows and columns of the matrix: more than a kibibyte, so that it is passed over when the file is read.
const SIZES: [usize; 2] = [24, 16];

fn numbers() -> Vec<f32> {
    (0u8..7).cycle().take(SIZES[0] * SIZES[1]).map(|index| f32::from(index) - 2.5).collect()
}

/// `y = x · w`, with `w` as it is given.
fn write(folder: &Path, style: Style, w: Stored) {
    let graph = Graph::default()
        .input("x", &[2, 24])
        .output("y")
        .initializer(w)
        .node(node("MatMul", &["x", "w"], &["y"]).named("product"));
    std::fs::write(folder.join("net.onnx"), encode_as(&model(17, graph), style).to_vec()).unwrap();
}

fn beside(location: &str, offset: u64, length: Option<u64>) -> Stored {
    Stored { data: Data::External { location: location.into(), offset, length }, ..weight("w", &[24, 16]) }
}

fn bytes() -> Vec<u8> {
    numbers().iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn loaded(path: &Path) -> (Loaded, Values) {
    let options = LoadOptions { values: true, ..LoadOptions::default() };
    let (mut sources, mut sink) = Default::default();
    let loaded = frontend::load(path, &options, &mut sources, &mut sink).unwrap().unwrap();
    let reading = Reading { path: "net.onnx", seed: None, most: 1 << 20, device: &Device::Cpu };
    let mut file = std::fs::File::open(path).unwrap();
    let mut open = |below: &str| frontend::open_beside(path, below);
    let values = read(&mut file, &mut open, loaded.sources.as_ref().unwrap(), reading).unwrap();
    (loaded, values)
}

/// Runs the file's network on ones: the sums of the matrix's columns.
#[track_caller]
fn runs_with_the_numbers(folder: &Path) {
    let (loaded, values) = loaded(&folder.join("net.onnx"));
    let graph = &loaded.graph;
    let network = Network::new(graph, &Device::Cpu, &mut |id, one| {
        values.get(id, one.weight.name).cloned().map_err(csp_profile::ops::execute::Fault::unrunnable)
    });
    let x = Tensor::ones((2, SIZES[0]), DType::F32, &Device::Cpu).unwrap();
    let y = network.unwrap().evaluate(&Schedule::as_written(graph), vec![x], &mut ()).unwrap();
    let numbers = numbers();
    let sums = |column: usize| numbers.iter().skip(column).step_by(SIZES[1]).sum::<f32>();
    let expected: Vec<f32> = (0..SIZES[1]).map(sums).collect();
    assert_eq!(y[0].to_vec2::<f32>().unwrap(), [expected.clone(), expected]);
}

fn measure(folder: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_csp-profile"));
    command.current_dir(folder).args([
        "--color",
        "never",
        "measure",
        "net.onnx",
        "--samples",
        "0",
        "--no-report",
    ]);
    command.args(more).output().unwrap()
}

#[test]
fn values_in_the_file_are_those_that_run() {
    let folder = tempfile::tempdir().unwrap();
    for style in [Style::Raw, Style::Packed, Style::Unpacked] {
        write(folder.path(), style, floats("w", &[24, 16], &numbers()));
        runs_with_the_numbers(folder.path());
    }
    said(&measure(folder.path(), &["--weights"]), 0);
}

#[test]
fn values_beside_the_file_are_those_that_run() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let file = [&[0; 64][..], &bytes()].concat();
    std::fs::write(folder.path().join("data/w.bin"), file).unwrap();
    write(folder.path(), Style::Raw, beside("data/w.bin", 64, Some(1536)));
    runs_with_the_numbers(folder.path());
    write(folder.path(), Style::Raw, beside("data/w.bin", 64, None));
    runs_with_the_numbers(folder.path());
    said(&measure(folder.path(), &["--weights"]), 0);
}

#[test]
fn what_lacks_values_is_refused_or_drawn() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), Style::Raw, weight("w", &[24, 16]));
    let refused = said(&measure(folder.path(), &["--weights"]), 2);
    assert!(refused.contains("the stored tensor `w`") && refused.contains("no values"), "{refused}");
    said(&measure(folder.path(), &[]), 0);
    write(folder.path(), Style::Raw, beside("w.bin", 0, None));
    let refused = said(&measure(folder.path(), &["--weights"]), 2);
    assert!(refused.contains("`w.bin`") && refused.contains("no such file"), "{refused}");
    said(&measure(folder.path(), &[]), 0);
}

#[test]
fn values_of_another_length_or_place_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let refused = |what: Stored, why: &str| {
        write(folder, Style::Raw, what);
        for more in [&["--weights"][..], &[]] {
            let refused = said(&measure(folder, more), 2);
            assert!(refused.contains(why) && refused.contains("`w`"), "{why}: {refused}");
        }
    };
    std::fs::write(folder.join("w.bin"), bytes()).unwrap();
    refused(floats("w", &[24, 16], &numbers()[1..]), "1,532 bytes");
    refused(beside("w.bin", 0, Some(1532)), "1,532 bytes");
    refused(beside("w.bin", 4, None), "which has 1,536");
    refused(beside("../w.bin", 0, None), "`../w.bin`");
    refused(beside("/etc/hostname", 0, None), "/etc/hostname");
}
