//! What other programs would print.

use crate::analysis::conventions::CONVENTIONS;
use crate::report::Report;
use crate::report::sheet::{Cell, Sheet};
use crate::units;

/// Every convention's figure.
pub fn sheet(report: &Report<'_>) -> Sheet {
    let rows = CONVENTIONS.iter().zip(&report.analysis.conventions).map(|(convention, &count)| {
        vec![
            Cell::Text(convention.name.into()),
            count.map_or(Cell::Text("-".into()), Cell::Digits),
            Cell::Text(count.map_or(String::new(), units::si)),
            Cell::Text(convention.unit.name().into()),
        ]
    });
    Sheet {
        title: "As other programs count, for one image".into(),
        columns: vec!["convention", "exact", "", "unit"],
        rows: rows.collect(),
        notes: vec!["`csp-profile explain NAME` tells each one's rules".into()],
    }
}
