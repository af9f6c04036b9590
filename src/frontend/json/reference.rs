//! References to tensors: `conv1`, `stem/conv1`, `layer[index - 1]`, `layer[..index]`, `split:1`.

use super::expression::{Expression, Names, place};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// A reference as written.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    /// Where.
    pub(super) span: Span,
    /// The names between the slashes.
    pub(super) segments: Box<[Segment]>,
    /// The output of an op that has several.
    pub(super) port: Option<u32>,
}

/// One name of a path.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// The name.
    pub(super) name: Box<str>,
    /// Which round of a `repeat`.
    pub(super) rounds: Option<Box<Rounds>>,
}

/// Rounds of a `repeat`.
#[derive(Clone, Debug)]
pub(super) enum Rounds {
    /// One.
    At(Expression),
    /// From the first (default 0) to before the second (default: all).
    Range(Option<Expression>, Option<Expression>),
}

/// The characters that a name cannot have, because references spell paths, rounds and ports with them.
pub(super) const RESERVED: [char; 4] = ['/', '[', ']', ':'];

impl Reference {
    /// Reads a reference that stands at `span`; `direct` tells that it stands there unescaped, after a quote.
    pub(super) fn parse(text: &str, span: Span, direct: bool, names: Names<'_>) -> Result<Self, Diagnostic> {
        let malformed = |message: &str, start: usize, end: usize| {
            let at = if direct { span.part(start, end) } else { span };
            Err(Diagnostic::error(Code::Expression, format!("{message} in the reference `{text}`"))
                .at(at, "here")
                .help("references are spelled `name`, `outer/inner`, `name[0]`, `name[..index]` or `name:1`"))
        };
        let mut segments = Vec::new();
        let mut port = None;
        let mut position = 0;
        loop {
            let rest = &text[position..];
            let length = rest.find(RESERVED).unwrap_or(rest.len());
            let name = &rest[..length];
            if name.is_empty() {
                return malformed("a name is missing", position, position + 1);
            }
            position += length;
            let mut rounds = None;
            if text[position..].starts_with('[') {
                let Some(close) = matching(&text[position..]) else {
                    return malformed("`[` is not closed", position, text.len());
                };
                let inner = &text[position + 1..position + close];
                rounds = Some(Box::new(Rounds::parse(inner, span, position + 1, direct, names)?));
                position += close + 1;
            }
            segments.push(Segment { name: name.into(), rounds });
            match text[position..].chars().next() {
                None => break,
                Some('/') => position += 1,
                Some(':') => {
                    let digits = &text[position + 1..];
                    let Ok(number) = digits.parse() else {
                        return malformed("`:` needs the number of an output", position, text.len());
                    };
                    port = Some(number);
                    break;
                }
                Some(_) => return malformed("`/`, `:` or the end is expected", position, position + 1),
            }
        }
        Ok(Self { span, segments: segments.into_boxed_slice(), port })
    }

    /// Whether it is one plain name, and which.
    pub(super) fn plain(&self) -> Option<&str> {
        match &*self.segments {
            [Segment { name, rounds: None }] if self.port.is_none() => Some(name),
            _ => None,
        }
    }

    /// Whether an index, argument or tensor occurs in its brackets.
    pub(super) fn has_rounds(&self) -> bool {
        self.segments.iter().any(|segment| segment.rounds.is_some())
    }
}

impl Rounds {
    fn parse(
        text: &str,
        span: Span,
        offset: usize,
        direct: bool,
        names: Names<'_>,
    ) -> Result<Self, Diagnostic> {
        let expression = |part: &str, from: usize| {
            // One byte earlier, where the quote of an expression of its own would stand.
            let at = if direct { span.part(offset + from - 1, offset + from + part.len() + 1) } else { span };
            Expression::parse(part, at, direct, Names { in_rounds: true, ..names })
        };
        let optional = |part: &str, from: usize| {
            if part.trim().is_empty() { Ok(None) } else { expression(part, from).map(Some) }
        };
        match text.find("..") {
            Some(dots) => {
                Ok(Self::Range(optional(&text[..dots], 0)?, optional(&text[dots + 2..], dots + 2)?))
            }
            None => Ok(Self::At(expression(text, 0)?)),
        }
    }
}

/// The offset of the bracket that closes the one at the start.
fn matching(text: &str) -> Option<usize> {
    let mut open = 0usize;
    for (offset, letter) in text.char_indices() {
        match letter {
            '[' => open += 1,
            ']' if open == 1 => return Some(offset),
            ']' => open -= 1,
            _ => {}
        }
    }
    None
}

/// Where a reference's text begins within the span of its JSON text.
pub(super) fn unquoted(span: Span, direct: bool) -> Span {
    let length = (span.end - span.start) as usize;
    if direct && length >= 2 { place(span, true, (0, u32::try_from(length - 2).unwrap_or(0))) } else { span }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceMap;

    fn parse(text: &str) -> Result<Reference, String> {
        let id = SourceMap::default().add("test", text);
        let span = Span { source: id, start: 0, end: u32::try_from(text.len()).unwrap() };
        let indices = ["index".into()];
        let names = Names { indices: &indices, ..Names::default() };
        Reference::parse(text, span, true, names).map_err(|diagnostic| {
            let at = diagnostic.labels[0].span;
            format!("{}..{} {}", at.start, at.end, diagnostic.message)
        })
    }

    #[test]
    fn spellings() {
        let reference = parse("stem/conv1").unwrap();
        assert_eq!(reference.segments.len(), 2);
        assert_eq!(parse("conv1").unwrap().plain(), Some("conv1"));
        assert_eq!(parse("split:3").unwrap().port, Some(3));
        let path = parse("layer[index - 1]/conv").unwrap();
        assert!(matches!(path.segments[0].rounds.as_deref(), Some(Rounds::At(_))));
        for range in ["layer[..]", "layer[1..]", "layer[..index]", "layer[1..index + 2]"] {
            assert!(
                matches!(parse(range).unwrap().segments[0].rounds.as_deref(), Some(Rounds::Range(..))),
                "{range}"
            );
        }
    }

    #[test]
    fn malformed() {
        for (text, fault) in [
            ("", "0..0 a name is missing"),
            ("a//b", "2..3 a name is missing"),
            ("a[1", "1..3 `[` is not closed"),
            ("a[1]b", "4..5 `/`, `:` or the end is expected"),
            ("a:x", "1..3 `:` needs the number of an output"),
        ] {
            let found = parse(text).unwrap_err();
            assert!(found.starts_with(fault), "{text}: {found}");
        }
        assert!(parse("a[]").is_err());
        assert!(parse("a[channels(b)]").unwrap_err().contains("cannot depend on the size of a tensor"));
    }
}
