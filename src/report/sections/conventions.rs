//! What other programs would print.

use crate::analysis::conventions::{CONVENTIONS, Unit};
use crate::report::Report;
use crate::report::sheet::{Cell, Sheet};
use crate::units;

/// Every convention's figure.
pub fn sheet(report: &Report<'_>) -> Sheet {
    let rows = CONVENTIONS.iter().zip(&report.analysis.conventions).map(|(convention, &count)| {
        let bound = if report.analysis.total.unknown > 0 && convention.unit != Unit::Parameters { "≥ " } else { "" };
        let text = count.map_or("-".into(), |count| format!("{bound}{}", units::grouped(count)));
        vec![
            Cell::Text(convention.name.into()),
            Cell::Text(text),
            Cell::Text(count.map_or(String::new(), |count| format!("{bound}{}", units::si(count)))),
            Cell::Text(convention.unit.name().into()),
        ]
    });
    Sheet {
        title: "As other programs count, for one image".into(),
        columns: vec!["convention", "exact", "", "unit"],
        rows: rows.collect(),
        notes: ["`csp-profile explain NAME` tells each one's rules".into()]
            .into_iter()
            .chain(report.at_least())
            .collect(),
    }
}
