//! Stored tensors: what was really allocated.

use super::Comparison;
use crate::executor::run::Network;
use crate::measurement::{Check, Unit};
use crate::units::{Overflow, sum};

/// Elements of the stored tensors, learned ones and buffers, node by node. Shared tensors count where they are stored.
///
/// # Errors
/// When a count does not fit in 64 bits.
pub fn check(network: &Network<'_>, analysis: &crate::analysis::Analysis) -> Result<Check, Overflow> {
    let what = "elements of stored tensors, allocated";
    let mut comparison = Comparison::new("parameters", what, Unit::Elements);
    for (id, node) in network.graph.nodes() {
        let listed = network.graph.stored(node, &network.graph.input_types(node));
        let own = listed.iter().filter(|one| !one.shared);
        let allocated = own.filter_map(|one| network.stored(id).find(one.weight.name));
        let measured = sum(allocated.map(|tensor| tensor.elem_count() as u64))?;
        let stored = &analysis.nodes[id.index()].stored;
        let predicted = sum([stored.learned()?, stored.buffers])?;
        if predicted > 0 || measured > 0 {
            comparison.compare(id, predicted, measured);
        }
    }
    Ok(comparison.exact())
}
