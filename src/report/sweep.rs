//! A sweep's points: sheets and JSON.

use serde::{Serialize, Serializer};

use super::SCHEMA_VERSION;
use super::sheet::{Cell, Sheet};
use crate::sweep::axis::Axis;
use crate::sweep::padding::Padded;
use crate::sweep::{Accuracy, Outcome, Point};

/// The figures that every sweep shows: path and the column's name.
pub const FIGURES: &[(&str, &str)] = &[
    ("parameters.total", "params"),
    ("macs", "MACs"),
    ("flops", "FLOPs"),
    ("activations", "activations"),
    ("cio", "CIO"),
];

/// All that a sweep's report is made from.
#[derive(Clone, Copy, Debug)]
pub struct SweepReport<'a> {
    /// The network's name.
    pub name: &'a str,
    /// The file.
    pub file: &'a str,
    /// What was swept.
    pub axes: &'a [Axis],
    /// Paths of the figures of each point.
    pub metrics: &'a [String],
    /// The multiple that channels should have.
    pub align: Option<u64>,
    /// All points in order.
    pub points: &'a [Point],
}

impl SweepReport<'_> {
    /// The published accuracies' names, in the order of their first use.
    fn accuracies(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for outcome in self.points.iter().filter_map(|point| point.outcome.as_ref().ok()) {
            for accuracy in &outcome.accuracies {
                if !names.contains(&accuracy.metric.as_str()) {
                    names.push(&accuracy.metric);
                }
            }
        }
        names
    }

    /// Which axes have several values: the others are the same in every row.
    pub fn varying(&self) -> impl Iterator<Item = (usize, &Axis)> {
        self.axes.iter().enumerate().filter(|(_, axis)| axis.values.len() > 1)
    }

    /// The points that are networks, for people. Its first columns are [`SweepReport::varying`].
    pub fn valid(&self) -> Sheet<String> {
        let accuracies = self.accuracies();
        let mut columns: Vec<String> = self.varying().map(|(_, axis)| axis.name.clone()).collect();
        columns.extend(self.metrics.iter().map(|metric| {
            let known = FIGURES.iter().find(|(path, _)| path == metric);
            known.map_or_else(|| metric.clone(), |(_, name)| (*name).to_owned())
        }));
        if self.align.is_some() {
            columns.extend(["wasted", "of MACs"].map(str::to_owned));
        }
        columns
            .extend(accuracies.iter().map(|name| name.strip_prefix("accuracy.").unwrap_or(name).to_owned()));
        let rows = self.points.iter().filter_map(|point| {
            let outcome = point.outcome.as_ref().ok()?;
            let mut cells: Vec<Cell> =
                self.varying().map(|(axis, _)| Cell::Text(point.values[axis].clone())).collect();
            cells.extend(figures(self.metrics, outcome));
            if let Some(padded) = &outcome.padded {
                cells.push(Cell::Count(padded.wasted_macs));
                cells.push(Cell::Share(padded.wasted_macs, macs(self.metrics, outcome)));
            }
            cells.extend(accuracies.iter().map(|name| accuracy(outcome, name)));
            Some(cells)
        });
        let rows: Vec<Vec<Cell>> = rows.collect();
        let mut notes = Vec::new();
        if let Some(align) = self.align {
            let missed =
                self.outcomes().filter(|outcome| outcome.padded.is_some_and(|padded| padded.layers > 0));
            notes.push(format!("wasted: the MACs that channels padded to multiples of {align} would add;"));
            notes.push(format!(
                "{} of {} points have such channels (`explain sweep`)",
                missed.count(),
                rows.len()
            ));
        }
        if !accuracies.is_empty() {
            notes.push(format!("{}: published, not computed", accuracies.join(", ")));
        }
        Sheet { title: format!("{} combinations", rows.len()), columns, rows, notes }
    }

    fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.points.iter().filter_map(|point| point.outcome.as_ref().ok())
    }

    /// The combinations that are no network, each with the reason.
    pub fn invalid(&self) -> impl Iterator<Item = (String, &str)> {
        self.points.iter().filter_map(|point| {
            let fault = point.outcome.as_ref().err()?;
            Some((assignments(self.axes, &point.values), fault.as_str()))
        })
    }

    /// Every point as a row of exact figures; those that are no network have only `error`.
    pub fn csv(&self) -> Sheet<String> {
        let accuracies = self.accuracies();
        let mut columns: Vec<String> = self.axes.iter().map(|axis| axis.name.clone()).collect();
        columns.extend(self.metrics.iter().cloned());
        if let Some(align) = self.align {
            columns.extend([format!("wasted_macs.{align}"), format!("misaligned_layers.{align}")]);
        }
        columns.extend(accuracies.iter().map(|name| (*name).to_owned()));
        columns.push("error".into());
        let width = columns.len();
        let rows = self.points.iter().map(|point| {
            let mut cells: Vec<Cell> = point.values.iter().cloned().map(Cell::Text).collect();
            match &point.outcome {
                Ok(outcome) => {
                    cells.extend(figures(self.metrics, outcome));
                    if let Some(padded) = outcome.padded {
                        cells.extend([Cell::Count(padded.wasted_macs), Cell::Count(padded.layers)]);
                    }
                    cells.extend(accuracies.iter().map(|name| accuracy(outcome, name)));
                    cells.push(Cell::Empty);
                }
                Err(fault) => {
                    cells.resize(width - 1, Cell::Empty);
                    cells.push(Cell::Text(fault.clone()));
                }
            }
            cells
        });
        Sheet { title: String::new(), columns, rows: rows.collect(), notes: Vec::new() }
    }
}

/// `gamma = 0.25, fusion = csp`.
pub fn assignments(axes: &[Axis], values: &[String]) -> String {
    let pairs = axes.iter().zip(values).map(|(axis, value)| format!("{} = {value}", axis.name));
    pairs.collect::<Vec<_>>().join(", ")
}

fn figures(metrics: &[String], outcome: &Outcome) -> Vec<Cell> {
    let cell = |(metric, value): (&String, &Option<u64>)| match value {
        None => Cell::Empty,
        Some(bytes) if metric.contains("bytes") => Cell::Bytes(*bytes),
        Some(count) => Cell::Count(*count),
    };
    metrics.iter().zip(&outcome.metrics).map(cell).collect()
}

fn macs(metrics: &[String], outcome: &Outcome) -> u64 {
    metrics.iter().position(|metric| metric == "macs").and_then(|index| outcome.metrics[index]).unwrap_or(0)
}

fn accuracy(outcome: &Outcome, name: &str) -> Cell {
    let values = outcome.accuracies.iter().filter(|accuracy| accuracy.metric == name);
    let values: Vec<&str> = values.map(|accuracy| accuracy.value.as_str()).collect();
    if values.is_empty() { Cell::Empty } else { Cell::Text(values.join(" / ")) }
}

#[derive(Serialize)]
struct Alignment {
    multiple: u64,
    layers: u64,
    wasted_macs: u64,
}

#[derive(Serialize)]
struct PointRow<'a> {
    parameters: serde_json::Map<String, serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    figures: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alignment: Option<Alignment>,
    #[serde(skip_serializing_if = "<[Accuracy]>::is_empty")]
    published: &'a [Accuracy],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct Root<'a> {
    schema_version: u32,
    command: &'static str,
    name: &'a str,
    file: &'a str,
    metrics: &'a [String],
    points: Points<'a>,
}

struct Points<'a>(SweepReport<'a>);

impl Serialize for Points<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.points.iter().map(|point| self.0.row(point)))
    }
}

impl<'a> SweepReport<'a> {
    fn row(&self, point: &'a Point) -> PointRow<'a> {
        let names = self.axes.iter().map(|axis| axis.name.clone());
        let outcome = point.outcome.as_ref();
        let figures = outcome.ok().map(|outcome| {
            let values =
                outcome.metrics.iter().map(|value| value.map_or(serde_json::Value::Null, Into::into));
            self.metrics.iter().cloned().zip(values).collect()
        });
        let alignment = |padded: Padded, multiple: u64| Alignment {
            multiple,
            layers: padded.layers,
            wasted_macs: padded.wasted_macs,
        };
        PointRow {
            parameters: names.zip(point.values.iter().map(|value| json_value(value))).collect(),
            figures,
            alignment: outcome.ok().and_then(|outcome| Some(alignment(outcome.padded?, self.align?))),
            published: outcome.map_or(&[], |outcome| &outcome.accuracies),
            error: point.outcome.as_ref().err().map(String::as_str),
        }
    }
}

/// A whole number as a number; everything else as it was given, for JSON has no exact fractions.
fn json_value(text: &str) -> serde_json::Value {
    match text.parse::<i64>() {
        Ok(number) if number.to_string() == text => number.into(),
        _ => text.into(),
    }
}

impl Serialize for SweepReport<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Root {
            schema_version: SCHEMA_VERSION,
            command: "sweep",
            name: self.name,
            file: self.file,
            metrics: self.metrics,
            points: Points(*self),
        }
        .serialize(serializer)
    }
}
