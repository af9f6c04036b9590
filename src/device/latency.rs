//! What nodes were measured to take on a device.

use super::law::Law;
use super::work::Work;
use crate::tensor::DType;

/// One node that was timed.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What it did.
    pub work: Work,
    /// Nanoseconds that it took, the median of its runs; 0 where it runs as part of another node.
    pub nanoseconds: f64,
}

/// All nodes of a kind, and the law that follows from them.
#[derive(Clone, Debug, PartialEq)]
pub struct Kind {
    /// Its name, as `analysis::prediction` gives it.
    pub name: String,
    /// What was timed.
    pub samples: Vec<Sample>,
    /// What follows.
    pub law: Law,
}

/// What runs as one piece there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Every node by itself.
    Node,
    /// What `explain traffic` calls a kernel may run as one: a node inside another's kernel is a kind of its own.
    Kernel,
}

impl Unit {
    /// Every unit.
    pub const ALL: &[Self] = &[Self::Node, Self::Kernel];

    /// Its name in device files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Kernel => "kernel",
        }
    }
}

/// Where and how a device was calibrated.
#[derive(Clone, Debug, PartialEq)]
pub struct Provenance {
    /// What ran the nodes, with its version.
    pub library: String,
    /// The driver, where the device has one.
    pub driver: Option<String>,
    /// Threads of the library.
    pub threads: u64,
    /// The element type of everything that was timed.
    pub dtype: DType,
    /// What runs as one piece.
    pub unit: Unit,
    /// How many networks were run.
    pub networks: u64,
    /// The seed that they were drawn by; none where they were given.
    pub seed: Option<u64>,
    /// The day, as `2026-11-28`.
    pub date: String,
    /// The machine's load average when it began.
    pub load: Option<f64>,
}

/// What a device was measured to take.
#[derive(Clone, Debug, PartialEq)]
pub struct Latency {
    /// Where and how.
    pub provenance: Provenance,
    /// A whole pass over the sum of its nodes, in the middle: what runs between nodes, less what timing each one adds.
    pub whole: f64,
    /// Every kind, by name.
    pub kinds: Vec<Kind>,
}

impl Latency {
    /// Fits the laws of samples, each with the name of its kind.
    pub fn new(
        provenance: Provenance,
        whole: f64,
        samples: impl IntoIterator<Item = (String, Sample)>,
    ) -> Self {
        let mut kinds: std::collections::BTreeMap<String, Vec<Sample>> = std::collections::BTreeMap::new();
        for (kind, sample) in samples {
            kinds.entry(kind).or_default().push(sample);
        }
        let fit = |(name, samples): (String, Vec<Sample>)| Kind { law: Law::fit(&samples), name, samples };
        Self { provenance, whole, kinds: kinds.into_iter().map(fit).collect() }
    }

    /// The number of the kind of that name.
    pub fn kind(&self, name: &str) -> Option<usize> {
        self.kinds.binary_search_by(|kind| kind.name.as_str().cmp(name)).ok()
    }

    /// The number of the kind that one which was not timed is likest: of those used in the same manner, which stands
    /// behind the op's name (`relu6 in conv2d`, `add broadcast`), the one with most samples.
    pub fn likest(&self, name: &str) -> Option<usize> {
        let (_, manner) = name.split_once(' ')?;
        let same = |kind: &Kind| kind.name.split_once(' ').is_some_and(|(_, other)| other == manner);
        let kinds = self.kinds.iter().enumerate().filter(|(_, kind)| same(kind));
        kinds.max_by_key(|(at, kind)| (kind.samples.len(), std::cmp::Reverse(*at))).map(|(at, _)| at)
    }
}

/// Bytes beyond which what a node moves is taken to come from memory, not from a cache.
const FROM_MEMORY: u64 = 64 << 20;

/// The best rates that any sample reached: operations a second of multiply-accumulates, 2 each, and bytes a second of
/// what is too large for a cache, or of anything where nothing is.
#[expect(clippy::cast_precision_loss, reason = "rates are approximate by nature")]
pub fn best<'a>(samples: impl Iterator<Item = &'a Sample> + Clone) -> (f64, f64) {
    let timed = samples.filter(|sample| sample.nanoseconds > 0.0);
    let moved =
        |work: &Work| work.input_bytes.saturating_add(work.output_bytes).saturating_add(work.stored_bytes);
    let fastest = |amount: &dyn Fn(&Work) -> u64| {
        let rate = |sample: &Sample| amount(&sample.work) as f64 / sample.nanoseconds * 1e9;
        timed.clone().map(rate).fold(0.0, f64::max)
    };
    let from_memory = fastest(&|work| Some(moved(work)).filter(|&bytes| bytes >= FROM_MEMORY).unwrap_or(0));
    let bandwidth = if from_memory > 0.0 { from_memory } else { fastest(&moved) };
    (fastest(&|work| work.macs.saturating_mul(2)), bandwidth)
}
