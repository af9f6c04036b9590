//! Compute of each layer in order, with the mean: the paper's figure of the computational bottleneck (arXiv
//! 1911.11929, §3.2). A bar well above the line is a bottleneck.

use super::axis::{Frame, Labels, Scale, Unit};
use super::canvas::{Anchor, Area, Canvas, SMALL, float, shorten, width};
use super::stages::{self, Run};
use super::style::Ink;
use super::{Chart, Drawing, Network, label, panels, real};
use crate::graph::NodeId;
use crate::units::si;

/// More layers than this are drawn in groups of neighbours, each by its largest.
const MOST_BARS: usize = 1000;

/// The most layers that are named below their bars.
const MOST_NAMES: usize = 16;

struct Layers {
    networks: Vec<Compute>,
}

/// One network's layers with multiply-accumulates.
struct Compute {
    name: String,
    /// In order.
    macs: Vec<u64>,
    /// Their names, where there are few.
    names: Vec<String>,
    runs: Vec<Run>,
    mean: u64,
    largest: Option<Largest>,
}

struct Largest {
    name: String,
    place: usize,
    over_mean: f64,
}

pub(super) fn chart(networks: &[Network<'_>]) -> Option<Chart> {
    let computes: Vec<Compute> = networks.iter().map(compute).collect();
    if computes.iter().all(|compute| compute.macs.is_empty()) {
        return None;
    }
    let sentences = computes.iter().filter_map(|compute| {
        let largest = compute.largest.as_ref()?;
        Some(format!(
            "{}: {} layers compute {} MACs on average; the largest, {}, computes {}, {:.2} times the mean.",
            compute.name,
            compute.macs.len(),
            si(compute.mean),
            largest.name,
            si(compute.macs[largest.place]),
            largest.over_mean,
        ))
    });
    let description = sentences.collect::<Vec<_>>().join(" ");
    Some(Chart::new(
        "layers",
        super::titled("Compute by layer", networks),
        description,
        Layers { networks: computes },
    ))
}

fn compute(network: &Network<'_>) -> Compute {
    let (graph, analysis) = (network.report.graph, network.report.analysis);
    let nodes: Vec<NodeId> =
        graph.nodes().map(|(id, _)| id).filter(|id| analysis.nodes[id.index()].macs > 0).collect();
    let names = match nodes.len() {
        ..=MOST_NAMES => {
            super::without_ending(&nodes.iter().map(|&id| &*graph.node(id).name).collect::<Vec<_>>())
        }
        _ => Vec::new(),
    };
    let macs: Vec<u64> = nodes.iter().map(|id| analysis.nodes[id.index()].macs).collect();
    let largest = analysis.largest_layer.and_then(|layer| {
        let place = nodes.iter().position(|&id| id == layer.node)?;
        Some(Largest { name: graph.node(layer.node).name.to_string(), place, over_mean: layer.max_over_mean })
    });
    Compute {
        name: network.name.to_owned(),
        mean: analysis.total.macs / (macs.len() as u64).max(1),
        runs: stages::runs(graph, nodes.into_iter()),
        names,
        macs,
        largest,
    }
}

impl Drawing for Layers {
    fn draw(&self, canvas: &mut Canvas, area: Area) {
        let most = self.networks.iter().flat_map(|network| &network.macs).copied().max().unwrap_or(0);
        for (index, (network, area)) in
            self.networks.iter().zip(panels(area, self.networks.len())).enumerate()
        {
            let heading = (self.networks.len() > 1).then_some(network.name.as_str());
            network.draw(canvas, area, heading, most, index);
        }
    }
}

impl Compute {
    fn draw(&self, canvas: &mut Canvas, area: Area, heading: Option<&str>, most: u64, series: usize) {
        let count = self.macs.len();
        let mut x = Scale::numbers(count, 12);
        let room = area.width() / float(count.max(1)) - 14.0;
        if !self.names.is_empty() && room > 64.0 {
            let named = self.names.iter().enumerate();
            x.ticks = named.map(|(place, name)| (float(place) + 0.5, shorten(name, room, SMALL))).collect();
        }
        let y = Scale::up_to(most, Unit::Count, 6);
        let group = count.div_ceil(MOST_BARS).max(1);
        let x_label = match group {
            1 => "layers with multiply-accumulates, in order".to_owned(),
            _ => format!("layers with multiply-accumulates, in order; the largest of every {group}"),
        };
        let labels = Labels { heading, x: &x_label, y: "MACs" };
        let frame = Frame::draw(canvas, area, labels, &x, &y, stages::HEAD);
        stages::bands(canvas, &frame, &self.runs);
        frame.grid(canvas, &y);
        let slot = frame.plot.width() / float(count.max(1)) * float(group);
        let gap = if slot > 4.0 { (slot * 0.15).min(6.0) } else { 0.0 };
        let thick = (slot - gap).min(64.0);
        let bars = self.macs.chunks(group).enumerate().map(|(index, macs)| {
            let top = frame.y(real(macs.iter().copied().max().unwrap_or(0)));
            let left = frame.plot.left + slot * (float(index) + 0.5) - thick / 2.0;
            [left, top, thick.min(frame.plot.right - left), frame.plot.bottom - top]
        });
        canvas.bars(bars.collect(), Ink::Series(series));
        let mean = frame.y(real(self.mean));
        let line = vec![(frame.plot.left, mean), (frame.plot.right, mean)];
        canvas.dashed(line, Ink::Text, 1.5, (7.0, 5.0));
        self.annotate(canvas, &frame);
    }

    /// Names the mean and the largest layer.
    fn annotate(&self, canvas: &mut Canvas, frame: &Frame) {
        let mean = frame.y(real(self.mean));
        let text = format!("mean {}", si(self.mean));
        label(canvas, (frame.plot.right - 4.0, mean - 6.0), Anchor::End, &text);
        let Some(largest) = &self.largest else { return };
        let (place, top) = (frame.x(float(largest.place) + 0.5), frame.y(real(self.macs[largest.place])));
        let figure = format!(": {}, {:.2} × mean", si(self.macs[largest.place]), largest.over_mean);
        let room = (frame.plot.width() * 0.6 - width(&figure, SMALL)).max(30.0);
        let text = format!("{}{figure}", shorten(&largest.name, room, SMALL));
        let long = width(&text, SMALL);
        let left = (place + 10.0).min(frame.plot.right - long - 4.0).max(frame.plot.left + 4.0);
        label(canvas, (left, (top - 9.0).max(frame.plot.top + SMALL)), Anchor::Start, &text);
        canvas.mark(3, (place, top), 4.0, Ink::Text);
    }
}
