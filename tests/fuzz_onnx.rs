//! What the ONNX targets of `tests/fuzz` look for, on stable and within seconds: whatever the bytes, a network or
//! diagnostics come out.
//!
//! `FUZZ_ROUNDS=1000000 cargo test --release --test fuzz_onnx` looks for longer; a seed is printed with what it finds,
//! and `FUZZ_FIRST=SEED` begins there.
#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

#[path = "common/onnx.rs"]
mod onnx;

use std::path::Path;
use std::time::{Duration, Instant};

use csp_profile::analysis::analyze;
use csp_profile::diagnostic::Sink;
use csp_profile::frontend::{LoadOptions, load_bytes};
use csp_profile::report::diagnostics::render;
use csp_profile::source::SourceMap;
use onnx::random::{Choices, file};
use onnx::writer::{encode, floats, ints, model, node, weight, zeros};

/// What the fuzz targets do. Whether a network came out.
fn run(bytes: &[u8]) -> bool {
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let options = LoadOptions::default();
    let loaded = load_bytes("fuzz.onnx", "fuzz", bytes.to_vec(), &options, &mut sources, &mut sink);
    assert_ne!(loaded.is_some(), sink.has_errors(), "a network or a reason: {:?}", sink.diagnostics());
    sink.diagnostics().iter().take(3).for_each(|diagnostic| drop(render(diagnostic, &sources)));
    if let Some(loaded) = &loaded {
        // An overflow of a sum is an answer too.
        drop(analyze(&loaded.graph));
    }
    loaded.is_some()
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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
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

#[test]
fn random_models_and_changes_are_harmless() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("FUZZ_FIRST").unwrap_or(1);
    let rounds = number("FUZZ_ROUNDS").unwrap_or(2000);
    let seeds: Vec<_> = seeds().into_iter().chain(corpus("onnx_bytes")).collect();
    let mut networks = 0;
    for seed in first..first + rounds {
        let bytes = random_bytes(seed, 1200);
        let bytes = match seed % 3 {
            0 => mutated(&mut Choices(&bytes), &seeds),
            _ => file(&mut Choices(&bytes)),
        };
        let start = Instant::now();
        let outcome = std::panic::catch_unwind(|| run(&bytes));
        // A hang is found by hand: what takes long is only named.
        if start.elapsed() > Duration::from_millis(500) {
            println!("seed {seed} took {:?}", start.elapsed());
        }
        match outcome {
            Ok(network) => networks += u64::from(network),
            Err(_) => panic!("seed {seed}: {} bytes", bytes.len()),
        }
    }
    println!("{networks} of {rounds} were networks");
}
