//! What colours, lines and marks mean, above a plot.

use super::canvas::{Anchor, Area, Canvas, SMALL, shorten, width};
use super::style::Ink;

/// The sign of a kind of data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sign {
    /// Filled bars: of the first kind in full, of others with an edge.
    Bar(usize),
    /// A line in dashes of that pattern; with 0 a whole one.
    Line(Ink, (f64, f64)),
    /// A mark.
    Mark(usize),
    /// A cell of a matrix, one of a kind that repeats or not.
    Cell(bool),
    /// A line with marks.
    Curve(usize),
    /// None: a remark.
    Nothing,
}

/// The dashes of the first, second, … line: whole, long, short, ….
pub(super) fn dashes(index: usize) -> (f64, f64) {
    [(0.0, 0.0), (9.0, 5.0), (2.5, 3.5), (14.0, 4.0), (5.0, 2.5), (2.0, 7.0)][index % 6]
}

/// A line of that pattern.
pub(super) fn line(canvas: &mut Canvas, points: Vec<(f64, f64)>, ink: Ink, dashes: (f64, f64)) {
    canvas.dashed(points, ink, 2.0, dashes);
}

/// Bars of a kind of data: others than the first are pale with an edge, so that grey prints tell them apart.
pub(super) fn bar(canvas: &mut Canvas, area: Area, series: usize) {
    if series == 0 {
        canvas.rect(area, Ink::Series(0));
        return;
    }
    let Area { left, top, right, bottom } = area;
    if area.width() <= 0.0 {
        return;
    }
    canvas.rect(area, Ink::Series(series).at(0.35));
    let inset = 0.75;
    let (left, top, right, bottom) = (left + inset, top + inset, right - inset, bottom - inset);
    let edge = vec![(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
    canvas.path(edge, Ink::Series(series), 1.5);
}

/// Draws signs and their meanings in as many rows as they need and gives what is left below.
pub(super) fn draw(canvas: &mut Canvas, area: Area, entries: &[(Sign, String)]) -> Area {
    let (row, sign) = (SMALL + 8.0, 26.0);
    let (mut left, mut top) = (area.left, area.top);
    for (kind, text) in entries {
        let text = shorten(text, area.width() - sign - 8.0, SMALL);
        let sign = if *kind == Sign::Nothing { 0.0 } else { sign };
        let long = sign + 8.0 + width(&text, SMALL);
        if left > area.left && left + long > area.right {
            (left, top) = (area.left, top + row);
        }
        let middle = top + SMALL * 0.62;
        match *kind {
            Sign::Bar(series) => {
                let swatch = Area { left, top: middle - 6.0, right: left + sign, bottom: middle + 6.0 };
                bar(canvas, swatch, series);
            }
            Sign::Line(ink, dashes) => {
                line(canvas, vec![(left, middle), (left + sign, middle)], ink, dashes);
            }
            Sign::Mark(series) => {
                canvas.mark(series, (left + sign / 2.0, middle), 5.0, Ink::Series(series));
            }
            Sign::Curve(series) => {
                let ink = Ink::Series(series);
                line(canvas, vec![(left, middle), (left + sign, middle)], ink, dashes(series));
                canvas.mark(series, (left + sign / 2.0, middle), 4.5, ink);
            }
            Sign::Cell(again) => {
                let place =
                    Area { left: left + 6.0, top: middle - 7.0, right: left + 20.0, bottom: middle + 7.0 };
                canvas.rect(place, Ink::Series(usize::from(again)));
                if again {
                    canvas.mark(0, (left + 13.0, middle), 2.5, Ink::Ground);
                }
            }
            Sign::Nothing => {}
        }
        canvas.text((left + sign + 7.0, top + SMALL), SMALL, Anchor::Start, Ink::Text, &text);
        left += long + 22.0;
    }
    Area { top: top + row + 6.0, ..area }
}
