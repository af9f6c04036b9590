//! When the gradient reaches a layer: after how many weight layers, itself counted, on any path.
//!
//! TS(v) = ∪ (TS(u) + 1) over the readers u of v, TS(loss) = {0} (PRN, ICCVW 2019, §3; ELAN, arXiv 2211.04800, §3.1).
//! The least member is v's shortest gradient path, the greatest its longest. Channel groups have sets of their own; a
//! layer has the union of its groups' sets.

use rustc_hash::FxHashSet;

use super::groups::ChannelGroups;
use super::weight_graph::WeightGraph;

/// Words of bit sets that may be kept, or or-ed in one pass ÷ 16, before the sets are given up.
pub const WORD_LIMIT: u64 = 1 << 23;

/// Shortest and longest path of a node; `None` where no path leads to the loss.
pub type Lengths = Option<(u64, u64)>;

/// Shortest and longest path by node. O(|E|).
pub fn lengths(groups: &ChannelGroups) -> Vec<Lengths> {
    let mut lengths: Vec<Lengths> = vec![None; groups.vertices.len()];
    for node in groups.backwards() {
        let index = node as usize;
        let mut own: Lengths = None;
        if groups.next[index].is_empty() && is_loss(groups, node) {
            own = Some((0, 0));
        }
        for &next in &groups.next[index] {
            let step = u64::from(groups.counts(node, next));
            if let Some((short, long)) = lengths[next as usize] {
                // The receiving layer counts itself when its reader is left behind.
                let (short, long) = (short + step, long + step);
                own = Some(own.map_or((short, long), |(a, b)| (a.min(short), b.max(long))));
            }
        }
        lengths[index] = own;
    }
    lengths
}

fn is_loss(groups: &ChannelGroups, node: u32) -> bool {
    node as usize + 1 == groups.groups.len()
}

/// The timestamp sets of all nodes.
#[derive(Clone, Debug)]
pub struct Timestamps {
    /// By node, bit t for timestamp t, in words of 64.
    sets: Vec<Box<[u64]>>,
    /// How many different sets the weight layers' channel groups have; empty ones are not counted.
    pub distinct: usize,
}

impl Timestamps {
    /// All sets; `None` where they would take more than [`WORD_LIMIT`]. O(|E| · longest / 64) words.
    pub fn new(h: &WeightGraph, groups: &ChannelGroups, lengths: &[Lengths]) -> Option<Self> {
        let words = |lengths: &Lengths| lengths.map_or(0, |(_, longest)| longest / 64 + 1);
        let kept: u64 = lengths.iter().map(words).sum();
        let work = groups.next.iter().flatten().map(|&next| words(&lengths[next as usize])).sum::<u64>();
        if kept > WORD_LIMIT || work / 16 > WORD_LIMIT {
            return None;
        }
        let mut sets: Vec<Box<[u64]>> = vec![Box::default(); groups.vertices.len()];
        for node in groups.backwards() {
            let index = node as usize;
            let size = usize::try_from(words(&lengths[index])).unwrap_or(0);
            let mut set = vec![0u64; size].into_boxed_slice();
            if is_loss(groups, node) {
                set[0] = 1;
            }
            for &next in &groups.next[index] {
                unite(&mut set, &sets[next as usize], groups.counts(node, next));
            }
            sets[index] = set;
        }
        let distinct: FxHashSet<&[u64]> =
            groups.of_layers(h).map(|node| &*sets[node as usize]).filter(|set| !set.is_empty()).collect();
        let distinct = distinct.len();
        Some(Self { sets, distinct })
    }

    /// A node's timestamps in order.
    pub fn of(&self, node: u32) -> impl Iterator<Item = u64> + '_ {
        self.sets[node as usize].iter().zip(0u64..).flat_map(|(&word, index)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| index * 64 + bit)
        })
    }

    /// How many timestamps a node has.
    pub fn count(&self, node: u32) -> u64 {
        self.sets[node as usize].iter().map(|word| u64::from(word.count_ones())).sum()
    }
}

/// `set |= other`, one later if a layer is passed. The set has room for the greatest.
fn unite(set: &mut [u64], other: &[u64], later: bool) {
    let mut carry = 0;
    for (index, &word) in other.iter().enumerate() {
        let moved = if later { word << 1 | carry } else { word };
        carry = if later { word >> 63 } else { 0 };
        set[index] |= moved;
    }
    if carry > 0 {
        set[other.len()] |= carry;
    }
}
