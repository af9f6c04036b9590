//! Scopes that a network has already: its stages, and the paths that its nodes' names are.

use std::rc::Rc;

use super::tree::{Forest, Item};

/// Names of more parts than this end in one part.
const MOST_PARTS: usize = 24;

struct Builder<'f, 'g> {
    forest: &'f mut Forest<'g>,
    named: bool,
}

/// All layers in their stages and, where names count, in the scopes that their names are paths of.
pub(super) fn build(forest: &mut Forest<'_>, named: bool) -> Vec<Item> {
    let (start, end) = (forest.inputs, super::tree::as_u32(forest.order.len()));
    Builder { forest, named }.range(start, end, 0, 0)
}

impl<'g> Builder<'_, 'g> {
    /// The part of a node's name at a depth, and whether it is the last.
    fn part(&self, place: u32, depth: usize) -> (&'g str, bool) {
        let name: &'g str = &self.forest.node(place).name;
        let mut parts = name.split('/').filter(|part| !part.is_empty());
        let part = parts.nth(depth).unwrap_or(name);
        (part, parts.next().is_none() || depth >= MOST_PARTS)
    }

    /// The scope of a node at a depth.
    fn scope_name(&self, place: u32, depth: usize) -> Option<&'g str> {
        let (part, is_last) = self.part(place, depth);
        (self.named && !is_last).then_some(part)
    }

    /// The label of a node's stage at a depth.
    fn label(&self, place: u32, depth: usize) -> Option<&'g str> {
        let stage = self.forest.node(place).stage?;
        let name: &'g str = self.forest.graph.stages().get_index(stage.0 as usize)?;
        name.split('/').nth(depth)
    }

    fn run<T: PartialEq>(&self, start: u32, end: u32, of: impl Fn(&Self, u32) -> Option<T>) -> u32 {
        let first = of(self, start);
        (start + 1..end).find(|&place| of(self, place) != first).unwrap_or(end)
    }

    fn range(&mut self, mut start: u32, end: u32, parts: usize, labels: usize) -> Vec<Item> {
        let mut items = Vec::new();
        while start < end {
            let label = self.label(start, labels);
            let stage_end = match label {
                Some(_) => self.run(start, end, |this, place| this.label(place, labels)),
                None => end,
            };
            let scope = self.scope_name(start, parts);
            let scope_end = match scope {
                Some(_) => self.run(start, end, |this, place| this.scope_name(place, parts)),
                None => start + 1,
            };
            let name = scope.map(Rc::from);
            let item = match label {
                None => {
                    // A scope ends where a stage begins that goes on behind it.
                    let until = self.aligned(start, scope_end, end, labels).unwrap_or_else(|| {
                        self.run(start, scope_end, |this, place| this.label(place, labels))
                    });
                    match scope {
                        Some(_) => {
                            let inner = self.range(start, until, parts + 1, labels);
                            start = until;
                            self.forest.scope(inner, name, None)
                        }
                        None => {
                            start += 1;
                            self.leaf(start - 1, parts)
                        }
                    }
                }
                Some(label) => {
                    let label: Rc<str> = label.into();
                    let single = stage_end == start + 1 && scope.is_none();
                    if single && self.label(start, labels + 1).is_none() {
                        start = stage_end;
                        let mut leaf = self.leaf(start - 1, parts);
                        leaf.stage = Some(label);
                        leaf
                    } else if scope_end > stage_end && self.aligned(start, scope_end, end, labels).is_some() {
                        let inner = self.range(start, scope_end, parts + 1, labels);
                        start = scope_end;
                        self.forest.scope(inner, name, None)
                    } else {
                        // A name that goes on behind the stage, or that all of it has, says nothing within it.
                        let covers = scope.is_some() && scope_end >= stage_end;
                        let inner = self.range(start, stage_end, parts + usize::from(covers), labels + 1);
                        start = stage_end;
                        let name = if covers && scope_end == stage_end { name } else { None };
                        let name = name.unwrap_or_else(|| label.clone());
                        self.forest.scope(inner, Some(name), Some(label))
                    }
                }
            };
            items.push(item);
        }
        items
    }

    /// The end of a scope, if no stage lies across it.
    fn aligned(&self, start: u32, scope_end: u32, end: u32, labels: usize) -> Option<u32> {
        let at = |place: u32| self.label(place, labels);
        let _ = start;
        (scope_end == end || at(scope_end).is_none() || at(scope_end) != at(scope_end - 1))
            .then_some(scope_end)
    }

    fn leaf(&mut self, place: u32, parts: usize) -> Item {
        let name = self.named.then(|| self.part(place, parts).0.into());
        self.forest.single(place, name)
    }
}
