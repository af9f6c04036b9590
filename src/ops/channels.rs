//! How channels pass through an op: what provenance and gradient paths are made of.

/// A run of input channels: `start`, `start + step`, … (`length` of them).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which input.
    pub input: usize,
    /// Its first channel.
    pub start: u64,
    /// From one channel to the next.
    pub step: u64,
    /// How many.
    pub length: u64,
}

impl Run {
    /// `length` neighbouring channels from `start` on.
    pub fn new(input: usize, start: u64, length: u64) -> Self {
        Self { input, start, step: 1, length }
    }
}

/// How the channels of an output come from those of the inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channels {
    /// No data input reaches it.
    Source,
    /// A weight layer: it makes new channels, and group g of them reads group g of the first input's.
    Weighted {
        /// The number of groups.
        groups: u64,
    },
    /// Channel i carries channel i of every input; an input of one channel is broadcast.
    Same,
    /// Channel i carries channel i of every input that has so many; the first input decides how many there are.
    FirstMin,
    /// The listed runs, one after another.
    Runs(Vec<Run>),
    /// Each input channel becomes `by` neighbouring ones.
    Repeat {
        /// Output channels for one input channel.
        by: u64,
    },
    /// `by` neighbouring input channels become one.
    Fold {
        /// Input channels for one output channel.
        by: u64,
    },
    /// Every output channel depends on every channel of every input: the channel axis is lost.
    Mixed,
}
