//! The roofline (Williams et al. 2009): what a device attains at best, and where each kernel is on it.

use super::axis::{Frame, Labels, Scale};
use super::canvas::{Anchor, Area, Canvas, SMALL, width};
use super::legend::{self, Sign};
use super::ranking::{self, Item};
use super::style::Ink;
use super::{Chart, Drawing, label, real};
use crate::analysis::roofline::{Bound, Roofline};
use crate::device::Device;
use crate::report::Report;
use crate::tensor::DType;
use crate::units::{self, seconds as time};

/// More kernels than this are not drawn as points: those that take least are left out.
const MOST_POINTS: usize = 4000;
/// The most kernels that are named.
const MOST_NAMED: usize = 14;

struct Roof {
    bandwidth: f64,
    /// By element type that kernels compute in.
    peaks: Vec<(DType, f64)>,
    points: Vec<Point>,
    /// The slowest kernels.
    slowest: Vec<Item>,
    /// Seconds of the others, by how many are drawn.
    rest: Vec<f64>,
    kernels: usize,
    seconds: f64,
    compute_seconds: f64,
    /// Kernels that compute nothing, and their seconds.
    moving: (usize, f64),
}

struct Point {
    /// Operations a byte; infinite where every byte is in the cache.
    intensity: f64,
    /// Operations a second.
    attained: f64,
    /// Its part of all time.
    share: f64,
    is_compute: bool,
}

pub(super) fn chart(report: &Report<'_>, device: &Device, roofline: &Roofline) -> Option<Chart> {
    if roofline.points.is_empty() || roofline.seconds <= 0.0 {
        return None;
    }
    let graph = report.graph;
    let mut peaks: Vec<(DType, f64)> = Vec::new();
    let mut points = Vec::new();
    let mut moving = (0, 0.0);
    for point in &roofline.points {
        if point.flops == 0 || point.seconds <= 0.0 {
            moving = (moving.0 + 1, moving.1 + point.seconds);
            continue;
        }
        let dtype = graph.node(point.node).outputs[0].dtype;
        if let (false, Some(peak)) = (peaks.iter().any(|(known, _)| *known == dtype), device.peak(dtype)) {
            peaks.push((dtype, peak));
        }
        points.push(Point {
            intensity: real(point.flops) / real(point.bytes),
            attained: real(point.flops) / point.seconds,
            share: point.seconds / roofline.seconds,
            is_compute: point.bound == Bound::Compute,
        });
    }
    points.sort_by(|a, b| b.share.total_cmp(&a.share));
    points.truncate(MOST_POINTS);
    let mut order: Vec<_> = roofline.points.iter().collect();
    order.sort_by(|a, b| b.seconds.total_cmp(&a.seconds).then(a.node.cmp(&b.node)));
    let most = order.first().map_or(1.0, |point| point.seconds);
    let slowest: Vec<Item> = order
        .iter()
        .take_while(|point| point.seconds > 0.0)
        .take(MOST_NAMED)
        .map(|point| Item {
            name: graph.node(point.node).name.to_string(),
            figure: format!("{}, {:.1} %", time(point.seconds), 100.0 * point.seconds / roofline.seconds),
            part: point.seconds / most,
            series: usize::from(point.bound != Bound::Compute),
        })
        .collect();
    let rest = (0..=slowest.len()).map(|drawn| order.iter().skip(drawn).map(|point| point.seconds).sum());
    let description = format!(
        "On {} {} takes at least {}; arithmetic bounds {:.0} % of that. The slowest of {} kernels is {} with {}.",
        device.name,
        graph.name,
        time(roofline.seconds),
        100.0 * roofline.compute_seconds / roofline.seconds,
        roofline.points.len(),
        slowest.first().map_or("none", |item| &item.name),
        slowest.first().map_or("none", |item| &item.figure),
    );
    let title = format!("Roofline: {} on {}, at least {}", graph.name, device.name, time(roofline.seconds));
    let roof = Roof {
        bandwidth: device.bandwidth,
        peaks,
        points,
        rest: rest.collect(),
        slowest,
        kernels: roofline.points.len(),
        seconds: roofline.seconds,
        compute_seconds: roofline.compute_seconds,
        moving,
    };
    Some(Chart::new("roofline", title, description, roof))
}

/// A power of ten with its prefix.
fn power(exponent: i32) -> String {
    match u32::try_from(exponent) {
        Ok(exponent) => 10u64
            .checked_pow(exponent)
            .map_or_else(|| format!("1e{exponent}"), |value| units::trimmed(&units::si(value))),
        Err(_) => format!("{:.*}", exponent.unsigned_abs().min(9) as usize, 10f64.powi(exponent)),
    }
}

impl Drawing for Roof {
    fn draw(&self, canvas: &mut Canvas, area: Area) {
        let shares = (
            self.compute_seconds / self.seconds * 100.0,
            100.0 - self.compute_seconds / self.seconds * 100.0,
        );
        let mut entries = vec![
            (Sign::Mark(0), format!("bound by arithmetic: {:.1} % of the time", shares.0)),
            (Sign::Mark(1), format!("bound by memory: {:.1} %", shares.1)),
        ];
        if self.moving.0 > 0 {
            let part = self.moving.1 / self.seconds * 100.0;
            let text =
                format!("of it {part:.1} % in {} kernels that compute nothing: no point", self.moving.0);
            entries.push((Sign::Nothing, text));
        }
        let mut area = legend::draw(canvas, area, &entries);
        if area.width() > 760.0 {
            let side = (area.width() * 0.29).min(420.0);
            let list = Area { left: area.right - side, ..area };
            area.right = list.left - 24.0;
            let title = format!("The slowest of {} kernels, at least", self.kernels);
            ranking::draw(canvas, list, &title, &self.slowest, |drawn| {
                let others = self.kernels - drawn.min(self.kernels);
                let seconds = self.rest.get(drawn).copied().unwrap_or(0.0);
                let part = 100.0 * seconds / self.seconds;
                (others > 0).then(|| format!("and {others} more: {}, {part:.1} %", time(seconds)))
            });
        }
        let ridges = self.peaks.iter().map(|(_, peak)| peak / self.bandwidth);
        let (left, x) = Scale::decades(self.points.iter().map(|point| point.intensity).chain(ridges), power);
        let attained = self.points.iter().map(|point| point.attained);
        let (low, y) = Scale::decades(attained.chain(self.peaks.iter().map(|(_, peak)| *peak)), power);
        let labels =
            Labels { heading: None, x: "FLOPs a byte of memory traffic", y: "FLOPs a second, at best" };
        let frame = Frame::draw(canvas, area, labels, &x, &y, 0.0);
        let place = |intensity: f64, attained: f64| {
            let right = (intensity.max(f64::MIN_POSITIVE).log10() - f64::from(left)).clamp(0.0, x.top);
            (
                frame.x(right),
                frame.y((attained.max(f64::MIN_POSITIVE).log10() - f64::from(low)).clamp(0.0, y.top)),
            )
        };
        for (dtype, peak) in &self.peaks {
            let ridge = peak / self.bandwidth;
            let end = 10f64.powf(x.top + f64::from(left));
            // The slope begins where it enters the plot.
            let start = 10f64.powi(left).max(10f64.powi(low) / self.bandwidth);
            let roof = vec![place(start, start * self.bandwidth), place(ridge, *peak), place(end, *peak)];
            canvas.path(roof, Ink::Text, 1.5);
            let at = place(ridge, *peak);
            canvas.dashed(vec![at, (at.0, frame.plot.bottom)], Ink::Muted, 1.0, (3.0, 4.0));
            let text = format!("{dtype}: {}FLOP/s", si_real(*peak));
            let right = place(end, *peak).0 - 4.0;
            let end = right.max(frame.plot.left + width(&text, SMALL));
            label(canvas, (end, at.1 - 20.0), Anchor::End, &text);
        }
        for point in &self.points {
            let kind = usize::from(!point.is_compute);
            let radius = 3.0 + 22.0 * point.share.sqrt();
            let ink = Ink::Series(kind);
            canvas.mark(kind, place(point.intensity, point.attained), radius, ink.at(0.45));
        }
        let text = format!("{}B/s", si_real(self.bandwidth));
        let start = 10f64.powi(left).max(10f64.powi(low) / self.bandwidth);
        let at = place(start, start * self.bandwidth);
        label(canvas, (at.0 + 14.0, (at.1 + 4.0).min(frame.plot.bottom - 6.0)), Anchor::Start, &text);
    }
}

/// A rate with a decimal prefix.
fn si_real(rate: f64) -> String {
    let text = units::rate(rate);
    if text.contains(' ') { text } else { format!("{text} ") }
}
