//! Shapes drawn by plotters' backends: SVG text, or pixels that become a PNG file.

use std::fmt::Write as _;

use super::Chart;
use super::canvas::{Anchor, Canvas, FONT, HEIGHT, Paint, Shape, prepare_font};
use super::style::{Ink, Style, Theme, substitutes};
use plotters::prelude::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, FontTransform, ShapeStyle, TextStyle};

/// Backends have whole coordinates: both draw at twice the size, and are shown at half of it.
const FINE: f64 = 2.0;

/// What a backend may report; those that write to memory do not.
type Fault = Box<dyn std::error::Error + Send + Sync>;

/// What backends do differently.
struct Dialect {
    /// The size of a text to ask for, over the em.
    size: f64,
    /// How far a text's base line is below the point, over the em.
    base: f64,
    /// Whether a polygon costs as much as a rectangle, and dashes can be left to the viewer.
    is_vector: bool,
}

impl Dialect {
    const SVG: Self = Self { size: 1.24, base: 0.0, is_vector: true };
    const PIXELS: Self = Self { size: HEIGHT, base: HEIGHT / 2.0, is_vector: false };
}

fn draw<B: DrawingBackend>(
    canvas: &Canvas,
    theme: Theme,
    dialect: &Dialect,
    backend: &mut B,
) -> Result<(), Fault>
where
    B::ErrorType: 'static,
{
    let scale = canvas.scale * FINE;
    let at = |(x, y): (f64, f64)| (pixel(x * scale), pixel(y * scale));
    let style = |paint: Paint, width: f64| ShapeStyle {
        color: paint.ink.color(theme).mix(paint.alpha),
        filled: true,
        stroke_width: u32::try_from(pixel(width * scale)).unwrap_or(0).max(1),
    };
    for shape in &canvas.shapes {
        match shape {
            Shape::Bars { bars, paint } => {
                let corners = |&[left, top, width, height]: &[f64; 4]| {
                    let (from, to) = (at((left, top)), at((left + width, top + height)));
                    // What there is, is seen.
                    (from, (to.0.max(from.0 + 1), to.1.max(from.1 + 1)))
                };
                let corners: Vec<_> = bars.iter().map(corners).collect();
                if dialect.is_vector && corners.len() > 1 {
                    backend.fill_polygon(comb(&corners), &style(*paint, 1.0))?;
                    continue;
                }
                for (from, to) in corners {
                    backend.draw_rect(from, to, &style(*paint, 1.0), true)?;
                }
            }
            Shape::Path { points, paint, width, dashes } => {
                let pieces = match dialect.is_vector || dashes.0 <= 0.0 {
                    true => vec![points.clone()],
                    false => dashed(points, *dashes),
                };
                for piece in pieces {
                    let mut piece: Vec<_> = piece.into_iter().map(at).collect();
                    piece.dedup();
                    backend.draw_path(piece, &style(*paint, *width))?;
                }
            }
            Shape::Polygon { points, paint } => {
                backend.fill_polygon(points.iter().map(|&point| at(point)), &style(*paint, 1.0))?;
            }
            Shape::Circle { center, radius, stroke, paint } => {
                let pixels = u32::try_from(pixel(radius * scale)).unwrap_or(0).max(1);
                backend.draw_circle(
                    at(*center),
                    pixels,
                    &style(*paint, stroke.unwrap_or(1.0)),
                    stroke.is_none(),
                )?;
            }
            Shape::Text { at: (x, y), size, anchor, turned, paint, text } => {
                let em = size * scale;
                let horizontal = match anchor {
                    Anchor::Start => HPos::Left,
                    Anchor::Middle => HPos::Center,
                    Anchor::End => HPos::Right,
                };
                let mut font = FontDesc::new(FontFamily::Name(FONT), em * dialect.size, FontStyle::Normal);
                let base = em * dialect.base;
                let point = if *turned {
                    font = font.transform(FontTransform::Rotate270);
                    (pixel(x * scale - base), pixel(y * scale))
                } else {
                    (pixel(x * scale), pixel(y * scale - base))
                };
                let text_style = TextStyle {
                    font,
                    color: paint.ink.color(theme).mix(paint.alpha).to_backend_color(),
                    pos: Pos::new(horizontal, VPos::Top),
                };
                backend.draw_text(text, &text_style, point)?;
            }
        }
    }
    Ok(backend.present()?)
}

type Pixel = (i32, i32);

/// Rectangles that share their upper or lower edge as one polygon: what joins them along it has no area.
fn comb(bars: &[(Pixel, Pixel)]) -> Vec<Pixel> {
    let share_top = bars.iter().all(|(from, _)| from.1 == bars[0].0.1);
    let teeth = bars.iter().flat_map(|&((left, top), (right, bottom))| {
        let (edge, far) = if share_top { (top, bottom) } else { (bottom, top) };
        [(left, edge), (left, far), (right, far), (right, edge)]
    });
    teeth.collect()
}

/// A path in dashes: lengths of dash and gap.
fn dashed(points: &[(f64, f64)], pattern: (f64, f64)) -> Vec<Vec<(f64, f64)>> {
    let (mut drawing, mut left) = (true, pattern.0);
    let mut dash: Vec<(f64, f64)> = points.first().copied().into_iter().collect();
    let mut dashes = Vec::new();
    for pair in points.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        loop {
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            if length <= left {
                left -= length;
                if drawing {
                    dash.push(to);
                }
                break;
            }
            let part = left / length;
            from = (from.0 + (to.0 - from.0) * part, from.1 + (to.1 - from.1) * part);
            if drawing {
                dash.push(from);
                dashes.push(std::mem::take(&mut dash));
            } else {
                dash = vec![from];
            }
            drawing = !drawing;
            left = if drawing { pattern.0 } else { pattern.1 };
        }
    }
    if drawing {
        dashes.push(dash);
    }
    dashes.retain(|dash| dash.len() > 1);
    dashes
}

/// The nearest whole pixel; what is off every picture stays off.
#[expect(clippy::cast_possible_truncation, reason = "clamped; NaN becomes 0")]
fn pixel(coordinate: f64) -> i32 {
    coordinate.clamp(-1e6, 1e6).round() as i32
}

/// The picture's size at which backends draw.
fn fine(style: &Style) -> (u32, u32) {
    (style.width.max(1).saturating_mul(2), style.height.max(1).saturating_mul(2))
}

pub(super) fn svg(chart: &Chart, style: &Style) -> String {
    prepare_font();
    let canvas = chart.canvas(style);
    let (width, height) = fine(style);
    let mut drawn = String::new();
    let mut backend = SVGBackend::with_string(&mut drawn, (width, height));
    draw(&canvas, style.theme, &Dialect::SVG, &mut backend).expect("a text in memory takes everything");
    drop(backend);
    finish(&drawn, chart, &canvas, style)
}

/// What plotters writes, with a size, a title, a description and dashes, and without what says nothing.
///
/// Plotters escapes every text and puts it on lines of its own: a line that begins with `<` is a tag.
fn finish(drawn: &str, chart: &Chart, canvas: &Canvas, style: &Style) -> String {
    let (width, height) = fine(style);
    let mut text = String::with_capacity(drawn.len());
    let (title, description) = (escaped(&chart.title), escaped(&chart.description));
    let _ = write!(
        text,
        "<svg width=\"{}\" height=\"{}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         xmlns=\"http://www.w3.org/2000/svg\" font-family=\"{FONT}\">\n\
         <title>{title}</title>\n<desc>{description}</desc>\n",
        style.width, style.height
    );
    let page = style.theme == Theme::Page;
    if !page {
        let ground = Ink::Ground.color(style.theme);
        let (red, green, blue) = (ground.0, ground.1, ground.2);
        let _ = writeln!(
            text,
            "<rect width=\"{width}\" height=\"{height}\" fill=\"#{red:02X}{green:02X}{blue:02X}\"/>"
        );
    }
    let family = format!(" font-family=\"{FONT}\"");
    // Plotters has no dashes. It writes one element for each path, in order.
    let mut paths = canvas.shapes.iter().filter_map(|shape| match shape {
        Shape::Path { dashes, .. } => Some(*dashes),
        _ => None,
    });
    let mut lines = drawn.lines().skip(1).peekable();
    while let Some(line) = lines.next() {
        let is_text = line.starts_with("<text ");
        let mut tag = line.replace(" opacity=\"1\"", "").replace(" stroke=\"none\"", "").replace(&family, "");
        if is_text {
            // Points of texts are on their base line.
            tag = tag.replace(" dy=\"0.76em\"", "").replace(" text-anchor=\"start\"", "");
        }
        if line.starts_with("<polyline ")
            && let Some((dash, gap)) = paths.next().filter(|dashes| dashes.0 > 0.0)
        {
            let scale = canvas.scale * FINE;
            let (dash, gap) = (pixel(dash * scale), pixel(gap * scale));
            tag = tag.replacen("<polyline", &format!("<polyline stroke-dasharray=\"{dash} {gap}\""), 1);
        }
        if page {
            for (color, variable) in substitutes() {
                tag = tag.replace(&color, &variable);
            }
        }
        text.push_str(&tag);
        if is_text {
            text.push_str(lines.next().unwrap_or(""));
        } else {
            text.push('\n');
        }
    }
    text
}

/// A text in XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

pub(super) fn png(chart: &Chart, style: &Style) -> Vec<u8> {
    prepare_font();
    let canvas = chart.canvas(style);
    let (width, height) = fine(style);
    let ground = Ink::Ground.color(style.theme);
    let mut pixels = [ground.0, ground.1, ground.2].repeat(width as usize * height as usize);
    {
        let mut backend = BitMapBackend::with_buffer(&mut pixels, (width, height));
        draw(&canvas, style.theme, &Dialect::PIXELS, &mut backend).expect("pixels in memory take everything");
    }
    let halved = halve(&pixels, width as usize);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width / 2, height / 2);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(&halved)?;
        writer.finish()
    });
    written.expect("a vector takes everything, and the size is that of the pixels");
    file
}

/// Every two by two pixels as their mean: what makes edges smooth.
fn halve(pixels: &[u8], width: usize) -> Vec<u8> {
    let stride = width * 3;
    let mut halved = Vec::with_capacity(pixels.len() / 4);
    for rows in pixels.chunks_exact(2 * stride) {
        let (upper, lower) = rows.split_at(stride);
        for (upper, lower) in upper.chunks_exact(6).zip(lower.chunks_exact(6)) {
            let mean = |channel: usize| {
                let sum = u16::from(upper[channel])
                    + u16::from(upper[channel + 3])
                    + u16::from(lower[channel])
                    + u16::from(lower[channel + 3]);
                #[expect(clippy::cast_possible_truncation, reason = "a mean of bytes is one")]
                let mean = ((sum + 2) / 4) as u8;
                mean
            };
            halved.extend([mean(0), mean(1), mean(2)]);
        }
    }
    halved
}
