//! The stages of a pair, and their figures.

use num::BigUint;

use super::{Figure, Network, Pair, StageFigure, Value};
use crate::analysis::gradient::Vertex;
use crate::comparison::stage_rows;

/// One stage of both networks, by its index in each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagePair {
    /// In the plain network.
    pub base: usize,
    /// In the CSP variant.
    pub csp: usize,
}

impl<'a> Pair<'a> {
    /// Pairs the stages by name, and between those by order.
    pub fn new(base: Network<'a>, csp: Network<'a>) -> Self {
        let mut pair = Self { base, csp, stages: Vec::new(), unpaired: 0 };
        let index = |network: Network<'_>, name: &str| {
            network.analysis.stages.iter().position(|group| group.name == name)
        };
        for row in stage_rows([base.analysis.stages.as_slice(), csp.analysis.stages.as_slice()]) {
            let [Some((one, _)), Some((other, _))] = row.stages.as_slice() else {
                pair.unpaired += 1;
                continue;
            };
            let (Some(one), Some(other)) = (index(base, one), index(csp, other)) else { continue };
            let has_block = !block(base, one).is_empty() || !block(csp, other).is_empty();
            if has_block && base.analysis.stages[one].sum != csp.analysis.stages[other].sum {
                pair.stages.push(StagePair { base: one, csp: other });
            }
        }
        pair
    }

    /// One figure of both networks.
    pub(super) fn figure(&self, name: &'static str, get: impl Fn(Network<'_>) -> Option<Value>) -> Figure {
        Figure { name, base: get(self.base), csp: get(self.csp) }
    }

    /// One figure of both networks' changed stages together.
    pub(super) fn over_stages(
        &self,
        name: &'static str,
        get: impl Fn(Network<'_>, &[usize]) -> Option<Value>,
    ) -> Figure {
        let base: Vec<usize> = self.stages.iter().map(|stage| stage.base).collect();
        let csp: Vec<usize> = self.stages.iter().map(|stage| stage.csp).collect();
        Figure { name, base: get(self.base, &base), csp: get(self.csp, &csp) }
    }

    /// One figure of every changed stage, and whether a claim holds there: by its value before and after.
    pub(super) fn by_stage<T: Clone>(
        &self,
        name: &'static str,
        get: impl Fn(Network<'_>, usize) -> Option<T>,
        value: impl Fn(T) -> Value,
        holds: impl Fn(&T, &T) -> Option<bool>,
    ) -> Vec<StageFigure> {
        let row = |stage: &StagePair| {
            let (base, csp) = (get(self.base, stage.base), get(self.csp, stage.csp));
            let holds = base.as_ref().zip(csp.as_ref()).and_then(|(base, csp)| holds(base, csp));
            StageFigure {
                stage: self.csp.analysis.stages[stage.csp].name.clone(),
                figure: Figure { name, base: base.map(&value), csp: csp.map(&value) },
                holds,
            }
        };
        self.stages.iter().map(row).collect()
    }
}

/// The weight layers of a stage before its exit, the last tensor that merges two producers; none without one.
fn block<'a>(network: Network<'a>, stage: usize) -> &'a [Vertex] {
    let h = &network.gradient.h;
    let (Some(layers), Some(border)) = (h.stages.get(stage), h.borders.get(stage)) else { return &[] };
    let Some((exit, _)) = &border.merged else { return &[] };
    &layers[..layers.partition_point(|&layer| h.node(layer).is_some_and(|id| id < *exit))]
}

/// The paths through a stage.
pub(super) fn paths(network: Network<'_>, stage: usize) -> Option<BigUint> {
    network.gradient.stages.get(stage)?.paths.clone()
}

/// The branches of a stage: one, and one more for every layer of the block that truncates the flow of others there, as
/// T does in a CSP stage: it post-dominates them nearest.
pub(super) fn branches(network: Network<'_>, stage: usize) -> Option<u64> {
    let gradient = network.gradient;
    let block = block(network, stage);
    let is_inside =
        |node: u32| gradient.groups.vertices.get(node as usize).is_some_and(|vertex| block.contains(vertex));
    let classes = gradient.stages.get(stage)?.classes.iter();
    let truncated = classes
        .filter(|class| is_inside(class.dominator) && class.members.iter().any(|&member| is_inside(member)));
    (!block.is_empty()).then(|| 1 + truncated.count() as u64)
}

/// D×.
pub(super) fn overlap(network: Network<'_>, stage: usize) -> Option<f64> {
    network.gradient.stages.get(stage)?.cross_side_overlap()
}

/// Reads of the block's layers and different producers among them.
fn block_reads(network: Network<'_>, stage: usize) -> Option<(u64, u64)> {
    let reads = block(network, stage).iter().flat_map(|&layer| network.gradient.h.before.row(layer as usize));
    let mut producers: Vec<Vertex> = reads.map(|edge| edge.vertex).collect();
    let reads = producers.len() as u64;
    producers.sort_unstable();
    producers.dedup();
    (reads > 0).then_some((reads, producers.len() as u64))
}

/// The block's set ratio: 1 − different producers / reads.
pub(super) fn block_reuse(network: Network<'_>, stage: usize) -> Option<f64> {
    let (reads, producers) = block_reads(network, stage)?;
    #[expect(clippy::cast_precision_loss, reason = "a ratio is approximate by nature")]
    let ratio = 1.0 - producers as f64 / reads as f64;
    Some(ratio)
}

/// What the convolutions of the block read and write, in elements.
pub(super) fn block_cio(network: Network<'_>, stage: usize) -> Option<u64> {
    let nodes = block(network, stage).iter().filter_map(|&layer| network.gradient.h.node(layer));
    let cio = nodes.map(|id| network.analysis.nodes[id.index()].cio).fold(0, u64::saturating_add);
    (cio > 0).then_some(cio)
}

/// The same of several stages.
pub(super) fn blocks_cio(network: Network<'_>, stages: &[usize]) -> Option<u64> {
    let cio = stages.iter().filter_map(|&stage| block_cio(network, stage)).fold(0, u64::saturating_add);
    (cio > 0).then_some(cio)
}

/// D× of several stages together.
pub(super) fn overlaps(network: Network<'_>, stages: &[usize]) -> Option<f64> {
    let overlaps =
        stages.iter().filter_map(|&stage| network.gradient.stages.get(stage)).map(|one| one.overlap);
    let (seen, all) = overlaps.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    #[expect(clippy::cast_precision_loss, reason = "a ratio is approximate by nature")]
    let ratio = seen as f64 / all as f64;
    (all > 0).then_some(ratio)
}

/// The multiply-accumulates of the stage's largest layer.
pub(super) fn largest(network: Network<'_>, stage: usize) -> Option<u64> {
    let name = &network.analysis.stages.get(stage)?.name;
    let within =
        |own: &str| own == name || own.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('/'));
    let stages = network.graph.stages();
    let nodes = network.graph.nodes().filter(|(_, node)| {
        let own = node.stage.and_then(|stage| stages.get_index(stage.0 as usize));
        own.is_some_and(|own| within(own))
    });
    nodes.map(|(id, _)| network.analysis.nodes[id.index()].macs).max().filter(|&macs| macs > 0)
}

/// The peak of memory while the stage runs, in bytes.
pub(super) fn peak(network: Network<'_>, stage: usize) -> Option<u64> {
    network.memory.stages.get(stage).map(|stage| stage.peaks[0]).filter(|&bytes| bytes > 0)
}
