//! Charts as SVG and PNG: what a network costs, networks side by side, and trade-offs of a sweep.
//!
//! A [`Chart`] holds its own data and draws itself at any size. Drawing fills a list of shapes (`chart/canvas.rs`),
//! which plotters' backends then render: SVG with real text, or a bitmap with the font that comes with the program. The
//! same chart and style give the same bytes. Sizes are pixels.

mod axis;
mod bars;
mod canvas;
mod layers;
mod legend;
mod measured_memory;
mod measured_time;
mod memory;
mod paths;
mod ranking;
mod render;
mod reuse;
mod roofline;
mod stages;
mod steps;
mod style;
mod sweep;
#[cfg(test)]
mod tests;

pub use style::{Style, Theme, variables};

use super::Report;
use super::diagnostics::clean;
use super::measurement::Measured;
use super::sweep::SweepReport;
use crate::units::grouped;
use canvas::{Canvas, label};

/// The most networks that one chart shows.
pub const MAX_SHOWN: usize = 6;

/// Beyond so many nodes, only charts of sums are drawn: of stages, layers and ops.
pub const MANY_NODES: usize = 200_000;

/// One chart.
pub struct Chart {
    /// A file's stem: lowercase letters, digits and underscores.
    pub name: String,
    /// What it shows, in a line.
    pub title: String,
    /// What can be read off it, with the figures: one or two sentences for those who do not see it.
    pub description: String,
    drawing: Box<dyn Drawing>,
}

/// What fills a chart below its title.
trait Drawing: Send + Sync {
    /// Draws into a rectangle of the canvas.
    fn draw(&self, canvas: &mut Canvas, area: canvas::Area);
}

/// A network that a chart shows.
#[derive(Clone, Copy)]
struct Network<'a> {
    /// What it is called.
    name: &'a str,
    /// All about it.
    report: &'a Report<'a>,
}

impl Chart {
    fn new(
        name: &str,
        title: impl Into<String>,
        description: impl Into<String>,
        drawing: impl Drawing + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            title: clean(&title.into()),
            description: clean(&description.into()),
            drawing: Box::new(drawing),
        }
    }

    /// Whether it shows what was measured.
    pub fn is_measured(&self) -> bool {
        [measured_memory::NAME, measured_time::NAME].contains(&&*self.name)
    }

    /// As an SVG document that names itself: title and description are in it. Under [`Theme::Page`] its colours are
    /// those of [`variables`] in the page around it.
    pub fn svg(&self, style: &Style) -> String {
        render::svg(self, style)
    }

    /// As a PNG file.
    pub fn png(&self, style: &Style) -> Vec<u8> {
        render::png(self, style)
    }

    fn canvas(&self, style: &Style) -> Canvas {
        let mut canvas = Canvas::new(style);
        let area = canvas.titled(&self.title);
        self.drawing.draw(&mut canvas, area);
        canvas
    }
}

/// The charts of one network.
///
/// Memory, gradient paths, a roofline and what was measured are drawn where the report has them. A network of more than
/// [`MANY_NODES`] nodes has only charts of sums.
pub fn network(report: &Report<'_>) -> Vec<Chart> {
    let mut charts = charts(&[Network { name: &report.graph.name, report }]);
    if report.graph.len() > MANY_NODES {
        return charts;
    }
    if let Some((device, roofline)) = report.roofline {
        charts.extend(roofline::chart(report, device, roofline));
    }
    if let Some(measured) = Measured::new(report) {
        charts.extend(measured_memory::chart(&measured));
        charts.extend(measured_time::chart(&measured));
    }
    charts
}

/// The charts of networks side by side on shared axes; the first [`MAX_SHOWN`] of them. `names` are what tells them
/// apart, by network.
pub fn comparison(reports: &[Report<'_>], names: &[String]) -> Vec<Chart> {
    let networks: Vec<Network<'_>> =
        reports.iter().zip(names).map(|(report, name)| Network { name, report }).take(MAX_SHOWN).collect();
    charts(&networks)
}

/// The charts of a sweep: every figure over a parameter, and accuracy (or parameters) against multiply-accumulates.
pub fn sweep(report: &SweepReport<'_>) -> Vec<Chart> {
    sweep::charts(report)
}

/// Which charts a network is too large for: a sentence each.
pub fn left_out(report: &Report<'_>) -> Vec<String> {
    if report.graph.len() > MANY_NODES {
        let most = grouped(MANY_NODES as u64);
        return vec![format!(
            "{} has more than {most} nodes: only charts of sums are drawn",
            report.graph.name
        )];
    }
    let edges = report.gradient.map_or(0, |gradient| gradient.ratios.edges);
    if edges > reuse::MOST_EDGES {
        let most = grouped(reuse::MOST_EDGES);
        let name = &report.graph.name;
        return vec![format!("{name} has more than {most} gradient edges: no reuse is drawn")];
    }
    Vec::new()
}

fn charts(networks: &[Network<'_>]) -> Vec<Chart> {
    type Maker = fn(&[Network<'_>]) -> Option<Chart>;
    let makers: &[Maker] = &[
        bars::by_stage,
        layers::chart,
        memory::chart,
        reuse::whole,
        reuse::by_stage,
        paths::lengths,
        paths::counts,
        bars::by_op,
    ];
    let of_sums: &[Maker] = &[bars::by_stage, layers::chart, bars::by_op];
    let is_large = networks.iter().any(|network| network.report.graph.len() > MANY_NODES);
    let makers = if is_large { of_sums } else { makers };
    let mut charts: Vec<Chart> = makers.iter().filter_map(|make| make(networks)).collect();
    if let Some(why) = networks.iter().find_map(|network| network.report.unknown_costs()) {
        for chart in &mut charts {
            chart.title.push_str(" (lower bounds)");
            chart.description = format!("{} Lower bounds: {why}.", chart.description);
        }
    }
    charts
}

/// A chart's title with the network's name, or with what is compared.
fn titled(what: &str, networks: &[Network<'_>]) -> String {
    let names: Vec<&str> = networks.iter().map(|network| network.name).collect();
    format!("{what}: {}", list(&names))
}

/// One panel for each of some networks: side by side, from five on in rows of three.
fn panels(area: canvas::Area, count: usize) -> Vec<canvas::Area> {
    let columns = match count {
        0..=2 => count.max(1),
        3 | 4 => 2,
        _ => 3,
    };
    area.grid(columns, count.div_ceil(columns), (28.0, 16.0))
}

/// Names without the ending that all of them share, such as their op; `input` has none.
fn without_ending(names: &[&str]) -> Vec<String> {
    let ending = |name: &str| name.rsplit_once('/').map(|(_, ending)| ending.to_owned());
    let layers = || names.iter().filter(|name| **name != "input");
    let shared = layers()
        .next()
        .and_then(|name| ending(name))
        .filter(|shared| layers().all(|name| ending(name).as_ref() == Some(shared)));
    let short = |name: &&str| match (&shared, name.rsplit_once('/')) {
        (Some(_), Some((start, _))) => start.to_owned(),
        _ => (*name).to_owned(),
    };
    names.iter().map(short).collect()
}

/// `a`, `a and b`, `a, b and c`.
fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A count as a coordinate.
#[expect(clippy::cast_precision_loss, reason = "a pixel has no more digits than a double")]
fn real(count: u64) -> f64 {
    count as f64
}
