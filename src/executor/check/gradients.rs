//! The analysis of gradients, against gradients.
//!
//! Edges and path counts are those of a shadow of the network, whole numbers that run through the executor. Sources are
//! found in the network itself: what a weight layer stored is replaced, and the blocks of its gradient that change are
//! those that the analysis names. Copies are equal bit for bit.

mod colours;
mod copies;
mod paths;
mod shadow;
mod sources;
mod step;
mod ways;

use super::Comparison;
use crate::analysis::gradient::Gradient;
use crate::analysis::provenance::Refusal;
use crate::analysis::schedule::Schedule;
use crate::executor::run::{Network, RunFault};
use crate::measurement::{Check, Unit, Verdict};

use step::Step;

/// Multiply-accumulates that sources may take: some producers of a large network, all of a small one.
pub const PRODUCTS: u64 = 5_000_000_000;

/// Where there is too much to follow, nothing was predicted.
pub fn refused(why: Refusal) -> Check {
    let mut check = Comparison::new("gradients", "gradient paths and sources", Unit::Paths).exact();
    check.verdict = Verdict::Unchecked(why.to_string());
    check
}

/// Edges, path counts, sources and copies. `products` bounds the work on sources: multiply-accumulates.
///
/// # Errors
/// Where an op of the network does not run or the device fails.
pub fn check(
    network: &Network<'_>,
    gradient: &Gradient,
    schedule: &Schedule,
    seed: u64,
    products: u64,
) -> Result<Vec<Check>, RunFault> {
    let graph = network.graph;
    let mut is_layer = vec![false; graph.len()];
    gradient.h.layers().filter_map(|layer| gradient.h.node(layer)).for_each(|id| is_layer[id.index()] = true);
    let mut checks = paths::check(graph, gradient).to_vec();
    let step = Step::new(network, schedule, &is_layer, seed)?;
    checks.push(sources::check(network, gradient, schedule, &is_layer, &step, seed, products)?);
    checks.push(copies::check(network, &step.prints));
    Ok(checks)
}
