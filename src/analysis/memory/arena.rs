//! Addresses for every tensor: a plan of one arena in which no two tensors that live at the same time overlap.
//!
//! The best plan is as large as the peak, or larger; finding it is NP-hard (it is dynamic storage allocation). Two
//! greedy plans are made and the smaller is taken:
//!
//! - **by first use**: in the order of their births, each block takes the smallest free gap that it fits, else the
//!   end. O(n log n).
//! - **by size**: the largest first, each at the lowest address that is free throughout its life (the rule of
//!   TensorFlow Lite, Pisarchyk and Lee, arXiv 2001.03288). O(n²), so only up to [`BY_SIZE_LIMIT`] blocks; and not
//!   where the first plan is as small as the peak already.

use std::collections::{BTreeMap, BTreeSet};

use smallvec::SmallVec;

use super::liveness::Memory;
use crate::graph::Outlet;
use crate::units::Overflow;

/// The most blocks that are placed by size.
pub const BY_SIZE_LIMIT: usize = 2048;

/// How a plan was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// In the order of births.
    FirstUse,
    /// The largest first.
    Size,
}

/// A block's place: several tensors, where they share it or one overwrites the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Where it starts.
    pub offset: u64,
    /// Its size.
    pub bytes: u64,
    /// The first step of its life.
    pub birth: u32,
    /// The last step of its life.
    pub death: u32,
    /// The tensors that fill it one after another.
    pub tensors: SmallVec<[Outlet; 2]>,
}

/// Addresses for every block.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The arena's size.
    pub bytes: u64,
    /// What no plan can be smaller than: the peak.
    pub lower_bound: u64,
    /// How it was made.
    pub strategy: Strategy,
    /// Whether the plan by size was left out because there are too many blocks and the other is not perfect.
    pub by_size_skipped: bool,
    /// By first tensor.
    pub slots: Vec<Slot>,
}

/// Whether a network's activations fit into so much memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// The plan fits.
    Fits {
        /// What is left.
        spare: u64,
    },
    /// The plan does not, but the peak would: fragmentation is at fault.
    Fragmented {
        /// The slots that end past the memory, the largest first, as indices of [`Plan::slots`].
        breaking: Vec<usize>,
    },
    /// No plan can: this is in use together at the peak.
    TooLarge {
        /// By how much the peak is too large.
        missing: u64,
        /// What is alive at the peak, the largest first.
        alive: Vec<super::Alive>,
        /// The slots that end past the memory, the largest first, as indices of [`Plan::slots`].
        breaking: Vec<usize>,
    },
}

/// A plan for the blocks of a model, every address a multiple of `alignment` (of at least 1).
///
/// # Errors
/// When the arena's size does not fit in 64 bits.
pub fn plan(memory: &Memory, alignment: u64) -> Result<Plan, Overflow> {
    let mut slots = slots(memory);
    let alignment = alignment.max(1);
    let by_use = first_use(&mut slots, alignment)?;
    let mut plan = Plan {
        bytes: by_use,
        lower_bound: memory.peak,
        strategy: Strategy::FirstUse,
        by_size_skipped: by_use > memory.peak && slots.len() > BY_SIZE_LIMIT,
        slots,
    };
    if plan.bytes > plan.lower_bound && plan.slots.len() <= BY_SIZE_LIMIT {
        let mut slots = plan.slots.clone();
        let bytes = by_size(&mut slots, alignment)?;
        if bytes < plan.bytes {
            plan = Plan { bytes, strategy: Strategy::Size, slots, ..plan };
        }
    }
    Ok(plan)
}

impl Plan {
    /// Whether it fits into so many bytes, and what breaks it.
    pub fn fit(&self, memory: &Memory, available: u64) -> Fit {
        if let Some(spare) = available.checked_sub(self.bytes) {
            return Fit::Fits { spare };
        }
        let past = |slot: &Slot| slot.offset.saturating_add(slot.bytes) > available;
        let mut breaking: Vec<usize> =
            (0..self.slots.len()).filter(|&index| past(&self.slots[index])).collect();
        breaking.sort_by_key(|&index| (std::cmp::Reverse(self.slots[index].bytes), index));
        match self.lower_bound.checked_sub(available) {
            None | Some(0) => Fit::Fragmented { breaking },
            Some(missing) => Fit::TooLarge { missing, alive: memory.alive(memory.step), breaking },
        }
    }
}

/// One slot for each chain of blocks that overwrite each other.
fn slots(memory: &Memory) -> Vec<Slot> {
    let (blocks, spans) = (&memory.layout.blocks, &memory.spans);
    // Chains are followed in the order of births: a block is older than what overwrites it.
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_unstable_by_key(|&block| (spans[block].birth, spans[block].over.is_some(), block));
    let mut slot_of = vec![usize::MAX; blocks.len()];
    let mut slots: Vec<Slot> = Vec::new();
    for block in order {
        let span = spans[block];
        if span.birth > span.death {
            continue;
        }
        match span.over {
            Some(over) => {
                let slot = slot_of[over as usize];
                slot_of[block] = slot;
                slots[slot].death = slots[slot].death.max(span.death);
                slots[slot].tensors.push(blocks[block].owner);
            }
            None => {
                slot_of[block] = slots.len();
                slots.push(Slot {
                    offset: 0,
                    bytes: blocks[block].bytes,
                    birth: span.birth,
                    death: span.death,
                    tensors: smallvec::smallvec![blocks[block].owner],
                });
            }
        }
    }
    slots.sort_unstable_by_key(|slot| slot.tensors[0]);
    slots
}

fn aligned(offset: u64, alignment: u64) -> Result<u64, Overflow> {
    offset.checked_next_multiple_of(alignment).ok_or(Overflow)
}

/// Free ranges of an arena.
#[derive(Default)]
struct Gaps {
    /// Start to length.
    by_start: BTreeMap<u64, u64>,
    /// The same as length and start.
    by_length: BTreeSet<(u64, u64)>,
}

impl Gaps {
    fn insert(&mut self, start: u64, length: u64) {
        if length > 0 {
            self.by_start.insert(start, length);
            self.by_length.insert((length, start));
        }
    }

    fn remove(&mut self, start: u64, length: u64) {
        self.by_start.remove(&start);
        self.by_length.remove(&(length, start));
    }

    /// Gives a range back and joins it with its neighbours.
    fn free(&mut self, mut start: u64, mut length: u64) {
        if let Some((&before, &size)) = self.by_start.range(..start).next_back()
            && before + size == start
        {
            self.remove(before, size);
            (start, length) = (before, length + size);
        }
        if let Some(&size) = self.by_start.get(&(start + length)) {
            self.remove(start + length, size);
            length += size;
        }
        self.insert(start, length);
    }

    /// Takes so much from the smallest gap that has it.
    fn take(&mut self, length: u64) -> Option<u64> {
        let &(size, start) = self.by_length.range((length, 0)..).next()?;
        self.remove(start, size);
        self.insert(start + length, size - length);
        Some(start)
    }

    /// Takes the gap that ends at the arena's end, where there is one.
    fn take_last(&mut self, end: u64) -> Option<(u64, u64)> {
        let (&start, &size) =
            self.by_start.iter().next_back().filter(|(start, size)| *start + *size == end)?;
        self.remove(start, size);
        Some((start, size))
    }
}

/// Places in the order of births; gives the arena's size.
fn first_use(slots: &mut [Slot], alignment: u64) -> Result<u64, Overflow> {
    let mut order: Vec<usize> = (0..slots.len()).collect();
    order.sort_unstable_by_key(|&slot| (slots[slot].birth, std::cmp::Reverse(slots[slot].bytes), slot));
    let mut dying: BTreeSet<(u32, usize)> = BTreeSet::new();
    let mut gaps = Gaps::default();
    let mut end = 0u64;
    for index in order {
        while let Some(&(death, dead)) = dying.first()
            && death < slots[index].birth
        {
            dying.pop_first();
            gaps.free(slots[dead].offset, aligned(slots[dead].bytes, alignment)?);
        }
        let length = aligned(slots[index].bytes, alignment)?;
        if length == 0 {
            continue;
        }
        slots[index].offset = match gaps.take(length) {
            Some(offset) => offset,
            None => {
                let offset = gaps.take_last(end).map_or(end, |(start, _)| start);
                end = offset.checked_add(length).ok_or(Overflow)?;
                offset
            }
        };
        dying.insert((slots[index].death, index));
    }
    Ok(size(slots))
}

/// Places the largest first; gives the arena's size.
fn by_size(slots: &mut [Slot], alignment: u64) -> Result<u64, Overflow> {
    let mut order: Vec<usize> = (0..slots.len()).collect();
    order.sort_unstable_by_key(|&slot| (std::cmp::Reverse(slots[slot].bytes), slots[slot].birth, slot));
    // What is placed, by offset: start, end, birth, death.
    let mut placed: Vec<(u64, u64, u32, u32)> = Vec::with_capacity(slots.len());
    for index in order {
        let slot = &mut slots[index];
        let mut offset = 0u64;
        for &(start, end, birth, death) in &placed {
            if birth <= slot.death && slot.birth <= death {
                if offset.checked_add(slot.bytes).ok_or(Overflow)? <= start {
                    break;
                }
                offset = offset.max(aligned(end, alignment)?);
            }
        }
        slot.offset = offset;
        let end = offset.checked_add(slot.bytes).ok_or(Overflow)?;
        let at = placed.partition_point(|&(start, ..)| start <= offset);
        placed.insert(at, (offset, end, slot.birth, slot.death));
    }
    Ok(size(slots))
}

fn size(slots: &[Slot]) -> u64 {
    slots.iter().map(|slot| slot.offset.saturating_add(slot.bytes)).max().unwrap_or(0)
}
