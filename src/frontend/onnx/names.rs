//! Names of nodes, each once, and the blocks that paths of module names tell: `/stage2/block1/conv/Conv`.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::budget::Budget;
use super::call::Stop;
use crate::graph::{BlockId, Graph};

/// Blocks within each other that are told apart; what lies deeper belongs to the last one.
const DEEPEST: usize = 32;

/// The names given so far.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// How often each was asked for.
    taken: HashMap<Arc<str>, u32>,
    /// By path, in the order in which they were met.
    blocks: IndexMap<Box<str>, BlockId>,
}

impl Names {
    /// A name that no node has: the given one, or with a number behind.
    pub(super) fn unique(&mut self, name: &str) -> Arc<str> {
        let given: Arc<str> = name.into();
        let Some(count) = self.taken.insert(given.clone(), 1) else { return given };
        // Only this name's count grows, so that no number is tried twice.
        let mut count = count;
        loop {
            count += 1;
            let numbered: Arc<str> = format!("{name}#{count}").into();
            if !self.taken.contains_key(&numbered) {
                self.taken.insert(given, count);
                self.taken.insert(numbered.clone(), 1);
                return numbered;
            }
        }
    }

    /// Gives a name back.
    pub(super) fn release(&mut self, name: &str) {
        self.taken.remove(name);
    }

    /// How many paths are known to be blocks.
    pub(super) fn paths(&self) -> usize {
        self.blocks.len()
    }

    /// Forgets the latest of them.
    pub(super) fn forget_paths(&mut self, from: usize) {
        self.blocks.truncate(from);
    }

    /// The block of a node: all of its path but the last part.
    pub(super) fn block(
        &mut self,
        graph: &mut Graph,
        path: &str,
        budget: &mut Budget,
    ) -> Result<Option<BlockId>, Stop> {
        let Some((modules, _)) = path.rsplit_once('/') else { return Ok(None) };
        // Nodes of a module stand together.
        if let Some((last, &block)) = self.blocks.last()
            && **last == *modules
        {
            return Ok(Some(block));
        }
        if let Some(&block) = self.blocks.get(modules) {
            return Ok(Some(block));
        }
        let mut name = String::with_capacity(modules.len());
        let mut ends = Vec::new();
        for part in modules.split('/').filter(|part| !part.is_empty()).take(DEEPEST) {
            if !name.is_empty() {
                name.push('/');
            }
            name.push_str(part);
            ends.push(name.len());
        }
        // The modules around it are mostly known.
        let known = (1..=ends.len()).rev().find_map(|count| {
            let block = self.blocks.get(&name[..ends[count - 1]])?;
            Some((count, *block))
        });
        let (count, mut parent) = known.map_or((0, None), |(count, block)| (count, Some(block)));
        for end in &ends[count..] {
            budget.name(*end)?;
            let block = graph.block(name[..*end].into(), parent);
            self.blocks.insert(name[..*end].into(), block);
            parent = Some(block);
        }
        if let Some(block) = parent
            && *modules != *name
        {
            budget.name(modules.len())?;
            self.blocks.insert(modules.into(), block);
        }
        Ok(parent)
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::Model;
    use super::*;

    #[test]
    fn paths_are_blocks() {
        let (mut names, mut graph) = (Names::default(), Graph::default());
        let mut budget = Budget::new(&Model::default());
        let mut block = |path: &str, graph: &mut Graph| names.block(graph, path, &mut budget).unwrap();
        let inner = block("/stage2/block1/conv/Conv", &mut graph).unwrap();
        assert_eq!(&*graph.blocks()[inner.0 as usize].name, "stage2/block1/conv");
        let outer = block("stage2/block1/Add", &mut graph).unwrap();
        assert_eq!(graph.blocks()[inner.0 as usize].parent, Some(outer));
        assert_eq!(block("/stage2/block1/conv/Relu", &mut graph), Some(inner));
        assert_eq!((block("Conv_12", &mut graph), block("/Conv", &mut graph)), (None, None));
        assert_eq!(graph.blocks().len(), 3);
        block(&"a/".repeat(1000), &mut graph);
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
