//! Profiles that onnxruntime writes: a list of events in JSON, as Chrome's trace viewer reads them.
//!
//! `SessionOptions.enable_profiling` makes one. Each run of the model is an event `model_run`, and each kernel that ran in
//! it one of the category `Node`, named after what it makes.

use rustc_hash::FxHashMap;
use serde::Deserialize;

/// The runs of one model, summed up.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// How many runs there are, the first left out: it warms up.
    pub runs: usize,
    /// Nanoseconds of a run, in the middle.
    pub whole: f64,
    /// Every kernel, in the order in which they ran.
    pub events: Vec<Event>,
}

/// A kernel that ran in each run.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its name, without `_kernel_time`.
    pub name: String,
    /// Nanoseconds, in the middle.
    pub nanoseconds: f64,
    /// The shape of its first output; empty where the profile has none.
    pub shape: Vec<u64>,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    cat: String,
    #[serde(default)]
    name: String,
    /// Microseconds.
    #[serde(default)]
    ts: f64,
    #[serde(default)]
    dur: f64,
    #[serde(default)]
    args: Args,
}

#[derive(Default, Deserialize)]
struct Args {
    #[serde(default)]
    output_type_shape: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// What a kernel's event is called beside its node's name.
const SUFFIX: &str = "_kernel_time";

/// Reads a profile.
///
/// # Errors
/// One sentence on what it lacks.
pub fn read(bytes: &[u8]) -> Result<Trace, String> {
    let mut lines: Vec<Line> = serde_json::from_slice(bytes)
        .map_err(|error| format!("it is not a profile of onnxruntime: {error}"))?;
    if lines.iter().any(|line| ![line.ts, line.dur].iter().all(|time| (0.0..1e15).contains(time))) {
        return Err("it has a time that is none".into());
    }
    lines.sort_by(|a, b| a.ts.total_cmp(&b.ts));
    let runs: Vec<&Line> = lines.iter().filter(|line| line.name == "model_run").collect();
    if runs.len() < 2 {
        return Err("it has fewer than two runs: the first warms up".into());
    }
    if runs.windows(2).any(|two| two[0].ts + two[0].dur > two[1].ts) {
        return Err("its runs overlap: run the model on one thread of yours".into());
    }
    let runs = &runs[1..];
    // Changes of layout have one name for all: the first of a run is the first of every run.
    let mut order: Vec<((&str, usize), Vec<u64>)> = Vec::new();
    let mut times: FxHashMap<(&str, usize), Vec<f64>> = FxHashMap::default();
    for run in runs {
        let first = lines.partition_point(|line| line.ts < run.ts);
        let mut seen: FxHashMap<&str, usize> = FxHashMap::default();
        for line in lines[first..].iter().take_while(|line| line.ts <= run.ts + run.dur) {
            let Some(name) = line.name.strip_suffix(SUFFIX).filter(|_| line.cat == "Node") else { continue };
            let place = seen.entry(name).or_default();
            let known = times.entry((name, *place)).or_default();
            if known.is_empty() {
                order.push(((name, *place), shape(&line.args)));
            }
            known.push(line.dur * 1e3);
            *place += 1;
        }
    }
    if order.is_empty() {
        return Err("no run of it has kernels".into());
    }
    let events = order.into_iter().map(|(key, shape)| {
        let times = times.remove(&key).unwrap_or_default();
        Event { name: key.0.into(), nanoseconds: middle(times), shape }
    });
    let events: Vec<Event> = events.collect();
    if events.iter().map(|event| event.nanoseconds).sum::<f64>() <= 0.0 {
        return Err("its kernels take no time".into());
    }
    Ok(Trace { runs: runs.len(), whole: middle(runs.iter().map(|run| run.dur * 1e3).collect()), events })
}

/// `[{"float": [1, 64, 112, 112]}]`
fn shape(args: &Args) -> Vec<u64> {
    let first = args.output_type_shape.first().and_then(|output| output.values().next());
    let sizes = first.and_then(serde_json::Value::as_array);
    sizes.map_or_else(Vec::new, |sizes| sizes.iter().filter_map(serde_json::Value::as_u64).collect())
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_their_kernels() {
        let run = |at: u32, conv: u32, relu: u32| {
            format!(
                r#"{{"cat": "Session", "name": "model_run", "ts": {at}, "dur": 100}},
                {{"cat": "Node", "name": "a/Conv_kernel_time", "ts": {}, "dur": {conv},
                  "args": {{"output_type_shape": [{{"float": [1, 4, 8, 8]}}]}}}},
                {{"cat": "Node", "name": "Reorder_kernel_time", "ts": {at}, "dur": 7}},
                {{"cat": "Node", "name": "Reorder_kernel_time", "ts": {at}, "dur": 5}},
                {{"cat": "Node", "name": "b/Relu_kernel_time", "ts": {}, "dur": {relu}, "args": {{}}}}"#,
                at + 1,
                at + 50
            )
        };
        let text =
            format!("[{}]", [run(0, 90, 9), run(200, 40, 2), run(400, 42, 3), run(600, 44, 1)].join(","));
        let trace = read(text.as_bytes()).unwrap();
        assert_eq!((trace.runs, trace.whole), (3, 100_000.0));
        let found: Vec<_> = trace.events.iter().map(|event| (&*event.name, event.nanoseconds)).collect();
        let all = [("Reorder", 7_000.0), ("Reorder", 5_000.0), ("a/Conv", 42_000.0), ("b/Relu", 2_000.0)];
        assert_eq!(found, all);
        assert_eq!(trace.events[2].shape, [1, 4, 8, 8]);
    }

    #[test]
    fn what_is_no_profile() {
        assert!(read(b"{}").unwrap_err().starts_with("it is not a profile"));
        assert!(read(b"[]").unwrap_err().contains("fewer than two runs"));
        let empty = r#"[{"name": "model_run", "ts": 0, "dur": 1}, {"name": "model_run", "ts": 2, "dur": 1}]"#;
        assert!(read(empty.as_bytes()).unwrap_err().contains("no run of it has kernels"));
    }
}
