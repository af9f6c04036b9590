//! Where gradient flow is truncated: immediate post-dominators in H.
//!
//! u post-dominates v where all gradient paths of v pass u; the nearest such u is ipdom(v), and δ_v = Mᵀ δ_ipdom(v).
//! Producers with one ipdom receive images of the same δ: they are co-dominated. In a dense block all are (T, or U with
//! fusion first); in a CSP stage x_0″ and x_1 … x_k have T, and x_0′ and T have U: the flow is cut in two.
//!
//! H is acyclic and its vertices are in order, so one backward pass suffices: ipdom(v) is the nearest common ancestor
//! of v's readers in the tree built so far (Cooper, Harvey and Kennedy). O(|E| · steps to the common ancestor); both
//! walks of a step end at the block's exit. petgraph's `simple_fast` on reversed H is the tests' oracle.

use super::groups::ChannelGroups;

/// The tree of immediate post-dominators.
#[derive(Clone, Debug)]
pub struct PostDominators {
    parent: Vec<Option<u32>>,
    depth: Vec<u32>,
}

impl PostDominators {
    /// Of all nodes; a node that the loss does not depend on has none.
    pub fn new(groups: &ChannelGroups) -> Self {
        let count = groups.vertices.len();
        let mut tree = Self { parent: vec![None; count], depth: vec![0; count] };
        let loss = groups.groups.len() - 1;
        let mut reaches = vec![false; count];
        reaches[loss] = true;
        for node in groups.backwards() {
            let index = node as usize;
            if index == loss {
                continue;
            }
            let readers = groups.next[index].iter().copied().filter(|&next| reaches[next as usize]);
            let Some(ancestor) = readers.reduce(|a, b| tree.common(a, b)) else { continue };
            reaches[index] = true;
            tree.parent[index] = Some(ancestor);
            tree.depth[index] = tree.depth[ancestor as usize] + 1;
        }
        tree
    }

    /// The nearest common ancestor; the loss is the root.
    fn common(&self, mut a: u32, mut b: u32) -> u32 {
        while a != b {
            if self.depth[a as usize] < self.depth[b as usize] {
                std::mem::swap(&mut a, &mut b);
            }
            match self.parent[a as usize] {
                Some(parent) => a = parent,
                None => return a,
            }
        }
        a
    }

    /// The immediate post-dominator.
    pub fn of(&self, node: u32) -> Option<u32> {
        self.parent[node as usize]
    }

    /// How many post-dominators lie between a node and the loss, the loss counted: the truncation depth τ.
    pub fn depth(&self, node: u32) -> u32 {
        self.depth[node as usize]
    }
}
