//! From a text to the terms of an expression, by recursive descent; depth and terms are limited.

use super::super::reference::Reference;
use super::{
    Binary, FUNCTIONS, Function, MAX_TERMS, Names, Range, SIZES, Size, Term, Unary, exact_number, offsets,
    place, shorten,
};
use crate::diagnostic::{Code, Diagnostic};
use crate::ops::attribute::SettingValue;
use crate::source::Span;

pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    pub(super) span: Span,
    pub(super) direct: bool,
    pub(super) position: usize,
    pub(super) names: Names<'a>,
    pub(super) terms: usize,
    pub(super) powers: usize,
    pub(super) depth: usize,
    /// Tensors, arguments, an index.
    pub(super) mentions: [bool; 3],
}

impl Parser<'_> {
    pub(super) fn error(
        &self,
        code: Code,
        message: impl Into<String>,
        range: Range,
        label: &str,
    ) -> Diagnostic {
        Diagnostic::error(code, message).at(place(self.span, self.direct, range), label)
    }

    pub(super) fn range(&self, start: usize) -> Range {
        offsets(start, self.position)
    }

    pub(super) fn unexpected(&self, expected: &str) -> Diagnostic {
        let position = self.next_symbol();
        let rest = &self.text[position..];
        let (found, length) = match rest.chars().next() {
            Some(letter) => (format!("`{letter}`"), letter.len_utf8()),
            None => ("the end".to_owned(), 0),
        };
        self.error(
            Code::Expression,
            format!("expected {expected}, found {found}, in `{}`", shorten(self.text)),
            offsets(position, position + length),
            &format!("expected {expected}"),
        )
    }

    pub(super) fn skip_space(&mut self) {
        self.position = self.next_symbol();
    }

    /// Where the next symbol begins.
    pub(super) fn next_symbol(&self) -> usize {
        let rest = &self.text[self.position..];
        self.position + rest.len() - rest.trim_start().len()
    }

    /// Takes a symbol if it comes next; else nothing moves, so that ranges end where terms do.
    fn take(&mut self, symbol: &str) -> bool {
        let start = self.next_symbol();
        let found = self.text[start..].starts_with(symbol);
        if found {
            self.position = start + symbol.len();
        }
        found
    }

    /// Takes a word if it comes next, whole.
    fn take_word(&mut self, word: &str) -> bool {
        let start = self.next_symbol();
        let found = self.text[start..]
            .strip_prefix(word)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
        if found {
            self.position = start + word.len();
        }
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), Diagnostic> {
        if self.take(symbol) { Ok(()) } else { Err(self.unexpected(&format!("`{symbol}`"))) }
    }

    fn count(&mut self, term: Term) -> Result<Term, Diagnostic> {
        self.terms += 1;
        if self.terms > MAX_TERMS {
            let all = offsets(0, self.text.len());
            return Err(self.error(
                Code::TooLarge,
                format!("an expression may have at most {MAX_TERMS} terms"),
                all,
                "too long",
            ));
        }
        Ok(term)
    }

    fn binary(
        &mut self,
        operator: Binary,
        left: Term,
        right: Term,
        start: usize,
    ) -> Result<Term, Diagnostic> {
        let range = self.range(start);
        self.count(Term::Binary(operator, Box::new((left, right)), range))
    }

    pub(super) fn or(&mut self) -> Result<Term, Diagnostic> {
        self.depth += 1;
        if self.depth > 32 {
            return Err(self.error(
                Code::TooLarge,
                "more than 32 brackets within brackets",
                self.range(self.position),
                "too deep",
            ));
        }
        let start = self.next_symbol();
        let mut left = self.and()?;
        while self.take_word("or") {
            let right = self.and()?;
            left = self.binary(Binary::Or, left, right, start)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Result<Term, Diagnostic> {
        let start = self.next_symbol();
        let mut left = self.not()?;
        while self.take_word("and") {
            let right = self.not()?;
            left = self.binary(Binary::And, left, right, start)?;
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Term, Diagnostic> {
        let start = self.next_symbol();
        if self.take_word("not") {
            let operand = self.compare()?;
            let range = self.range(start);
            return self.count(Term::Unary(Unary::Not, Box::new(operand), range));
        }
        self.compare()
    }

    fn compare(&mut self) -> Result<Term, Diagnostic> {
        let start = self.next_symbol();
        let left = self.sum()?;
        for (symbol, operator) in [
            ("==", Binary::Equal),
            ("!=", Binary::NotEqual),
            ("<=", Binary::LessOrEqual),
            (">=", Binary::GreaterOrEqual),
            ("<", Binary::Less),
            (">", Binary::Greater),
        ] {
            if self.take(symbol) {
                let right = self.sum()?;
                return self.binary(operator, left, right, start);
            }
        }
        if self.take("=") {
            self.position -= 1;
            return Err(self.unexpected("an operator").help("equality is spelled `==`"));
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<Term, Diagnostic> {
        let start = self.next_symbol();
        let mut left = self.product()?;
        loop {
            let operator = if self.take("+") {
                Binary::Add
            } else if self.take("-") {
                Binary::Subtract
            } else {
                return Ok(left);
            };
            let right = self.product()?;
            left = self.binary(operator, left, right, start)?;
        }
    }

    fn product(&mut self) -> Result<Term, Diagnostic> {
        let start = self.next_symbol();
        let mut left = self.sign()?;
        loop {
            let operator = if self.take("*") {
                Binary::Multiply
            } else if self.take("/") {
                Binary::Divide
            } else if self.take("%") {
                Binary::Remainder
            } else {
                return Ok(left);
            };
            let right = self.sign()?;
            left = self.binary(operator, left, right, start)?;
        }
    }

    fn sign(&mut self) -> Result<Term, Diagnostic> {
        let start = self.next_symbol();
        let mut negative = false;
        while self.take("-") {
            negative = !negative;
        }
        let operand = self.power()?;
        if !negative {
            return Ok(operand);
        }
        let range = self.range(start);
        self.count(Term::Unary(Unary::Negate, Box::new(operand), range))
    }

    fn power(&mut self) -> Result<Term, Diagnostic> {
        let start = self.next_symbol();
        let base = self.atom()?;
        if !self.take("^") {
            return Ok(base);
        }
        self.depth += 1;
        if self.depth > 32 {
            return Err(self.error(
                Code::TooLarge,
                "more than 32 powers of powers",
                self.range(start),
                "too deep",
            ));
        }
        let exponent = self.sign()?;
        self.depth -= 1;
        self.powers += 1;
        self.binary(Binary::Power, base, exponent, start)
    }

    fn atom(&mut self) -> Result<Term, Diagnostic> {
        self.skip_space();
        let start = self.position;
        let rest = &self.text[start..];
        match rest.chars().next() {
            Some('(') => {
                self.position += 1;
                let inner = self.or()?;
                self.expect(")")?;
                Ok(inner)
            }
            Some('\'') => self.quoted(),
            Some(digit) if digit.is_ascii_digit() => self.number(),
            Some(letter) if letter.is_alphabetic() || letter == '_' => {
                let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                let word = &rest[..length];
                self.position += length;
                self.name(word, start)
            }
            _ => Err(self.unexpected("a number or a name")),
        }
    }

    fn quoted(&mut self) -> Result<Term, Diagnostic> {
        let start = self.position;
        let inner = &self.text[start + 1..];
        let Some(length) = inner.find('\'') else {
            self.position = self.text.len();
            return Err(self.error(
                Code::Expression,
                "the text has no closing quote",
                self.range(start),
                "begins here",
            ));
        };
        self.position = start + length + 2;
        self.count(Term::Value(SettingValue::Text(inner[..length].into())))
    }

    fn number(&mut self) -> Result<Term, Diagnostic> {
        let start = self.position;
        let rest = &self.text.as_bytes()[start..];
        let digits =
            |from: usize| from + rest[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let mut end = digits(0);
        if rest.get(end) == Some(&b'.') && rest.get(end + 1).is_some_and(u8::is_ascii_digit) {
            end = digits(end + 1);
        }
        if matches!(rest.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(rest.get(end + 1), Some(b'+' | b'-')));
            if rest.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
                end = digits(end + 1 + sign);
            }
        }
        self.position = start + end;
        match exact_number(&self.text[start..self.position]) {
            Some(number) => self.count(Term::Value(SettingValue::Number(number))),
            None => Err(self.error(
                Code::Overflow,
                "the number does not fit",
                self.range(start),
                "too large or too fine",
            )),
        }
    }

    fn name(&mut self, word: &str, start: usize) -> Result<Term, Diagnostic> {
        let is_call = self.text[self.position..].trim_start().starts_with('(');
        if is_call {
            if let Some(&(_, size)) = SIZES.iter().find(|(name, _)| *name == word) {
                if self.names.in_rounds {
                    let range = self.range(start);
                    let message = "rounds cannot depend on the size of a tensor";
                    return Err(self.error(Code::Expression, message, range, "a tensor's size"));
                }
                return self.size(size, word, start);
            }
            if let Some(&(_, function)) = FUNCTIONS.iter().find(|(name, _)| *name == word) {
                return self.call(function, word, start);
            }
            let range = self.range(start);
            let functions =
                FUNCTIONS.iter().map(|(name, _)| *name).chain(SIZES.iter().map(|(name, _)| *name));
            let known: Vec<&str> = functions.collect();
            return Err(self
                .error(Code::UnknownName, format!("there is no function `{word}`"), range, "not a function")
                .did_you_mean(word, known.iter().copied())
                .help(format!("functions: {}", known.join(", "))));
        }
        match word {
            "true" => return self.count(Term::Value(SettingValue::Flag(true))),
            "false" => return self.count(Term::Value(SettingValue::Flag(false))),
            _ => {}
        }
        let position = |names: &[Box<str>]| names.iter().rposition(|name| &**name == word);
        if let Some(level) = position(self.names.indices) {
            self.mentions[2] = true;
            return self.count(Term::Index(level));
        }
        if let Some(index) = position(self.names.arguments) {
            self.mentions[1] = true;
            return self.count(Term::Argument(index));
        }
        if let Some(index) = position(self.names.parameters) {
            return self.count(Term::Parameter(index));
        }
        if self.names.unsure {
            // Never evaluated: there is an error already.
            return self.count(Term::Index(usize::MAX));
        }
        let range = self.range(start);
        let known = [self.names.indices, self.names.arguments, self.names.parameters].concat();
        let diagnostic = self
            .error(
                Code::UnknownName,
                format!("there is no parameter or argument `{word}` here"),
                range,
                "not known here",
            )
            .did_you_mean(word, known.iter().map(|name| &**name));
        Err(if known.is_empty() {
            diagnostic.help(format!("a text is quoted: '{word}'"))
        } else {
            let listed: Vec<&str> = known.iter().take(20).map(|name| &**name).collect();
            diagnostic.help(format!("known here: {}; a text is quoted: '{word}'", listed.join(", ")))
        })
    }

    fn call(&mut self, function: Function, word: &str, start: usize) -> Result<Term, Diagnostic> {
        self.expect("(")?;
        let mut arguments = Vec::new();
        if !self.take(")") {
            loop {
                arguments.push(self.or()?);
                if self.take(")") {
                    break;
                }
                if !self.take(",") {
                    return Err(self.unexpected("`,` or `)`"));
                }
            }
        }
        let (least, most) = match function {
            Function::Floor | Function::Ceil | Function::Round | Function::Abs => (1, 1),
            Function::Min | Function::Max => (1, usize::MAX),
            Function::MakeDivisible => (2, 2),
            Function::If => (3, 3),
        };
        let range = self.range(start);
        if arguments.len() < least || arguments.len() > most {
            let expected = if least == most { format!("{least}") } else { format!("at least {least}") };
            return Err(self.error(
                Code::WrongCount,
                format!(
                    "`{word}` takes {expected} argument{}, but is given {}",
                    if expected.ends_with('1') { "" } else { "s" },
                    arguments.len()
                ),
                range,
                "wrong number of arguments",
            ));
        }
        self.count(Term::Call(function, arguments, range))
    }

    fn size(&mut self, size: Size, word: &str, start: usize) -> Result<Term, Diagnostic> {
        self.expect("(")?;
        self.skip_space();
        let from = self.position;
        let mut open = 0usize;
        let end = self.text[from..].find(|letter: char| match letter {
            '[' | '(' => {
                open += 1;
                false
            }
            ']' => {
                open = open.saturating_sub(1);
                false
            }
            ')' if open > 0 => {
                open -= 1;
                false
            }
            ')' | ',' => open == 0,
            _ => false,
        });
        let Some(length) = end else {
            self.position = self.text.len();
            return Err(self.unexpected("`)`"));
        };
        let written = self.text[from..from + length].trim_end();
        let at = place(self.span, self.direct, offsets(from, from + written.len()));
        let reference = Reference::parse(written, at, self.direct, self.names)?;
        self.position = from + length;
        let axis = if size == Size::Dim {
            if !self.take(",") {
                return Err(self.unexpected("`,` and an axis").help(format!("write `{word}({written}, 2)`")));
            }
            Some(Box::new(self.or()?))
        } else {
            None
        };
        self.expect(")")?;
        self.mentions[0] = true;
        let range = self.range(start);
        self.count(Term::Size(size, Box::new(reference), axis, range))
    }
}
