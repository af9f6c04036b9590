//! What the ONNX targets of `tests/fuzz` look for, on stable and within seconds: whatever the bytes, a network or
//! diagnostics come out.
//!
//! `FUZZ_SECONDS=1800 cargo test --release --test fuzz_onnx random` looks for longer; see `fuzz::search`.
#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

mod common;
#[path = "common/onnx.rs"]
mod onnx;

use common::fuzz;
use onnx::random::{Choices, file};
use onnx::writer::{encode, floats, ints, model, node, weight, zeros};

fn run(bytes: &[u8]) -> bool {
    fuzz::run("fuzz.onnx", bytes)
}

/// Small files, each byte of which means something.
fn seeds() -> Vec<Vec<u8>> {
    let conv = || {
        node("Conv", &["x", "w", "b"], &["c"])
            .named("/stage1/conv")
            .with("kernel_shape", vec![3, 3])
            .with("pads", vec![1, 1, 1, 1])
    };
    let graph = || {
        onnx::model::Graph::default()
            .input("x", &[1, 3, 8, 8])
            .output("y")
            .initializer(weight("w", &[8, 3, 3, 3]))
            .initializer(floats("b", &[8], &[0.5; 8]))
            .node(conv())
    };
    let plain = graph().node(node("Relu", &["c"], &["y"]));
    let reshaped = graph()
        .initializer(ints("zero", &[], &[0]))
        .initializer(ints("rest", &[1], &[-1]))
        .node(node("Shape", &["c"], &["s"]))
        .node(node("Gather", &["s", "zero"], &["n"]).with("axis", 0))
        .node(node("Unsqueeze", &["n"], &["u"]).with("axes", vec![0]))
        .node(node("Concat", &["u", "rest"], &["t"]).with("axis", 0))
        .node(node("Reshape", &["c", "t"], &["y"]));
    let gemm = graph()
        .initializer(weight("fc", &[10, 512]))
        .initializer(zeros("unused", &[300]))
        .node(node("Flatten", &["c"], &["f"]).with("axis", 1))
        .node(node("Gemm", &["f", "fc"], &["y"]).with("transB", 1).with("alpha", 1.0));
    [plain, reshaped, gemm].map(|graph| encode(&model(13, graph)).to_vec()).into()
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    fuzz::corpus(name).into_iter().map(|(_, bytes)| bytes).collect()
}

/// xorshift64*: the same bytes everywhere, and no crate for them.
fn random_bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes()[0]
    };
    (0..count).map(next).collect()
}

/// One file made of another: bytes changed, parts removed, doubled and exchanged.
fn mutated(choices: &mut Choices<'_>, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[choices.below(seeds.len())].clone();
    for _ in 0..=choices.below(3) {
        let at = choices.below(bytes.len() + 1);
        let end = (at + choices.below(40)).min(bytes.len());
        match choices.below(6) {
            0..=2 if at < bytes.len() => bytes[at] = choices.below(256).to_le_bytes()[0],
            3 => drop(bytes.drain(at..end)),
            4 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            _ => {
                let other = &seeds[choices.below(seeds.len())];
                let from = choices.below(other.len() + 1);
                let to = (from + choices.below(80)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
        }
    }
    bytes
}

#[test]
fn the_corpora_are_harmless() {
    let (files, choices) = (corpus("onnx_bytes"), corpus("onnx_model"));
    assert!(!files.is_empty() && !choices.is_empty());
    let made = choices.iter().map(|bytes| file(&mut Choices(bytes)));
    for bytes in files.into_iter().chain(made) {
        run(&bytes);
    }
}

#[test]
fn a_file_may_end_anywhere() {
    for bytes in seeds() {
        for end in 0..bytes.len() {
            run(&bytes[..end]);
        }
    }
}

/// Bytes of files changed: what the reader makes of what is no file.
#[test]
fn random_changes_are_harmless() {
    let seeds: Vec<_> = seeds().into_iter().chain(corpus("onnx_bytes")).collect();
    let change = |seed| mutated(&mut Choices(&random_bytes(seed, 120)), &seeds);
    let (networks, rounds) = fuzz::search("bytes.onnx", 2000, change);
    assert!(
        rounds < 1000 || networks * 100 > rounds,
        "only {networks} of {rounds} were networks: the changes are too wild"
    );
}

/// Models that look like real ones: what the import and the analyses make of what they say.
#[test]
fn random_models_are_harmless() {
    let make = |seed| file(&mut Choices(&random_bytes(seed, 1200)));
    let (networks, rounds) = fuzz::search("model.onnx", 2000, make);
    assert!(
        rounds < 1000 || networks * 20 > rounds,
        "only {networks} of {rounds} were networks: the models are too wild"
    );
}
