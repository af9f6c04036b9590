//! Explicit enumeration on small random graphs: channel by channel, path by path.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::dominators::simple_fast;
use petgraph::graph::{DiGraph, NodeIndex};

use super::*;
use crate::diagnostic::Sink;
use crate::frontend::{self, LoadOptions};
use crate::source::SourceMap;

/// Ways into one channel of a tensor, by (producer, channel).
type Channel = BTreeMap<(usize, u64), u64>;

/// A network and what an enumeration knows of it: for each weight layer its input's channels and whether it is
/// depthwise; the outputs' channels last.
struct Sample {
    text: String,
    layers: Vec<(Vec<Channel>, bool, u64)>,
    output: Vec<Channel>,
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

fn sample(seed: u64) -> Sample {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let fresh =
        |producer: usize, channels: u64| (0..channels).map(|c| Channel::from([((producer, c), 1)])).collect();
    let mut tensors: Vec<Vec<Channel>> = vec![fresh(0, 4)];
    let mut text = String::new();
    let mut layers: Vec<(Vec<Channel>, bool, u64)> = Vec::new();
    let name = |index: usize| if index == 0 { "image".to_owned() } else { format!("t{index}") };
    for _ in 0..12 {
        let a = random.below(tensors.len());
        let b = random.below(tensors.len());
        let own = tensors.len();
        let wide = tensors[a].len();
        let (layer, made): (String, Vec<Channel>) = match random.below(6) {
            0 | 1 => {
                let out = 2 + 2 * random.below(3) as u64;
                layers.push((tensors[a].clone(), false, out));
                (
                    format!(r#""op": "conv2d", "out_channels": {out}, "kernel": 1, "inputs": "{}""#, name(a)),
                    fresh(layers.len(), out),
                )
            }
            2 => {
                layers.push((tensors[a].clone(), true, wide as u64));
                (
                    format!(
                        r#""op": "conv2d", "out_channels": {wide}, "groups": {wide}, "kernel": 1, "inputs": "{}""#,
                        name(a)
                    ),
                    fresh(layers.len(), wide as u64),
                )
            }
            3 if wide > 1 => {
                let (start, end) = if random.below(2) == 0 { (0, wide / 2) } else { (wide / 2, wide) };
                (
                    format!(r#""op": "slice", "start": {start}, "end": {end}, "inputs": "{}""#, name(a)),
                    tensors[a][start..end].to_vec(),
                )
            }
            4 if tensors[b].len() + wide <= 16 => (
                format!(r#""op": "concat", "inputs": ["{}", "{}"]"#, name(a), name(b)),
                [&tensors[a][..], &tensors[b][..]].concat(),
            ),
            _ => {
                let mut sum = tensors[a].clone();
                for (mine, theirs) in sum.iter_mut().zip(&tensors[b]) {
                    for (&key, &ways) in theirs {
                        *mine.entry(key).or_default() += ways;
                    }
                }
                (
                    format!(
                        r#""op": "add", "channels": "first_min", "inputs": ["{}", "{}"]"#,
                        name(a),
                        name(b)
                    ),
                    sum,
                )
            }
        };
        text += &format!(r#"{{"name": "{}", {layer}}},"#, name(own));
        tensors.push(made);
    }
    let text = format!(
        r#"{{"inputs": {{"image": [4, 2, 2]}}, "layers": [{}], "outputs": ["{}"]}}"#,
        text.trim_end_matches(','),
        name(tensors.len() - 1)
    );
    Sample { text, layers, output: tensors.pop().unwrap() }
}

fn read(text: &str) -> Graph {
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let bytes = text.as_bytes().to_vec();
    let loaded = frontend::load_bytes("t.json", "t", bytes, &LoadOptions::default(), &mut sources, &mut sink);
    loaded.unwrap_or_else(|| panic!("{:?}\n{text}", sink.diagnostics())).graph
}

/// Every path from a layer's reading to the loss, one at a time.
fn enumerate(edges: &[Vec<(usize, u64)>], from: usize, loss: usize) -> u64 {
    if from == loss {
        return 1;
    }
    edges[from].iter().map(|&(to, ways)| (0..ways).map(|_| enumerate(edges, to, loss)).sum::<u64>()).sum()
}

/// Timestamps of one channel of a producer.
fn timestamps(sample: &Sample, producer: usize, channel: u64) -> BTreeSet<u64> {
    let mut set = BTreeSet::new();
    if sample.output.iter().any(|read| read.contains_key(&(producer, channel))) {
        set.insert(1);
    }
    for (index, (input, depthwise, channels)) in sample.layers.iter().enumerate().skip(producer) {
        for (at, read) in (0u64..).zip(input) {
            if read.contains_key(&(producer, channel)) {
                let reached = if *depthwise { at..at + 1 } else { 0..*channels };
                for next in reached {
                    set.extend(timestamps(sample, index + 1, next).into_iter().map(|t| t + 1));
                }
            }
        }
    }
    set
}

#[test]
fn random_graphs_equal_their_enumeration() {
    for seed in 1..=250 {
        let sample = sample(seed);
        let found = Gradient::new(&read(&sample.text)).unwrap();
        let h = &found.h;
        let loss = sample.layers.len() + 1;
        assert_eq!(h.loss() as usize, loss, "{}", sample.text);
        let mut edges: Vec<Vec<(usize, u64)>> = vec![Vec::new(); loss];
        let inputs = sample.layers.iter().map(|layer| &layer.0).chain([&sample.output]);
        for (index, input) in inputs.enumerate() {
            let reader = index + 1;
            let mut channels: BTreeSet<(usize, u64)> = BTreeSet::new();
            let mut ways: BTreeMap<usize, u64> = BTreeMap::new();
            for read in input {
                let mut sums: BTreeMap<usize, u64> = BTreeMap::new();
                for (&(producer, channel), &count) in read {
                    channels.insert((producer, channel));
                    *sums.entry(producer).or_default() += count;
                }
                for (producer, sum) in sums {
                    let most = ways.entry(producer).or_default();
                    *most = (*most).max(sum);
                }
            }
            let ours: BTreeSet<(usize, u64)> = h
                .sources
                .row(reader)
                .iter()
                .flat_map(|read| (read.first..read.first + read.channels).map(|c| (read.vertex as usize, c)))
                .collect();
            assert_eq!(ours, channels, "{}", sample.text);
            let ours: BTreeMap<usize, u64> =
                h.before.row(reader).iter().map(|edge| (edge.vertex as usize, edge.multiplicity)).collect();
            assert_eq!(ours, ways, "{}", sample.text);
            for (producer, count) in ways {
                edges[producer].push((reader, count));
            }
        }
        let paths = found.paths.as_ref().unwrap();
        for (vertex, count) in paths.iter().enumerate() {
            assert_eq!(*count, BigUint::from(enumerate(&edges, vertex, loss)), "{}", sample.text);
        }
        check_timestamps(&sample, &found);
        check_dominators(&found);
        let spectrum = found.spectrum(0).unwrap();
        assert_eq!(spectrum.iter().sum::<BigUint>(), paths[0]);
    }
}

fn check_timestamps(sample: &Sample, found: &Gradient) {
    let ours = found.timestamps.as_ref().unwrap();
    let mut distinct = BTreeSet::new();
    for (index, &(_, _, channels)) in sample.layers.iter().enumerate() {
        let mut layer = BTreeSet::new();
        for channel in 0..channels {
            let set = timestamps(sample, index + 1, channel);
            layer.extend(set.iter().copied());
            if !set.is_empty() {
                distinct.insert(set);
            }
        }
        let vertex = u32::try_from(index + 1).unwrap();
        assert_eq!(ours.of(vertex).collect::<BTreeSet<_>>(), layer, "{}", sample.text);
        let ends = layer.first().copied().zip(layer.last().copied());
        assert_eq!(found.lengths[index + 1], ends, "{}", sample.text);
    }
    assert_eq!(ours.distinct, distinct.len(), "{}", sample.text);
}

/// petgraph's dominators on the reversed graph.
fn check_dominators(found: &Gradient) {
    let mut reversed: DiGraph<(), ()> = DiGraph::new();
    for _ in &found.groups.next {
        reversed.add_node(());
    }
    for (node, next) in found.groups.next.iter().enumerate() {
        for &next in next {
            reversed.add_edge(NodeIndex::new(next as usize), NodeIndex::new(node), ());
        }
    }
    let theirs = simple_fast(&reversed, NodeIndex::new(found.h.loss() as usize));
    for node in 0..found.groups.next.len() {
        let ours = found.dominators.of(u32::try_from(node).unwrap());
        let theirs = theirs.immediate_dominator(NodeIndex::new(node));
        assert_eq!(ours.map(|node| node as usize), theirs.map(NodeIndex::index));
    }
}
