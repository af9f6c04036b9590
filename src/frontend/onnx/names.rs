//! Names of nodes, each once, and the blocks that paths of module names tell: `/stage2/block1/conv/Conv`.

use std::collections::HashMap;
use std::sync::Arc;

use crate::graph::{BlockId, Graph};

/// Blocks within each other that are told apart; what lies deeper belongs to the last one.
const DEEPEST: usize = 32;

/// The names given so far.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// How often each was asked for.
    taken: HashMap<Arc<str>, u32>,
    blocks: HashMap<String, BlockId>,
}

impl Names {
    /// A name that no node has: the given one, or with a number behind.
    pub(super) fn unique(&mut self, name: &str) -> Arc<str> {
        let mut candidate: Arc<str> = name.into();
        while let Some(count) = self.taken.get_mut(&candidate) {
            *count += 1;
            candidate = format!("{name}#{count}").into();
        }
        self.taken.insert(candidate.clone(), 1);
        candidate
    }

    /// Gives a name back.
    pub(super) fn release(&mut self, name: &str) {
        self.taken.remove(name);
    }

    /// Forgets the blocks from a number on.
    pub(super) fn forget_blocks(&mut self, from: usize) {
        self.blocks.retain(|_, block| (block.0 as usize) < from);
    }

    /// The block of a node: all of its path but the last part.
    pub(super) fn block(&mut self, graph: &mut Graph, path: &str) -> Option<BlockId> {
        let (modules, _) = path.rsplit_once('/')?;
        if let Some(&block) = self.blocks.get(modules) {
            return Some(block);
        }
        let mut parent = None;
        let mut name = String::new();
        for part in modules.split('/').filter(|part| !part.is_empty()).take(DEEPEST) {
            if !name.is_empty() {
                name.push('/');
            }
            name.push_str(part);
            let block = match self.blocks.get(&name) {
                Some(&block) => block,
                None => {
                    let block = graph.block(name.as_str().into(), parent);
                    self.blocks.insert(name.clone(), block);
                    block
                }
            };
            parent = Some(block);
        }
        if let Some(block) = parent {
            self.blocks.insert(modules.to_owned(), block);
        }
        parent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_blocks() {
        let (mut names, mut graph) = (Names::default(), Graph::default());
        let inner = names.block(&mut graph, "/stage2/block1/conv/Conv").unwrap();
        assert_eq!(&*graph.blocks()[inner.0 as usize].name, "stage2/block1/conv");
        let outer = names.block(&mut graph, "stage2/block1/Add").unwrap();
        assert_eq!(graph.blocks()[inner.0 as usize].parent, Some(outer));
        assert_eq!(names.block(&mut graph, "/stage2/block1/conv/Relu"), Some(inner));
        assert_eq!((names.block(&mut graph, "Conv_12"), names.block(&mut graph, "/Conv")), (None, None));
        assert_eq!(graph.blocks().len(), 3);
        names.block(&mut graph, &"a/".repeat(1000));
        assert_eq!(graph.blocks().len(), 3 + DEEPEST);
    }

    #[test]
    fn names_are_given_once() {
        let mut names = Names::default();
        let given = ["a", "a", "a#2", "a"].map(|name| names.unique(name).to_string());
        assert_eq!(given, ["a", "a#2", "a#2#2", "a#3"]);
        names.release("a#3");
        assert_eq!(&*names.unique("a#3"), "a#3");
    }
}
