//! The lines of a cfg: sections, and keys with values, each with its place.
//!
//! darknet removes every blank within a line, so `pad ding = 1 0` is `padding=10`. What is left is a section if it
//! begins with `[`, a comment if with `#` or `;`, and else a key and a value, parted at the first `=`.

use std::borrow::Cow;

use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::source::{SourceId, Span};

/// The characters that darknet removes from a line.
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// A text without its blanks.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains(BLANKS) { text.replace(BLANKS, "").into() } else { text.into() }
}

/// One line `key=value`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// The key as written.
    pub(super) key: Span,
    /// The value as written.
    pub(super) value: Span,
}

/// A header and the lines up to the next one.
#[derive(Debug)]
pub(super) struct Section {
    /// The header, brackets included.
    pub(super) header: Span,
    /// What stands in the brackets, without blanks.
    pub(super) name: String,
    /// The lines with a key and a value.
    pub(super) entries: Vec<Entry>,
}

/// Reads a text section by section, so that only one is in memory.
#[derive(Debug)]
pub(super) struct Sections<'a> {
    source: SourceId,
    text: &'a str,
    /// Where the next line begins.
    at: usize,
    /// The header that ended the section before.
    next: Option<(Span, String)>,
    /// Whether a line before the first section was reported.
    is_stray: bool,
}

impl<'a> Sections<'a> {
    pub(super) fn new(source: SourceId, text: &'a str) -> Self {
        let at = text.len() - text.trim_start_matches('\u{feff}').len();
        Self { source, text, at, next: None, is_stray: false }
    }

    /// The next line without the blanks around it, and its place.
    fn line(&mut self) -> Option<(&'a str, Span)> {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return None;
        }
        let length = rest.find('\n').unwrap_or(rest.len());
        let line = &rest[..length];
        let start = self.at + line.len() - line.trim_start_matches(BLANKS).len();
        let line = line.trim_matches(BLANKS);
        self.at = (self.at + length + 1).min(self.text.len());
        Some((line, self.span(start, start + line.len())))
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a file of 64 MiB, even three times over, has 32-bit places"
    )]
    fn span(&self, start: usize, end: usize) -> Span {
        Span { source: self.source, start: start as u32, end: end as u32 }
    }

    /// The next section; what is wrong with its lines goes to the sink.
    pub(super) fn next(&mut self, sink: &mut Sink) -> Option<Section> {
        let mut section =
            self.next.take().map(|(header, name)| Section { header, name, entries: Vec::new() });
        while let Some((line, span)) = self.line() {
            match line.chars().next() {
                None | Some('#' | ';') => {}
                Some('[') => {
                    let header = self.header(line, span, sink);
                    if section.is_some() {
                        self.next = Some(header);
                        return section;
                    }
                    section = Some(Section { header: header.0, name: header.1, entries: Vec::new() });
                }
                Some(_) => match &mut section {
                    Some(section) => section.entries.extend(self.entry(line, span, sink)),
                    // One such line is enough to say so.
                    None if self.is_stray => {}
                    None => {
                        self.is_stray = true;
                        sink.push(
                            Diagnostic::error(Code::Syntax, "this line belongs to no section")
                                .at(span, "before the first `[…]`")
                                .help("a cfg begins with `[net]`"),
                        );
                    }
                },
            }
            if sink.is_full() {
                break;
            }
        }
        section
    }

    fn header(&self, line: &'a str, span: Span, sink: &mut Sink) -> (Span, String) {
        let Some(end) = line.find(']') else {
            sink.push(Diagnostic::error(Code::Syntax, "the header has no `]`").at(span, "not closed"));
            return (span, clean(&line[1..]).into_owned());
        };
        let rest = line[end + 1..].trim_matches(BLANKS);
        if !rest.is_empty() && !full_of_warnings(sink) {
            sink.push(
                Diagnostic::warning(Code::Syntax, "darknet does not know a header with more behind it")
                    .at(span.part(end + 1, line.len()), "passed over")
                    .help("put comments on lines of their own"),
            );
        }
        (span.part(0, end + 1), clean(&line[1..end]).into_owned())
    }

    fn entry(&self, line: &str, span: Span, sink: &mut Sink) -> Option<Entry> {
        let warn = |sink: &mut Sink, message: &str| {
            if !full_of_warnings(sink) {
                let warning = Diagnostic::warning(Code::Syntax, message);
                sink.push(
                    warning.at(span, "passed over").help("write `key=value`; comments begin with `#` or `;`"),
                );
            }
        };
        let Some(sign) = line.find('=') else {
            warn(sink, "this line has no `=`");
            return None;
        };
        let (key, value) =
            (line[..sign].trim_end_matches(BLANKS), line[sign + 1..].trim_start_matches(BLANKS));
        if value.is_empty() {
            warn(sink, "this key has no value");
            return None;
        }
        Some(Entry { key: span.part(0, key.len()), value: span.part(line.len() - value.len(), line.len()) })
    }
}

/// Whether further warnings are not worth their making: no more than this are shown or counted.
pub(super) fn full_of_warnings(sink: &Sink) -> bool {
    sink.warnings() > 20 * Sink::LIMIT
}
