//! Repeats of one round, where others have more.

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::tree::{Forest, Item, Kind, Pattern};
use super::count;

/// What is repeated elsewhere and stands once here is a repeat of one round, where that makes the scopes around equal.
pub(super) fn single_rounds(forest: &mut Forest<'_>, items: Vec<Item>) -> Vec<Item> {
    let mut repeated = FxHashSet::default();
    repeated_forms(&items, &mut repeated);
    if repeated.is_empty() {
        return items;
    }
    let mut counts: FxHashMap<u32, u32> = FxHashMap::default();
    count(&items, &mut counts);
    let (own, mut both) = (counts.clone(), counts);
    rebuild_scopes(forest, items.clone(), &mut |forest, scope| {
        let form = scope.form;
        let wrapped = with_rounds(forest, scope, &repeated);
        if wrapped.form != form {
            *both.entry(wrapped.form).or_default() += 1;
        }
        wrapped
    });
    rebuild_scopes(forest, items, &mut |forest, scope| {
        let wrapped = with_rounds(forest, scope.clone(), &repeated);
        let shared = both.get(&wrapped.form).is_some_and(|count| *count > 1);
        let alone = own.get(&scope.form).is_none_or(|count| *count < 2);
        if shared && alone { wrapped } else { scope }
    })
}

/// The forms of rounds that are chained one by one.
fn repeated_forms(items: &[Item], forms: &mut FxHashSet<u32>) {
    for item in items {
        if let Kind::Repeat(rounds, Pattern::Chain(0)) = &item.kind {
            forms.extend(rounds.first().filter(|round| round.inputs.len() == 1).map(|round| round.form));
        }
        repeated_forms(item.children(), forms);
    }
}

/// A scope in which all single scopes of some forms are repeats of one round.
fn with_rounds(forest: &mut Forest<'_>, scope: Item, forms: &FxHashSet<u32>) -> Item {
    let Kind::Scope(inner) = scope.kind else { return scope };
    let wrap = |item: Item| {
        let fits = matches!(item.kind, Kind::Scope(_)) && item.name.is_none() && forms.contains(&item.form);
        if !fits {
            return item;
        }
        forest.repeat(vec![item.clone()], None).unwrap_or(item)
    };
    let inner = inner.into_iter().map(wrap).collect();
    forest.scope(inner, scope.name, scope.stage)
}

/// Applies a change to every scope of a tree but the rounds of repeats, inner ones first.
fn rebuild_scopes(
    forest: &mut Forest<'_>,
    items: Vec<Item>,
    change: &mut dyn FnMut(&mut Forest<'_>, Item) -> Item,
) -> Vec<Item> {
    let items = items.into_iter().map(|item| match item.kind {
        Kind::Scope(inner) => {
            let inner = rebuild_scopes(forest, inner, change);
            let scope = forest.scope(inner, item.name, item.stage);
            change(forest, scope)
        }
        _ => item,
    });
    items.collect()
}
