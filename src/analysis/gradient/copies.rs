//! Copy classes: tensors whose gradients are equal bit by bit.
//!
//! An add hands its gradient on unchanged to every operand; a concat cuts it into parts that do not meet. So residual
//! networks copy gradients, dense ones never do, although CSPNet calls theirs duplicate (PRN and ELAN: "same timestamp
//! but different sources"). An operand belongs to its sum's class where the sum alone reads it and nothing is broadcast:
//! else its gradient is a sum itself.
//!
//! A class is of additions alone: what else passes a gradient on unchanged (dropout in evaluation, a ReLU of what is
//! above 0) is the numbers' doing, and joins no classes.
//!
//! R_copy = 1 − classes / tensors over the operands and results of adds; 0 without adds. O(V α(V)).

use crate::graph::{Graph, Node, Outlet};
use crate::ops::{Family, Io, Kept, Kind, Operator};

/// Classes of equal gradients among the tensors around adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// Operands and results of adds.
    pub tensors: u64,
    /// Classes of them: additions give all members of one the same gradient.
    pub classes: u64,
}

impl Copies {
    /// Counts the classes.
    pub fn new(graph: &Graph) -> Self {
        let classes = classes(graph);
        let tensors = classes.iter().map(|class| class.len() as u64).sum();
        Self { tensors, classes: classes.len() as u64 }
    }

    /// The share of tensors whose gradient is a copy.
    pub fn ratio(&self) -> f64 {
        if self.tensors == 0 {
            return 0.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "a ratio is approximate by nature")]
        let ratio = 1.0 - self.classes as f64 / self.tensors as f64;
        ratio
    }
}

/// The operands and results of adds, those of equal gradients together. In the order of their first members.
pub fn classes(graph: &Graph) -> Vec<Vec<Outlet>> {
    let mut outlets = Vec::new();
    let mut starts = Vec::with_capacity(graph.len());
    for (id, node) in graph.nodes() {
        starts.push(outlets.len());
        outlets.extend((0u32..).take(node.outputs.len()).map(|port| Outlet { node: id, port }));
    }
    let index = |outlet: Outlet| starts[outlet.node.index()] + outlet.port as usize;
    let mut readers = vec![0u32; outlets.len()];
    for outlet in graph.nodes().flat_map(|(_, node)| &node.inputs).chain(&graph.outputs) {
        let uses = &mut readers[index(*outlet)];
        *uses = uses.saturating_add(1);
    }
    let mut classes = Classes((0..outlets.len()).collect());
    let mut member = vec![false; outlets.len()];
    for (id, node) in graph.nodes().filter(|(_, node)| is_add(graph, node)) {
        let sum = Outlet { node: id, port: 0 };
        member[index(sum)] = true;
        for &operand in &node.inputs {
            member[index(operand)] = true;
            if readers[index(operand)] == 1 && graph.tensor(operand).shape == graph.tensor(sum).shape {
                classes.join(index(operand), index(sum));
            }
        }
    }
    // A root is the least of its class, so it comes first.
    let mut places = vec![0; outlets.len()];
    let mut found: Vec<Vec<Outlet>> = Vec::new();
    for (tensor, &outlet) in outlets.iter().enumerate().filter(|(tensor, _)| member[*tensor]) {
        let root = classes.root(tensor);
        if root == tensor {
            places[tensor] = found.len();
            found.push(Vec::new());
        }
        found[places[root]].push(outlet);
    }
    found
}

/// Whether an op adds its inputs and does nothing else: its backward pass needs nothing.
fn is_add(graph: &Graph, node: &Node) -> bool {
    if node.op.family() != Family::Arithmetic || node.inputs.len() < 2 {
        return false;
    }
    let types = graph.input_types(node);
    let io = Io { inputs: &types, outputs: &node.outputs };
    let only_adds = node.op.cost(io).is_ok_and(|cost| {
        cost.macs == 0
            && cost.elementary.iter().all(|(kind, count)| count == 0 || kind == Kind::Add)
            && cost.elementary.get(Kind::Add) > 0
    });
    only_adds && node.op.backward(io).is_ok_and(|backward| backward.minimal == Kept::NOTHING)
}

/// Union-find; the root is the least member.
struct Classes(Vec<usize>);

impl Classes {
    fn root(&mut self, mut tensor: usize) -> usize {
        while self.0[tensor] != tensor {
            self.0[tensor] = self.0[self.0[tensor]];
            tensor = self.0[tensor];
        }
        tensor
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}
