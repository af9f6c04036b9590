//! Diagnostics drawn at the user's text.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, renderer::DecorStyle};

use crate::diagnostic::{Diagnostic, Severity};
use crate::source::{SourceId, SourceMap};

/// Lines longer than this are shown in part: a file may be one line of megabytes.
const CONTEXT: usize = 400;

/// One diagnostic as text with ANSI colours; strip them where they are not wanted.
pub fn render(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let message = clean(&diagnostic.message);
    let title = level.primary_title(&message).id(diagnostic.code.name());
    let mut files: Vec<SourceId> = Vec::new();
    for label in &diagnostic.labels {
        if !files.contains(&label.span.source) {
            files.push(label.span.source);
        }
    }
    let texts: Vec<String> = diagnostic.labels.iter().map(|label| clean(&label.text)).collect();
    let windows: Vec<Window<'_>> = files.iter().map(|&file| Window::new(diagnostic, sources, file)).collect();
    let mut group = if windows.is_empty() {
        Group::with_title(title)
    } else {
        title.elements(snippets(diagnostic, sources, &files, &windows, &texts))
    };
    let help: Vec<String> = diagnostic.help.iter().map(|help| clean(help)).collect();
    for help in &help {
        group = group.element(Level::HELP.message(help));
    }
    Renderer::styled().decor_style(DecorStyle::Ascii).render(&[group])
}

fn snippets<'a>(
    diagnostic: &Diagnostic,
    sources: &'a SourceMap,
    files: &[SourceId],
    windows: &[Window<'a>],
    texts: &'a [String],
) -> Vec<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let mut snippets = Vec::new();
    for (file, window) in files.iter().zip(windows) {
        let mut snippet =
            Snippet::source(window.text).line_start(window.line).path(sources.get(*file).name.as_str());
        for (index, label) in
            diagnostic.labels.iter().enumerate().filter(|(_, label)| label.span.source == *file)
        {
            let Some(range) = window.range(label.span.start as usize, label.span.end as usize) else {
                continue;
            };
            let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            snippet = snippet.annotation(kind.span(range).label(texts[index].as_str()));
        }
        snippets.push(snippet);
    }
    snippets
}

/// The part of a text around a diagnostic's places.
struct Window<'a> {
    text: &'a str,
    start: usize,
    line: usize,
}

impl<'a> Window<'a> {
    fn new(diagnostic: &Diagnostic, sources: &'a SourceMap, file: SourceId) -> Self {
        let text: &str = &sources.get(file).text;
        let spans = diagnostic.labels.iter().map(|label| label.span).filter(|span| span.source == file);
        let first = spans.clone().map(|span| span.start as usize).min().unwrap_or(0).min(text.len());
        let last = spans.map(|span| span.end as usize).max().unwrap_or(0).min(text.len());
        let line_start = text[..floor(text, first)].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[floor(text, last)..].find('\n').map_or(text.len(), |at| floor(text, last) + at);
        let has_long_line = text[line_start..line_end].split('\n').any(|line| line.len() > 4 * CONTEXT);
        if !has_long_line {
            let line = 1 + text.as_bytes()[..line_start].iter().filter(|&&byte| byte == b'\n').count();
            return Self { text: &text[line_start..line_end], start: line_start, line };
        }
        // A line of megabytes: the primary place and a little around it.
        let primary = diagnostic.labels.iter().map(|label| label.span).find(|span| span.source == file);
        let at = primary.map_or(first, |span| span.start as usize).min(text.len());
        let start = floor(text, at.saturating_sub(CONTEXT / 2));
        let end = floor(text, (at + CONTEXT / 2).min(text.len()));
        let line = 1 + text.as_bytes()[..start].iter().filter(|&&byte| byte == b'\n').count();
        Self { text: &text[start..end], start, line }
    }

    fn range(&self, start: usize, end: usize) -> Option<std::ops::Range<usize>> {
        let limit = self.start + self.text.len();
        if start < self.start || start > limit {
            return None;
        }
        let from = floor(self.text, start - self.start);
        let to = floor(self.text, end.min(limit) - self.start).max(from);
        Some(from..to)
    }
}

/// The next character boundary at or before an offset.
fn floor(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Words from a user's file must not steer the terminal.
fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}
