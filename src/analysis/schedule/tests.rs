use proptest::prelude::*;

use super::*;
use crate::analysis::memory::random::{build, conv, input, layers, push};
use crate::analysis::memory::tests::network;
use crate::ops::{Add, AddChannels, Concat};

/// The lowest peak of all orders, by trying each.
fn lowest(graph: &Graph, model: Model) -> u64 {
    fn extend(graph: &Graph, model: Model, done: &mut Vec<NodeId>, best: &mut u64) {
        if done.len() == graph.len() {
            let schedule = Schedule { order: done.clone() };
            *best = (*best).min(model.memory(graph, &schedule).unwrap().peak);
            return;
        }
        for (id, node) in graph.nodes() {
            if !done.contains(&id) && node.inputs.iter().all(|input| done.contains(&input.node)) {
                done.push(id);
                extend(graph, model, done, best);
                done.pop();
            }
        }
    }
    let mut best = u64::MAX;
    extend(graph, model, &mut Vec::new(), &mut best);
    best
}

const MODELS: [Model; 3] = [Model::INFERENCE, Model::INFERENCE_INPLACE, Model::INFERENCE_VIEWS];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn the_exact_search_finds_the_best_order(layers in layers(7), all in any::<bool>(), model in 0usize..3) {
        let graph = build(&layers, all);
        let lowered = lower_peak(&graph, MODELS[model]).unwrap();
        let lowest = lowest(&graph, MODELS[model]);
        prop_assert!(lowered.peak >= lowest);
        // Only what leads nowhere may keep the search from being sure.
        prop_assert!(lowered.verdict == Verdict::Optimal || has_dead_ends(&graph));
        prop_assert!(lowered.verdict != Verdict::Optimal || lowered.peak == lowest);
        prop_assert!(!all || lowered.verdict == Verdict::Optimal);
    }

    #[test]
    fn never_worse_than_as_written(layers in layers(60), all in any::<bool>(), model in 0usize..3) {
        let graph = build(&layers, all);
        let lowered = lower_peak(&graph, MODELS[model]).unwrap();
        prop_assert!(lowered.schedule.is_valid(&graph));
        prop_assert!(lowered.peak <= lowered.as_written);
        prop_assert_eq!(lowered.peak, MODELS[model].memory(&graph, &lowered.schedule).unwrap().peak);
        prop_assert_eq!(lowered.as_written, MODELS[model].memory(&graph, &Schedule::as_written(&graph)).unwrap().peak);
    }
}

/// Branches that expand and shrink again, all expanded first.
fn branches(count: usize) -> Graph {
    let mut graph = Graph::new("branches", 1);
    let image = input(&mut graph, 2);
    let wide: Vec<_> = (0..count).map(|_| conv(&mut graph, image, 64)).collect();
    let narrow: Vec<_> = wide.iter().map(|&wide| conv(&mut graph, wide, 1)).collect();
    let last = push(&mut graph, Add { channels: AddChannels::Equal, subsample: false }, &narrow);
    graph.outputs = vec![last];
    graph
}

#[test]
fn branches_are_run_one_by_one() {
    // Bytes of one channel of 2x2 f32: the image, one wide and the narrow tensors so far.
    let channel = 16;
    for (count, verdict) in [(4, Verdict::Optimal), (40, Verdict::Greedy)] {
        let lowered = lower_peak(&branches(count), Model::INFERENCE).unwrap();
        assert_eq!(lowered.as_written, channel * (64 * count as u64 + 2));
        // The last branch: its wide tensor and the narrow ones, the image gone or not yet.
        assert_eq!(lowered.peak, channel * (64 + count as u64 + 1), "{count} branches");
        assert_eq!(lowered.verdict, verdict, "{count} branches");
    }
    // The message says that nothing was searched.
    let lowered = lower_peak(&branches(GREEDY_LIMIT), Model::INFERENCE).unwrap();
    assert_eq!(lowered.peak, lowered.as_written);
    assert!(lowered.to_string().contains("not searched: "), "{lowered}");
}

#[test]
fn known_networks() {
    for name in ["densenet121", "resnet50", "mobilenet_v2", "vgg16", "csp_resnext50", "csp_densenet121"] {
        for model in MODELS {
            let graph = network(name, 1);
            let lowered = lower_peak(&graph, model).unwrap();
            assert!(lowered.schedule.is_valid(&graph) && lowered.peak <= lowered.as_written, "{name}");
        }
    }
}

#[test]
fn pieces_end_where_one_tensor_is_alive() {
    let mut graph = Graph::new("pieces", 1);
    let image = input(&mut graph, 2);
    let first = conv(&mut graph, image, 2);
    let (a, b) = (conv(&mut graph, first, 2), conv(&mut graph, first, 2));
    let joined = push(&mut graph, Concat { axis: 1 }, &[a, b]);
    graph.outputs = vec![conv(&mut graph, joined, 2)];
    let written = Schedule::as_written(&graph);
    let layout = Model::INFERENCE.layout(&graph).unwrap();
    let spans = base_spans(&graph, &written, &layout).unwrap();
    let cuts = cuts(&spans, graph.len());
    let found: Vec<_> = cuts.iter().map(|steps| (steps.start, steps.end, steps.leaving)).collect();
    assert_eq!(found, [(0, 1, Some(0)), (1, 2, Some(1)), (2, 5, Some(4)), (5, 6, Some(5))]);
}

#[test]
fn many_pieces_take_linear_time() {
    // Each piece is lowered on its own.
    let mut graph = Graph::new("pieces", 1);
    let mut last = input(&mut graph, 2);
    for _ in 0..5_000 {
        let wide: Vec<_> = (0..3).map(|_| conv(&mut graph, last, 16)).collect();
        let narrow: Vec<_> = wide.iter().map(|&wide| conv(&mut graph, wide, 1)).collect();
        last = push(&mut graph, Concat { axis: 1 }, &narrow);
    }
    graph.outputs = vec![last];
    let lowered = lower_peak(&graph, Model::INFERENCE).unwrap();
    // The input and three wide tensors; in the other order, beside the last wide one, two narrow ones.
    assert_eq!((lowered.as_written, lowered.peak), (16 * (3 + 3 * 16), 16 * (3 + 16 + 2)));
    assert_eq!(lowered.verdict, Verdict::Optimal);
}
