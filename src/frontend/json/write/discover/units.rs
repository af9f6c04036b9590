//! Units: a weight layer with the norm and the activation around it.

use super::super::tree::{Forest, Item, as_u32};
use super::{family, is_weight};
use crate::ops::{Family, Operator};

/// In which order a network's units stand: a weight layer first, or last.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    WeightFirst,
    WeightLast,
}

pub(super) fn unit_order(forest: &Forest<'_>) -> Order {
    let (mut first, mut last) = (0usize, 0usize);
    for place in forest.inputs..as_u32(forest.order.len()) {
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
pub(super) fn units(forest: &mut Forest<'_>, items: Vec<Item>, order: Order) -> Vec<Item> {
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
