//! Tables as data: what stands in them, before any format.

use super::figures::Figure;
use super::{Report, block_name, stage_name, verdict_name};
use crate::analysis::conventions::{CONVENTIONS, Convention, Unit};
use crate::analysis::{Group, Stored};
use crate::graph::NodeId;
use crate::published::Rounding;
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
    /// Nothing.
    Empty,
    /// How much a figure grew or shrank.
    Difference(Figure, Figure),
    /// The same over the first figure.
    Growth(Figure, Figure),
    /// The second figure, and its growth beside it.
    Grown(Figure, Figure),
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
            Self::Empty => String::new(),
            Self::Difference(from, to) => difference(*from, *to),
            Self::Growth(from, to) => growth(*from, *to),
            Self::Grown(from, to) => format!("{} {:>7}", to.cell().human(), growth(*from, *to)),
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
            Self::Empty => String::new(),
            Self::Difference(from, to) => match (from, to) {
                (Figure::Count(from) | Figure::Bytes(from), Figure::Count(to) | Figure::Bytes(to)) => {
                    (i128::from(*to) - i128::from(*from)).to_string()
                }
                _ => (to.number() - from.number()).to_string(),
            },
            Self::Growth(from, to) => from.growth(*to).map_or(String::new(), |growth| growth.to_string()),
            Self::Grown(_, to) => to.cell().exact(),
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

/// A change with its sign, in the figure's unit; points of a hundred for shares.
fn difference(from: Figure, to: Figure) -> String {
    if from == to {
        return "-".into();
    }
    let signed = |less: bool, text: String| format!("{}{text}", if less { '−' } else { '+' });
    match (from, to) {
        (Figure::Count(from), Figure::Count(to)) => signed(to < from, units::si(to.abs_diff(from))),
        (Figure::Bytes(from), Figure::Bytes(to)) => signed(to < from, units::bytes(to.abs_diff(from))),
        (Figure::Share(..), Figure::Share(..)) => {
            let points = (to.number() - from.number()) * 100.0;
            signed(points < 0.0, format!("{:.1} pp", points.abs()))
        }
        _ => {
            let change = to.number() - from.number();
            signed(change < 0.0, ratio_text(change.abs()))
        }
    }
}

/// A relative change in at most seven letters.
fn growth(from: Figure, to: Figure) -> String {
    let Some(growth) = from.growth(to).filter(|_| from != to) else { return "-".into() };
    let (sign, percent) = (if growth < 0.0 { '−' } else { '+' }, growth.abs() * 100.0);
    if percent < 99.95 {
        format!("{sign}{percent:.1} %")
    } else if percent < 9999.5 {
        format!("{sign}{percent:.0} %")
    } else {
        format!("×{}", ratio_text((1.0 + growth).min(99_999.0)))
    }
}

/// A table. Its columns' names are of this program, or with `String` of a user's file.
#[derive(Clone, Debug)]
pub struct Sheet<Name = &'static str> {
    /// What it shows.
    pub title: String,
    /// The columns' names; empty for a list of facts.
    pub columns: Vec<Name>,
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

/// The published figures and what became of them.
pub fn published(report: &Report<'_>) -> Sheet {
    let rows = report.facts.iter().map(|fact| {
        let ours = report.value(&fact.metric, fact.convention.as_deref());
        vec![
            Cell::Name(fact.label()),
            Cell::Text(fact.value.text.clone()),
            Cell::Text(ours.map_or("-".into(), |ours| fact.value.format(ours, Rounding::Nearest))),
            Cell::Text(verdict_name(report.judge(fact)).into()),
            Cell::Name(fact.source.clone()),
        ]
    });
    Sheet {
        title: "Published figures".into(),
        columns: vec!["figure", "published", "ours", "verdict", "source"],
        rows: rows.collect(),
        notes: Vec::new(),
    }
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
