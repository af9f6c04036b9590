//! Costs by layer, stage, block or op.

use super::{indented, learned};
use crate::analysis::conventions::Convention;
use crate::analysis::{Group, Sum};
use crate::graph::NodeId;
use crate::report::sheet::{Cell, Sheet};
use crate::report::{Report, block_name, called, stage_name};
use crate::units::Overflow;

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

/// Costs grouped in one way. `limit` keeps the costliest layers only; `wide` gives layers columns that no terminal
/// holds.
///
/// # Errors
/// When a convention's sum does not fit in 64 bits.
pub fn sheet(
    report: &Report<'_>,
    by: By,
    extra: Option<&Extra>,
    limit: Option<usize>,
    wide: bool,
) -> Result<Sheet, Overflow> {
    match by {
        By::Layer => Ok(layers(report, extra, limit, wide)),
        By::Stage | By::Block | By::Op => groups(report, by, extra),
    }
}

/// A count of a group, which may miss ops; of unknown ops alone nothing is known.
fn count(sum: &Sum, count: u64) -> Cell {
    if sum.unknown > 0 && sum.unknown == sum.nodes {
        return Cell::Unknown;
    }
    Cell::Count(count).or_more(sum.unknown > 0)
}

fn groups(report: &Report<'_>, by: By, extra: Option<&Extra>) -> Result<Sheet, Overflow> {
    let (analysis, graph) = (report.analysis, report.graph);
    let (what, groups): (&'static str, &[Group]) = match by {
        By::Stage => ("stage", &analysis.stages),
        By::Block => ("block", &analysis.blocks),
        By::Layer | By::Op => ("op", &analysis.ops),
    };
    // A convention's column takes the place of two that it says nothing about: 80 columns hold no more.
    let elements = extra.is_none();
    let mut columns = vec![what, "nodes", "params", "MACs", "%", "FLOPs"];
    if elements {
        columns.extend(["activations", "CIO"]);
    }
    let mut rows: Vec<Vec<Cell>> = Vec::with_capacity(groups.len() + 1);
    let total = Group { name: "total".into(), depth: 0, sum: analysis.total };
    for group in groups.iter().chain([&total]) {
        let sum = &group.sum;
        let mut row = vec![
            indented(group),
            Cell::Count(sum.nodes),
            Cell::Count(learned(&sum.stored)),
            count(sum, sum.macs),
            Cell::Share(sum.macs, analysis.total.macs),
            count(sum, sum.flops),
        ];
        if elements {
            row.extend([count(sum, sum.activations), count(sum, sum.cio)]);
        }
        rows.push(row);
    }
    let mut title = format!("Costs by {what}");
    if let Some(extra) = extra {
        columns.push(extra.convention.name);
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
        let sums = groups.iter().map(|group| &group.sum).chain([&analysis.total]);
        for ((row, counted), sum) in rows.iter_mut().zip(counts).zip(sums) {
            row.push(count(sum, counted));
        }
    }
    Ok(Sheet { title, columns, rows, notes: report.at_least().into_iter().collect() })
}

fn layers(report: &Report<'_>, extra: Option<&Extra>, limit: Option<usize>, wide: bool) -> Sheet {
    let (analysis, graph) = (report.analysis, report.graph);
    let mut ids: Vec<_> = graph.nodes().map(|(id, _)| id).collect();
    let all = ids.len();
    if let Some(limit) = limit {
        let rank = |id: &NodeId| {
            let cost = &analysis.nodes[id.index()];
            // What may cost anything comes first.
            (!cost.unknown, std::cmp::Reverse(cost.macs), std::cmp::Reverse(cost.flops), *id)
        };
        // A million layers need not be sorted to find ten.
        if limit < all {
            ids.select_nth_unstable_by_key(limit, rank);
            ids.truncate(limit);
        }
        ids.sort_by_key(rank);
    }
    let mut columns = vec!["layer", "op", "output", "params", "MACs", "%", "FLOPs"];
    if wide {
        columns.extend(["activations", "CIO", "traffic", "stage", "block"]);
    }
    if let Some(extra) = extra {
        columns.push(extra.convention.name);
    }
    let rows = ids.iter().map(|&id| {
        let (node, cost) = (graph.node(id), &analysis.nodes[id.index()]);
        let known = |count: u64| if cost.unknown { Cell::Unknown } else { Cell::Count(count) };
        let shapes: Vec<String> = node.outputs.iter().map(|output| output.shape.to_string()).collect();
        let mut row = vec![
            Cell::Name(node.name.to_string()),
            Cell::Name(called(node).into()),
            Cell::Text(shapes.join(" ")),
            Cell::Count(learned(&cost.stored)),
            known(cost.macs),
            if cost.unknown { Cell::Unknown } else { Cell::Share(cost.macs, analysis.total.macs) },
            known(cost.flops),
        ];
        if wide {
            row.extend([
                known(cost.activations),
                known(cost.cio),
                Cell::Bytes(analysis.traffic[id.index()].fused),
                Cell::Name(stage_name(graph, node).unwrap_or("").into()),
                Cell::Name(block_name(graph, node).unwrap_or("").into()),
            ]);
        }
        if let Some(extra) = extra {
            row.push(known(extra.counts[id.index()]));
        }
        row
    });
    let title = match limit {
        Some(limit) if limit < all => format!("The {} costliest of {all} layers", limit.min(all)),
        _ => "Layers".to_owned(),
    };
    let notes = report.at_least().into_iter().collect();
    Sheet { title, columns, rows: rows.collect(), notes }
}
