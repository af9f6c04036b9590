//! Stages for networks whose file names none.

use super::{BlockId, Graph, NodeId, StageId};
use crate::ops::{Family, Op, Operator};
use crate::tensor::TensorType;

impl Graph {
    /// Divides a network without stages where its resolution changes.
    ///
    /// Walking weight layers, pools and resizes in order, a stage begins at each whose output has another height or
    /// width than its first input, that op included: `stage0`, `stage1`, …. The last global pool and all after it are
    /// `head`; a global pool that the map outlives (squeeze and excitation) changes nothing.
    pub fn find_stages(&mut self) {
        if !self.stages().is_empty() {
            return;
        }
        let ids: Vec<NodeId> = self.nodes().map(|(id, _)| id).collect();
        let has_map = |graph: &Self, id: NodeId| graph.node(id).outputs.iter().any(|output| area(output) > 1);
        let last_map = ids.iter().rposition(|&id| has_map(self, id));
        let mut stages: Vec<Option<u32>> = Vec::with_capacity(ids.len());
        // A change at the very first op begins the first stage, not the second.
        let (mut current, mut head, mut begun) = (0u32, false, false);
        for (position, &id) in ids.iter().enumerate() {
            let node = self.node(id);
            let family = node.op.family();
            if family == Family::Source {
                // A constant is of the stage that it stands in; the image is of none.
                let stage = if head { u32::MAX } else { current };
                stages.push((!node.is_input()).then_some(stage));
                continue;
            }
            let walked = matches!(family, Family::Convolution | Family::Linear | Family::Pooling)
                || matches!(*node.op, Op::Resize(_));
            if family == Family::GlobalPooling && last_map.is_none_or(|last| position > last) {
                head = true;
            } else if walked && !head && begun && changes_map(self, id) {
                current += 1;
            }
            begun = true;
            stages.push(Some(if head { u32::MAX } else { current }));
        }
        // Nothing is divided in a network of vectors.
        for (&id, stage) in ids.iter().zip(&stages) {
            let name = match stage {
                None => continue,
                Some(u32::MAX) => "head".to_owned(),
                Some(number) => format!("stage{number}"),
            };
            let stage: StageId = self.stage(&name);
            self.set_stage(id, stage);
        }
        self.name_stages();
    }

    /// Gives a stage of an ONNX file the name of the module that holds all of its nodes and no other's.
    fn name_stages(&mut self) {
        let mut common: Vec<Option<Option<BlockId>>> = vec![None; self.stages().len()];
        for (_, node) in self.nodes() {
            let (Some(stage), Some(_)) = (node.stage, node.origin.onnx_index) else { continue };
            let slot = &mut common[stage.0 as usize];
            *slot = Some(match *slot {
                None => node.block,
                Some(block) => self.around_both(block, node.block),
            });
        }
        // A module whose nodes lie in several stages names none.
        let mut owner: Vec<Option<StageId>> = vec![None; self.blocks().len()];
        let mut shared = vec![false; self.blocks().len()];
        for (_, node) in self.nodes() {
            let Some(stage) = node.stage else { continue };
            let mut block = node.block;
            while let Some(id) = block {
                let index = id.0 as usize;
                if *owner[index].get_or_insert(stage) == stage {
                    block = self.blocks()[index].parent;
                } else {
                    // What lies around is shared too, but only seen once from here on.
                    block = if std::mem::replace(&mut shared[index], true) {
                        None
                    } else {
                        self.blocks()[index].parent
                    };
                }
            }
        }
        for (index, block) in common.into_iter().enumerate() {
            let Some(Some(mut block)) = block else { continue };
            if shared[block.0 as usize] {
                continue;
            }
            // The outermost of the modules that hold the same nodes.
            while let Some(parent) =
                self.blocks()[block.0 as usize].parent.filter(|parent| !shared[parent.0 as usize])
            {
                block = parent;
            }
            let name = self.blocks()[block.0 as usize].name.to_string();
            // `stage3/block1` would be a part of a stage that is only numbered 3.
            let mut outer = name.match_indices('/').map(|(at, _)| &name[..at]);
            if !outer.any(|outer| self.stages().contains(outer)) {
                self.rename_stage(index, &name);
            }
        }
    }

    /// The innermost block that both are in.
    fn around_both(&self, one: Option<BlockId>, other: Option<BlockId>) -> Option<BlockId> {
        let around = |block: Option<BlockId>| {
            std::iter::successors(block, |block| self.blocks()[block.0 as usize].parent).collect::<Vec<_>>()
        };
        let others = around(other);
        around(one).into_iter().find(|block| others.contains(block))
    }
}

/// Height × width; 1 for a tensor without a map.
fn area(tensor: &TensorType) -> u64 {
    tensor.spatial().iter().product()
}

fn changes_map(graph: &Graph, id: NodeId) -> bool {
    let node = graph.node(id);
    let (Some(&input), Some(output)) = (node.inputs.first(), node.outputs.first()) else { return false };
    let input = graph.tensor(input);
    // Inside a squeeze, maps of one element stay so.
    input.spatial() != output.spatial() && !input.spatial().is_empty() && !output.spatial().is_empty()
}
