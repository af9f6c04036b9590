//! A list of the largest: a name, a figure and a bar each.

use super::canvas::{Anchor, Area, Canvas, SMALL, TEXT, shorten, width};
use super::legend;
use super::style::Ink;

/// One of the largest.
pub(super) struct Item {
    pub(super) name: String,
    pub(super) figure: String,
    /// Its size against the largest one's.
    pub(super) part: f64,
    /// The kind of data that it is.
    pub(super) series: usize,
}

/// Draws as many as there is room for. `rest` tells how much the others are, given how many are drawn.
pub(super) fn draw(
    canvas: &mut Canvas,
    area: Area,
    title: &str,
    items: &[Item],
    rest: impl Fn(usize) -> Option<String>,
) {
    let Area { left, top, right, bottom } = area;
    let title = shorten(title, area.width(), TEXT);
    canvas.text((left, top + TEXT), TEXT, Anchor::Start, Ink::Text, &title);
    let row = 2.0 * SMALL + 10.0;
    let first = top + TEXT + 10.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few rows; saturates")]
    let rows = ((bottom - SMALL - 8.0 - first) / row) as usize;
    let mut line = first;
    for item in items.iter().take(rows) {
        canvas.text((right, line + SMALL), SMALL, Anchor::End, Ink::Muted, &item.figure);
        let name = shorten(&item.name, right - left - width(&item.figure, SMALL) - 10.0, SMALL);
        canvas.text((left, line + SMALL), SMALL, Anchor::Start, Ink::Text, &name);
        let end = left + (right - left) * item.part;
        let bar = Area { left, top: line + SMALL + 5.0, right: end, bottom: line + SMALL + 12.0 };
        legend::bar(canvas, bar, item.series);
        line += row;
    }
    if let Some(text) = rest(items.len().min(rows)) {
        let text = shorten(&text, area.width(), SMALL);
        canvas.text((left, line + SMALL + 2.0), SMALL, Anchor::Start, Ink::Muted, &text);
    }
}
