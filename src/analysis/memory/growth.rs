//! What naive dense connections keep in training: copies that grow with the square of a block's depth.
//!
//! Every layer of a dense block concatenates all features before it and normalizes the result; autograd keeps both. A
//! block of m layers with c channels at its start and growth d keeps, in elements a position, Σ (c + (i − 1)·d) =
//! c·m + d·m·(m − 1)/2 for its concats and as much for the activations behind their norms. With shared buffers
//! (Pleiss et al., arXiv 1707.06990) the features are kept once and one buffer of each kind is as large as the longest.
//! In a partial dense block c is (1 − γ)·c in all of that.

use super::roll_up;
use super::training::{Profile, Trained};
use super::views::Reshapes;
use crate::analysis::schedule::Schedule;
use crate::graph::Graph;
use crate::units::Overflow;

/// One stage's part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageGrowth {
    /// Outputs of concats that eager training keeps.
    pub concat: u64,
    /// Outputs of the norms and activations directly behind concats that it keeps.
    pub normalized: u64,
    /// All else that it keeps.
    pub other: u64,
    /// What training with shared buffers keeps, its buffers apart.
    pub shared: u64,
    /// The largest concat, and the largest norm or activation behind one: the shared buffers that the stage needs.
    pub buffers: u64,
}

impl StageGrowth {
    /// What eager training keeps.
    pub fn naive(&self) -> u64 {
        self.concat.saturating_add(self.normalized).saturating_add(self.other)
    }

    /// What shared buffers save, if only this stage used them.
    pub fn saving(&self) -> u64 {
        self.naive().saturating_sub(self.shared.saturating_add(self.buffers))
    }
}

/// By stage, inner stages included.
#[derive(Clone, Debug, Default)]
pub struct Growth {
    /// In the graph's order.
    pub stages: Vec<StageGrowth>,
}

/// The growth of each stage. Linear in nodes and edges.
///
/// # Errors
/// When a number of bytes does not fit in 64 bits.
pub fn growth(graph: &Graph) -> Result<Growth, Overflow> {
    let schedule = Schedule::as_written(graph);
    of(graph, &Trained::new(graph, &schedule, Reshapes::Strided)?)
}

/// The same from what is known already.
pub(super) fn of(graph: &Graph, trained: &Trained<'_>) -> Result<Growth, Overflow> {
    let stages = graph.stages().len();
    let mut sums = [(); 4].map(|()| vec![0u64; stages]);
    let mut largest = [(); 2].map(|()| vec![0u64; stages]);
    let stage_of = |node| graph.node(node).stage.map(|stage| stage.0 as usize);
    let add = |sums: &mut Vec<u64>, stage: usize, bytes: u64| -> Result<(), Overflow> {
        sums[stage] = sums[stage].checked_add(bytes).ok_or(Overflow)?;
        Ok(())
    };
    for profile in [Profile::PytorchEager, Profile::SharedConcat] {
        let eager = profile == Profile::PytorchEager;
        let saved = trained.saved(profile);
        for (index, block) in trained.layout.blocks.iter().enumerate() {
            let Some(stage) = stage_of(block.owner.node) else { continue };
            let kind = trained.recomputed[index].map(|concat| usize::from(!concat));
            if saved.keeps(index) {
                let sum = if eager { kind.unwrap_or(2) } else { 3 };
                add(&mut sums[sum], stage, block.bytes)?;
            }
            if let Some(kind) = kind
                && saved.is_needed(index)
                && !eager
            {
                largest[kind][stage] = largest[kind][stage].max(block.bytes);
            }
        }
        for (id, _) in graph.nodes() {
            if let Some(stage) = stage_of(id) {
                add(&mut sums[if eager { 2 } else { 3 }], stage, saved.extra(id))?;
            }
        }
    }
    for sum in &mut sums {
        roll_up(graph, sum)?;
    }
    let parents = crate::analysis::stage_parents(graph);
    for largest in &mut largest {
        for index in (0..stages).rev() {
            if let Some(parent) = parents[index] {
                largest[parent as usize] = largest[parent as usize].max(largest[index]);
            }
        }
    }
    let stage = |index: usize| -> Result<StageGrowth, Overflow> {
        Ok(StageGrowth {
            concat: sums[0][index],
            normalized: sums[1][index],
            other: sums[2][index],
            shared: sums[3][index],
            buffers: largest[0][index].checked_add(largest[1][index]).ok_or(Overflow)?,
        })
    };
    Ok(Growth { stages: (0..stages).map(stage).collect::<Result<_, _>>()? })
}
