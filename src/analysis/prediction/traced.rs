//! From a library's profile of a model to samples of nodes.
//!
//! A library runs several nodes as one kernel and names it after the last of them, or after what that makes:
//! `/layer1/relu/Relu_output_0_nchwc` is a convolution, its batch norm and its ReLU. So nodes that no kernel is named after
//! run in that of the next node which reads them, and its time is that of the one among them with most
//! multiply-accumulates; the others take none. Kernels that are named after no node, such as changes of layout, are
//! counted to the next kernel that is, or at the end to the last.

use rustc_hash::FxHashMap;

use super::running;
use super::work::Works;
use crate::analysis::kernels::Kernels;
use crate::device::latency::{Sample, Unit};
use crate::graph::{Graph, NodeId};
use crate::units::Overflow;

/// A kernel of a profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kernel<'a> {
    /// What it is called.
    pub name: &'a str,
    /// How long it took.
    pub nanoseconds: f64,
}

/// A network's nodes with what they took.
#[derive(Clone, Debug, PartialEq)]
pub struct Traced {
    /// Each with the name of its kind.
    pub samples: Vec<(String, Sample)>,
    /// By kernel, the node that it is named after.
    pub nodes: Vec<Option<NodeId>>,
}

/// What a library adds to a node's name to name what the node makes.
const ADDED: [&str; 6] = ["nchwc", "bn", "output", "fused", "token", "transformed"];

/// Longer names are none of a node's.
const LONGEST: usize = 4096;

/// Nanoseconds that a kernel takes at least: profiles count whole microseconds, and 0 is for what has no kernel.
const LEAST: f64 = 500.0;

/// The node that a kernel is named after.
fn named(name: &str, nodes: &FxHashMap<&str, NodeId>) -> Option<NodeId> {
    if name.len() > LONGEST {
        return None;
    }
    let mut rest = name;
    loop {
        if let Some(&id) = nodes.get(rest) {
            return Some(id);
        }
        // `/act/Mul/QuickGeluFusion/`: what is fused is named after the last of it, and the pass that did it.
        let (path, last) = rest.rsplit_once('/').unwrap_or(("", rest));
        if !path.is_empty() && (last.is_empty() || last.ends_with("Fusion")) {
            rest = path;
            continue;
        }
        let (before, part) = rest.rsplit_once('_')?;
        if !ADDED.contains(&part) && !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        rest = before;
    }
}

/// Takes the kernels of one run apart into nodes.
///
/// # Errors
/// Where there are 2³² tensors or more.
pub fn traced(graph: &Graph, kernels: &Kernels, run: &[Kernel<'_>]) -> Result<Traced, Overflow> {
    let (runs, works) = (running(graph)?, Works::new(graph));
    let names = runs.iter().filter_map(|&id| Some((graph.node(id).origin.onnx_name.as_deref()?, id)));
    let names: FxHashMap<&str, NodeId> = names.collect();
    let nodes: Vec<Option<NodeId>> = run.iter().map(|kernel| named(kernel.name, &names)).collect();
    let mut times: Vec<Option<f64>> = vec![None; graph.len()];
    let (mut waiting, mut last) = (0.0, None);
    for (kernel, node) in run.iter().zip(&nodes) {
        waiting += kernel.nanoseconds;
        if let Some(id) = node {
            *times[id.index()].get_or_insert(0.0) += std::mem::take(&mut waiting);
            last = Some(id.index());
        }
    }
    if let Some(time) = last.and_then(|last| times[last].as_mut()) {
        *time += waiting;
    }
    // By node, the one whose kernel it runs in: its own, or that of the next which reads it.
    let mut within: Vec<Option<NodeId>> = vec![None; graph.len()];
    for &id in runs.iter().rev() {
        within[id.index()] = match times[id.index()] {
            Some(_) => Some(id),
            None => graph.readers(id).filter_map(|reader| within[reader.index()]).min(),
        };
    }
    let mut heaviest: FxHashMap<NodeId, (u64, NodeId)> = FxHashMap::default();
    for &id in &runs {
        let (Some(kernel), Some(work)) = (within[id.index()], works.of(id)) else { continue };
        let best = heaviest.entry(kernel).or_insert((work.macs, id));
        if work.macs > best.0 {
            *best = (work.macs, id);
        }
    }
    let sample = |&id: &NodeId| {
        let kernel = within[id.index()]?;
        let work = works.of(id)?;
        let is_heaviest = heaviest.get(&kernel).is_some_and(|&(_, heaviest)| heaviest == id);
        let nanoseconds = if is_heaviest { times[kernel.index()]?.max(LEAST) } else { 0.0 };
        Some((works.kind(id, &work, kernels, Unit::Kernel), Sample { work, nanoseconds }))
    };
    Ok(Traced { samples: runs.iter().filter_map(sample).collect(), nodes })
}
