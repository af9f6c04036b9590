//! Names: of blocks, and of layers as the reader of the language will give them.

use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::define::Blocks;
use super::discover::base;
use super::tree::{Forest, Item, Kind};
use crate::diagnostic::is_steering;
use crate::frontend::json::reference::RESERVED;
use crate::ops::{Family, Operator};

/// The longest name that is taken over.
const LONGEST: usize = 80;

/// A name that the language allows.
pub(super) fn allowed(name: &str) -> String {
    let name = match name.strip_suffix(']').and_then(|name| name.split_once('[')) {
        Some((base, round)) => format!("{base}_{round}"),
        None => name.to_owned(),
    };
    let letters = name.chars().map(|letter| match letter {
        letter if RESERVED.contains(&letter) || is_steering(letter) => '_',
        letter => letter,
    });
    let mut name: String = letters.collect();
    if name.len() > LONGEST {
        let mut end = LONGEST;
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        name.truncate(end);
    }
    match name.as_str() {
        "" => "_".into(),
        "previous" | "input" => format!("{name}_"),
        _ => name,
    }
}

/// A layer's name, and whether the file has to say it.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) text: Rc<str>,
    pub(super) said: bool,
}

/// Gives names in a scope one by one, as the reader does: a name is said where the reader would give another.
#[derive(Debug, Default)]
pub(super) struct Namer {
    /// Each name that is taken and the number that the next of it gets.
    taken: FxHashMap<String, u32>,
    /// Names that are looked for further out.
    forbidden: FxHashSet<String>,
}

impl Namer {
    pub(super) fn new(taken: impl IntoIterator<Item = String>, forbidden: FxHashSet<String>) -> Self {
        Self { taken: taken.into_iter().map(|name| (name, 2)).collect(), forbidden }
    }

    /// The name of the next layer; `default` is what the reader calls it without one, if it does not need one.
    pub(super) fn name(&mut self, default: &str, wish: Option<&str>, needed: bool) -> Name {
        let (given, next) = self.default(default);
        let wish = wish.map(allowed).filter(|wish| *wish != given || needed);
        let is_free =
            |this: &Self, name: &String| !this.taken.contains_key(name) && !this.forbidden.contains(name);
        let said = wish.as_ref().filter(|wish| is_free(self, wish)).cloned().or_else(|| {
            let base = wish.as_deref().unwrap_or(default);
            let numbered =
                || (2u32..).map(|number| format!("{base}_{number}")).find(|name| is_free(self, name));
            (needed || self.forbidden.contains(&given)).then(numbered).flatten()
        });
        if let Some(said) = said {
            self.taken.insert(said.clone(), 2);
            return Name { text: said.into(), said: true };
        }
        if let Some(next) = next {
            self.taken.insert(default.to_owned(), next);
        }
        self.taken.insert(given.clone(), 2);
        Name { text: given.into(), said: false }
    }

    /// What the reader would call it, and the next number of that name.
    fn default(&self, base: &str) -> (String, Option<u32>) {
        let Some(&number) = self.taken.get(base) else { return (base.to_owned(), None) };
        let mut number = number;
        loop {
            let name = format!("{base}_{number}");
            number += 1;
            if !self.taken.contains_key(&name) {
                return (name, Some(number));
            }
        }
    }
}

/// A block's name: what its uses are called, or what it does.
pub(super) fn title(forest: &Forest<'_>, instances: &[&Item], blocks: &Blocks<'_>) -> String {
    // `conv_bn_relu6_2` is a second `conv_bn_relu6`; `conv1` and `conv2` are a `conv`.
    let common = most(instances, unnumbered).or_else(|| most(instances, base));
    allowed(&common.map_or_else(|| role(forest, instances[0], blocks), str::to_owned))
}

/// What more than half of some scopes are called.
fn most<'i>(instances: &[&'i Item], part: impl Fn(&'i str) -> &'i str) -> Option<&'i str> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for name in instances.iter().filter_map(|instance| instance.name.as_deref()) {
        let name = part(name);
        // What is called by many names is called by none.
        match counts.iter().position(|(known, _)| *known == name) {
            Some(index) => counts[index].1 += 1,
            None if counts.len() < 8 => counts.push((name, 1)),
            None => {}
        }
    }
    counts.into_iter().find(|(_, count)| 2 * count > instances.len()).map(|(name, _)| name)
}

/// A name without its round, and without the number of a second one of its name.
fn unnumbered(name: &str) -> &str {
    let name = name.split('[').next().unwrap_or(name);
    match name.rsplit_once('_') {
        Some((first, number)) if !first.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
            first
        }
        _ if name.bytes().all(|byte| byte.is_ascii_digit()) => "block",
        _ => name,
    }
}

/// What a scope does, in the field's words.
fn role(forest: &Forest<'_>, scope: &Item, blocks: &Blocks<'_>) -> String {
    let items = scope.children();
    let op = |item: &Item| matches!(item.kind, Kind::Leaf).then(|| forest.node(item.start).op.name());
    let of_family = |item: &Item, family| {
        matches!(item.kind, Kind::Leaf) && forest.node(item.start).op.family() == family
    };
    let leaves = items.iter().all(|item| matches!(item.kind, Kind::Leaf));
    let weights = |item: &Item| of_family(item, Family::Convolution) || of_family(item, Family::Linear);
    if leaves && items.len() <= 3 && items.iter().any(weights) {
        let short = |name: &'static str| match name {
            "conv1d" | "conv2d" => "conv",
            "conv_transpose2d" => "deconv",
            "batch_norm" => "bn",
            "layer_norm" => "ln",
            "group_norm" => "gn",
            "leaky_relu" => "leaky",
            other => other,
        };
        let parts: Vec<&str> = items.iter().filter_map(op).map(short).collect();
        return parts.join("_");
    }
    let joins_input = |item: &Item| item.inputs.iter().any(|outlet| scope.inputs.contains(outlet));
    let last_join = items.iter().rev().take(2).find(|item| op(item) == Some("add"));
    let repeats = items.iter().any(|item| matches!(item.kind, Kind::Repeat(..)));
    let inner = |role: &str| {
        items.iter().any(|item| blocks.of(item).is_some_and(|block| block.name.starts_with(role)))
    };
    let grouped = |depthwise: &dyn Fn(u64) -> bool| {
        let places = scope.start..scope.end;
        places.into_iter().any(|place| {
            let groups = forest.node(place).op.settings().into_iter().find(|(name, _)| *name == "groups");
            groups.and_then(|(_, value)| value.as_u64()).is_some_and(depthwise)
        })
    };
    if items.iter().any(|item| of_family(item, Family::GlobalPooling))
        && items.last().and_then(op) == Some("mul")
    {
        "squeeze_excite".into()
    } else if repeats && items.iter().any(|item| op(item) == Some("concat")) {
        "csp".into()
    } else if repeats || inner("csp") {
        "stage".into()
    } else if last_join.is_some_and(joins_input) {
        if grouped(&|groups| groups > 32) { "inverted_residual".into() } else { "residual".into() }
    } else if last_join.is_some() {
        "residual_down".into()
    } else if items.first().and_then(op) == Some("concat")
        || items.last().is_some_and(|last| op(last) == Some("concat") && joins_input(last))
    {
        "dense_layer".into()
    } else if grouped(&|groups| groups > 32) {
        "separable".into()
    } else {
        "block".into()
    }
}
