//! Memory: what is in use when, where the peak is, a plan of addresses, and what training keeps.
//!
//! Bytes of activations. Definitions: `csp-profile explain memory`. Every pass is linear in nodes and edges unless its
//! docs say otherwise.

pub mod arena;
pub mod growth;
pub mod layout;
pub mod liveness;
pub mod placement;
pub mod training;
pub mod views;

#[cfg(test)]
pub(in crate::analysis) mod random;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;

pub use arena::Plan;
pub use growth::Growth;
pub use layout::Layout;
pub use liveness::{Alive, Memory, liveness};
pub use placement::Placement;
pub use training::{Profile, Training};
pub use views::Reshapes;

use super::schedule::{self, Lowered, Schedule};
use training::Trained;

use crate::graph::Graph;
use crate::ops::{Operator, Storage};
use crate::units::{Overflow, sum};

/// Which ops may write over an input that dies as they run and has as many bytes as their output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InPlace {
    /// None.
    Nothing,
    /// Elementwise ops, but no normalization.
    AllButNorms,
    /// Elementwise ops and the normalizations that use stored statistics.
    All,
}

/// How a network is executed, as far as memory is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Model {
    /// What is overwritten.
    pub in_place: InPlace,
    /// Whether concats and splits are views where a [`Placement`] exists.
    pub views: bool,
}

impl Model {
    /// Every op but an alias writes to memory of its own.
    pub const INFERENCE: Self = Self { in_place: InPlace::Nothing, views: false };
    /// Batch norms and elementwise ops overwrite what they can.
    pub const INFERENCE_INPLACE: Self = Self { in_place: InPlace::All, views: false };
    /// Concats and splits are views where they can be.
    pub const INFERENCE_VIEWS: Self = Self { in_place: InPlace::Nothing, views: true };

    /// The reported ones, by their keys.
    pub const REPORTED: [(&'static str, Self); 3] = [
        ("inference", Self::INFERENCE),
        ("inference_inplace", Self::INFERENCE_INPLACE),
        ("inference_views", Self::INFERENCE_VIEWS),
    ];

    /// Which tensors share memory under this model.
    ///
    /// # Errors
    /// Where there are 2³² tensors or more.
    pub fn layout(self, graph: &Graph) -> Result<Layout, Overflow> {
        if self.views {
            Layout::with_views(graph, &Placement::new(graph)?)
        } else {
            Layout::new(graph, |node| node.op.storage() == Storage::Alias)
        }
    }

    /// Its memory over a schedule.
    ///
    /// # Errors
    /// When the bytes in use do not fit in 64 bits.
    pub fn memory(self, graph: &Graph, schedule: &Schedule) -> Result<Memory, Overflow> {
        liveness(graph, schedule, self.layout(graph)?, self)
    }
}

/// What one stage needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageMemory {
    /// The peak while its nodes run, in the order of [`Model::REPORTED`].
    pub peaks: [u64; 3],
    /// Bytes that its concats write where they are no views.
    pub concat_bytes: u64,
}

/// All figures of inference and training.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// In the order of [`Model::REPORTED`], as written.
    pub models: [Memory; 3],
    /// Addresses for the in-place model.
    pub arena: Plan,
    /// The schedule that lowers the in-place peak.
    pub lowered: Lowered,
    /// By stage.
    pub stages: Vec<StageMemory>,
    /// In the order of [`Profile::ALL`].
    pub training: [Training; 3],
    /// What repeated concats and norms cost in training, by stage.
    pub growth: Growth,
}

/// All passes over the order of the file.
///
/// # Errors
/// When a number of bytes does not fit in 64 bits.
pub fn analyze(graph: &Graph) -> Result<Analysis, Overflow> {
    let schedule = Schedule::as_written(graph);
    // The first two models share a layout.
    let layout = Model::INFERENCE.layout(graph)?;
    let models = [
        liveness(graph, &schedule, layout.clone(), Model::INFERENCE)?,
        liveness(graph, &schedule, layout, Model::INFERENCE_INPLACE)?,
        Model::INFERENCE_VIEWS.memory(graph, &schedule)?,
    ];
    let mut stages = vec![StageMemory::default(); graph.stages().len()];
    for (index, memory) in models.iter().enumerate() {
        for (stage, peak) in stages.iter_mut().zip(memory.stage_peaks(graph, &schedule)) {
            stage.peaks[index] = peak;
        }
    }
    for (stage, bytes) in stages.iter_mut().zip(concat_bytes(graph)?) {
        stage.concat_bytes = bytes;
    }
    let trained = Trained::new(graph, &schedule, Reshapes::Strided)?;
    let [eager, minimal, shared] = Profile::ALL.map(|profile| trained.saved(profile).training());
    Ok(Analysis {
        arena: arena::plan(&models[1], 1)?,
        lowered: schedule::lower(graph, &models[1])?,
        models,
        stages,
        training: [eager?, minimal?, shared?],
        growth: growth::of(graph, &trained)?,
    })
}

/// Bytes that concats write, by stage, inner stages included.
fn concat_bytes(graph: &Graph) -> Result<Vec<u64>, Overflow> {
    let mut bytes = vec![0u64; graph.stages().len()];
    for (_, node) in graph.nodes() {
        if let (Some(stage), Storage::JoinOfInputs) = (node.stage, node.op.storage()) {
            let written = node.outputs.iter().map(|output| output.bytes().get());
            let total = &mut bytes[stage.0 as usize];
            *total = total.checked_add(sum(written)?).ok_or(Overflow)?;
        }
    }
    roll_up(graph, &mut bytes)?;
    Ok(bytes)
}

/// Adds each stage's figure to the stage's around it.
pub(in crate::analysis) fn roll_up(graph: &Graph, by_stage: &mut [u64]) -> Result<(), Overflow> {
    let parents = super::stage_parents(graph);
    for index in (0..by_stage.len()).rev() {
        if let Some(parent) = parents[index] {
            let inner = by_stage[index];
            let outer = &mut by_stage[parent as usize];
            *outer = outer.checked_add(inner).ok_or(Overflow)?;
        }
    }
    Ok(())
}

/// Whether a variant of a network leaves its peak where it was: the same bytes under every reported model.
///
/// γ of a partial dense network does so where the peak is outside the blocks that it shortens. A peak in a block of c
/// channels falls by 2γc, the concat's and the norm's part: what bypasses the block is in memory too.
pub fn same_peak(one: &Analysis, other: &Analysis) -> bool {
    one.models.iter().zip(&other.models).all(|(one, other)| one.peak == other.peak)
}

impl fmt::Display for InPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing is overwritten",
            Self::AllButNorms => "elementwise ops overwrite, normalizations do not",
            Self::All => "elementwise ops and normalizations overwrite",
        })
    }
}
