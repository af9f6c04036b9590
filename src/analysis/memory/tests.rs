//! Against figures that other programs printed, and properties of all graphs.

use std::path::Path;
use std::sync::Arc;

use super::training::{cross_entropy_bytes, training};
use super::*;
use crate::diagnostic::Sink;
use crate::frontend::{self, LoadOptions};
use crate::graph::{NewNode, NodeId, Outlet};
use crate::ops::{Mul, Op, Sigmoid};
use crate::source::SourceMap;

pub(in crate::analysis) fn network_with(name: &str, options: &LoadOptions) -> Graph {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("architectures/{name}.json"));
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let loaded = frontend::load(&path, options, &mut sources, &mut sink).unwrap();
    loaded.unwrap_or_else(|| panic!("{name} has errors")).graph
}

pub(in crate::analysis) fn network(name: &str, batch: u64) -> Graph {
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
