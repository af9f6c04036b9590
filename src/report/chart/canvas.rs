//! A list of shapes: what charts draw, before any backend.
//!
//! Coordinates are logical pixels: text keeps its size in them, and a larger picture has more of them or larger ones.

use std::sync::Once;

use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};

use super::style::{Ink, Style};
use crate::report::diagnostics::clean;

/// The family under which plotters knows the font.
pub(super) const FONT: &str = "DejaVu Sans, Verdana, Arial, sans-serif";

/// DejaVu Sans, as far as charts need it; `font/README.md` says how it was made.
const FONT_FILE: &[u8] = include_bytes!("font/DejaVuSans-subset.ttf");

/// The height of plain text.
pub(super) const TEXT: f64 = 14.0;
/// The height of axis labels.
pub(super) const SMALL: f64 = 12.5;
/// The height of titles.
const TITLE: f64 = 19.0;

/// A rectangle.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Area {
    pub(super) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(super) fn height(&self) -> f64 {
        self.bottom - self.top
    }

    /// Cuts it into so many columns and rows with gaps; by row.
    pub(super) fn grid(self, columns: usize, rows: usize, gap: (f64, f64)) -> Vec<Self> {
        let (across, down) = (float(columns.max(1)), float(rows.max(1)));
        let width = (self.width() - gap.0 * (across - 1.0)) / across;
        let height = (self.height() - gap.1 * (down - 1.0)) / down;
        let cell = |row: usize, column: usize| {
            let left = self.left + float(column) * (width + gap.0);
            let top = self.top + float(row) * (height + gap.1);
            Self { left, top, right: left + width, bottom: top + height }
        };
        (0..rows).flat_map(|row| (0..columns).map(move |column| cell(row, column))).collect()
    }
}

/// A number of things as a coordinate.
#[expect(clippy::cast_precision_loss, reason = "a pixel has no more digits than a double")]
pub(super) fn float(count: usize) -> f64 {
    count as f64
}

/// A colour and how much of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Paint {
    pub(super) ink: Ink,
    pub(super) alpha: f64,
}

impl From<Ink> for Paint {
    fn from(ink: Ink) -> Self {
        Self { ink, alpha: 1.0 }
    }
}

impl Ink {
    /// A thinner coat.
    pub(super) fn at(self, alpha: f64) -> Paint {
        Paint { ink: self, alpha }
    }
}

/// Where a text stands from its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A shape.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// Filled rectangles of one colour: left, top, width, height. Those of one list share their upper or lower edge.
    Bars { bars: Vec<[f64; 4]>, paint: Paint },
    /// A line through points; in dashes of that length and gap, where those are not 0.
    Path { points: Vec<(f64, f64)>, paint: Paint, width: f64, dashes: (f64, f64) },
    /// A filled polygon.
    Polygon { points: Vec<(f64, f64)>, paint: Paint },
    /// A disc, or a ring of that stroke.
    Circle { center: (f64, f64), radius: f64, stroke: Option<f64>, paint: Paint },
    /// Text on a base line; turned, it runs upwards.
    Text { at: (f64, f64), size: f64, anchor: Anchor, turned: bool, paint: Paint, text: String },
}

/// Shapes in the order of drawing.
pub(super) struct Canvas {
    pub(super) width: f64,
    pub(super) height: f64,
    /// Real pixels in a logical one.
    pub(super) scale: f64,
    pub(super) shapes: Vec<Shape>,
}

impl Canvas {
    /// An empty one. Its text grows with the picture, but never shrinks below what is readable.
    pub(super) fn new(style: &Style) -> Self {
        let (width, height) = (f64::from(style.width.max(1)), f64::from(style.height.max(1)));
        let scale = (width / 1200.0).min(height / 675.0).clamp(0.8, 16.0);
        Self { width: width / scale, height: height / scale, scale, shapes: Vec::new() }
    }

    /// Draws the title and gives what is left.
    pub(super) fn titled(&mut self, title: &str) -> Area {
        let (width, height) = (self.width, self.height);
        let title = shorten(title, width - 40.0, TITLE);
        self.text((20.0, 31.0), TITLE, Anchor::Start, Ink::Text, &title);
        Area { left: 20.0, top: 46.0, right: width - 20.0, bottom: height - 14.0 }
    }

    pub(super) fn rect(&mut self, area: Area, paint: impl Into<Paint>) {
        self.bars(vec![[area.left, area.top, area.width(), area.height()]], paint);
    }

    /// See [`Shape::Bars`].
    pub(super) fn bars(&mut self, bars: Vec<[f64; 4]>, paint: impl Into<Paint>) {
        let bars: Vec<_> = bars.into_iter().filter(|bar| bar[2] > 0.0 && bar[3] > 0.0).collect();
        if !bars.is_empty() {
            self.shapes.push(Shape::Bars { bars, paint: paint.into() });
        }
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), paint: impl Into<Paint>, width: f64) {
        self.path(vec![from, to], paint, width);
    }

    pub(super) fn path(&mut self, points: Vec<(f64, f64)>, paint: impl Into<Paint>, width: f64) {
        if points.len() > 1 {
            self.shapes.push(Shape::Path { points, paint: paint.into(), width, dashes: (0.0, 0.0) });
        }
    }

    /// A path in dashes: lengths of dash and gap.
    pub(super) fn dashed(
        &mut self,
        points: Vec<(f64, f64)>,
        paint: impl Into<Paint>,
        width: f64,
        dashes: (f64, f64),
    ) {
        if points.len() > 1 {
            self.shapes.push(Shape::Path { points, paint: paint.into(), width, dashes });
        }
    }

    pub(super) fn polygon(&mut self, points: Vec<(f64, f64)>, paint: impl Into<Paint>) {
        if points.len() > 2 {
            self.shapes.push(Shape::Polygon { points, paint: paint.into() });
        }
    }

    /// A mark of a kind of data: each kind has a form of its own.
    pub(super) fn mark(&mut self, kind: usize, (x, y): (f64, f64), radius: f64, paint: impl Into<Paint>) {
        let paint = paint.into();
        let ring = |points: &[(f64, f64)]| {
            points.iter().map(|(dx, dy)| (x + dx * radius, y + dy * radius)).collect::<Vec<_>>()
        };
        match kind % 6 {
            0 => self.shapes.push(Shape::Circle { center: (x, y), radius, stroke: None, paint }),
            1 => self.polygon(ring(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]), paint),
            2 => self.polygon(ring(&[(0.0, -1.2), (1.1, 0.9), (-1.1, 0.9)]), paint),
            3 => self.polygon(ring(&[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]), paint),
            4 => self.shapes.push(Shape::Circle { center: (x, y), radius, stroke: Some(2.0), paint }),
            _ => self.polygon(ring(&[(0.0, 1.2), (1.1, -0.9), (-1.1, -0.9)]), paint),
        }
    }

    pub(super) fn text(
        &mut self,
        at: (f64, f64),
        size: f64,
        anchor: Anchor,
        paint: impl Into<Paint>,
        text: &str,
    ) {
        let (text, paint) = (text.to_owned(), paint.into());
        if !text.is_empty() {
            self.shapes.push(Shape::Text { at, size, anchor, turned: false, paint, text });
        }
    }

    /// Text that runs upwards.
    pub(super) fn turned(
        &mut self,
        at: (f64, f64),
        size: f64,
        anchor: Anchor,
        paint: impl Into<Paint>,
        text: &str,
    ) {
        let (text, paint) = (text.to_owned(), paint.into());
        if !text.is_empty() {
            self.shapes.push(Shape::Text { at, size, anchor, turned: true, paint, text });
        }
    }
}

/// Puts the font where plotters looks for it.
pub(super) fn prepare_font() {
    static READY: Once = Once::new();
    READY.call_once(|| {
        let known = register_font(FONT, FontStyle::Normal, FONT_FILE);
        assert!(known.is_ok(), "the font that comes with the program is read by a test");
    });
}

/// The font's height over its em, by which plotters scales bitmaps.
pub(super) const HEIGHT: f64 = 2384.0 / 2048.0;

/// How wide a text is.
pub(super) fn width(text: &str, size: f64) -> f64 {
    prepare_font();
    // Measured large: plotters gives whole pixels.
    let font = FontDesc::new(FontFamily::Name(FONT), 100.0 * HEIGHT, FontStyle::Normal);
    font.box_size(text).map_or(0.0, |(width, _)| f64::from(width) * size / 100.0)
}

/// A text that fits: its ends, where it is too long, with an ellipsis for its middle. What would steer a terminal or
/// a reader is replaced.
pub(super) fn shorten(text: &str, most: f64, size: f64) -> String {
    let text = clean(text);
    if width(&text, size) <= most {
        return text;
    }
    let letters: Vec<char> = text.chars().collect();
    // The end of a layer's name tells more than its beginning.
    let cut = |kept: usize| -> String {
        let head = kept * 2 / 5;
        let tail = letters.len() - (kept - head);
        letters[..head].iter().chain(['…'].iter()).chain(&letters[tail..]).collect()
    };
    let (mut fits, mut not) = (0, letters.len());
    while not - fits > 1 {
        let middle = usize::midpoint(fits, not);
        if width(&cut(middle), size) <= most {
            fits = middle;
        } else {
            not = middle;
        }
    }
    cut(fits)
}

/// Text on a ground of its own, so that it is read above bars.
pub(super) fn label(canvas: &mut Canvas, at: (f64, f64), anchor: Anchor, text: &str) {
    let long = width(text, SMALL);
    let left = match anchor {
        Anchor::Start => at.0,
        Anchor::Middle => at.0 - long / 2.0,
        Anchor::End => at.0 - long,
    };
    let ground =
        Area { left: left - 3.0, top: at.1 - SMALL, right: left + long + 3.0, bottom: at.1 + SMALL * 0.3 };
    canvas.rect(ground, Ink::Ground.at(0.85));
    canvas.text(at, SMALL, anchor, Ink::Text, text);
}
