//! Duplicate ratios: how much of what weight layers read was read before.
//!
//! - set: R = 1 − |∪ S_in| / Σ |S_in| over producers (a dense block with its transition: k/(k+2));
//! - channel: R = 1 − Σ_p c_p / Σ_i c_in(i) over the channels that are read; below zero where sums join more
//!   channels than readers take;
//! - terms: the same where an added channel counts once for each of its producers;
//! - element: R = 1 − Σ distinct (value after sums, channels, resolution) / Σ input elements, in [0, 1). Its
//!   denominator is the input half of CIO.
//!
//! O(|E| log |E|).

use super::weight_graph::WeightGraph;

/// Counts behind the ratios.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ratios {
    /// Edges of H without those into the loss: Σ |S_in|.
    pub edges: u64,
    /// Producers that a weight layer reads: |∪ S_in|.
    pub sources: u64,
    /// Σ over weight layers, their input's channels and these channels' producers.
    pub channel_terms: u64,
    /// Input channels of all weight layers.
    pub input_channels: u64,
    /// Channels of producers that a weight layer reads.
    pub source_channels: u64,
    /// Input elements of all weight layers, for one image position of the batch.
    pub elements: u64,
    /// Different ones among them.
    pub distinct_elements: u64,
}

impl Ratios {
    /// Counts; sums saturate.
    pub fn new(h: &WeightGraph) -> Self {
        let layers = h.layers();
        let rows = layers.clone().map(|layer| h.reads.row(layer as usize));
        let sum = |terms: &mut dyn Iterator<Item = u64>| terms.fold(0, u64::saturating_add);
        let mut terms = rows.flatten().map(|placed| placed.over);
        let is_layer = |reader: u32| layers.contains(&reader);
        let mut sources = 0;
        let mut source_channels: u64 = 0;
        for vertex in 0..h.loss() {
            let reads = h.consumers.row(vertex as usize).iter().filter(|read| is_layer(read.vertex));
            let mut ranges: Vec<(u64, u64)> = reads.map(|read| (read.first, read.channels)).collect();
            if !ranges.is_empty() {
                sources += 1;
                source_channels = source_channels.saturating_add(union(&mut ranges));
            }
        }
        let (elements, distinct_elements) = elements(h);
        Self {
            edges: h.edges() as u64,
            sources,
            channel_terms: sum(&mut terms),
            input_channels: sum(&mut layers.clone().map(|layer| h.input_channels[layer as usize])),
            source_channels,
            elements,
            distinct_elements,
        }
    }

    /// The duplicate ratio of producers.
    pub fn set(&self) -> f64 {
        duplicate(self.sources, self.edges)
    }

    /// The duplicate ratio of channels.
    pub fn channel(&self) -> f64 {
        duplicate(self.source_channels, self.input_channels)
    }

    /// The duplicate ratio of channels, each counted once for each producer.
    pub fn channel_terms(&self) -> f64 {
        duplicate(self.source_channels, self.channel_terms)
    }

    /// The duplicate ratio of elements.
    pub fn element(&self) -> f64 {
        duplicate(self.distinct_elements, self.elements)
    }
}

/// 1 − distinct / all; 0 of nothing.
fn duplicate(distinct: u64, all: u64) -> f64 {
    if all == 0 {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "ratios are approximate by nature")]
    let (distinct, all) = (distinct as f64, all as f64);
    1.0 - distinct / all
}

/// All input elements of weight layers and the different ones among them.
fn elements(h: &WeightGraph) -> (u64, u64) {
    let area = |map: u32| h.maps[map as usize].iter().fold(1u64, |area, &size| area.saturating_mul(size));
    let mut values = h.values.clone();
    let (mut all, mut distinct) = (0u64, 0u64);
    values.sort_unstable();
    for same in values.chunk_by(|a, b| (a.value, a.map) == (b.value, b.map)) {
        let area = area(same[0].map);
        let mut ranges: Vec<(u64, u64)> = same.iter().map(|read| (read.at, read.channels)).collect();
        let channels: u64 = ranges.iter().map(|range| range.1).fold(0, u64::saturating_add);
        all = all.saturating_add(channels.saturating_mul(area));
        distinct = distinct.saturating_add(union(&mut ranges).saturating_mul(area));
    }
    (all, distinct)
}

/// How many channels some ranges cover.
fn union(ranges: &mut [(u64, u64)]) -> u64 {
    ranges.sort_unstable();
    let (mut covered, mut end) = (0, 0);
    for &(first, channels) in ranges.iter() {
        let stop = first + channels;
        if stop > end {
            covered += stop - first.max(end);
            end = stop;
        }
    }
    covered
}
