//! Windows that occur again elsewhere.

use indexmap::IndexMap;
use rustc_hash::{FxHashMap, FxHashSet};

use super::super::tree::{Forest, Item, Kind};
use super::in_place::in_place;
use super::{SHORT, beauty, closed, rebuild, token, wrap};

/// The longest window that is looked for elsewhere.
const LONGEST_WINDOW: usize = 40;
/// Lists of more items are not searched for windows that occur elsewhere: what is so long and repeats, repeats in place.
const MOST_ITEMS: usize = 2_000;
/// Rounds of that search, each of which makes one block.
const MOST_BLOCKS: usize = 48;
/// Wraps windows that occur at several places, the one that saves most lines first.
pub(super) fn windows(forest: &mut Forest<'_>, mut items: Vec<Item>, named: bool) -> Vec<Item> {
    for _ in 0..MOST_BLOCKS {
        let mut lists: Vec<&[Item]> = Vec::new();
        collect(&items, named, &mut FxHashSet::default(), &mut lists);
        let total: usize = lists.iter().map(|list| list.len()).sum();
        if total > MOST_ITEMS {
            break;
        }
        let Some(chosen) = best_window(forest, &lists) else { break };
        let mut by_list: FxHashMap<Vec<u32>, Vec<(usize, usize)>> = FxHashMap::default();
        for (list, start, length) in chosen {
            by_list.entry(signature(lists[list])).or_default().push((start, length));
        }
        items = rebuild(forest, items, &mut |forest, list| match by_list.get(&signature(&list)).cloned() {
            Some(wraps) => {
                let list = wrap(forest, list, wraps);
                in_place(forest, list, named)
            }
            None => list,
        });
    }
    items
}

/// The lists that are searched: one of those that are alike.
fn collect<'i>(items: &'i [Item], named: bool, seen: &mut FxHashSet<Vec<u32>>, lists: &mut Vec<&'i [Item]>) {
    if items.len() > 3 && (!named || items.len() > SHORT) && seen.insert(signature(items)) {
        lists.push(items);
    }
    for item in items {
        match &item.kind {
            Kind::Leaf => {}
            Kind::Scope(inner) => collect(inner, named, seen, lists),
            Kind::Repeat(rounds, _) => {
                if let Some(Kind::Scope(inner)) = rounds.first().map(|round| &round.kind) {
                    collect(inner, named, seen, lists);
                }
            }
        }
    }
}

/// Equal for lists that are alike.
fn signature(items: &[Item]) -> Vec<u32> {
    items.iter().map(|item| item.form).collect()
}

/// A window: its list, its first item and its length.
type Window = (usize, usize, usize);

/// The best windows so far, and what makes them so.
struct Chosen {
    saved: usize,
    looks: u32,
    group: Vec<Window>,
}

/// The window that saves most lines: its disjoint places as list, first item and length.
fn best_window(forest: &mut Forest<'_>, lists: &[&[Item]]) -> Option<Vec<Window>> {
    let tokens: Vec<Vec<u64>> = lists
        .iter()
        .map(|list| (0..list.len()).map(|index| token(forest, list, index) | u64::from(index == 0)).collect())
        .collect();
    let longest = lists.iter().map(|list| list.len()).max()?.min(LONGEST_WINDOW);
    let mut best: Option<Chosen> = None;
    for length in (2..=longest).rev() {
        let mut groups: FxHashMap<u64, Vec<(usize, usize)>> = FxHashMap::default();
        let mut keys = Vec::new();
        for (index, list) in tokens.iter().enumerate() {
            for start in 0..(list.len() + 1).saturating_sub(length) {
                // The first item of a window may read anything: what is before it differs from place to place.
                let mut hash = list[start] | 1;
                for token in &list[start + 1..start + length] {
                    hash = (hash.rotate_left(5) ^ token).wrapping_mul(0x517c_c1b7_2722_0a95);
                }
                let group = groups.entry(hash).or_default();
                if group.is_empty() {
                    keys.push(hash);
                }
                group.push((index, start));
            }
        }
        for key in keys {
            let places = &groups[&key];
            // Even all of them could save no more.
            let bound = (places.len() - 1) * (length - 1);
            if places.len() < 2 || best.as_ref().is_some_and(|best| bound <= best.saved) {
                continue;
            }
            let mut by_form: IndexMap<u32, Vec<Window>> = IndexMap::new();
            for &(list, start) in places {
                let window = &lists[list][start..start + length];
                let Some(form) = closed(forest, window) else { continue };
                let group = by_form.entry(form).or_default();
                let disjoint =
                    group.last().is_none_or(|&(other, from, _)| other != list || from + length <= start);
                if disjoint {
                    group.push((list, start, length));
                }
            }
            for (_, group) in by_form {
                let Some(&(list, start, _)) = group.first() else { continue };
                let saved = (group.len() - 1) * (length - 1);
                let looks = beauty(forest, &lists[list][start..start + length]);
                let least = if length == 2 { 3 } else { 2 };
                if saved >= least
                    && best.as_ref().is_none_or(|best| (saved, looks) > (best.saved, best.looks))
                    && !is_whole(lists, &group)
                {
                    best = Some(Chosen { saved, looks, group });
                }
            }
        }
    }
    best.map(|best| best.group)
}

/// Whether a window is always a whole list, which is a scope already.
fn is_whole(lists: &[&[Item]], group: &[Window]) -> bool {
    group.iter().all(|&(list, _, length)| lists[list].len() == length)
}
