//! The time of each layer as it was measured, above the least that it can be on a device.

use super::axis::{Frame, Labels, Scale};
use super::canvas::{Area, Canvas, SMALL, float, shorten};
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
/// The most layers that are named in the list, and below the axis.
const MOST_NAMED: usize = 14;
/// The width from which the slowest are listed.
const LISTED: f64 = 760.0;

struct Times {
    bars: Vec<Bar>,
    /// How many neighbours share a bar.
    group: usize,
    layers: usize,
    runs: Vec<Run>,
    /// Where there are few.
    names: Vec<String>,
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
    let names: Vec<&str> = paces.iter().map(|(id, _)| &*report.graph.node(*id).name).collect();
    let names = if names.len() <= MOST_NAMED { super::without_ending(&names) } else { Vec::new() };
    let whole = measured.forward();
    let times = Times {
        bars: all.chunks(group).filter_map(slowest_of).collect(),
        group,
        layers: all.len(),
        runs: stages::runs(report.graph, paces.iter().map(|(id, _)| *id)),
        names,
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
        let is_wide = self.is_wide(area);
        let sign = |series| match is_wide {
            true => Sign::Line(Ink::Series(series), legend::dashes(0)),
            false => Sign::Mark(series),
        };
        let median = if is_wide { "median, with its MAD" } else { "median" };
        let mut entries = vec![(sign(0), median.to_owned())];
        if let Some(device) = &self.device {
            let floor = 10f64.powi(self.axis().0);
            let hidden = self.bars.iter().filter_map(|bar| bar.bound).filter(|bound| *bound < floor).count();
            let hidden = if hidden > 0 { format!(", {hidden} lie below the axis") } else { String::new() };
            entries.push((sign(1), format!("bound on {device}{hidden}")));
        }
        let whole = self.whole.map_or(String::new(), |whole| format!("; the whole pass: {}", seconds(whole)));
        entries.push((Sign::Nothing, format!("sum of the medians: {}{whole}", seconds(self.sum))));
        let mut area = legend::draw(canvas, area, &entries);
        if area.width() > LISTED {
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
        self.plot(canvas, area, is_wide);
    }
}

impl Times {
    /// Whether bars are wide enough to be seen as such; else there are marks.
    fn is_wide(&self, area: Area) -> bool {
        let plot = if area.width() > LISTED { area.width() * 0.62 } else { area.width() * 0.9 };
        plot / float(self.bars.len().max(1)) > 6.0
    }

    /// Decades around the medians, and around bounds that are not far below all of them: what a fused run would do for
    /// nothing has a bound of next to nothing.
    fn axis(&self) -> (i32, Scale) {
        let least = self.bars.iter().map(|bar| bar.median).fold(f64::INFINITY, f64::min);
        let near = |bound: &f64| *bound > least / 10.0;
        let values = self.bars.iter().flat_map(|bar| [Some(bar.median), bar.bound.filter(near)]).flatten();
        Scale::decades(values, power)
    }

    fn plot(&self, canvas: &mut Canvas, area: Area, is_wide: bool) {
        let (low, y) = self.axis();
        let mut x = Scale::numbers(self.layers, 12);
        let room = area.width() / float(self.layers.max(1)) - 14.0;
        if !self.names.is_empty() && room > 64.0 {
            let named = self.names.iter().enumerate();
            x.ticks = named.map(|(place, name)| (float(place) + 0.5, shorten(name, room, SMALL))).collect();
        }
        let mut x_label = "layers in order".to_owned();
        if self.group > 1 {
            x_label.push_str(&format!("; the slowest of every {}", self.group));
        }
        let labels = Labels { heading: None, x: &x_label, y: "time, on a scale of decades" };
        let frame = Frame::draw(canvas, area, labels, &x, &y, stages::HEAD);
        stages::bands(canvas, &frame, &self.runs);
        frame.grid(canvas, &y);
        let slot = frame.plot.width() / float(self.layers) * float(self.group);
        let place = |index: usize| (frame.plot.left + slot * (float(index) + 0.5)).min(frame.plot.right);
        let decade = |time: f64| time.max(f64::MIN_POSITIVE).log10() - f64::from(low);
        let height = |time: f64| frame.y(decade(time).clamp(0.0, y.top));
        let bound = |bar: &Bar| bar.bound.filter(|bound| decade(*bound) >= 0.0);
        if is_wide {
            for (index, bar) in self.bars.iter().enumerate() {
                bar.draw(
                    canvas,
                    place(index),
                    (slot * 0.7).min(48.0),
                    frame.plot.bottom,
                    &height,
                    bound(bar),
                );
            }
            return;
        }
        for (index, bar) in self.bars.iter().enumerate() {
            if let Some(bound) = bound(bar) {
                canvas.mark(1, (place(index), height(bound)), 2.2, Ink::Series(1));
            }
        }
        for (index, bar) in self.bars.iter().enumerate() {
            canvas.mark(0, (place(index), height(bar.median)), 2.6, Ink::Series(0));
        }
    }
}

impl Bar {
    /// From the bound, or the axis, to the median, and the deviation around it.
    fn draw(
        &self,
        canvas: &mut Canvas,
        middle: f64,
        thick: f64,
        floor: f64,
        height: &dyn Fn(f64) -> f64,
        bound: Option<f64>,
    ) {
        let (left, right) = (middle - thick / 2.0, middle + thick / 2.0);
        let (top, bottom) = (height(self.median), bound.map_or(floor, height));
        // A machine that is faster than the device has its median below the bound.
        let body = Area { left, top: top.min(bottom), right, bottom: top.max(bottom) };
        canvas.rect(body, Ink::Series(0).at(0.25));
        if let Some(bound) = bound {
            canvas.line((left, height(bound)), (right, height(bound)), Ink::Series(1), 2.5);
        }
        canvas.line((left, top), (right, top), Ink::Series(0), 2.5);
        if self.deviation > 0.0 && self.deviation.is_finite() {
            let (upper, lower) = (height(self.median + self.deviation), height(self.median - self.deviation));
            let half = (thick * 0.25).min(5.0);
            canvas.line((middle, upper), (middle, lower), Ink::Text, 1.0);
            for end in [upper, lower] {
                canvas.line((middle - half, end), (middle + half, end), Ink::Text, 1.0);
            }
        }
    }
}

/// A power of ten as a time.
fn power(exponent: i32) -> String {
    crate::units::trimmed(&seconds(10f64.powi(exponent)))
}
