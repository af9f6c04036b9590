//! The layers as a tree: scopes over ranges of their order.

use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::leaf::{Leaf, Leaves};
use crate::graph::{Graph, NodeId, Outlet};

/// A layer, a scope of layers or the rounds of a repeat: always a range of the order.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Its own number.
    pub(super) id: u32,
    /// Its first node's place.
    pub(super) start: u32,
    /// The place after its last node's.
    pub(super) end: u32,
    pub(super) kind: Kind,
    /// What it would be called.
    pub(super) name: Option<Rc<str>>,
    /// Its label.
    pub(super) stage: Option<Rc<str>>,
    /// What it reads of what is before it: a layer's inputs as they are, a scope's each once in the order of first use.
    pub(super) inputs: Rc<[Outlet]>,
    /// The one tensor that it gives, if it is one.
    pub(super) given: Option<Outlet>,
    /// Equal for items that differ in numbers only.
    pub(super) form: u32,
    /// Equal for items that are equal.
    pub(super) exact: u32,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Leaf,
    Scope(Vec<Item>),
    /// Equal rounds, and how they are chained.
    Repeat(Vec<Item>, Pattern),
}

/// What the rounds of a repeat read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// All the same.
    Fixed,
    /// The same, but for one input: the round before.
    Chain(usize),
    /// All rounds before, behind what the first one reads.
    Dense,
}

impl Item {
    pub(super) fn children(&self) -> &[Self] {
        match &self.kind {
            Kind::Leaf => &[],
            Kind::Scope(items) | Kind::Repeat(items, _) => items,
        }
    }
}

/// A reference to a tensor, as a frame sees it: the network or a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ref {
    /// The n-th input of the network.
    Input(u32),
    /// All that the block is given.
    All,
    /// One of several that the block is given.
    External(u32),
    /// An output of an item.
    Local(Path),
    /// All rounds of a repeat.
    Rounds(Path),
}

/// From a frame's items to an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) steps: Vec<Step>,
    /// The output of an op that has several.
    pub(super) port: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The n-th item of a scope.
    Item(u32),
    /// A round of a repeat of so many.
    Round(u32, u32),
    /// What the last round gives.
    Last,
}

/// The network with its nodes' places, and numbers for forms.
pub(super) struct Forest<'g> {
    pub(super) graph: &'g Graph,
    /// Nodes by place: the network's inputs first, then all others in order.
    pub(super) order: Vec<NodeId>,
    places: Vec<u32>,
    /// How many inputs the network has.
    pub(super) inputs: u32,
    pub(super) leaves: Leaves,
    /// By outlet: the place after which nothing reads it.
    last_read: Vec<u32>,
    first_outlet: Vec<u32>,
    forms: FxHashMap<Box<[u32]>, u32>,
    labels: FxHashMap<Rc<str>, u32>,
    next_form: u32,
    next_id: u32,
}

const LEAF: u32 = 0;
const SCOPE: u32 = 1;
const REPEAT: u32 = 2;
const EXACT: u32 = 3;
/// Scopes that read more tensors one by one are no blocks.
const MOST_NAMED: usize = 8;

impl<'g> Forest<'g> {
    pub(super) fn new(graph: &'g Graph) -> Self {
        let (mut order, mut rest) = (Vec::with_capacity(graph.len()), Vec::with_capacity(graph.len()));
        for (id, node) in graph.nodes() {
            if node.is_input() { order.push(id) } else { rest.push(id) }
        }
        let inputs = as_u32(order.len());
        order.append(&mut rest);
        let mut places = vec![0; order.len()];
        let mut first_outlet = Vec::with_capacity(order.len());
        let mut outlets = 0;
        for (place, id) in (0u32..).zip(&order) {
            places[id.index()] = place;
            first_outlet.push(outlets);
            outlets += as_u32(graph.node(*id).outputs.len());
        }
        let mut forest = Self {
            graph,
            leaves: Leaves::default(),
            order,
            places,
            inputs,
            last_read: vec![0; outlets as usize],
            first_outlet,
            forms: FxHashMap::default(),
            labels: FxHashMap::default(),
            next_form: 0,
            next_id: 0,
        };
        for place in 0..as_u32(forest.order.len()) {
            for &outlet in &forest.node(place).inputs {
                let slot = forest.outlet(outlet);
                forest.last_read[slot] = place;
            }
        }
        for &outlet in &graph.outputs {
            let slot = forest.outlet(outlet);
            forest.last_read[slot] = u32::MAX;
        }
        forest
    }

    fn outlet(&self, outlet: Outlet) -> usize {
        (self.first_outlet[self.place(outlet.node) as usize] + outlet.port) as usize
    }

    pub(super) fn place(&self, node: NodeId) -> u32 {
        self.places[node.index()]
    }

    pub(super) fn node(&self, place: u32) -> &'g crate::graph::Node {
        self.graph.node(self.order[place as usize])
    }

    pub(super) fn leaf(&mut self, place: u32) -> Rc<Leaf> {
        let node = self.node(place);
        self.leaves.get(self.graph, node)
    }

    fn form(&mut self, key: Vec<u32>) -> u32 {
        let next = self.next_form;
        let form = *self.forms.entry(key.into_boxed_slice()).or_insert(next);
        self.next_form += u32::from(form == next);
        form
    }

    /// A form that nothing else has.
    fn unique(&mut self) -> u32 {
        self.next_form += 1;
        self.next_form - 1
    }

    fn id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id - 1
    }

    pub(super) fn label(&mut self, label: Option<&Rc<str>>) -> u32 {
        let next = as_u32(self.labels.len()) + 1;
        label.map_or(0, |label| *self.labels.entry(label.clone()).or_insert(next))
    }

    /// A single layer.
    pub(super) fn single(&mut self, place: u32, name: Option<Rc<str>>) -> Item {
        let node = self.node(place);
        let leaf = self.leaf(place);
        let form = self.form(vec![LEAF, leaf.skeleton]);
        let exact = self.form(vec![EXACT, LEAF, leaf.exact]);
        Item {
            id: self.id(),
            start: place,
            end: place + 1,
            kind: Kind::Leaf,
            name,
            stage: None,
            inputs: node.inputs.iter().copied().collect(),
            given: (node.outputs.len() == 1).then(|| Outlet { node: self.order[place as usize], port: 0 }),
            form,
            exact,
        }
    }

    /// Layers as one scope; there must be some.
    pub(super) fn scope(&mut self, items: Vec<Item>, name: Option<Rc<str>>, stage: Option<Rc<str>>) -> Item {
        let (start, end) = match (items.first(), items.last()) {
            (Some(first), Some(last)) => (first.start, last.end),
            _ => (0, 0),
        };
        let inputs: Rc<[Outlet]> = self.externals(&items, start);
        let given = match *self.read_outside(start, end).as_slice() {
            [only] => Some(only),
            _ => items.last().and_then(|last| last.given),
        };
        let mut exact = vec![EXACT, SCOPE];
        exact.extend(items.iter().map(|item| item.exact));
        let form = match self.key(&items, start, &inputs, given) {
            Some(key) => self.form(key),
            None => self.unique(),
        };
        // Equal parts that are joined otherwise are not equal.
        exact.push(form);
        let exact = self.form(exact);
        Item { id: self.id(), start, end, kind: Kind::Scope(items), name, stage, inputs, given, form, exact }
    }

    /// Equal rounds as one item, if they are chained in a way that can be said.
    pub(super) fn repeat(&mut self, rounds: Vec<Item>, name: Option<Rc<str>>) -> Result<Item, Vec<Item>> {
        let Some(pattern) = self.pattern(&rounds) else { return Err(rounds) };
        let (Some(first), Some(last)) = (rounds.first(), rounds.last()) else { return Err(rounds) };
        let form = self.form(vec![REPEAT, first.form]);
        let exact = self.form(vec![EXACT, REPEAT, first.exact, as_u32(rounds.len())]);
        Ok(Item {
            id: self.id(),
            start: first.start,
            end: last.end,
            name,
            stage: first.stage.clone(),
            inputs: first.inputs.clone(),
            given: last.given,
            form,
            exact,
            kind: Kind::Repeat(rounds, pattern),
        })
    }

    /// How equal rounds are chained.
    pub(super) fn pattern(&self, rounds: &[Item]) -> Option<Pattern> {
        let first = rounds.first()?;
        let equal = rounds
            .iter()
            .all(|round| round.exact == first.exact && round.stage == first.stage && round.given.is_some());
        if !equal || rounds.iter().any(|round| self.shares(round.start)) && matches!(first.kind, Kind::Leaf) {
            return None;
        }
        let base = &first.inputs;
        if base.is_empty() {
            return None;
        }
        let Some(second) = rounds.get(1) else {
            return (base.len() == 1).then_some(Pattern::Chain(0));
        };
        let before = |index: usize| rounds[index - 1].given;
        if second.inputs.len() == base.len() {
            let differs = |index: &usize| second.inputs[*index] != base[*index];
            let Some(slot) = (0..base.len()).find(differs) else {
                return rounds.iter().all(|round| round.inputs == *base).then_some(Pattern::Fixed);
            };
            let chained = (1..rounds.len()).all(|index| {
                let inputs = &rounds[index].inputs;
                inputs.len() == base.len()
                    && Some(inputs[slot]) == before(index)
                    && (0..base.len()).all(|other| other == slot || inputs[other] == base[other])
            });
            return chained.then_some(Pattern::Chain(slot));
        }
        let dense = (1..rounds.len()).all(|index| {
            let inputs = &rounds[index].inputs;
            inputs.len() == base.len() + index
                && inputs[..base.len() + index - 1] == rounds[index - 1].inputs[..]
                && inputs.last().copied() == before(index)
        });
        dense.then_some(Pattern::Dense)
    }

    fn shares(&self, place: u32) -> bool {
        self.node(place).shares.is_some()
    }

    /// The tensors from before `start` that some items read, each once.
    fn externals(&self, items: &[Item], start: u32) -> Rc<[Outlet]> {
        let mut seen = FxHashSet::default();
        let all = items.iter().flat_map(|item| item.inputs.iter().copied());
        all.filter(|outlet| self.place(outlet.node) < start && seen.insert(*outlet)).collect()
    }

    /// The tensors of a range that something behind it reads.
    pub(super) fn read_outside(&self, start: u32, end: u32) -> Vec<Outlet> {
        let mut found = Vec::new();
        for place in start..end {
            let node = self.order[place as usize];
            let count = as_u32(self.graph.node(node).outputs.len());
            let outlets = (0..count).map(|port| Outlet { node, port });
            found.extend(outlets.filter(|&outlet| self.last_read[self.outlet(outlet)] >= end));
        }
        found
    }

    /// What scopes of one form have in common; `None` where the scope depends on its place.
    fn key(
        &mut self,
        items: &[Item],
        start: u32,
        inputs: &[Outlet],
        given: Option<Outlet>,
    ) -> Option<Vec<u32>> {
        let mut key = vec![SCOPE];
        let frame = Frame { items, start, externals: Some(inputs) };
        let mut named = false;
        for item in items {
            let label = self.label(item.stage.as_ref());
            key.extend([item.form, label]);
            if let Kind::Repeat(_, pattern) = &item.kind {
                key.push(match *pattern {
                    Pattern::Fixed => 0,
                    Pattern::Dense => 1,
                    Pattern::Chain(slot) => 2 + as_u32(slot),
                });
            }
            let references = self.references(&item.inputs, &frame);
            named |= references.iter().any(|reference| matches!(reference, Ref::External(_)));
            key.push(as_u32(references.len()));
            references.iter().for_each(|reference| write(reference, &mut key));
            // What a layer deeper inside shares is in that scope's form, or makes it unique.
            if let Kind::Leaf = item.kind
                && let Some(shared) = self.node(item.start).shares
            {
                if self.place(shared) < start {
                    return None;
                }
                write(&self.local(Outlet { node: shared, port: 0 }, &frame, true)?, &mut key);
            }
        }
        if let Some(given) = given {
            write(&self.local(given, &frame, false)?, &mut key);
        }
        if named {
            if inputs.len() > MOST_NAMED {
                return None;
            }
            key.push(as_u32(inputs.len()));
        }
        // What is inside a scope that depends on its place does so too: its form is its own already.
        Some(key)
    }

    /// A list of tensors as references of a frame.
    pub(super) fn references(&self, list: &[Outlet], frame: &Frame<'_>) -> Vec<Ref> {
        let mut references = Vec::with_capacity(list.len());
        let mut at = 0;
        while let Some(&outlet) = list.get(at) {
            if self.place(outlet.node) < frame.start {
                match frame.externals {
                    Some(all) if list[at..].starts_with(all) => {
                        references.push(Ref::All);
                        at += all.len();
                        continue;
                    }
                    Some(all) => {
                        let index = all.iter().position(|&other| other == outlet).unwrap_or(0);
                        references.push(Ref::External(as_u32(index)));
                    }
                    None => references.push(Ref::Input(self.place(outlet.node))),
                }
                at += 1;
                continue;
            }
            match self.path(outlet, frame, false) {
                (path, Some(rounds)) if starts_with(&list[at..], rounds) => {
                    let steps = path.steps[..path.steps.len() - 1].to_vec();
                    references.push(Ref::Rounds(Path { steps, port: None }));
                    at += rounds.len();
                }
                (path, _) => {
                    references.push(Ref::Local(path));
                    at += 1;
                }
            }
        }
        references
    }

    /// One tensor from inside a frame; `None` from outside.
    pub(super) fn local(&self, outlet: Outlet, frame: &Frame<'_>, to_node: bool) -> Option<Ref> {
        (self.place(outlet.node) >= frame.start).then(|| Ref::Local(self.path(outlet, frame, to_node).0))
    }

    /// The way to a tensor, as short as what items give makes it; and the rounds that it is the first of.
    fn path<'i>(&self, outlet: Outlet, frame: &Frame<'i>, to_node: bool) -> (Path, Option<&'i [Item]>) {
        let place = self.place(outlet.node);
        let mut path = Path { steps: Vec::new(), port: None };
        let mut items = frame.items;
        let mut first_of = None;
        loop {
            let index = items.partition_point(|item| item.end <= place);
            let Some(mut item) = items.get(index) else { return (path, None) };
            path.steps.push(Step::Item(as_u32(index)));
            if let Kind::Repeat(rounds, _) = &item.kind {
                if item.given == Some(outlet) && !to_node {
                    path.steps.push(Step::Last);
                    return (path, None);
                }
                let round = rounds.partition_point(|round| round.end <= place);
                path.steps.push(Step::Round(as_u32(round), as_u32(rounds.len())));
                item = &rounds[round];
                first_of = (round == 0 && item.given == Some(outlet)).then_some(&rounds[..]);
            }
            match &item.kind {
                Kind::Scope(inner) if item.given != Some(outlet) || to_node => items = inner,
                Kind::Leaf => {
                    if self.graph.node(outlet.node).outputs.len() > 1 && !to_node {
                        path.port = Some(outlet.port);
                    }
                    return (path, first_of);
                }
                _ => return (path, first_of),
            }
        }
    }
}

/// Where references stand: the network, or a block.
pub(super) struct Frame<'i> {
    pub(super) items: &'i [Item],
    pub(super) start: u32,
    /// What a block is given; `None` for the network.
    pub(super) externals: Option<&'i [Outlet]>,
}

fn starts_with(list: &[Outlet], rounds: &[Item]) -> bool {
    rounds.len() > 1
        && list.len() >= rounds.len()
        && list.iter().zip(rounds).all(|(outlet, round)| round.given == Some(*outlet))
}

fn write(reference: &Ref, key: &mut Vec<u32>) {
    let (tag, path) = match reference {
        Ref::Input(index) => return key.extend([0, *index]),
        Ref::All => return key.push(1),
        Ref::External(index) => return key.extend([2, *index]),
        Ref::Local(path) => (3, path),
        Ref::Rounds(path) => (4, path),
    };
    key.extend([tag, as_u32(path.steps.len()), path.port.map_or(0, |port| port + 1)]);
    for step in &path.steps {
        match *step {
            Step::Item(index) => key.extend([0, index]),
            Step::Round(round, of) => key.extend([1, round, of]),
            Step::Last => key.push(2),
        }
    }
}

pub(super) fn as_u32(index: usize) -> u32 {
    u32::try_from(index).expect("a graph has fewer than 2^32 nodes")
}
