//! The pages that are opened.

use std::path::PathBuf;

use csp_profile::claims::{self, Pair};
use csp_profile::comparison::Comparison;
use csp_profile::diagnostic::Sink;
use csp_profile::frontend::{LoadOptions, Loaded, load_bytes};
use csp_profile::graph::{Graph, NewNode};
use csp_profile::ops::attribute::SettingValue;
use csp_profile::profile::{Profile, Wanted};
use csp_profile::report::{chart, page};
use csp_profile::source::SourceMap;

/// A page on disk, and what is known about it.
pub(crate) struct Page {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) nodes: u64,
    pub(crate) groups: u64,
    pub(crate) largest: String,
}

fn load(file: &str, text: &str, sources: &mut SourceMap) -> Loaded {
    let (path, mut sink) = (format!("{file}.json"), Sink::default());
    let loaded = load_bytes(&path, file, text.into(), &LoadOptions::default(), sources, &mut sink);
    loaded.unwrap_or_else(|| panic!("{:?}", sink.diagnostics()))
}

fn text(name: &str) -> String {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("architectures").join(name).with_extension("json");
    std::fs::read_to_string(path).unwrap()
}

/// Writes a page. Tests that run at once write the same bytes.
fn write(name: &str, html: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("{name}.html"));
    let beside = tempfile::NamedTempFile::new_in(&folder).unwrap();
    std::fs::write(beside.path(), html).unwrap();
    beside.persist(&path).unwrap();
    path
}

fn one(file: &str, text: &str, command: &str) -> Page {
    let mut sources = SourceMap::default();
    let loaded = load(file, text, &mut sources);
    page_of(file, loaded, &sources, command)
}

fn page_of(file: &str, loaded: Loaded, sources: &SourceMap, command: &str) -> Page {
    let profile = Profile::new(loaded, Wanted::ALL).unwrap_or_else(|_| panic!("too large"));
    let report = profile.report(sources);
    let charts = chart::network(&report);
    let html = page::Network { report, charts: &charts, command }.render();
    let graph = &profile.loaded.graph;
    let mut groups: Vec<_> = graph.nodes().map(|(_, node)| node.stage).collect();
    groups.sort_unstable();
    groups.dedup();
    Page {
        name: file.into(),
        path: write(file, &html),
        nodes: graph.len() as u64,
        groups: groups.len() as u64,
        largest: profile
            .analysis
            .largest_layer
            .map_or(String::new(), |layer| graph.node(layer.node).name.to_string()),
    }
}

/// The page of an architecture file.
pub(crate) fn network(name: &str) -> Page {
    one(name, &text(name), &format!("csp-profile analyze architectures/{name}.json"))
}

/// A DenseNet against its cross-stage partial variant.
pub(crate) fn comparison() -> Page {
    let mut sources = SourceMap::default();
    let names = ["densenet121", "csp_densenet121"];
    let profiles = names.map(|name| {
        let loaded = load(name, &text(name), &mut sources);
        Profile::new(loaded, Wanted::ALL).unwrap_or_else(|_| panic!("too large"))
    });
    let reports = profiles.each_ref().map(|profile| profile.report(&sources));
    let pair = Pair::new(profiles[0].judged().unwrap(), profiles[1].judged().unwrap());
    let judged = claims::judge(&pair);
    let names = names.map(str::to_owned);
    let html = page::Comparison {
        reports: &reports,
        names: &names,
        comparison: &Comparison::new(&reports),
        claims: Some((&pair, &judged)),
        charts: &chart::comparison(&reports, &names),
        command: "csp-profile compare architectures/densenet121.json architectures/csp_densenet121.json",
    }
    .render();
    let path = write("comparison", &html);
    Page { name: "comparison".into(), path, nodes: 0, groups: 0, largest: String::new() }
}

/// Names that would do harm where they are not escaped.
pub(crate) const HOSTILE: &[&str] = &[
    "<script>window.harmed=1</script>",
    "</script><script>window.harmed=1</script>",
    "\"onmouseover=\"window.harmed=1",
    "'><img src=x onerror=window.harmed=1>",
    "${window.harmed=1}",
    "{{7*7}}",
    "&lt;b&gt;",
    "שלום",
    "a\u{202e}b",
    "bell\u{7}",
    "<!--",
    "]]>",
];

/// A network of such names. The architecture language refuses most of them; other formats hold what they like.
pub(crate) fn hostile() -> Page {
    let mut sources = SourceMap::default();
    let layers: Vec<_> = HOSTILE[1..]
        .iter()
        .map(|_| serde_json::json!({"op": "conv2d", "out_channels": 4, "kernel": 1}))
        .collect();
    let text = serde_json::json!({"inputs": {"x": [3, 8, 8]}, "layers": layers}).to_string();
    let mut loaded = load(HOSTILE[0], &text, &mut sources);
    let mut graph = Graph::new(HOSTILE[0], loaded.graph.batch);
    graph.description = Some(HOSTILE.concat());
    for ((_, node), name) in loaded.graph.nodes().zip(HOSTILE) {
        let node = node.clone();
        let (stage, block) = (graph.stage(name), graph.block((*name).into(), None));
        let new = NewNode {
            name: (*name).into(),
            op: node.op,
            inputs: node.inputs,
            origin: node.origin,
            stage: Some(stage),
            block: Some(block),
            shares: node.shares,
            called_as: node.called_as,
        };
        graph.add(new).unwrap();
    }
    graph.outputs.clone_from(&loaded.graph.outputs);
    loaded.graph = graph;
    loaded.parameters = vec![(HOSTILE[0].into(), SettingValue::Text(HOSTILE[1].into()))];
    page_of("hostile", loaded, &sources, HOSTILE[3])
}
