//! Figures in a serialised report: paths, and the stages, layers and ops that a limit is about.
//!
//! The report itself is searched, so that whatever it gains can be asserted.

use serde_json::Value;

use super::Scope;
use super::amount::figure;
use super::glob;

/// A part of the report that a limit looks into.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its full name; empty for the network.
    pub name: &'a str,
    /// Where a path is looked up, in this order.
    roots: [&'a Value; 2],
    /// Of a layer: what was measured of it.
    measurement: &'a Value,
    /// Of a layer: what was predicted of it.
    prediction: &'a Value,
}

/// What stands at a path.
#[derive(Clone, Debug, PartialEq)]
pub enum Found<'a> {
    /// A figure.
    Figure(&'a Value),
    /// `null`: the report has the key and no figure for it.
    Null,
    /// Something that is no figure; its keys where it has some.
    Other(Vec<String>),
    /// Nothing.
    Nothing,
}

static NOTHING: Value = Value::Null;

/// The key of the report under which everything that was measured stands.
pub const MEASUREMENT: &str = "measurement";

/// Whether a path leads to something that was measured.
pub fn is_measured(path: &str) -> bool {
    path.split('.').next() == Some(MEASUREMENT)
}

/// The key of the report under which predicted times stand.
pub const PREDICTION: &str = "prediction";

/// Whether a path leads to a predicted time.
pub fn is_predicted(path: &str) -> bool {
    path.split('.').next() == Some(PREDICTION)
}

/// Sums over layers are of these alone; anything else of a layer is asserted of each.
const SUMMED: [&str; 10] = [
    "parameters",
    "buffers",
    "weight_bytes",
    "macs",
    "flops",
    "flops_by_kind",
    "activations",
    "cio",
    "cio_with_pools",
    "traffic_bytes",
];

/// Whether a layer's figure may be added to another's.
pub fn is_summed(path: &str) -> bool {
    SUMMED.contains(&path.split('.').next().unwrap_or(path))
}

/// A list of the report, empty where it has none.
pub fn list<'a>(report: &'a Value, key: &str) -> &'a [Value] {
    report.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The name of an object of a list.
pub fn name(value: &Value) -> &str {
    value.get("name").and_then(Value::as_str).unwrap_or("")
}

/// All parts that a scope names, in the order of the report.
pub fn subjects<'a>(report: &'a Value, scope: &Scope) -> Vec<Subject<'a>> {
    let (key, below, pattern) = match scope {
        Scope::Net => {
            let totals = report.get("totals").unwrap_or(&NOTHING);
            return vec![Subject {
                name: "",
                roots: [totals, report],
                measurement: &NOTHING,
                prediction: &NOTHING,
            }];
        }
        Scope::Stage(pattern) => ("stages", Some("stages"), pattern),
        Scope::Layers(pattern) => ("nodes", Some("layers"), pattern),
        Scope::Op(pattern) => ("ops", None, pattern),
    };
    let paths = below.map_or(&[][..], |below| list(report.get("gradient").unwrap_or(&NOTHING), below));
    let of_name: rustc_hash::FxHashMap<&str, &Value> =
        paths.iter().map(|value| (name(value), value)).collect();
    let of_layers = |key: &str| -> rustc_hash::FxHashMap<&'a str, &'a Value> {
        let nodes = match scope {
            Scope::Layers(_) => list(report.get(key).unwrap_or(&NOTHING), "nodes"),
            _ => &[],
        };
        nodes.iter().map(|value| (name(value), value)).collect()
    };
    let (measured, predicted) = (of_layers(MEASUREMENT), of_layers(PREDICTION));
    let matched = list(report, key).iter().filter(|value| glob::matches(pattern, name(value)));
    matched
        .map(|value| {
            let gradient = of_name.get(name(value)).copied().unwrap_or(&NOTHING);
            let measurement = measured.get(name(value)).copied().unwrap_or(&NOTHING);
            let prediction = predicted.get(name(value)).copied().unwrap_or(&NOTHING);
            Subject { name: name(value), roots: [value, gradient], measurement, prediction }
        })
        .collect()
}

/// The names that a scope could have meant.
pub fn names<'a>(report: &'a Value, scope: &Scope) -> Vec<&'a str> {
    let key = match scope {
        Scope::Net => return Vec::new(),
        Scope::Stage(_) => "stages",
        Scope::Layers(_) => "nodes",
        Scope::Op(_) => "ops",
    };
    list(report, key).iter().map(name).collect()
}

impl<'a> Subject<'a> {
    /// What stands at a path. `gradient.` of a stage or layer leads to its part of the gradient paths, `measurement.` and
    /// `prediction.` of a layer to what was measured and predicted of it.
    pub fn find(&self, path: &str) -> Found<'a> {
        if !self.name.is_empty() {
            let found = match path.split_once('.') {
                Some(("gradient", path)) => at(self.roots[1], path),
                Some((MEASUREMENT, path)) => at(self.measurement, path),
                Some((PREDICTION, path)) => at(self.prediction, path),
                _ => at(self.roots[0], path),
            };
            // Of a layer there is one count of parameters.
            if found == Found::Nothing && path == "parameters.total" {
                return at(self.roots[0], "parameters");
            }
            return found;
        }
        match at(self.roots[0], path) {
            Found::Nothing => at(self.roots[1], path),
            found => found,
        }
    }

    /// Every path that leads to a figure.
    pub fn paths(&self) -> Vec<String> {
        let mut found = Vec::new();
        leaves(self.roots[0], "", &mut found);
        if self.name.is_empty() {
            leaves(self.roots[1].get("gradient").unwrap_or(&NOTHING), "gradient", &mut found);
            for (key, value) in self.roots[1].as_object().into_iter().flatten() {
                if key == MEASUREMENT {
                    measured_leaves(value, &mut found);
                } else if !["totals", "gradient", "architecture", "schema_version"].contains(&key.as_str()) {
                    leaves(value, key, &mut found);
                }
            }
        } else {
            leaves(self.roots[1], "gradient", &mut found);
            leaves(self.measurement, MEASUREMENT, &mut found);
            leaves(self.prediction, PREDICTION, &mut found);
        }
        found
    }
}

/// Keys may hold points themselves: every key that the path begins with is tried. Lists are walked by number or name.
fn at<'a>(value: &'a Value, path: &str) -> Found<'a> {
    let step = |key: &str, value: &'a Value| match path.strip_prefix(key) {
        Some("") => Some(kind(value)),
        Some(rest) => rest.strip_prefix('.').filter(|_| !key.is_empty()).map(|rest| at(value, rest)),
        None => None,
    };
    let mut found = Found::Nothing;
    let mut consider = |next: Option<Found<'a>>| {
        if let Some(next) = next
            && found == Found::Nothing
        {
            found = next;
        }
    };
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                consider(step(key, value));
            }
        }
        Value::Array(items) => {
            for value in items {
                consider(step(name(value), value));
            }
            let (number, rest) = path.split_once('.').map_or((path, None), |(n, rest)| (n, Some(rest)));
            if let Some(value) = number.parse::<usize>().ok().and_then(|index| items.get(index)) {
                consider(Some(rest.map_or_else(|| kind(value), |rest| at(value, rest))));
            }
        }
        _ => {}
    }
    found
}

fn kind(value: &Value) -> Found<'_> {
    match value {
        Value::Null => Found::Null,
        Value::Object(members) => Found::Other(members.keys().cloned().collect()),
        _ if figure(value).is_some() => Found::Figure(value),
        _ => Found::Other(Vec::new()),
    }
}

fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members.iter().filter(|(key, _)| !key.is_empty()) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                leaves(value, &path, found);
            }
        }
        // What is in lists is found by scopes.
        Value::Array(_) => {}
        _ if figure(value).is_some() && !path.is_empty() => found.push(path.to_owned()),
        _ => {}
    }
}

/// The figures of a measurement, those of its checks and memory by name; of layers there is a scope.
fn measured_leaves(measurement: &Value, found: &mut Vec<String>) {
    for (key, value) in measurement.as_object().into_iter().flatten() {
        let path = format!("{MEASUREMENT}.{key}");
        match value {
            Value::Array(items) if key != "nodes" => {
                items.iter().for_each(|item| leaves(item, &format!("{path}.{}", name(item)), found));
            }
            _ => leaves(value, &path, found),
        }
    }
}

/// The ops whose time on the device is not known, where a predicted time misses some.
pub fn not_predicted(report: &Value) -> Vec<String> {
    let unknown = list(report.get(PREDICTION).unwrap_or(&NOTHING), "unknown");
    let ops = unknown.iter().filter_map(|one| one.get("op").and_then(Value::as_str));
    let mut ops: Vec<String> = ops.map(str::to_owned).collect();
    ops.sort();
    ops.dedup();
    ops
}

/// The ops without a known cost in a part of the network: totals that miss them are lower bounds.
pub fn unknown(report: &Value, scope: &Scope, subject: &Subject<'_>) -> Vec<String> {
    let unknown = list(report.get("totals").unwrap_or(&NOTHING), "unknown_ops");
    let word = |value: &Value, key: &str| {
        value.as_str().or_else(|| value.get(key).and_then(Value::as_str)).unwrap_or("").to_owned()
    };
    let whole = matches!(scope, Scope::Net) || report.get("nodes").is_none();
    let mut found: Vec<String> = match scope {
        // Without nodes nobody knows where an op is.
        _ if whole => unknown.iter().map(|value| word(value, "op")).collect(),
        _ => unknown
            .iter()
            .filter(|value| {
                let (op, node) = (word(value, "op"), word(value, "name"));
                list(report, "nodes").iter().any(|row| {
                    let (of, own) = (word(row, "op"), name(row));
                    (of == op || own == node)
                        && match scope {
                            Scope::Net => true,
                            Scope::Stage(_) => within(row.get("stage"), subject.name),
                            Scope::Layers(_) => own == subject.name,
                            Scope::Op(_) => of == subject.name,
                        }
                })
            })
            .map(|value| word(value, "op"))
            .collect(),
    };
    found.sort();
    found.dedup();
    found
}

/// Whether a node's stage is a stage or lies within it.
pub fn within(stage: Option<&Value>, outer: &str) -> bool {
    let stage = stage.and_then(Value::as_str).unwrap_or("");
    stage == outer || stage.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report() -> Value {
        json!({
            "totals": {"macs": 7, "parameters": {"total": 3}, "conventions": {"a.b": 1, "none": null}},
            "stages": [{"name": "s1", "macs": 4}, {"name": "s2", "macs": 3}],
            "nodes": [{"name": "s1/a", "op": "conv2d", "macs": 4, "parameters": 2, "output_shapes": [[1, 8]]}],
            "ops": [{"name": "conv2d", "macs": 7}],
            "gradient": {"paths_to_input": "99999999999999999999", "stages": [{"name": "s1", "paths": "2"}]},
            "measurement": {
                "checks": [{"name": "macs", "measured": 7, "off": []}],
                "time": {"forward": {"median_ns": 1500.5, "bound_ns": null}, "training_step": null},
                "memory": [{"name": "inference", "measured_peak": 64}, {"name": "training", "measured_peak": 96}],
                "nodes": [{"name": "s1/a", "forward": {"median_ns": 900.0}}],
            },
        })
    }

    fn value(scope: &Scope, path: &str) -> Vec<String> {
        let report = report();
        let found = subjects(&report, scope).into_iter().map(|subject| match subject.find(path) {
            Found::Figure(value) => value.to_string(),
            other => format!("{other:?}"),
        });
        found.collect()
    }

    #[test]
    fn paths_lead_to_figures() {
        let layers = |pattern: &str| Scope::Layers(pattern.into());
        let stage = |pattern: &str| Scope::Stage(pattern.into());
        for (scope, path, figures) in [
            (Scope::Net, "macs", &["7"][..]),
            (Scope::Net, "totals.macs", &["7"]),
            (Scope::Net, "conventions.a.b", &["1"]),
            (Scope::Net, "conventions.none", &["Null"]),
            (Scope::Net, "conventions", &["Other([\"a.b\", \"none\"])"]),
            (Scope::Net, "conventions.", &["Nothing"]),
            (Scope::Net, "gradient.paths_to_input", &["\"99999999999999999999\""]),
            (Scope::Net, "stages.s2.macs", &["3"]),
            (Scope::Net, "stages.0.macs", &["4"]),
            (Scope::Net, "architecture", &["Nothing"]),
            (stage("s*"), "macs", &["4", "3"]),
            (stage("s1"), "gradient.paths", &["\"2\""]),
            (stage("x"), "macs", &[]),
            (layers("*/a"), "parameters.total", &["2"]),
            (layers("*/a"), "output_shapes.0.1", &["8"]),
            (Scope::Net, "measurement.time.forward.median_ns", &["1500.5"]),
            (Scope::Net, "measurement.time.forward.bound_ns", &["Null"]),
            (Scope::Net, "measurement.time.training_step", &["Null"]),
            (Scope::Net, "measurement.memory.training.measured_peak", &["96"]),
            (Scope::Net, "measurement.checks.macs.measured", &["7"]),
            (Scope::Net, "measurement.nodes.s1/a.forward.median_ns", &["900.0"]),
            (layers("s1/*"), "measurement.forward.median_ns", &["900.0"]),
            (layers("s1/*"), "measurement.backward.median_ns", &["Nothing"]),
            (stage("s1"), "measurement.forward.median_ns", &["Nothing"]),
            (Scope::Op("conv?d".into()), "macs", &["7"]),
        ] {
            assert_eq!(value(&scope, path), figures, "{scope:?} {path}");
        }
    }

    #[test]
    fn what_was_measured_is_listed_by_name() {
        let report = report();
        let paths = subjects(&report, &Scope::Net)[0].paths();
        for path in ["measurement.time.forward.median_ns", "measurement.memory.inference.measured_peak"] {
            assert!(paths.iter().any(|known| known == path), "{paths:?}");
        }
        let layer = Scope::Layers("s1/a".into());
        assert!(subjects(&report, &layer)[0].paths().contains(&"measurement.forward.median_ns".to_owned()));
        assert!(
            is_measured("measurement.time") && is_measured("measurement") && !is_measured("measurements.x")
        );
    }

    #[test]
    fn what_is_unknown_belongs_to_its_parts() {
        let mut report = report();
        report["totals"]["unknown_ops"] = json!(["conv2d"]);
        let of =
            |scope: &Scope| subjects(&report, scope).iter().map(|s| unknown(&report, scope, s)).collect();
        let none: Vec<Vec<String>> = vec![vec![]];
        let one = vec![vec!["conv2d".to_owned()]];
        assert_eq!(Vec::from_iter::<Vec<_>>(of(&Scope::Net)), one);
        assert_eq!(Vec::from_iter::<Vec<_>>(of(&Scope::Layers("s1/a".into()))), one);
        assert_eq!(Vec::from_iter::<Vec<_>>(of(&Scope::Stage("s2".into()))), none);
    }
}
