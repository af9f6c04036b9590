//! The manual pages say what is true: every whole file in them loads, and its published figures hold.

use csp_profile::analysis::analyze;
use csp_profile::diagnostic::Sink;
use csp_profile::frontend::{LoadOptions, load_bytes};
use csp_profile::measurement::{
    self, Check, Curve, Difference, Measurement, NodeMeasurement, Provenance, Step, Timing, Unit,
};
use csp_profile::published::Verdict;
use csp_profile::report::Report;
use csp_profile::source::SourceMap;
use csp_profile::tensor::DType;

const LANGUAGE: &str = include_str!("../src/commands/explain/language.md");
const README: &str = include_str!("../README.md");
const REPORT: &str = include_str!("../src/commands/explain/report.md");

/// The ```json blocks of a page.
fn blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in page.lines() {
        match (&mut open, line) {
            (None, "```json") => open = Some(String::new()),
            (None, _) => {}
            (Some(_), "```") => blocks.extend(open.take()),
            (Some(block), line) => {
                block.push_str(line);
                block.push('\n');
            }
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// Reads a file; gives its figures by metric.
fn read(text: &str, set: &[(&str, &str)]) -> Vec<(String, Option<u64>)> {
    let set = set.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let options = LoadOptions { set, ..LoadOptions::default() };
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let loaded = load_bytes("example.json", "example", text.into(), &options, &mut sources, &mut sink);
    assert!(sink.diagnostics().is_empty(), "{text}\n{:#?}", sink.diagnostics());
    let loaded = loaded.expect("no diagnostics, so a network");
    let analysis = analyze(&loaded.graph).expect("costs that fit");
    let report = Report {
        graph: &loaded.graph,
        analysis: &analysis,
        parameters: &loaded.parameters,
        facts: &loaded.facts,
        sources: &sources,
        format: "json",
        memory: None,
        gradient: None,
        budget: None,
        measurement: None,
        roofline: None,
        prediction: None,
    };
    for fact in loaded.facts.iter().filter(|fact| fact.applies) {
        assert_ne!(report.judge(fact), Verdict::Fails, "{}\n{text}", fact.label());
    }
    let metrics = ["nodes", "macs", "parameters.total"];
    metrics.iter().map(|&metric| (metric.to_owned(), report.value(metric, None))).collect()
}

#[test]
fn every_file_of_the_language_page_loads() {
    let blocks = blocks(LANGUAGE);
    assert!(blocks.len() >= 8, "{} blocks", blocks.len());
    for block in &blocks {
        read(block, &[]);
    }
}

#[test]
fn the_file_of_the_readme_loads() {
    let blocks = blocks(README);
    let [budget, block] = blocks.as_slice() else { panic!("{} blocks", blocks.len()) };
    assert_eq!(*budget, include_str!("readme/phone.json"));
    // The figures of densenet121's stage dense1: its first dense block and transition.
    let expected = [("nodes", 47), ("macs", 1_143_209_984), ("parameters.total", 368_320)];
    let expected: Vec<_> = expected.map(|(metric, value)| (metric.to_owned(), Some(value))).into();
    assert_eq!(read(block, &[]), expected);
}

#[test]
fn the_examples_do_what_the_page_says() {
    let blocks = blocks(LANGUAGE);
    let with = |text: &str| blocks.iter().find(|block| block.contains(text)).expect("an example");
    let nodes = |block: &str, set: &[(&str, &str)]| read(block, set)[0].1;
    let choice = with("\"choose\"");
    assert_eq!(nodes(choice, &[]), Some(6));
    assert_eq!(nodes(choice, &[("fusion", "first")]), Some(5));
    assert_eq!(nodes(choice, &[("fusion", "none")]), Some(3));
    let expressions = with("\"width\": {\"default\": 1, \"min\"");
    assert_eq!(nodes(expressions, &[]), Some(6));
    assert_eq!(nodes(expressions, &[("depth", "2")]), Some(4));
    // Six layers of 32 more channels each: 9·32·(64 + 96 + … + 224) weights and 6·32 biases.
    assert_eq!(read(with("layer[..index]"), &[])[2].1, Some(9 * 32 * 864 + 192));
}

#[test]
fn the_language_page_names_every_key_and_type() {
    let schema: serde_json::Value =
        serde_json::from_str(&csp_profile::frontend::json::schema::text()).expect("a schema");
    let mut keys: Vec<&String> = schema["properties"].as_object().expect("keys of the file").keys().collect();
    for part in ["block", "group", "choice", "use", "fact"] {
        keys.extend(schema["$defs"][part]["properties"].as_object().expect(part).keys());
    }
    for key in keys {
        assert!(LANGUAGE.contains(key.as_str()), "the page does not name `{key}`");
    }
    for dtype in DType::ALL {
        assert!(LANGUAGE.contains(dtype.name()), "the page does not name `{}`", dtype.name());
    }
}

/// Every key of the report, as a path without the numbers of lists.
fn paths(value: &serde_json::Value, at: &str, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(members) => {
            for (key, value) in members {
                let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                found.push(path.clone());
                // Their keys are names of ops' attributes, parameters, kinds and conventions.
                if !["attributes", "conventions", "flops_by_kind"].contains(&key.as_str())
                    && path != "architecture.parameters"
                {
                    paths(value, &path, found);
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| paths(item, at, found)),
        _ => {}
    }
}

/// A measurement with something under every key.
fn measurement(graph: &csp_profile::graph::Graph) -> Measurement {
    let (node, _) = graph.nodes().nth(1).expect("a layer");
    let timing = Timing {
        samples: 5,
        median: 1e6,
        deviation: 1e3,
        outliers: 0,
        resolution: 20.0,
        processor: Some(1e6),
    };
    let mut nodes = vec![NodeMeasurement::default(); graph.len()];
    nodes[node.index()] = NodeMeasurement { forward: Some(timing), backward: Some(timing) };
    Measurement {
        provenance: Provenance {
            device: "a processor".into(),
            driver: None,
            library: "candle",
            threads: 1,
            dtype: "f32",
            batch: 1,
            values: "seed 1".into(),
            schedule: "as_written",
            samples: 5,
            warm_up: 1,
            load: None,
            processors: 2,
        },
        checks: vec![Check {
            name: "macs",
            what: "multiply-accumulates",
            verdict: measurement::Verdict::Off,
            predicted: Some(1),
            measured: Some(2),
            unit: Unit::Macs,
            compared: 1,
            off: vec![Difference { node, predicted: "1".into(), measured: "2".into() }],
            note: None,
        }],
        forward: Some(timing),
        step: Some(timing),
        memory: vec![Curve {
            name: "inference",
            steps: vec![Step { node, backward: false }],
            predicted: vec![1],
            measured: vec![1],
            peak: vec![2],
            workspace: vec![1],
        }],
        nodes,
    }
}

#[test]
fn the_report_page_names_every_key() {
    let text = std::fs::read_to_string("architectures/densenet121.json").expect("an architecture");
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let loaded = load_bytes(
        "densenet121.json",
        "densenet121",
        text.into_bytes(),
        &LoadOptions::default(),
        &mut sources,
        &mut sink,
    )
    .expect("a network");
    let analysis = analyze(&loaded.graph).expect("costs that fit");
    let gradient = csp_profile::analysis::gradient::Gradient::new(&loaded.graph).expect("paths");
    let memory = csp_profile::analysis::memory::analyze(&loaded.graph).expect("bytes that fit");
    let report = Report {
        graph: &loaded.graph,
        analysis: &analysis,
        parameters: &loaded.parameters,
        facts: &loaded.facts,
        sources: &sources,
        format: "json",
        memory: Some(&memory),
        gradient: Some(&gradient),
        budget: None,
        measurement: None,
        roofline: None,
        prediction: None,
    };
    let measured = measurement(&loaded.graph);
    let report = Report { measurement: Some(&measured), ..report };
    let value = serde_json::to_value(report).expect("a report");
    for key in ["checks", "memory", "nodes"] {
        assert_eq!(value["measurement"][key].as_array().map(Vec::len), Some(1), "{key}");
    }
    let source = sources.add("b", "{\"limits\": [{\"metric\": \"macs\", \"stage\": \"*\", \"max\": 1}]}");
    let budget = csp_profile::budget::document::read(source, &sources, &mut sink).expect("a budget");
    let baseline = csp_profile::budget::evaluate::Baseline::Off;
    let rows = csp_profile::budget::evaluate::evaluate(&budget, &value, baseline, &mut sink);
    let verdict = csp_profile::budget::Verdict { file: "b".into(), baseline: None, rows };
    assert!(!verdict.rows.is_empty());
    let mut found = Vec::new();
    paths(&value, "", &mut found);
    paths(&serde_json::json!({ "budget": verdict }), "", &mut found);
    for path in found {
        let key = path.rsplit('.').next().expect("a key");
        let words = || REPORT.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        assert!(words().any(|word| word == key), "the page does not name `{path}`");
    }
}

/// Cells of `explain study`'s tables, from the figures of each seed: across, within, block, and their differences.
#[test]
fn the_tables_of_the_study_are_those_of_its_figures() {
    let rows: Vec<Vec<&str>> = include_str!("../examples/study/figures.csv")
        .lines()
        .skip(1)
        .map(|row| row.split(',').collect())
        .collect();
    // The columns: part1_part2, part1_block, part2_block, block_block; 6 layers have 15 pairs.
    let columns: [fn([f64; 4]) -> f64; 3] =
        [|x| (x[0] + 6.0 * x[1]) / 7.0, |x| (6.0 * x[2] + 15.0 * x[3]) / 21.0, |x| x[3]];
    let of_seed = |steps: &str, network: &str, seed: &str, column: fn([f64; 4]) -> f64| {
        let wanted = [steps, network, "flat", "unit"];
        let stages = rows.iter().filter(|row| row[..4] == wanted && row[5] == seed);
        let values: Vec<f64> =
            stages.map(|row| column([6, 7, 8, 9].map(|at| row[at].parse::<f64>().unwrap()))).collect();
        assert_eq!(values.len(), 3, "one a stage");
        values.iter().sum::<f64>() / 3.0
    };
    let text = include_str!("../src/commands/explain/study.md");
    let mut compared = 0;
    for (title, steps) in [("Before training:", "0"), ("After 500 steps:", "500")] {
        let table = text.split_once(title).unwrap().1.trim_start().lines().skip(1);
        for line in table.take_while(|line| !line.is_empty()) {
            let (name, cells) = line.trim().split_at(14);
            let (network, less) =
                name.trim().split_once(" - ").map_or((name.trim(), None), |(a, b)| (a, Some(b)));
            let words: Vec<&str> = cells.split_whitespace().collect();
            for (column, cell) in columns.iter().zip(words.chunks_exact(3)) {
                let seeds = ["1", "2", "3", "4", "5"].map(|seed| {
                    of_seed(steps, network, seed, *column)
                        - less.map_or(0.0, |less| of_seed(steps, less, seed, *column))
                });
                let mean = seeds.iter().sum::<f64>() / 5.0;
                let variance = seeds.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / 4.0;
                let printed = [cell[0], cell[2]].map(|number| number.parse::<f64>().unwrap());
                assert_eq!(cell[1], "±", "{line}");
                // Student's t at 97.5 % with 4 degrees of freedom.
                for (printed, computed) in printed.into_iter().zip([mean, 2.776 * (variance / 5.0).sqrt()]) {
                    assert!((printed - computed).abs() < 0.00501, "{title} {line}: {computed}");
                    compared += 1;
                }
            }
        }
    }
    assert_eq!(compared, 2 * 7 * 3 * 2);
}
