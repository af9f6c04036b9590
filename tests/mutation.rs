//! `measure` fails where a formula is wrong: a copy of the program with deliberate mistakes, one at a time.
//!
//! Needs the feature `exec`, and builds the program once more.
#![cfg(feature = "exec")]
#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// A mistake: its name, the file, what stands there, what would be wrong, and the check that must be off.
type Mistake = (&'static str, &'static str, &'static str, &'static str, &'static str);

const MISTAKES: &[Mistake] = &[
    (
        "groups_are_forgotten",
        "src/ops/conv2d.rs",
        "product(&[channels / self.groups, kh, kw])",
        "product(&[channels, kh, kw])",
        "macs",
    ),
    (
        "no_gradient_of_the_input",
        "src/ops/conv2d.rs",
        "Backward { grad_input_macs: macs, grad_weight_macs: macs, ..Backward::keeps(kept) }",
        "Backward { grad_input_macs: 0, grad_weight_macs: macs, ..Backward::keeps(kept) }",
        "macs_grad_input",
    ),
    (
        "half_a_gradient_of_the_matrix",
        "src/ops/linear.rs",
        "Backward { grad_input_macs: macs, grad_weight_macs: macs, ..Backward::keeps(Kept::INPUT) }",
        "Backward { grad_input_macs: macs, grad_weight_macs: macs / 2, ..Backward::keeps(Kept::INPUT) }",
        "macs_grad_weight",
    ),
    (
        "no_products",
        "src/ops/linear.rs",
        "Cost::products(outputs, features(io.inputs[0]))?.bias(self.bias, outputs)",
        "Cost { macs: 0, ..Cost::products(outputs, features(io.inputs[0]))? }.bias(self.bias, outputs)",
        "macs",
    ),
    ("another_kind", "src/ops/relu.rs", "&[(Kind::Max, 1)]", "&[(Kind::Compare, 1)]", "flops"),
    ("one_too_many", "src/ops/max_pool2d.rs", "(Kind::Max, taps - 1)", "(Kind::Max, taps)", "flops"),
    (
        "a_concat_that_costs_no_memory",
        "src/ops/concat.rs",
        "Storage::JoinOfInputs",
        "Storage::Alias",
        "memory",
    ),
    (
        "statistics_of_half_the_size",
        "src/ops/batch_norm.rs",
        "norm::Rows { count: input.channels(), length: 1 }.keeps(2, input.dtype)",
        "norm::Rows { count: input.channels(), length: 1 }.keeps(1, input.dtype)",
        "training_memory",
    ),
    (
        "half_of_what_it_takes",
        "src/ops/conv2d.rs",
        "convolution::workspace(io, self.windows(), self.padding, self.groups.get(), pass)",
        "convolution::workspace(io, self.windows(), self.padding, self.groups.get(), pass).map(|bytes| bytes / 2)",
        "workspace",
    ),
    (
        "gradients_of_what_nothing_reads",
        "src/analysis/memory/training.rs",
        "learning[id.index()] &= reached[id.index()]",
        "learning[id.index()] &= true",
        "training_memory",
    ),
    (
        "relu_keeps_its_input_too",
        "src/ops/relu.rs",
        "    fn minimal(&self) -> Kept {\n        Kept::OUTPUT\n",
        "    fn minimal(&self) -> Kept {\n        Kept::OUTPUT.and_bytes(4)\n",
        "training_memory",
    ),
    (
        "a_border_less",
        "src/ops/max_pool2d.rs",
        "one(input.reshaped([input.shape.axes()[0], input.channels(), height, width]))",
        "one(input.reshaped([input.shape.axes()[0], input.channels(), height, width - 1]))",
        "shapes",
    ),
    (
        "a_bias_that_is_not_there",
        "src/ops/conv2d.rs",
        "self.bias.then(|| Weight::new(\"bias\", [out], Role::Bias))",
        "Some(Weight::new(\"bias\", [out], Role::Bias))",
        "parameters",
    ),
    (
        "shared_tensors_count_twice",
        "src/analysis/cost.rs",
        "stored(tensors.iter().filter(|tensor| !tensor.shared))",
        "stored(tensors.iter())",
        "parameters",
    ),
    (
        "buffers_are_left_out_of_sums",
        "src/analysis/cost.rs",
        "add(&mut self.buffers, other.buffers)",
        "add(&mut self.buffers, 0)",
        "parameters",
    ),
    (
        "edges_without_multiplicity",
        "src/analysis/gradient/weight_graph.rs",
        "edges.push(Edge { vertex: producer, multiplicity })",
        "edges.push(Edge { vertex: producer, multiplicity: 1 })",
        "gradient_edges",
    ),
    (
        "paths_without_multiplicity",
        "src/analysis/gradient/paths.rs",
        "count += term * multiplicity",
        "count += term",
        "gradient_paths",
    ),
    (
        "features_in_other_places",
        "src/analysis/gradient/weight_graph.rs",
        "at += segment.channels",
        "at += segment.channels / 2",
        "gradient_sources",
    ),
    (
        "a_sum_of_gradients_is_a_copy",
        "src/analysis/gradient/copies.rs",
        "readers[index(operand)] == 1",
        "readers[index(operand)] > 0",
        "gradient_copies",
    ),
    (
        "no_copies",
        "src/analysis/gradient/copies.rs",
        "graph.tensor(operand).shape == graph.tensor(sum).shape",
        "graph.tensor(operand).shape != graph.tensor(sum).shape",
        "gradient_copies",
    ),
];

const NETWORK: &str = r#"{
  "inputs": {"image": [3, 20, 20]},
  "layers": [
    {"op": "conv2d", "out_channels": 8, "kernel": 3, "padding": 1},
    {"op": "batch_norm"},
    {"op": "relu", "name": "a"},
    {"op": "conv2d", "out_channels": 8, "kernel": 3, "padding": 1, "groups": 4, "name": "b"},
    {"op": "concat", "inputs": ["a", "b"]},
    {"op": "max_pool2d", "kernel": 2, "name": "x"},
    {"op": "conv2d", "out_channels": 16, "kernel": 1, "bias": false, "name": "c"},
    {"op": "add", "inputs": ["x", "c"]},
    {"op": "conv2d", "out_channels": 16, "kernel": 1, "bias": false, "share": "c", "name": "d"},
    {"op": "add", "inputs": ["d", "d"]},
    {"op": "flatten"},
    {"op": "linear", "out_features": 5},
    {"op": "relu", "inputs": "x", "name": "unread"}
  ],
  "outputs": ["linear"]
}
"#;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What the copy's program is called.
const MUTATED: &str = "csp-profile-mutated";

/// A copy of the program in which the environment chooses a mistake.
fn build(folder: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["src", "architectures", "benches", "examples"] {
        if root.join(name).is_dir() {
            copy(&root.join(name), &folder.join(name));
        }
    }
    // Under a version and a name of its own, or the same target folder would take it for the program.
    let package = concat!("name = \"csp-profile\"\nversion = \"", env!("CARGO_PKG_VERSION"), "\"\n");
    let bin = "[[bin]]\nname = \"csp-profile\"\n";
    for (file, what) in
        [("Cargo.toml", &[package, bin, "default-run = \"csp-profile\"\n"][..]), ("Cargo.lock", &[package])]
    {
        let mut text = std::fs::read_to_string(root.join(file)).unwrap();
        for old in what {
            assert!(text.contains(old), "{file} has changed, and so must this test: {old}");
            let new = old.replace(env!("CARGO_PKG_VERSION"), "0.0.0");
            let new = if *old == package { new } else { new.replace("csp-profile", MUTATED) };
            text = text.replacen(old, &new, 1);
        }
        std::fs::write(folder.join(file), text).unwrap();
    }
    for (name, file, right, wrong, _) in MISTAKES {
        let path = folder.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(right), "{name}: {file} has changed, and so must this test");
        let choose = |right: &str, wrong: &str| {
            format!(
                "(if std::env::var(\"MISTAKE\").as_deref() == Ok(\"{name}\") {{ {wrong} }} else {{ {right} }})"
            )
        };
        // Whole lines: what both have in common stays outside of the choice.
        let common = right.bytes().zip(wrong.bytes()).take_while(|(a, b)| a == b).count();
        let start = right[..common].rfind('\n').map_or(0, |line| line + 1);
        let (before, right) = right.split_at(start);
        let (right, after) = right.split_at(right.trim_end().len());
        let wrong = wrong[start..].trim_end();
        let changed = format!("{before}{}{after}", choose(right, wrong));
        let old = format!("{before}{right}{after}");
        std::fs::write(&path, text.replacen(&old, &changed, 1)).unwrap();
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let built = Command::new(env!("CARGO"))
        .current_dir(folder)
        .args(["build", "--locked", "--quiet", "--features", "exec", "--bin", MUTATED])
        .env("CARGO_TARGET_DIR", target)
        .env("RUSTFLAGS", std::env::var("RUSTFLAGS").unwrap_or_default())
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    // The build's own name may be taken by the next build.
    let program = folder.join("csp-profile");
    std::fs::copy(target.join("debug").join(MUTATED), &program).unwrap();
    program
}

#[test]
fn every_mistake_is_found_by_the_check_that_is_there_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let program = build(folder.path());
    let network = folder.path().join("network.json");
    std::fs::write(&network, NETWORK).unwrap();
    let measure = |mistake: &str| {
        Command::new(&program)
            .env("MISTAKE", mistake)
            .arg("measure")
            .arg(&network)
            .args(["--format", "json", "--samples", "3", "--warm-up", "0", "--no-report"])
            .output()
            .unwrap()
    };
    let control = measure("");
    assert!(control.status.success(), "{}", String::from_utf8_lossy(&control.stderr));
    for (name, _, _, _, check) in MISTAKES {
        let found = measure(name);
        assert_eq!(found.status.code(), Some(1), "{name}: {}", String::from_utf8_lossy(&found.stderr));
        let report: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
        let checks = report["measurement"]["checks"].as_array().unwrap();
        let verdict = checks.iter().find(|one| one["name"] == *check).map(|one| one["verdict"].clone());
        assert_eq!(verdict, Some("off".into()), "{name}: {checks:#?}");
    }
}
