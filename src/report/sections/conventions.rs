//! What other programs would print.

use crate::analysis::conventions::{CONVENTIONS, Unit};
use crate::report::Report;
use crate::report::sheet::{Cell, Sheet};
use crate::units;

/// Every convention's figure.
pub fn sheet(report: &Report<'_>) -> Sheet {
    let rows = CONVENTIONS.iter().zip(&report.analysis.conventions).map(|(convention, &count)| {
        let missing = report.analysis.total.unknown > 0 && convention.unit != Unit::Parameters;
        vec![
            Cell::Text(convention.name.into()),
            count.map_or(Cell::Text("-".into()), |count| Cell::Digits(count).or_more(missing)),
            count.map_or(Cell::Empty, |count| Cell::Text(units::si(count)).or_more(missing)),
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
