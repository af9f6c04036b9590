//! Stages as the language labels them: a stage is within another only where that is a stage itself.

use std::rc::Rc;

use indexmap::IndexMap;
use rustc_hash::FxHashSet;

use super::names::allowed;
use crate::graph::{Graph, Node};

/// By stage, the labels from the outermost to its own.
pub(super) struct Labels(Vec<Rc<[Rc<str>]>>);

impl Labels {
    pub(super) fn new(graph: &Graph) -> Self {
        let stages = graph.stages();
        let mut done: IndexMap<&str, Rc<[Rc<str>]>> = IndexMap::new();
        let mut taken: FxHashSet<Vec<Rc<str>>> = FxHashSet::default();
        // Outer ones first: their names are shorter.
        let mut names: Vec<&str> = stages.iter().map(String::as_str).collect();
        names.sort_by_key(|name| name.len());
        for name in names {
            let mut slashes = name.match_indices('/').rev().map(|(at, _)| at);
            let outer = slashes.find(|&at| done.contains_key(&name[..at]));
            let own = outer.map_or(name, |at| &name[at + 1..]);
            let around = outer.and_then(|at| done.get(&name[..at])).cloned().unwrap_or_default();
            // A module's path is known by its last part, if it is the only one of that.
            let short = allowed(own.rsplit('/').next().unwrap_or(own));
            let numbered = (2u32..).map(|number| format!("{short}_{number}"));
            let tries = [short.clone(), allowed(own)].into_iter().chain(numbered);
            let path =
                |label: String| -> Vec<Rc<str>> { around.iter().cloned().chain([label.into()]).collect() };
            if let Some(path) = tries.map(path).find(|path| taken.insert(path.clone())) {
                done.insert(name, path.into());
            }
        }
        Self(stages.iter().map(|name| done.get(name.as_str()).cloned().unwrap_or_default()).collect())
    }

    /// The labels of a node's stage; none without one.
    pub(super) fn of(&self, node: &Node) -> &[Rc<str>] {
        node.stage.and_then(|stage| self.0.get(stage.0 as usize)).map_or(&[], |labels| labels)
    }
}
