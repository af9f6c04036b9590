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

/// What backends do differently with text.
struct Fonts {
    /// The size to ask for, over the em.
    size: f64,
    /// How far the base line is below the point, over the em.
    base: f64,
}

fn draw<B: DrawingBackend>(canvas: &Canvas, theme: Theme, fonts: &Fonts, backend: &mut B) -> Result<(), Fault>
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
                for bar in bars {
                    let (from, to) = corners(bar);
                    backend.draw_rect(from, to, &style(*paint, 1.0), true)?;
                }
            }
            Shape::Path { points, paint, width } => {
                let mut points: Vec<_> = points.iter().map(|&point| at(point)).collect();
                points.dedup();
                match points.as_slice() {
                    [from, to] => backend.draw_path([*from, *to], &style(*paint, *width))?,
                    _ => backend.draw_path(points, &style(*paint, *width))?,
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
                let mut font = FontDesc::new(FontFamily::Name(FONT), em * fonts.size, FontStyle::Normal);
                let base = em * fonts.base;
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
    let fonts = Fonts { size: 1.24, base: 0.0 };
    draw(&canvas, style.theme, &fonts, &mut backend).expect("a text in memory takes everything");
    drop(backend);
    finish(&drawn, chart, style)
}

/// What plotters writes, with a size, a title and a description, and without what says nothing.
///
/// Plotters escapes every text and puts it on lines of its own: a line that begins with `<` is a tag.
fn finish(drawn: &str, chart: &Chart, style: &Style) -> String {
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
    let mut lines = drawn.lines().skip(1).peekable();
    while let Some(line) = lines.next() {
        let is_text = line.starts_with("<text ");
        let mut tag = line.replace(" opacity=\"1\"", "").replace(" stroke=\"none\"", "").replace(&family, "");
        if is_text {
            // Points of texts are on their base line.
            tag = tag.replace(" dy=\"0.76em\"", "").replace(" text-anchor=\"start\"", "");
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
    let bytes = width as usize * height as usize * 3;
    let mut pixels: Vec<u8> = [ground.0, ground.1, ground.2].into_iter().cycle().take(bytes).collect();
    {
        let mut backend = BitMapBackend::with_buffer(&mut pixels, (width, height));
        let fonts = Fonts { size: HEIGHT, base: HEIGHT / 2.0 };
        draw(&canvas, style.theme, &fonts, &mut backend).expect("pixels in memory take everything");
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
            for channel in 0..3 {
                let sum = [upper[channel], upper[channel + 3], lower[channel], lower[channel + 3]];
                let sum: u32 = sum.iter().map(|&value| u32::from(value)).sum();
                halved.push(u8::try_from((sum + 2) / 4).unwrap_or(u8::MAX));
            }
        }
    }
    halved
}
