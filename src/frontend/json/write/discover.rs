//! Scopes that a network has without saying so: units of a weight layer with its norm and activation, windows that
//! repeat one behind the other, and windows that occur again elsewhere.

mod in_place;
mod periods;
mod single_rounds;
mod units;
mod windows;

use rustc_hash::FxHashMap;

pub(super) use self::in_place::base;
use self::in_place::in_place;
use self::periods::periods;
use self::single_rounds::single_rounds;
use self::units::{unit_order, units};
use self::windows::windows;
use super::tree::{Forest, Item, Kind};
use crate::ops::{Family, Operator};

/// Lists that the file has divided itself are searched only where they are longer than this.
const SHORT: usize = 12;

/// Finds scopes in a tree whose names are the file's, or nobody's.
pub(super) fn discover(forest: &mut Forest<'_>, items: Vec<Item>, named: bool) -> Vec<Item> {
    let order = unit_order(forest);
    let items = rebuild(forest, items, &mut |forest, list| {
        let list = if named { in_place(forest, list, named) } else { list };
        if named && list.len() <= SHORT {
            return list;
        }
        let list = units(forest, list, order);
        let list = periods(forest, list);
        in_place(forest, list, named)
    });
    let items = windows(forest, items, named);
    let items = rebuild(forest, items, &mut |_, list| hoist(list));
    let items = if named { items } else { single_rounds(forest, items) };
    dissolve(forest, items)
}

/// A scope that is all there is in another adds nothing to it.
fn hoist(list: Vec<Item>) -> Vec<Item> {
    match list.as_slice() {
        [Item { kind: Kind::Scope(inner), name: None, stage: None, .. }] => inner.clone(),
        _ => list,
    }
}

/// Applies a change to every list of a tree, inner ones first.
fn rebuild(
    forest: &mut Forest<'_>,
    items: Vec<Item>,
    change: &mut dyn FnMut(&mut Forest<'_>, Vec<Item>) -> Vec<Item>,
) -> Vec<Item> {
    let items = items
        .into_iter()
        .map(|item| match item.kind {
            Kind::Scope(inner) => {
                let inner = rebuild(forest, inner, change);
                forest.scope(inner, item.name, item.stage)
            }
            Kind::Repeat(ref rounds, _) => {
                let rounds: Vec<Item> = rounds.clone();
                let rounds = rebuild_rounds(forest, rounds, change);
                match forest.repeat(rounds, item.name.clone()) {
                    Ok(repeat) => repeat,
                    Err(_) => item,
                }
            }
            Kind::Leaf => item,
        })
        .collect();
    change(forest, items)
}

/// The rounds of a repeat each for itself: they stay rounds.
fn rebuild_rounds(
    forest: &mut Forest<'_>,
    rounds: Vec<Item>,
    change: &mut dyn FnMut(&mut Forest<'_>, Vec<Item>) -> Vec<Item>,
) -> Vec<Item> {
    let rounds = rounds.into_iter().map(|round| match round.kind {
        Kind::Scope(inner) => {
            let inner = rebuild(forest, inner, change);
            forest.scope(inner, round.name, round.stage)
        }
        _ => round,
    });
    rounds.collect()
}

fn family(forest: &Forest<'_>, item: &Item) -> Option<Family> {
    matches!(item.kind, Kind::Leaf).then(|| forest.node(item.start).op.family())
}

fn is_weight(family: Option<Family>) -> bool {
    matches!(family, Some(Family::Convolution | Family::Linear))
}

/// A number that items have in common where they may stand for each other.
fn token(forest: &mut Forest<'_>, items: &[Item], index: usize) -> u64 {
    let item = &items[index];
    let chained =
        index > 0 && items[index - 1].given.is_some_and(|given| item.inputs.first() == Some(&given));
    let label = u64::from(forest.label(item.stage.as_ref()));
    u64::from(item.form) << 24 | label << 1 | u64::from(chained)
}

/// The form of a window that could be a block: it gives one tensor and reads few, or all at once.
fn closed(forest: &mut Forest<'_>, window: &[Item]) -> Option<u32> {
    let (first, last) = (window.first()?, window.last()?);
    if forest.read_outside(first.start, last.end).len() > 1 {
        return None;
    }
    let scope = forest.scope(window.to_vec(), None, None);
    let at_once = first.inputs == scope.inputs;
    (scope.inputs.len() <= 2 || at_once).then_some(scope.form)
}

/// Where people cut: a block begins with weights or a join, and ends with what follows them.
fn beauty(forest: &Forest<'_>, window: &[Item]) -> u32 {
    let begins = window.first().map(|item| match family(forest, item) {
        None | Some(Family::Convolution | Family::Linear) => 3,
        Some(Family::Movement | Family::Normalization) => 2,
        Some(Family::Pooling) => 1,
        _ => 0,
    });
    // A unit in the middle of which the window begins would be torn: never so here, units are items.
    begins.unwrap_or(0)
}

/// Wraps disjoint windows, given by first item and length.
fn wrap(forest: &mut Forest<'_>, items: Vec<Item>, mut wraps: Vec<(usize, usize)>) -> Vec<Item> {
    wraps.sort_unstable();
    let mut result = Vec::with_capacity(items.len());
    let mut wraps = wraps.into_iter().peekable();
    let mut items = items.into_iter().enumerate().peekable();
    while let Some((index, item)) = items.next() {
        let Some(&(_, length)) = wraps.peek().filter(|(start, _)| *start == index) else {
            result.push(item);
            continue;
        };
        wraps.next();
        let mut window = vec![item];
        window.extend(items.by_ref().take(length - 1).map(|(_, item)| item));
        result.push(forest.scope(window, None, None));
    }
    result
}

/// Takes scopes apart that nobody named and that the file would use at one place only.
fn dissolve(forest: &mut Forest<'_>, mut items: Vec<Item>) -> Vec<Item> {
    loop {
        let mut uses: FxHashMap<u32, u32> = FxHashMap::default();
        count_uses(&items, &mut uses);
        let mut changed = false;
        items = rebuild(forest, items, &mut |_, list| {
            let mut flat = Vec::with_capacity(list.len());
            for item in list {
                let once = uses.get(&item.form) == Some(&1) && item.name.is_none() && item.stage.is_none();
                match item.kind {
                    // Forms of scopes around what was taken apart are new: they are not counted yet, and wait.
                    Kind::Scope(inner) if once => {
                        changed = true;
                        flat.extend(inner);
                    }
                    _ => flat.push(item),
                }
            }
            flat
        });
        if !changed {
            return items;
        }
    }
}

/// At how many places of the file each scope is used: what is in a block counts once, a repeat is worth a block.
fn count_uses(items: &[Item], uses: &mut FxHashMap<u32, u32>) {
    for item in items {
        match &item.kind {
            Kind::Leaf => {}
            Kind::Scope(inner) => {
                let count = uses.entry(item.form).or_default();
                *count += 1;
                if *count == 1 {
                    count_uses(inner, uses);
                }
            }
            Kind::Repeat(rounds, _) => {
                count_uses(&rounds[..rounds.len().min(1)], uses);
                if let Some(first) = rounds.first() {
                    *uses.entry(first.form).or_default() += 1;
                }
            }
        }
    }
}

/// How many scopes there are of each form; a repeat needs a block even for one round.
pub(super) fn count(items: &[Item], counts: &mut FxHashMap<u32, u32>) {
    for item in items {
        match &item.kind {
            Kind::Leaf => {}
            Kind::Scope(_) => *counts.entry(item.form).or_default() += 1,
            Kind::Repeat(rounds, _) => {
                let scope = rounds.first().filter(|round| matches!(round.kind, Kind::Scope(_)));
                if let Some(scope) = scope {
                    *counts.entry(scope.form).or_default() += 1;
                }
            }
        }
        count(item.children(), counts);
    }
}
