//! How far the loss is from each weight layer, and on how many ways (`explain gradient`).

use super::axis::{Frame, Labels, Scale, Unit};
use super::canvas::{Area, Canvas, float};
use super::legend::{self, Sign, dashes};
use super::stages::{self, Run};
use super::style::Ink;
use super::{Chart, Drawing, Network, panels, titled};
use crate::analysis::gradient::paths::log2;
use crate::graph::NodeId;

/// More layers than this are drawn in groups of neighbours: each by its extremes.
const MOST_LAYERS: usize = 1500;

struct Lines {
    networks: Vec<Layers>,
    y: &'static str,
    /// What the lines are, from the lowest up.
    lines: Vec<&'static str>,
}

/// One network's weight layers: by line, by layer. `None` where no path leads to the loss.
struct Layers {
    name: String,
    values: Vec<Vec<Option<f64>>>,
    runs: Vec<Run>,
}

/// Shortest and longest path of each weight layer.
pub(super) fn lengths(networks: &[Network<'_>]) -> Option<Chart> {
    let layers: Vec<Layers> = networks
        .iter()
        .map(|network| {
            let gradient = network.report.gradient?;
            let length = |of: fn(&(u64, u64)) -> u64| {
                let layers = gradient.h.layers();
                layers
                    .map(|layer| gradient.lengths[layer as usize].as_ref().map(|both| super::real(of(both))))
                    .collect()
            };
            Some(layers_of(network, vec![length(|both| both.0), length(|both| both.1)]))
        })
        .collect::<Option<_>>()?;
    let sentences = networks.iter().filter_map(|network| {
        let gradient = network.report.gradient?;
        Some(format!(
            "{}: the loss is at most {} weight layers away on the shortest path, {} on the longest.",
            network.name,
            gradient.longest_shortest_path(),
            gradient.longest_path()
        ))
    });
    let description = sentences.collect::<Vec<_>>().join(" ");
    let lines = vec!["shortest path", "longest path"];
    let drawing = Lines { networks: layers, y: "weight layers on a path to the loss", lines };
    drawing.chart("path_lengths", titled("Gradient path lengths", networks), description)
}

/// log₂ of the number of paths of each weight layer.
pub(super) fn counts(networks: &[Network<'_>]) -> Option<Chart> {
    let layers: Vec<Layers> = networks
        .iter()
        .map(|network| {
            let gradient = network.report.gradient?;
            let paths = gradient.paths.as_ref()?;
            let zero = num::BigUint::ZERO;
            let count = |layer: u32| {
                let count = &paths[layer as usize];
                (*count != zero).then(|| log2(count))
            };
            Some(layers_of(network, vec![gradient.h.layers().map(count).collect()]))
        })
        .collect::<Option<_>>()?;
    let sentences = networks.iter().filter_map(|network| {
        let paths = network.report.gradient?.paths_to_input()?;
        let log =
            if paths == num::BigUint::ZERO { "no".to_owned() } else { format!("2^{:.1}", log2(&paths)) };
        Some(format!("{}: {log} gradient paths lead from the loss to the input.", network.name))
    });
    let description = sentences.collect::<Vec<_>>().join(" ");
    let drawing =
        Lines { networks: layers, y: "log₂ of the number of paths to the loss", lines: vec!["paths"] };
    drawing.chart("path_counts", titled("Gradient paths", networks), description)
}

fn layers_of(network: &Network<'_>, values: Vec<Vec<Option<f64>>>) -> Layers {
    let graph = network.report.graph;
    let nodes: Vec<NodeId> = network
        .report
        .gradient
        .map(|gradient| gradient.h.layers().filter_map(|layer| gradient.h.node(layer)).collect())
        .unwrap_or_default();
    Layers { name: network.name.to_owned(), values, runs: stages::runs(graph, nodes.into_iter()) }
}

impl Lines {
    fn chart(self, name: &str, title: String, description: String) -> Option<Chart> {
        let any = self.networks.iter().any(|layers| layers.values.iter().flatten().any(Option::is_some));
        any.then(|| Chart::new(name, title, description, self))
    }
}

impl Drawing for Lines {
    fn draw(&self, canvas: &mut Canvas, area: Area) {
        let mut area = area;
        if self.lines.len() > 1 {
            let signs = self.lines.iter().enumerate().rev();
            let signs = signs
                .map(|(index, name)| (Sign::Line(Ink::Series(index), dashes(index)), (*name).to_owned()));
            area = legend::draw(canvas, area, &signs.collect::<Vec<_>>());
        }
        let values = self.networks.iter().flat_map(|layers| layers.values.iter().flatten().flatten());
        let most = values.copied().fold(0.0, f64::max);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let y = Scale::up_to(most.ceil() as u64, Unit::Count, 6);
        for (layers, area) in self.networks.iter().zip(panels(area, self.networks.len())) {
            let heading = (self.networks.len() > 1).then_some(layers.name.as_str());
            let count = layers.values.first().map_or(0, Vec::len);
            let labels = Labels { heading, x: "weight layers, in order", y: self.y };
            let x = Scale::numbers(count, 12);
            let frame = Frame::draw(canvas, area, labels, &x, &y, stages::HEAD);
            stages::bands(canvas, &frame, &layers.runs);
            frame.grid(canvas, &y);
            layers.draw(canvas, &frame);
        }
    }
}

impl Layers {
    fn draw(&self, canvas: &mut Canvas, frame: &Frame) {
        let lines: Vec<Vec<Vec<(f64, f64)>>> = self.values.iter().map(|line| pieces(frame, line)).collect();
        if let [low, high] = lines.as_slice() {
            for (low, high) in low.iter().zip(high) {
                canvas
                    .polygon(low.iter().chain(high.iter().rev()).copied().collect(), Ink::Series(0).at(0.15));
            }
        }
        for (index, line) in lines.into_iter().enumerate() {
            for piece in line {
                if let [one] = piece.as_slice() {
                    canvas.mark(index, *one, 4.0, Ink::Series(index));
                }
                legend::line(canvas, piece, Ink::Series(index), dashes(index));
            }
        }
    }
}

/// A line in pieces: without the layers that have no value, and with the extremes of each group of many.
fn pieces(frame: &Frame, values: &[Option<f64>]) -> Vec<Vec<(f64, f64)>> {
    let group = values.len().div_ceil(MOST_LAYERS).max(1);
    let mut pieces: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
    for (index, layers) in values.chunks(group).enumerate() {
        let place = frame.x((float(index) + 0.5) * float(group));
        let known = layers.iter().flatten().copied();
        let extremes = known.fold(None, |found: Option<(f64, f64)>, value| {
            Some(found.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
        });
        match (extremes, pieces.last_mut()) {
            (Some((low, high)), Some(piece)) => {
                piece.push((place, frame.y(high)));
                if low < high {
                    piece.push((place, frame.y(low)));
                }
            }
            _ => pieces.push(Vec::new()),
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
