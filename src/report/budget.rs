//! Budgets for people and for CI: a table, JSON, Markdown, JUnit, annotations. Pure.

pub mod changes;
pub mod contributors;
pub mod github;
pub mod junit;
pub mod markdown;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use super::sheet::{Cell, Sheet};
use crate::budget::amount::{self, Amount};
use crate::budget::{Row, Scope, Status, Verdict};
use crate::diagnostic::{Diagnostic, Severity};
use crate::source::{SourceMap, Span};
use crate::units::plural;

/// What became of one budget file: what every format shows.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The budget file as the user knows it.
    pub file: String,
    /// The network's name; empty where it could not be read.
    pub network: String,
    /// The rows; none where the budget or the network is wrong.
    pub verdict: Option<Verdict>,
    /// What is to be told, with the lines that it points at: faults, violations, warnings.
    pub findings: Vec<Finding>,
    /// Figures and layers, old and new.
    pub changes: changes::Changes,
    /// A place in the budget file for each row.
    pub places: Vec<Place>,
}

/// How a whole file fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every limit holds.
    Passed,
    /// A limit is violated.
    Failed,
    /// The budget, the network or the baseline is wrong.
    Wrong,
}

impl Outcome {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Wrong => "wrong",
        }
    }
}

/// A line of a file, both counted from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file as the user knows it.
    pub file: String,
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
    /// The column behind its end, on the same line.
    pub end: usize,
}

/// One diagnostic, drawn flat for formats without a source text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Its code.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
    /// What is at its place, and the ways out.
    pub details: Vec<String>,
    /// Where.
    pub place: Option<Place>,
}

impl Finding {
    /// A diagnostic with the place of its first label.
    pub fn new(diagnostic: &Diagnostic, sources: &SourceMap) -> Self {
        let first = diagnostic.labels.first();
        let label = first.map(|label| label.text.clone()).filter(|text| !text.is_empty());
        Self {
            severity: diagnostic.severity,
            code: diagnostic.code.name(),
            message: diagnostic.message.clone(),
            details: label.into_iter().chain(diagnostic.help.iter().cloned()).collect(),
            place: first.map(|label| place(label.span, sources)),
        }
    }

    /// A fault that is in no file's text.
    pub fn plain(message: &str, help: Option<&str>) -> Self {
        Self {
            severity: Severity::Error,
            code: "error",
            message: message.to_owned(),
            details: help.map(str::to_owned).into_iter().collect(),
            place: None,
        }
    }
}

/// Where a span begins and ends.
pub fn place(span: Span, sources: &SourceMap) -> Place {
    let source = sources.get(span.source);
    let start = (span.start as usize).min(source.text.len());
    let before = source.text.get(..start).unwrap_or("");
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = 1 + before[line_start..].trim_start_matches('\u{feff}').chars().count();
    let marked = sources.text(span).lines().next().unwrap_or("").chars().count();
    Place { file: source.name.clone(), line: sources.line(span), column, end: column + marked }
}

impl Checked {
    /// How it fared.
    pub fn outcome(&self) -> Outcome {
        match &self.verdict {
            None => Outcome::Wrong,
            Some(verdict) if verdict.passes() => Outcome::Passed,
            Some(_) => Outcome::Failed,
        }
    }
}

/// What a row is about: `macs`, `macs in stage1`.
fn subject(row: &Row) -> String {
    match &row.scope {
        Scope::Net => row.metric.clone(),
        scope => format!("{} · {}", scope.pattern(), row.metric),
    }
}

/// `≤ 4.1 GMACs`; for a change `≤ +1 %`.
fn limit(row: &Row) -> String {
    format!("{} {}", row.kind.sign(), row.text)
}

/// How far the figure is from its limit, or for a change from the baseline.
fn margin(row: &Row) -> String {
    if row.kind.is_change() {
        return row.change_percent().unwrap_or_else(|| "-".into());
    }
    row.over_percent().unwrap_or_else(|| "-".into())
}

/// The most rows of one bound that are shown, those that fail first.
const MOST_ROWS: usize = 12;

/// What is shown of a bound: a row, or how many are left out and how many of those fail.
enum Line<'a> {
    Row(&'a Row),
    Rest(usize, usize),
}

/// The rows that people see: of a bound of many parts those that fail, and those that are nearest to it.
fn lines(verdict: &Verdict) -> Vec<Line<'_>> {
    let (mut lines, mut rest) = (Vec::new(), &verdict.rows[..]);
    while let Some(first) = rest.first() {
        // The rows of a limit alternate between its bounds.
        let length = rest.iter().take_while(|row| row.limit == first.limit).count();
        let (own, others) = rest.split_at(length);
        rest = others;
        let mut spans: Vec<Span> = Vec::new();
        for row in own {
            if !spans.contains(&row.span) {
                spans.push(row.span);
            }
        }
        for span in spans {
            let own: Vec<&Row> = own.iter().filter(|row| row.span == span).collect();
            let mut order: Vec<usize> = (0..own.len()).collect();
            let distance = |row: &Row| row.over().map(|over| num::traits::Signed::abs(&over.number));
            order.sort_by(|&a, &b| {
                let (one, other) = (own[a], own[b]);
                let worst_first = || distance(other).cmp(&distance(one));
                let nearest_first = || distance(one).cmp(&distance(other));
                other
                    .status
                    .fails()
                    .cmp(&one.status.fails())
                    .then_with(|| if one.status.fails() { worst_first() } else { nearest_first() })
            });
            let (shown, hidden) = order.split_at(order.len().min(MOST_ROWS));
            let mut shown = shown.to_vec();
            shown.sort_unstable();
            lines.extend(shown.into_iter().map(|index| Line::Row(own[index])));
            if !hidden.is_empty() {
                let fail = hidden.iter().filter(|&&index| own[index].status.fails()).count();
                lines.push(Line::Rest(hidden.len(), fail));
            }
        }
    }
    lines
}

/// What is said of the rows that are left out.
fn rest(count: usize, fail: usize) -> (String, String) {
    let verdict = if fail == 0 { "hold".to_owned() } else { format!("{fail} violated") };
    (format!("… and {count} more"), verdict)
}

/// The rows as a table.
pub fn sheet(network: &str, verdict: &Verdict) -> Sheet {
    let rows = lines(verdict).into_iter().map(|line| {
        let row = match line {
            Line::Row(row) => row,
            Line::Rest(count, fail) => {
                let (rest, verdict) = rest(count, fail);
                let empty = || Cell::Name(String::new());
                return vec![Cell::Name(rest), empty(), empty(), empty(), Cell::Text(verdict)];
            }
        };
        vec![
            Cell::Name(subject(row)),
            Cell::Shown(row.value.human()),
            Cell::Name(limit(row)),
            Cell::Shown(margin(row)),
            Cell::Text(row.status.name().into()),
        ]
    });
    let fails = verdict.rows.iter().filter(|row| row.status.fails()).count();
    let mut notes = Vec::new();
    if verdict.rows.iter().any(|row| row.kind.is_change()) {
        let against = verdict.baseline.as_deref().unwrap_or("no baseline");
        notes.push(format!("Changes (± %) are against {against}."));
    }
    notes.push(match (fails, verdict.rows.len()) {
        (0, 1) => "The limit holds.".into(),
        (0, count) => format!("All {count} limits hold."),
        (fails, count) => format!("{fails} of {count} limits fail."),
    });
    Sheet {
        title: format!("{network}: budget {}", verdict.file),
        columns: vec!["figure", "is", "limit", "margin", "verdict"],
        rows: rows.collect(),
        notes,
    }
}

/// The rows as they stand in the JSON report under `budget`.
impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("file", &self.file)?;
        map.serialize_entry("baseline", &self.baseline)?;
        map.serialize_entry("passed", &self.passes())?;
        map.serialize_entry("rows", &self.rows.iter().map(row).collect::<Vec<_>>())?;
        map.end()
    }
}

fn row(row: &Row) -> Value {
    let exact = |amount: Option<&Amount>| amount.map_or(Value::Null, |amount| amount::json(&amount.number));
    json!({
        "metric": row.metric,
        "scope": row.scope.key().map(|key| json!({"kind": key, "pattern": row.scope.pattern()})),
        "bound": row.kind.key(),
        "limit": row.text,
        "limit_value": exact(row.bound.as_ref()),
        "value": exact(Some(&row.value)),
        "baseline_value": exact(row.baseline.as_ref()),
        "over": exact(row.over().as_ref()),
        "status": row.status.name(),
        "unknown_ops": row.unknown,
        "reason": row.reason,
    })
}

/// The document of `check --format json`.
pub fn document(checked: &[Checked]) -> Value {
    let files = checked.iter().map(|checked| {
        let findings = checked.findings.iter().map(|finding| {
            let place = finding.place.as_ref();
            json!({
                "severity": if finding.severity == Severity::Error { "error" } else { "warning" },
                "code": finding.code,
                "message": finding.message,
                "details": finding.details,
                "file": place.map(|place| &place.file),
                "line": place.map(|place| place.line),
                "column": place.map(|place| place.column),
            })
        });
        json!({
            "file": checked.file,
            "network": checked.network,
            "outcome": checked.outcome().name(),
            "budget": checked.verdict,
            "findings": findings.collect::<Vec<_>>(),
        })
    });
    json!({
        "schema_version": super::SCHEMA_VERSION,
        "outcome": worst(checked).name(),
        "files": files.collect::<Vec<_>>(),
    })
}

/// How all files fared together.
pub fn worst(checked: &[Checked]) -> Outcome {
    let any = |outcome| checked.iter().any(|checked| checked.outcome() == outcome);
    if any(Outcome::Wrong) {
        Outcome::Wrong
    } else if any(Outcome::Failed) {
        Outcome::Failed
    } else {
        Outcome::Passed
    }
}

/// One line on all files.
pub fn summary(checked: &[Checked]) -> String {
    let rows =
        || checked.iter().filter_map(|checked| checked.verdict.as_ref()).flat_map(|verdict| &verdict.rows);
    let (limits, fails) = (rows().count(), rows().filter(|row| row.status.fails()).count());
    let wrong = checked.iter().filter(|checked| checked.outcome() == Outcome::Wrong).count();
    let loose = rows().filter(|row| row.status == Status::Loose).count();
    let count = |count: usize, word: &str| plural(count as u64, word);
    let mut text = format!("{}, {}", count(checked.len(), "budget"), count(limits, "limit"));
    text.push_str(&match fails {
        0 if wrong == 0 => ": all hold".to_owned(),
        0 => String::new(),
        fails => format!(", {fails} violated"),
    });
    if wrong > 0 {
        text.push_str(&format!(", {wrong} in which something is wrong"));
    }
    if loose > 0 {
        text.push_str(&format!("; {loose} far from biting"));
    }
    text
}
