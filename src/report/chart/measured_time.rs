//! The time of each layer as it was measured, above the least that it can be on a device.

use super::axis::{Frame, Labels, Scale};
use super::canvas::{Area, Canvas, float};
use super::legend::{self, Sign};
use super::ranking::{self, Item};
use super::stages::{self, Run};
use super::style::Ink;
use super::{Chart, Drawing};
use crate::report::measurement::{Measured, Pace};
use crate::report::sheet::ratio_text;
use crate::units::seconds;

/// Its file's stem.
pub(super) const NAME: &str = "measured_time";

/// More layers than this are drawn in groups of neighbours, each by its slowest.
const MOST_BARS: usize = 500;
/// The most layers that are named.
const MOST_NAMED: usize = 14;

struct Times {
    bars: Vec<Bar>,
    /// How many neighbours share a bar.
    group: usize,
    layers: usize,
    runs: Vec<Run>,
    slowest: Vec<Item>,
    /// Seconds of the others, by how many are drawn.
    rest: Vec<f64>,
    /// The sum of the medians, and the median of the whole pass.
    sum: f64,
    whole: Option<f64>,
    device: Option<String>,
}

/// Seconds.
#[derive(Clone, Copy)]
struct Bar {
    median: f64,
    deviation: f64,
    bound: Option<f64>,
}

impl Bar {
    fn new(pace: &Pace) -> Self {
        Self {
            median: pace.timing.median / 1e9,
            deviation: pace.timing.deviation / 1e9,
            bound: pace.bound.map(|bound| bound / 1e9).filter(|bound| *bound > 0.0),
        }
    }
}

pub(super) fn chart(measured: &Measured<'_>) -> Option<Chart> {
    let report = measured.report();
    let is_time = |pace: &Pace| pace.timing.median.is_finite() && pace.timing.median > 0.0;
    let paces: Vec<_> =
        measured.timed().filter_map(|(id, _)| Some((id, measured.node(id).filter(is_time)?))).collect();
    if paces.is_empty() {
        return None;
    }
    let all: Vec<Bar> = paces.iter().map(|(_, pace)| Bar::new(pace)).collect();
    let group = all.len().div_ceil(MOST_BARS).max(1);
    let slowest_of = |bars: &[Bar]| bars.iter().copied().max_by(|a, b| a.median.total_cmp(&b.median));
    let sum: f64 = all.iter().map(|bar| bar.median).sum();
    let mut order: Vec<_> = paces.iter().collect();
    order.sort_by(|(a, one), (b, other)| other.timing.median.total_cmp(&one.timing.median).then(a.cmp(b)));
    let most = order[0].1.timing.median;
    let slowest: Vec<Item> = order
        .iter()
        .take(MOST_NAMED)
        .map(|(id, pace)| {
            let time = pace.timing.median / 1e9;
            let over =
                pace.over_bound().map_or(String::new(), |over| format!(", {} × bound", ratio_text(over)));
            Item {
                name: report.graph.node(*id).name.to_string(),
                figure: format!("{}, {:.1} %{over}", seconds(time), 100.0 * time / sum),
                part: pace.timing.median / most,
                series: 0,
            }
        })
        .collect();
    let rest = (0..=slowest.len())
        .map(|drawn| order.iter().skip(drawn).map(|(_, pace)| pace.timing.median / 1e9).sum());
    let whole = measured.forward();
    let times = Times {
        bars: all.chunks(group).filter_map(slowest_of).collect(),
        group,
        layers: all.len(),
        runs: stages::runs(report.graph, paces.iter().map(|(id, _)| *id)),
        rest: rest.collect(),
        sum,
        whole: whole.map(|pace| pace.timing.median / 1e9),
        device: report.roofline.map(|(device, _)| device.name.clone()),
        slowest,
    };
    let description = times.description(&report.graph.name, whole.as_ref());
    let title = format!("Time by layer, measured: {}, forward", report.graph.name);
    Some(Chart::new(NAME, title, description, times))
}

impl Times {
    fn description(&self, name: &str, whole: Option<&Pace>) -> String {
        let whole = whole.map_or(String::new(), |pace| {
            let bound = match (&self.device, pace.bound) {
                (Some(device), Some(bound)) => {
                    format!(", and at least {} on {device}", seconds(bound / 1e9))
                }
                _ => String::new(),
            };
            format!(
                "A forward pass of {name} takes {} ± {}{bound}. ",
                seconds(pace.timing.median / 1e9),
                seconds(pace.timing.deviation / 1e9)
            )
        });
        let slowest = self.slowest.first();
        format!(
            "{whole}The medians of its {} layers add up to {}; the slowest is {} with {}.",
            self.layers,
            seconds(self.sum),
            slowest.map_or("none", |item| &item.name),
            slowest.map_or("none", |item| &item.figure),
        )
    }
}

impl Drawing for Times {
    fn draw(&self, canvas: &mut Canvas, area: Area) {
        let mut entries =
            vec![(Sign::Line(Ink::Series(0), legend::dashes(0)), "median, with its MAD".to_owned())];
        if let Some(device) = &self.device {
            entries.push((Sign::Line(Ink::Series(1), legend::dashes(0)), format!("bound on {device}")));
        }
        let whole = self.whole.map_or(String::new(), |whole| format!("; the whole pass: {}", seconds(whole)));
        entries.push((Sign::Nothing, format!("sum of the medians: {}{whole}", seconds(self.sum))));
        let mut area = legend::draw(canvas, area, &entries);
        if area.width() > 760.0 {
            let side = (area.width() * 0.32).min(440.0);
            let list = Area { left: area.right - side, ..area };
            area.right = list.left - 24.0;
            let title = format!("The slowest of {} layers", self.layers);
            ranking::draw(canvas, list, &title, &self.slowest, |drawn| {
                let others = self.layers - drawn.min(self.layers);
                let time = self.rest.get(drawn).copied().unwrap_or(0.0);
                let part = 100.0 * time / self.sum;
                (others > 0).then(|| format!("and {others} more: {}, {part:.1} %", seconds(time)))
            });
        }
        self.plot(canvas, area);
    }
}

impl Times {
    fn plot(&self, canvas: &mut Canvas, area: Area) {
        let values = self.bars.iter().flat_map(|bar| [Some(bar.median), bar.bound]).flatten();
        let (low, y) = Scale::decades(values, power);
        let x = Scale::numbers(self.layers, 12);
        let mut x_label = "layers in order".to_owned();
        if self.group > 1 {
            x_label.push_str(&format!("; the slowest of every {}", self.group));
        }
        let labels = Labels { heading: None, x: &x_label, y: "time, on a scale of decades" };
        let frame = Frame::draw(canvas, area, labels, &x, &y, stages::HEAD);
        stages::bands(canvas, &frame, &self.runs);
        frame.grid(canvas, &y);
        let height =
            |time: f64| frame.y((time.max(f64::MIN_POSITIVE).log10() - f64::from(low)).clamp(0.0, y.top));
        let slot = frame.plot.width() / float(self.layers) * float(self.group);
        let thick = if slot > 4.0 { (slot * 0.7).min(48.0) } else { slot };
        for (index, bar) in self.bars.iter().enumerate() {
            let middle = (frame.plot.left + slot * (float(index) + 0.5)).min(frame.plot.right);
            let (left, right) = (middle - thick / 2.0, (middle + thick / 2.0).min(frame.plot.right));
            let top = height(bar.median);
            let bottom = bar.bound.map_or(frame.plot.bottom, height);
            // A device that is faster than its bound has the bar below the bound.
            let body = Area { left, top: top.min(bottom), right, bottom: top.max(bottom) };
            canvas.rect(body, Ink::Series(0).at(if self.device.is_some() { 0.22 } else { 0.35 }));
            if let Some(bound) = bar.bound {
                canvas.line((left, height(bound)), (right, height(bound)), Ink::Series(1), 2.0);
            }
            canvas.line((left, top), (right, top), Ink::Series(0), 2.5);
            if slot > 6.0 && bar.deviation > 0.0 && bar.deviation.is_finite() {
                let (upper, lower) = (height(bar.median + bar.deviation), height(bar.median - bar.deviation));
                let half = (thick * 0.25).min(5.0);
                canvas.line((middle, upper), (middle, lower), Ink::Text, 1.0);
                for end in [upper, lower] {
                    canvas.line((middle - half, end), (middle + half, end), Ink::Text, 1.0);
                }
            }
        }
    }
}

/// A power of ten as a time.
fn power(exponent: i32) -> String {
    crate::units::trimmed(&seconds(10f64.powi(exponent)))
}
