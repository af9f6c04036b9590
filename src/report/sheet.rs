//! Tables as data: what stands in them, before any format.

use super::{Report, block_name, stage_name, verdict_name};
use crate::analysis::conventions::{CONVENTIONS, Convention, Unit};
use crate::analysis::roofline::{Bound, Point, Roofline};
use crate::analysis::{Group, Stored};
use crate::device::Device;
use crate::graph::NodeId;
use crate::published::Verdict;
use crate::units::{self, Overflow};

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A name: it may be cut where a line must not be longer.
    Name(String),
    /// An exact count.
    Count(u64),
    /// An exact number of bytes.
    Bytes(u64),
    /// A part of a whole.
    Share(u64, u64),
    /// A ratio.
    Ratio(f64),
}

impl Cell {
    /// As people read it: four digits.
    pub fn human(&self) -> String {
        match self {
            Self::Text(text) | Self::Name(text) => text.clone(),
            Self::Count(0) => "-".into(),
            Self::Count(count) => units::si(*count),
            Self::Bytes(bytes) => units::bytes(*bytes),
            Self::Share(0, _) => "-".into(),
            Self::Share(part, whole) => units::percent(*part, *whole),
            Self::Ratio(ratio) => ratio_text(*ratio),
        }
    }

    /// As programs read it: every digit.
    pub fn exact(&self) -> String {
        match self {
            Self::Text(text) | Self::Name(text) => text.clone(),
            Self::Count(count) | Self::Bytes(count) => count.to_string(),
            #[expect(clippy::cast_precision_loss, reason = "a share is approximate by nature")]
            Self::Share(part, whole) => {
                if *whole == 0 { 0.0 } else { *part as f64 / *whole as f64 }.to_string()
            }
            Self::Ratio(ratio) => ratio.to_string(),
        }
    }

    /// Whether it stands at the left of its column.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Name(_))
    }
}

/// A ratio in about four digits.
fn ratio_text(ratio: f64) -> String {
    if ratio >= 100.0 {
        format!("{ratio:.0}")
    } else if ratio >= 10.0 {
        format!("{ratio:.1}")
    } else {
        format!("{ratio:.2}")
    }
}

/// A table.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// What it shows.
    pub title: String,
    /// The columns' names; empty for a list of facts.
    pub columns: Vec<&'static str>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
    /// Remarks below it.
    pub notes: Vec<String>,
}

/// By what rows are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// One row a node.
    Layer,
    /// One row a stage.
    Stage,
    /// One row a block instance.
    Block,
    /// One row an op.
    Op,
}

/// The convention that a column of its own shows, and its count of each node.
#[derive(Clone, Debug)]
pub struct Extra {
    /// The convention.
    pub convention: &'static Convention,
    /// By node.
    pub counts: Vec<u64>,
}

fn learned(stored: &Stored) -> u64 {
    stored.learned().unwrap_or(u64::MAX)
}

/// Name and totals.
pub fn summary(report: &Report<'_>) -> Sheet {
    let (graph, analysis) = (report.graph, report.analysis);
    let total = &analysis.total;
    let stored = &total.stored;
    let mut rows = Vec::new();
    let mut row = |name: &str, count: u64, text: String, remark: String| {
        rows.push(vec![
            Cell::Text(name.into()),
            Cell::Text(units::grouped(count)),
            Cell::Text(text),
            Cell::Name(remark),
        ]);
    };
    let parts =
        [("weights", stored.weights), ("bias", stored.bias), ("norm", stored.norm), ("other", stored.other)];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{name} {}", units::si(*count)))
        .collect();
    row("parameters", learned(stored), units::si(learned(stored)), parts.join(", "));
    if total.used != learned(stored) {
        row("as used", total.used, units::si(total.used), "shared weights counted at every use".into());
    }
    if stored.buffers > 0 {
        row("buffers", stored.buffers, units::si(stored.buffers), "stored, not learned".into());
    }
    row("weight bytes", stored.bytes, units::bytes(stored.bytes), "parameters and buffers".into());
    row("MACs", total.macs, units::si(total.macs), String::new());
    row("FLOPs", total.flops, units::si(total.flops), "2 a MAC, 1 every other operation".into());
    row(
        "activations",
        total.activations,
        units::si(total.activations),
        "elements convolutions and products write".into(),
    );
    if total.cio_with_pools > 0 {
        row("CIO", total.cio, units::si(total.cio), "elements convolutions read and write".into());
        row("CIO with pools", total.cio_with_pools, units::si(total.cio_with_pools), String::new());
    }
    let mut notes = Vec::new();
    if total.cio > 0 {
        #[expect(clippy::cast_precision_loss, reason = "a ratio is approximate by nature")]
        notes.push(format!("MACs / CIO (MoC): {}", ratio_text(total.macs as f64 / total.cio as f64)));
    }
    if let Some(layer) = &analysis.largest_layer {
        notes.push(format!(
            "largest layer: {}, {:.1} % of all MACs, {} times the mean layer",
            graph.node(layer.node).name,
            layer.share * 100.0,
            ratio_text(layer.max_over_mean)
        ));
    }
    Sheet { title: "Summary".into(), columns: Vec::new(), rows, notes }
}

/// What other programs would print.
pub fn conventions(report: &Report<'_>) -> Sheet {
    let rows = CONVENTIONS.iter().zip(&report.analysis.conventions).map(|(convention, &count)| {
        let text = count.map_or("-".into(), units::grouped);
        vec![
            Cell::Text(convention.name.into()),
            Cell::Text(text),
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

/// The published figures and what became of them: all, or only those that do not hold.
pub fn published(report: &Report<'_>, all: bool) -> Sheet {
    let judged: Vec<_> = report.facts.iter().map(|fact| (fact, report.judge(fact))).collect();
    let count = |verdict: Verdict| judged.iter().filter(|(_, found)| *found == verdict).count();
    let shown = judged
        .iter()
        .filter(|(_, verdict)| all || matches!(verdict, Verdict::Fails | Verdict::DiffersAsStated));
    let mut notes = Vec::new();
    let rows: Vec<Vec<Cell>> = shown
        .map(|(fact, verdict)| {
            if let Some(difference) = &fact.differs {
                notes.push(format!("{} {}: {}", fact.label(), fact.value.text, difference.reason));
            }
            let ours = report.value(&fact.metric, fact.convention.as_deref());
            vec![
                Cell::Name(fact.label()),
                Cell::Text(fact.value.text.clone()),
                Cell::Text(ours.map_or("-".into(), |ours| fact.value.format(ours, fact.rounding))),
                Cell::Text(verdict_name(*verdict).into()),
                Cell::Name(fact.source.clone()),
            ]
        })
        .collect();
    let verdicts = [
        (Verdict::Holds, "to every printed digit"),
        (Verdict::DiffersAsStated, "for a stated reason"),
        (Verdict::Fails, "although they should hold"),
        (Verdict::Recorded, "only, as nothing computes them"),
    ];
    let counted: Vec<String> = verdicts
        .iter()
        .filter(|(verdict, _)| count(*verdict) > 0)
        .map(|(verdict, remark)| {
            format!("{} {}{}", count(*verdict), verb(*verdict, count(*verdict)), format_args!(" {remark}"))
        })
        .collect();
    let list = if all { "" } else { " (`--sections published` lists them)" };
    notes.insert(0, format!("{} figures: {}{list}", judged.len(), counted.join(", ")));
    Sheet {
        title: "Published figures".into(),
        columns: vec!["figure", "published", "ours", "verdict", "source"],
        rows,
        notes,
    }
}

fn verb(verdict: Verdict, count: usize) -> &'static str {
    match (verdict, count) {
        (Verdict::Holds, 1) => "holds",
        (Verdict::Holds, _) => "hold",
        (Verdict::DiffersAsStated, 1) => "differs",
        (Verdict::DiffersAsStated, _) => "differ",
        (Verdict::Fails, 1) => "fails",
        (Verdict::Fails, _) => "fail",
        (Verdict::Recorded, _) => "recorded",
    }
}

/// Bytes moved by stage, and the work for each.
pub fn traffic(report: &Report<'_>) -> Sheet {
    let total = Group { name: "total".into(), depth: 0, sum: report.analysis.total };
    #[expect(clippy::cast_precision_loss, reason = "a ratio is approximate by nature")]
    let ratio =
        |a: u64, b: u64| if b == 0 { Cell::Text("-".into()) } else { Cell::Ratio(a as f64 / b as f64) };
    let rows = report.analysis.stages.iter().chain([&total]).map(|group| {
        let sum = &group.sum;
        let short = group.name.rsplit('/').next().filter(|_| group.depth > 0).unwrap_or(&group.name);
        vec![
            Cell::Name(format!("{:indent$}{short}", "", indent = 2 * group.depth)),
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

/// Lower bounds of time on a device: the net, and the kernels that take longest.
pub fn roofline(report: &Report<'_>, device: &Device, roofline: &Roofline, limit: usize) -> Sheet {
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
        notes.push(format!("{} stay in the last-level cache", units::bytes(roofline.cached_bytes)));
    }
    notes.push(format!("figures: {}", device.source));
    Sheet {
        title: format!("Roofline on {}: the {limit} longest kernels", device.name),
        columns: vec!["kernel", "FLOPs", "bytes", "FLOP/B", "at least", "bound by"],
        rows: rows.collect(),
        notes,
    }
}

/// Seconds in four digits.
pub fn seconds(seconds: f64) -> String {
    let (scaled, unit) = match seconds {
        s if s >= 1.0 => (s, "s"),
        s if s >= 1e-3 => (s * 1e3, "ms"),
        s if s >= 1e-6 => (s * 1e6, "µs"),
        s => (s * 1e9, "ns"),
    };
    format!(
        "{} {unit}",
        if scaled >= 100.0 {
            format!("{scaled:.1}")
        } else if scaled >= 10.0 {
            format!("{scaled:.2}")
        } else {
            format!("{scaled:.3}")
        }
    )
}

/// Costs grouped in one way. `limit` keeps the costliest layers only.
///
/// # Errors
/// When a convention's sum does not fit in 64 bits.
pub fn costs(
    report: &Report<'_>,
    by: By,
    extra: Option<&Extra>,
    limit: Option<usize>,
) -> Result<Sheet, Overflow> {
    match by {
        By::Layer => Ok(layers(report, extra, limit)),
        By::Stage | By::Block | By::Op => groups(report, by, extra),
    }
}

/// The column that a convention fills.
fn unit_column(unit: Unit) -> &'static str {
    match unit {
        Unit::Macs => "conv. MACs",
        Unit::Flops => "conv. FLOPs",
        Unit::Parameters => "conv. params",
    }
}

fn groups(report: &Report<'_>, by: By, extra: Option<&Extra>) -> Result<Sheet, Overflow> {
    let (analysis, graph) = (report.analysis, report.graph);
    let (what, groups): (&'static str, &[Group]) = match by {
        By::Stage => ("stage", &analysis.stages),
        By::Block => ("block", &analysis.blocks),
        By::Layer | By::Op => ("op", &analysis.ops),
    };
    let mut columns = vec![what, "nodes", "params", "MACs", "%", "FLOPs", "activations", "CIO"];
    let mut rows: Vec<Vec<Cell>> = Vec::with_capacity(groups.len() + 1);
    for group in groups {
        let sum = &group.sum;
        let short = group.name.rsplit('/').next().filter(|_| group.depth > 0).unwrap_or(&group.name);
        rows.push(vec![
            Cell::Name(format!("{:indent$}{short}", "", indent = 2 * group.depth)),
            Cell::Count(sum.nodes),
            Cell::Count(learned(&sum.stored)),
            Cell::Count(sum.macs),
            Cell::Share(sum.macs, analysis.total.macs),
            Cell::Count(sum.flops),
            Cell::Count(sum.activations),
            Cell::Count(sum.cio),
        ]);
    }
    let total = &analysis.total;
    rows.push(vec![
        Cell::Name("total".into()),
        Cell::Count(total.nodes),
        Cell::Count(learned(&total.stored)),
        Cell::Count(total.macs),
        Cell::Share(total.macs, total.macs),
        Cell::Count(total.flops),
        Cell::Count(total.activations),
        Cell::Count(total.cio),
    ]);
    let mut title = format!("Costs by {what}");
    if let Some(extra) = extra {
        columns.push(unit_column(extra.convention.unit));
        title = format!("{title}, and as {} counts", extra.convention.name);
        let mut counts = vec![0u64; groups.len() + 1];
        let add = |slot: &mut u64, count: u64| -> Result<(), Overflow> {
            *slot = slot.checked_add(count).ok_or(Overflow)?;
            Ok(())
        };
        let ops: rustc_hash::FxHashMap<&str, usize> =
            groups.iter().enumerate().map(|(index, group)| (group.name.as_str(), index)).collect();
        for (id, node) in graph.nodes() {
            let count = extra.counts[id.index()];
            add(&mut counts[groups.len()], count)?;
            match by {
                By::Op | By::Layer => {
                    if let Some(&index) = ops.get(node.op.name()) {
                        add(&mut counts[index], count)?;
                    }
                }
                By::Stage => {
                    let mut name = stage_name(graph, node);
                    while let Some(stage) = name {
                        if let Some(&index) = ops.get(stage) {
                            add(&mut counts[index], count)?;
                        }
                        name = stage.rsplit_once('/').map(|(outer, _)| outer);
                    }
                }
                By::Block => {
                    let mut block = node.block;
                    while let Some(id) = block {
                        add(&mut counts[id.0 as usize], count)?;
                        block = graph.blocks()[id.0 as usize].parent;
                    }
                }
            }
        }
        for (row, count) in rows.iter_mut().zip(counts) {
            row.push(Cell::Count(count));
        }
    }
    Ok(Sheet { title, columns, rows, notes: Vec::new() })
}

fn layers(report: &Report<'_>, extra: Option<&Extra>, limit: Option<usize>) -> Sheet {
    let (analysis, graph) = (report.analysis, report.graph);
    let mut ids: Vec<_> = graph.nodes().map(|(id, _)| id).collect();
    let all = ids.len();
    if let Some(limit) = limit {
        let rank = |id: &NodeId| {
            let cost = &analysis.nodes[id.index()];
            (std::cmp::Reverse(cost.macs), std::cmp::Reverse(cost.flops), *id)
        };
        // A million layers need not be sorted to find ten.
        if limit < all {
            ids.select_nth_unstable_by_key(limit, rank);
            ids.truncate(limit);
        }
        ids.sort_by_key(rank);
    }
    let mut columns = vec!["layer", "op", "output", "params", "MACs", "%", "FLOPs"];
    if limit.is_none() {
        columns.extend(["activations", "CIO", "stage", "block"]);
    }
    if let Some(extra) = extra {
        columns.push(unit_column(extra.convention.unit));
    }
    let rows = ids.iter().map(|&id| {
        let (node, cost) = (graph.node(id), &analysis.nodes[id.index()]);
        let shapes: Vec<String> = node.outputs.iter().map(|output| output.shape.to_string()).collect();
        let mut row = vec![
            Cell::Name(node.name.to_string()),
            Cell::Text(node.op.name().into()),
            Cell::Text(shapes.join(" ")),
            Cell::Count(learned(&cost.stored)),
            Cell::Count(cost.macs),
            Cell::Share(cost.macs, analysis.total.macs),
            Cell::Count(cost.flops),
        ];
        if limit.is_none() {
            row.extend([
                Cell::Count(cost.activations),
                Cell::Count(cost.cio),
                Cell::Name(stage_name(graph, node).unwrap_or("").into()),
                Cell::Name(block_name(graph, node).unwrap_or("").into()),
            ]);
        }
        if let Some(extra) = extra {
            row.push(Cell::Count(extra.counts[id.index()]));
        }
        row
    });
    let title = match limit {
        Some(limit) if limit < all => format!("The {} costliest of {all} layers", limit.min(all)),
        _ => "Layers".to_owned(),
    };
    Sheet { title, columns, rows: rows.collect(), notes: Vec::new() }
}
