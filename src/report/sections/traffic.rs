//! Bytes moved, and the work for each.

use super::indented;
use crate::analysis::Group;
use crate::report::Report;
use crate::report::sheet::{Cell, Sheet};

/// Bytes by stage under each model.
pub fn sheet(report: &Report<'_>) -> Sheet {
    let total = Group { name: "total".into(), depth: 0, sum: report.analysis.total };
    #[expect(clippy::cast_precision_loss, reason = "a ratio is approximate by nature")]
    let ratio =
        |a: u64, b: u64| if b == 0 { Cell::Text("-".into()) } else { Cell::Ratio(a as f64 / b as f64) };
    let rows = report.analysis.stages.iter().chain([&total]).map(|group| {
        let sum = &group.sum;
        let missing = sum.unknown > 0;
        let bytes = |bytes: u64| Cell::Bytes(bytes).or_more(missing);
        let ratio = |a: u64, b: u64| if missing { Cell::Unknown } else { ratio(a, b) };
        vec![
            indented(group),
            bytes(sum.traffic.unfused),
            bytes(sum.traffic.fused),
            bytes(sum.traffic.compulsory),
            ratio(sum.flops, sum.traffic.unfused),
            ratio(sum.flops, sum.traffic.fused),
            ratio(sum.macs, sum.cio),
        ]
    });
    Sheet {
        title: "Traffic by stage".into(),
        columns: vec!["stage", "unfused", "fused", "compulsory", "FLOP/B unf.", "fused", "MACs/CIO"],
        rows: rows.collect(),
        notes: ["`csp-profile explain traffic` tells what each model moves".into()]
            .into_iter()
            .chain(report.at_least())
            .collect(),
    }
}
