//! Channel groups: a layer's output channels, parted where its readers tell them apart.
//!
//! A slice sends some channels of a layer one way and the rest another; then the layer counts as two. Two channels are
//! in one group where the same readers read them, so that a split by slice and a split by two convolutions look alike.
//! A grouped convolution with several groups of channels tells its input's channels apart by the groups that they
//! reach.
//!
//! Nodes: the vertices of H, then the groups of every vertex that has more than one. A vertex of several groups has
//! these as its successors; a group, or an undivided vertex, has what reads it.
//!
//! Cost: O(|E| log |E|), and for a divided vertex its breakpoints × its readers.

use indexmap::IndexMap;

use super::csr::Rows;
use super::weight_graph::{Placed, Vertex, WeightGraph};

/// Breakpoints × readers of one vertex that are looked at; beyond, it stays whole.
const LIMIT: usize = 1 << 24;

/// A run of channels: its first and how many.
pub type Range = (u64, u64);

/// H parted into channel groups.
#[derive(Clone, Debug)]
pub struct ChannelGroups {
    /// The vertex of each node.
    pub vertices: Vec<Vertex>,
    /// What each node leads to, in order. Every node of it but a group of the same vertex is one weight layer further.
    pub next: Vec<Vec<u32>>,
    /// The groups of each vertex: its own node where there is only one.
    pub groups: Vec<Vec<u32>>,
    /// The channels of each node; those that nothing reads may be missing.
    pub ranges: Vec<Vec<Range>>,
    /// Vertices that stayed whole because parting them would take too long.
    pub kept_whole: Vec<Vertex>,
}

impl ChannelGroups {
    /// Parts the vertices, last first: how a layer is parted decides how a grouped convolution sees its input.
    pub fn new(h: &WeightGraph) -> Self {
        let count = h.channels.len();
        let mut parted = Self {
            vertices: (0..=h.loss()).collect(),
            next: vec![Vec::new(); count],
            groups: (0..=h.loss()).map(|vertex| vec![vertex]).collect(),
            ranges: h.channels.iter().map(|&channels| vec![(0, channels)]).collect(),
            kept_whole: Vec::new(),
        };
        let readers: Rows<(Vertex, Placed)> = h.reads.transposed(
            count,
            |placed| placed.read.vertex as usize,
            |row, placed| (vertex(row), *placed),
        );
        for vertex in (0..h.loss()).rev() {
            parted.part(h, vertex, readers.row(vertex as usize));
        }
        parted
    }

    fn part(&mut self, h: &WeightGraph, vertex: Vertex, readers: &[(Vertex, Placed)]) {
        let channels = h.channels[vertex as usize];
        let mut reads: Vec<(u64, u64, u32)> = Vec::with_capacity(readers.len());
        for (reader, placed) in readers {
            self.reached(h, *reader, placed, &mut reads);
        }
        // By vertex: a stage's readers are then neighbours.
        reads.sort_unstable_by_key(|&(first, end, target)| {
            (self.vertices[target as usize], target, first, end)
        });
        reads.dedup();
        let targets = |reads: &[(u64, u64, u32)]| {
            let mut list: Vec<u32> = reads.iter().map(|&(.., target)| target).collect();
            list.dedup();
            list
        };
        if reads.iter().all(|&(first, end, _)| first == 0 && end >= channels) {
            self.next[vertex as usize] = targets(&reads);
            return;
        }
        let mut breaks: Vec<u64> = reads.iter().flat_map(|&(first, end, _)| [first, end]).collect();
        breaks.sort_unstable();
        breaks.dedup();
        if breaks.len().saturating_mul(reads.len()) > LIMIT {
            self.kept_whole.push(vertex);
            self.next[vertex as usize] = targets(&reads);
            return;
        }
        let mut found: IndexMap<Vec<u32>, Vec<Range>, rustc_hash::FxBuildHasher> = IndexMap::default();
        for bounds in breaks.windows(2) {
            let (first, end) = (bounds[0], bounds[1]);
            let covering = |read: &&(u64, u64, u32)| read.0 <= first && end <= read.1;
            let covered: Vec<_> = reads.iter().filter(covering).copied().collect();
            if covered.is_empty() {
                continue;
            }
            let ranges = found.entry(targets(&covered)).or_default();
            match ranges.last_mut() {
                Some(last) if last.0 + last.1 == first => last.1 = end - last.0,
                _ => ranges.push((first, end - first)),
            }
        }
        if found.len() == 1 {
            self.next[vertex as usize] = targets(&reads);
            // Channels that nothing reads are left out: a grouped convolution does not reach through them.
            self.ranges[vertex as usize] = found.into_values().next().unwrap_or_default();
            return;
        }
        let own: Vec<u32> = found
            .into_iter()
            .map(|(targets, ranges)| {
                let node = self::vertex(self.vertices.len());
                self.vertices.push(vertex);
                self.next.push(targets);
                self.ranges.push(ranges);
                node
            })
            .collect();
        self.next[vertex as usize].clone_from(&own);
        self.groups[vertex as usize] = own;
    }

    /// Which nodes of a reader a read reaches, and with which channels.
    fn reached(&self, h: &WeightGraph, reader: Vertex, placed: &Placed, reads: &mut Vec<(u64, u64, u32)>) {
        let read = placed.read;
        let end = read.first + read.channels;
        let (own, groups) = (&self.groups[reader as usize], h.groups[reader as usize]);
        if groups < 2 {
            reads.push((read.first, end, reader));
            return;
        }
        let input = h.input_channels[reader as usize] / groups;
        let output = h.channels[reader as usize] / groups;
        if input == 0 || output == 0 {
            reads.push((read.first, end, reader));
            return;
        }
        for &node in own {
            for &(first, channels) in &self.ranges[node as usize] {
                // The group of convolution groups behind these outputs, as input channels.
                let low = (first / output * input).max(placed.at);
                let high = ((first + channels).div_ceil(output) * input).min(placed.at + placed.over);
                if low >= high {
                    continue;
                }
                let (low, high) = (low - placed.at, high - placed.at);
                let range = if placed.whole {
                    (read.first, end)
                } else {
                    let scale = |at: u64| u128::from(at) * u128::from(read.channels);
                    let [low, high] =
                        [scale(low) / u128::from(placed.over), scale(high).div_ceil(u128::from(placed.over))]
                            .map(|at| u64::try_from(at).unwrap_or(read.channels));
                    (read.first + low, read.first + high)
                };
                reads.push((range.0, range.1, node));
            }
        }
    }

    /// All nodes, readers before what they read, the groups of a vertex before it.
    pub fn backwards(&self) -> impl Iterator<Item = u32> + '_ {
        self.groups.iter().enumerate().rev().flat_map(|(index, groups)| {
            let vertex = vertex(index);
            let own = (groups[0] != vertex).then_some(vertex);
            groups.iter().copied().chain(own)
        })
    }

    /// Whether stepping from one node to another passes a weight layer: not from a vertex to its own group.
    pub fn counts(&self, from: u32, to: u32) -> bool {
        self.vertices[from as usize] != self.vertices[to as usize]
    }

    /// The vertices that read a node, in order, each once; the loss is one of them.
    pub fn readers(&self, node: u32) -> impl Iterator<Item = Vertex> + '_ {
        let mut last = None;
        self.next[node as usize].iter().map(|&next| self.vertices[next as usize]).filter(move |&vertex| {
            let new = last != Some(vertex);
            last = Some(vertex);
            new
        })
    }

    /// The groups of a vertex that share channels with a range.
    pub fn within<'a>(&'a self, vertex: Vertex, range: Range) -> impl Iterator<Item = u32> + 'a {
        let meets = move |&&node: &&u32| {
            let mut ranges = self.ranges[node as usize].iter();
            ranges.any(|&(first, channels)| first < range.0 + range.1 && range.0 < first + channels)
        };
        self.groups[vertex as usize].iter().filter(meets).copied()
    }

    /// The groups of all weight layers.
    pub fn of_layers<'a>(&'a self, h: &WeightGraph) -> impl Iterator<Item = u32> + 'a {
        let layers = h.layers();
        self.groups[layers.start as usize..layers.end as usize].iter().flatten().copied()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "fewer nodes than breakpoints, and those are limited")]
fn vertex(index: usize) -> Vertex {
    index as Vertex
}
