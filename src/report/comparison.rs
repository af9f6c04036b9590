//! Networks side by side: the sheets and the JSON of a [`Comparison`].

use serde::{Serialize, Serializer};

use super::figures::{Figure, SUMS};
use super::sheet::{Cell, Sheet};
use super::{Architecture, Report, SCHEMA_VERSION};
use crate::comparison::{Comparison, Difference, FigureRow, Kind, Layer, LayerChanges, StageRow};

/// The most networks that are set side by side: each has a letter.
pub const MAX_NETWORKS: usize = 26;

const LETTERS: [&str; MAX_NETWORKS] = [
    "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P", "Q", "R", "S", "T", "U",
    "V", "W", "X", "Y", "Z",
];

/// What tables call a network.
pub fn letter(network: usize) -> &'static str {
    LETTERS.get(network).copied().unwrap_or("?")
}

/// The figures of whole networks. Two networks have the change in columns of its own, more have it in theirs.
pub fn totals(comparison: &Comparison) -> Sheet {
    figures("Totals", "", &comparison.totals, &comparison.at_least)
}

/// What other programs would print of each.
pub fn conventions(comparison: &Comparison) -> Sheet {
    figures(
        "As other programs count, for one image",
        "convention",
        &comparison.conventions,
        &comparison.at_least,
    )
}

fn figures(title: &str, first: &'static str, rows: &[FigureRow], at_least: &[bool]) -> Sheet {
    let networks = rows.first().map_or(0, |row| row.values.len());
    let cells = rows.iter().map(|row| {
        let mut cells = vec![Cell::Name(row.name.into())];
        let exact = is_exact(&row.path);
        cells.extend(side_by_side(&row.values).into_iter().enumerate().map(|(index, cell)| {
            match at_least.get(index) {
                Some(missing) => cell.or_more(*missing && !exact),
                // Changes from or to a bound are none that is known.
                None if !exact && at_least.contains(&true) => Cell::Unknown,
                None => cell,
            }
        }));
        cells
    });
    Sheet {
        title: title.into(),
        columns: columns(first, networks),
        rows: cells.collect(),
        notes: missing(at_least).into_iter().collect(),
    }
}

/// Whether a figure is exact even where costs are unknown: what is stored is listed.
pub(super) fn is_exact(path: &str) -> bool {
    ["nodes", "parameters.", "buffers", "weight_bytes"].iter().any(|exact| path.starts_with(exact))
}

/// Which networks' figures are lower bounds.
fn missing(at_least: &[bool]) -> Option<String> {
    let letters: Vec<&str> =
        (0..).zip(at_least).filter(|(_, missing)| **missing).map(|(index, _)| letter(index)).collect();
    (!letters.is_empty())
        .then(|| format!("≥ is at least: {} has ops whose cost is unknown", letters.join(", ")))
}

fn columns(first: &'static str, networks: usize) -> Vec<&'static str> {
    let mut columns = vec![first];
    columns.extend((0..networks).map(letter));
    if networks == 2 {
        columns.extend(["change", "%"]);
    }
    columns
}

/// One row of figures, as [`columns`] names them.
fn side_by_side(values: &[Option<Figure>]) -> Vec<Cell> {
    let cell = |value: &Option<Figure>| value.map_or(Cell::Empty, Figure::cell);
    match values {
        [a, b] => {
            let mut cells = vec![cell(a), cell(b)];
            cells.extend(match (*a, *b) {
                (Some(a), Some(b)) => [Cell::Difference(a, b), Cell::Growth(a, b)],
                _ => [Cell::Empty, Cell::Empty],
            });
            cells
        }
        [first, others @ ..] => {
            let others = others.iter().map(|other| match (*first, *other) {
                (Some(first), Some(other)) => Cell::Grown(first, other),
                _ => cell(other),
            });
            [cell(first)].into_iter().chain(others).collect()
        }
        [] => Vec::new(),
    }
}

/// Stage by stage: parameters and multiply-accumulates for two networks, one sheet of each for more.
pub fn stages(comparison: &Comparison) -> Vec<Sheet> {
    let networks = comparison.stages.first().map_or(0, |row| row.stages.len());
    let chosen = ["parameters.total", "macs"];
    if networks != 2 {
        return stages_in_full(comparison)
            .into_iter()
            .filter(|(path, _)| chosen.contains(path))
            .map(|(_, sheet)| sheet)
            .collect();
    }
    let rows = comparison.stages.iter().map(|row| {
        let mut cells = vec![stage_cell(row)];
        for sum in SUMS.iter().filter(|sum| chosen.contains(&sum.path)) {
            let values = stage_values(row, sum.get);
            let mut figures = side_by_side(&values);
            figures.remove(2);
            cells.extend(figures);
        }
        cells
    });
    let sheet = Sheet {
        title: "Stages".into(),
        columns: vec!["stage", "params A", "params B", "%", "MACs A", "MACs B", "%"],
        rows: rows.collect(),
        notes: missing(&comparison.at_least).into_iter().collect(),
    };
    vec![sheet]
}

/// Stage by stage, every figure in a sheet of its own, with its path.
pub fn stages_in_full(comparison: &Comparison) -> Vec<(&'static str, Sheet)> {
    let networks = comparison.stages.first().map_or(0, |row| row.stages.len());
    let sheet = |sum: &super::figures::SumFigure| {
        let rows = comparison.stages.iter().map(|row| {
            let mut cells = vec![stage_cell(row)];
            cells.extend(side_by_side(&stage_values(row, sum.get)));
            cells
        });
        Sheet {
            title: format!("Stages: {}", sum.name),
            columns: columns("stage", networks),
            rows: rows.collect(),
            notes: missing(&comparison.at_least).into_iter().collect(),
        }
    };
    SUMS.iter().map(|sum| (sum.path, sheet(sum))).collect()
}

fn stage_values(row: &StageRow, get: fn(&crate::analysis::Sum) -> Figure) -> Vec<Option<Figure>> {
    row.stages.iter().map(|stage| stage.as_ref().map(|(_, sum)| get(sum))).collect()
}

/// A stage's name; both where networks call it differently.
fn stage_cell(row: &StageRow) -> Cell {
    let short = |name: &str| name.rsplit('/').next().filter(|_| row.depth > 0).unwrap_or(name).to_owned();
    let mut names: Vec<String> = row.stages.iter().flatten().map(|(name, _)| short(name)).collect();
    names.dedup();
    Cell::Name(format!("{:indent$}{}", "", names.join(" = "), indent = 2 * row.depth))
}

/// The layers that differ; with a limit, those whose multiply-accumulates and parameters differ most.
pub fn layers(changes: &LayerChanges, network: usize, limit: Option<usize>) -> Sheet {
    let (first, second) = (letter(0), letter(network));
    let mut chosen: Vec<&Difference> = changes
        .differences
        .iter()
        .filter(|difference| limit.is_none() || difference.kind != Kind::Renamed)
        .collect();
    let all = chosen.len();
    if let Some(limit) = limit.filter(|&limit| limit < all) {
        let weight = |difference: &Difference| {
            let ((macs, new_macs), (parameters, new_parameters)) =
                (difference.macs(), difference.parameters());
            (macs.abs_diff(new_macs), parameters.abs_diff(new_parameters))
        };
        let mut order: Vec<usize> = (0..all).collect();
        order.sort_by_key(|&index| std::cmp::Reverse(weight(chosen[index])));
        order.truncate(limit);
        order.sort_unstable();
        chosen = order.into_iter().map(|index| chosen[index]).collect();
    }
    let mut notes = vec![summary(changes)];
    if chosen.len() < all {
        notes.push(format!("the {} of {all} that differ most; `--by layer` lists all", chosen.len()));
    }
    let columns = if chosen.is_empty() { Vec::new() } else { vec!["", "layer", "MACs", "what"] };
    let rows = chosen.iter().map(|difference| {
        let (macs, new_macs) = difference.macs();
        let what = if difference.changes.is_empty() {
            let layer = difference.after.as_ref().or(difference.before.as_ref());
            layer.map_or(String::new(), |layer| format!("{} {}", layer.op, layer.shape))
        } else {
            short_changes(difference)
        };
        vec![
            Cell::Text(sign(difference.kind).into()),
            Cell::Name(difference.name().to_owned()),
            Cell::Difference(Figure::Count(macs), Figure::Count(new_macs)),
            Cell::Name(what),
        ]
    });
    Sheet { title: format!("Layers of {second} against {first}"), columns, rows: rows.collect(), notes }
}

/// How many layers are what.
pub fn summary(changes: &LayerChanges) -> String {
    let count = |kind: Kind| format!("{} {}", changes.count(kind), kind.name());
    let kinds = [Kind::Changed, Kind::Added, Kind::Removed, Kind::Renamed].map(count);
    format!("{} the same, {}", changes.same, kinds.join(", "))
}

fn sign(kind: Kind) -> &'static str {
    match kind {
        Kind::Added => "+",
        Kind::Removed => "−",
        Kind::Changed => "~",
        Kind::Renamed => "=",
    }
}

/// Everything that changed.
fn all_changes(difference: &Difference) -> String {
    difference.changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What changed, without what follows from it: attributes explain shapes, and the input's shape the output's.
fn short_changes(difference: &Difference) -> String {
    const FOLLOWING: [&str; 3] = ["input", "output", "reads"];
    let find = |name: &str| difference.changes.iter().find(|change| change.attribute == name);
    let own = difference
        .changes
        .iter()
        .filter(|change| change.attribute != "name" && !FOLLOWING.contains(&change.attribute));
    let mut words: Vec<String> = own.map(ToString::to_string).collect();
    if words.is_empty() {
        let tensors = |text: &str| text.split(' ').count();
        words.extend(FOLLOWING.iter().find_map(|name| find(name)).map(|change| {
            match (tensors(&change.before), tensors(&change.after)) {
                (1, 1) => change.to_string(),
                (before, after) if before != after => format!("reads {before} → {after} tensors"),
                (count, _) if change.attribute == "reads" => format!("reads others of {count} tensors"),
                (count, _) => format!("other shapes of {count} tensors"),
            }
        }));
    }
    if words.is_empty() {
        words.extend(find("name").map(|change| format!("was {}", change.before)));
    }
    words.join("; ")
}

/// Figures as comma-separated values: `figure`, each network, and each one's change and growth against the first.
pub fn figures_csv(comparison: &Comparison, names: &[String]) -> Sheet<String> {
    let rows = comparison.totals.iter().chain(&comparison.conventions).map(|row| {
        let mut cells = vec![Cell::Text(row.path.clone())];
        cells.extend(flat(&row.values));
        cells
    });
    Sheet {
        title: String::new(),
        columns: flat_columns(&["figure"], names),
        rows: rows.collect(),
        notes: Vec::new(),
    }
}

/// Stages as comma-separated values: `stage`, `figure`, and the same columns.
pub fn stages_csv(comparison: &Comparison, names: &[String]) -> Sheet<String> {
    let rows = comparison.stages.iter().flat_map(|row| {
        SUMS.iter().map(move |sum| {
            let mut cells = vec![Cell::Text(row.name().to_owned()), Cell::Text(sum.path.into())];
            cells.extend(flat(&stage_values(row, sum.get)));
            cells
        })
    });
    Sheet {
        title: String::new(),
        columns: flat_columns(&["stage", "figure"], names),
        rows: rows.collect(),
        notes: Vec::new(),
    }
}

/// Layers as comma-separated values, one row for each that differs.
pub fn layers_csv(comparison: &Comparison, names: &[String]) -> Sheet<String> {
    let columns = [
        "network",
        "kind",
        "name",
        "name_before",
        "op",
        "shape",
        "shape_before",
        "macs",
        "macs_before",
        "parameters",
        "parameters_before",
        "changes",
    ];
    let rows = comparison.layers.iter().zip(&names[1..]).flat_map(|(changes, name)| {
        changes.differences.iter().map(move |difference| {
            let text = |layer: &Option<Layer>, get: fn(&Layer) -> String| {
                layer.as_ref().map_or(Cell::Empty, |layer| Cell::Text(get(layer)))
            };
            let (before, after) = (&difference.before, &difference.after);
            let op = after.as_ref().or(before.as_ref()).map_or("", |layer| layer.op);
            vec![
                Cell::Text(name.clone()),
                Cell::Text(difference.kind.name().into()),
                text(after, |layer| layer.name.clone()),
                text(before, |layer| layer.name.clone()),
                Cell::Text(op.into()),
                text(after, |layer| layer.shape.clone()),
                text(before, |layer| layer.shape.clone()),
                text(after, |layer| layer.macs.to_string()),
                text(before, |layer| layer.macs.to_string()),
                text(after, |layer| layer.parameters.to_string()),
                text(before, |layer| layer.parameters.to_string()),
                Cell::Text(all_changes(difference)),
            ]
        })
    });
    Sheet {
        title: String::new(),
        columns: columns.map(str::to_owned).into(),
        rows: rows.collect(),
        notes: Vec::new(),
    }
}

fn flat(values: &[Option<Figure>]) -> Vec<Cell> {
    let cells = values.iter().map(|value| value.map_or(Cell::Empty, Figure::cell));
    let first = values.first().copied().flatten();
    let changes = values.iter().skip(1).flat_map(|value| match (first, *value) {
        (Some(first), Some(value)) => [Cell::Difference(first, value), Cell::Growth(first, value)],
        _ => [Cell::Empty, Cell::Empty],
    });
    cells.chain(changes).collect()
}

fn flat_columns(first: &[&str], names: &[String]) -> Vec<String> {
    let own = first.iter().map(|&name| name.to_owned()).chain(names.iter().cloned());
    let changes = names.iter().skip(1).flat_map(|name| [format!("{name} change"), format!("{name} growth")]);
    own.chain(changes).collect()
}

/// The comparison as JSON.
pub struct Json<'a> {
    /// The networks.
    pub reports: &'a [Report<'a>],
    /// What each was read from.
    pub files: &'a [String],
    /// What was found.
    pub comparison: &'a Comparison,
}

#[derive(Serialize)]
struct Root<'a> {
    schema_version: u32,
    command: &'static str,
    same: bool,
    architectures: Vec<Operand<'a>>,
    totals: Vec<Row<'a>>,
    stages: Vec<Stage<'a>>,
    layers: Vec<Layers<'a>>,
}

#[derive(Serialize)]
struct Operand<'a> {
    file: &'a str,
    at_least: bool,
    #[serde(flatten)]
    architecture: Architecture<'a>,
}

#[derive(Serialize)]
struct Row<'a> {
    metric: &'a str,
    values: Vec<Option<Figure>>,
    /// Against the first, by network.
    growth: Vec<Option<f64>>,
}

#[derive(Serialize)]
struct Stage<'a> {
    names: Vec<Option<&'a str>>,
    figures: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Layers<'a> {
    network: usize,
    against: usize,
    same: usize,
    changed: usize,
    added: usize,
    removed: usize,
    renamed: usize,
    differences: &'a [Difference],
}

impl<'a> Row<'a> {
    fn new(metric: &'a str, values: Vec<Option<Figure>>) -> Self {
        let first = values.first().copied().flatten();
        let growth = values.iter().map(|value| first?.growth((*value)?)).collect();
        Self { metric, values, growth }
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let comparison = self.comparison;
        let totals = comparison.totals.iter().chain(&comparison.conventions);
        let stage = |row: &'_ StageRow| {
            SUMS.iter().map(|sum| Row::new(sum.path, stage_values(row, sum.get))).collect()
        };
        Root {
            schema_version: SCHEMA_VERSION,
            command: "compare",
            same: comparison.is_same(),
            architectures: self
                .reports
                .iter()
                .zip(self.files)
                .map(|(report, file)| Operand {
                    file,
                    at_least: report.analysis.total.unknown > 0,
                    architecture: Architecture::new(report),
                })
                .collect(),
            totals: totals.map(|row| Row::new(&row.path, row.values.clone())).collect(),
            stages: comparison
                .stages
                .iter()
                .map(|row| Stage {
                    names: row.stages.iter().map(|stage| Some(stage.as_ref()?.0.as_str())).collect(),
                    figures: stage(row),
                })
                .collect(),
            layers: comparison
                .layers
                .iter()
                .enumerate()
                .map(|(index, changes)| Layers {
                    network: index + 1,
                    against: 0,
                    same: changes.same,
                    changed: changes.count(Kind::Changed),
                    added: changes.count(Kind::Added),
                    removed: changes.count(Kind::Removed),
                    renamed: changes.count(Kind::Renamed),
                    differences: &changes.differences,
                })
                .collect(),
        }
        .serialize(serializer)
    }
}
