//! Bytes of activations in memory at each step, the peak, and the tensors that make it (`explain memory`).

use super::axis::{Frame, Labels, Scale, Unit};
use super::canvas::{Anchor, Area, Canvas, SMALL, float, shorten, width};
use super::legend::{self, Sign, dashes};
use super::ranking::{self, Item};
use super::stages::{self, Run};
use super::steps::Steps;
use super::style::Ink;
use super::{Chart, Drawing, Network, label, panels, real};
use crate::analysis::memory::Model;
use crate::report::outlet_name;
use crate::units::{bytes, percent};

/// The most tensors of a peak that have a line each.
const MOST_TENSORS: usize = 12;

struct Curves {
    networks: Vec<Curve>,
}

/// One network's curves.
struct Curve {
    name: String,
    /// By [`Model::REPORTED`]: bytes by group of steps.
    curves: [Vec<u64>; 3],
    peaks: [u64; 3],
    steps: Steps,
    runs: Vec<Run>,
    /// The step of the first model's peak and the node that runs there.
    peak: (usize, String),
    /// What is in memory there: the largest, then how many others and their bytes.
    tensors: Vec<(String, u64)>,
    others: (usize, u64),
}

pub(super) fn chart(networks: &[Network<'_>]) -> Option<Chart> {
    let networks_drawn: Vec<Curve> = networks.iter().map(curves).collect::<Option<_>>()?;
    let sentences = networks_drawn.iter().map(|network| {
        let (name, most) =
            network.tensors.first().map_or(("nothing", 0), |(name, bytes)| (name.as_str(), *bytes));
        format!(
            "{}: at most {} of activations are in memory, at {}; the largest tensor there is {name} with {}.",
            network.name,
            bytes(network.peaks[0]),
            network.peak.1,
            bytes(most)
        )
    });
    let description = sentences.collect::<Vec<_>>().join(" ");
    let title = super::titled("Memory in use", networks);
    Some(Chart::new("memory", title, description, Curves { networks: networks_drawn }))
}

fn curves(network: &Network<'_>) -> Option<Curve> {
    let (graph, memory) = (network.report.graph, network.report.memory?);
    let plain = &memory.models[0];
    let steps = plain.curve.len();
    let node = graph.node(plain.at?);
    let axis = Steps::new(steps);
    let most = |index: usize| axis.grouped(&memory.models[index].curve);
    let alive = plain.alive(plain.step);
    let (named, others) = alive.split_at(alive.len().min(MOST_TENSORS));
    Some(Curve {
        name: network.name.to_owned(),
        curves: [most(0), most(1), most(2)],
        peaks: [0, 1, 2].map(|index| memory.models[index].peak),
        steps: axis,
        runs: stages::runs(graph, graph.nodes().map(|(id, _)| id)),
        peak: (plain.step, node.name.to_string()),
        tensors: named.iter().map(|one| (outlet_name(graph, one.tensor), one.bytes)).collect(),
        others: (others.len(), others.iter().fold(0, |sum, one| sum.saturating_add(one.bytes))),
    })
}

impl Drawing for Curves {
    fn draw(&self, canvas: &mut Canvas, area: Area) {
        let most = self.networks.iter().flat_map(|network| network.peaks).max().unwrap_or(0);
        if let [network] = self.networks.as_slice() {
            let entries = Model::REPORTED.iter().enumerate().map(|(index, (key, _))| {
                (sign(index), format!("{}: at most {}", model_name(key), bytes(network.peaks[index])))
            });
            let area = legend::draw(canvas, area, &entries.collect::<Vec<_>>());
            if area.width() > 760.0 {
                let side = (area.width() * 0.29).min(420.0);
                let list = Area { left: area.right - side, ..area };
                network.list(canvas, list);
                network.draw(canvas, Area { right: list.left - 24.0, ..area }, None, most);
            } else {
                network.draw(canvas, area, None, most);
            }
            return;
        }
        let entries = Model::REPORTED.iter().enumerate();
        let entries: Vec<_> =
            entries.map(|(index, (key, _))| (sign(index), model_name(key).to_owned())).collect();
        let area = legend::draw(canvas, area, &entries);
        for (network, area) in self.networks.iter().zip(panels(area, self.networks.len())) {
            network.draw(canvas, area, Some(&network.name), most);
        }
    }
}

fn sign(model: usize) -> Sign {
    Sign::Line(Ink::Series(model), dashes(model))
}

/// What a model of execution is called for people.
fn model_name(key: &str) -> &str {
    match key {
        "inference_inplace" => "in place",
        "inference_views" => "concats as views",
        _ => "as written",
    }
}

impl Curve {
    fn draw(&self, canvas: &mut Canvas, area: Area, heading: Option<&str>, most: u64) {
        let steps = self.steps;
        let (x, y) = (Scale::numbers(self.steps.count, 12), Scale::up_to(most, Unit::Bytes, 6));
        let around = steps.around(area.width());
        let mut x_label = "nodes in the order of execution".to_owned();
        if steps.group > 1 {
            x_label.push_str(&format!("; the most of every {}", steps.group));
        }
        if around > 1 {
            x_label.push_str(&format!("; broken lines: the most of every {}", steps.group * around));
        }
        let labels = Labels { heading, x: &x_label, y: "activations in memory" };
        let frame = Frame::draw(canvas, area, labels, &x, &y, stages::HEAD);
        stages::bands(canvas, &frame, &self.runs);
        frame.grid(canvas, &y);
        let points = steps.outline(&frame, &self.curves[0], 1);
        let (first, last) = (frame.plot.left, points.last().map_or(frame.plot.left, |point| point.0));
        let corners = [(last, frame.plot.bottom), (first, frame.plot.bottom)];
        let dense = around > 1;
        let coat = if dense { 0.55 } else { 0.2 };
        canvas.polygon(points.iter().copied().chain(corners).collect(), Ink::Series(0).at(coat));
        if !dense {
            legend::line(canvas, points, Ink::Series(0), dashes(0));
        }
        for model in [2, 1] {
            let points = steps.outline(&frame, &self.curves[model], around);
            legend::line(canvas, points, Ink::Series(model), dashes(model));
        }
        let (place, top) = (frame.x(float(self.peak.0) + 0.5), frame.y(real(self.peaks[0])));
        canvas.dashed(vec![(place, frame.plot.bottom), (place, top)], Ink::Text, 1.0, (3.0, 4.0));
        canvas.mark(3, (place, top), 5.0, Ink::Text);
        let figure = format!("peak {} at ", bytes(self.peaks[0]));
        let room = frame.plot.width() * 0.7 - width(&figure, SMALL);
        let text = format!("{figure}{}", shorten(&self.peak.1, room.max(30.0), SMALL));
        let long = width(&text, SMALL);
        let left = (place + 10.0).min(frame.plot.right - long - 4.0).max(frame.plot.left + 4.0);
        let beside = left > place;
        let line = if beside { top + 4.0 } else { top + SMALL + 10.0 };
        label(canvas, (left, line.max(frame.plot.top + SMALL)), Anchor::Start, &text);
    }

    /// What is in memory at the peak, with bars.
    fn list(&self, canvas: &mut Canvas, area: Area) {
        let (all, most) = (self.peaks[0], self.tensors.first().map_or(1, |(_, bytes)| (*bytes).max(1)));
        let item = |(name, size): &(String, u64)| Item {
            name: name.clone(),
            figure: format!("{}, {}", bytes(*size), percent(*size, all)),
            part: real(*size) / real(most),
            series: 0,
        };
        let items: Vec<Item> = self.tensors.iter().map(item).collect();
        ranking::draw(canvas, area, "In memory at the peak", &items, |drawn| {
            let hidden = self.tensors[drawn..].iter().map(|(_, bytes)| *bytes);
            let size = hidden.fold(self.others.1, u64::saturating_add);
            let count = self.others.0 + self.tensors.len() - drawn;
            (count > 0).then(|| format!("and {count} more: {}, {}", bytes(size), percent(size, all)))
        });
    }
}
