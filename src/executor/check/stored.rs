//! Stored tensors: what ops really read.
//!
//! The analysis has its sums from what ops say that they store. Here the network runs, and what counts is the tensors
//! that ops asked for while it ran, each piece of memory once: one that is stored and not read is off, and so is one
//! that is told twice.

use candle_core::Tensor;
use rustc_hash::FxHashSet;

use crate::analysis::Analysis;
use crate::analysis::schedule::Schedule;
use crate::executor::accumulate::memory;
use crate::executor::run::{Network, RunFault};
use crate::graph::{Graph, Node};
use crate::measurement::{Check, Verdict};
use crate::ops::Operator;
use crate::ops::execute::{Fault, Mode};
use crate::units::sum;

/// What a file says of one stored tensor of a node's op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listed {
    /// The node stores it.
    Own,
    /// Another does.
    Shared,
    /// Nothing: its values are computed.
    Not,
}

/// Where the file itself lists what a node stores: by name, in the order of those for the same, or in that of all. A
/// file's own word for what a tensor is for need not be the op's: the bias of a linear layer in a constant.
fn listed(graph: &Graph, node: &Node, name: &str) -> Option<Listed> {
    let listed = node.given.as_ref()?.stored.as_ref()?;
    let weights = node.op.weights(&graph.input_types(node));
    let role = weights.iter().find(|weight| weight.name == name).map(|weight| weight.role)?;
    let place = weights.iter().filter(|weight| weight.role == role).position(|weight| weight.name == name)?;
    let named = listed.iter().find(|one| one.weight.name == name);
    let one =
        named.or_else(|| listed.iter().filter(|one| one.weight.role == role).nth(place)).or_else(|| {
            let place = weights.iter().position(|weight| weight.name == name)?;
            if weights.len() == listed.len() { listed.get(place) } else { None }
        });
    Some(match one {
        Some(one) if one.shared => Listed::Shared,
        Some(_) => Listed::Own,
        None => Listed::Not,
    })
}

/// Elements of the stored tensors that ops read in a forward pass, learned ones and buffers, node by node.
///
/// What shares memory counts where it is stored.
///
/// # Errors
/// Where an op does not run, the device fails, or a count does not fit in 64 bits.
pub fn check(
    network: &Network<'_>,
    analysis: &Analysis,
    schedule: &Schedule,
    inputs: &mut dyn FnMut() -> Result<Vec<Tensor>, Fault>,
) -> Result<Check, RunFault> {
    let graph = network.graph;
    // What depends on no input has run already, when the network was made.
    graph
        .nodes()
        .filter(|(id, _)| network.runs(*id, Mode::Evaluate))
        .for_each(|(id, _)| network.stored(id).forget());
    network.evaluate(schedule, inputs()?, &mut ())?;
    let mut comparison = super::PARAMETERS.comparison();
    let (mut found, mut unread): (FxHashSet<usize>, Vec<String>) = Default::default();
    for (id, node) in graph.nodes() {
        let mut measured = 0u64;
        for (name, tensor, is_read) in network.stored(id).reads() {
            if !is_read {
                unread.push(format!("`{name}` of `{}`", node.name));
                continue;
            }
            let counts = match listed(graph, node, name) {
                // A file may lay out one tensor in several ways.
                Some(listed) => listed == Listed::Own,
                None => !found.contains(&memory(tensor)),
            };
            if counts {
                found.insert(memory(tensor));
                measured = sum([measured, tensor.elem_count() as u64])?;
            }
        }
        let stored = &analysis.nodes[id.index()].stored;
        let predicted = sum([stored.learned()?, stored.buffers])?;
        if predicted > 0 || measured > 0 {
            comparison.compare(id, predicted, measured);
        }
    }
    if let Some(first) = unread.first() {
        comparison.notes.push(format!("{} are stored and not read, the first is {first}", unread.len()));
    }
    let total = &analysis.total.stored;
    let total = sum([total.learned()?, total.buffers])?;
    let mut check = comparison.exact();
    if check.measured != Some(total) && check.compared > 0 {
        check.verdict = Verdict::Off;
    }
    check.predicted = Some(total);
    Ok(check)
}
