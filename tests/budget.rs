//! Budgets as people and CI use them: the command in folders of its own.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test tells what it skips, and may fail")]

#[path = "budget/baselines.rs"]
mod baselines;
#[path = "budget/faults.rs"]
mod faults;
#[path = "budget/files.rs"]
mod files;
#[path = "budget/formats.rs"]
mod formats;
#[path = "budget/limits.rs"]
mod limits;
#[path = "budget/measured.rs"]
mod measured;
#[path = "budget/schema.rs"]
mod schema;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A network of a few layers: 3·8·9 + 8·8·9 weights.
const NET: &str = r#"{
  "parameters": {"width": 8},
  "inputs": {"image": [3, 16, 16]},
  "layers": [
    {"op": "conv2d", "name": "a", "stage": "stem", "out_channels": "width", "kernel": 3, "padding": 1, "bias": false},
    {"op": "relu", "name": "r", "stage": "stem"},
    {"op": "conv2d", "name": "b", "stage": "body", "out_channels": 8, "kernel": 3, "padding": 1, "bias": false},
    {"op": "concat", "name": "c", "stage": "body", "inputs": ["r", "b"]}
  ]
}
"#;
/// Its multiply-accumulates.
const MACS: u64 = 256 * (3 * 8 * 9 + 8 * 8 * 9);

/// What a run of the command gave.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

/// A folder of its own, gone at the end.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With the network and a budget of these limits.
    fn with(limits: &str) -> Self {
        let place = Self::new();
        place.write("net.json", NET);
        place.write("net.budget.json", &format!("{{\"limits\": [{limits}]}}\n"));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn run(&self, args: &[&str]) -> Ran {
        ran(&mut self.command(args))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = command(args);
        command.current_dir(self.0.path());
        command
    }
}

/// The command, as it runs outside of any CI.
fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_csp-profile"));
    command.args(["--color", "never"]).args(args).stdin(Stdio::null());
    command.env_remove("GITHUB_ACTIONS").env_remove("GITHUB_STEP_SUMMARY").env("COLUMNS", "100");
    command
}

fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// Holds a text to a file of `tests/budget/`; `UPDATE_EXPECT=1` writes it anew.
fn expect(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/budget").join(name);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{name}: UPDATE_EXPECT=1 writes it anew; read the diff");
}

/// The rows of `check --format json` for one file.
fn rows(ran: &Ran) -> Vec<serde_json::Value> {
    let document: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    document["files"][0]["budget"]["rows"].as_array().unwrap_or_else(|| panic!("{}", ran.err)).clone()
}
