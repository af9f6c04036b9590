//! What the tests share.
#![allow(dead_code, clippy::unwrap_used, reason = "every test file uses a part of it; tests may unwrap")]

pub(crate) mod fuzz;
pub(crate) mod random;

use csp_profile::analysis::conventions::CONVENTIONS;
use csp_profile::analysis::{Analysis, analyze};
use csp_profile::diagnostic::Sink;
use csp_profile::frontend::{LoadOptions, Loaded, load_bytes};
use csp_profile::report::Report;
use csp_profile::source::SourceMap;
use std::path::PathBuf;

/// A network that was read and analysed.
pub(crate) struct Network {
    pub(crate) loaded: Loaded,
    pub(crate) analysis: Analysis,
    pub(crate) sources: SourceMap,
    pub(crate) sink: Sink,
}

impl Network {
    /// Reads a text; else what is wrong with it.
    pub(crate) fn read(name: &str, text: &str, options: &LoadOptions) -> Result<Self, String> {
        let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
        let loaded = load_bytes(name, "network", text.into(), options, &mut sources, &mut sink);
        let messages = || {
            let messages = sink.diagnostics().iter().map(|found| found.message.clone());
            messages.collect::<Vec<_>>().join("; ")
        };
        let loaded = loaded.ok_or_else(messages)?;
        let analysis = analyze(&loaded.graph).map_err(|overflow| overflow.to_string())?;
        Ok(Self { loaded, analysis, sources, sink })
    }

    pub(crate) fn report(&self) -> Report<'_> {
        Report {
            graph: &self.loaded.graph,
            analysis: &self.analysis,
            parameters: &self.loaded.parameters,
            facts: &self.loaded.facts,
            sources: &self.sources,
            format: "json",
            memory: None,
            gradient: None,
            budget: None,
            measurement: None,
            prediction: None,
            roofline: None,
        }
    }

    /// One convention's figure.
    pub(crate) fn convention(&self, name: &str) -> u64 {
        let index = CONVENTIONS.iter().position(|convention| convention.name == name);
        self.analysis.conventions[index.expect("a convention")].expect("a count")
    }
}

/// The folder of the architecture files.
pub(crate) fn architectures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("architectures")
}

/// All architecture files: name and text, in the order of their names.
pub(crate) fn files() -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = std::fs::read_dir(architectures())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.ends_with(".json") && !name.ends_with(".schema.json") && !name.ends_with(".budget.json")
        })
        .map(|path| {
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            (stem, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    assert!(files.len() >= 16, "architecture files are missing");
    files
}

/// The text of one architecture file.
pub(crate) fn file(name: &str) -> String {
    std::fs::read_to_string(architectures().join(name).with_extension("json")).unwrap()
}
