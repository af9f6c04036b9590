//! The roofline: a lower bound of time from a device's peaks (Williams et al. 2009).
//!
//! A kernel that computes F operations and moves B bytes takes at least `max(F / peak, B / bandwidth)`; it is bound by
//! whichever is larger. Bytes are those of `traffic_bytes.fused`. With a cache, a tensor costs no bytes where the
//! bytes alive at once, from its writing to its last reading, never pass the cache's size.
//!
//! O(n log n) in nodes and edges, for the largest bytes alive in an interval.

use super::kernels::Kernels;
use super::{NodeCost, Traffic};
use crate::device::Device;
use crate::graph::{Graph, Node, NodeId};
use crate::ops::{Family, Operator, Storage};
use crate::tensor::DType;

/// What bounds a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Arithmetic.
    Compute,
    /// Memory.
    Memory,
    /// It does nothing.
    Nothing,
}

/// One kernel on a device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The node that the kernel begins with.
    pub node: NodeId,
    /// Operations of all its nodes.
    pub flops: u64,
    /// Bytes that it moves, tensors in the cache left out.
    pub bytes: u64,
    /// Seconds at least.
    pub seconds: f64,
    /// What bounds it.
    pub bound: Bound,
}

/// A network on a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Roofline {
    /// Every kernel that does something, in order.
    pub points: Vec<Point>,
    /// Seconds at least, one kernel after the other.
    pub seconds: f64,
    /// Seconds of those that arithmetic bounds.
    pub compute_seconds: f64,
    /// Bytes that the cache saved.
    pub cached_bytes: u64,
    /// By node, seconds at least where it runs by itself: its own operations, and its part of its kernel's bytes.
    pub nodes: Vec<f64>,
}

/// Why there is no roofline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPeak(
    /// The element type that the device has no peak for.
    pub DType,
);

/// Draws the roofline.
///
/// # Errors
/// [`NoPeak`] where a kernel computes in an element type that the device file has no figure for.
pub fn roofline(
    graph: &Graph,
    nodes: &[NodeCost],
    traffic: &[Traffic],
    kernels: &Kernels,
    device: &Device,
) -> Result<Roofline, NoPeak> {
    let saved = device.cache.map_or_else(Vec::new, |cache| saved_by_cache(graph, kernels, cache));
    let mut flops = vec![0u64; graph.len()];
    let mut bytes = vec![0u64; graph.len()];
    let mut cached_bytes = 0u64;
    let mut alone = Vec::with_capacity(graph.len());
    for (id, node) in graph.nodes() {
        let (index, kernel) = (id.index(), kernels.kernel[id.index()].index());
        let saved = saved.get(index).copied().unwrap_or(0).min(traffic[index].fused);
        flops[kernel] = flops[kernel].saturating_add(nodes[index].flops);
        bytes[kernel] = bytes[kernel].saturating_add(traffic[index].fused - saved);
        cached_bytes = cached_bytes.saturating_add(saved);
        let peak = device.peak(node.outputs[0].dtype);
        let compute = peak.map_or(0.0, |peak| to_f64(nodes[index].flops) / peak);
        alone.push(compute.max(to_f64(traffic[index].fused - saved) / device.bandwidth));
    }
    let mut result =
        Roofline { points: Vec::new(), seconds: 0.0, compute_seconds: 0.0, cached_bytes, nodes: alone };
    for (id, node) in graph.nodes() {
        let (flops, bytes) = (flops[id.index()], bytes[id.index()]);
        if flops == 0 && bytes == 0 && saved.get(id.index()).is_none_or(|&saved| saved == 0) {
            continue;
        }
        let dtype = node.outputs[0].dtype;
        let compute = match (flops, device.peak(dtype)) {
            (0, _) => 0.0,
            (flops, Some(peak)) => to_f64(flops) / peak,
            (_, None) => return Err(NoPeak(dtype)),
        };
        let memory = to_f64(bytes) / device.bandwidth;
        let bound = if flops == 0 && bytes == 0 {
            Bound::Nothing
        } else if compute >= memory {
            Bound::Compute
        } else {
            Bound::Memory
        };
        let seconds = compute.max(memory);
        result.seconds += seconds;
        if bound == Bound::Compute {
            result.compute_seconds += seconds;
        }
        result.points.push(Point { node: id, flops, bytes, seconds, bound });
    }
    Ok(result)
}

#[expect(clippy::cast_precision_loss, reason = "times are approximate by nature")]
fn to_f64(count: u64) -> f64 {
    count as f64
}

/// By node, the bytes of `fused` that never leave the cache: what it writes and what it reads.
fn saved_by_cache(graph: &Graph, kernels: &Kernels, cache: u64) -> Vec<u64> {
    let count = graph.len();
    let mut last_read = vec![None; count];
    for (id, node) in graph.nodes() {
        for outlet in &node.inputs {
            last_read[outlet.node.index()] = Some(id.index());
        }
    }
    for outlet in &graph.outputs {
        // What the network gives must reach memory.
        last_read[outlet.node.index()] = None;
    }
    let moved = |index: usize, node: &Node| {
        let in_memory = !kernels.inner[index]
            && node.op.family() != Family::Source
            && matches!(node.op.storage(), Storage::New | Storage::Overwrites);
        if in_memory {
            node.outputs.iter().map(|output| output.bytes().get()).fold(0u64, u64::saturating_add)
        } else {
            0
        }
    };
    // Bytes alive after each step, by differences.
    let mut change = vec![0i128; count + 1];
    for (id, node) in graph.nodes() {
        let bytes = i128::from(moved(id.index(), node));
        change[id.index()] += bytes;
        let end = last_read[id.index()].unwrap_or(count - 1);
        change[end + 1] -= bytes;
    }
    let mut alive = Vec::with_capacity(count);
    let mut now = 0i128;
    for step in &change[..count] {
        now += step;
        alive.push(u64::try_from(now).unwrap_or(u64::MAX));
    }
    let largest = Largest::new(&alive);
    let mut saved = vec![0u64; count];
    for (id, node) in graph.nodes() {
        let Some(end) = last_read[id.index()] else { continue };
        let bytes = moved(id.index(), node);
        if bytes == 0 || largest.over(id.index(), end) > cache {
            continue;
        }
        saved[id.index()] = saved[id.index()].saturating_add(bytes);
        for reader in graph.readers(id) {
            saved[reader.index()] = saved[reader.index()].saturating_add(bytes);
        }
    }
    saved
}

/// The largest value of any interval, by a tree of maxima.
struct Largest {
    tree: Vec<u64>,
    leaves: usize,
}

impl Largest {
    fn new(values: &[u64]) -> Self {
        let leaves = values.len().next_power_of_two();
        let mut tree = vec![0; 2 * leaves];
        tree[leaves..leaves + values.len()].copy_from_slice(values);
        for node in (1..leaves).rev() {
            tree[node] = tree[2 * node].max(tree[2 * node + 1]);
        }
        Self { tree, leaves }
    }

    /// The largest from `start` to `end`, both included.
    fn over(&self, start: usize, end: usize) -> u64 {
        let (mut low, mut high) = (start + self.leaves, end + 1 + self.leaves);
        let mut largest = 0;
        while low < high {
            if low % 2 == 1 {
                largest = largest.max(self.tree[low]);
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                largest = largest.max(self.tree[high]);
            }
            low /= 2;
            high /= 2;
        }
        largest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_of_an_interval() {
        let largest = Largest::new(&[3, 1, 4, 1, 5, 9, 2]);
        assert_eq!(
            (largest.over(0, 0), largest.over(1, 3), largest.over(2, 6), largest.over(6, 6)),
            (3, 4, 9, 2)
        );
    }
}
