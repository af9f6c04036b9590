//! The order in which layers are made: the file's own wherever that is one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::super::expand::{Expansion, Source};
use super::Needs;
use crate::diagnostic::{Code, Diagnostic, Sink};

/// Kahn's algorithm over the order of declaration; the file's own order wherever that is one.
pub(super) fn order(expansion: &Expansion<'_>, needs: &[Option<Needs>], sink: &mut Sink) -> Vec<u32> {
    let count = needs.len();
    let sources = |needs: &Needs, visit: &mut dyn FnMut(u32)| {
        needs.inputs.iter().for_each(|slot| visit(slot.instance));
        needs.share.iter().for_each(|&instance| visit(instance));
        needs.types.iter().for_each(|&instance| visit(instance));
    };
    let mut sorted = true;
    let mut waiting = vec![0u32; count];
    let mut followers = vec![0u32; count + 1];
    for (index, needs) in needs.iter().enumerate() {
        if let Some(needs) = needs {
            sources(needs, &mut |source| {
                sorted &= (source as usize) < index;
                waiting[index] += 1;
                followers[source as usize + 1] += 1;
            });
        }
    }
    let all = crate::frontend::json::expand::as_u32(count);
    if sorted {
        return (0..all).collect();
    }
    for index in 0..count {
        followers[index + 1] += followers[index];
    }
    let mut targets = vec![0u32; followers[count] as usize];
    let mut next = followers.clone();
    for (index, needs) in (0..all).zip(needs) {
        if let Some(needs) = needs {
            sources(needs, &mut |source| {
                let slot = &mut next[source as usize];
                targets[*slot as usize] = index;
                *slot += 1;
            });
        }
    }
    let mut ready: BinaryHeap<Reverse<u32>> =
        (0..all).filter(|&index| waiting[index as usize] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(count);
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        for &target in &targets[followers[index as usize] as usize..followers[index as usize + 1] as usize] {
            waiting[target as usize] -= 1;
            if waiting[target as usize] == 0 {
                ready.push(Reverse(target));
            }
        }
    }
    if order.len() < count {
        report_cycle(expansion, needs, &waiting, sink);
    }
    order
}

/// Names the layers of one circle.
fn report_cycle(expansion: &Expansion<'_>, needs: &[Option<Needs>], waiting: &[u32], sink: &mut Sink) {
    let Some(start) = waiting.iter().position(|&count| count > 0) else { return };
    // Whatever waits has a source that waits: walking back ends in the circle.
    let mut seen = vec![false; needs.len()];
    let mut path = vec![start];
    let mut current = start;
    while !seen[current] {
        seen[current] = true;
        let Some(needs) = &needs[current] else { return };
        let sources = needs
            .inputs
            .iter()
            .map(|slot| slot.instance)
            .chain(needs.share)
            .chain(needs.types.iter().copied());
        let Some(source) = sources.map(|source| source as usize).find(|&source| waiting[source] > 0) else {
            return;
        };
        current = source;
        path.push(current);
    }
    let first = path.iter().position(|&index| index == current).unwrap_or(0);
    let mut circle: Vec<usize> = path[first..path.len() - 1].to_vec();
    circle.reverse();
    let names: Vec<&str> = circle.iter().map(|&index| &*expansion.instances[index].name).collect();
    let shown = if names.len() > 6 {
        format!("{} → … ({} layers)", names[..5].join(" → "), names.len())
    } else {
        names.join(" → ")
    };
    let mut diagnostic = Diagnostic::error(
        Code::Cycle,
        format!("layers depend on each other in a circle: {shown} → {}", names[0]),
    );
    for &index in circle.iter().take(6) {
        if let Source::Op(layer, _) = expansion.instances[index].source {
            diagnostic = diagnostic.at(layer.span, format!("`{}`", expansion.instances[index].name));
        }
    }
    sink.push(diagnostic.help("a network is a graph without circles: unroll what is recurrent"));
}
