//! What is told about rows that fail, or that lie far from their limit.

use num::traits::Signed as _;

use super::amount::{Amount, percent};
use super::{BoundKind, Row, Scope, Status};
use crate::diagnostic::{Code, Diagnostic};

/// A layer, or a tensor in memory at the peak, and its part of a figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// What it adds.
    pub amount: Amount,
}

/// The most parts that are named.
pub const MOST_PARTS: usize = 5;

/// What is to be told of one bound and its rows: of stages and ops one by one, of the layers of a pattern at once.
/// `parts` are the layers that a row is made of.
pub fn tell(rows: &[Row], parts: impl Fn(&Row) -> Vec<Part>) -> Vec<Diagnostic> {
    let fails: Vec<&Row> = rows.iter().filter(|row| row.status.fails()).collect();
    if let [first, _, ..] = fails[..]
        && matches!(first.scope, Scope::Layers(_))
    {
        return vec![reasoned(first, several(&fails))];
    }
    let mut told: Vec<Diagnostic> = Vec::new();
    for row in fails {
        let diagnostic = if row.status == Status::Unknown { unknown(row) } else { violated(row) };
        let diagnostic = match contributors(row, parts(row)) {
            Some(text) => diagnostic.help(text),
            None => diagnostic,
        };
        told.push(reasoned(row, diagnostic));
    }
    // Of several parts that are all far from a limit, the nearest says how far.
    let distance = |row: &&Row| row.over().map(|over| over.number.abs());
    told.extend(rows.iter().filter(|row| row.status == Status::Loose).min_by_key(distance).map(loose));
    told
}

fn reasoned(row: &Row, diagnostic: Diagnostic) -> Diagnostic {
    match &row.reason {
        Some(reason) => diagnostic.help(format!("the reason for this limit: {}", reason.trim())),
        None => diagnostic,
    }
}

/// Several layers that violate one bound: the worst of them.
fn several(fails: &[&Row]) -> Diagnostic {
    let mut worst = fails.to_vec();
    let distance = |row: &Row| row.over().map(|over| over.number.abs());
    // Of equals the first in the network: the sort is stable.
    worst.sort_by_key(|row| std::cmp::Reverse(distance(row)));
    let (first, others) = (worst[0], worst.len() - 1);
    let code = if first.status == Status::Unknown { Code::UnknownCost } else { Code::OverBudget };
    let s = if others == 1 { "" } else { "s" };
    let message = format!(
        "{}; {others} other layer{s} fail{} too",
        sentence(first),
        if others == 1 { "s" } else { "" }
    );
    let shown: Vec<String> = worst
        .iter()
        .take(MOST_PARTS)
        .map(|row| {
            let over = row.over_percent().map_or_else(String::new, |over| format!(" ({over})"));
            format!("`{}` {}{over}", row.scope.pattern(), row.value.human())
        })
        .collect();
    Diagnostic::error(code, message)
        .at(first.span, label(first))
        .help(format!("the worst: {}", shown.join(", ")))
}

/// One sentence on a row that fails.
pub fn sentence(row: &Row) -> String {
    let (subject, value) = (row.subject(), row.value.human());
    if row.status == Status::Unknown {
        return format!("`{subject}` is at least {value}: it misses {}", row.unknown.join(", "));
    }
    if row.kind.is_change() {
        let before = row.baseline.as_ref().map_or_else(String::new, Amount::human);
        let change = row.change_percent().map_or_else(String::new, |change| format!(" ({change})"));
        let most = if row.kind == BoundKind::MaxChange { "at most" } else { "at least" };
        return format!(
            "`{subject}` went from {before} to {value}{change}, and {most} {} is allowed",
            row.text
        );
    }
    let by = row
        .over_percent()
        .map_or_else(String::new, |by| by.trim_start_matches(['>', ' ', '+', '−']).to_owned());
    let (by, blank) = if by.is_empty() || by == "0.0 %" { ("", "") } else { (&*by, " ") };
    match row.kind {
        BoundKind::Min | BoundKind::MinChange => {
            format!("`{subject}` is {value}, {by}{blank}under its limit")
        }
        BoundKind::Equal => format!("`{subject}` is {value}, not {}", row.text),
        BoundKind::Max | BoundKind::MaxChange => format!("`{subject}` is {value}, {by}{blank}over its limit"),
    }
}

fn violated(row: &Row) -> Diagnostic {
    Diagnostic::error(Code::OverBudget, sentence(row)).at(row.span, label(row))
}

/// The figure and how far it is off, to the last digit.
fn label(row: &Row) -> String {
    let value = row.value.exact();
    match row.over() {
        Some(over) if over.number.is_negative() => {
            format!("it is {value}: {} under", Amount::new(over.number.abs(), over.quantity).exact())
        }
        Some(over) => format!("it is {value}: {} over", over.exact()),
        None => format!("it is {value}"),
    }
}

fn unknown(row: &Row) -> Diagnostic {
    Diagnostic::error(Code::UnknownCost, sentence(row))
        .at(row.span, "so nobody knows whether this holds")
        .help("with \"allow_unknown\": true the part that is known is judged")
}

fn loose(row: &Row) -> Diagnostic {
    let far = row.bound.as_ref().and_then(|bound| {
        let (more, whole) = match row.kind {
            BoundKind::Min => (&row.value.number - &bound.number, &bound.number),
            _ => (&bound.number - &row.value.number, &row.value.number),
        };
        percent(&more, whole)
    });
    let far = far.map_or_else(String::new, |far| format!(" {far}"));
    let side = if row.kind == BoundKind::Min { "below" } else { "above" };
    let message =
        format!("`{}` is {}, and its limit lies{far} {side} that", row.subject(), row.value.human());
    Diagnostic::warning(Code::LooseLimit, message)
        .at(row.span, "far from biting")
        .help("`csp-profile budget update` tightens it; \"fixed\": true says that it comes from outside; `headroom` says what is far")
}

/// The parts that a figure is mostly made of; nothing where the row is one of them.
fn contributors(row: &Row, mut parts: Vec<Part>) -> Option<String> {
    if let [_] = parts[..] {
        return None;
    }
    // Of equals the first in the network: the sort is stable.
    parts.sort_by(|a, b| b.amount.number.cmp(&a.amount.number));
    let shown: Vec<String> = parts
        .iter()
        .filter(|part| part.amount.number.is_positive())
        .take(MOST_PARTS)
        .map(|part| {
            let share = percent(&part.amount.number, &row.value.number);
            let share = share.map_or_else(String::new, |share| format!(" ({share})"));
            format!("`{}` {}{share}", part.name, part.amount.human())
        })
        .collect();
    (!shown.is_empty()).then(|| format!("what contributes most: {}", shown.join(", ")))
}
