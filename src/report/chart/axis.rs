//! Axes: round numbers with units, grids, the bands of stages.

use super::canvas::{Anchor, Area, Canvas, SMALL, TEXT, float, shorten, width};
use super::real;
use super::style::Ink;
use crate::units;

/// What an axis counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Things, with decimal prefixes.
    Count,
    /// Bytes, with binary prefixes.
    Bytes,
    /// Plain numbers with a fraction.
    Plain,
}

impl Unit {
    /// A value in full.
    pub(super) fn text(self, value: u64) -> String {
        match self {
            Self::Count => units::si(value),
            Self::Bytes => units::bytes(value),
            Self::Plain => value.to_string(),
        }
    }

    /// The same of a number that may have a fraction.
    pub(super) fn text_of(self, value: f64) -> String {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let whole = value.round() as u64;
        match self {
            Self::Count | Self::Bytes => self.text(whole),
            Self::Plain => units::trimmed(&format!("{value:.4}")),
        }
    }
}

/// An axis.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    /// Its beginning.
    pub(super) bottom: f64,
    /// Its end.
    pub(super) top: f64,
    /// Where it has numbers, and these.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Scale {
    /// An axis from 0 up to a round number above `most`, with about so many ticks.
    pub(super) fn up_to(most: u64, unit: Unit, ticks: usize) -> Self {
        Self::between(0.0, real(most), unit, ticks)
    }

    /// An axis between round numbers around two values.
    pub(super) fn between(low: f64, high: f64, unit: Unit, ticks: usize) -> Self {
        // Values that are all the same stand in the middle, or at 0.
        let (low, high) = match () {
            () if !(low.is_finite() && high.is_finite()) || low > high => (0.0, 0.0),
            () if low < high || low == 0.0 => (low, high),
            () => (low - low.abs() * 0.1, high + high.abs() * 0.1),
        };
        if low >= high {
            return Self { bottom: 0.0, top: 1.0, ticks: vec![(0.0, "0".into())] };
        }
        let step = step((high - low) / float(ticks.max(1)), unit);
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        let label = |value: f64| match value {
            0.0 => "0".to_owned(),
            _ => units::trimmed(&unit.text_of(value)),
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few ticks")]
        let count = ((last - first) as usize).min(40);
        let values = (0..=count).map(|tick| (first + float(tick)) * step);
        Self {
            bottom: first * step,
            top: last * step,
            ticks: values.map(|value| (value, label(value))).collect(),
        }
    }

    /// An axis of decades around the positive ones of some values: its lowest exponent, and the axis, which counts
    /// decades from there. `text` names a power of ten.
    pub(super) fn decades(values: impl Iterator<Item = f64>, text: impl Fn(i32) -> String) -> (i32, Self) {
        let finite = values.filter(|value| value.is_finite() && *value > 0.0).map(f64::log10);
        let (low, high) = finite.fold((f64::MAX, f64::MIN), |(low, high), log| (low.min(log), high.max(log)));
        let (low, high) =
            if low > high { (0.0, 1.0) } else { (low.floor(), high.ceil().max(low.floor() + 1.0)) };
        #[expect(clippy::cast_possible_truncation, reason = "the exponents of doubles")]
        let (low, high) = (low.clamp(-30.0, 29.0) as i32, high.clamp(-29.0, 30.0) as i32);
        let ticks = (low..=high).map(|exponent| (f64::from(exponent - low), text(exponent)));
        (low, Self { bottom: 0.0, top: f64::from(high - low), ticks: ticks.collect() })
    }

    /// An axis of numbered things: each takes a unit of length, its number stands in the middle.
    pub(super) fn numbers(count: usize, ticks: usize) -> Self {
        let step = step(float(count) / float(ticks.max(1)), Unit::Count).max(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a round number of things"
        )]
        let step = step as usize;
        let numbers = std::iter::once(1).chain((1..).map(|tick| tick * step).filter(|&number| number > 1));
        let ticks = numbers.take_while(|&number| number <= count);
        Self {
            bottom: 0.0,
            top: float(count.max(1)),
            ticks: ticks.map(|number| (float(number) - 0.5, number.to_string())).collect(),
        }
    }
}

/// The round number above.
fn step(rough: f64, unit: Unit) -> f64 {
    let base = match unit {
        // Powers of two are round under every binary prefix.
        Unit::Bytes => return rough.log2().ceil().exp2().max(1.0),
        Unit::Count | Unit::Plain => 10f64.powf(rough.log10().floor()),
    };
    let times = [1.0, 2.0, 5.0].into_iter().find(|times| times * base >= rough).unwrap_or(10.0);
    let step = times * base;
    if unit == Unit::Plain { step } else { step.max(1.0) }
}

/// What stands around a plot.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Labels<'a> {
    /// A network's name above it, where there are several plots.
    pub(super) heading: Option<&'a str>,
    /// What goes to the right.
    pub(super) x: &'a str,
    /// What goes up.
    pub(super) y: &'a str,
}

/// A plot: its place and how values lie in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) plot: Area,
    /// The axes' ends.
    x: (f64, f64),
    y: (f64, f64),
}

impl Frame {
    /// Draws axes and gives the plot inside. `head` is the room above the plot that the caller fills.
    pub(super) fn draw(
        canvas: &mut Canvas,
        area: Area,
        labels: Labels<'_>,
        x: &Scale,
        y: &Scale,
        head: f64,
    ) -> Self {
        let mut top = area.top;
        if let Some(heading) = labels.heading {
            let text = shorten(heading, area.width(), TEXT);
            canvas.text((area.left, top + TEXT), TEXT, Anchor::Start, Ink::Text, &text);
            top += TEXT + 8.0;
        }
        let title = shorten(labels.y, area.width(), SMALL);
        canvas.text((area.left, top + SMALL), SMALL, Anchor::Start, Ink::Muted, &title);
        top += SMALL + if head > 0.0 { 9.0 } else { 16.0 } + head;
        let numbers = y.ticks.iter().map(|(_, label)| width(label, SMALL)).fold(0.0, f64::max);
        let plot = Area {
            left: (area.left + numbers + 8.0).min(area.right - 10.0),
            top,
            right: area.right - 8.0,
            bottom: (area.bottom - 2.0 * SMALL - 16.0).max(top + 10.0),
        };
        let frame = Self { plot, x: (x.bottom, x.top), y: (y.bottom, y.top) };
        frame.grid(canvas, y);
        for (value, label) in &y.ticks {
            let height = frame.y(*value);
            canvas.text((plot.left - 6.0, height + SMALL * 0.36), SMALL, Anchor::End, Ink::Muted, label);
        }
        let mut free = plot.left - 100.0;
        for (value, label) in &x.ticks {
            let (place, half) = (frame.x(*value), width(label, SMALL) / 2.0);
            if place - half < free || place + half > area.right + 8.0 {
                continue;
            }
            free = place + half + 8.0;
            canvas.line((place, plot.bottom), (place, plot.bottom + 4.0), Ink::Muted, 1.0);
            canvas.text((place, plot.bottom + SMALL + 5.0), SMALL, Anchor::Middle, Ink::Muted, label);
        }
        canvas.line((plot.left, plot.bottom), (plot.right, plot.bottom), Ink::Muted, 1.0);
        let below = (f64::midpoint(plot.left, plot.right), plot.bottom + 2.0 * SMALL + 11.0);
        let title = shorten(labels.x, plot.width(), SMALL);
        canvas.text(below, SMALL, Anchor::Middle, Ink::Muted, &title);
        frame
    }

    /// Lines at the numbers of the axis that goes up.
    pub(super) fn grid(&self, canvas: &mut Canvas, y: &Scale) {
        for (value, _) in &y.ticks {
            let height = self.y(*value);
            canvas.line((self.plot.left, height), (self.plot.right, height), Ink::Grid, 1.0);
        }
    }

    pub(super) fn x(&self, value: f64) -> f64 {
        self.plot.left + (value - self.x.0) / (self.x.1 - self.x.0) * self.plot.width()
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        self.plot.bottom - (value - self.y.0) / (self.y.1 - self.y.0) * self.plot.height()
    }
}
