//! Networks side by side: totals, stages, layers. Plain data; `report/comparison.rs` shows it.
//!
//! All but the first network are compared with the first.

mod layers;
mod matching;
mod sequence;
mod stages;

use serde::Serialize;

pub use layers::{Change, Difference, Kind, Layer, LayerChanges};
pub use stages::StageRow;
pub(crate) use stages::rows as stage_rows;

use crate::report::Report;
use crate::report::figures::{self, Figure, Named};

/// One figure of every network.
#[derive(Clone, Debug, Serialize)]
pub struct FigureRow {
    /// Its name in tables.
    pub name: &'static str,
    /// Its path under the report's totals.
    pub path: String,
    /// By network; `None` where one has none.
    pub values: Vec<Option<Figure>>,
}

impl FigureRow {
    /// Whether all networks agree.
    pub fn is_same(&self) -> bool {
        self.values.windows(2).all(|pair| pair[0] == pair[1])
    }
}

/// Networks side by side.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The figures of whole networks.
    pub totals: Vec<FigureRow>,
    /// What other programs count.
    pub conventions: Vec<FigureRow>,
    /// The stages of all networks.
    pub stages: Vec<StageRow>,
    /// The layers of each network but the first, against the first's.
    pub layers: Vec<LayerChanges>,
    /// By network, whether its figures miss ops of unknown cost.
    pub at_least: Vec<bool>,
}

impl Comparison {
    /// Compares networks. Near linear in the layers of similar networks.
    pub fn new(reports: &[Report<'_>]) -> Self {
        let layers = match reports.split_first() {
            None => Vec::new(),
            Some((first, others)) => others.iter().map(|other| LayerChanges::between(first, other)).collect(),
        };
        Self {
            totals: rows(reports.iter().map(figures::totals)),
            conventions: rows(reports.iter().map(figures::conventions)),
            stages: stages::rows(reports.iter().map(|report| report.analysis.stages.as_slice())),
            layers,
            at_least: reports.iter().map(|report| report.analysis.total.unknown > 0).collect(),
        }
    }

    /// Whether nothing differs, names apart.
    pub fn is_same(&self) -> bool {
        self.totals.iter().chain(&self.conventions).all(FigureRow::is_same)
            && self.layers.iter().all(|layers| layers.differences.iter().all(|one| one.kind == Kind::Renamed))
    }
}

/// Joins the same list of figures of each network.
fn rows(lists: impl Iterator<Item = Vec<Named>>) -> Vec<FigureRow> {
    let mut rows: Vec<FigureRow> = Vec::new();
    for list in lists {
        for (index, named) in list.into_iter().enumerate() {
            match rows.get_mut(index) {
                Some(row) => row.values.push(named.figure),
                None => {
                    rows.push(FigureRow { name: named.name, path: named.path, values: vec![named.figure] });
                }
            }
        }
    }
    rows
}
