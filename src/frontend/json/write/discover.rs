//! Scopes that a network has without saying so: units of a weight layer with its norm and activation, windows that
//! repeat one behind the other, and windows that occur again elsewhere.

use indexmap::IndexMap;
use rustc_hash::{FxHashMap, FxHashSet};

use super::tree::{Forest, Item, Kind, Pattern};
use crate::ops::{Family, Operator};

/// The longest period of a repeat, in items.
const LONGEST_PERIOD: usize = 64;
/// The longest window that is looked for elsewhere.
const LONGEST_WINDOW: usize = 40;
/// Lists of more items are not searched for windows that occur elsewhere: what is so long and repeats, repeats in place.
const MOST_ITEMS: usize = 2_000;
/// Rounds of that search, each of which makes one block.
const MOST_BLOCKS: usize = 48;
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

/// What is repeated elsewhere and stands once here is a repeat of one round, where that makes the scopes around equal.
fn single_rounds(forest: &mut Forest<'_>, items: Vec<Item>) -> Vec<Item> {
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

/// In which order a network's units stand: a weight layer first, or last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    WeightFirst,
    WeightLast,
}

fn unit_order(forest: &Forest<'_>) -> Order {
    let (mut first, mut last) = (0usize, 0usize);
    for place in forest.inputs..super::tree::as_u32(forest.order.len()) {
        let node = forest.node(place);
        let Some(before) = node.inputs.first().map(|outlet| forest.graph.node(outlet.node)) else { continue };
        let weight = |family| is_weight(Some(family));
        match (before.op.family(), node.op.family()) {
            (a, Family::Normalization | Family::Activation) if weight(a) => first += 1,
            (Family::Normalization | Family::Activation, b) if weight(b) => last += 1,
            _ => {}
        }
    }
    if last > first { Order::WeightLast } else { Order::WeightFirst }
}

/// Joins each weight layer with the norm and activation that only it is read by, or that only it reads.
fn units(forest: &mut Forest<'_>, items: Vec<Item>, order: Order) -> Vec<Item> {
    let mut result = Vec::with_capacity(items.len());
    let mut rest = items.into_iter().peekable();
    let mut unit: Vec<Item> = Vec::new();
    while let Some(item) = rest.next() {
        unit.push(item);
        // Greedy: as long as what comes next belongs to the unit.
        let complete = {
            let next = rest.peek();
            let fits = next.is_some_and(|next| joins(forest, &unit, next, order));
            !fits
        };
        if complete {
            let done = std::mem::take(&mut unit);
            let has_weight = done.iter().any(|item| is_weight(family(forest, item)));
            if done.len() > 1 && has_weight {
                result.push(forest.scope(done, None, None));
            } else {
                result.extend(done);
            }
        }
    }
    result
}

/// Whether an item goes on with a unit: it reads only the last layer of it, and nothing else does.
fn joins(forest: &Forest<'_>, unit: &[Item], next: &Item, order: Order) -> bool {
    let Some(last) = unit.last() else { return false };
    let [read] = *next.inputs else { return false };
    if last.given != Some(read) || last.stage != next.stage || last.stage.is_some() {
        return false;
    }
    // Only the next one reads it.
    if !forest.read_outside(last.start, next.end).iter().all(|outlet| Some(*outlet) == next.given) {
        return false;
    }
    let rank = |item: &Item| match (family(forest, item), order) {
        (family, Order::WeightFirst) if is_weight(family) => 0,
        (family, Order::WeightLast) if is_weight(family) => 3,
        (Some(Family::Normalization), _) => 1,
        (Some(Family::Activation), _) => 2,
        _ => 9,
    };
    let (a, b) = (rank(last), rank(next));
    a < b && b < 9
}

/// A number that items have in common where they may stand for each other.
fn token(forest: &mut Forest<'_>, items: &[Item], index: usize) -> u64 {
    let item = &items[index];
    let chained =
        index > 0 && items[index - 1].given.is_some_and(|given| item.inputs.first() == Some(&given));
    let label = u64::from(forest.label(item.stage.as_ref()));
    u64::from(item.form) << 24 | label << 1 | u64::from(chained)
}

/// Wraps windows that follow each other in the same form.
fn periods(forest: &mut Forest<'_>, mut items: Vec<Item>) -> Vec<Item> {
    // Each round wraps what repeats, so that what is left is shorter; a few rounds find repeats of repeats.
    for _ in 0..4 {
        let before = items.len();
        items = periods_once(forest, items);
        if items.len() == before {
            break;
        }
        items = in_place(forest, items, false);
    }
    items
}

fn periods_once(forest: &mut Forest<'_>, items: Vec<Item>) -> Vec<Item> {
    let tokens: Vec<u64> = (0..items.len()).map(|index| token(forest, &items, index)).collect();
    let mut found = Vec::new();
    for period in 2..=LONGEST_PERIOD.min(items.len() / 2) {
        let mut start = 0;
        while start + period < items.len() {
            // The first window's chain may differ in its first item only: it has no round before it.
            let mut end = start;
            while end + period < items.len() && tokens[end] == tokens[end + period] {
                end += 1;
            }
            // Equal neighbours are a repeat of one of them.
            let equal = items[start..start + period].windows(2).all(|pair| pair[0].exact == pair[1].exact);
            if end - start >= period && !equal {
                found.push((end + period - start, period, start));
            }
            start = end + 1;
        }
    }
    // The longest first; of equal ones the one with the most rounds.
    found.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    let mut taken = vec![false; items.len()];
    let mut wraps: Vec<(usize, usize)> = Vec::new();
    let mut tries = 0;
    for (length, period, start) in found {
        if taken[start..start + length].iter().any(|taken| *taken) || tries > 4 * items.len() {
            continue;
        }
        let (first, rounds) = best_phase(forest, &items, start, length, period, &mut tries);
        if rounds < 2 {
            continue;
        }
        for round in 0..rounds {
            wraps.push((first + round * period, period));
        }
        taken[first..first + rounds * period].fill(true);
    }
    wrap(forest, items, wraps)
}

/// Where in a run of a period its windows begin, and how many fit: such that each is closed.
fn best_phase(
    forest: &mut Forest<'_>,
    items: &[Item],
    start: usize,
    length: usize,
    period: usize,
    tries: &mut usize,
) -> (usize, usize) {
    let mut best = (0, 0, 0);
    for phase in 0..period {
        // Three rounds tell as much about the phase as all do.
        let first = start + phase;
        let rounds = (length - phase) / period;
        if rounds < 2 {
            continue;
        }
        let counted = closed_rounds(forest, items, first, period, rounds.min(3));
        *tries += period * rounds.min(3);
        if counted < 2 {
            continue;
        }
        let score = (counted, beauty(forest, &items[first..first + period]));
        if score > (best.0, best.1) {
            best = (score.0, score.1, first);
        }
    }
    if best.0 < 2 {
        return (0, 0);
    }
    let first = best.2;
    let rounds = (length - (first - start)) / period;
    *tries += period * rounds;
    (first, closed_rounds(forest, items, first, period, rounds))
}

/// How many windows from here on are closed and of one form.
fn closed_rounds(forest: &mut Forest<'_>, items: &[Item], first: usize, period: usize, most: usize) -> usize {
    let mut form = None;
    for round in 0..most {
        let window = &items[first + round * period..first + (round + 1) * period];
        let Some(this) = closed(forest, window) else { return round };
        if form.is_some_and(|form| form != this) {
            return round;
        }
        form = Some(this);
    }
    most
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

/// Joins equal neighbours that are chained to repeats.
pub(super) fn in_place(forest: &mut Forest<'_>, items: Vec<Item>, named: bool) -> Vec<Item> {
    let mut result: Vec<Item> = Vec::with_capacity(items.len());
    let mut rest = items.into_iter().peekable();
    while let Some(item) = rest.next() {
        let mut rounds = vec![item];
        while let Some(next) = rest.peek() {
            let Some(last) = rounds.last() else { break };
            let alike = last.exact == next.exact && names_agree(last, next) && last.stage == next.stage;
            // How a third round is chained the first two say.
            if !alike || matches!(last.kind, Kind::Repeat(..)) {
                break;
            }
            let Some(next) = rest.next() else { break };
            rounds.push(next);
        }
        close(forest, rounds, named, &mut result);
    }
    result
}

/// Makes repeats of equal neighbours, as long ones as can be.
fn close(forest: &mut Forest<'_>, mut rounds: Vec<Item>, named: bool, result: &mut Vec<Item>) {
    while rounds.len() > 1 {
        let mut count = 1;
        if forest.pattern(&rounds).is_some() {
            count = rounds.len();
        } else if forest.pattern(&rounds[..2]).is_some() {
            // Grows by doubling and then by halves, so that many rounds do not cost their square.
            let (mut fits, mut fails) = (2, rounds.len());
            while fits + 1 < fails {
                let middle = (fits * 2).min(fits.midpoint(fails));
                match forest.pattern(&rounds[..middle]) {
                    Some(_) => fits = middle,
                    None => fails = middle,
                }
            }
            count = fits;
        }
        // A person's names for two or three layers say more than a repeat of them.
        let least = match rounds.first() {
            Some(Item { name: Some(name), kind, .. }) if named && !name.ends_with(']') => {
                if matches!(kind, Kind::Leaf) { usize::MAX } else { 2 }
            }
            _ => 2,
        };
        // Two layers that read the same are branches, not rounds.
        let branches = forest.pattern(&rounds[..count]) == Some(Pattern::Fixed);
        let least = if branches { least.max(3) } else { least };
        let rest = rounds.split_off(count);
        if count >= least.max(2) {
            let name = rounds.first().and_then(|first| first.name.as_deref()).map(|name| base(name).into());
            match forest.repeat(rounds, name) {
                Ok(repeat) => result.push(repeat),
                Err(rounds) => result.extend(rounds),
            }
        } else {
            result.extend(rounds);
        }
        rounds = rest;
    }
    let Some(last) = rounds.pop() else { return };
    // One round of a repeat stays one: with its name, and so that a block can have more rounds elsewhere.
    let is_round = named && last.name.as_deref().is_some_and(|name| name.ends_with("[0]"));
    if is_round && matches!(last.kind, Kind::Scope(_)) {
        let name = last.name.as_deref().map(|name| base(name).into());
        match forest.repeat(vec![last], name) {
            Ok(repeat) => result.push(repeat),
            Err(rounds) => result.extend(rounds),
        }
    } else {
        result.push(last);
    }
}

/// A name without the number at its end.
pub(super) fn base(name: &str) -> &str {
    let name = name.split('[').next().unwrap_or(name);
    let trimmed = name.trim_end_matches(|letter: char| letter.is_ascii_digit()).trim_end_matches(['_', '.']);
    if trimmed.is_empty() { "block" } else { trimmed }
}

fn names_agree(a: &Item, b: &Item) -> bool {
    match (&a.name, &b.name) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            let (base_a, base_b) = (a.split('[').next(), b.split('[').next());
            if a.ends_with(']') || b.ends_with(']') { base_a == base_b } else { base(a) == base(b) }
        }
        _ => false,
    }
}

/// Wraps windows that occur at several places, the one that saves most lines first.
fn windows(forest: &mut Forest<'_>, mut items: Vec<Item>, named: bool) -> Vec<Item> {
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
