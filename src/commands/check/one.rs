//! One budget: read, its network analysed, its limits judged.

use std::path::{Path, PathBuf};

use num::BigRational;
use rustc_hash::FxHashMap;
use serde_json::Value;

use super::{find, measured};
use crate::analysis::gradient::Gradient;
use crate::analysis::prediction::predict;
use crate::budget::evaluate::{self, evaluate};
use crate::budget::messages::tell;
use crate::budget::{Budget, Limit, Row, Scope, Verdict, document};
use crate::commands::baseline::{self, Baseline};
use crate::commands::{Exit, MANY_NODES};
use crate::device::Device;
use crate::diagnostic::{Code, Diagnostic, Sink, git_lfs_pointer};
use crate::frontend::{self, LoadOptions};
use crate::profile::{Profile, Wanted};
use crate::report::Report;
use crate::report::budget::changes::Changes;
use crate::report::budget::{Checked, Finding, contributors, place};
use crate::source::{SourceMap, Span};
use crate::units::grouped;

/// Something that is in no file's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::commands) struct Fault {
    /// One sentence.
    pub(in crate::commands) message: String,
    /// A way out.
    pub(in crate::commands) help: Option<String>,
    /// Whose fault it is.
    pub(in crate::commands) exit: Exit,
}

impl Fault {
    /// The input or the command line is wrong.
    pub(in crate::commands) fn usage(message: impl Into<String>, help: Option<String>) -> Self {
        Self { message: message.into(), help, exit: Exit::Usage }
    }

    /// The outside world failed.
    pub(in crate::commands) fn world(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, exit: Exit::World }
    }

    /// A file could not be read.
    pub(in crate::commands) fn of_file(error: &frontend::Error) -> Self {
        let exit = if error.is_usage() { Exit::Usage } else { Exit::World };
        Self { message: error.to_string(), help: None, exit }
    }
}

/// The texts of one budget, what is wrong with them, and what is told of its rows.
#[derive(Default)]
pub(in crate::commands) struct Notes {
    pub(in crate::commands) sources: SourceMap,
    /// Faults and warnings of files.
    pub(in crate::commands) sink: Sink,
    /// Violations, and limits far from biting.
    pub(in crate::commands) told: Sink,
    /// What is in no file's text.
    pub(in crate::commands) fault: Option<Fault>,
}

/// Reads a budget file. Without a budget the notes say why.
pub(in crate::commands) fn read(path: &Path, notes: &mut Notes) -> Option<Budget> {
    let shown = path.display().to_string();
    let bytes = match frontend::read(path, &mut notes.sink) {
        Ok(bytes) => bytes?,
        Err(error) => {
            let mut fault = Fault::of_file(&error);
            if matches!(error, frontend::Error::NotFound(_)) {
                fault.help = Some("`csp-profile budget init FILE` writes one from today's figures".into());
            }
            notes.fault = Some(fault);
            return None;
        }
    };
    if let Some(pointer) = git_lfs_pointer(&shown, &bytes) {
        notes.sink.push(pointer);
        return None;
    }
    let Ok(text) = String::from_utf8(bytes) else {
        notes.fault =
            Some(Fault::usage(format!("`{shown}` is not UTF-8 text"), Some("save the file as UTF-8".into())));
        return None;
    };
    let source = notes.sources.add(shown, text);
    document::read(source, &notes.sources, &mut notes.sink)
}

/// How a budget wants its network to be read.
pub(in crate::commands) fn options(budget: &Budget) -> LoadOptions {
    LoadOptions {
        set: budget.set.clone(),
        batch: budget.batch,
        dtype: budget.dtype,
        inputs: budget.inputs.iter().map(|(name, shape)| (Some(name.clone()), shape.clone())).collect(),
        ..LoadOptions::default()
    }
}

/// What has to be analysed for a budget's limits.
pub(in crate::commands) fn wanted(budget: &Budget, nodes: usize) -> Wanted {
    let is_about = |words: &[&str]| {
        let mut parts = budget.limits.iter().flat_map(|limit| limit.metric.split('.'));
        parts.any(|part| words.contains(&part))
    };
    let memory = ["peak_memory_bytes", "arena_bytes", "training", "rescheduled", "concat_bytes"];
    Wanted { memory: nodes <= MANY_NODES || is_about(&memory), gradient: is_about(&["gradient"]) }
}

/// Beyond so many nodes a tree of them would take hundreds of megabytes.
const MANY_LAYERS: usize = 50_000;

/// A report as a tree; without its nodes where there are very many.
pub(in crate::commands) fn tree(report: &Report<'_>, budget: &Budget) -> Result<Value, Fault> {
    let nodes = report.graph.len();
    let is_about = |limit: &Limit| {
        let lists = ["nodes.", "blocks."];
        matches!(limit.scope, Scope::Layers(_)) || lists.iter().any(|list| limit.metric.starts_with(list))
    };
    if nodes > MANY_LAYERS && budget.limits.iter().any(is_about) {
        let (most, nodes) = (grouped(MANY_LAYERS as u64), grouped(nodes as u64));
        return Err(Fault::usage(
            format!("limits on layers are for networks of at most {most} nodes, and this one has {nodes}"),
            Some("limit its stages or its ops".into()),
        ));
    }
    report.tree(nodes <= MANY_LAYERS).map_err(|error| Fault::usage(error.to_string(), None))
}

/// The architecture of a budget: the one it names, or the one of its name.
pub(in crate::commands) fn architecture(path: &Path, budget: &Budget) -> Result<PathBuf, Fault> {
    if let Some((named, _)) = &budget.architecture {
        return Ok(path.with_file_name(named));
    }
    let found = find::architectures_of(path);
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Fault::usage(
            format!("there is no architecture beside `{}`", path.display()),
            Some("add \"architecture\": \"FILE\" to the budget, or name its files alike: net.json, net.budget.json".into()),
        )),
        several => {
            let names: Vec<String> = several.iter().map(|path| format!("`{}`", path.display())).collect();
            Err(Fault::usage(
                format!("`{}` may be the budget of {}", path.display(), names.join(" and ")),
                Some("add \"architecture\": \"FILE\" to the budget".into()),
            ))
        }
    }
}

/// The network of a budget and its report.
pub(in crate::commands) struct Subject {
    pub(in crate::commands) path: PathBuf,
    pub(in crate::commands) profile: Profile,
    pub(in crate::commands) report: Value,
}

/// Reads and analyses the network of a budget.
pub(in crate::commands) fn subject(path: PathBuf, budget: &Budget, notes: &mut Notes) -> Option<Subject> {
    let loaded = match frontend::load(&path, &options(budget), &mut notes.sources, &mut notes.sink) {
        Ok(loaded) => loaded?,
        Err(error) => {
            let fault = Fault::of_file(&error);
            match &budget.architecture {
                Some((_, span)) if fault.exit == Exit::Usage => {
                    let told = Diagnostic::error(Code::Missing, fault.message);
                    notes.sink.push(told.at(*span, "named here"));
                }
                _ => notes.fault = Some(fault),
            }
            return None;
        }
    };
    let nodes = loaded.graph.len();
    let Ok(mut profile) = Profile::new(loaded, wanted(budget, nodes)) else {
        let message = format!("the costs of `{}` together do not fit in 64 bits", path.display());
        notes.fault = Some(Fault::usage(message, None));
        return None;
    };
    let mut report = tree(&profile.report(&notes.sources), budget);
    // For "did you mean `gradient.…`?".
    if nodes <= MANY_NODES
        && profile.gradient.is_none()
        && report.as_ref().is_ok_and(|report| evaluate::lacks(budget, report))
    {
        profile.gradient = Gradient::new(&profile.loaded.graph).ok();
        report = tree(&profile.report(&notes.sources), budget);
    }
    report.map_err(|fault| notes.fault = Some(fault)).ok().map(|report| Subject { path, profile, report })
}

/// What changes are measured against, and what the user calls it.
pub(in crate::commands) struct Against {
    pub(in crate::commands) label: Option<String>,
    pub(in crate::commands) baseline: Option<Baseline>,
}

/// The baseline that the command line names, or else the budget.
pub(in crate::commands) fn against(
    flag: Option<&str>,
    file: &Path,
    architecture: &Path,
    budget: &Budget,
    load: &LoadOptions,
    notes: &mut Notes,
) -> Option<Against> {
    let (label, named) = match (flag, &budget.baseline) {
        (Some(text), _) => (text.to_owned(), baseline::Named::parse(text, Path::new(""))),
        (None, Some((text, _))) => {
            (text.clone(), baseline::Named::parse(text, file.parent().unwrap_or(Path::new(""))))
        }
        (None, None) => return Some(Against { label: None, baseline: None }),
    };
    let is_flag = flag.is_some();
    match baseline::load(&named, architecture, load, budget, notes) {
        Ok(Baseline::Off) => Some(Against { label: None, baseline: Some(Baseline::Off) }),
        Ok(baseline) => Some(Against { label: Some(label), baseline: Some(baseline) }),
        Err(fault) => {
            match &budget.baseline {
                Some((_, span)) if !is_flag && fault.exit == Exit::Usage => {
                    let told = Diagnostic::error(Code::NoBaseline, fault.message).at(*span, "named here");
                    notes.sink.push(fault.help.into_iter().fold(told, Diagnostic::help));
                }
                _ => notes.fault = Some(fault),
            }
            None
        }
    }
}

/// Judges a network. Without a verdict the notes say what is wrong with the budget.
pub(in crate::commands) fn judge(
    file: &Path,
    budget: &Budget,
    report: &Report<'_>,
    value: &Value,
    against: &Against,
    sink: &mut Sink,
    told: &mut Sink,
) -> Option<Verdict> {
    let baseline = match &against.baseline {
        None => evaluate::Baseline::Missing,
        Some(Baseline::Off) => evaluate::Baseline::Off,
        Some(Baseline::New) => evaluate::Baseline::New,
        Some(Baseline::Report(report)) => evaluate::Baseline::Report(report),
    };
    let before = sink.errors();
    let rows = evaluate(budget, value, baseline, sink);
    if sink.errors() > before {
        return None;
    }
    // In the order of the file, however many parts of the network a bound is about.
    let mut bounds: Vec<Vec<Row>> = Vec::new();
    let mut known: FxHashMap<Span, usize> = FxHashMap::default();
    for row in &rows {
        let index = *known.entry(row.span).or_insert(bounds.len());
        if index == bounds.len() {
            bounds.push(Vec::new());
        }
        bounds[index].push(row.clone());
    }
    for bound in &bounds {
        told.extend(tell(bound, |row| contributors::parts(report, row)));
    }
    Some(Verdict { file: file.display().to_string(), baseline: against.label.clone(), rows })
}

/// What the command line names beside the budget.
#[derive(Clone, Copy, Default)]
pub(in crate::commands) struct Named<'a> {
    /// The architecture; by default the budget's own.
    pub(in crate::commands) architecture: Option<&'a Path>,
    /// What changes are measured against.
    pub(in crate::commands) baseline: Option<&'a str>,
    /// A kept report that has a measurement.
    pub(in crate::commands) measured: Option<&'a Path>,
    /// A device, for predicted times.
    pub(in crate::commands) device: Option<&'a Device>,
}

/// Checks one budget file.
pub(in crate::commands) fn check(file: &Path, named: Named<'_>) -> (Checked, Notes) {
    let mut notes = Notes::default();
    let judged = judged(file, named, &mut notes);
    let all = notes.sink.diagnostics().iter().chain(notes.told.diagnostics());
    let mut findings: Vec<Finding> = all.map(|diagnostic| Finding::new(diagnostic, &notes.sources)).collect();
    if let Some(fault) = &notes.fault {
        findings.push(Finding::plain(&fault.message, fault.help.as_deref()));
    }
    let (network, verdict, changes) = judged.map_or_else(
        || (String::new(), None, Changes::default()),
        |(network, verdict, changes)| (network, Some(verdict), changes),
    );
    let rows = verdict.as_ref().map_or(&[][..], |verdict| &verdict.rows);
    let places = rows.iter().map(|row| place(row.span, &notes.sources)).collect();
    let checked = Checked { file: file.display().to_string(), network, verdict, findings, changes, places };
    (checked, notes)
}

fn judged(file: &Path, named: Named<'_>, notes: &mut Notes) -> Option<(String, Verdict, Changes)> {
    let given = named.architecture;
    if let Some(given) = given.filter(|given| !given.exists()) {
        notes.fault = Some(Fault::of_file(&frontend::Error::NotFound(given.into())));
        return None;
    }
    let budget = read(file, notes)?;
    let path = match given.map_or_else(|| architecture(file, &budget), |path| Ok(path.to_owned())) {
        Ok(path) => path,
        Err(fault) => {
            notes.fault = Some(fault);
            return None;
        }
    };
    let mut subject = subject(path, &budget, notes)?;
    let prediction = named.device.and_then(|device| {
        let (graph, kernels) = (&subject.profile.loaded.graph, &subject.profile.analysis.kernels);
        Some((device, predict(graph, kernels, device.latency.as_ref()?).ok()?))
    });
    let prediction = prediction.as_ref().map(|(device, prediction)| (*device, prediction));
    if prediction.is_some() {
        let predicted = Report { prediction, ..subject.profile.report(&notes.sources) };
        subject.report = tree(&predicted, &budget).map_err(|fault| notes.fault = Some(fault)).ok()?;
    }
    if let Some(path) = named.measured {
        measured::take(path, &mut subject.report, notes)?;
    }
    let against = against(named.baseline, file, &subject.path, &budget, &options(&budget), notes)?;
    let report = Report { prediction, ..subject.profile.report(&notes.sources) };
    let verdict = judge(file, &budget, &report, &subject.report, &against, &mut notes.sink, &mut notes.told)?;
    let before = match &against.baseline {
        Some(Baseline::Report(report)) => Some(report),
        _ => None,
    };
    let changes = Changes::new(&verdict, &subject.report, before, against.label);
    Some((subject.profile.loaded.graph.name.to_string(), verdict, changes))
}

/// A percentage of the command line.
pub(in crate::commands) fn headroom(text: &str) -> Result<BigRational, Fault> {
    document::percentage(text)
        .ok_or_else(|| Fault::usage(format!("`{text}` is no percentage"), Some("--headroom 5%".into())))
}
