//! A comment for a pull request: verdicts, changes against the baseline, layers folded away.

use std::fmt::Write as _;

use super::changes::{Change, Changes, Only};
use super::{Checked, Line, Outcome, limit, lines, margin, rest, subject, summary, worst};
use crate::budget::signed_percent;
use crate::report::markdown::escape;

/// Layers that are listed; a comment has a limit of 65,536 characters.
const MOST_LAYERS: usize = 50;
/// Findings that are listed for one file.
const MOST_FINDINGS: usize = 20;

/// The comment.
pub fn render(checked: &[Checked]) -> String {
    let sign = match worst(checked) {
        Outcome::Passed => "✅",
        Outcome::Failed | Outcome::Wrong => "❌",
    };
    let mut text = format!("## {sign} csp-profile: {}\n", summary(checked));
    for checked in checked {
        one(checked, &mut text);
    }
    text
}

fn one(checked: &Checked, text: &mut String) {
    let sign = if checked.outcome() == Outcome::Passed { "✅" } else { "❌" };
    let name = if checked.network.is_empty() { &checked.file } else { &checked.network };
    let _ = writeln!(text, "\n### {sign} {}\n", escape(name));
    if let Some(verdict) = &checked.verdict {
        text.push_str("| figure | is | limit | margin | verdict |\n| --- | ---: | :--- | ---: | --- |\n");
        for line in lines(verdict) {
            let cells = match line {
                Line::Row(row) => {
                    let name = row.status.name();
                    let verdict = if row.status.fails() { format!("❌ {name}") } else { name.to_owned() };
                    [subject(row), row.value.human(), limit(row), margin(row), verdict]
                }
                Line::Rest(count, fail) => {
                    let (rest, verdict) = rest(count, fail);
                    [rest, String::new(), String::new(), String::new(), verdict]
                }
            };
            let _ = writeln!(text, "| {} |", cells.map(|cell| escape(&cell)).join(" | "));
        }
    }
    let findings = &checked.findings;
    if !findings.is_empty() {
        if checked.verdict.is_some() {
            text.push('\n');
        }
        for finding in findings.iter().take(MOST_FINDINGS) {
            let place = finding
                .place
                .as_ref()
                .map_or_else(String::new, |place| format!("{}:{}: ", place.file, place.line));
            let _ = writeln!(text, "- {}{}", escape(&place), escape(&finding.message));
            for detail in &finding.details {
                let _ = writeln!(text, "  - {}", escape(detail));
            }
        }
        if findings.len() > MOST_FINDINGS {
            let _ = writeln!(text, "- and {} more", findings.len() - MOST_FINDINGS);
        }
    }
    changes(&checked.changes, text);
}

fn changes(changes: &Changes, text: &mut String) {
    let Some(baseline) = &changes.baseline else { return };
    if changes.is_new {
        let _ = writeln!(text, "\n{} does not have this network yet.", escape(baseline));
        return;
    }
    let _ = writeln!(
        text,
        "\n| against {} | old | new | change |\n| --- | ---: | ---: | ---: |",
        escape(baseline)
    );
    for change in &changes.figures {
        let _ = writeln!(text, "| {} | {} |", escape(&change.metric), cells(change).join(" | "));
    }
    let Some(layers) = &changes.layers else { return };
    if layers.is_empty() {
        text.push_str("\nNo layer has other parameters or MACs.\n");
        return;
    }
    let count = layers.len();
    let differ = if count == 1 { "layer differs" } else { "layers differ" };
    let _ = writeln!(text, "\n<details><summary>{count} {differ}</summary>\n");
    text.push_str(
        "| layer | | parameters | change | MACs | change |\n| --- | --- | ---: | ---: | ---: | ---: |\n",
    );
    for layer in layers.iter().take(MOST_LAYERS) {
        let only = match layer.only {
            None => "",
            Some(Only::New) => "added",
            Some(Only::Old) => "removed",
        };
        let [parameters, macs] = layer.figures.each_ref().map(|change| {
            let [old, new, delta] = cells(change);
            if old == new { format!("{new} | ") } else { format!("{old} → {new} | {delta}") }
        });
        let _ = writeln!(text, "| {} | {only} | {parameters} | {macs} |", escape(&layer.name));
    }
    if count > MOST_LAYERS {
        let _ = writeln!(text, "\nand {} more", count - MOST_LAYERS);
    }
    text.push_str("\n</details>\n");
}

/// Old, new, and the change in percent.
fn cells(change: &Change) -> [String; 3] {
    let shown = |amount: &Option<crate::budget::amount::Amount>| {
        amount.as_ref().map_or_else(|| "-".to_owned(), crate::budget::amount::Amount::human)
    };
    let delta = match (&change.old, &change.new) {
        (Some(old), Some(new)) if old == new => "0".to_owned(),
        (Some(old), Some(new)) => {
            signed_percent(&(&new.number - &old.number), &old.number).unwrap_or_else(|| "-".into())
        }
        _ => "-".to_owned(),
    };
    [shown(&change.old), shown(&change.new), delta].map(|cell| escape(&cell))
}
