//! Against figures that other programs printed, and properties of all graphs.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::training::{cross_entropy_bytes, training};
use super::*;
use crate::diagnostic::Sink;
use crate::frontend::{self, LoadOptions};
use crate::graph::{NewNode, NodeId, Outlet};
use crate::ops::{Mul, Op, Sigmoid};
use crate::source::SourceMap;

pub(crate) fn network_with(name: &str, options: &LoadOptions) -> Graph {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("architectures/{name}.json"));
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let loaded = frontend::load(&path, options, &mut sources, &mut sink).unwrap();
    loaded.unwrap_or_else(|| panic!("{name} has errors")).graph
}

pub(crate) fn network(name: &str, batch: u64) -> Graph {
    network_with(name, &LoadOptions { batch: Some(batch), ..LoadOptions::default() })
}

/// A copy of a network in which each node becomes what `replace` makes of it: it is given the node with its inputs in
/// the copy, and gives the outlet that stands for its output.
fn rewrite(graph: &Graph, mut replace: impl FnMut(&mut Graph, NodeId, NewNode) -> Outlet) -> Graph {
    let mut copy = Graph::new(graph.name.clone(), graph.batch);
    let mut outlets: Vec<Outlet> = Vec::new();
    for (id, node) in graph.nodes() {
        assert_eq!(node.outputs.len(), 1);
        let new = NewNode {
            name: node.name.clone(),
            op: node.op.clone(),
            inputs: node.inputs.iter().map(|input| outlets[input.node.index()]).collect(),
            origin: node.origin.clone(),
            stage: None,
            block: None,
            shares: None,
            called_as: node.called_as,
        };
        let outlet = replace(&mut copy, id, new);
        outlets.push(outlet);
    }
    copy.outputs = graph.outputs.iter().map(|output| outlets[output.node.index()]).collect();
    copy
}

fn add(graph: &mut Graph, new: NewNode) -> Outlet {
    Outlet { node: graph.add(new).unwrap(), port: 0 }
}

/// Batch norms drop out behind a convolution that nothing else reads: an exporter folds them into its weights.
fn folded(graph: &Graph) -> Graph {
    let mut readers = vec![0; graph.len()];
    for (_, node) in graph.nodes() {
        for input in &node.inputs {
            readers[input.node.index()] += 1;
        }
    }
    rewrite(graph, |copy, id, new| {
        let node = graph.node(id);
        if let Op::BatchNorm(_) = *node.op {
            let from = node.inputs[0].node;
            if matches!(*graph.node(from).op, Op::Conv2d(_)) && readers[from.index()] == 1 {
                return new.inputs[0];
            }
        }
        add(copy, new)
    })
}

/// SiLU as ONNX has it: a sigmoid and a product with its input, which stays alive in between.
fn silu_in_two(graph: &Graph) -> Graph {
    rewrite(graph, |copy, _, new| {
        if !matches!(*new.op, Op::Silu(_)) {
            return add(copy, new);
        }
        let mut sigmoid = new.clone();
        sigmoid.op = Arc::new(Sigmoid {}.into());
        sigmoid.name = format!("{}.sigmoid", new.name).into();
        let sigmoid = add(copy, sigmoid);
        let mut mul = new;
        mul.op = Arc::new(Mul {}.into());
        mul.inputs = [mul.inputs[0], sigmoid].into_iter().collect();
        add(copy, mul)
    })
}

fn peak(graph: &Graph, model: Model) -> u64 {
    model.memory(graph, &Schedule::as_written(graph)).unwrap().peak
}

/// Peaks of the ONNX exports, batch 1, f32, from `onnx-truth.csv`: `onnx_peak_naive_bn_unfused_bytes`, then those of
/// the file with folded batch norms: `onnx_peak_naive_bytes`, `onnx_peak_inplace_bytes`, `onnxsim_arena_bytes`.
const ONNX: [(&str, [u64; 4]); 6] = [
    ("densenet121", [8_429_568, 8_429_568, 7_225_344, 8_429_568]),
    ("densenet201", [8_429_568, 8_429_568, 7_225_344, 8_429_568]),
    ("resnet50", [9_633_792, 9_633_792, 7_225_344, 7_225_344]),
    ("mobilenet_v2", [9_633_792, 9_633_792, 6_021_120, 6_021_120]),
    ("vgg16", [25_690_112, 25_690_112, 25_690_112, 25_690_112]),
    ("efficientnet_b0", [14_450_688, 14_450_688, 9_633_792, 9_633_792]),
];

#[test]
fn peaks_equal_those_of_onnx_exports() {
    let norms_apart = Model { in_place: InPlace::AllButNorms, views: false };
    for (name, [unfolded, naive, in_place, arena]) in ONNX {
        // ONNX has no SiLU: its export holds x, σ(x) and x·σ(x) at once, three tensors for our two.
        let graph = silu_in_two(&network(name, 1));
        assert_eq!(peak(&graph, Model::INFERENCE), unfolded, "{name}, batch norms apart");
        let folded = folded(&graph);
        assert_eq!(peak(&folded, Model::INFERENCE), naive, "{name}, folded");
        assert_eq!(peak(&folded, Model::INFERENCE_INPLACE), in_place, "{name}, folded, in place");
        // onnxsim's planner takes no batch norm in place.
        let memory = norms_apart.memory(&folded, &Schedule::as_written(&folded)).unwrap();
        assert_eq!(memory.peak, arena, "{name}, onnxsim's arena");
        assert_eq!(arena::plan(&memory, 1).unwrap().bytes, arena, "{name}, our arena");
    }
    let efficientnet = network("efficientnet_b0", 1);
    // x and SiLU(x) of 96 channels, 112², f32.
    assert_eq!(peak(&efficientnet, Model::INFERENCE), 2 * 96 * 112 * 112 * 4);
}

/// `training-saved.csv`: network, batch, `saved_activation_bytes`.
const SAVED: [(&str, u64, u64); 12] = [
    ("densenet121", 2, 259_861_076),
    ("densenet121", 8, 1_038_440_516),
    ("densenet201", 2, 405_659_220),
    ("densenet201", 8, 1_619_888_196),
    ("resnet50", 2, 170_835_284),
    ("resnet50", 8, 682_703_684),
    ("mobilenet_v2", 2, 155_359_316),
    ("mobilenet_v2", 8, 621_027_908),
    ("vgg16", 2, 145_514_324),
    ("vgg16", 8, 582_057_284),
    ("efficientnet_b0", 2, 175_359_964),
    ("efficientnet_b0", 8, 700_935_652),
];

#[test]
fn autograd_saves_what_pytorch_printed() {
    for (name, batch, bytes) in SAVED {
        let graph = network(name, batch);
        let schedule = Schedule::as_written(&graph);
        let eager = training(&graph, &schedule, Profile::PytorchEager).unwrap();
        // The figures hold the cross-entropy too: log-probabilities, labels and the f32 sum of their weights.
        let loss = cross_entropy_bytes(&graph).unwrap();
        assert_eq!(loss, batch * (1000 * 4 + 8) + 4);
        // In training torchvision's EfficientNet drops whole residual branches: a factor for each image and residual
        // is kept. The file describes the network as it is at inference and has no such op.
        let residuals = graph.nodes().filter(|(_, node)| matches!(*node.op, Op::Add(_))).count() as u64;
        let stochastic_depth = if name == "efficientnet_b0" { residuals * batch * 4 } else { 0 };
        assert_eq!(eager.saved_bytes + loss + stochastic_depth, bytes, "{name}, batch {batch}");
        assert_eq!(eager.saved_input_bytes, batch * 3 * 224 * 224 * 4, "{name}, batch {batch}");
    }
}

/// What is in memory at each step, by sets of tensors and their last uses: the rules in another way.
fn curve_by_sets(graph: &Graph, in_place: bool) -> Vec<u64> {
    use std::collections::BTreeSet;
    let root = |mut node: NodeId| {
        while graph.node(node).op.storage() == Storage::Alias {
            node = graph.node(node).inputs[0].node;
        }
        node
    };
    let bytes = |node: NodeId| graph.node(node).outputs[0].bytes().get();
    let ids: Vec<NodeId> = graph.nodes().map(|(id, _)| id).collect();
    let is_output = |node: NodeId| graph.outputs.iter().any(|output| root(output.node) == node);
    let used_later = |node: NodeId, after: usize| {
        is_output(node) || {
            let reads = |id: &NodeId| {
                root(*id) == node && *id > ids[after]
                    || graph.node(*id).inputs.iter().any(|i| root(i.node) == node)
            };
            ids[after + 1..].iter().any(reads)
        }
    };
    let mut alive: BTreeSet<NodeId> = graph.inputs().iter().copied().collect();
    let mut curve = Vec::new();
    for (step, &id) in ids.iter().enumerate() {
        let own = root(id);
        let mut during = alive.clone();
        during.insert(own);
        let mut total: u64 = during.iter().map(|&node| bytes(node)).sum();
        let overwrites = graph.node(id).op.storage() == Storage::Overwrites && own == id;
        let dying = |input: &Outlet| {
            let input = root(input.node);
            input != own && !used_later(input, step) && bytes(input) == bytes(id)
        };
        if in_place && overwrites && graph.node(id).inputs.iter().any(dying) {
            total -= bytes(id);
        }
        curve.push(total);
        alive = during.into_iter().filter(|&node| used_later(node, step)).collect();
    }
    curve
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn liveness_agrees_with_sets(layers in random::layers(40), all in any::<bool>()) {
        let graph = random::build(&layers, all);
        let schedule = Schedule::as_written(&graph);
        for (model, in_place) in [(Model::INFERENCE, false), (Model::INFERENCE_INPLACE, true)] {
            let memory = model.memory(&graph, &schedule).unwrap();
            prop_assert_eq!(&memory.curve, &curve_by_sets(&graph, in_place));
            prop_assert_eq!(Some(&memory.peak), memory.curve.iter().max());
            for (step, &bytes) in memory.curve.iter().enumerate() {
                prop_assert_eq!(memory.alive(step).iter().map(|alive| alive.bytes).sum::<u64>(), bytes);
            }
        }
    }

    #[test]
    fn a_concat_finds_its_inputs_in_place_or_copies_them(layers in random::layers(60)) {
        let graph = random::build(&layers, true);
        let placement = Placement::new(&graph).unwrap();
        // One output a node: tensors are numbered as nodes.
        let mut alias: Vec<usize> = Vec::new();
        for (id, node) in graph.nodes() {
            let views = node.op.storage() == Storage::Alias;
            alias.push(if views { alias[node.inputs[0].node.index()] } else { id.index() });
        }
        let mut owned: Vec<(usize, u64, u64)> = Vec::new();
        for (id, node) in graph.nodes() {
            let bytes = node.outputs[0].bytes().get();
            let (root, start) = placement.location(id.index());
            if node.op.storage() != Storage::JoinOfInputs {
                if root != id.index() {
                    owned.push((root, start, start + bytes));
                }
                continue;
            }
            let mut offset = start;
            for input in &node.inputs {
                let found = placement.location(alias[input.node.index()]) == (root, offset);
                let copied = placement.copies.contains(&placement::Copied { by: id, tensor: *input });
                prop_assert!(found || copied, "{} in {}", graph.node(input.node).name, node.name);
                offset += graph.tensor(*input).bytes().get();
            }
        }
        owned.sort_unstable();
        for pair in owned.windows(2) {
            prop_assert!(pair[0].0 != pair[1].0 || pair[0].2 <= pair[1].1, "{:?} overlap", pair);
        }
    }

    #[test]
    fn no_two_tensors_overlap(layers in random::layers(60), all in any::<bool>(), alignment in 1u64..70) {
        let graph = random::build(&layers, all);
        let schedule = Schedule::as_written(&graph);
        for (_, model) in Model::REPORTED {
            let memory = model.memory(&graph, &schedule).unwrap();
            let plan = arena::plan(&memory, alignment).unwrap();
            prop_assert!(plan.bytes >= plan.lower_bound);
            prop_assert_eq!(plan.lower_bound, memory.peak);
            let tensors: usize = plan.slots.iter().map(|slot| slot.tensors.len()).sum();
            prop_assert_eq!(tensors, memory.layout.blocks.len());
            for (index, a) in plan.slots.iter().enumerate() {
                prop_assert!(a.offset % alignment == 0 && a.offset + a.bytes <= plan.bytes);
                for b in &plan.slots[..index] {
                    let together = a.birth <= b.death && b.birth <= a.death;
                    let apart = a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset;
                    prop_assert!(apart || !together, "{:?} {:?}", a, b);
                }
            }
        }
    }
}

#[test]
fn memory_that_fits_and_that_does_not() {
    let graph = network("mobilenet_v2", 1);
    let memory = Model::INFERENCE_INPLACE.memory(&graph, &Schedule::as_written(&graph)).unwrap();
    let plan = arena::plan(&memory, 1).unwrap();
    assert_eq!((memory.peak, plan.bytes), (6_021_120, 6_021_120));
    assert_eq!(plan.fit(&memory, 6_021_121), arena::Fit::Fits { spare: 1 });
    let arena::Fit::TooLarge { missing, alive, breaking } = plan.fit(&memory, 512 << 10) else {
        panic!("6 MB do not fit into 512 KiB");
    };
    assert_eq!(missing, 6_021_120 - (512 << 10));
    assert_eq!(alive.iter().map(|alive| alive.bytes).sum::<u64>(), 6_021_120);
    // 96 channels, 112², f32.
    assert_eq!((alive[0].bytes, plan.slots[breaking[0]].bytes), (4_816_896, 4_816_896));
}

/// Adds up the channels that a dense block's layers read, the block's own concat among them.
fn read_channels(first: u64, growth: u64, layers: u64) -> u64 {
    (0..=layers).map(|layer| first + layer * growth).sum()
}

#[test]
fn a_dense_block_grows_with_the_square_of_its_depth() {
    let graph = network("densenet121", 1);
    let growth = growth::growth(&graph).unwrap();
    let (mut channels, mut side) = (64u64, 56u64);
    for (name, layers) in [("dense1", 6u64), ("dense2", 12), ("dense3", 24), ("dense4", 16)] {
        let stage = growth.stages[graph.stages().get_index_of(name).unwrap()];
        let position = side * side * 4;
        let (d, m, last) = (32, layers, name == "dense4");
        // c·m + d·m·(m − 1)/2 for the layers, and the block's own concat.
        let quadratic = channels * m + d * m * (m - 1) / 2 + channels + d * m;
        assert_eq!(quadratic, read_channels(channels, d, m));
        assert_eq!(stage.concat, position * quadratic, "{name}");
        // The last block's concat is normalized in the head.
        let normalized = if last { quadratic - channels - d * m } else { quadratic };
        assert_eq!(stage.normalized, position * normalized, "{name}");
        // Each bottleneck's convolution and the activation behind it, 4d each, and the transition's convolution. The
        // new features themselves autograd does not keep: what reads them is a concat.
        let transition = if last { 0 } else { channels.midpoint(d * m) };
        let transition = if last { transition } else { (channels + d * m) / 2 };
        let statistics = 8 * (normalized + 4 * d * m);
        assert_eq!(stage.other, position * (8 * d * m + transition) + statistics, "{name}");
        // Shared buffers: the features are kept instead, those from before the block in the stage before.
        let pooled = if last { 0 } else { transition * (side / 2) * (side / 2) * 4 };
        assert_eq!(stage.shared, position * (9 * d * m + transition) + pooled + statistics, "{name}, shared");
        let longest = channels + d * m;
        let normalized = if last { longest - d } else { longest };
        assert_eq!(stage.buffers, position * (longest + normalized), "{name}, buffers");
        (channels, side) = ((channels + d * m) / 2, side / 2);
    }
}

fn csp(gamma: &str) -> Graph {
    let set = vec![("gamma".to_owned(), gamma.to_owned())];
    network_with("csp_densenet121", &LoadOptions { set, ..LoadOptions::default() })
}

#[test]
fn gamma_shortens_the_concats() {
    let [quarter, three_quarters] = ["0.25", "0.75"].map(|gamma| analyze(&csp(gamma)).unwrap());
    // The peak is in the first dense block's last layer: its features, their concat and the normalized concat.
    let peaks = |analysis: &Analysis| analysis.models.each_ref().map(|memory| memory.peak);
    assert_eq!(peaks(&quarter), [8_028_160, 7_024_640, 11_440_128]);
    assert_eq!(peaks(&three_quarters), [7_225_344, 6_623_232, 10_235_904]);
    assert!(!same_peak(&quarter, &three_quarters));
    // Deeper late blocks leave it where it is.
    let [small, large] = ["densenet121", "densenet201"].map(|name| analyze(&network(name, 1)).unwrap());
    assert!(same_peak(&small, &large));
    let graph = csp("0.25");
    for (first, side, layers, name) in
        [(64, 56, 6, "dense1"), (128, 28, 12, "dense2"), (256, 14, 24, "dense3")]
    {
        let stage = graph.stages().get_index_of(name).unwrap();
        for (gamma, analysis) in [(1, &quarter), (3, &three_quarters)] {
            // c becomes (1 − γ)·c, and the parts are joined once, T being as wide as what it reads.
            let part = first * (4 - gamma) / 4;
            let joined = first + 32 * layers;
            let channels = read_channels(part, 32, layers) + joined;
            assert_eq!(
                analysis.stages[stage].concat_bytes,
                channels * side * side * 4,
                "{name}, γ = {gamma}/4"
            );
            assert_eq!(analysis.growth.stages[stage].concat, channels * side * side * 4, "{name}");
        }
    }
}

#[test]
fn nested_concats_share_one_buffer() {
    for (name, concats) in [("densenet121", 58 + 4), ("densenet201", 98 + 4)] {
        let graph = network(name, 1);
        let joins = graph.nodes().filter(|(_, node)| node.op.storage() == Storage::JoinOfInputs).count();
        assert_eq!(joins, concats, "{name}: one a layer, one a block");
        let placement = Placement::new(&graph).unwrap();
        assert_eq!(placement.copies, [], "{name}: every feature is written where all concats want it");
        // One block of memory a dense block.
        let layout = Layout::with_views(&graph, &placement).unwrap();
        let owners = layout.blocks.iter();
        let owners =
            owners.filter(|block| graph.node(block.owner.node).op.storage() == Storage::JoinOfInputs);
        assert_eq!(owners.count(), 4, "{name}");
    }
}

#[test]
fn what_lies_in_a_concat_is_copied_by_the_others() {
    use crate::ops::Concat;
    let mut graph = Graph::new("copies", 1);
    let image = random::input(&mut graph, 4);
    let (a, b) = (random::conv(&mut graph, image, 2), random::conv(&mut graph, image, 3));
    let forward = random::push(&mut graph, Concat { axis: 1 }, &[a, b]);
    let backward = random::push(&mut graph, Concat { axis: 1 }, &[b, a, image]);
    graph.outputs = vec![forward, backward];
    let placement = Placement::new(&graph).unwrap();
    let copied = |by: Outlet, tensor| placement::Copied { by: by.node, tensor };
    assert_eq!(placement.copies, [copied(forward, a), copied(forward, b), copied(backward, image)]);
    let memory = Model::INFERENCE_VIEWS.memory(&graph, &Schedule::as_written(&graph)).unwrap();
    // The image of 4 channels, the second concat of 9 from the first convolution on, the first of 5.
    assert_eq!(memory.curve, [4, 13, 13, 18, 18].map(|channels| channels * 16));
}

#[test]
fn training_of_a_chain_by_hand() {
    let graph = random::chain(5);
    let schedule = Schedule::as_written(&graph);
    let tensor = 3 * 4 * 4;
    // Two 3×3 matrices at four positions; the first reads only the image.
    let macs = training::TrainingMacs { forward: 72, grad_input: 36, grad_weight: 72 };
    let eager = training(&graph, &schedule, Profile::PytorchEager).unwrap();
    assert_eq!(eager.macs, macs);
    // Both activations' outputs; the image apart.
    assert_eq!((eager.saved_bytes, eager.saved_input_bytes), (2 * tensor, tensor));
    assert_eq!(eager.gradient_bytes, 18 * 4);
    assert_eq!((eager.optimizer_bytes.sgd_momentum, eager.optimizer_bytes.adam), (18 * 4, 2 * 18 * 4));
    // The last convolution and activation at the end of forward beside the image and the first activation; as many
    // as backward begins: image, two activations, one gradient in and one out.
    assert_eq!(eager.peak_bytes, 5 * tensor);
    assert_eq!(eager.peak_at.map(|(_, backward)| backward), Some(true));
    // All tensors are of one size, and nothing is kept beside them.
    for profile in Profile::ALL {
        let bytes = training::curve_of(&graph, &schedule, profile, Reshapes::Strided).unwrap();
        let pieces = training::pieces_of(&graph, &schedule, profile, Reshapes::Strided).unwrap();
        assert_eq!(pieces.iter().map(|count| count * tensor).collect::<Vec<_>>(), bytes, "{profile:?}");
    }
}

#[test]
fn a_norm_keeps_two_pieces() {
    let text = r#"{"name": "n", "inputs": {"x": [3, 4, 4]}, "layers": [
        {"op": "conv2d", "out_channels": 2, "kernel": 1}, {"op": "batch_norm"}]}"#;
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let options = LoadOptions::default();
    let graph =
        frontend::load_bytes("n.json", "n", text.into(), &options, &mut sources, &mut sink).unwrap().graph;
    let pieces =
        training::pieces_of(&graph, &Schedule::as_written(&graph), Profile::Minimal, Reshapes::Strided)
            .unwrap();
    // The image; what the convolution makes; what the norm makes, beside a mean and a deviation.
    assert_eq!(pieces[..3], [1, 2, 5]);
}

/// What no output depends on has no gradient, but may store what others learn. Numbers of elements, each of 4 bytes.
#[test]
fn gradients_are_of_what_an_output_depends_on() {
    let gradients = |layers: &str, outputs: &str| {
        let text =
            format!(r#"{{"inputs": {{"x": [4, 5, 5]}}, "layers": [{layers}], "outputs": [{outputs}]}}"#);
        let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
        let options = LoadOptions::default();
        let loaded = frontend::load_bytes("n.json", "n", text.into(), &options, &mut sources, &mut sink);
        let graph = loaded.unwrap_or_else(|| panic!("{:?}", sink.diagnostics())).graph;
        let schedule = Schedule::as_written(&graph);
        let found = training(&graph, &schedule, Profile::Minimal).unwrap();
        (found.gradient_bytes / 4, found.macs.grad_weight)
    };
    let conv = |name: &str, more: &str| {
        format!(
            r#"{{"op": "conv2d", "out_channels": 4, "kernel": 1, "inputs": "x", "name": "{name}"{more}}}"#
        )
    };
    let (a, b) = (conv("a", ""), conv("b", ""));
    assert_eq!(gradients(&format!("{a}, {b}"), r#""a", "b""#), (40, 800));
    assert_eq!(gradients(&format!("{a}, {b}"), r#""b""#), (20, 400));
    let shared = conv("b", r#", "share": "a""#);
    assert_eq!(gradients(&format!("{a}, {shared}"), r#""b""#), (20, 400));
    // Whole numbers pass no gradient.
    let classes = r#"{"op": "argmax", "axis": 1, "name": "class"}"#;
    assert_eq!(gradients(&format!("{a}, {classes}"), r#""class""#), (0, 0));
}
