//! A network against its baseline: figures and layers, old and new.

use rustc_hash::FxHashMap;
use serde_json::Value;

use crate::budget::amount::{Amount, Quantity, figure};
use crate::budget::edit::SENSIBLE;
use crate::budget::lookup::{Found, list, name, subjects};
use crate::budget::{Scope, Verdict};

/// What changed.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// What the network is compared with, as the user knows it; without one there are no changes.
    pub baseline: Option<String>,
    /// Whether the baseline does not have the network.
    pub is_new: bool,
    /// Figures of the whole network.
    pub figures: Vec<Change>,
    /// The layers of which either figure differs, in the order of the network, those that are gone behind; nothing where
    /// there are too many to compare.
    pub layers: Option<Vec<Layer>>,
}

/// One figure, old and new.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its path.
    pub metric: String,
    /// The baseline's.
    pub old: Option<Amount>,
    /// Today's.
    pub new: Option<Amount>,
}

/// A layer that differs.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// Whether only the network has it, or only the baseline.
    pub only: Option<Only>,
    /// Parameters and MACs, old and new.
    pub figures: [Change; 2],
}

/// Which side has a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Only {
    /// The network: it is added.
    New,
    /// The baseline: it is removed.
    Old,
}

const OF_LAYERS: [&str; 2] = ["parameters", "macs"];

impl Changes {
    /// Compares two reports.
    pub fn new(verdict: &Verdict, report: &Value, baseline: Option<&Value>, label: Option<String>) -> Self {
        let mut metrics: Vec<&str> = SENSIBLE.to_vec();
        for row in verdict.rows.iter().filter(|row| row.scope == Scope::Net) {
            if !metrics.contains(&&*row.metric) {
                metrics.push(&row.metric);
            }
        }
        let figures = metrics.into_iter().map(|metric| Change {
            metric: metric.to_owned(),
            old: baseline.and_then(|baseline| of_net(baseline, metric)),
            new: of_net(report, metric),
        });
        Self {
            is_new: label.is_some() && baseline.is_none(),
            baseline: label,
            figures: figures.filter(|change| change.new.is_some()).collect(),
            layers: baseline.and_then(|baseline| layers(report, baseline)),
        }
    }
}

fn of_net(report: &Value, metric: &str) -> Option<Amount> {
    match subjects(report, &Scope::Net).first()?.find(metric) {
        Found::Figure(value) => Some(Amount::new(figure(value)?, Quantity::of(metric))),
        _ => None,
    }
}

fn layers(report: &Value, baseline: &Value) -> Option<Vec<Layer>> {
    report.get("nodes").and(baseline.get("nodes"))?;
    let (new, old) = (list(report, "nodes"), list(baseline, "nodes"));
    let by_name = |nodes: &'_ [Value]| -> FxHashMap<String, Value> {
        nodes.iter().map(|node| (name(node).to_owned(), node.clone())).collect()
    };
    let of = |node: Option<&Value>, metric: &str| {
        let number = figure(node?.get(metric)?)?;
        Some(Amount::new(number, Quantity::of(metric)))
    };
    let layer = |own: &str, new: Option<&Value>, old: Option<&Value>| Layer {
        name: own.to_owned(),
        only: match (new, old) {
            (Some(_), None) => Some(Only::New),
            (None, Some(_)) => Some(Only::Old),
            _ => None,
        },
        figures: OF_LAYERS.map(|metric| Change {
            metric: metric.into(),
            old: of(old, metric),
            new: of(new, metric),
        }),
    };
    let (of_old, of_new) = (by_name(old), by_name(new));
    let count =
        |amount: &Option<Amount>| amount.as_ref().map(|amount| amount.number.clone()).unwrap_or_default();
    let differs = |layer: &Layer| layer.figures.iter().any(|change| count(&change.old) != count(&change.new));
    let mut found: Vec<Layer> = new
        .iter()
        .map(|node| layer(name(node), Some(node), of_old.get(name(node))))
        .filter(differs)
        .collect();
    let gone = old.iter().filter(|node| !of_new.contains_key(name(node)));
    found.extend(gone.map(|node| layer(name(node), None, Some(node))).filter(differs));
    Some(found)
}
