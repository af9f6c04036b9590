//! Bytes of live tensors at each step, measured over predicted, without and with the workspace of the ops.

use super::axis::{Frame, Labels, Scale, Unit};
use super::canvas::{Area, Canvas, TEXT, float, width};
use super::legend::{self, Sign, dashes};
use super::stages::{self, Run};
use super::steps::Steps;
use super::style::Ink;
use super::{Chart, Drawing, panels, real};
use crate::measurement::Curve;
use crate::report::measurement::Measured;
use crate::units::{bytes, grouped};

/// Its file's stem.
pub(super) const NAME: &str = "measured_memory";

/// The most steps that differ which are marked.
const MOST_MARKS: usize = 200;

struct Curves {
    panels: Vec<Panel>,
}

/// One pass, or both.
struct Panel {
    name: &'static str,
    steps: Steps,
    /// By kind of line, in groups of steps: predicted, measured, measured with the workspace, and its bound.
    lines: [Vec<u64>; 4],
    runs: Vec<Run>,
    /// Steps at which the measured bytes are not those predicted, or the workspace is larger than declared, and what
    /// was measured there.
    off: Vec<(usize, u64)>,
}

/// What the lines are.
const LINES: [&str; 4] =
    ["predicted", "measured", "measured, with workspace", "predicted, with the workspace declared"];

fn sign(line: usize) -> Sign {
    // The bound stands back.
    Sign::Line(if line == 3 { Ink::Muted } else { Ink::Series(line) }, dashes(line))
}

pub(super) fn chart(measured: &Measured<'_>) -> Option<Chart> {
    let report = measured.report();
    let curves = || measured.measurement.memory.iter().filter(|curve| !curve.steps.is_empty());
    let panels: Vec<Panel> = curves().map(|curve| panel(measured, curve)).collect();
    if panels.is_empty() {
        return None;
    }
    let sentences = curves().zip(&panels).map(|(curve, panel)| {
        let agree = match panel.off.first() {
            None => format!("they agree at each of {} steps", grouped(curve.steps.len() as u64)),
            Some((first, _)) => format!(
                "{} of {} steps are off, the first at {}",
                grouped(panel.off.len() as u64),
                grouped(curve.steps.len() as u64),
                report.graph.node(curve.steps[*first].node).name
            ),
        };
        format!(
            "{}: at most {} are predicted and {} measured, {} with workspace; {agree}.",
            curve.name,
            bytes(curve.predicted_peak()),
            bytes(curve.measured_peak()),
            bytes(curve.allocated_peak())
        )
    });
    let description = sentences.collect::<Vec<_>>().join(" ");
    let title = format!("Memory, measured over predicted: {}", report.graph.name);
    Some(Chart::new(NAME, title, description, Curves { panels }))
}

fn panel(measured: &Measured<'_>, curve: &Curve) -> Panel {
    let steps = Steps::new(curve.steps.len());
    let allowed: Vec<u64> = curve
        .predicted
        .iter()
        .zip(&curve.workspace)
        .map(|(predicted, workspace)| predicted.saturating_add(*workspace))
        .collect();
    let figures = curve.predicted.iter().zip(&curve.measured).zip(curve.peak.iter().zip(&allowed));
    let off = figures.enumerate().filter_map(|(step, ((predicted, measured), (peak, allowed)))| {
        if predicted != measured {
            return Some((step, *measured));
        }
        (peak > allowed).then_some((step, *peak))
    });
    let runs = match curve.steps.iter().position(|step| step.backward) {
        None => stages::runs(measured.report().graph, curve.steps.iter().map(|step| step.node)),
        Some(turn) => vec![
            Run { name: "forward".into(), start: 0, end: turn },
            Run { name: "backward".into(), start: turn, end: curve.steps.len() },
        ],
    };
    Panel {
        name: curve.name,
        steps,
        off: off.collect(),
        lines: [&curve.predicted, &curve.measured, &curve.peak, &allowed].map(|line| steps.grouped(line)),
        runs,
    }
}

impl Drawing for Curves {
    fn draw(&self, canvas: &mut Canvas, area: Area) {
        let mut entries: Vec<(Sign, String)> =
            LINES.iter().enumerate().map(|(line, text)| (sign(line), (*text).to_owned())).collect();
        if self.panels.iter().any(|panel| !panel.off.is_empty()) {
            entries.push((Sign::Mark(3), "off".into()));
        }
        let area = legend::draw(canvas, area, &entries);
        for (panel, area) in self.panels.iter().zip(panels(area, self.panels.len())) {
            panel.draw(canvas, area);
        }
    }
}

impl Panel {
    fn draw(&self, canvas: &mut Canvas, area: Area) {
        let steps = self.steps;
        let most = self.lines.iter().flatten().copied().max().unwrap_or(0);
        let (x, y) = (Scale::numbers(steps.count, 8), Scale::up_to(most, Unit::Bytes, 6));
        let around = steps.around(area.width());
        let shared = steps.group * around;
        let mut x_label = "nodes in the order of execution".to_owned();
        if shared > 1 {
            x_label.push_str(&format!("; the most of every {shared}"));
        }
        let peak = |line: usize| bytes(self.lines[line].iter().copied().max().unwrap_or(0));
        let all =
            format!("{}: {} predicted, {} measured, {} with workspace", self.name, peak(0), peak(1), peak(2));
        // Half a figure is none.
        let fits = |text: &String| width(text, TEXT) <= area.width();
        let texts = [all, format!("{}: {} measured", self.name, peak(1)), self.name.to_owned()];
        let heading = texts.into_iter().find(fits).unwrap_or_default();
        let labels = Labels { heading: Some(&heading), x: &x_label, y: "tensors in memory" };
        let frame = Frame::draw(canvas, area, labels, &x, &y, stages::HEAD);
        stages::bands(canvas, &frame, &self.runs);
        frame.grid(canvas, &y);
        let points = steps.outline(&frame, &self.lines[0], around);
        let (first, last) = (frame.plot.left, points.last().map_or(frame.plot.left, |point| point.0));
        let corners = [(last, frame.plot.bottom), (first, frame.plot.bottom)];
        canvas.polygon(points.iter().copied().chain(corners).collect(), Ink::Series(0).at(0.2));
        for line in [3, 2, 0, 1] {
            let Sign::Line(ink, dashes) = sign(line) else { continue };
            let points = steps.outline(&frame, &self.lines[line], around);
            if line == 3 {
                canvas.dashed(points, ink, 1.0, dashes);
            } else {
                legend::line(canvas, points, ink, dashes);
            }
        }
        for (step, bytes) in self.off.iter().take(MOST_MARKS) {
            let at = (frame.x(float(*step) + 0.5), frame.y(real(*bytes)));
            canvas.mark(3, at, 5.0, Ink::Series(3));
        }
    }
}
