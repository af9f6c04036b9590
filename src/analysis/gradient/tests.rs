//! Closed forms, other programs' figures, and explicit enumeration on small random graphs.

use std::path::Path;

use super::equations::{Equations, Form, Notation};
use super::*;
use crate::diagnostic::Sink;
use crate::frontend::{self, LoadOptions};
use crate::source::SourceMap;

fn read(text: &str) -> Graph {
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let options = LoadOptions::default();
    let loaded =
        frontend::load_bytes("test.json", "test", text.as_bytes().to_vec(), &options, &mut sources, &mut sink);
    let mut graph = loaded.unwrap_or_else(|| panic!("{:?}", sink.diagnostics())).graph;
    graph.find_stages();
    graph
}

fn architecture(name: &str, set: &[(&str, &str)]) -> Graph {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("architectures/{name}.json"));
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let set = set.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let options = LoadOptions { set, ..LoadOptions::default() };
    let loaded = frontend::load(&path, &options, &mut sources, &mut sink).unwrap();
    let mut graph = loaded.unwrap_or_else(|| panic!("{name}: {:?}", sink.diagnostics())).graph;
    graph.find_stages();
    graph
}

fn gradient(graph: &Graph) -> Gradient {
    Gradient::new(graph).unwrap()
}

fn stage<'a>(graph: &Graph, gradient: &'a Gradient, name: &str) -> &'a Stage {
    &gradient.stages[graph.stages().get_index_of(name).unwrap()]
}

fn lines(graph: &Graph, gradient: &Gradient, name: &str) -> (Form, Vec<String>) {
    let index = graph.stages().get_index_of(name).unwrap();
    let equations = Equations::new(gradient, index, Notation::Text);
    (equations.form, equations.layers.into_iter().flat_map(|layer| layer.lines).collect())
}

const CONV: &str = r#""op": "conv2d", "kernel": 1, "bias": false, "out_channels""#;

/// A stage with its stem and head around it. Every layer is one 1×1 convolution.
fn around(stage: &str) -> String {
    format!(
        r#"{{"inputs": {{"image": [8, 4, 4]}}, "layers": [
            {{"stage": "stem", {CONV}: 8, "name": "x0"}},
            {{"stage": "body", "layers": [{stage}]}},
            {{"stage": "head", {CONV}: 4}}]}}"#
    )
}

/// x_1 … x_k, the first of which reads `input`.
fn dense_layers(k: usize, input: &str) -> String {
    let mut text = String::new();
    for i in 1..=k {
        let reads: Vec<String> =
            std::iter::once(input.to_owned()).chain((1..i).map(|j| format!("x{j}"))).collect();
        text += &format!(
            r#"{{"op": "concat", "inputs": {reads:?}}}, {{"name": "x{i}", {CONV}: 4}},"#
        );
    }
    text
}

fn all(k: usize, first: &[&str]) -> Vec<String> {
    first.iter().map(|name| (*name).to_owned()).chain((1..=k).map(|j| format!("x{j}"))).collect()
}

fn dense(k: usize) -> Graph {
    let reads = all(k, &["x0"]);
    let block = dense_layers(k, "x0");
    read(&around(&format!(r#"{block} {{"op": "concat", "inputs": {reads:?}}}, {{"name": "T", {CONV}: 8}}"#)))
}

/// A CSP stage over dense layers: figure 3 (b), (c), (d), split by slice or by convolutions.
fn csp(k: usize, fusion: &str, split: &str) -> Graph {
    let parts = if split == "slice" {
        r#"{"op": "slice", "name": "p1", "inputs": "x0", "end": 4}, {"op": "slice", "name": "p2", "inputs": "x0", "start": 4},"#.to_owned()
    } else {
        format!(r#"{{"name": "p1", {CONV}: 4, "inputs": "x0"}}, {{"name": "p2", {CONV}: 4, "inputs": "x0"}},"#)
    };
    let block = dense_layers(k, "p2");
    let reads = all(k, &["p2"]);
    let tail = match fusion {
        "csp" => format!(
            r#"{{"op": "concat", "inputs": {reads:?}}}, {{"name": "T", {CONV}: 8}},
            {{"op": "concat", "inputs": ["p1", "T"]}}, {{"name": "U", {CONV}: 8}}"#
        ),
        "first" => {
            let reads = all(k, &["p1", "p2"]);
            format!(r#"{{"op": "concat", "inputs": {reads:?}}}, {{"name": "U", {CONV}: 8}}"#)
        }
        _ => format!(
            r#"{{"op": "concat", "inputs": {reads:?}}}, {{"name": "T", {CONV}: 8}},
            {{"op": "concat", "inputs": ["p1", "T"]}}"#
        ),
    };
    read(&around(&format!("{parts} {block} {tail}")))
}

/// n residual blocks, each with or without a bottleneck; between a split and its fusion if `csp`.
fn residual(n: usize, bottleneck: bool, csp: bool) -> Graph {
    let mut text = String::new();
    let mut before = "x0".to_owned();
    if csp {
        text += &format!(r#"{{"name": "p1", {CONV}: 8, "inputs": "x0"}}, {{"name": "p2", {CONV}: 8, "inputs": "x0"}},"#);
        before = "p2".into();
    }
    for i in 1..=n {
        if bottleneck {
            text += &format!(r#"{{{CONV}: 2, "inputs": "{before}"}}, {{"name": "c{i}", {CONV}: 8}},"#);
        } else {
            text += &format!(r#"{{"name": "c{i}", {CONV}: 8, "inputs": "{before}"}},"#);
        }
        text += &format!(r#"{{"op": "add", "name": "s{i}", "inputs": ["c{i}", "{before}"]}},"#);
        before = format!("s{i}");
    }
    if csp {
        text += &format!(
            r#"{{"name": "T", {CONV}: 8}}, {{"op": "concat", "inputs": ["T", "p1"]}}, {{"name": "U", {CONV}: 8}},"#
        );
    }
    read(&around(text.trim_end_matches(',')))
}

#[test]
fn a_dense_block_has_2_to_the_k_paths() {
    for k in 1..=70 {
        let graph = dense(k);
        let found = gradient(&graph);
        // Stem, x_1 … x_k, T, head: layer j has 2^(k−j).
        let paths = found.paths.as_ref().unwrap();
        for j in 0..=k {
            assert_eq!(paths[1 + j], BigUint::from(1u32) << (k - j), "k {k} j {j}");
        }
        let body = stage(&graph, &found, "body");
        assert_eq!(body.paths, Some(BigUint::from(1u32) << k));
        assert_eq!(body.cross_side_overlap(), Some(1.0));
        assert_eq!(body.classes.len(), 1);
        // Input → stem → {x_1 … T} → head: the block's own ratio is k / (k + 2).
        let (edges, sources) = (found.ratios.edges, found.ratios.sources);
        let k = k as u64;
        assert_eq!((edges, sources), ((k + 1) * (k + 2) / 2 + 2, k + 3));
        assert_eq!(found.longest_shortest_path(), 3);
        assert_eq!(found.longest_path(), k + 3);
        // Binomials: layer x_0 reaches T over any subset of the k layers.
        let spectrum = found.spectrum(1).unwrap();
        let mut binomial = BigUint::from(1u32);
        for i in 0..=k {
            assert_eq!(spectrum[usize::try_from(i).unwrap() + 3], binomial);
            binomial = binomial * (k - i) / (i + 1);
        }
    }
}

#[test]
fn a_csp_stage_adds_one_path() {
    for k in 1..=40 {
        for split in ["slice", "conv"] {
            for (fusion, overlap, extra) in [("csp", 0.0, 1u32), ("first", 1.0, 1), ("last", 0.0, 1)] {
                let graph = csp(k, fusion, split);
                let found = gradient(&graph);
                let body = stage(&graph, &found, "body");
                let case = format!("{k} {fusion} {split}");
                assert_eq!(body.paths, Some((BigUint::from(1u32) << k) + extra), "{case}");
                assert_eq!(body.cross_side_overlap(), Some(overlap), "{case}");
                let classes = if fusion == "csp" { 2 } else { 1 };
                assert_eq!(body.classes.len(), classes, "{case}");
            }
        }
    }
}

#[test]
fn residual_blocks_double_the_paths() {
    for n in 1..=40 {
        for bottleneck in [false, true] {
            let graph = residual(n, bottleneck, false);
            let found = gradient(&graph);
            let body = stage(&graph, &found, "body");
            assert_eq!(body.paths, Some(BigUint::from(1u32) << n));
            // One block reuses nothing inside: its input is added, which no layer reads twice.
            assert_eq!(body.cross_side_overlap(), Some(1.0), "{n} {bottleneck}");
            let graph = residual(n, bottleneck, true);
            let found = gradient(&graph);
            let body = stage(&graph, &found, "body");
            assert_eq!(body.paths, Some((BigUint::from(1u32) << n) + 1u32));
            assert_eq!(body.cross_side_overlap(), Some(0.0));
            assert_eq!(body.classes.len(), 2);
        }
    }
}

#[test]
fn known_networks() {
    // reference/gradient-paths.md; 2^98 for the 98 dense layers of DenseNet-201.
    for (name, paths) in [
        ("darknet_resnet50", "65536"),
        ("densenet201", "316912650057057350374175801344"),
        ("csp_resnet50", "13365"),
        ("csp_darknet53", "16842495"),
    ] {
        let found = gradient(&architecture(name, &[]));
        assert_eq!(found.paths_to_input().unwrap().to_string(), paths, "{name}");
    }
    // The stages' paths multiply: (2³+1)(2³+1)(2⁵+1)(2²+1) = 13365.
    let graph = architecture("csp_resnet50", &[]);
    let found = gradient(&graph);
    let paths: Vec<String> = found.stages.iter().map(|s| s.paths.as_ref().unwrap().to_string()).collect();
    assert_eq!(paths, ["1", "9", "9", "33", "5", "1"]);
}

#[test]
fn densenet_variants_of_figure_3() {
    for (fusion, overlap) in [("none", 1.0), ("csp", 0.0), ("first", 1.0), ("last", 0.0)] {
        for split in ["slice", "conv"] {
            let graph = architecture("csp_densenet121", &[("fusion", fusion), ("split", split)]);
            let found = gradient(&graph);
            for (name, k) in [("dense1", 6), ("dense2", 12), ("dense3", 24), ("dense4", 16)] {
                let one = stage(&graph, &found, name);
                assert_eq!(one.cross_side_overlap(), Some(overlap), "{fusion} {split} {name}");
                let extra = u32::from(fusion != "none");
                assert_eq!(one.paths, Some((BigUint::from(1u32) << k) + extra), "{fusion} {split} {name}");
                let classes = if fusion == "csp" { 2 } else { 1 };
                // The last plain stage has no transition: its exit is read by the head, outside.
                assert_eq!(one.classes.len(), classes, "{fusion} {split} {name}");
            }
        }
    }
}

/// The figures of `truth/gradient-truth.csv`, an independent reference over darknet's layer tables: weight layers,
/// edges, sources, terms, their channels, longest shortest path, longest path, timestamp sets, paths.
#[test]
fn truth_of_networks() {
    #[rustfmt::skip]
    let rows: [(&str, [u64; 9]); 9] = [
        ("darknet_resnet10", [10, 20, 10, 2947, 1987, 3, 10, 10, 16]),
        ("darknet_resnet50", [50, 186, 50, 95939, 22723, 4, 50, 50, 65536]),
        ("csp_resnet50", [60, 94, 60, 33923, 20099, 15, 56, 56, 13365]),
        ("darknet_resnext50", [50, 186, 50, 103491, 30275, 4, 50, 50, 65536]),
        ("csp_resnext50", [60, 94, 60, 43395, 28675, 15, 56, 56, 13365]),
        ("darknet53", [53, 139, 53, 56195, 17859, 7, 53, 53, 8_388_608]),
        ("csp_darknet53", [73, 164, 73, 38851, 17667, 17, 68, 68, 16_842_495]),
        ("csp_mobilenet_v2", [59, 80, 59, 15419, 13515, 13, 54, 54, 4950]),
        ("darknet_mobilenet_v2", [54, 70, 54, 18363, 17091, 24, 54, 54, 1024]),
    ];
    for (name, expected) in rows {
        let graph = architecture(name, &[]);
        let found = gradient(&graph);
        let paths = u64::try_from(found.paths_to_input().unwrap()).unwrap();
        let ours = [
            found.h.layers().len() as u64,
            found.ratios.edges,
            found.ratios.sources,
            found.ratios.channel_terms,
            found.ratios.source_channels,
            found.longest_shortest_path(),
            found.longest_path(),
            found.timestamps.as_ref().unwrap().distinct as u64,
            paths,
        ];
        assert_eq!(ours, expected, "{name}");
        assert_eq!(found.paths.as_ref().unwrap()[found.h.layers().start as usize], BigUint::from(paths));
        assert!((0.0..1.0).contains(&found.ratios.element()), "{name}");
    }
}
