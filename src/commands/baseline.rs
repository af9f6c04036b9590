//! What changes are measured against: a report that was kept, or the architecture at another revision.

mod git;

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::check::one::{self, Fault, Notes};
use crate::budget::Budget;
use crate::diagnostic::{Sink, git_lfs_pointer};
use crate::frontend::{self, LoadOptions, load_bytes};
use crate::profile::Profile;
use crate::report::SCHEMA_VERSION;

/// A baseline as it is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// `none`
    Off,
    /// `git:REVISION`, or `git:REVISION:PATH` with a path from the repository's root.
    Git { revision: String, path: Option<String> },
    /// A JSON report.
    Report(PathBuf),
}

/// What it is.
pub(super) enum Baseline {
    /// There is none, and none is wanted.
    Off,
    /// That revision does not have the network.
    New,
    /// A report.
    Report(Value),
}

impl Named {
    /// Reads a name; paths are relative to a folder.
    pub(super) fn parse(text: &str, folder: &Path) -> Self {
        if text == "none" {
            return Self::Off;
        }
        match text.strip_prefix("git:") {
            None => Self::Report(folder.join(text)),
            Some(revision) => match revision.split_once(':') {
                Some((revision, path)) => Self::Git { revision: revision.into(), path: Some(path.into()) },
                None => Self::Git { revision: revision.into(), path: None },
            },
        }
    }
}

/// Reads a baseline. `architecture` and `options` are those of the network that is compared with it.
pub(super) fn load(
    named: &Named,
    architecture: &Path,
    options: &LoadOptions,
    budget: &Budget,
    notes: &mut Notes,
) -> Result<Baseline, Fault> {
    let Notes { sources, sink, .. } = notes;
    match named {
        Named::Off => Ok(Baseline::Off),
        Named::Report(path) => report(path, "the baseline", sink).map(Baseline::Report),
        Named::Git { revision, path } => {
            let Some((label, bytes)) = git::file(architecture, revision, path.as_deref())? else {
                return Ok(Baseline::New);
            };
            let name =
                architecture.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into());
            let before = sink.errors();
            let loaded = load_bytes(&label, &name, bytes, options, sources, sink);
            let failed =
                || Fault::usage(format!("the baseline `{label}` cannot be read"), Some(WAY_OUT.into()));
            let loaded = loaded.filter(|_| sink.errors() == before).ok_or_else(failed)?;
            let wanted = one::wanted(budget, loaded.graph.len());
            let profile = Profile::new(loaded, wanted).map_err(|_| failed())?;
            one::tree(&profile.report(sources), budget).map(Baseline::Report)
        }
    }
}

const WAY_OUT: &str = "name another --baseline, or --baseline none";

/// A JSON report that was kept. `what` it is to be stands in messages.
pub(super) fn report(path: &Path, what: &str, sink: &mut Sink) -> Result<Value, Fault> {
    let shown = path.display().to_string();
    let wrong = |message: String| {
        Fault::usage(message, Some("`csp-profile analyze FILE --format json` writes one".into()))
    };
    let bytes = frontend::read(path, sink).map_err(|error| Fault::of_file(&error))?;
    let bytes = bytes.ok_or_else(|| wrong(format!("{what} `{shown}` is too large")))?;
    if let Some(pointer) = git_lfs_pointer(&shown, &bytes) {
        return Err(Fault::usage(pointer.message, pointer.help.into_iter().next()));
    }
    let report: Value = serde_json::from_slice(&bytes)
        .map_err(|error| wrong(format!("{what} `{shown}` is no JSON report: {error}")))?;
    match report.get("schema_version").and_then(Value::as_u64) {
        Some(version) if version == u64::from(SCHEMA_VERSION) && report.get("totals").is_some() => Ok(report),
        Some(version) if version != u64::from(SCHEMA_VERSION) => Err(wrong(format!(
            "{what} `{shown}` has schema version {version}, and {SCHEMA_VERSION} is needed"
        ))),
        _ => Err(wrong(format!("{what} `{shown}` is no report: it has no `schema_version` and `totals`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let parse = |text| Named::parse(text, Path::new("nets"));
        let git = |revision: &str, path: Option<&str>| Named::Git {
            revision: revision.into(),
            path: path.map(str::to_owned),
        };
        assert_eq!(parse("none"), Named::Off);
        assert_eq!(parse("git:origin/main"), git("origin/main", None));
        assert_eq!(parse("git:HEAD~1:old/net.json"), git("HEAD~1", Some("old/net.json")));
        assert_eq!(parse("report.json"), Named::Report("nets/report.json".into()));
    }
}
