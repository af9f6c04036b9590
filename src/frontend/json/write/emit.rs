//! From scopes and blocks to the lines of a file.

mod sought;
mod spell;

use std::rc::Rc;

use indexmap::IndexSet;
use rustc_hash::{FxHashMap, FxHashSet};

use self::sought::Sought;
use self::spell::spell_value;
use super::define::{Argument, Block, Blocks, Cell, slices};
use super::names::{Name, Namer};
use super::text::{Line, object, quoted};
use super::tree::{Forest, Frame, Item, Kind, Pattern, Ref, as_u32};
use crate::graph::Outlet;
use crate::ops::Operator;

/// What a layer reads when it says nothing.
#[derive(Clone, Copy)]
enum Feed<'a> {
    /// All these.
    All(&'a [Outlet]),
    /// One tensor, if it is one.
    One(Option<Outlet>),
}

impl Feed<'_> {
    fn is(self, list: &[Outlet]) -> bool {
        match self {
            Self::All(all) => all == list && !all.is_empty(),
            Self::One(given) => given.is_some_and(|given| list == [given]),
        }
    }

    fn one(self) -> Option<Outlet> {
        match self {
            Self::All(&[given]) => Some(given),
            Self::All(_) => None,
            Self::One(given) => given,
        }
    }
}

/// A list of layers being written, within those around it up to the block's or the network's.
#[derive(Clone)]
struct Container<'t> {
    items: &'t [Item],
    names: Rc<[Name]>,
    /// Where in the container around it this one stands.
    index: u32,
}

pub(super) struct Emitter<'f, 'g, 't> {
    pub(super) forest: &'f mut Forest<'g>,
    pub(super) blocks: &'f Blocks<'t>,
    /// The names of the network's inputs.
    pub(super) inputs: &'f [String],
    /// The names in each group that is written, by its number.
    groups: FxHashMap<u32, Rc<[Name]>>,
    /// The names in each block by form, and of what it is given.
    names: FxHashMap<u32, (Rc<[Name]>, Vec<String>)>,
    /// What is looked for from within a group: names of containers further out.
    sought: FxHashMap<u32, IndexSet<Sought>>,
    /// The network's own list of layers.
    top: Vec<Container<'t>>,
}

/// A block as it is written.
pub(super) struct Written {
    pub(super) head: Vec<(&'static str, String)>,
    pub(super) layers: Vec<Line>,
}

impl<'f, 'g, 't> Emitter<'f, 'g, 't> {
    pub(super) fn new(forest: &'f mut Forest<'g>, blocks: &'f Blocks<'t>, inputs: &'f [String]) -> Self {
        let (groups, names, sought) = (FxHashMap::default(), FxHashMap::default(), FxHashMap::default());
        Self { forest, blocks, inputs, groups, names, sought, top: Vec::new() }
    }

    /// The names in all blocks.
    fn name_blocks(&mut self) {
        for (form, block) in &self.blocks.by_form {
            let items = block.example.children();
            let mut namer = Namer::default();
            let names: Vec<Name> = items
                .iter()
                .zip(&block.wishes)
                .map(|(item, wish)| self.name(&mut namer, item, wish.as_deref()))
                .collect();
            let is_taken = |text: &String| names.iter().any(|name| *name.text == **text);
            let mut given: Vec<String> = Vec::new();
            let common = ["x", "y", "z", "u", "v", "w", "s", "t"];
            for wish in common.iter().take(block.example.inputs.len()) {
                let name = super::define::free(wish, |name| is_taken(name) || given.contains(name));
                given.push(name);
            }
            self.names.insert(*form, (names.into(), given));
        }
    }

    fn name(&mut self, namer: &mut Namer, item: &Item, wish: Option<&str>) -> Name {
        let default = self.default_name(item);
        // A group without a name or label is no scope.
        let needed =
            matches!(item.kind, Kind::Scope(_)) && item.stage.is_none() && self.blocks.of(item).is_none();
        let wish = wish.filter(|wish| needed || !is_numbered(wish, &default));
        namer.name(&default, wish.or(needed.then_some("group")), needed)
    }

    /// What the reader calls an item that has no name.
    fn default_name(&self, item: &Item) -> String {
        match &item.kind {
            Kind::Leaf => self.forest.node(item.start).op.name().to_owned(),
            Kind::Repeat(rounds, _) => {
                let round = rounds.first().map(|round| self.default_name(round));
                item.stage.as_ref().map(|stage| super::names::allowed(stage)).or(round).unwrap_or_default()
            }
            Kind::Scope(_) => match (&item.stage, self.blocks.of(item)) {
                (Some(stage), _) => super::names::allowed(stage),
                (None, Some(block)) => block.name.clone(),
                (None, None) => "group".into(),
            },
        }
    }

    /// The network's layers.
    pub(super) fn network(&mut self, items: &'t [Item]) -> Vec<Line> {
        self.name_blocks();
        self.seek(items, items, &mut Vec::new(), None);
        let mut namer = Namer::new(self.inputs.iter().cloned(), FxHashSet::default());
        let names = self.name_list(items, &mut namer);
        let inputs: Vec<Outlet> = self.network_inputs();
        let frame = Frame { items, start: self.forest.inputs, externals: None };
        let cells = self.literals(items);
        self.top = vec![Container { items, names, index: 0 }];
        let containers = self.top.clone();
        self.list(items, &frame, &containers, Feed::All(&inputs), &cells)
    }

    fn network_inputs(&self) -> Vec<Outlet> {
        (0..self.forest.inputs as usize)
            .map(|place| Outlet { node: self.forest.order[place], port: 0 })
            .collect()
    }

    fn name_list(&mut self, items: &[Item], namer: &mut Namer) -> Rc<[Name]> {
        items.iter().map(|item| self.name(namer, item, item.name.as_deref())).collect()
    }

    /// The network's outputs, as its own list of layers sees them.
    pub(super) fn outputs(&self, items: &'t [Item], outputs: &[Outlet]) -> String {
        let frame = Frame { items, start: self.forest.inputs, externals: None };
        self.spell_list(outputs, &frame, &self.top, None)
    }

    /// A block's head and layers.
    pub(super) fn block(&mut self, form: u32, block: &'f Block<'t>) -> Written {
        let items = block.example.children();
        let inputs = &block.example.inputs;
        let frame = Frame { items, start: block.example.start, externals: Some(inputs) };
        let (names, given) = self.names[&form].clone();
        let containers = vec![Container { items, names, index: 0 }];
        let cells = slices(self.forest, items, self.blocks, &block.cells);
        let layers = self.list(items, &frame, &containers, Feed::All(inputs), &cells);
        let mut head = Vec::new();
        if !block.arguments.is_empty() {
            let default =
                |argument: &Argument| argument.default.as_ref().map_or("null".into(), super::text::json);
            let members = block.arguments.iter().map(|argument| (argument.name.as_str(), default(argument)));
            head.push(("arguments", object(members)));
        }
        let names_inputs = items.iter().any(|item| {
            self.forest.references(&item.inputs, &frame).iter().any(|one| matches!(one, Ref::External(_)))
        });
        if names_inputs {
            let names: Vec<String> = given.iter().map(|name| quoted(name)).collect();
            head.push(("inputs", format!("[{}]", names.join(", "))));
        }
        let last = items.last().and_then(|last| last.given);
        if let Some(given) = block.example.given
            && last != Some(given)
            && let Some(reference) = self.forest.local(given, &frame, false)
        {
            let spelled = self.spell(&reference, &containers, None);
            head.push(("outputs", quoted(&spelled)));
        }
        Written { head, layers }
    }

    /// The cells of items whose numbers are no arguments.
    fn literals(&mut self, items: &[Item]) -> Vec<&'static [Cell]> {
        vec![&[]; items.len()]
    }

    fn list(
        &mut self,
        items: &'t [Item],
        frame: &Frame<'t>,
        containers: &[Container<'t>],
        mut feed: Feed<'_>,
        cells: &[&[Cell]],
    ) -> Vec<Line> {
        let mut lines = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let line =
                self.item(item, index, frame, containers, feed, cells.get(index).copied().unwrap_or(&[]));
            lines.push(line);
            feed = Feed::One(item.given);
        }
        lines
    }

    fn item(
        &mut self,
        item: &'t Item,
        index: usize,
        frame: &Frame<'t>,
        containers: &[Container<'t>],
        feed: Feed<'_>,
        cells: &[Cell],
    ) -> Line {
        let name = containers.last().map(|container| container.names[index].clone());
        let name = name.filter(|name| name.said).map(|name| ("name", quoted(&name.text)));
        let stage = item.stage.as_ref().map(|stage| ("stage", quoted(&super::names::allowed(stage))));
        let mut members: Vec<(&'static str, String)> = stage.into_iter().collect();
        match &item.kind {
            Kind::Leaf => {
                self.leaf_head(item, &mut members);
                members.extend(name);
                members.extend(self.inputs_of(item, frame, containers, feed));
                self.attributes(item, frame, containers, cells, &mut members);
                Line { members, layers: None }
            }
            Kind::Scope(inner) => match self.blocks.of(item) {
                Some(block) => {
                    members.push(("block", quoted(&block.name)));
                    members.extend(name);
                    members.extend(self.with(item, block, cells));
                    members.extend(self.inputs_of(item, frame, containers, feed));
                    Line { members, layers: None }
                }
                None => {
                    members.extend(name);
                    let layers = self.group(item, inner, index, frame, containers, feed);
                    Line { members, layers: Some(layers) }
                }
            },
            Kind::Repeat(rounds, pattern) => {
                let Some(first) = rounds.first() else { return Line { members, layers: None } };
                let (count, cells) = match cells.split_first() {
                    Some((Cell::Expression(count), rest)) => (quoted(count), rest),
                    Some((Cell::Literal(count), rest)) => (count.to_string(), rest),
                    None => (rounds.len().to_string(), cells),
                };
                match self.blocks.of(first) {
                    Some(block) => members.push(("block", quoted(&block.name))),
                    None => self.leaf_head(first, &mut members),
                }
                members.extend(name);
                members.push(("repeat", count));
                let own = containers.last().map_or("", |container| &container.names[index].text).to_owned();
                let wrapper = self.rounds_read(first, &own, *pattern, frame, containers, feed, &mut members);
                match self.blocks.of(first) {
                    Some(block) => members.extend(self.with(first, block, cells)),
                    None => self.attributes(first, frame, containers, cells, &mut members),
                }
                let line = Line { members, layers: None };
                match wrapper {
                    None => line,
                    Some(inputs) => Line { members: vec![("inputs", inputs)], layers: Some(vec![line]) },
                }
            }
        }
    }

    fn group(
        &mut self,
        item: &'t Item,
        inner: &'t [Item],
        index: usize,
        frame: &Frame<'t>,
        containers: &[Container<'t>],
        feed: Feed<'_>,
    ) -> Vec<Line> {
        let mut around: Vec<u32> = Vec::new();
        for pair in containers.windows(2) {
            around.push(pair[0].items[pair[1].index as usize].id);
        }
        around.push(item.id);
        let forbidden = self.forbidden(item.id, containers, &around);
        let mut namer = Namer::new([], forbidden);
        let names = self.name_list(inner, &mut namer);
        self.groups.insert(item.id, names.clone());
        let mut containers = containers.to_vec();
        containers.push(Container { items: inner, names, index: as_u32(index) });
        let cells = self.literals(inner);
        self.list(inner, frame, &containers, feed, &cells)
    }

    /// `inputs`, where they are not what comes before.
    fn inputs_of(
        &self,
        item: &Item,
        frame: &Frame<'_>,
        containers: &[Container<'_>],
        feed: Feed<'_>,
    ) -> Option<(&'static str, String)> {
        if item.inputs.is_empty() {
            let reads = matches!(item.kind, Kind::Leaf) && *self.forest.node(item.start).op.arity().end() > 0;
            return reads.then(|| ("inputs", "[]".to_owned()));
        }
        (!feed.is(&item.inputs)).then(|| ("inputs", self.spell_list(&item.inputs, frame, containers, None)))
    }

    /// `inputs` of a repeat; what its first round reads, where a group has to say that.
    #[expect(clippy::too_many_arguments, reason = "the one place where rounds and lists meet")]
    fn rounds_read(
        &self,
        first: &Item,
        own: &str,
        pattern: Pattern,
        frame: &Frame<'_>,
        containers: &[Container<'_>],
        feed: Feed<'_>,
        members: &mut Vec<(&'static str, String)>,
    ) -> Option<String> {
        let list = &first.inputs;
        match pattern {
            Pattern::Fixed => members.push(("inputs", self.spell_list(list, frame, containers, None))),
            Pattern::Dense => {
                let rounds = quoted(&format!("{own}[..index]"));
                let before = self.spell_list(list, frame, containers, None);
                let before =
                    before.strip_prefix('[').and_then(|list| list.strip_suffix(']')).unwrap_or(&before);
                members.push(("inputs", format!("[{before}, {rounds}]")));
            }
            Pattern::Chain(slot) => {
                if list.len() > 1 {
                    members.push(("inputs", self.spell_list(list, frame, containers, Some(slot))));
                }
                if feed.one() != Some(list[slot]) {
                    return Some(self.spell_list(&list[slot..=slot], frame, containers, None));
                }
            }
        }
        None
    }

    fn leaf_head(&mut self, item: &Item, members: &mut Vec<(&'static str, String)>) {
        let leaf = self.forest.leaf(item.start);
        members.push(("op", quoted(leaf.info.name)));
    }

    /// An op's attributes, how it is called, and whose weights it uses.
    fn attributes(
        &mut self,
        item: &Item,
        frame: &Frame<'_>,
        containers: &[Container<'_>],
        cells: &[Cell],
        members: &mut Vec<(&'static str, String)>,
    ) {
        let leaf = self.forest.leaf(item.start);
        let mut cells = cells.iter();
        for (attribute, value) in &leaf.attributes {
            let mut plain = true;
            let text = spell_value(value, attribute.numeric, &mut cells, &mut plain);
            if !plain || (attribute.default)().as_ref() != Some(value) {
                members.push((attribute.name, text));
            }
        }
        if let Some(way) = leaf.called_as {
            members.push(("called_as", quoted(way.name())));
        }
        if let Some(shared) = self.forest.node(item.start).shares
            && let Some(reference) = self.forest.local(Outlet { node: shared, port: 0 }, frame, true)
        {
            members.push(("share", quoted(&self.spell(&reference, containers, None))));
        }
    }

    /// `with` of a block's use.
    fn with(&self, item: &Item, block: &Block<'_>, cells: &[Cell]) -> Option<(&'static str, String)> {
        let values = self.blocks.with.get(&item.id)?;
        let mut members: Vec<(&str, String)> = Vec::new();
        for (index, (argument, value)) in block.arguments.iter().zip(values).enumerate() {
            let literal;
            let cell = match cells.get(index) {
                Some(cell) => cell,
                None => {
                    literal = Cell::Literal(value.clone());
                    &literal
                }
            };
            match cell {
                Cell::Literal(value) if argument.default.as_ref() == Some(value) => {}
                Cell::Literal(value) => members.push((&argument.name, super::text::json(value))),
                Cell::Expression(text) => members.push((&argument.name, quoted(text))),
            }
        }
        (!members.is_empty()).then(|| ("with", object(members.into_iter())))
    }
}

/// Whether a name is the default, or the default with a number: the reader gives those itself.
fn is_numbered(name: &str, default: &str) -> bool {
    let rest = name.strip_prefix(default);
    rest.is_some_and(|rest| {
        rest.is_empty()
            || rest.strip_prefix('_').is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    })
}
