//! A measurement made by hand, and what reports make of it.

use serde_json::Value;

use super::Measured;
use crate::analysis::memory::Reshapes;
use crate::analysis::memory::training::{Profile as Kept, curve_of};
use crate::analysis::roofline::{Roofline, roofline};
use crate::analysis::schedule::Schedule;
use crate::device::Device;
use crate::diagnostic::Sink;
use crate::frontend::{LoadOptions, load_bytes};
use crate::graph::NodeId;
use crate::measurement::{
    Check, Curve, Difference, Measurement, NodeMeasurement, Provenance, Step, Timing, Unit, Verdict,
};
use crate::profile::{Profile, Wanted};
use crate::report::sections::measurement::sheets;
use crate::report::sheet::Cell;
use crate::report::{Report, csv, markdown, table};
use crate::source::SourceMap;

const SMALL: &str = r#"{"inputs": {"x": [3, 32, 32]}, "layers": [
    {"name": "conv", "op": "conv2d", "out_channels": 8, "kernel": 3, "padding": 1},
    {"name": "act", "op": "relu"},
    {"name": "pool", "op": "global_avg_pool"},
    {"name": "flat", "op": "flatten"},
    {"name": "head", "op": "linear", "out_features": 10}
]}"#;

fn profile(text: &str) -> (Profile, SourceMap) {
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let options = LoadOptions::default();
    let loaded = load_bytes("t.json", "t", text.as_bytes().to_vec(), &options, &mut sources, &mut sink);
    (Profile::new(loaded.unwrap(), Wanted::ALL).unwrap_or_else(|_| panic!("it fits")), sources)
}

fn timing(median: f64, samples: usize) -> Timing {
    Timing {
        samples,
        median,
        deviation: median / 50.0,
        outliers: 1,
        resolution: 20.0,
        processor: Some(median),
    }
}

/// A measurement as a machine of 40 GFLOP/s and 12 GB/s would make it, without noise and without chance.
pub(crate) fn made(profile: &Profile) -> Measurement {
    let (graph, analysis) = (&profile.loaded.graph, &profile.analysis);
    let schedule = Schedule::as_written(graph);
    let workspace =
        |id: NodeId| graph.node(id).outputs.iter().map(|output| output.bytes().get() / 2).sum::<u64>();
    let curve = |name, steps: Vec<Step>, predicted: Vec<u64>| {
        let workspace: Vec<u64> = steps.iter().map(|step| workspace(step.node)).collect();
        let peak = predicted.iter().zip(&workspace).map(|(bytes, more)| bytes + more / 2).collect();
        Curve { name, steps, measured: predicted.clone(), predicted, peak, workspace }
    };
    let forward = || schedule.order().iter().map(|&node| Step { node, backward: false });
    let backward = schedule.order().iter().rev().map(|&node| Step { node, backward: true });
    let curves = vec![
        curve("inference", forward().collect(), profile.memory.as_ref().unwrap().models[0].curve.clone()),
        curve(
            "training",
            forward().chain(backward).collect(),
            curve_of(graph, &schedule, Kept::Minimal, Reshapes::Contiguous).unwrap(),
        ),
    ];
    let time = |id: NodeId| {
        let (cost, traffic) = (&analysis.nodes[id.index()], &analysis.traffic[id.index()]);
        let spread = 1.0 + (id.index() % 7) as f64 / 10.0;
        spread * (cost.flops as f64 / 40.0 + traffic.unfused as f64 / 12.0) + 1500.0
    };
    let nodes: Vec<NodeMeasurement> = graph
        .nodes()
        .map(|(id, node)| {
            let forward =
                (!node.inputs.is_empty()).then(|| Timing { processor: None, ..timing(time(id), 20) });
            let backward = forward.map(|forward| Timing { median: 2.0 * forward.median, ..forward });
            NodeMeasurement { forward, backward }
        })
        .collect();
    let sum: f64 = nodes.iter().filter_map(|node| Some(node.forward?.median)).sum();
    let check = |name, what, verdict, figure: u64, unit| Check {
        name,
        what,
        verdict,
        predicted: Some(figure),
        measured: Some(figure),
        unit,
        compared: graph.len(),
        off: Vec::new(),
        note: None,
    };
    let total = &analysis.total;
    let note = Some("1 of them are not by a zero of the padding".to_owned());
    Measurement {
        provenance: Provenance {
            device: "A processor with a long name @ 3.10 GHz".into(),
            driver: None,
            library: "candle 0.11.1",
            threads: 1,
            dtype: "f32",
            batch: graph.batch,
            values: "seed 1".into(),
            schedule: "as_written",
            samples: 20,
            warm_up: 3,
            load: Some(0.25),
            processors: 2,
        },
        checks: vec![
            check("shapes", "shapes of all tensors", Verdict::Exact, graph.len() as u64, Unit::Tensors),
            Check { note, ..check("macs", "MACs", Verdict::Exact, total.macs, Unit::Macs) },
            Check {
                measured: Some(total.flops + 3),
                ..check("flops", "FLOPs", Verdict::Within("rounding".into()), total.flops, Unit::Flops)
            },
            Check {
                predicted: None,
                measured: None,
                ..check(
                    "memory",
                    "bytes",
                    Verdict::Unchecked("counted on the CPU only".into()),
                    0,
                    Unit::Bytes,
                )
            },
            Check {
                predicted: None,
                measured: None,
                ..check(
                    "workspace",
                    "bytes",
                    Verdict::Unchecked("counted on the CPU only".into()),
                    0,
                    Unit::Bytes,
                )
            },
        ],
        forward: Some(timing(0.97 * sum, 20)),
        step: Some(timing(3.1 * sum, 20)),
        memory: curves,
        nodes,
    }
}

/// A device of which the hand-made times are a plausible multiple.
pub(crate) fn device(profile: &Profile) -> (Device, Roofline) {
    let (mut texts, mut sink) = (SourceMap::default(), Sink::default());
    let device = crate::frontend::device::load("i9_9900k", &mut texts, &mut sink).unwrap().unwrap();
    let (graph, analysis) = (&profile.loaded.graph, &profile.analysis);
    let roofline = roofline(graph, &analysis.nodes, &analysis.traffic, &analysis.kernels, &device).unwrap();
    (device, roofline)
}

fn keys(report: &Report<'_>) -> Value {
    report.tree(true).unwrap()["measurement"].clone()
}

#[test]
fn the_report_has_what_was_measured() {
    let (profile, sources) = profile(SMALL);
    let measurement = made(&profile);
    let report = Report { measurement: Some(&measurement), ..profile.report(&sources) };
    let found = keys(&report);
    assert_eq!(found["provenance"]["device"], "A processor with a long name @ 3.10 GHz");
    assert_eq!(found["provenance"]["driver"], Value::Null);
    assert_eq!(found["checks"][2]["verdict"], "within");
    assert_eq!(found["checks"][2]["reason"], "rounding");
    assert_eq!(found["checks"][3]["predicted"], Value::Null);
    let forward = &found["time"]["forward"];
    let (median, total) = (measurement.forward.unwrap().median, &profile.analysis.total);
    assert_eq!(forward["median_ns"], median);
    assert_eq!(forward["flops_per_second"], total.flops as f64 / median * 1e9);
    assert_eq!(forward["bytes_per_second"], total.traffic.fused as f64 / median * 1e9);
    assert_eq!(forward["bound_ns"], Value::Null, "no device is named");
    // 3·3·3·8·32·32 + 8·10 products forward, as many for kernels; all of `head` and none of `conv` for inputs.
    let products = 2 * (221_184 + 80) + 80;
    let step = measurement.step.unwrap().median;
    assert_eq!(found["time"]["training_step"]["flops_per_second"], (2 * products) as f64 / step * 1e9);
    assert_eq!(found["time"]["training_step"]["bytes_per_second"], Value::Null);
    let memory = &found["memory"];
    assert_eq!((&memory[0]["name"], &memory[1]["name"]), (&"inference".into(), &"training".into()));
    assert_eq!(memory[0]["measured_peak"], profile.memory.as_ref().unwrap().models[0].peak);
    assert!(memory[0]["allocated_peak"].as_u64() > memory[0]["measured_peak"].as_u64());
    let curve = memory[1]["curve"].as_array().unwrap();
    assert_eq!(curve.len(), 2 * profile.loaded.graph.len());
    assert_eq!((&curve[1]["node"], &curve[1]["pass"]), (&"conv".into(), &"forward".into()));
    assert_eq!(curve.last().unwrap()["pass"], "backward");
    let nodes = found["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), profile.loaded.graph.len() - 1, "the input is not timed");
    assert_eq!(nodes[0]["name"], "conv");
    assert_eq!(
        nodes[0]["backward"]["median_ns"].as_f64(),
        nodes[0]["forward"]["median_ns"].as_f64().map(|t| 2.0 * t)
    );
    assert_eq!(nodes[3]["flops_per_second"], Value::Null, "flatten computes nothing");
    // Sums alone, for networks with very many nodes.
    let short = report.tree(false).unwrap()["measurement"].clone();
    assert!(short.get("nodes").is_none() && short["memory"][0].get("curve").is_none());
    assert_eq!(short["memory"][0]["measured_peak"], memory[0]["measured_peak"]);
}

#[test]
fn no_ratio_is_below_the_clock() {
    let (profile, sources) = profile(SMALL);
    let mut measurement = made(&profile);
    let (device, roofline) = device(&profile);
    // 99 ticks.
    let short = Timing { median: 99.0, resolution: 1.0, ..measurement.forward.unwrap() };
    measurement.forward = Some(short);
    measurement.nodes[1].forward = Some(short);
    let report = Report {
        measurement: Some(&measurement),
        roofline: Some((&device, &roofline)),
        ..profile.report(&sources)
    };
    let found = keys(&report);
    for place in [&found["time"]["forward"], &found["nodes"][0]] {
        assert_eq!(place["flops_per_second"], Value::Null);
        assert_eq!(place["bytes_per_second"], Value::Null);
        assert!(place["bound_ns"].as_f64().unwrap() > 0.0, "the bound is known nevertheless");
    }
    let measured = Measured::new(&report).unwrap();
    assert_eq!(measured.forward().unwrap().over_bound(), None);
    let (id, _) = measured.timed().next().unwrap();
    assert_eq!(measured.node(id).unwrap().over_bound(), None);
    assert!(measured.timed().any(|(id, _)| measured.node(id).unwrap().over_bound().is_some()));
}

#[test]
fn a_network_that_was_not_timed_has_its_checks() {
    let (profile, sources) = profile(SMALL);
    let measurement =
        Measurement { forward: None, step: None, memory: Vec::new(), nodes: Vec::new(), ..made(&profile) };
    let report = Report { measurement: Some(&measurement), ..profile.report(&sources) };
    let found = keys(&report);
    assert_eq!(found["time"]["forward"], Value::Null);
    assert_eq!((&found["memory"], &found["nodes"]), (&Value::Array(vec![]), &Value::Array(vec![])));
    assert_eq!(sheets(&Measured::new(&report).unwrap(), 10, false).len(), 1);
}

#[test]
fn bounds_of_nodes_add_up_to_no_less_than_the_whole() {
    let text = std::fs::read_to_string(format!("{}/architectures/resnet18.json", env!("CARGO_MANIFEST_DIR")));
    let (profile, _) = profile(&text.unwrap());
    let (_, roofline) = device(&profile);
    assert_eq!(roofline.nodes.len(), profile.loaded.graph.len());
    let sum: f64 = roofline.nodes.iter().sum();
    assert!(sum >= roofline.seconds * 0.999_999, "{sum} {}", roofline.seconds);
}

#[test]
fn tables_keep_to_80_columns_and_name_what_is_off() {
    let text =
        std::fs::read_to_string(format!("{}/architectures/densenet121.json", env!("CARGO_MANIFEST_DIR")));
    let (profile, sources) = profile(&text.unwrap());
    let mut measurement = made(&profile);
    let (device, roofline) = device(&profile);
    let off = &mut measurement.checks[1];
    (off.verdict, off.measured) = (Verdict::Off, off.measured.map(|macs| macs + 7));
    off.off = profile
        .loaded
        .graph
        .nodes()
        .take(7)
        .map(|(node, _)| Difference { node, predicted: "1".into(), measured: "2".into() })
        .collect();
    let report = Report {
        measurement: Some(&measurement),
        roofline: Some((&device, &roofline)),
        ..profile.report(&sources)
    };
    let measured = Measured::new(&report).unwrap();
    let sheets = sheets(&measured, 10, false);
    assert_eq!(sheets.iter().map(|sheet| sheet.rows.len()).collect::<Vec<_>>(), [5, 9, 10]);
    for sheet in &sheets {
        for line in table::render(sheet, table::WIDTH).lines() {
            assert!(line.chars().count() <= table::WIDTH, "{line}");
        }
        assert!(markdown::render(sheet).contains("| --- |"), "{}", sheet.title);
    }
    let times = table::render(&sheets[1], table::WIDTH);
    assert!(times.contains("median") && times.contains("× bound"), "{times}");
    let checks = table::render(&sheets[0], table::WIDTH).replace('\n', " ");
    assert!(checks.contains("off at 7 nodes: image: predicted 1, measured 2;"), "{checks}");
    assert!(checks.contains("and 2 more; 1 of them are not"), "{checks}");
    assert!(checks.contains("memory, workspace: counted on the CPU only"), "{checks}");
    // The slowest first, and csv has every digit.
    let times: Vec<f64> = sheets[2]
        .rows
        .iter()
        .map(|row| match row[1] {
            Cell::Time(time) => time,
            _ => panic!("{row:?}"),
        })
        .collect();
    assert!(times.is_sorted_by(|a, b| a >= b));
    let mut bytes = Vec::new();
    csv::write(&super::super::sections::measurement::layers(&measured, None, true).unwrap(), &mut bytes)
        .unwrap();
    let lines = String::from_utf8(bytes).unwrap();
    assert_eq!(lines.lines().count(), profile.loaded.graph.len(), "a header and every node but the input");
    assert!(lines.starts_with("layer,time,share,FLOP/s,B/s,bound,× bound,± MAD,"), "{lines}");
    assert!(lines.contains(&format!(",{},", times[0])), "nanoseconds in full");
}
