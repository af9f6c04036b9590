//! What channels that miss a multiple waste: kernels that work on 8 channels at a time take 12 for 16.
//!
//! Each convolution's input and output channels are rounded up to the multiple, in every group of their own where it has
//! groups of several channels; where a group reads one channel (depthwise), the groups are rounded up instead. The
//! channels of a graph input, an image's three, are left as they are: no width of the network changes them.

use crate::analysis::Analysis;
use crate::graph::Graph;
use crate::ops::{Channels, Family, Io, Operator};
use crate::units::Overflow;

/// What rounding up costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Padded {
    /// Convolutions whose channels miss the multiple.
    pub layers: u64,
    /// Multiply-accumulates at rounded channels, less those at the network's own.
    pub wasted_macs: u64,
}

/// Rounds all channels up. Linear in nodes.
///
/// # Errors
/// When the rounded counts do not fit in 64 bits.
pub fn padded(graph: &Graph, analysis: &Analysis, multiple: u64) -> Result<Padded, Overflow> {
    let mut total = Padded::default();
    for (id, node) in graph.nodes() {
        let (Family::Convolution, Some(first)) = (node.op.family(), node.inputs.first()) else { continue };
        let inputs = graph.input_types(node);
        let io = Io { inputs: &inputs, outputs: &node.outputs };
        let Channels::Weighted { groups } = node.op.channels(io, 0) else { continue };
        let groups = groups.max(1);
        let shape = Shape {
            groups,
            inputs: inputs[0].channels() / groups,
            outputs: node.outputs[0].channels() / groups,
        };
        let is_image = graph.node(first.node).op.name() == "input";
        let macs = analysis.nodes[id.index()].macs;
        let rounded = shape.macs(macs, &shape.rounded(multiple, is_image))?;
        if rounded > macs {
            total.layers += 1;
            total.wasted_macs = total.wasted_macs.checked_add(rounded - macs).ok_or(Overflow)?;
        }
    }
    Ok(total)
}

/// The channels of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    groups: u64,
    /// Of one group.
    inputs: u64,
    /// Of one group.
    outputs: u64,
}

impl Shape {
    fn rounded(&self, multiple: u64, is_image: bool) -> Self {
        let up = |channels: u64| channels.checked_next_multiple_of(multiple).unwrap_or(u64::MAX);
        if self.groups > 1 && self.inputs == 1 {
            return Self { groups: up(self.groups), ..*self };
        }
        let inputs = if is_image { self.inputs } else { up(self.inputs) };
        Self { inputs, outputs: up(self.outputs), ..*self }
    }

    /// Multiply-accumulates are proportional to groups, and in a group to both sides' channels.
    fn macs(&self, macs: u64, rounded: &Self) -> Result<u64, Overflow> {
        let mut result = u128::from(macs);
        for (from, to) in
            [(self.groups, rounded.groups), (self.inputs, rounded.inputs), (self.outputs, rounded.outputs)]
        {
            if from != to {
                result = (result / u128::from(from.max(1))).checked_mul(u128::from(to)).ok_or(Overflow)?;
            }
        }
        u64::try_from(result).map_err(|_| Overflow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wasted(groups: u64, inputs: u64, outputs: u64, multiple: u64, is_image: bool) -> u64 {
        let shape = Shape { groups, inputs, outputs };
        let macs = groups * inputs * outputs * 9 * 100;
        shape.macs(macs, &shape.rounded(multiple, is_image)).unwrap() - macs
    }

    #[test]
    fn channels_are_rounded_up() {
        assert_eq!(wasted(1, 16, 32, 8, false), 0);
        assert_eq!(wasted(1, 12, 30, 8, false), (16 * 32 - 12 * 30) * 900);
        // The image's three channels stay three.
        assert_eq!(wasted(1, 3, 64, 8, true), 0);
        assert_eq!(wasted(1, 3, 60, 8, true), 3 * 4 * 900);
        // 32 groups of 4 and 4 become 32 groups of 8 and 8.
        assert_eq!(wasted(32, 4, 4, 8, false), 32 * (64 - 16) * 900);
        // Depthwise: 30 channels become 32.
        assert_eq!(wasted(30, 1, 1, 8, false), 2 * 900);
        assert_eq!(wasted(32, 1, 1, 8, false), 0);
    }
}
