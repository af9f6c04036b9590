//! The values of one section, read as darknet reads them: `atoi`, `atof`, the first of equal keys, a default where
//! there is none. What darknet would read as something else than it says is an error or a warning.

use super::kinds::Kind;
use super::text::{Entry, Section, clean, full_of_warnings};
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::source::Span;

/// Keys that every layer has; they matter in training, or when weights are loaded.
const OF_EVERY_LAYER: &[&str] = &[
    "burnin_update",
    "clip",
    "dont_update",
    "dontload",
    "dontloadscales",
    "learning_rate",
    "onlyforward",
    "stopbackward",
    "train_only_bn",
];

/// The values of one section.
pub(super) struct Options<'a> {
    text: &'a str,
    /// The section's header.
    pub(super) header: Span,
    given: Vec<(&'static str, Entry)>,
    sink: &'a mut Sink,
    failed: bool,
}

/// An item of a comma-separated list.
pub(super) struct Item {
    /// Its number.
    pub(super) value: i64,
    /// Where it stands.
    pub(super) span: Span,
}

impl<'a> Options<'a> {
    /// Sorts a section's lines by its kind's keys; unknown ones are warned of, and of equal ones all but the first.
    pub(super) fn new(text: &'a str, section: &Section, kind: &Kind, sink: &'a mut Sink) -> Self {
        let common: &[&str] = if kind.is_network() { &[] } else { OF_EVERY_LAYER };
        let mut given: Vec<(&'static str, Entry)> = Vec::new();
        for &entry in &section.entries {
            let key = clean(&text[range(entry.key)]);
            let known = kind.read.iter().find(|known| **known == key);
            if let Some(&known) = known {
                match given.iter().find(|(name, _)| *name == known) {
                    None => given.push((known, entry)),
                    Some((_, first)) if !full_of_warnings(sink) => sink.push(
                        Diagnostic::warning(
                            Code::DuplicateKey,
                            format!("`{known}` stands twice in one section, and darknet takes the first"),
                        )
                        .at(entry.key, "passed over")
                        .at(first.key, "taken"),
                    ),
                    Some(_) => {}
                }
            } else if !kind.passed_over.contains(&&*key)
                && !common.contains(&&*key)
                && !full_of_warnings(sink)
            {
                let names = kind.read.iter().chain(kind.passed_over).chain(common).copied();
                sink.push(
                    Diagnostic::warning(Code::UnknownKey, format!("`[{}]` has no key `{key}`", section.name))
                        .at(entry.key, "passed over")
                        .did_you_mean(&key, names),
                );
            }
        }
        Self { text, header: section.header, given, sink, failed: false }
    }

    /// Whether a value could not be read.
    pub(super) fn failed(&self) -> bool {
        self.failed
    }

    /// Reports an error of this section.
    pub(super) fn fail(&mut self, error: Diagnostic) {
        self.failed = true;
        self.sink.push(error);
    }

    /// Reports a warning.
    pub(super) fn warn(&mut self, warning: Diagnostic) {
        if !full_of_warnings(self.sink) {
            self.sink.push(warning);
        }
    }

    fn entry(&self, key: &str) -> Option<Entry> {
        self.given.iter().find(|(name, _)| *name == key).map(|(_, entry)| *entry)
    }

    /// Whether the section gives this key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// Where a key's value stands; the header where it is not given.
    pub(super) fn span(&self, key: &str) -> Span {
        self.entry(key).map_or(self.header, |entry| entry.value)
    }

    /// A value without blanks.
    pub(super) fn text(&self, key: &str) -> Option<std::borrow::Cow<'a, str>> {
        self.entry(key).map(|entry| clean(&self.text[range(entry.value)]))
    }

    /// A whole number, as `atoi` finds it.
    pub(super) fn int(&mut self, key: &str, default: i64) -> i64 {
        let Some(value) = self.text(key) else { return default };
        self.number(key, &value, self.span(key)).unwrap_or(default)
    }

    /// Whether a flag is set: anything but 0.
    pub(super) fn flag(&mut self, key: &str) -> bool {
        self.int(key, 0) != 0
    }

    /// A whole number of at least `least`.
    pub(super) fn at_least(&mut self, key: &str, least: u64, default: u64) -> u64 {
        let value = self.int(key, i64::try_from(default).unwrap_or(i64::MAX));
        match u64::try_from(value) {
            Ok(value) if value >= least => value,
            _ => {
                let span = self.span(key);
                self.fail(
                    Diagnostic::error(
                        Code::OutOfRange,
                        format!("`{key}` is {value}, and at least {least} is needed"),
                    )
                    .at(span, "too small"),
                );
                default.max(least)
            }
        }
    }

    fn number(&mut self, key: &str, text: &str, span: Span) -> Option<i64> {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let count = digits.bytes().take_while(u8::is_ascii_digit).count();
        let end = text.len() - digits.len() + count;
        if count == 0 {
            self.fail(
                Diagnostic::error(Code::WrongType, format!("`{key}` is a whole number, and this is none"))
                    .at(span, "not a number"),
            );
            return None;
        }
        let zeros = digits[..count].bytes().take_while(|&digit| digit == b'0').count();
        let (sign, tail) = (text.starts_with('-'), &digits[zeros..count]);
        // A number of a thousand digits is none of 32 bits either.
        let size = if tail.is_empty() { Some(0) } else { tail[..tail.len().min(18)].parse::<i64>().ok() };
        let value = size.map(|size| if sign { -size } else { size });
        let value = value.filter(|value| tail.len() <= 18 && i32::try_from(*value).is_ok());
        let Some(value) = value else {
            self.fail(
                Diagnostic::error(Code::Overflow, format!("`{key}` does not fit in 32 bits"))
                    .at(span, "too large"),
            );
            return None;
        };
        let rest = &text[end..];
        if !rest.is_empty() && !rest.starts_with(['#', ';']) {
            self.warn(
                Diagnostic::warning(Code::WrongType, format!("darknet reads `{key}` as {value}"))
                    .at(span, "more than a whole number"),
            );
        }
        Some(value)
    }

    /// A decimal number, as `atof` finds it.
    pub(super) fn float(&mut self, key: &str, default: f64) -> f64 {
        let Some(value) = self.text(key) else { return default };
        let is_part = |letter: char| letter.is_ascii_digit() || matches!(letter, '+' | '-' | '.' | 'e' | 'E');
        let most = value.find(|letter| !is_part(letter)).unwrap_or(value.len());
        // No number that is written on purpose is longer.
        let number = (1..=most.min(64))
            .rev()
            .find_map(|end| value[..end].parse::<f64>().ok().map(|number| (number, end)))
            .filter(|(number, _)| number.is_finite());
        let span = self.span(key);
        let Some((number, end)) = number else {
            self.fail(
                Diagnostic::error(Code::WrongType, format!("`{key}` is a number, and this is none"))
                    .at(span, "not a number"),
            );
            return default;
        };
        let rest = &value[end..];
        if !rest.is_empty() && !rest.starts_with(['#', ';']) {
            self.warn(
                Diagnostic::warning(Code::WrongType, format!("darknet reads `{key}` as {number}"))
                    .at(span, "more than a number"),
            );
        }
        number
    }

    /// Whole numbers parted by commas; none if the key is not given. A comment ends the list.
    pub(super) fn list(&mut self, key: &str) -> Vec<Item> {
        let Some(entry) = self.entry(key) else { return Vec::new() };
        let written = &self.text[range(entry.value)];
        let written = &written[..written.find(['#', ';']).unwrap_or(written.len())];
        let (mut items, mut at) = (Vec::new(), 0);
        for part in written.split(',') {
            let start = at + part.len() - part.trim_start().len();
            let span = entry.value.part(start, start + part.trim().len());
            at += part.len() + 1;
            if let Some(value) = self.number(key, &clean(part), span) {
                items.push(Item { value, span });
            } else if self.sink.is_full() {
                break;
            }
        }
        items
    }

    /// How many items a list has, up to a comment; `None` if the key is not given.
    pub(super) fn count(&self, key: &str) -> Option<u64> {
        let text = self.text(key)?;
        Some(1 + text.bytes().take_while(|&byte| byte != b'#').filter(|&byte| byte == b',').count() as u64)
    }
}

fn range(span: Span) -> std::ops::Range<usize> {
    span.start as usize..span.end as usize
}
