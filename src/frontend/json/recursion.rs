//! Blocks must not contain themselves, however long the way round.

use super::document::{Document, Layer, LayerKind};
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::source::Span;

/// The blocks that a list of layers uses, and where.
fn uses(layers: &[Layer], found: &mut Vec<(usize, Span)>) {
    for layer in layers {
        match &layer.kind {
            LayerKind::Op(_) | LayerKind::Broken => {}
            LayerKind::Block { block, span, .. } => found.push((*block, *span)),
            LayerKind::Group(layers) => uses(layers, found),
            LayerKind::Choose { cases, otherwise, .. } => {
                cases.iter().for_each(|(_, layers)| uses(layers, found));
                if let Some(layers) = otherwise {
                    uses(layers, found);
                }
            }
        }
    }
}

/// Reports each circle of blocks once; whether there is any.
pub(super) fn check(document: &Document, sink: &mut Sink) -> bool {
    let edges: Vec<Vec<(usize, Span)>> = document
        .blocks
        .iter()
        .map(|block| {
            let mut found = Vec::new();
            uses(&block.layers, &mut found);
            found
        })
        .collect();
    // Depth first with a stack of its own: chains of blocks may be as long as the file.
    let mut done = vec![false; edges.len()];
    let mut on_path = vec![false; edges.len()];
    let mut found = false;
    for start in 0..edges.len() {
        if done[start] {
            continue;
        }
        let mut path = vec![(start, 0)];
        on_path[start] = true;
        while let Some((block, next)) = path.last_mut() {
            let block = *block;
            let Some(&(used, span)) = edges[block].get(*next) else {
                done[block] = true;
                on_path[block] = false;
                path.pop();
                continue;
            };
            *next += 1;
            if on_path[used] {
                found = true;
                let from = path.iter().position(|(block, _)| *block == used).unwrap_or(0);
                let names: Vec<&str> =
                    path[from..].iter().map(|(block, _)| &*document.blocks[*block].name.text).collect();
                sink.push(
                    Diagnostic::error(
                        Code::RecursiveBlock,
                        format!(
                            "the block `{}` contains itself: {} → {}",
                            names[0],
                            names.join(" → "),
                            names[0]
                        ),
                    )
                    .at(span, "this closes the circle")
                    .at(document.blocks[used].name.span, "defined here"),
                );
            } else if !done[used] {
                on_path[used] = true;
                path.push((used, 0));
            }
        }
    }
    found
}
