//! Blocks: scopes of one form, and what of their numbers becomes arguments.

use std::rc::Rc;

use indexmap::IndexMap;
use rustc_hash::FxHashMap;
use serde_json::Value;

use super::tree::{Forest, Item, Kind};
use crate::ops::{Family, Operator};

/// A number of a layer, as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Literal(Value),
    Expression(String),
}

/// What numbers stand for: a default of one sort is no argument of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    /// How often something repeats: it cannot be computed from a tensor.
    Count,
    /// Channels of an output.
    Channels,
    /// Groups of channels.
    Groups,
    /// The extent of a kernel.
    Kernel,
    /// The zeros around a map.
    Padding,
    /// An axis of a stored tensor.
    Axis,
    /// Anything else.
    Other,
}

#[derive(Clone, Debug)]
pub(super) struct Argument {
    pub(super) name: String,
    pub(super) default: Option<Value>,
    sort: Sort,
}

/// A block of the file.
#[derive(Debug)]
pub(super) struct Block<'t> {
    pub(super) name: String,
    /// The first scope that it stands for.
    pub(super) example: &'t Item,
    pub(super) arguments: Vec<Argument>,
    /// All numbers of its items in order.
    pub(super) cells: Vec<Cell>,
    /// What its layers would be called: where all agree.
    pub(super) wishes: Vec<Option<Rc<str>>>,
}

/// All blocks by form, inner ones before those that use them, and what each scope gives as arguments.
#[derive(Debug, Default)]
pub(super) struct Blocks<'t> {
    pub(super) by_form: IndexMap<u32, Block<'t>>,
    /// By scope.
    pub(super) with: FxHashMap<u32, Vec<Value>>,
}

impl<'t> Blocks<'t> {
    pub(super) fn of(&self, item: &Item) -> Option<&Block<'t>> {
        match &item.kind {
            Kind::Scope(_) => self.by_form.get(&item.form),
            _ => None,
        }
    }
}

/// The forms that occur more than once.
pub(super) fn shared_forms(items: &[Item]) -> FxHashMap<u32, u32> {
    let mut counts = FxHashMap::default();
    super::discover::count(items, &mut counts);
    counts.retain(|_, count| *count > 1);
    counts
}

/// Makes blocks of all scopes that occur more than once.
pub(super) fn define<'t>(
    forest: &mut Forest<'_>,
    items: &'t [Item],
    counts: &FxHashMap<u32, u32>,
) -> Blocks<'t> {
    let mut instances: IndexMap<u32, Vec<&'t Item>> = IndexMap::new();
    collect(items, counts, &mut instances);
    // An inner form has its number before the form around it.
    instances.sort_unstable_keys();
    let mut blocks = Blocks::default();
    let mut names = Vec::new();
    for (form, instances) in instances {
        let block = block(forest, &instances, &mut blocks, &mut names);
        blocks.by_form.insert(form, block);
    }
    blocks
}

fn collect<'t>(
    items: &'t [Item],
    counts: &FxHashMap<u32, u32>,
    instances: &mut IndexMap<u32, Vec<&'t Item>>,
) {
    for item in items {
        if matches!(item.kind, Kind::Scope(_)) && counts.contains_key(&item.form) {
            instances.entry(item.form).or_default().push(item);
        }
        collect(item.children(), counts, instances);
    }
}

/// The numbers of an item.
pub(super) fn numbers(forest: &mut Forest<'_>, item: &Item, blocks: &Blocks<'_>, into: &mut Vec<Value>) {
    match &item.kind {
        Kind::Leaf => into.extend(forest.leaf(item.start).cells.iter().cloned()),
        Kind::Scope(_) => into.extend(blocks.with.get(&item.id).into_iter().flatten().cloned()),
        Kind::Repeat(rounds, _) => {
            into.push(rounds.len().into());
            if let Some(first) = rounds.first() {
                numbers(forest, first, blocks, into);
            }
        }
    }
}

/// What a number of an item is called and stands for.
struct Description {
    name: String,
    sort: Sort,
    default: Option<Value>,
    /// The item's name, where it has one.
    of: Option<Rc<str>>,
}

fn describe(forest: &mut Forest<'_>, item: &Item, blocks: &Blocks<'_>, into: &mut Vec<Description>) {
    let of = item.name.clone();
    match &item.kind {
        Kind::Leaf => {
            let leaf = forest.leaf(item.start);
            let convolves = forest.node(item.start).op.family() == Family::Convolution;
            for (attribute, value) in leaf.attributes.iter().filter(|(attribute, _)| attribute.numeric) {
                let sort = match attribute.name {
                    "out_channels" | "out_features" => Sort::Channels,
                    "groups" => Sort::Groups,
                    "kernel" if convolves => Sort::Kernel,
                    "padding" if convolves => Sort::Padding,
                    "stored" => Sort::Axis,
                    _ => Sort::Other,
                };
                let default =
                    (attribute.default)().filter(|default| default.is_number() || default.is_boolean());
                scalars(value, &mut |scalar| {
                    let (sort, name) = match sort {
                        Sort::Axis if scalar.is_boolean() => (Sort::Other, "shared"),
                        Sort::Axis => (sort, "stored_axis"),
                        _ => (sort, attribute.name),
                    };
                    let (name, default, of) = (name.to_owned(), default.clone(), of.clone());
                    into.push(Description { name, sort, default, of });
                });
            }
        }
        Kind::Scope(_) => {
            for argument in blocks.of(item).map(|block| &block.arguments).into_iter().flatten() {
                let Argument { name, default, sort } = argument.clone();
                into.push(Description { name, sort, default, of: of.clone() });
            }
        }
        Kind::Repeat(rounds, _) => {
            into.push(Description { name: "depth".into(), sort: Sort::Count, default: None, of: None });
            if let Some(first) = rounds.first() {
                let named = Item { name: of, ..first.clone() };
                describe(forest, &named, blocks, into);
            }
        }
    }
}

/// The numbers and flags of a value in order.
fn scalars(value: &Value, visit: &mut dyn FnMut(&Value)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| scalars(item, visit)),
        Value::Object(members) => members.values().for_each(|member| scalars(member, visit)),
        Value::Number(_) | Value::Bool(_) => visit(value),
        _ => {}
    }
}

fn block<'t>(
    forest: &mut Forest<'_>,
    instances: &[&'t Item],
    blocks: &mut Blocks<'t>,
    names: &mut Vec<String>,
) -> Block<'t> {
    let example = instances[0];
    let mut described = Vec::new();
    for item in example.children() {
        describe(forest, item, blocks, &mut described);
    }
    let rows: Vec<Vec<Value>> = instances
        .iter()
        .map(|instance| {
            let mut row = Vec::with_capacity(described.len());
            instance.children().iter().for_each(|item| numbers(forest, item, blocks, &mut row));
            row
        })
        .collect();
    let channels = input_channels(forest, instances);
    // First what each number is, then what arguments are called, then how it is written.
    let mut sources: Vec<usize> = Vec::new();
    let mut plans = Vec::with_capacity(described.len());
    for (column, description) in described.iter().enumerate() {
        let values = Column { rows: &rows, column };
        let sort = description.sort;
        if rows.iter().all(|row| row[column] == rows[0][column]) {
            plans.push(Plan::Literal(rows[0][column].clone()));
            continue;
        }
        let known = sources.iter().enumerate().find_map(|(argument, &source)| {
            values.of_other(source, sort, described[source].sort).map(|how| Plan::Argument(argument, how))
        });
        let of_input = || {
            let channels =
                channels.as_ref().filter(|_| matches!(sort, Sort::Channels | Sort::Groups | Sort::Axis))?;
            values.equal(channels).then_some(Plan::OfInput)
        };
        plans.push(known.or_else(of_input).unwrap_or_else(|| {
            sources.push(column);
            Plan::Argument(sources.len() - 1, How::Plainly)
        }));
    }
    let names_of_arguments = argument_names(&described, &plans, &sources);
    let arguments: Vec<Argument> = names_of_arguments
        .into_iter()
        .zip(&sources)
        .map(|(name, &column)| {
            let Description { sort, default, .. } = &described[column];
            let default = default.clone().filter(|default| rows.iter().any(|row| row[column] == *default));
            let usual = || {
                (Column { rows: &rows, column })
                    .usual()
                    .filter(|_| !matches!(sort, Sort::Count | Sort::Channels | Sort::Groups))
            };
            Argument { name, default: default.or_else(usual), sort: *sort }
        })
        .collect();
    let cells = plans.into_iter().map(|plan| match plan {
        Plan::Literal(value) => Cell::Literal(value),
        Plan::OfInput => Cell::Expression("channels(input)".into()),
        Plan::Argument(argument, how) => Cell::Expression(how.spell(&arguments[argument].name)),
    });
    let cells: Vec<Cell> = cells.collect();
    for (instance, row) in instances.iter().zip(&rows) {
        let with = sources.iter().map(|&source| row[source].clone()).collect();
        blocks.with.insert(instance.id, with);
    }
    let name = free(&super::names::title(forest, instances, blocks), |name| names.contains(name));
    names.push(name.clone());
    let wishes = (0..example.children().len()).map(|index| {
        let wish = &example.children()[index].name;
        instances
            .iter()
            .all(|instance| instance.children()[index].name == *wish)
            .then(|| wish.clone())
            .flatten()
    });
    Block { name, example, arguments, cells, wishes: wishes.collect() }
}

/// The channels of what each scope is given, where that is one tensor.
fn input_channels(forest: &Forest<'_>, instances: &[&Item]) -> Option<Vec<u64>> {
    instances
        .iter()
        .map(|instance| {
            let [input] = *instance.inputs else { return None };
            forest.graph.tensor(input).shape.axes().get(1).copied()
        })
        .collect()
}

/// How a number of a block is written.
#[derive(Debug)]
enum Plan {
    Literal(Value),
    /// The channels that the block is given.
    OfInput,
    /// In terms of one argument.
    Argument(usize, How),
}

/// A number in terms of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Plainly,
    Times(u64),
    DividedBy(u64),
    /// Half of an odd one.
    Around,
    Half,
}

impl How {
    fn spell(self, name: &str) -> String {
        match self {
            Self::Plainly => name.to_owned(),
            Self::Times(times) => format!("{times} * {name}"),
            Self::DividedBy(parts) => format!("{name} / {parts}"),
            Self::Around => format!("({name} - 1) / 2"),
            Self::Half => format!("floor({name} / 2)"),
        }
    }
}

/// Names of arguments: what gives the block's width is `out_channels`, other widths are called after their layers.
fn argument_names(described: &[Description], plans: &[Plan], sources: &[usize]) -> Vec<String> {
    let last = described.iter().rposition(|description| description.sort == Sort::Channels);
    let gives = last.and_then(|last| match plans[last] {
        Plan::Argument(argument, How::Plainly) => Some(argument),
        _ => None,
    });
    let widths = sources.iter().filter(|&&column| described[column].sort == Sort::Channels).count();
    let mut names: Vec<String> = vec![String::new(); sources.len()];
    // The one that gives the width comes first to its name.
    let order = gives.into_iter().chain((0..sources.len()).filter(|argument| Some(*argument) != gives));
    for argument in order {
        let Description { name, sort, of, .. } = &described[sources[argument]];
        let is_plain = ["out_channels", "out_features", "width"].contains(&name.as_str());
        let wish = match sort {
            Sort::Channels if gives == Some(argument) => {
                if name == "out_features" {
                    name.clone()
                } else {
                    "out_channels".into()
                }
            }
            Sort::Channels if is_plain => match of {
                Some(of) if widths > 1 && is_word(of) => format!("{of}_channels"),
                _ => "width".into(),
            },
            _ => identifier(name),
        };
        names[argument] = free(&wish, |name| names.contains(name));
    }
    names
}

fn is_word(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && name.len() <= 32
}

/// One number in all scopes of a form.
struct Column<'r> {
    rows: &'r [Vec<Value>],
    column: usize,
}

impl Column<'_> {
    fn equal(&self, values: &[u64]) -> bool {
        self.rows.iter().zip(values).all(|(row, value)| row[self.column].as_u64() == Some(*value))
    }

    /// This number in terms of another one, where that makes sense.
    fn of_other(&self, source: usize, sort: Sort, of: Sort) -> Option<How> {
        let pairs = || self.rows.iter().map(|row| (&row[self.column], &row[source]));
        let alike = sort == of || matches!((sort, of), (Sort::Groups | Sort::Axis, Sort::Channels));
        if alike && pairs().all(|(this, other)| this == other) {
            return Some(How::Plainly);
        }
        let numbers: Option<Vec<(u64, u64)>> =
            pairs().map(|(this, other)| Some((this.as_u64()?, other.as_u64()?))).collect();
        let numbers = numbers?;
        match (sort, of) {
            (Sort::Padding, Sort::Kernel) => {
                let halves = numbers.iter().all(|&(padding, kernel)| padding == kernel / 2);
                let odd = numbers.iter().all(|&(_, kernel)| kernel % 2 == 1);
                halves.then_some(if odd { How::Around } else { How::Half })
            }
            (Sort::Channels, Sort::Channels) => {
                let &(this, other) = numbers.first().filter(|(this, other)| *this > 0 && *other > 0)?;
                let (times, parts) = (this / other, other / this);
                let is = |factor: u64, mut pairs: Box<dyn Iterator<Item = (u64, u64)> + '_>| {
                    (2..=16).contains(&factor)
                        && pairs.all(|(small, large)| small.checked_mul(factor) == Some(large))
                };
                if is(times, Box::new(numbers.iter().map(|&(this, other)| (other, this)))) {
                    return Some(How::Times(times));
                }
                is(parts, Box::new(numbers.iter().copied())).then_some(How::DividedBy(parts))
            }
            _ => None,
        }
    }

    /// The value that more than half of all have.
    fn usual(&self) -> Option<Value> {
        let (mut candidate, mut lead) = (&self.rows[0][self.column], 0usize);
        for row in self.rows {
            if row[self.column] == *candidate {
                lead += 1;
            } else if lead == 0 {
                (candidate, lead) = (&row[self.column], 1);
            } else {
                lead -= 1;
            }
        }
        let count = self.rows.iter().filter(|row| row[self.column] == *candidate).count();
        (2 * count > self.rows.len() && self.rows.len() > 2).then(|| candidate.clone())
    }
}

/// Words that expressions give a meaning.
const WORDS: &[&str] = &[
    "and",
    "or",
    "not",
    "true",
    "false",
    "if",
    "floor",
    "ceil",
    "round",
    "abs",
    "min",
    "max",
    "make_divisible",
    "channels",
    "height",
    "width",
    "dim",
    "index",
    "input",
    "previous",
];

fn identifier(name: &str) -> String {
    if WORDS.contains(&name) { format!("{name}_value") } else { name.to_owned() }
}

/// The name, or the name with the first number that makes it new.
pub(super) fn free(name: &str, taken: impl Fn(&String) -> bool) -> String {
    let plain = name.to_owned();
    if !taken(&plain) {
        return plain;
    }
    let numbered = (2u32..).map(|number| format!("{name}{number}"));
    numbered.into_iter().find(|name| !taken(name)).unwrap_or(plain)
}

/// The cells of a scope's items, one slice an item.
pub(super) fn slices<'c>(
    forest: &mut Forest<'_>,
    items: &[Item],
    blocks: &Blocks<'_>,
    cells: &'c [Cell],
) -> Vec<&'c [Cell]> {
    let mut slices = Vec::with_capacity(items.len());
    let mut rest = cells;
    let mut row = Vec::new();
    for item in items {
        row.clear();
        numbers(forest, item, blocks, &mut row);
        let (now, later) = rest.split_at(row.len());
        slices.push(now);
        rest = later;
    }
    slices
}
