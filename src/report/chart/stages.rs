//! Stages along an axis of nodes.

use super::axis::Frame;
use super::canvas::{Anchor, Canvas, SMALL, float, shorten};
use super::style::Ink;
use crate::graph::{Graph, NodeId};
use crate::report::stage_name;

/// Neighbours of one stage: its name, the first place and the one past the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) name: String,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// How many parts of a stage's name tell stages apart: 1, or more where one stage is around all others.
pub(super) fn level(graph: &Graph) -> usize {
    let deepest = graph.stages().iter().map(|name| name.split('/').count()).max().unwrap_or(1);
    let differ = |level: &usize| {
        let mut parts = graph.stages().iter().map(|name| prefix(name, *level));
        let first = parts.next();
        parts.any(|part| Some(part) != first && part.split('/').count() == *level)
    };
    (1..=deepest).find(differ).unwrap_or(1)
}

/// The first parts of a stage's name.
pub(super) fn prefix(name: &str, level: usize) -> &str {
    name.match_indices('/').nth(level - 1).map_or(name, |(at, _)| &name[..at])
}

/// The runs of nodes in one stage.
pub(super) fn runs(graph: &Graph, nodes: impl Iterator<Item = NodeId>) -> Vec<Run> {
    let level = level(graph);
    let mut runs: Vec<Run> = Vec::new();
    for (place, id) in nodes.enumerate() {
        let name = stage_name(graph, graph.node(id)).map_or("", |name| prefix(name, level));
        match runs.last_mut() {
            Some(run) if run.name == name => run.end = place + 1,
            _ => runs.push(Run { name: name.to_owned(), start: place, end: place + 1 }),
        }
    }
    runs
}

/// The most runs that bands show: more are mush.
const MOST: usize = 60;

/// Room above a plot for the names of stages.
pub(super) const HEAD: f64 = 18.0;

/// Every other run on a ground of its own, with its name above the plot where that fits.
pub(super) fn bands(canvas: &mut Canvas, frame: &Frame, runs: &[Run]) {
    if runs.len() > MOST {
        return;
    }
    for (index, run) in runs.iter().filter(|run| !run.name.is_empty()).enumerate() {
        let (left, right) = (frame.x(float(run.start)), frame.x(float(run.end)));
        let (top, bottom) = (frame.plot.top - HEAD, frame.plot.bottom);
        if index % 2 == 0 {
            canvas.rect(super::canvas::Area { left, top, right, bottom }, Ink::Band);
        }
        let name = shorten(&run.name, right - left - 4.0, SMALL);
        if name.chars().count() > 6 || name == run.name {
            let middle = f64::midpoint(left, right);
            canvas.text((middle, top + SMALL), SMALL, Anchor::Middle, Ink::Muted, &name);
        }
    }
}
