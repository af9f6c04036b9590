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
    let loaded = frontend::load_bytes(
        "test.json",
        "test",
        text.as_bytes().to_vec(),
        &options,
        &mut sources,
        &mut sink,
    );
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
        text += &format!(r#"{{"op": "concat", "inputs": {reads:?}}}, {{"name": "x{i}", {CONV}: 4}},"#);
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
        format!(
            r#"{{"name": "p1", {CONV}: 4, "inputs": "x0"}}, {{"name": "p2", {CONV}: 4, "inputs": "x0"}},"#
        )
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
        text += &format!(
            r#"{{"name": "p1", {CONV}: 8, "inputs": "x0"}}, {{"name": "p2", {CONV}: 8, "inputs": "x0"}},"#
        );
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
                // U reads both parts of one producer: one edge of H.
                let extra = if (fusion, split) == ("first", "slice") { 0 } else { extra };
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
                let extra = u32::from(fusion != "none" && (fusion, split) != ("first", "slice"));
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

#[test]
fn residual_stages_reuse_across_their_exit() {
    for (name, stages, overlap) in [
        ("darknet53", &["stage1", "stage2", "stage3", "stage4", "stage5"][..], 1.0),
        ("darknet_resnet50", &["stage1", "stage2", "stage3", "stage4"], 1.0),
        ("resnet50", &["layer1", "layer2", "layer3", "layer4"], 1.0),
        ("densenet201", &["dense1", "dense2", "dense3", "dense4"], 1.0),
        ("csp_resnext50", &["stage1", "stage2", "stage3", "stage4"], 0.0),
        ("csp_darknet53", &["stage1", "stage2", "stage3", "stage4", "stage5"], 0.0),
    ] {
        let graph = architecture(name, &[]);
        let found = gradient(&graph);
        for label in stages {
            assert_eq!(stage(&graph, &found, label).cross_side_overlap(), Some(overlap), "{name} {label}");
        }
    }
}

/// By feature, its timestamps and the layer that its gradient comes from.
fn flows(graph: &Graph, found: &Gradient, slice: bool) -> Vec<(String, Vec<u64>, String)> {
    let timestamps = found.timestamps.as_ref().unwrap();
    let mut flows = Vec::new();
    for layer in found.h.layers() {
        let name = vertex_name(graph, &found.h, layer).rsplit('/').next().unwrap_or_default();
        for (number, &node) in found.groups.groups[layer as usize].iter().enumerate() {
            let name = match name {
                "x0" if slice => ["p1", "p2"][number],
                "x0" => continue,
                name => name,
            };
            let from = found.dominators.of(node).unwrap();
            let from = vertex_name(graph, &found.h, found.groups.vertices[from as usize]);
            flows.push((name.to_owned(), timestamps.of(node).collect(), from.to_owned()));
        }
    }
    flows
}

#[test]
fn a_slice_and_two_convolutions_agree() {
    for k in 1..=12 {
        for fusion in ["csp", "first", "last"] {
            let [slice, conv] = ["slice", "conv"].map(|split| {
                let graph = csp(k, fusion, split);
                let found = gradient(&graph);
                let flows = flows(&graph, &found, split == "slice");
                (found.stages[1].overlap, flows)
            });
            assert_eq!(slice, conv, "{k} {fusion}");
            let from = |name: &str| slice.1.iter().find(|flow| flow.0 == name).unwrap().2.as_str();
            match fusion {
                "csp" => assert_eq!(
                    [from("p1"), from("p2"), from("x1"), from("T")],
                    ["body/U", "body/T", "body/T", "body/U"]
                ),
                "first" => assert_eq!([from("p1"), from("p2"), from("x1")], ["body/U"; 3]),
                _ => assert_eq!([from("p2"), from("x1")], ["body/T"; 2]),
            }
        }
    }
}

#[test]
fn what_takes_too_long_is_said() {
    let chain = |n: u32| {
        read(&format!(r#"{{"inputs": {{"image": [1, 1, 1]}}, "layers": [{{{CONV}: 1, "repeat": {n}}}]}}"#))
    };
    assert!(gradient(&chain(1000)).skipped.is_empty());
    let found = gradient(&chain(40_000));
    assert!(found.timestamps.is_none());
    assert_eq!(found.skipped, ["timestamp sets: they would take more than 64 MiB"]);
    assert_eq!((found.longest_path(), found.paths_to_input()), (40_000, Some(BigUint::from(1u32))));
    assert_eq!(found.spectrum(0), Err(40_001 * 40_000));
    let sums = read(&format!(
        r#"{{"inputs": {{"image": [1, 1, 1]}}, "layers": [{{"block": "b", "repeat": 3000}}], "blocks": {{"b": {{"layers": [
            {{{CONV}: 1}}, {{"op": "add", "inputs": ["previous", "input"]}}]}}}}}}"#
    ));
    assert_eq!(Gradient::new(&sums).err(), Some(Refusal::TooLarge));
    let twice = read(
        r#"{"inputs": {"image": [1, 1, 1]}, "layers": [{"block": "b", "repeat": 70}], "blocks": {"b": {"layers": [
            {"op": "add", "inputs": ["input", "input"]}]}}}"#,
    );
    assert_eq!(Gradient::new(&twice).err(), Some(Refusal::Multiplicity));
}

/// PRN (ICCVW 2019), figure 5: timestamps of five layers, and how many combinations there are.
#[test]
fn figure_5_of_prn() {
    let sets = |text: &str| {
        let graph = read(&format!(r#"{{"inputs": {{"image": [8, 4, 4]}}, "layers": [{text}]}}"#));
        let found = gradient(&graph);
        let timestamps = found.timestamps.as_ref().unwrap();
        let layers: Vec<String> = found
            .h
            .layers()
            .map(|layer| {
                let groups = found.groups.groups[layer as usize].iter();
                let sets = groups
                    .map(|&node| timestamps.of(node).map(|t| t.to_string()).collect::<Vec<_>>().join(","));
                sets.collect::<Vec<_>>().join("|")
            })
            .collect();
        (layers.join(" "), timestamps.distinct)
    };
    let conv = |name: &str| format!(r#"{{"name": "{name}", {CONV}: 8}}"#);
    let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(conv);
    let resnet = format!(
        r#"{a}, {b}, {c}, {{"op": "add", "name": "s", "inputs": ["c", "a"]}}, {d}, {e}, {{"op": "add", "inputs": ["e", "s"]}}"#
    );
    assert_eq!(sets(&resnet), ("1,3,5 2,4 1,3 2 1".into(), 5));
    let join = |names: &[&str]| format!(r#"{{"op": "concat", "inputs": {names:?}}}"#);
    let densenet = [
        a.clone(),
        b.clone(),
        join(&["a", "b"]),
        c.clone(),
        join(&["a", "b", "c"]),
        d.clone(),
        join(&["a", "b", "c", "d"]),
        e.clone(),
        join(&["a", "b", "c", "d", "e"]),
    ];
    assert_eq!(sets(&densenet.join(", ")), ("1,2,3,4,5 1,2,3,4 1,2,3 1,2 1".into(), 5));
    let prn = format!(
        r#"{a}, {{"op": "slice", "name": "ha", "inputs": "a", "end": 4}}, {{"name": "b", "inputs": "a", {CONV}: 8}}, {c},
        {{"op": "add", "name": "s", "inputs": ["c", "ha"], "channels": "first_min"}},
        {{"op": "slice", "name": "hs", "inputs": "s", "end": 4}}, {{"name": "d", "inputs": "s", {CONV}: 8}}, {e},
        {{"op": "add", "inputs": ["e", "hs"], "channels": "first_min"}}"#
    );
    assert_eq!(sets(&prn), ("1,3,5|3,5 2,4 1,3|3 2 1".into(), 7));
}

/// Layer by layer, the figures of `truth/gradient/*.grad.csv` (copied beside this file): paths, shortest, longest,
/// timestamps, sources, consumers. Their layers are darknet's section numbers, in order; −1 is the image.
#[test]
fn truth_of_layers() {
    for (name, text) in [
        ("csp_darknet53", include_str!("truth/csdarknet53.csv")),
        ("csp_resnet50", include_str!("truth/csresnet50.csv")),
        ("csp_resnext50", include_str!("truth/csresnext50.csv")),
        ("darknet53", include_str!("truth/darknet53.csv")),
        ("darknet_resnet10", include_str!("truth/resnet10.csv")),
        ("darknet_resnet50", include_str!("truth/resnet50.csv")),
    ] {
        let found = gradient(&architecture(name, &[]));
        let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
        let numbers: Vec<&str> = std::iter::once("-1").chain(rows.iter().map(|row| row[0])).collect();
        let list = |edges: &[weight_graph::Edge]| {
            let inner = edges.iter().filter_map(|edge| numbers.get(edge.vertex as usize).copied());
            inner.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(rows.len(), found.h.layers().len(), "{name}");
        for (layer, row) in found.h.layers().zip(&rows) {
            let index = layer as usize;
            let (shortest, longest) = found.lengths[index].unwrap();
            let ours = [
                row[0].to_owned(),
                found.paths.as_ref().unwrap()[index].to_string(),
                shortest.to_string(),
                longest.to_string(),
                found.timestamps.as_ref().unwrap().count(layer).to_string(),
                list(found.h.before.row(index)),
                list(found.h.after.row(index)),
            ];
            assert_eq!(&ours[..], row.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>(), "{name}");
        }
    }
}

#[test]
fn equations_2_and_4_of_the_paper() {
    let graph = dense(3);
    let (form, found) = lines(&graph, &gradient(&graph), "body");
    assert_eq!(form, Form::Dense);
    assert_eq!(
        found,
        [
            "w_1' = f(w_1, g_0)",
            "∂L/∂w_{1,0} = δ_1 ⋆ x_0",
            "g_0^{(1)} = (∂(w_{1_0} ⋆ x_0)/∂x_0)ᵀ δ_1; δ_1 = Σ_k g_1^{(k)}, k ∈ {2, 3, T}",
            "w_2' = f(w_2, g_0, g_1)",
            "∂L/∂w_{2,0} = δ_2 ⋆ x_0, ∂L/∂w_{2,1} = δ_2 ⋆ x_1",
            "g_0^{(2)} = (∂(w_{2_0} ⋆ x_0)/∂x_0)ᵀ δ_2, g_1^{(2)} = (∂(w_{2_1} ⋆ x_1)/∂x_1)ᵀ δ_2; δ_2 = Σ_k g_2^{(k)}, k ∈ {3, T}",
            "w_3' = f(w_3, g_0, g_1, g_2)",
            "∂L/∂w_{3,0} = δ_3 ⋆ x_0, ∂L/∂w_{3,1} = δ_3 ⋆ x_1, ∂L/∂w_{3,2} = δ_3 ⋆ x_2",
            "g_0^{(3)} = (∂(w_{3_0} ⋆ x_0)/∂x_0)ᵀ δ_3, g_1^{(3)} = (∂(w_{3_1} ⋆ x_1)/∂x_1)ᵀ δ_3, g_2^{(3)} = (∂(w_{3_2} ⋆ x_2)/∂x_2)ᵀ δ_3; δ_3 = Σ_k g_3^{(k)}, k ∈ {T}",
            "w_T' = f(w_T, g_0, g_1, g_2, g_3)",
            "∂L/∂w_{T,0} = δ_T ⋆ x_0, ∂L/∂w_{T,1} = δ_T ⋆ x_1, ∂L/∂w_{T,2} = δ_T ⋆ x_2, ∂L/∂w_{T,3} = δ_T ⋆ x_3",
            "g_0^{(T)} = (∂(w_{T_0} ⋆ x_0)/∂x_0)ᵀ δ_T, g_1^{(T)} = (∂(w_{T_1} ⋆ x_1)/∂x_1)ᵀ δ_T, g_2^{(T)} = (∂(w_{T_2} ⋆ x_2)/∂x_2)ᵀ δ_T, g_3^{(T)} = (∂(w_{T_3} ⋆ x_3)/∂x_3)ᵀ δ_T; δ_T = Σ_k g_T^{(k)}, k ∈ {out}",
        ]
    );
    let papers = |k: usize, fusion: &str, split: &str| {
        let graph = csp(k, fusion, split);
        let (form, found) = lines(&graph, &gradient(&graph), "body");
        let skip = if split == "conv" { 6 } else { 0 };
        (form, found.into_iter().skip(skip).step_by(3).collect::<Vec<_>>())
    };
    for k in 1..=7 {
        for split in ["slice", "conv"] {
            let reads = |base: &str, n: usize| {
                let inner: String = (1..n).map(|j| format!(", g_{j}")).collect();
                format!("{base}{inner}")
            };
            let block = |n: usize| format!("w_{n}' = f(w_{n}, {})", reads("g_0''", n));
            let mut expected: Vec<String> = (1..=k).map(block).collect();
            let inner = expected.clone();
            expected.push(format!("w_T' = f(w_T, {})", reads("g_0''", k + 1)));
            let last = expected.clone();
            expected.push("w_U' = f(w_U, g_0', g_T)".into());
            assert_eq!(papers(k, "csp", split), (Form::Csp, expected), "{k} {split}");
            assert_eq!(papers(k, "last", split), (Form::Other, last), "{k} {split}");
            let mut first = inner;
            first.push(format!("w_U' = f(w_U, {})", reads("g_0', g_0''", k + 1)));
            assert_eq!(papers(k, "first", split), (Form::Other, first), "{k} {split}");
        }
    }
    // A prime of the index is not one of the weights.
    let graph = csp(2, "csp", "conv");
    let (_, found) = lines(&graph, &gradient(&graph), "body");
    assert_eq!(found[..2], ["w_{0'}' = f(w_{0'}, g_0)", "∂L/∂w_{0',0} = δ_0' ⋆ x_0"]);
    // A bottleneck keeps the paper's line for the layer that reads the block.
    let graph = architecture("csp_densenet121", &[]);
    let (form, found) = lines(&graph, &gradient(&graph), "dense1");
    assert_eq!(form, Form::Csp);
    for line in [
        "w_2' = f(w_2, g_0'', g_1)",
        "∂L/∂w_{2,0''} = δ_2 ⋆ x_0'', ∂L/∂w_{2,1} = δ_2 ⋆ x_1",
        "v_2' = f(v_2, g_{h_2})",
        "∂L/∂v_2 = ε_2 ⋆ h_2",
        "ε_2 = Σ_k g_2^{(k)}, k ∈ {3, 4, 5, 6, T}",
        "w_T' = f(w_T, g_0'', g_1, g_2, g_3, g_4, g_5, g_6)",
        "w_U' = f(w_U, g_0', g_T)",
    ] {
        assert!(found.iter().any(|found| found == line), "{line}\n{found:#?}");
    }
    let found = gradient(&graph);
    for notation in [Notation::Latex, Notation::MathMl] {
        let stage = graph.stages().get_index_of("dense1").unwrap();
        let text = &Equations::new(&found, stage, notation).layers[2].lines[0];
        match notation {
            Notation::Latex => assert_eq!(text, "w_{2}' = f(w_{2}, g_{0}'', g_{1})"),
            _ => assert!(
                text.starts_with("<math")
                    && text.contains("<msubsup><mi>g</mi><mn>0</mn><mrow><mo>′′</mo></mrow></msubsup>"),
                "{text}"
            ),
        }
    }
}

#[test]
fn equations_of_sums_and_of_one_shot_aggregation() {
    let graph = residual(3, false, false);
    let (form, found) = lines(&graph, &gradient(&graph), "body");
    assert_eq!(form, Form::Other);
    assert_eq!(
        found[3..6],
        [
            "w_2' = f(w_2, g_0, g_1)",
            "∂L/∂w_2 = δ_2 ⋆ (x_0 + x_1)",
            "g_0^{(2)} = g_1^{(2)} = (∂(w_2 ⋆ (x_0 + x_1))/∂(x_0 + x_1))ᵀ δ_2; δ_2 = Σ_k g_2^{(k)}, k ∈ {3, out}",
        ]
    );
    let graph = architecture("vovnet39a", &[]);
    let (_, found) = lines(&graph, &gradient(&graph), "stage2");
    let papers: Vec<&String> = found.iter().step_by(3).collect();
    assert_eq!(papers[0], "w_1' = f(w_1, g_0)");
    assert_eq!(papers[1], "w_2' = f(w_2, g_1)");
    assert_eq!(papers[5], "w_T' = f(w_T, g_0, g_1, g_2, g_3, g_4, g_5)");
}

#[test]
fn adds_copy_and_concats_do_not() {
    assert_eq!(gradient(&dense(5)).copies, Copies::default());
    let found = gradient(&residual(5, false, false)).copies;
    // x_0, five branches, five sums; each branch has its sum's gradient, and so has nothing else: every sum but the last is
    // read twice.
    assert_eq!((found.tensors, found.classes), (11, 6));
}

#[test]
fn elements_read_again() {
    // The stem reads 8 channels, x_1 … x_k read 8 + 4(i − 1), T reads 8 + 4k, the head 8; of these 8 + (8 + 4k) + 8 differ.
    for k in 1..=10u64 {
        let found = gradient(&dense(usize::try_from(k).unwrap())).ratios;
        let all = 8 + (1..=k + 1).map(|i| 8 + 4 * (i - 1)).sum::<u64>() + 8;
        assert_eq!((found.elements, found.distinct_elements), (all * 16, (24 + 4 * k) * 16));
        assert_eq!((found.input_channels, found.source_channels), (all, 24 + 4 * k));
    }
}

/// The ranges of the first layer that the last one reads, after some ops between them; whether provenance is exact.
fn read_through(ops: &str, last: &str) -> (Vec<(u64, u64)>, bool) {
    let graph = read(&format!(
        r#"{{"inputs": {{"image": [3, 4, 4]}}, "layers": [{{"name": "p", {CONV}: 8}}, {ops}, {last}]}}"#
    ));
    let h = gradient(&graph).h;
    let reads = h.sources.row(2).iter().filter(|read| read.vertex == 1);
    (reads.map(|read| (read.first, read.channels)).collect(), !h.approximate)
}

#[test]
fn every_channel_rule_keeps_origins() {
    let conv = format!("{{{CONV}: 4}}");
    for (ops, last, expected) in [
        (r#"{"op": "slice", "start": 2, "end": 5}"#, conv.as_str(), (vec![(2, 3)], true)),
        (r#"{"op": "slice", "start": 1, "step": 3}"#, &conv, (vec![(1, 1), (4, 1), (7, 1)], true)),
        // 0 4 1 5 2 6 3 7
        (
            r#"{"op": "channel_shuffle", "groups": 2}, {"op": "slice", "end": 4}"#,
            &conv,
            (vec![(0, 2), (4, 2)], true),
        ),
        // Each channel becomes 16 features; of the first 40 the third channel has 8.
        (
            r#"{"op": "flatten"}, {"op": "slice", "end": 40}"#,
            r#"{"op": "linear", "out_features": 2}"#,
            (vec![(0, 3)], true),
        ),
        // Four channels become one of four times the height.
        (
            r#"{"op": "reshape", "shape": [1, 2, 16, 4]}, {"op": "slice", "start": 1}"#,
            &conv,
            (vec![(4, 4)], true),
        ),
        // The axis is lost: everything may come from everything.
        (
            r#"{"op": "transpose", "permutation": [0, 2, 1, 3]}, {"op": "slice", "end": 1}"#,
            &conv,
            (vec![(0, 8)], false),
        ),
        // A gate of one channel reaches all; its own origin is whole.
        (
            r#"{"op": "slice", "name": "gate", "start": 3, "end": 4}, {"op": "mul", "inputs": ["p", "gate"]}, {"op": "slice", "end": 2}"#,
            &conv,
            (vec![(0, 2), (3, 1)], true),
        ),
    ] {
        assert_eq!(read_through(ops, last), expected, "{ops}");
    }
}
