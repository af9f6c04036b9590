//! Which tensors are views of others while training, by the strides at which their elements lie in memory.
//!
//! What an op may view its op says ([`View`]). Whether a reshape can is a matter of strides: axes that are joined must
//! lie behind one another, so that a reshape of a transposed tensor is a copy. What is no view is contiguous: that
//! PyTorch's elementwise ops keep their input's order of axes is not followed.

use rustc_hash::FxHashMap;

use crate::graph::{Graph, Node, NodeId, Outlet};
use crate::ops::View;

use super::layout::outlet;

/// Which reshapes are views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reshapes {
    /// Wherever the strides allow it (PyTorch, `computeStride` in ATen).
    Strided,
    /// Of contiguous tensors, and where nothing but axes of size 1 come or go (candle).
    Contiguous,
}

/// The strides of tensors, in elements, node by node.
#[derive(Debug)]
pub struct Strides {
    rule: Reshapes,
    /// Of those that are not contiguous.
    of: FxHashMap<Outlet, Vec<u64>>,
}

impl Strides {
    /// Of no node yet.
    pub fn new(rule: Reshapes) -> Self {
        Self { rule, of: FxHashMap::default() }
    }

    /// Takes the next node, in the order of their numbers; whether its outputs are views of its first input.
    pub fn is_view(&mut self, graph: &Graph, id: NodeId, node: &Node, view: &View) -> bool {
        let Some(&input) = node.inputs.first() else { return false };
        let sizes = graph.tensor(input).shape.axes();
        let known = self.of.get(&input);
        match (view, known) {
            (View::Own, _) => return false,
            (View::Whole | View::Reshaped, None) => return true,
            _ => {}
        }
        let strides = known.cloned().unwrap_or_else(|| contiguous(sizes));
        for (port, output) in node.outputs.iter().enumerate() {
            let to = output.shape.axes();
            let viewed = match view {
                View::Own => None,
                View::Whole | View::Parts => Some(strides.clone()),
                &View::Stepped { axis, step } => {
                    let mut strides = strides.clone();
                    strides[axis] = strides[axis].saturating_mul(step);
                    Some(strides)
                }
                View::Permuted(order) => Some(order.iter().map(|&from| strides[from]).collect()),
                View::Expanded => Some(expanded(sizes, &strides, to)),
                View::Reshaped => match self.rule {
                    Reshapes::Contiguous
                        if !sizes.iter().filter(|&&n| n != 1).eq(to.iter().filter(|&&n| n != 1)) =>
                    {
                        None
                    }
                    _ => reshaped(sizes, &strides, to),
                },
            };
            match viewed {
                None => return false,
                Some(strides) if is_contiguous(to, &strides) => {}
                Some(strides) => {
                    self.of.insert(outlet(id, port), strides);
                }
            }
        }
        true
    }

    /// Whether a tensor's elements do not fill its memory in order.
    pub fn has_gaps(&self, outlet: Outlet) -> bool {
        self.of.contains_key(&outlet)
    }
}

/// The strides of a tensor that fills its memory in order.
fn contiguous(sizes: &[u64]) -> Vec<u64> {
    let mut strides = Vec::with_capacity(sizes.len());
    let mut step = 1u64;
    for &size in sizes.iter().rev() {
        strides.push(step);
        step = step.saturating_mul(size);
    }
    strides.reverse();
    strides
}

/// An axis of size 1 is never stepped along.
fn is_contiguous(sizes: &[u64], strides: &[u64]) -> bool {
    let wanted = contiguous(sizes);
    sizes.iter().zip(strides).zip(wanted).all(|((&size, &stride), wanted)| size == 1 || stride == wanted)
}

/// What is repeated steps nowhere; axes are aligned from the last.
fn expanded(sizes: &[u64], strides: &[u64], to: &[u64]) -> Vec<u64> {
    let new = to.len() - sizes.len();
    let old = sizes.iter().zip(strides).zip(&to[new..]);
    let old = old.map(|((&size, &stride), &grown)| if size == grown { stride } else { 0 });
    std::iter::repeat_n(0, new).chain(old).collect()
}

/// The strides of the same elements under another shape; `None` where no strides reach them.
fn reshaped(sizes: &[u64], strides: &[u64], to: &[u64]) -> Option<Vec<u64>> {
    // Runs of axes that are stepped through as one: elements and the step of the last axis.
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for (&size, &stride) in sizes.iter().zip(strides).rev().filter(|&(&size, _)| size != 1) {
        match runs.last_mut() {
            Some((elements, step)) if elements.checked_mul(*step) == Some(stride) => {
                *elements = elements.saturating_mul(size);
            }
            _ => runs.push((size, stride)),
        }
    }
    let mut runs = runs.into_iter();
    let (mut left, mut step) = runs.next().unwrap_or((1, 1));
    let mut found = Vec::with_capacity(to.len());
    for &size in to.iter().rev() {
        if size != 1 && left == 1 {
            (left, step) = runs.next()?;
        }
        if size == 0 || left % size != 0 {
            return None;
        }
        found.push(step);
        left /= size;
        step = step.saturating_mul(size);
    }
    found.reverse();
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Sink;
    use crate::frontend::{LoadOptions, load_bytes};
    use crate::ops::{Io, Operator};
    use crate::source::SourceMap;

    /// The layers that are views.
    fn viewed(layers: &str, rule: Reshapes) -> Vec<String> {
        let text = format!(r#"{{"inputs": {{"x": [4, 3, 5]}}, "layers": [{layers}]}}"#);
        let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
        let options = LoadOptions { batch: Some(2), ..LoadOptions::default() };
        let loaded = load_bytes("n.json", "n", text.into_bytes(), &options, &mut sources, &mut sink);
        let graph = loaded.unwrap_or_else(|| panic!("{:?}", sink.diagnostics())).graph;
        let mut strides = Strides::new(rule);
        let mut found = Vec::new();
        for (id, node) in graph.nodes() {
            let io = Io { inputs: &graph.input_types(node), outputs: &node.outputs };
            if strides.is_view(&graph, id, node, &node.op.backward(io).unwrap().view) {
                found.push(node.name.to_string());
            }
        }
        found
    }

    #[test]
    fn a_shuffle_of_channels_is_one_copy() {
        let shuffle = r#"{"op": "reshape", "shape": [0, 2, 2, 3, 5], "name": "groups"},
            {"op": "transpose", "permutation": [0, 2, 1, 3, 4], "name": "turned"},
            {"op": "reshape", "shape": [0, 4, 3, 5], "name": "shuffled"},
            {"op": "relu"}, {"op": "flatten", "name": "row"}"#;
        for rule in [Reshapes::Strided, Reshapes::Contiguous] {
            assert_eq!(viewed(shuffle, rule), ["groups", "turned", "row"]);
        }
    }

    #[test]
    fn candle_joins_no_axes_of_a_part() {
        let part = r#"{"op": "slice", "start": 1, "step": 2, "name": "odd"},
            {"op": "flatten", "axis": 2, "name": "maps", "inputs": "odd"},
            {"op": "unsqueeze", "axes": [2], "name": "longer", "inputs": "odd"},
            {"op": "flatten", "name": "row", "inputs": "odd"},
            {"op": "split", "axis": 3, "parts": 3, "inputs": "longer", "name": "rows"}"#;
        assert_eq!(viewed(part, Reshapes::Strided), ["odd", "maps", "longer", "rows"]);
        assert_eq!(viewed(part, Reshapes::Contiguous), ["odd", "longer", "rows"]);
    }

    /// `torch.empty(…).as_strided(sizes, strides).view(to).stride()` says the same.
    #[test]
    fn reshapes_step_as_pytorch_does() {
        let ok = |strides: &[u64]| Some(strides.to_vec());
        // Every second of 6 channels: its rows and columns can be joined, its channels cannot be joined to them.
        let half: (&[u64], &[u64]) = (&[2, 3, 4, 5], &[120, 40, 5, 1]);
        assert_eq!(reshaped(half.0, half.1, &[2, 3, 20]), ok(&[120, 40, 1]));
        assert_eq!(reshaped(half.0, half.1, &[6, 20]), ok(&[40, 1]));
        assert_eq!(reshaped(half.0, half.1, &[2, 60]), None);
        assert_eq!(reshaped(half.0, half.1, &[2, 3, 2, 2, 5]), ok(&[120, 40, 10, 5, 1]));
        // Transposed.
        assert_eq!(reshaped(&[3, 2], &[1, 3], &[6]), None);
        assert_eq!(reshaped(&[3, 2], &[1, 3], &[3, 1, 2]), ok(&[1, 6, 3]));
        assert_eq!(reshaped(&[4, 2], &[1, 4], &[2, 2, 2]), ok(&[2, 1, 4]));
        // Repeated.
        assert_eq!(reshaped(&[2, 3], &[0, 1], &[6]), None);
        assert_eq!(reshaped(&[2, 3, 4], &[4, 0, 1], &[2, 12]), None);
        assert_eq!(reshaped(&[2, 2, 3], &[0, 0, 1], &[4, 3]), ok(&[0, 1]));
        assert_eq!(reshaped(&[1], &[7], &[]), ok(&[]));
    }

    #[test]
    fn what_has_one_index_has_no_gaps() {
        assert!(is_contiguous(&[1, 3, 4], &[99, 4, 1]));
        assert!(!is_contiguous(&[2, 3, 4], &[24, 4, 1]));
        assert!(is_contiguous(&[], &[]));
        assert_eq!(expanded(&[3, 1], &[1, 1], &[2, 3, 4]), [0, 1, 0]);
    }
}
