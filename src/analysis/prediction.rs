//! How long a network will take on a device that was calibrated, before it runs there.
//!
//! `calibrate` measures many single nodes and writes them into the device file. From those of one kind a law is fitted
//! ([`crate::device::law`]); a node's time is its law at the node's [`Work`], and the network's is the sum, for nodes run
//! one after the other. A node of a kind that was not measured has no time: it is named, and the sum says "at least".

pub mod accuracy;
pub mod traced;
pub mod work;

use rustc_hash::FxHashMap;

use super::kernels::Kernels;
use super::memory::Layout;
use crate::device::latency::Latency;
use crate::device::work::Work;
use crate::graph::{Graph, NodeId};
use crate::ops::{Operator as _, Storage};
use crate::units::Overflow;
use work::Works;

/// A network's time on a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Nanoseconds of the forward pass; of what is known of it where `unknown` names nodes.
    pub nanoseconds: f64,
    /// By [`NodeId`]: nanoseconds; none of what does not run and of what is not known.
    pub nodes: Vec<Option<f64>>,
    /// Nodes of a kind or element type that was not calibrated.
    pub unknown: Vec<NodeId>,
    /// Nodes of a kind that was not calibrated, taken as the likest that was.
    pub likened: Vec<NodeId>,
    /// Nodes unlike any that was timed: their kind's law is stretched.
    pub stretched: Vec<NodeId>,
}

/// Predicts the time of a forward pass.
///
/// # Errors
/// Where there are 2³² tensors or more.
pub fn predict(graph: &Graph, kernels: &Kernels, latency: &Latency) -> Result<Prediction, Overflow> {
    let mut prediction = Prediction {
        nanoseconds: 0.0,
        nodes: vec![None; graph.len()],
        unknown: Vec::new(),
        likened: Vec::new(),
        stretched: Vec::new(),
    };
    // Networks repeat themselves.
    let mut known: FxHashMap<(usize, Work), (f64, bool)> = FxHashMap::default();
    let works = Works::new(graph);
    for id in running(graph)? {
        let (node, work) = (graph.node(id), works.of(id));
        let unit = latency.provenance.unit;
        let name = work.map(|work| works.kind(id, &work, kernels, unit));
        let own = name.as_ref().and_then(|name| latency.kind(name));
        let kind = own.or_else(|| latency.likest(name.as_ref()?));
        let of_type =
            node.outputs[0].dtype == latency.provenance.dtype || node.op.storage() == Storage::Alias;
        let (Some(kind), Some(work), true) = (kind, work, of_type) else {
            prediction.unknown.push(id);
            continue;
        };
        let law = || latency.kinds[kind].law.at(&work);
        let (nanoseconds, is_near) = *known.entry((kind, work)).or_insert_with(law);
        if !nanoseconds.is_finite() {
            prediction.unknown.push(id);
            continue;
        }
        prediction.nodes[id.index()] = Some(latency.whole * nanoseconds);
        prediction.nanoseconds += latency.whole * nanoseconds;
        if own.is_none() {
            prediction.likened.push(id);
        } else if !is_near {
            prediction.stretched.push(id);
        }
    }
    Ok(prediction)
}

/// The nodes that run for every image: neither inputs nor what follows from stored tensors alone.
///
/// # Errors
/// Where there are 2³² tensors or more.
pub fn running(graph: &Graph) -> Result<Vec<NodeId>, Overflow> {
    let layout = Layout::new(graph, |node| node.op.storage() == Storage::Alias)?;
    let runs =
        graph.nodes().filter(|(id, node)| !node.is_input() && layout.outputs(*id, node).next().is_some());
    Ok(runs.map(|(id, _)| id).collect())
}
