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

use super::Subject;
use crate::analysis::gradient::Gradient;
use crate::analysis::provenance::Refusal;
use crate::analysis::schedule::Schedule;
use crate::executor::run::{Network, RunFault};
use crate::measurement::{Check, Unit};

use step::Step;

/// The four checks, in their order.
pub const SUBJECTS: [Subject; 4] = [
    Subject::new(
        "gradient_edges",
        "ways from layer to layer without weights, by running one layer's channels after another",
        Unit::Pairs,
    ),
    Subject::new(
        "gradient_paths",
        "gradient paths to every layer, by running a network of ones",
        Unit::Paths,
    ),
    Subject::new(
        "gradient_sources",
        "weight gradients that change with one producer's stored features",
        Unit::Pairs,
    ),
    Subject::new(
        "gradient_copies",
        "copies among the gradients of operands and results of adds, bit for bit",
        Unit::Tensors,
    ),
];

/// Where there is too much to follow, nothing was predicted.
pub fn refused(why: Refusal) -> [Check; 4] {
    let why = why.to_string();
    SUBJECTS.map(|subject| subject.unchecked(&*why))
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
