//! Curves over a swept parameter, and what is traded for what.

use indexmap::IndexMap;
use rustc_hash::FxHashMap;

use super::axis::{Frame, Labels, Scale, Unit};
use super::canvas::{Anchor, Area, Canvas, SMALL, float, shorten, width};
use super::legend::{self, Sign, dashes};
use super::style::Ink;
use super::{Chart, Drawing, label, list, panels, real};
use crate::report::sweep::SweepReport;
use crate::sweep::{Outcome, Point};

/// The most curves of a plot.
const MOST_CURVES: usize = 6;
/// The most points that are named.
const MOST_LABELS: usize = 200;
/// The most plots of a chart.
const MOST_PLOTS: usize = 9;

/// A figure of points.
#[derive(Clone)]
struct Figure {
    name: String,
    unit: Unit,
    /// By point of the sweep.
    values: Vec<Option<f64>>,
    /// Whether its axis begins at 0.
    from_zero: bool,
}

/// Points that differ in the first parameter only: indices, in its order.
struct Series {
    name: String,
    points: Vec<usize>,
}

/// Every figure over the first parameter.
struct Curves {
    axis: Axis,
    series: Vec<Series>,
    figures: Vec<Figure>,
    left_out: usize,
}

/// One figure over another.
struct TradeOff {
    axis: Axis,
    series: Vec<Series>,
    x: Figure,
    y: Figure,
    left_out: usize,
}

/// The parameter along curves.
struct Axis {
    name: String,
    /// By point: its place, and the value as written.
    places: Vec<(f64, String)>,
    /// Whether values are numbers; else they have a place each.
    is_numeric: bool,
}

/// The curves of a sweep; none where nothing varies.
pub(super) fn charts(report: &SweepReport<'_>) -> Vec<Chart> {
    let valid: Vec<&Point> = report.points.iter().filter(|point| point.outcome.is_ok()).collect();
    let outcomes: Vec<&Outcome> = valid.iter().filter_map(|point| point.outcome.as_ref().ok()).collect();
    // A parameter of numbers makes the best axis.
    let numeric = |values: &[String]| values.iter().all(|value| number(value).is_some());
    let varying: Vec<usize> = report.varying().map(|(index, _)| index).collect();
    let Some(&along) = varying.iter().find(|&&index| numeric(&report.axes[index].values)).or(varying.first())
    else {
        return Vec::new();
    };
    if valid.len() < 2 {
        return Vec::new();
    }
    let is_numeric = numeric(&report.axes[along].values);
    let indices: FxHashMap<&str, usize> =
        report.axes[along].values.iter().enumerate().map(|(index, value)| (value.as_str(), index)).collect();
    let place = |point: &&Point| {
        let value = &point.values[along];
        let index = indices.get(value.as_str()).copied().unwrap_or(0);
        let place = if is_numeric { number(value).unwrap_or(0.0) } else { float(index) };
        (place, value.clone())
    };
    let axis = || Axis {
        name: report.axes[along].name.clone(),
        places: valid.iter().map(place).collect(),
        is_numeric,
    };
    let others: Vec<usize> = varying.iter().copied().filter(|&index| index != along).collect();
    let series = || series(report, &valid, along, &others);
    let figures = figures(report, &outcomes);
    let mut charts = Vec::new();
    let (kept, left_out) = series();
    let ranges = figures.iter().filter_map(|figure| {
        let known = || figure.values.iter().flatten().copied();
        let (low, high) = (known().fold(f64::MAX, f64::min), known().fold(f64::MIN, f64::max));
        (low <= high).then(|| format!("{} from {} to {}", figure.name, figure.text(low), figure.text(high)))
    });
    let ranges: Vec<String> = ranges.collect();
    let ranges: Vec<&str> = ranges.iter().map(String::as_str).collect();
    let description = format!("{} combinations of {}: {}.", valid.len(), report.name, list(&ranges));
    let title = format!("{} over {}", report.name, report.axes[along].name);
    let accuracy =
        figures.iter().find(|figure| figure.is_accuracy() && figure.values.iter().flatten().count() > 1);
    let by_path = |path: &str| figures.iter().find(|figure| figure.name == name(path));
    if let (Some(x), Some(y)) = (by_path("macs"), accuracy.or(by_path("parameters.total"))) {
        let (series, left_out) = self::series(report, &valid, along, &others);
        let description = format!(
            "{} points of {}: {} against {}, by {}.",
            valid.len(),
            report.name,
            y.name,
            x.name,
            report.axes[along].name
        );
        let title = format!("{}: {} against {}", report.name, y.name, x.name);
        let (x, y) = (x.clone().fitted(), y.clone().fitted());
        charts.push(Chart::new(
            "trade_off",
            title,
            description,
            TradeOff { axis: axis(), series, x, y, left_out },
        ));
    }
    let drawing = Curves { axis: axis(), series: kept, figures, left_out };
    charts.insert(0, Chart::new("sweep", title, description, drawing));
    charts
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|value| value.is_finite())
}

/// The curves, and how many more there are.
fn series(
    report: &SweepReport<'_>,
    valid: &[&Point],
    along: usize,
    others: &[usize],
) -> (Vec<Series>, usize) {
    let mut all: Vec<(Vec<&str>, Vec<usize>)> = Vec::new();
    let mut known: FxHashMap<Vec<&str>, usize> = FxHashMap::default();
    for (index, point) in valid.iter().enumerate() {
        let key: Vec<&str> = others.iter().map(|&axis| point.values[axis].as_str()).collect();
        let slot = *known.entry(key.clone()).or_insert(all.len());
        if slot == all.len() {
            all.push((key, Vec::new()));
        }
        all[slot].1.push(index);
    }
    let count = all.len();
    let named = all.into_iter().take(MOST_CURVES).map(|(key, mut points)| {
        let pairs =
            others.iter().zip(key).map(|(&axis, value)| format!("{} = {value}", report.axes[axis].name));
        let place = |&index: &usize| number(&valid[index].values[along]).unwrap_or(0.0);
        points.sort_by(|a, b| place(a).total_cmp(&place(b)).then(a.cmp(b)));
        Series { name: pairs.collect::<Vec<_>>().join(", "), points }
    });
    (named.collect(), count.saturating_sub(MOST_CURVES))
}

fn figures(report: &SweepReport<'_>, outcomes: &[&Outcome]) -> Vec<Figure> {
    let mut figures: Vec<Figure> = report
        .metrics
        .iter()
        .enumerate()
        .map(|(index, metric)| Figure {
            name: name(metric).to_owned(),
            unit: if metric.contains("bytes") { Unit::Bytes } else { Unit::Count },
            values: outcomes.iter().map(|outcome| outcome.metrics[index].map(real)).collect(),
            from_zero: true,
        })
        .collect();
    // A single one is no curve.
    let mut accuracies: IndexMap<&str, usize> = IndexMap::new();
    for accuracy in outcomes.iter().flat_map(|outcome| &outcome.accuracies) {
        *accuracies.entry(&accuracy.metric).or_default() += 1;
    }
    let accuracies: Vec<&str> =
        accuracies.into_iter().filter(|(_, count)| *count > 1).map(|(name, _)| name).collect();
    figures.extend(accuracies.iter().map(|metric| {
        Figure {
            name: format!("{} (published)", metric.strip_prefix("accuracy.").unwrap_or(metric)),
            unit: Unit::Plain,
            values: outcomes
                .iter()
                .map(|outcome| {
                    let accuracy = outcome.accuracies.iter().find(|accuracy| accuracy.metric == *metric)?;
                    number(accuracy.value.trim_end_matches('%'))
                })
                .collect(),
            from_zero: false,
        }
    }));
    // What others have published says most, and FLOPs are near twice the MACs.
    if figures.len() > MOST_PLOTS {
        let (published, own): (Vec<_>, Vec<_>) = figures.into_iter().partition(Figure::is_accuracy);
        let room = MOST_PLOTS.saturating_sub(published.len());
        figures = own.into_iter().take(room).chain(published).take(MOST_PLOTS).collect();
    }
    figures
}

/// What a figure is called, with its unit.
fn name(path: &str) -> &str {
    match path {
        "parameters.total" => "parameters",
        "macs" => "MACs",
        "flops" => "FLOPs",
        "activations" => "activations, elements",
        "cio" => "CIO, elements",
        other => other,
    }
}

impl Figure {
    fn is_accuracy(&self) -> bool {
        self.unit == Unit::Plain
    }

    /// With an axis around its values.
    fn fitted(mut self) -> Self {
        self.from_zero = false;
        self
    }

    fn text(&self, value: f64) -> String {
        self.unit.text_of(value)
    }

    fn scale(&self, ticks: usize) -> Scale {
        let values = || self.values.iter().flatten().copied();
        let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
        Scale::between(if self.from_zero { 0.0 } else { low }, high, self.unit, ticks)
    }
}

/// What curves mean, above them.
fn signs(canvas: &mut Canvas, area: Area, series: &[Series], left_out: usize) -> Area {
    let mut entries: Vec<(Sign, String)> = Vec::new();
    if series.len() > 1 {
        let named = series.iter().enumerate();
        entries.extend(named.map(|(index, one)| (Sign::Curve(index), one.name.clone())));
    }
    if left_out > 0 {
        entries.push((Sign::Nothing, format!("and {left_out} more combinations, not drawn")));
    }
    if entries.is_empty() { area } else { legend::draw(canvas, area, &entries) }
}

impl Axis {
    fn scale(&self, ticks: usize) -> Scale {
        let places = || self.places.iter().map(|(place, _)| *place);
        let (low, high) = (places().fold(f64::MAX, f64::min), places().fold(f64::MIN, f64::max));
        if self.is_numeric {
            let low = if low >= 0.0 && low <= high / 2.0 { 0.0 } else { low };
            return Scale::between(low, high, Unit::Plain, ticks);
        }
        let mut named: Vec<(f64, String)> = self.places.clone();
        named.sort_by(|a, b| a.0.total_cmp(&b.0));
        named.dedup();
        Scale { bottom: low - 0.5, top: high + 0.5, ticks: named }
    }
}

impl Drawing for Curves {
    fn draw(&self, canvas: &mut Canvas, area: Area) {
        let area = signs(canvas, area, &self.series, self.left_out);
        for (figure, area) in self.figures.iter().zip(panels(area, self.figures.len())) {
            let (x, y) = (self.axis.scale(6), figure.scale(4));
            let labels = Labels { heading: None, x: &self.axis.name, y: &figure.name };
            let frame = Frame::draw(canvas, area, labels, &x, &y, 0.0);
            for (index, series) in self.series.iter().enumerate() {
                let places = series.points.iter().filter_map(|&point| {
                    Some((frame.x(self.axis.places[point].0), frame.y(figure.values[point]?)))
                });
                curve(canvas, places.collect(), index, self.axis.is_numeric && !figure.is_accuracy());
            }
        }
    }
}

/// A line with its marks; of published figures the marks alone say what is known.
fn curve(canvas: &mut Canvas, places: Vec<(f64, f64)>, index: usize, joined: bool) {
    // Hundreds of marks would hide the line.
    if places.len() <= 60 || !joined {
        for &place in &places {
            canvas.mark(index, place, 4.5, Ink::Series(index));
        }
    }
    if joined {
        legend::line(canvas, places, Ink::Series(index), dashes(index));
    }
}

impl Drawing for TradeOff {
    fn draw(&self, canvas: &mut Canvas, area: Area) {
        let area = signs(canvas, area, &self.series, self.left_out);
        let (x, y) = (self.x.scale(8), self.y.scale(6));
        let labels = Labels { heading: None, x: &self.x.name, y: &self.y.name };
        let frame = Frame::draw(canvas, area, labels, &x, &y, 0.0);
        let mut points: Vec<(usize, (f64, f64))> = Vec::new();
        for (index, series) in self.series.iter().enumerate() {
            let known: Vec<(usize, (f64, f64))> = series
                .points
                .iter()
                .filter_map(|&point| {
                    Some((point, (frame.x(self.x.values[point]?), frame.y(self.y.values[point]?))))
                })
                .collect();
            curve(canvas, known.iter().map(|(_, place)| *place).collect(), index, true);
            points.extend(known);
        }
        self.names(canvas, &frame, &points);
    }
}

impl TradeOff {
    /// Names points beside their marks, where nothing else is.
    fn names(&self, canvas: &mut Canvas, frame: &Frame, points: &[(usize, (f64, f64))]) {
        let around =
            |(x, y): (f64, f64)| Area { left: x - 6.0, top: y - 6.0, right: x + 6.0, bottom: y + 6.0 };
        let mut taken: Vec<Area> = points.iter().map(|(_, place)| around(*place)).collect();
        for &(point, (x, y)) in points.iter().take(MOST_LABELS) {
            let text = format!("{} = {}", self.axis.name, self.axis.places[point].1);
            let text = shorten(&text, frame.plot.width() / 4.0, SMALL);
            let long = width(&text, SMALL);
            let sides = [
                (x + 9.0, y + 17.0),
                (x + 9.0, y - 8.0),
                (x - 9.0 - long, y - 8.0),
                (x - 9.0 - long, y + 17.0),
            ];
            for (left, base) in sides {
                let place = Area { left, top: base - SMALL, right: left + long, bottom: base + 3.0 };
                let is_inside = left > frame.plot.left && place.right < frame.plot.right;
                let is_free = |other: &Area| {
                    place.right < other.left
                        || other.right < place.left
                        || place.bottom < other.top
                        || other.bottom < place.top
                };
                if is_inside && taken.iter().all(is_free) {
                    label(canvas, (left, base), Anchor::Start, &text);
                    taken.push(place);
                    break;
                }
            }
        }
    }
}
