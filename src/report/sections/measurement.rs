//! What was measured beside what was predicted: checks, times, the layers that take longest.

use crate::graph::NodeId;
use crate::measurement::{Check, Provenance};
use crate::report::measurement::{Measured, Pace};
use crate::report::sheet::{Cell, Sheet};
use crate::report::{called, stage_name};
use crate::units::{self, grouped, plural};

/// Nodes at which a check is off that are named.
const MOST_OFF: usize = 5;

/// All tables, in the order in which they are shown. `limit` keeps the slowest layers only; `wide` gives those columns
/// that no terminal holds.
pub fn sheets(measured: &Measured<'_>, limit: usize, wide: bool) -> Vec<Sheet> {
    let mut sheets = vec![checks(measured)];
    sheets.extend(times(measured));
    sheets.extend(layers(measured, Some(limit), wide));
    sheets
}

/// Every check: both figures and the verdict.
pub fn checks(measured: &Measured<'_>) -> Sheet {
    let checks = &measured.measurement.checks;
    let figure = |figure: Option<u64>| figure.map_or(Cell::Empty, Cell::Digits);
    let rows = checks.iter().map(|check| {
        vec![
            Cell::Text(check.name.into()),
            figure(check.predicted),
            figure(check.measured),
            Cell::Name(check.unit.name().into()),
            Cell::Text(check.verdict.name().into()),
            Cell::Digits(check.compared as u64),
        ]
    });
    Sheet {
        title: "Measured beside predicted".into(),
        columns: vec!["check", "predicted", "measured", "unit", "verdict", "compared"],
        rows: rows.collect(),
        notes: remarks(measured),
    }
}

/// What is to be said of the checks; once, with their names, where neighbours have the same to say.
fn remarks(measured: &Measured<'_>) -> Vec<String> {
    let mut found: Vec<(String, String)> = Vec::new();
    for check in &measured.measurement.checks {
        let Some(remark) = remark(measured, check) else { continue };
        match found.last_mut() {
            Some((names, other)) if *other == remark => {
                names.push_str(", ");
                names.push_str(check.name);
            }
            _ => found.push((check.name.to_owned(), remark)),
        }
    }
    found.into_iter().map(|(names, remark)| format!("{names}: {remark}")).collect()
}

/// What is to be said of a check: why it allows a difference, where it is off, what it left out.
fn remark(measured: &Measured<'_>, check: &Check) -> Option<String> {
    let graph = measured.report().graph;
    let mut parts: Vec<String> = check.verdict.reason().map(str::to_owned).into_iter().collect();
    if !check.off.is_empty() {
        let named = check.off.iter().take(MOST_OFF).map(|off| {
            let name = &graph.node(off.node).name;
            format!("{name}: predicted {}, measured {}", off.predicted, off.measured)
        });
        let named = named.collect::<Vec<_>>().join("; ");
        let more = match check.off.len().saturating_sub(MOST_OFF) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        parts.push(format!("off at {}: {named}{more}", plural(check.off.len() as u64, "node")));
    }
    parts.extend(check.note.clone());
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn maybe(value: Option<f64>, cell: fn(f64) -> Cell) -> Cell {
    value.map_or(Cell::Text("-".into()), cell)
}

/// Whole passes; none where nothing was timed.
pub fn times(measured: &Measured<'_>) -> Option<Sheet> {
    let passes = [("forward", measured.forward()), ("training step", measured.step())];
    let passes: Vec<(&'static str, Pace)> =
        passes.into_iter().filter_map(|(name, pace)| Some((name, pace?))).collect();
    let resolution = passes.first()?.1.timing.resolution;
    let row = |name: &str, cell: &dyn Fn(&Pace) -> Cell| {
        let name = Cell::Text(name.into());
        std::iter::once(name).chain(passes.iter().map(|(_, pace)| cell(pace))).collect()
    };
    let mut rows = vec![
        row("median", &|pace| Cell::Time(pace.timing.median)),
        row("± MAD", &|pace| Cell::Time(pace.timing.deviation)),
        row("samples", &|pace| Cell::Digits(pace.timing.samples as u64)),
        row("outliers", &|pace| Cell::Digits(pace.timing.outliers as u64)),
        row("processor", &|pace| maybe(pace.timing.processor, Cell::Time)),
        row("FLOP/s", &|pace| maybe(pace.flops, Cell::Rate)),
        row("B/s", &|pace| maybe(pace.bytes, Cell::Rate)),
        row("bound", &|pace| maybe(pace.bound, Cell::Time)),
        row("× bound", &|pace| maybe(pace.over_bound(), Cell::Ratio)),
    ];
    let mut notes = provenance(&measured.measurement.provenance);
    if let (Some((device, prediction)), Some(_)) = (measured.report().prediction, measured.forward()) {
        // Of the forward pass, which comes first.
        let forward = |cell: Cell| {
            let others = std::iter::repeat_n(Cell::Text("-".into()), passes.len() - 1);
            std::iter::once(cell).chain(others)
        };
        let line = |name: &str, cell| std::iter::once(Cell::Text(name.into())).chain(forward(cell)).collect();
        rows.push(line("predicted", Cell::Time(prediction.nanoseconds)));
        let error = super::super::prediction::error(measured.report(), prediction);
        let error = error.map_or_else(|| "at least".into(), super::prediction::signed);
        rows.push(line("error", Cell::Text(error)));
        notes.extend(super::prediction::notes(measured.report(), device, prediction));
    }
    if let Some((device, _)) = measured.report().roofline {
        notes.push(format!("bound: the roofline of the forward pass on {}", device.name));
    }
    notes.push(format!("the clock tells {} apart", units::seconds(resolution / 1e9)));
    let columns = std::iter::once("time").chain(passes.iter().map(|(name, _)| *name)).collect();
    Some(Sheet { title: "Times".into(), columns, rows, notes })
}

/// Where and how it was measured, in lines.
pub fn provenance(provenance: &Provenance) -> Vec<String> {
    let Provenance { device, driver, library, threads, dtype, batch, values, schedule, .. } = provenance;
    let driver = driver.as_ref().map_or(String::new(), |driver| format!(", driver {driver}"));
    let load = provenance.load.filter(|load| load.is_finite()).map_or(String::new(), |load| {
        format!(", load {load:.2} on {}", plural(provenance.processors as u64, "processor"))
    });
    vec![
        format!("on {device}{driver}, {library}, {}{load}", plural(*threads as u64, "thread")),
        format!(
            "{dtype}, batch {}, values: {values}; schedule {schedule}; {} asked for after {} to warm up",
            grouped(*batch),
            plural(provenance.samples as u64, "sample"),
            grouped(provenance.warm_up as u64)
        ),
    ]
}

/// The layers of a forward pass that take longest; none where none was timed.
pub fn layers(measured: &Measured<'_>, limit: Option<usize>, wide: bool) -> Option<Sheet> {
    let report = measured.report();
    let mut paces: Vec<(NodeId, Pace)> =
        measured.timed().filter_map(|(id, _)| Some((id, measured.node(id)?))).collect();
    let (all, whole) = (paces.len(), paces.iter().map(|(_, pace)| pace.timing.median).sum::<f64>());
    if all == 0 {
        return None;
    }
    paces.sort_by(|(a, one), (b, other)| other.timing.median.total_cmp(&one.timing.median).then(a.cmp(b)));
    paces.truncate(limit.unwrap_or(all));
    let mut columns = vec!["layer", "time", "%", "FLOP/s", "B/s", "bound", "× bound"];
    if wide {
        columns.extend([
            "± MAD",
            "samples",
            "outliers",
            "backward",
            "± MAD backward",
            "predicted",
            "op",
            "stage",
        ]);
    }
    let rows = paces.iter().map(|(id, pace)| {
        let node = report.graph.node(*id);
        let mut row = vec![
            Cell::Name(node.name.to_string()),
            Cell::Time(pace.timing.median),
            Cell::Share(whole_nanoseconds(pace.timing.median), whole_nanoseconds(whole)),
            maybe(pace.flops, Cell::Rate),
            maybe(pace.bytes, Cell::Rate),
            maybe(pace.bound, Cell::Time),
            maybe(pace.over_bound(), Cell::Ratio),
        ];
        if wide {
            let backward = measured.measurement.nodes.get(id.index()).and_then(|node| node.backward);
            let predicted = report.prediction.and_then(|(_, prediction)| prediction.nodes[id.index()]);
            row.extend([
                Cell::Time(pace.timing.deviation),
                Cell::Digits(pace.timing.samples as u64),
                Cell::Digits(pace.timing.outliers as u64),
                maybe(backward.map(|timing| timing.median), Cell::Time),
                maybe(backward.map(|timing| timing.deviation), Cell::Time),
                maybe(predicted, Cell::Time),
                Cell::Name(called(node).into()),
                Cell::Name(stage_name(report.graph, node).unwrap_or("").into()),
            ]);
        }
        row
    });
    let title = match limit {
        Some(limit) if limit < all => format!("The {limit} slowest of {all} layers, forward"),
        _ => "Time by layer, forward".to_owned(),
    };
    let notes = vec![format!(
        "% of {}, the sum of the layers' medians; each layer is timed by itself",
        units::seconds(whole / 1e9)
    )];
    Some(Sheet { title, columns, rows: rows.collect(), notes })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn whole_nanoseconds(time: f64) -> u64 {
    time.round() as u64
}
