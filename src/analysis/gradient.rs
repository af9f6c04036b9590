//! Gradient-reuse paths: which layers' weights are updated from which features, along how many and how long paths.
//!
//! Sources: CSPNet (arXiv 1911.11929, §3), PRN (ICCVW 2019, §3), ELAN (arXiv 2211.04800, §2–3). All figures live on H,
//! the graph of weight layers ([`weight_graph`]). `csp-profile explain gradient` has the definitions.
//!
//! Every pass is near linear in the edges of H, which is quadratic in the depth of a dense block. Where a figure has
//! no such bound (bit sets and big numbers over very deep networks), its pass stops at a limit and the reason is in
//! [`Gradient::skipped`].

pub mod copies;
pub mod csr;
pub mod dominators;
pub mod equations;
pub mod groups;
pub mod paths;
pub mod ratios;
pub mod stages;
pub mod timestamps;
pub mod weight_graph;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

use num::BigUint;

pub use copies::Copies;
pub use ratios::Ratios;
pub use stages::Stage;
pub use weight_graph::{Read, Vertex, WeightGraph};

use super::provenance::Refusal;
use crate::graph::Graph;
use dominators::PostDominators;
use groups::ChannelGroups;
use timestamps::{Lengths, Timestamps};

/// All that is known about a network's gradient paths.
#[derive(Clone, Debug)]
pub struct Gradient {
    /// The graph of weight layers.
    pub h: WeightGraph,
    /// The same, parted into channel groups.
    pub groups: ChannelGroups,
    /// The number of gradient paths, by vertex.
    pub paths: Option<Vec<BigUint>>,
    /// Shortest and longest path, by node of the groups.
    pub lengths: Vec<Lengths>,
    /// The timestamp sets.
    pub timestamps: Option<Timestamps>,
    /// Immediate post-dominators.
    pub dominators: PostDominators,
    /// Duplicate ratios.
    pub ratios: Ratios,
    /// Copy classes of adds.
    pub copies: Copies,
    /// By stage.
    pub stages: Vec<Stage>,
    /// What was left out, and why: a sentence each.
    pub skipped: Vec<String>,
}

impl Gradient {
    /// Runs all passes; the cost is that of the dearest, see there.
    ///
    /// # Errors
    /// When the network has too many gradient edges to follow.
    pub fn new(graph: &Graph) -> Result<Self, Refusal> {
        let h = WeightGraph::new(graph)?;
        let groups = ChannelGroups::new(&h);
        let lengths = timestamps::lengths(&groups);
        let timestamps = Timestamps::new(&h, &groups, &lengths);
        let paths = paths::counts(&h);
        let dominators = PostDominators::new(&groups);
        let stages = stages::stages(&h, &groups, &dominators);
        let mut skipped = Vec::new();
        if timestamps.is_none() {
            skipped.push(format!(
                "timestamp sets: they would take more than {} MiB",
                (timestamps::WORD_LIMIT * 8) >> 20
            ));
        }
        if paths.is_none() || stages.iter().any(|stage| stage.paths.is_none() && !stage.layers.is_empty()) {
            skipped.push(format!("path counts: they have more than {} words to add", paths::WORK_LIMIT));
        }
        if !groups.kept_whole.is_empty() {
            skipped.push(format!(
                "channel groups of {} layers: their readers part them too often",
                groups.kept_whole.len()
            ));
        }
        Ok(Self {
            ratios: Ratios::new(&h),
            copies: Copies::new(graph),
            h,
            groups,
            paths,
            lengths,
            timestamps,
            dominators,
            stages,
            skipped,
        })
    }

    /// The number of gradient paths from the loss to the graph inputs, all of these together.
    pub fn paths_to_input(&self) -> Option<BigUint> {
        let paths = self.paths.as_ref()?;
        Some(self.h.inputs().map(|input| &paths[input as usize]).sum())
    }

    /// The weight layers' shortest and longest paths; without those that the loss does not depend on.
    fn reached(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.h.layers().filter_map(|layer| self.lengths[layer as usize])
    }

    /// The longest of all weight layers' shortest paths: ELAN's design quantity.
    pub fn longest_shortest_path(&self) -> u64 {
        self.reached().map(|(shortest, _)| shortest).max().unwrap_or(0)
    }

    /// The longest path of any weight layer.
    pub fn longest_path(&self) -> u64 {
        self.reached().map(|(_, longest)| longest).max().unwrap_or(0)
    }

    /// The length spectrum of the paths to a vertex.
    ///
    /// # Errors
    /// The steps it would take, where those are more than [`paths::SPECTRUM_LIMIT`].
    pub fn spectrum(&self, target: Vertex) -> Result<Vec<BigUint>, u64> {
        paths::spectrum(&self.h, target, self.longest_path())
    }
}

/// The name of a vertex: `input` for the only input, `loss`, else its node's.
pub fn vertex_name<'a>(graph: &'a Graph, h: &WeightGraph, vertex: Vertex) -> &'a str {
    match h.node(vertex) {
        None => "loss",
        Some(_) if h.inputs().contains(&vertex) && h.inputs().len() == 1 => "input",
        Some(id) => &graph.node(id).name,
    }
}
