//! The figures that commands set side by side, as data: a name, a path under the report's totals, and a getter.
//!
//! A new total is one line here: in [`SUMS`] where stages have it too, in [`WHOLE`] where only the network has it.

use serde::{Serialize, Serializer};

use super::Report;
use super::sheet::Cell;
use crate::analysis::Sum;
use crate::analysis::conventions::CONVENTIONS;

/// One figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    /// A count.
    Count(u64),
    /// A number of bytes.
    Bytes(u64),
    /// A part of a whole.
    Share(u64, u64),
    /// A ratio.
    Ratio(f64),
}

impl Figure {
    /// As a number; a count may lose digits beyond 2^53.
    #[expect(clippy::cast_precision_loss, reason = "for relative changes, which are approximate by nature")]
    pub fn number(self) -> f64 {
        match self {
            Self::Count(count) | Self::Bytes(count) => count as f64,
            Self::Share(_, 0) => 0.0,
            Self::Share(part, whole) => part as f64 / whole as f64,
            Self::Ratio(ratio) => ratio,
        }
    }

    /// As a cell of a table.
    pub fn cell(self) -> Cell {
        match self {
            Self::Count(count) => Cell::Count(count),
            Self::Bytes(bytes) => Cell::Bytes(bytes),
            Self::Share(part, whole) => Cell::Share(part, whole),
            Self::Ratio(ratio) => Cell::Ratio(ratio),
        }
    }

    /// The change towards another figure of the same kind over this one; `None` from nothing.
    pub fn growth(self, to: Self) -> Option<f64> {
        let from = self.number();
        (from != 0.0).then(|| (to.number() - from) / from)
    }
}

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) | Self::Bytes(count) => serializer.serialize_u64(*count),
            Self::Share(..) | Self::Ratio(_) => serializer.serialize_f64(self.number()),
        }
    }
}

/// A figure of a sum over nodes: of a stage and of the whole network.
#[derive(Clone, Copy, Debug)]
pub struct SumFigure {
    /// Its name in tables.
    pub name: &'static str,
    /// Its path under the report's totals.
    pub path: &'static str,
    /// The figure.
    pub get: fn(&Sum) -> Figure,
}

/// A figure of the whole network alone.
#[derive(Clone, Copy, Debug)]
pub struct WholeFigure {
    /// Its name in tables.
    pub name: &'static str,
    /// Its path under the report's totals.
    pub path: &'static str,
    /// The figure; `None` where the network has none.
    pub get: fn(&Report<'_>) -> Option<Figure>,
}

/// What stages and networks have.
pub const SUMS: &[SumFigure] = &[
    SumFigure { name: "nodes", path: "nodes", get: |sum| Figure::Count(sum.nodes) },
    SumFigure { name: "parameters", path: "parameters.total", get: |sum| Figure::Count(learned(sum)) },
    SumFigure { name: "buffers", path: "buffers", get: |sum| Figure::Count(sum.stored.buffers) },
    SumFigure { name: "weight bytes", path: "weight_bytes", get: |sum| Figure::Bytes(sum.stored.bytes) },
    SumFigure { name: "MACs", path: "macs", get: |sum| Figure::Count(sum.macs) },
    SumFigure { name: "FLOPs", path: "flops", get: |sum| Figure::Count(sum.flops) },
    SumFigure { name: "activations", path: "activations", get: |sum| Figure::Count(sum.activations) },
    SumFigure { name: "CIO", path: "cio", get: |sum| Figure::Count(sum.cio) },
    SumFigure { name: "CIO + pools", path: "cio_with_pools", get: |sum| Figure::Count(sum.cio_with_pools) },
    SumFigure { name: "traffic", path: "traffic_bytes.fused", get: |sum| Figure::Bytes(sum.traffic.fused) },
];

/// What only networks have.
pub const WHOLE: &[WholeFigure] = &[
    WholeFigure { name: "max layer", path: "largest_layer.share", get: largest_share },
    WholeFigure {
        name: "max / mean",
        path: "largest_layer.max_over_mean",
        get: |report| Some(Figure::Ratio(report.analysis.largest_layer?.max_over_mean)),
    },
    WholeFigure {
        name: "peak memory",
        path: "peak_memory_bytes.inference",
        get: |report| Some(Figure::Bytes(report.memory?.models[0].peak)),
    },
    WholeFigure {
        name: "in place",
        path: "peak_memory_bytes.inference_inplace",
        get: |report| Some(Figure::Bytes(report.memory?.models[1].peak)),
    },
    WholeFigure {
        name: "saved bytes",
        path: "training.saved_bytes",
        get: |report| Some(Figure::Bytes(report.memory?.training[0].saved_bytes)),
    },
    WholeFigure {
        name: "grad. edges",
        path: "gradient.edges",
        get: |report| Some(Figure::Count(report.gradient?.ratios.edges)),
    },
    WholeFigure {
        name: "shortest path",
        path: "gradient.longest_shortest_path",
        get: |report| Some(Figure::Count(report.gradient?.longest_shortest_path())),
    },
    WholeFigure {
        name: "longest path",
        path: "gradient.longest_path",
        get: |report| Some(Figure::Count(report.gradient?.longest_path())),
    },
];

fn learned(sum: &Sum) -> u64 {
    // The analysis has summed these already, so the sum fits.
    sum.stored.learned().unwrap_or(u64::MAX)
}

fn largest_share(report: &Report<'_>) -> Option<Figure> {
    let layer = report.analysis.largest_layer?;
    Some(Figure::Share(report.analysis.nodes[layer.node.index()].macs, report.analysis.total.macs))
}

/// A figure with its name and path.
#[derive(Clone, Debug)]
pub struct Named {
    /// Its name in tables.
    pub name: &'static str,
    /// Its path under the report's totals.
    pub path: String,
    /// The figure, where there is one.
    pub figure: Option<Figure>,
}

/// All figures of a network's totals, without those of conventions.
pub fn totals(report: &Report<'_>) -> Vec<Named> {
    let sums = SUMS.iter().map(|sum| Named {
        name: sum.name,
        path: sum.path.to_owned(),
        figure: Some((sum.get)(&report.analysis.total)),
    });
    let whole = WHOLE.iter().map(|whole| Named {
        name: whole.name,
        path: whole.path.to_owned(),
        figure: (whole.get)(report),
    });
    sums.chain(whole).collect()
}

/// What each convention counts.
pub fn conventions(report: &Report<'_>) -> Vec<Named> {
    let counts = CONVENTIONS.iter().zip(&report.analysis.conventions);
    counts
        .map(|(convention, count)| Named {
            name: convention.name,
            path: format!("conventions.{}", convention.name),
            figure: count.map(Figure::Count),
        })
        .collect()
}
