//! What a stage does to gradients: paths through it, reuse across its exit, where its flow is truncated.
//!
//! Every figure is O(edges into the stage's weight layers), for each level of nested stages.

use num::BigUint;

use super::dominators::PostDominators;
use super::groups::ChannelGroups;
use super::paths;
use super::weight_graph::{Border, Edge, Vertex, WeightGraph, ranges, ways};

/// Producers of one stage with the same immediate post-dominator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Where their gradients come from: a node of the channel groups.
    pub dominator: u32,
    /// The producers' nodes.
    pub members: Vec<u32>,
    /// Their channels together.
    pub channels: u64,
}

/// One stage.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its weight layers in order.
    pub layers: Vec<Vertex>,
    /// The ways from what leaves the stage back to what enters it, for the producer outside that has most: 2^k for a
    /// dense block of k, 2^n for n residual blocks, 2^n + 1 for a CSP stage of n. `None` past the limit of
    /// [`paths::WORK_LIMIT`].
    pub paths: Option<BigUint>,
    /// D×, the cross-side overlap: pairs that the exit sees again, and all pairs; see `cross_side_overlap` below.
    pub overlap: (u64, u64),
    /// Classes of producers by immediate post-dominator, over what the stage's merging layers read; what is only handed
    /// on is left out, as in D×.
    pub classes: Vec<Class>,
}

impl Stage {
    /// D×; `None` where nothing is reused.
    pub fn cross_side_overlap(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a ratio is approximate by nature")]
        let ratio = self.overlap.0 as f64 / self.overlap.1 as f64;
        (self.overlap.1 > 0).then_some(ratio)
    }
}

/// All stages, in the order of the graph's.
pub fn stages(h: &WeightGraph, groups: &ChannelGroups, tree: &PostDominators) -> Vec<Stage> {
    let mut scratch = Scratch {
        counts: vec![BigUint::ZERO; h.channels.len()],
        inside: vec![false; h.channels.len()],
        work: 0,
    };
    h.stages
        .iter()
        .zip(&h.borders)
        .map(|(layers, border)| {
            layers.iter().for_each(|&layer| scratch.inside[layer as usize] = true);
            let stage = Stage {
                paths: through(h, layers, border, &mut scratch),
                overlap: cross_side_overlap(h, groups, layers, border, &scratch.inside),
                classes: classes(h, groups, tree, layers),
                layers: layers.clone(),
            };
            layers.iter().for_each(|&layer| scratch.inside[layer as usize] = false);
            stage
        })
        .collect()
}

/// Tables by vertex that stages share; clean between them.
struct Scratch {
    counts: Vec<BigUint>,
    inside: Vec<bool>,
    work: u64,
}

/// The ways through a stage: Q(v) = ways of v's channels into what leaves + Σ m(v, u) · Q(u) over readers u inside.
fn through(h: &WeightGraph, layers: &[Vertex], border: &Border, scratch: &mut Scratch) -> Option<BigUint> {
    let mut touched: Vec<Vertex> = Vec::new();
    for edge in border.leaves.iter().flat_map(ways) {
        scratch.counts[edge.vertex as usize] += edge.multiplicity;
        touched.push(edge.vertex);
    }
    for &layer in layers.iter().rev() {
        let count = scratch.counts[layer as usize].clone();
        touched.push(layer);
        for &Edge { vertex, multiplicity } in h.before.row(layer as usize) {
            scratch.counts[vertex as usize] += &count * multiplicity;
            touched.push(vertex);
            scratch.work += 1 + count.bits() / 64;
        }
        if scratch.work > paths::WORK_LIMIT {
            break;
        }
    }
    let outside = touched.iter().filter(|&&vertex| !scratch.inside[vertex as usize]);
    let most = outside.map(|&vertex| &scratch.counts[vertex as usize]).max().cloned();
    touched.iter().for_each(|&vertex| scratch.counts[vertex as usize] = BigUint::ZERO);
    most.filter(|_| scratch.work <= paths::WORK_LIMIT)
}

/// D× = |{(p, i) : i in the block, p reused, p in the exit}| / |{(p, i) : i in the block, p reused}|.
///
/// p is a channel group that layer i reads. The exit is the stage's last tensor that merges at least two producers; the
/// block is the stage's weight layers before it. p is reused where it has two readers, and the stage's exit reads it
/// again or its readers in the stage do not all read one and the same set. Else it is only handed on: by two 1×1
/// convolutions that split a stage, by a projection beside the first residual block, by the strided convolution that
/// reads the stage before. So a split by slice and one by convolutions agree. Dense 1, residual 1, fusion first 1,
/// fusion last 0, CSP 0.
fn cross_side_overlap(
    h: &WeightGraph,
    groups: &ChannelGroups,
    layers: &[Vertex],
    border: &Border,
    inside: &[bool],
) -> (u64, u64) {
    let Some((exit, tensor)) = &border.merged else { return (0, 0) };
    let end = layers.partition_point(|&layer| h.node(layer).is_some_and(|id| id < *exit));
    let block = &layers[..end];
    let Some(&last) = block.last() else { return (0, 0) };
    let mut exits: Vec<u32> = ranges(tensor)
        .iter()
        .flat_map(|read| groups.within(read.vertex, (read.first, read.channels)))
        .collect();
    exits.sort_unstable();
    let mut producers: Vec<Vertex> =
        block.iter().flat_map(|&layer| h.before.row(layer as usize)).map(|edge| edge.vertex).collect();
    producers.sort_unstable();
    producers.dedup();
    let (mut seen, mut all) = (0, 0);
    for node in producers.iter().flat_map(|&producer| &groups.groups[producer as usize]).copied() {
        let vertex = |next: &u32| groups.vertices[*next as usize];
        let next = &groups.next[node as usize];
        // The stage's layers are neighbours in H, but for layers of other branches between them.
        let low = next.partition_point(|next| vertex(next) < layers[0]);
        let high = next.partition_point(|next| vertex(next) <= layers[layers.len() - 1]);
        let mut readers: Vec<Vertex> =
            next[low..high].iter().map(vertex).filter(|&reader| inside[reader as usize]).collect();
        readers.dedup();
        let leaves = exits.binary_search(&node).is_ok();
        let reused = if leaves { groups.readers(node).nth(1).is_some() } else { read_apart(h, &readers) };
        if reused {
            let pairs = readers.partition_point(|&reader| reader <= last) as u64;
            all += pairs;
            seen += if leaves { pairs } else { 0 };
        }
    }
    (seen, all)
}

/// Whether some layers read different sets of producers.
fn read_apart(h: &WeightGraph, readers: &[Vertex]) -> bool {
    let row = |reader: &Vertex| h.before.row(*reader as usize);
    readers.windows(2).any(|pair| row(&pair[0]) != row(&pair[1]))
}

/// Whether a channel group has at least two readers, which all read the same.
fn is_handed_on(h: &WeightGraph, groups: &ChannelGroups, node: u32) -> bool {
    let mut rows = groups.readers(node).map(|reader| h.before.row(reader as usize)).peekable();
    let first = rows.next();
    rows.peek().is_some() && rows.all(|row| Some(row) == first)
}

fn classes(h: &WeightGraph, groups: &ChannelGroups, tree: &PostDominators, layers: &[Vertex]) -> Vec<Class> {
    let merging = layers.iter().filter(|&&layer| merges(h, groups, layer));
    let mut nodes: Vec<u32> = merging
        .flat_map(|&layer| h.sources.row(layer as usize))
        .flat_map(|read| groups.within(read.vertex, (read.first, read.channels)))
        .collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes.retain(|&node| !is_handed_on(h, groups, node));
    let mut pairs: Vec<(u32, u32)> = nodes.iter().filter_map(|&node| Some((tree.of(node)?, node))).collect();
    pairs.sort_unstable();
    pairs
        .chunk_by(|a, b| a.0 == b.0)
        .map(|class| Class {
            dominator: class[0].0,
            members: class.iter().map(|pair| pair.1).collect(),
            channels: class
                .iter()
                .flat_map(|pair| &groups.ranges[pair.1 as usize])
                .fold(0, |sum, range| sum.saturating_add(range.1)),
        })
        .collect()
}

/// Whether a layer reads at least two channel groups.
fn merges(h: &WeightGraph, groups: &ChannelGroups, layer: Vertex) -> bool {
    let reads = h.sources.row(layer as usize).iter();
    reads.flat_map(|read| groups.within(read.vertex, (read.first, read.channels))).nth(1).is_some()
}
