//! Equal neighbours as repeats.

use super::super::tree::{Forest, Item, Kind, Pattern};

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
pub(in super::super) fn base(name: &str) -> &str {
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
