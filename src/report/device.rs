//! A device as a file: what `calibrate` writes and `frontend::device` reads. `explain prediction` says what its keys are.

use serde::Serialize;
use serde_json::{Map, json};

use crate::device::Device;
use crate::device::latency::{Kind, Latency, Sample};
use crate::device::work::Work;

/// The text of a device's file: a line for each list of numbers, so that people can read it.
///
/// # Errors
/// Where serde_json cannot write a figure.
pub fn file(device: &Device) -> Result<String, serde_json::Error> {
    let peaks: Map<_, _> =
        device.peak.iter().map(|(dtype, peak)| (dtype.name().to_owned(), json!(peak))).collect();
    let mut entries = vec![
        ("name", line(&device.name)?),
        ("source", line(&device.source)?),
        ("peak_flops", line(&peaks)?),
        ("bandwidth_bytes_per_second", line(&device.bandwidth)?),
    ];
    if let Some(cache) = device.cache {
        entries.push(("last_level_cache_bytes", line(&cache)?));
    }
    if let Some(latency) = &device.latency {
        entries.push(("latency", self::latency(latency)?));
    }
    Ok(object("", &entries) + "\n")
}

fn line(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(value)
}

fn object(indent: &str, entries: &[(&str, String)]) -> String {
    let lines: Vec<String> =
        entries.iter().map(|(key, value)| format!("{indent}  \"{key}\": {value}")).collect();
    format!("{{\n{}\n{indent}}}", lines.join(",\n"))
}

fn list(indent: &str, items: &[String]) -> String {
    let lines: Vec<String> = items.iter().map(|item| format!("{indent}  {item}")).collect();
    format!("[\n{}\n{indent}]", lines.join(",\n"))
}

fn latency(latency: &Latency) -> Result<String, serde_json::Error> {
    let from = &latency.provenance;
    let columns: Vec<&str> = Work::COLUMNS.iter().copied().chain(["nanoseconds"]).collect();
    let kinds = latency.kinds.iter().map(kind).collect::<Result<Vec<_>, _>>()?;
    Ok(object(
        "  ",
        &[
            ("library", line(&from.library)?),
            ("driver", line(&from.driver)?),
            ("threads", line(&from.threads)?),
            ("dtype", line(&from.dtype.name())?),
            ("unit", line(&from.unit.name())?),
            ("networks", line(&from.networks)?),
            ("seed", line(&from.seed)?),
            ("date", line(&from.date)?),
            ("load", line(&from.load)?),
            ("whole_over_sum", line(&latency.whole)?),
            ("columns", line(&columns)?),
            ("kinds", list("    ", &kinds)),
        ],
    ))
}

fn kind(kind: &Kind) -> Result<String, serde_json::Error> {
    let law = &kind.law;
    let rows = kind.samples.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    Ok(object(
        "      ",
        &[
            ("name", line(&kind.name)?),
            ("error", line(&law.error)?),
            ("factors", line(&law.factors)?),
            ("length", line(&law.process.length)?),
            ("weights", line(&law.process.weights)?),
            ("samples", list("        ", &rows)),
        ],
    ))
}

fn row(sample: &Sample) -> Result<String, serde_json::Error> {
    let numbers = sample.work.row().into_iter().map(serde_json::Value::from);
    line(&numbers.chain([json!(sample.nanoseconds)]).collect::<Vec<_>>())
}
