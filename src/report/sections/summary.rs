//! Totals and the largest layer.

use super::learned;
use crate::report::Report;
use crate::report::sheet::{Cell, Sheet, ratio_text};
use crate::units;

/// Name and totals.
pub fn sheet(report: &Report<'_>) -> Sheet {
    let (graph, analysis) = (report.graph, report.analysis);
    let total = &analysis.total;
    let stored = &total.stored;
    let mut rows = Vec::new();
    let mut row = |name: &str, count: u64, text: String, remark: &str| {
        rows.push(vec![
            Cell::Text(name.into()),
            Cell::Text(units::grouped(count)),
            Cell::Text(text),
            Cell::Name(remark.into()),
        ]);
    };
    row("parameters", learned(stored), units::si(learned(stored)), "");
    let parts =
        [("weights", stored.weights), ("bias", stored.bias), ("norm", stored.norm), ("other", stored.other)];
    for (name, count) in parts.into_iter().filter(|(_, count)| *count > 0 && *count < learned(stored)) {
        row(&format!("  {name}"), count, units::si(count), "");
    }
    if total.used != learned(stored) {
        row("as used", total.used, units::si(total.used), "shared weights, at every use");
    }
    if stored.buffers > 0 {
        row("buffers", stored.buffers, units::si(stored.buffers), "stored, not learned");
    }
    row("weight bytes", stored.bytes, units::bytes(stored.bytes), "parameters and buffers");
    let missing = total.unknown > 0;
    let mut row = |name: &str, count: u64, text: String, remark: &str| {
        rows.push(vec![
            Cell::Text(name.into()),
            Cell::Text(units::grouped(count)).or_more(missing),
            Cell::Text(text).or_more(missing),
            Cell::Name(remark.into()),
        ]);
    };
    row("MACs", total.macs, units::si(total.macs), "");
    row("FLOPs", total.flops, units::si(total.flops), "2 a MAC, 1 any other operation");
    row("activations", total.activations, units::si(total.activations), "written by convolutions, products");
    if total.cio_with_pools > 0 {
        row("CIO", total.cio, units::si(total.cio), "read and written by convolutions");
        row("CIO with pools", total.cio_with_pools, units::si(total.cio_with_pools), "");
    }
    let mut notes: Vec<String> = report.at_least().into_iter().collect();
    if total.cio > 0 && total.unknown == 0 {
        #[expect(clippy::cast_precision_loss, reason = "a ratio is approximate by nature")]
        notes.push(format!("MACs / CIO (MoC): {}", ratio_text(total.macs as f64 / total.cio as f64)));
    }
    if let Some(layer) = &analysis.largest_layer
        && total.unknown == 0
    {
        notes.push(format!(
            "largest layer: {}, {:.1} % of all MACs, {} times the mean layer",
            graph.node(layer.node).name,
            layer.share * 100.0,
            ratio_text(layer.max_over_mean)
        ));
    }
    Sheet { title: "Summary".into(), columns: Vec::new(), rows, notes }
}
