//! Diagnostics drawn at the user's text.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet, renderer::DecorStyle};

use crate::diagnostic::{Diagnostic, FilePlace, Severity, is_steering};
use crate::source::{SourceId, SourceMap, Span};

/// Lines longer than four times this are shown in part: a file may be one line of megabytes.
const CONTEXT: usize = 400;
/// The columns that a drawing keeps to where it can.
const WIDTH: usize = 100;
/// Places are marked by at most so many letters.
const MARKED: usize = 60;
/// Places so far apart are drawn one by one, for all between them would be looked through.
const APART: usize = 1 << 16;
/// Words in backticks are the user's, and may be a megabyte.
const QUOTED: usize = 80;

/// One diagnostic as text with ANSI colours; strip them where they are not wanted.
pub fn render(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let message = clean(&diagnostic.message);
    let title = level.primary_title(&message).id(diagnostic.code.name());
    let texts: Vec<String> = diagnostic.labels.iter().map(|label| clean(&label.text)).collect();
    let windows = windows(diagnostic, sources);
    let mut group = if windows.is_empty() {
        Group::with_title(title)
    } else {
        title.elements(windows.iter().map(|window| window.snippet(diagnostic, &texts)))
    };
    if let Some(place) = &diagnostic.place {
        group = group.element(Origin::path(in_file(place)));
    }
    let help: Vec<String> = diagnostic.help.iter().map(|help| wrap(&clean(help))).collect();
    for help in &help {
        group = group.element(Level::HELP.message(help));
    }
    let drawn = Renderer::styled().decor_style(DecorStyle::Ascii).term_width(WIDTH).render(&[group]);
    match windows.first() {
        // Columns are counted in what is shown; what is wanted is the column in the file.
        Some(Window { name, line, cut: Some((shown, column)), .. }) => {
            drawn.replacen(&format!("{name}:{line}:{shown}"), &format!("{name}:{line}:{column}"), 1)
        }
        _ => drawn,
    }
}

/// `net.onnx, byte 1234, in node 17 `/conv` of the graph`
fn in_file(place: &FilePlace) -> String {
    let byte = place.byte.map_or(String::new(), |byte| format!(", byte {byte}"));
    let part = if place.part.is_empty() { String::new() } else { format!(", in {}", place.part) };
    clean(&format!("{}{byte}{part}", place.path))
}

/// The parts of the texts that are shown: one for each file, or one for each place where they lie far apart.
fn windows<'a>(diagnostic: &Diagnostic, sources: &'a SourceMap) -> Vec<Window<'a>> {
    let mut files: Vec<(SourceId, Vec<usize>)> = Vec::new();
    for (index, label) in diagnostic.labels.iter().enumerate() {
        match files.iter_mut().find(|(file, _)| *file == label.span.source) {
            Some((_, labels)) => labels.push(index),
            None => files.push((label.span.source, vec![index])),
        }
    }
    let mut windows = Vec::new();
    for (file, labels) in files {
        let spans = labels.iter().map(|&index| diagnostic.labels[index].span);
        let first = spans.clone().map(|span| span.start as usize).min().unwrap_or(0);
        let last = spans.map(|span| span.start as usize).max().unwrap_or(0);
        if last - first > APART {
            windows.extend(labels.iter().map(|&index| Window::new(diagnostic, sources, file, vec![index])));
        } else {
            windows.push(Window::new(diagnostic, sources, file, labels));
        }
    }
    windows
}

/// The part of a text around a diagnostic's places.
struct Window<'a> {
    name: String,
    text: &'a str,
    start: usize,
    line: usize,
    /// The labels in it.
    labels: Vec<usize>,
    /// In a part of a line: the column of the first label as it is shown, and in truth.
    cut: Option<(usize, usize)>,
}

impl<'a> Window<'a> {
    fn new(diagnostic: &Diagnostic, sources: &'a SourceMap, file: SourceId, labels: Vec<usize>) -> Self {
        let source = sources.get(file);
        let (name, all) = (clean(&source.name), &*source.text);
        // The mark of the byte order is no letter of the first line.
        let begin = if all.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let spans = labels.iter().map(|&index| diagnostic.labels[index].span);
        let first = floor(all, spans.clone().map(|span| span.start as usize).min().unwrap_or(0));
        let end = |span: Span| {
            let start = floor(all, span.start as usize);
            start + mark(&all[start..], (span.end as usize).saturating_sub(start))
        };
        let last = spans.map(end).max().unwrap_or(0);
        let line_start = all[..first].rfind('\n').map_or(begin, |at| at + 1);
        let line_end = all[last..].find('\n').map_or(all.len(), |at| last + at);
        let lines = |start: usize| 1 + all.as_bytes()[..start].iter().filter(|&&byte| byte == b'\n').count();
        let text = all[line_start..line_end].trim_end_matches('\r');
        if text.split('\n').all(|line| line.len() <= 4 * CONTEXT) {
            return Self { name, text, start: line_start, line: lines(line_start), labels, cut: None };
        }
        // A line of megabytes: the primary place and a little around it.
        let at = floor(all, diagnostic.labels[labels[0]].span.start as usize);
        let own_line = all[..at].rfind('\n').map_or(begin, |at| at + 1);
        let start = floor(all, at.saturating_sub(CONTEXT / 2)).max(own_line);
        let rest = &all[start..floor(all, at + CONTEXT / 2)];
        let text = rest.split('\n').next().unwrap_or(rest);
        let column = |from: usize| 1 + all[from..at].chars().count();
        Self { name, text, start, line: lines(start), labels, cut: Some((column(start), column(own_line))) }
    }

    fn snippet<'s>(
        &'s self,
        diagnostic: &Diagnostic,
        texts: &'s [String],
    ) -> Snippet<'s, annotate_snippets::Annotation<'s>> {
        let mut snippet = Snippet::source(self.text).line_start(self.line).path(self.name.as_str());
        for &index in &self.labels {
            let span = diagnostic.labels[index].span;
            let limit = self.start + self.text.len();
            let start = span.start as usize;
            if start < self.start || start > limit {
                continue;
            }
            let from = floor(self.text, start - self.start);
            let end = from + mark(&self.text[from..], (span.end as usize).saturating_sub(start));
            let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            let range = from..end;
            snippet = snippet.annotation(kind.span(range).label(texts[index].as_str()));
        }
        snippet
    }
}

/// How many bytes of a place are marked: of several lines the first, of a long line the beginning.
fn mark(text: &str, length: usize) -> usize {
    let text = &text[..floor(text, length)];
    let line = text.split(['\n', '\r']).next().unwrap_or(text);
    line.char_indices().nth(MARKED).map_or(line.len(), |(end, _)| end)
}

/// The next character boundary at or before an offset.
fn floor(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Words from a user's file must not steer the terminal, nor fill it: control characters and those that reverse the
/// direction of writing are shown as a sign, long words in backticks in part.
pub fn clean(text: &str) -> String {
    let shown: String =
        text.chars().map(|letter| if is_steering(letter) { '\u{fffd}' } else { letter }).collect();
    if shown.len() <= QUOTED {
        return shown;
    }
    let parts = shown.split('`').enumerate();
    let parts: Vec<String> = parts
        .map(|(index, part)| if index % 2 == 1 { shorten(part, QUOTED) } else { part.to_owned() })
        .collect();
    shorten(&parts.join("`"), 10 * QUOTED)
}

/// The ends of a text that is too long.
fn shorten(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= 2 * most {
        return text.to_owned();
    }
    let start = text.chars().take(most / 2);
    start.chain("…".chars()).chain(text.chars().skip(count - most / 4)).collect()
}

/// Breaks a help text into lines.
pub fn wrap(text: &str) -> String {
    let mut lines: Vec<String> = vec![String::new()];
    let mut width = 0;
    for word in text.split(' ') {
        let letters = word.chars().count();
        if width > 0 && width + 1 + letters > WIDTH - 12 {
            lines.push(String::new());
            width = 0;
        }
        if let Some(line) = lines.last_mut() {
            if width > 0 {
                line.push(' ');
                width += 1;
            }
            line.push_str(word);
            width += letters;
        }
    }
    lines.join("\n")
}
