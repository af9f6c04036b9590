//! Windows that repeat one behind the other.

use super::super::tree::{Forest, Item};
use super::in_place::in_place;
use super::{beauty, closed, token, wrap};

/// The longest period of a repeat, in items.
const LONGEST_PERIOD: usize = 64;

/// Wraps windows that follow each other in the same form.
pub(super) fn periods(forest: &mut Forest<'_>, mut items: Vec<Item>) -> Vec<Item> {
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
