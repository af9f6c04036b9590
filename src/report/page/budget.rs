//! The verdict on a budget.

use super::markup::Markup;
use super::table::table;
use crate::report::sheet::{Cell, Sheet};

/// What became of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is kept.
    Kept,
    /// It is kept, and could be tighter or is near.
    Warned,
    /// It is not kept.
    Broken,
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Warned => "warned",
            Self::Broken => "broken",
        }
    }
}

/// One limit of a budget.
#[derive(Clone, Debug)]
pub struct Limit {
    /// What is limited: `macs`, `parameters.total of stage3`.
    pub what: String,
    /// The limit as the file says it: `max 4.1 GMACs`.
    pub limit: String,
    /// The network's value.
    pub value: String,
    /// By how much it is off, or how far it is.
    pub remark: String,
    /// The verdict.
    pub outcome: Outcome,
}

/// The limits as a table.
pub(super) fn limits(limits: &[Limit]) -> Markup {
    let broken = limits.iter().filter(|limit| limit.outcome == Outcome::Broken).count();
    let note = match broken {
        0 => format!("All {} limits are kept.", limits.len()),
        _ => format!("{broken} of {} limits are broken.", limits.len()),
    };
    let rows = limits.iter().map(|limit| {
        vec![
            Cell::Name(limit.what.clone()),
            Cell::Text(limit.limit.clone()),
            Cell::Text(limit.value.clone()),
            Cell::Text(limit.remark.clone()),
            Cell::Text(limit.outcome.word().into()),
        ]
    });
    let sheet = Sheet {
        title: "Budget".into(),
        columns: vec!["what", "limit", "value", "margin", "verdict"],
        rows: rows.collect(),
        notes: vec![note],
    };
    table(&sheet, false)
}
