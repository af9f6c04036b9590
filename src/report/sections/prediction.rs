//! How long a network will take, layer by layer; and how well a device's calibration knows what it was made from.

use crate::analysis::prediction::Prediction;
use crate::analysis::prediction::accuracy::{Accuracy, BANDS, Pair, accuracy};
use crate::device::Device;
use crate::device::latency::Latency;
use crate::report::sheet::{Cell, Sheet};
use crate::report::{Report, called};
use crate::units::{self, plural};

/// Names of nodes that a note lists.
const MOST_NAMED: usize = 4;

/// The network's time and the layers that take longest.
pub fn sheet(report: &Report<'_>, device: &Device, prediction: &Prediction, limit: usize) -> Sheet {
    let graph = report.graph;
    let mut times: Vec<_> =
        (graph.nodes()).filter_map(|(id, node)| Some((id, node, prediction.nodes[id.index()]?))).collect();
    times.sort_by(|(a, _, one), (b, _, other)| other.total_cmp(one).then(a.cmp(b)));
    times.truncate(limit);
    let rows = times.iter().map(|(_, node, time)| {
        vec![
            Cell::Name(node.name.to_string()),
            Cell::Name(called(node).into()),
            Cell::Time(*time),
            Cell::Share(whole_nanoseconds(*time), whole_nanoseconds(prediction.nanoseconds)),
        ]
    });
    Sheet {
        title: format!("Predicted time on {}: the {limit} slowest layers", device.name),
        columns: vec!["layer", "op", "time", "%"],
        rows: rows.collect(),
        notes: notes(report, device, prediction),
    }
}

/// The network's time, and what is to be known about it.
pub fn notes(report: &Report<'_>, device: &Device, prediction: &Prediction) -> Vec<String> {
    let named = |ids: &[crate::graph::NodeId]| {
        let names = ids.iter().take(MOST_NAMED).map(|&id| {
            let node = report.graph.node(id);
            format!("{} ({})", node.name, called(node))
        });
        let more = if ids.len() > MOST_NAMED { ", …" } else { "" };
        names.collect::<Vec<_>>().join(", ") + more
    };
    let at_least = if prediction.unknown.is_empty() { "" } else { "at least " };
    let mut notes = vec![format!("forward pass: {at_least}{}", units::seconds(prediction.nanoseconds / 1e9))];
    if !prediction.unknown.is_empty() {
        let count = plural(prediction.unknown.len() as u64, "node");
        notes.push(format!("not calibrated, and not in it: {count}, {}", named(&prediction.unknown)));
    }
    if !prediction.likened.is_empty() {
        let count = plural(prediction.likened.len() as u64, "node");
        notes.push(format!(
            "not calibrated, taken as the likest that is: {count}, {}",
            named(&prediction.likened)
        ));
    }
    if !prediction.stretched.is_empty() {
        let count = plural(prediction.stretched.len() as u64, "node");
        notes.push(format!("unlike anything that was timed: {count}, {}", named(&prediction.stretched)));
    }
    if let Some(latency) = &device.latency {
        let from = &latency.provenance;
        notes.push(format!(
            "calibrated on {} with {}, {}, {}",
            from.date,
            from.library,
            plural(from.threads, "thread"),
            from.dtype
        ));
        if let Some(measurement) = report.measurement {
            let measured = &measurement.provenance;
            let threads = |count: u64| plural(count, "thread");
            let driver = |driver: &Option<String>| driver.clone().unwrap_or_else(|| "no driver".into());
            notes.extend(unlike(
                [from.library.clone(), driver(&from.driver), threads(from.threads), from.dtype.name().into()],
                [
                    measured.library.into(),
                    driver(&measured.driver),
                    threads(measured.threads as u64),
                    measured.dtype.into(),
                ],
            ));
        }
    }
    notes
}

/// How a measurement was made otherwise than the calibration, so that their difference says little: library, driver,
/// threads and element type of both.
fn unlike(calibrated: [String; 4], measured: [String; 4]) -> Option<String> {
    let pairs = calibrated.into_iter().zip(measured).filter(|(calibrated, measured)| calibrated != measured);
    let differ: Vec<String> =
        pairs.map(|(calibrated, measured)| format!("with {measured}, not {calibrated}")).collect();
    (!differ.is_empty())
        .then(|| format!("measured {}: the error is not the calibration's", differ.join(", ")))
}

/// Every kind of node that was timed, and how well its law meets each sample that it was not fitted to.
pub fn kinds(device: &str, latency: &Latency) -> Sheet {
    let rows = latency.kinds.iter().map(|kind| {
        let times = || kind.samples.iter().map(|sample| sample.nanoseconds);
        vec![
            Cell::Name(kind.name.clone()),
            Cell::Digits(kind.samples.len() as u64),
            Cell::Time(times().fold(f64::INFINITY, f64::min)),
            Cell::Time(times().fold(0.0, f64::max)),
            Cell::Text(format!("{:.1} %", 100.0 * kind.law.error)),
        ]
    });
    Sheet {
        title: format!("Calibration of {device}"),
        columns: vec!["kind", "samples", "least", "most", "off by"],
        rows: rows.collect(),
        notes: vec![
            "off by: root mean square of the relative error at each sample, left out of what is fitted nearby"
                .into(),
            format!(
                "{} networks, a whole pass {:.3} × the sum of its nodes",
                latency.provenance.networks, latency.whole
            ),
        ],
    }
}

/// Networks' predicted and measured times, and the errors in a few figures.
pub fn accuracies(title: &str, pairs: &[Pair]) -> Sheet {
    let rows = pairs.iter().map(|pair| {
        vec![
            Cell::Name(pair.name.clone()),
            Cell::Time(pair.predicted),
            Cell::Time(pair.measured),
            Cell::Text(if pair.lacks.is_empty() { signed(pair.error()) } else { "at least".into() }),
        ]
    });
    let lacking = pairs.iter().filter(|pair| !pair.lacks.is_empty());
    let lacking = lacking.map(|pair| format!("{} alone has {}", pair.name, pair.lacks.join(", ")));
    Sheet {
        title: title.into(),
        columns: vec!["network", "predicted", "measured", "error"],
        rows: rows.collect(),
        notes: accuracy(pairs).iter().map(summary).chain(lacking).collect(),
    }
}

/// `RMSPE 4.2 %; within ±5 %: 12 of 16, …`.
fn summary(of: &Accuracy) -> String {
    let bands = BANDS
        .iter()
        .zip(of.within)
        .map(|(band, (within, all))| format!("within ±{:.0} %: {within} of {all}", 100.0 * band));
    let bands = bands.collect::<Vec<_>>().join(", ");
    format!("RMSPE {:.1} %; {bands}; the worst {}", 100.0 * of.rmspe, signed(of.worst))
}

/// An error as a share, with its sign.
pub fn signed(error: f64) -> String {
    format!("{:+.1} %", 100.0 * error)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn whole_nanoseconds(time: f64) -> u64 {
    time.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_of_another_sort_is_told() {
        let of = |parts: [&str; 4]| parts.map(String::from);
        let calibrated = of(["candle 0.11.1", "no driver", "1 thread", "f32"]);
        assert_eq!(unlike(calibrated.clone(), calibrated.clone()), None);
        assert_eq!(
            unlike(calibrated, of(["candle 0.11.1", "no driver", "2 threads", "bf16"])).as_deref(),
            Some(
                "measured with 2 threads, not 1 thread, with bf16, not f32: the error is not the calibration's"
            )
        );
    }
}
