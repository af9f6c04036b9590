//! A JSON tree in which every key and value keeps its place in the text.
//!
//! serde_json silently keeps the last of two equal keys and knows no positions, so what a person wrote is read here:
//! `jsonc-parser` finds the tokens of strict JSON, this file arranges them.

use std::borrow::Cow;

use jsonc_parser::errors::{ParseError, ParseErrorKind};
use jsonc_parser::tokens::Token;
use jsonc_parser::{Scanner, ScannerOptions};
use rustc_hash::FxHashMap;

use super::{SourceId, Span};

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Json<'a> {
    /// The value.
    pub value: Value<'a>,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number as written.
    Number(&'a str),
    /// A text, escapes resolved.
    String(Cow<'a, str>),
    /// A list.
    Array(Box<[Json<'a>]>),
    /// An object in the order of the file.
    Object(Box<[Member<'a>]>),
}

/// One key of an object and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Member<'a> {
    /// The key.
    pub key: Cow<'a, str>,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Json<'a>,
}

impl Json<'_> {
    /// "an object", for messages.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(true) => "true",
            Value::Bool(false) => "false",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        }
    }
}

/// Why a text is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not JSON; the reader stopped here.
    Syntax {
        /// What is wrong, lower case.
        message: String,
        /// Where.
        span: Span,
    },
    /// The same key twice; the first stays.
    DuplicateKey {
        /// The key.
        key: String,
        /// Where it stands first.
        first: Span,
        /// Where it stands again.
        again: Span,
    },
}

/// Brackets within brackets that are read; more is a fault, not a stack overflow.
pub const MAX_DEPTH: usize = 128;

/// Reads a whole text. Duplicate keys are reported and reading goes on; without a tree the last fault says why.
pub fn parse(source: SourceId, text: &str) -> (Option<Json<'_>>, Vec<Fault>) {
    let offset = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let options = ScannerOptions {
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let mut parser = Parser {
        source,
        offset,
        text: &text[offset..],
        end: 0,
        scanner: Scanner::new(&text[offset..], &options),
        faults: Vec::new(),
        depth: 0,
    };
    match parser.document() {
        Ok(json) => (Some(json), parser.faults),
        Err(fault) => {
            parser.faults.push(fault);
            (None, parser.faults)
        }
    }
}

struct Parser<'a> {
    source: SourceId,
    offset: usize,
    text: &'a str,
    /// Where the last token ends.
    end: usize,
    scanner: Scanner<'a>,
    faults: Vec<Fault>,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn document(&mut self) -> Result<Json<'a>, Fault> {
        let first = self.next()?;
        let json = self.value(first)?;
        match self.next()? {
            None => Ok(json),
            Some(_) => Err(self.unexpected("the end of the file")),
        }
    }

    fn next(&mut self) -> Result<Option<Token<'a>>, Fault> {
        let before = self.end;
        let token = self.scanner.scan();
        let start = if matches!(token, Ok(None)) { self.text.len() } else { self.scanner.token_start() };
        self.end = self.scanner.token_end();
        // JSON has four kinds of space; the scanner knows all of Unicode's.
        let gap = self.text.get(before..start).unwrap_or("");
        if let Some((at, letter)) = gap.char_indices().find(|(_, letter)| !" \t\r\n".contains(*letter)) {
            let message = format!("the character U+{:04X} is no space in JSON", u32::from(letter));
            let at = before + at;
            return Err(Fault::Syntax { message, span: self.at(at, at + letter.len_utf8()) });
        }
        match token {
            Ok(Some(Token::CommentLine(_) | Token::CommentBlock(_))) => {
                Err(self.fault("comments are not allowed in JSON".into()))
            }
            Ok(Some(Token::String(text))) => self.text(text).map(Some),
            Ok(token) => Ok(token),
            Err(error) => Err(self.lexical(&error)),
        }
    }

    /// The scanner lets control characters through, and with them a text whose closing quote is forgotten.
    fn text(&self, text: Cow<'a, str>) -> Result<Token<'a>, Fault> {
        let (start, end) = (self.scanner.token_start(), self.scanner.token_end());
        let Some(at) = self.text[start..end].bytes().position(|byte| byte < b' ') else {
            return Ok(Token::String(text));
        };
        if matches!(self.text.as_bytes()[start + at], b'\n' | b'\r') {
            let message = "the text is not closed on its line".to_owned();
            return Err(Fault::Syntax { message, span: self.at(start, start + at) });
        }
        let letter = self.text.as_bytes()[start + at];
        let message = format!("a control character in a text: write \\u{letter:04x}");
        Err(Fault::Syntax { message, span: self.at(start + at, start + at + 1) })
    }

    fn span(&self) -> Span {
        self.at(self.scanner.token_start(), self.scanner.token_end())
    }

    fn at(&self, start: usize, end: usize) -> Span {
        let position = |byte: usize| u32::try_from(byte + self.offset).unwrap_or(u32::MAX);
        Span { source: self.source, start: position(start), end: position(end.max(start)) }
    }

    fn fault(&self, message: String) -> Fault {
        Fault::Syntax { message, span: self.span() }
    }

    fn lexical(&self, error: &ParseError) -> Fault {
        if matches!(error.kind(), ParseErrorKind::UnexpectedToken) {
            let rest = self.text.get(error.range().start..).unwrap_or("");
            let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
            let word = &rest[..rest.find(|letter| !is_word(letter)).unwrap_or(rest.len())];
            let message = match rest.chars().next() {
                Some(_) if !word.is_empty() => {
                    format!("`{word}` is no value: a text stands in double quotes")
                }
                Some(letter) => format!("`{letter}` has no meaning here"),
                None => "the file ends here".to_owned(),
            };
            let length =
                if word.is_empty() { rest.chars().next().map_or(0, char::len_utf8) } else { word.len() };
            return Fault::Syntax {
                message,
                span: self.at(error.range().start, error.range().start + length),
            };
        }
        let text = error.kind().to_string();
        let mut letters = text.chars();
        let message =
            letters.next().map_or(String::new(), |first| first.to_lowercase().chain(letters).collect());
        Fault::Syntax { message, span: self.at(error.range().start, error.range().end) }
    }

    /// The current token is not what should stand here.
    fn unexpected(&self, expected: &str) -> Fault {
        let found = match self.scanner.token() {
            None => "the end of the file".into(),
            Some(Token::OpenBrace) => "`{`".into(),
            Some(Token::CloseBrace) => "`}`".into(),
            Some(Token::OpenBracket) => "`[`".into(),
            Some(Token::CloseBracket) => "`]`".into(),
            Some(Token::Comma) => "`,`".into(),
            Some(Token::Colon) => "`:`".into(),
            Some(Token::String(_)) => "a text".into(),
            Some(Token::Number(_)) => "a number".into(),
            Some(Token::Boolean(_) | Token::Null) => "a value".into(),
            Some(Token::Word(word)) => format!("`{word}`"),
            Some(Token::CommentLine(_) | Token::CommentBlock(_)) => "a comment".into(),
        };
        self.fault(format!("expected {expected}, found {found}"))
    }

    /// The value that begins with the current token.
    fn value(&mut self, token: Option<Token<'a>>) -> Result<Json<'a>, Fault> {
        let span = self.span();
        let value = match token {
            Some(Token::Null) => Value::Null,
            Some(Token::Boolean(flag)) => Value::Bool(flag),
            Some(Token::Number(number)) => Value::Number(number),
            Some(Token::String(text)) => Value::String(text),
            Some(Token::OpenBracket) => self.nested(Self::array)?,
            Some(Token::OpenBrace) => self.nested(Self::object)?,
            _ => return Err(self.unexpected("a value")),
        };
        Ok(Json { value, span: Span { end: self.span().end, ..span } })
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value<'a>, Fault>) -> Result<Value<'a>, Fault> {
        if self.depth == MAX_DEPTH {
            return Err(self.fault(format!("more than {MAX_DEPTH} brackets within brackets")));
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn array(&mut self) -> Result<Value<'a>, Fault> {
        let mut items = Vec::new();
        let mut token = self.next()?;
        while token != Some(Token::CloseBracket) {
            items.push(self.value(token)?);
            token = match self.next()? {
                Some(Token::Comma) => match self.next()? {
                    Some(Token::CloseBracket) => return Err(self.unexpected("a value after the comma")),
                    token => token,
                },
                Some(Token::CloseBracket) => break,
                _ => return Err(self.unexpected("`,` or `]`")),
            };
        }
        Ok(Value::Array(items.into_boxed_slice()))
    }

    fn object(&mut self) -> Result<Value<'a>, Fault> {
        let mut members: Vec<Member<'a>> = Vec::new();
        let mut token = self.next()?;
        while token != Some(Token::CloseBrace) {
            let Some(Token::String(key)) = token else {
                return Err(self.unexpected("a key in double quotes"));
            };
            let key_span = self.span();
            if self.next()? != Some(Token::Colon) {
                return Err(self.unexpected("`:` after the key"));
            }
            let first = self.next()?;
            let value = self.value(first)?;
            members.push(Member { key, key_span, value });
            token = match self.next()? {
                Some(Token::Comma) => match self.next()? {
                    Some(Token::CloseBrace) => return Err(self.unexpected("a key after the comma")),
                    token => token,
                },
                Some(Token::CloseBrace) => break,
                _ => return Err(self.unexpected("`,` or `}`")),
            };
        }
        self.drop_duplicates(&mut members);
        Ok(Value::Object(members.into_boxed_slice()))
    }

    fn drop_duplicates(&mut self, members: &mut Vec<Member<'a>>) {
        // Most objects are small: a scan beats a table.
        let first = |index: usize, members: &[Member<'a>]| {
            members[..index]
                .iter()
                .find(|earlier| earlier.key == members[index].key)
                .map(|earlier| earlier.key_span)
        };
        let mut again = Vec::new();
        if members.len() <= 16 {
            again.extend(
                (1..members.len()).filter_map(|index| first(index, members).map(|span| (index, span))),
            );
        } else {
            let mut seen: FxHashMap<&str, Span> = FxHashMap::default();
            for (index, member) in members.iter().enumerate() {
                match seen.get(&*member.key) {
                    Some(&span) => again.push((index, span)),
                    None => drop(seen.insert(&member.key, member.key_span)),
                }
            }
        }
        if again.is_empty() {
            return;
        }
        let mut next = again.iter().peekable();
        let mut index = 0;
        members.retain(|member| {
            let duplicate = next.next_if(|(duplicate, _)| *duplicate == index);
            index += 1;
            if let Some(&(_, first)) = duplicate {
                let key = member.key.clone().into_owned();
                self.faults.push(Fault::DuplicateKey { key, first, again: member.key_span });
            }
            duplicate.is_none()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceMap;

    fn faults(text: &str) -> Vec<String> {
        let mut sources = SourceMap::default();
        let source = sources.add("test", text);
        let (_, faults) = parse(source, text);
        let render = |fault| match fault {
            Fault::Syntax { message, span } => format!("{}..{} {message}", span.start, span.end),
            Fault::DuplicateKey { key, first, again } => {
                format!("{key} {}..{} {}..{}", first.start, first.end, again.start, again.end)
            }
        };
        faults.into_iter().map(render).collect()
    }

    #[test]
    fn values_keep_their_places() {
        let text = "\u{feff}{\"a\": [1, true], \"b\\n\": null}\r\n";
        let mut sources = SourceMap::default();
        let source = sources.add("test", text);
        let (json, faults) = parse(source, text);
        assert_eq!(faults, []);
        let Value::Object(members) = json.unwrap().value else { panic!("an object") };
        assert_eq!(sources.text(members[0].value.span), "[1, true]");
        assert_eq!(sources.text(members[1].key_span), "\"b\\n\"");
        assert_eq!(members[1].key, "b\n");
    }

    #[test]
    fn duplicate_keys_are_found_in_small_and_large_objects() {
        assert_eq!(faults(r#"{"a": 1, "b": 2, "a": 3}"#), ["a 1..4 17..20"]);
        let large = (0..20).map(|i| format!("\"k{i}\": 1")).collect::<Vec<_>>().join(",");
        assert_eq!(faults(&format!("{{{large},\"k7\":2}}")).len(), 1);
    }

    #[test]
    fn strict_json_only() {
        for (text, fault) in [
            ("", "0..0 expected a value, found the end of the file"),
            ("{\"a\" 1}", "5..6 expected `:` after the key, found a number"),
            ("[1,]", "3..4 expected a value after the comma, found `]`"),
            ("{\"a\":1,}", "7..8 expected a key after the comma, found `}`"),
            ("{a:1}", "1..2 expected a key in double quotes, found `a`"),
            ("[1 2]", "3..4 expected `,` or `]`, found a number"),
            ("{} {}", "3..4 expected the end of the file, found `{`"),
            ("[007]", "2..3 expected `,` or `]`, found a number"),
            ("[1,\u{a0}2]", "3..5 the character U+00A0 is no space in JSON"),
            ("// x\n1", "0..4 comments are not allowed in JSON"),
        ] {
            assert_eq!(faults(text), [fault], "{text}");
        }
        for text in ["'a'", "+1", ".5", "5.", "0x1", "NaN", "[1", "\"a", "tru", "{\"a\":}"] {
            assert_eq!(faults(text).len(), 1, "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = "[".repeat(100_000);
        assert!(faults(&deep)[0].contains("128 brackets"));
        assert_eq!(
            faults(&format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH))),
            Vec::<String>::new()
        );
    }
}
