//! What was measured of a network before, from a report that was kept.

use std::path::Path;

use serde_json::Value;

use super::one::{Fault, Notes};
use crate::budget::lookup::{MEASUREMENT, list};
use crate::commands::baseline;

/// The keys of `architecture` by which two readings of a network differ.
const READING: [&str; 4] = ["parameters", "batch", "inputs", "outputs"];
/// The same of a node.
const NODE: [&str; 5] = ["name", "op", "attributes", "inputs", "output_shapes"];

/// Takes the measurement of a kept report into the report of the same network. Without one the notes say why.
pub(super) fn take(path: &Path, report: &mut Value, notes: &mut Notes) -> Option<()> {
    match taken(path, report, notes) {
        Ok(()) => Some(()),
        Err(fault) => {
            notes.fault = Some(fault);
            None
        }
    }
}

fn taken(path: &Path, report: &mut Value, notes: &mut Notes) -> Result<(), Fault> {
    let mut kept = baseline::report(path, "the report", &mut notes.sink)?;
    let shown = path.display();
    if let Some(what) = difference(&kept, report) {
        return Err(Fault::usage(
            format!("`{shown}` is of another network: not the same {what}"),
            Some("measure it again: `csp-profile measure FILE --format json`".into()),
        ));
    }
    let Some(measurement) = kept.get_mut(MEASUREMENT).map(Value::take) else {
        return Err(Fault::usage(
            format!("`{shown}` has no measurement"),
            Some("`csp-profile measure FILE --format json` writes a report that has one".into()),
        ));
    };
    if let Some(members) = report.as_object_mut() {
        members.insert(MEASUREMENT.into(), measurement);
    }
    Ok(())
}

/// In what two reports are of different networks. Very large ones have no nodes, and are told apart by their sums.
fn difference(kept: &Value, report: &Value) -> Option<String> {
    let reading = |of: &Value, key: &str| of.get("architecture").and_then(|read| read.get(key)).cloned();
    if let Some(key) = READING.iter().find(|key| reading(kept, key) != reading(report, key)) {
        return Some((*key).into());
    }
    let total = |of: &Value, key: &str| of.get("totals").and_then(|totals| totals.get(key)).cloned();
    let sums = ["nodes", "parameters", "macs", "flops", "activations"];
    if let Some(key) = sums.iter().find(|key| total(kept, key) != total(report, key)) {
        return Some((*key).into());
    }
    let (before, now) = (list(kept, "nodes"), list(report, "nodes"));
    if before.is_empty() || now.is_empty() {
        return None;
    }
    let same = |(a, b): (&Value, &Value)| NODE.iter().all(|key| a.get(key) == b.get(key));
    (before.len() != now.len() || !before.iter().zip(now).all(same)).then(|| "layers".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn another_network_is_told_apart() {
        let report = json!({
            "architecture": {"name": "a", "batch": 1, "inputs": [{"shape": [1, 3]}]},
            "totals": {"nodes": 1, "macs": 7},
            "nodes": [{"name": "x", "op": "relu", "macs": 7}],
        });
        let changed = |pointer: &str, value: Value| {
            let mut other = report.clone();
            *other.pointer_mut(pointer).unwrap() = value;
            difference(&other, &report)
        };
        assert_eq!(changed("/architecture/name", json!("b")), None);
        assert_eq!(changed("/architecture/batch", json!(2)).as_deref(), Some("batch"));
        assert_eq!(changed("/totals/macs", json!(8)).as_deref(), Some("macs"));
        assert_eq!(changed("/nodes/0/op", json!("tanh")).as_deref(), Some("layers"));
        assert_eq!(changed("/nodes", json!([])), None);
    }
}
