//! The texts that a user gave, and positions in them.

pub mod json;

use std::sync::Arc;

/// Which text a [`Span`] points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(u16);

/// A range of bytes in one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The text.
    pub source: SourceId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A part of this span, by byte offsets from its start; clamped to the span.
    pub fn part(self, start: usize, end: usize) -> Self {
        let at = |offset: usize| {
            u32::try_from(offset).map_or(self.end, |o| self.start.saturating_add(o).min(self.end))
        };
        Self { source: self.source, start: at(start), end: at(end) }
    }

    /// The empty span at the start of this one.
    pub fn head(self) -> Self {
        Self { end: self.start, ..self }
    }
}

/// One text with the name the user knows it by.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path as given, or a name in angle brackets.
    pub name: String,
    /// The whole text.
    pub text: Arc<str>,
}

/// All texts of one run.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    sources: Vec<Source>,
}

impl SourceMap {
    /// Adds a text and returns its handle.
    ///
    /// # Panics
    /// After 65,536 texts, which no command reads in one run.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> SourceId {
        let id = SourceId(u16::try_from(self.sources.len()).expect("at most 65,536 sources in a run"));
        self.sources.push(Source { name: name.into(), text: text.into() });
        id
    }

    /// The text behind a handle.
    pub fn get(&self, id: SourceId) -> &Source {
        &self.sources[usize::from(id.0)]
    }

    /// The text that a span covers.
    pub fn text(&self, span: Span) -> &str {
        self.get(span.source).text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// The 1-based line of a span's start.
    pub fn line(&self, span: Span) -> usize {
        let text = self.get(span.source).text.as_bytes();
        let start = (span.start as usize).min(text.len());
        1 + text[..start].iter().filter(|&&byte| byte == b'\n').count()
    }
}

/// Lines of many spans: each text is searched for line ends once.
#[derive(Debug)]
pub struct LineIndex<'a> {
    sources: &'a SourceMap,
    ends: Vec<Option<Vec<u32>>>,
}

impl<'a> LineIndex<'a> {
    /// An index over these texts.
    pub fn new(sources: &'a SourceMap) -> Self {
        Self { sources, ends: vec![None; sources.sources.len()] }
    }

    /// The 1-based line of a span's start.
    pub fn line(&mut self, span: Span) -> usize {
        let index = usize::from(span.source.0);
        let text = &self.sources.sources[index].text;
        let ends = self.ends[index].get_or_insert_with(|| {
            let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            ends.filter_map(|(at, _)| u32::try_from(at).ok()).collect()
        });
        1 + ends.partition_point(|&end| end < span.start)
    }
}
