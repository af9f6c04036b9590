//! Scopes that a network has already: its stages, and the paths that its nodes' names are.

use std::rc::Rc;

use super::Names;
use super::labels::Labels;
use super::tree::{Forest, Item, Kind};
use crate::ops::{Family, Operator};

/// Scopes deeper within each other than this are one.
const DEEPEST: usize = 24;

struct Builder<'f, 'g> {
    forest: &'f mut Forest<'g>,
    names: Names,
    paths: Vec<Path>,
    labels: Labels,
}

/// A node's name: the scopes around it, and its own.
#[derive(Clone, Default)]
struct Path {
    scopes: Rc<[Rc<str>]>,
    leaf: Option<Rc<str>>,
}

/// All layers in their stages and, where names count, in the scopes that their names are paths of.
pub(super) fn build(forest: &mut Forest<'_>, names: Names) -> Vec<Item> {
    let (start, end) = (forest.inputs, super::tree::as_u32(forest.order.len()));
    let paths = paths(forest, names);
    let labels = Labels::new(forest.graph);
    Builder { forest, names, paths, labels }.range(start, end, 0, 0)
}

/// The paths of all nodes by place.
fn paths(forest: &Forest<'_>, names: Names) -> Vec<Path> {
    let places = 0..super::tree::as_u32(forest.order.len());
    let mut paths: Vec<Path> = places.clone().map(|place| path(&forest.node(place).name, names)).collect();
    if names == Names::Modules {
        // A constant is named after the weights of a module, elsewhere: it stands in the scope of what reads it next.
        let mut next = Rc::default();
        for place in places.rev() {
            let path = &mut paths[place as usize];
            if forest.node(place).op.family() == Family::Source {
                path.scopes = Rc::clone(&next);
            } else {
                next = Rc::clone(&path.scopes);
                path.leaf = None;
            }
        }
    }
    paths
}

fn path(name: &str, names: Names) -> Path {
    if names == Names::Numbers {
        return Path::default();
    }
    let mut parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty()).collect();
    let leaf = parts.pop().unwrap_or(name);
    parts.truncate(DEEPEST);
    let scopes = parts.iter().enumerate().map(|(index, part)| {
        // PyTorch's exporter repeats a list's name in its modules': `layer1/layer1.0`.
        let own = match index.checked_sub(1) {
            Some(around) if names == Names::Modules => {
                part.strip_prefix(parts[around]).and_then(|part| part.strip_prefix('.'))
            }
            _ => None,
        };
        let own = own.unwrap_or(part);
        let number = names == Names::Modules && own.bytes().all(|byte| byte.is_ascii_digit());
        if number { format!("block{own}").into() } else { own.into() }
    });
    Path { scopes: scopes.collect(), leaf: Some(leaf.into()) }
}

impl Builder<'_, '_> {
    /// The scope of a node at a depth.
    fn scope_name(&self, place: u32, depth: usize) -> Option<Rc<str>> {
        self.paths[place as usize].scopes.get(depth).cloned()
    }

    /// The label of a node's stage at a depth.
    fn label(&self, place: u32, depth: usize) -> Option<Rc<str>> {
        self.labels.of(self.forest.node(place)).get(depth).cloned()
    }

    fn run<T: PartialEq>(&self, start: u32, end: u32, of: impl Fn(&Self, u32) -> Option<T>) -> u32 {
        let first = of(self, start);
        (start + 1..end).find(|&place| of(self, place) != first).unwrap_or(end)
    }

    fn range(&mut self, mut start: u32, end: u32, parts: usize, labels: usize) -> Vec<Item> {
        let mut items = Vec::new();
        while start < end {
            let label = self.label(start, labels);
            let stage_end = match &label {
                Some(_) => self.run(start, end, |this, place| this.label(place, labels)),
                None => end,
            };
            let scope = self.scope_name(start, parts);
            let scope_end = match scope {
                Some(_) => self.run(start, end, |this, place| this.scope_name(place, parts)),
                None => start + 1,
            };
            let name = scope.clone();
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
                            self.scope(inner, name, None)
                        }
                        None => {
                            start += 1;
                            self.leaf(start - 1)
                        }
                    }
                }
                Some(label) => {
                    let single = stage_end == start + 1 && scope.is_none();
                    if single && self.label(start, labels + 1).is_none() {
                        start = stage_end;
                        let mut leaf = self.leaf(start - 1);
                        leaf.stage = Some(label);
                        leaf
                    } else if scope_end > stage_end && self.aligned(start, scope_end, end, labels).is_some() {
                        let inner = self.range(start, scope_end, parts + 1, labels);
                        start = scope_end;
                        self.scope(inner, name, None)
                    } else {
                        // A name that goes on behind the stage, or that all of it has, says nothing within it.
                        let covers = scope.is_some() && scope_end >= stage_end;
                        let inner = self.range(start, stage_end, parts + usize::from(covers), labels + 1);
                        start = stage_end;
                        let name = if covers && scope_end == stage_end { name } else { None };
                        let name = name.unwrap_or_else(|| label.clone());
                        self.scope(inner, Some(name), Some(label))
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

    /// A scope; the module of a single op is that op.
    fn scope(&mut self, mut inner: Vec<Item>, name: Option<Rc<str>>, stage: Option<Rc<str>>) -> Item {
        if self.names == Names::Modules
            && inner.len() == 1
            && let Some(leaf) = inner.pop_if(|leaf| matches!(leaf.kind, Kind::Leaf) && leaf.stage.is_none())
        {
            return Item { name: leaf.name.or(name), stage, ..leaf };
        }
        if let [Item { kind: Kind::Scope(only), stage: None, .. }] = inner.as_mut_slice()
            && self.names == Names::Modules
        {
            inner = std::mem::take(only);
        }
        self.forest.scope(inner, name, stage)
    }

    fn leaf(&mut self, place: u32) -> Item {
        let name = self.paths[place as usize].leaf.clone();
        self.forest.single(place, name)
    }
}
