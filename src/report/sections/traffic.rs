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
        vec![
            indented(group),
            Cell::Bytes(sum.traffic.unfused),
            Cell::Bytes(sum.traffic.fused),
            Cell::Bytes(sum.traffic.compulsory),
            ratio(sum.flops, sum.traffic.unfused),
            ratio(sum.flops, sum.traffic.fused),
            ratio(sum.macs, sum.cio),
        ]
    });
    Sheet {
        title: "Traffic by stage".into(),
        columns: vec!["stage", "unfused", "fused", "compulsory", "FLOP/B unf.", "fused", "MACs/CIO"],
        rows: rows.collect(),
        notes: vec!["`csp-profile explain traffic` tells what each model moves".into()],
    }
}
