//! Lower bounds of time on a device.

use crate::analysis::roofline::{Bound, Point, Roofline};
use crate::device::Device;
use crate::report::Report;
use crate::report::sheet::{Cell, Sheet};
use crate::units::{self, seconds};

/// Lower bounds of time on a device: the net, and the kernels that take longest.
pub fn sheet(report: &Report<'_>, device: &Device, roofline: &Roofline, limit: usize) -> Sheet {
    let mut points: Vec<&Point> = roofline.points.iter().collect();
    points.sort_by(|a, b| b.seconds.total_cmp(&a.seconds).then(a.node.cmp(&b.node)));
    points.truncate(limit);
    let rows = points.iter().map(|point| {
        #[expect(clippy::cast_precision_loss, reason = "a ratio is approximate by nature")]
        let intensity = if point.bytes == 0 {
            Cell::Text("-".into())
        } else {
            Cell::Ratio(point.flops as f64 / point.bytes as f64)
        };
        vec![
            Cell::Name(report.graph.node(point.node).name.to_string()),
            Cell::Count(point.flops),
            Cell::Bytes(point.bytes),
            intensity,
            Cell::Text(seconds(point.seconds)),
            Cell::Text(if point.bound == Bound::Compute { "compute" } else { "memory" }.into()),
        ]
    });
    let share =
        if roofline.seconds > 0.0 { 100.0 * roofline.compute_seconds / roofline.seconds } else { 0.0 };
    let mut notes = vec![format!(
        "at least {} in all, {share:.1} % of it in compute-bound kernels",
        seconds(roofline.seconds)
    )];
    if roofline.cached_bytes > 0 {
        notes.push(format!(
            "{} of traffic are served by the last-level cache",
            units::bytes(roofline.cached_bytes)
        ));
    }
    notes.push(format!("figures: {}", device.source));
    Sheet {
        title: format!("Roofline on {}: the {limit} longest kernels", device.name),
        columns: vec!["kernel", "FLOPs", "bytes", "FLOP/B", "at least", "bound by"],
        rows: rows.collect(),
        notes,
    }
}
