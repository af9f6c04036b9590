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
}

impl Unit {
    /// A value in full.
    pub(super) fn text(self, value: u64) -> String {
        match self {
            Self::Count => units::si(value),
            Self::Bytes => units::bytes(value),
        }
    }
}

/// An axis from 0.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    /// Its end.
    pub(super) top: f64,
    /// Where it has numbers, and these.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Scale {
    /// An axis up to a round number above `most`, with about so many ticks.
    pub(super) fn up_to(most: u64, unit: Unit, ticks: usize) -> Self {
        if most == 0 {
            return Self { top: 1.0, ticks: vec![(0.0, "0".into())] };
        }
        let step = step(real(most) / float(ticks.max(1)), unit);
        let count = (real(most) / step).ceil();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few ticks; saturates")]
        let label = |tick: usize| match (float(tick) * step).round() as u64 {
            0 => "0".to_owned(),
            value => units::trimmed(&unit.text(value)),
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few ticks")]
        let ticks = 0..=(count as usize).min(40);
        Self { top: count * step, ticks: ticks.map(|tick| (float(tick) * step, label(tick))).collect() }
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
            top: float(count.max(1)),
            ticks: ticks.map(|number| (float(number) - 0.5, number.to_string())).collect(),
        }
    }
}

/// The round number above.
fn step(rough: f64, unit: Unit) -> f64 {
    let base = match unit {
        Unit::Bytes if rough >= 512.0 => {
            let base = 1024f64.powf(rough.log(1024.0).floor());
            // Powers of two within a prefix.
            return base * (rough / base).log2().ceil().exp2();
        }
        _ => 10f64.powf(rough.log10().floor()),
    };
    let times = [1.0, 2.0, 5.0].into_iter().find(|times| times * base >= rough).unwrap_or(10.0);
    (times * base).max(1.0)
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
    right: f64,
    top: f64,
}

impl Frame {
    /// Draws axes from 0 and gives the plot inside. `head` is the room above the plot that the caller fills.
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
        top += SMALL + 10.0 + head;
        let numbers = y.ticks.iter().map(|(_, label)| width(label, SMALL)).fold(0.0, f64::max);
        let plot = Area {
            left: (area.left + numbers + 8.0).min(area.right - 10.0),
            top,
            right: area.right - 8.0,
            bottom: (area.bottom - 2.0 * SMALL - 16.0).max(top + 10.0),
        };
        let frame = Self { plot, right: x.top, top: y.top };
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
        self.plot.left + value / self.right * self.plot.width()
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        self.plot.bottom - value / self.top * self.plot.height()
    }
}
