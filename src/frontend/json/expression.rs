//! Expressions of the architecture language: exact arithmetic over parameters, arguments, the index of a `repeat` and
//! the sizes of tensors.
//!
//! ```text
//! or      = and {"or" and}            compare = sum [("=="|"!="|"<"|"<="|">"|">=") sum]
//! and     = not {"and" not}           sum     = term {("+"|"-") term}
//! not     = ["not"] compare           term    = sign {("*"|"/"|"%") sign}
//! sign    = ["-"] power               power   = atom ["^" sign]
//! atom    = number | 'text' | true | false | name | function "(" … ")" | "(" or ")"
//! ```

use std::sync::Arc;

use num::traits::{CheckedAdd, CheckedDiv, CheckedMul, CheckedSub, Signed, Zero};

use super::reference::Reference;
use crate::diagnostic::{Code, Diagnostic};
use crate::ops::attribute::{Exact, SettingValue, decimal};
use crate::source::Span;
use crate::tensor::TensorType;

/// A compiled expression.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    /// As written.
    pub(super) text: Arc<str>,
    /// Where.
    pub(super) span: Span,
    /// Whether a tensor's size occurs in it.
    pub(super) mentions_tensors: bool,
    /// Whether an argument occurs in it, which may stand for a tensor's size.
    pub(super) mentions_arguments: bool,
    /// Whether an index occurs in it.
    pub(super) mentions_index: bool,
    /// What it takes to evaluate it: its terms, a power more than one.
    pub(super) work: usize,
    root: Term,
}

/// A part of the text, by byte offsets.
type Range = (u32, u32);

#[derive(Clone, Debug)]
enum Term {
    Value(SettingValue),
    Parameter(usize),
    Argument(usize),
    Index(usize),
    Unary(Unary, Box<Term>, Range),
    Binary(Binary, Box<(Term, Term)>, Range),
    Call(Function, Vec<Term>, Range),
    Size(Size, Box<Reference>, Option<Box<Term>>, Range),
}

#[derive(Clone, Copy, Debug)]
enum Unary {
    Negate,
    Not,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Binary {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Floor,
    Ceil,
    Round,
    Abs,
    Min,
    Max,
    MakeDivisible,
    If,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Channels,
    Height,
    Width,
    Dim,
}

const FUNCTIONS: &[(&str, Function)] = &[
    ("floor", Function::Floor),
    ("ceil", Function::Ceil),
    ("round", Function::Round),
    ("abs", Function::Abs),
    ("min", Function::Min),
    ("max", Function::Max),
    ("make_divisible", Function::MakeDivisible),
    ("if", Function::If),
];

const SIZES: &[(&str, Size)] =
    &[("channels", Size::Channels), ("height", Size::Height), ("width", Size::Width), ("dim", Size::Dim)];

/// The longest expression that is read, in bytes.
const MAX_LENGTH: usize = 4096;
/// The most terms in one expression: evaluation recurses over them.
const MAX_TERMS: usize = 256;

/// The names that an expression may use.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Names<'a> {
    /// The file's parameters.
    pub(super) parameters: &'a [Box<str>],
    /// The surrounding block's arguments.
    pub(super) arguments: &'a [Box<str>],
    /// The indices of the surrounding repeats, outermost first.
    pub(super) indices: &'a [Box<str>],
    /// Whether there should be more that could not be read: then an unknown name passes.
    pub(super) unsure: bool,
    /// Whether this is a round in a reference: no size of a tensor there, and so no reference in it, and so on.
    pub(super) in_rounds: bool,
}

/// The values behind the names.
pub(super) trait Environment {
    /// The value of a parameter.
    fn parameter(&self, index: usize) -> SettingValue;
    /// The value of an argument.
    fn argument(&self, index: usize) -> Result<SettingValue, Diagnostic>;
    /// The value of an index.
    fn index(&self, level: usize) -> u64;
    /// The type of the one tensor that a reference names.
    fn tensor(&self, reference: &Reference) -> Result<TensorType, Diagnostic>;
}

/// Numbers keep so far below 128 bits that rounding and negating them always fits: 10³⁶, above and below the line.
const MOST: i128 = 10i128.pow(36);

fn fits(number: &Exact) -> bool {
    number.numer().unsigned_abs() <= MOST.unsigned_abs() && *number.denom() <= MOST
}

/// A decimal number, exactly: `64`, `0.25`, `1e-5`. `None` where it does not fit.
pub(super) fn exact_number(text: &str) -> Option<Exact> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let shift = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let power = 10i128.checked_pow(shift.unsigned_abs())?;
    if digits.unsigned_abs() > MOST.unsigned_abs() || power > MOST {
        return None;
    }
    let number = if shift >= 0 {
        digits.checked_mul(power).map(Exact::from_integer)
    } else {
        Some(Exact::new(digits, power))
    };
    number.filter(fits)
}

impl Expression {
    /// Compiles a text.
    ///
    /// # Errors
    /// What is wrong, at its place within `span`; `direct` tells that the text stands there unescaped.
    pub(super) fn parse(text: &str, span: Span, direct: bool, names: Names<'_>) -> Result<Self, Diagnostic> {
        let mut expression = Self {
            text: text.into(),
            span,
            mentions_tensors: false,
            mentions_arguments: false,
            mentions_index: false,
            work: 0,
            root: Term::Value(SettingValue::Null),
        };
        if text.len() > MAX_LENGTH {
            return Err(Diagnostic::error(
                Code::TooLarge,
                format!(
                    "an expression may have at most {MAX_LENGTH} characters, this one has {}",
                    text.len()
                ),
            )
            .at(span, "too long"));
        }
        let mut parser = Parser {
            text,
            span,
            direct,
            position: 0,
            names,
            terms: 0,
            powers: 0,
            depth: 0,
            mentions: [false; 3],
        };
        let root = parser.or()?;
        parser.skip_space();
        if parser.position < text.len() {
            return Err(parser.unexpected("an operator"));
        }
        [expression.mentions_tensors, expression.mentions_arguments, expression.mentions_index] =
            parser.mentions;
        expression.work = parser.terms + parser.powers * 16;
        expression.root = root;
        Ok(expression)
    }

    /// Its value.
    ///
    /// # Errors
    /// Operands of the wrong type, division by zero, overflow, or what the environment reports.
    pub(super) fn evaluate(&self, environment: &dyn Environment) -> Result<SettingValue, Diagnostic> {
        Evaluator { expression: self, environment }.term(&self.root)
    }

    /// Its value, which must be true or false.
    pub(super) fn condition(&self, environment: &dyn Environment) -> Result<bool, Diagnostic> {
        match self.evaluate(environment)? {
            SettingValue::Flag(flag) => Ok(flag),
            other => Err(Diagnostic::error(Code::WrongType, "a condition must be true or false")
                .at(self.span, format!("this is {other}"))),
        }
    }

    /// Every tensor and argument that occurs in it.
    pub(super) fn visit<'a>(&'a self, visit: &mut dyn FnMut(Mention<'a>)) {
        fn walk<'a>(term: &'a Term, visit: &mut dyn FnMut(Mention<'a>)) {
            match term {
                Term::Value(_) | Term::Parameter(_) | Term::Index(_) => {}
                Term::Argument(index) => visit(Mention::Argument(*index)),
                Term::Unary(_, operand, _) => walk(operand, visit),
                Term::Binary(_, operands, _) => {
                    walk(&operands.0, visit);
                    walk(&operands.1, visit);
                }
                Term::Call(_, arguments, _) => arguments.iter().for_each(|argument| walk(argument, visit)),
                Term::Size(_, reference, axis, _) => {
                    visit(Mention::Tensor(reference));
                    if let Some(axis) = axis {
                        walk(axis, visit);
                    }
                }
            }
        }
        walk(&self.root, visit);
    }

    /// Whether it is a plain value: no names in it.
    pub(super) fn is_constant(&self) -> bool {
        matches!(self.root, Term::Value(_))
    }
}

/// Something outside that an expression needs.
pub(super) enum Mention<'a> {
    /// The size of a tensor.
    Tensor(&'a Reference),
    /// An argument of the block.
    Argument(usize),
}

struct Parser<'a> {
    text: &'a str,
    span: Span,
    direct: bool,
    position: usize,
    names: Names<'a>,
    terms: usize,
    powers: usize,
    depth: usize,
    /// Tensors, arguments, an index.
    mentions: [bool; 3],
}

impl Parser<'_> {
    fn error(&self, code: Code, message: impl Into<String>, range: Range, label: &str) -> Diagnostic {
        Diagnostic::error(code, message).at(place(self.span, self.direct, range), label)
    }

    fn range(&self, start: usize) -> Range {
        offsets(start, self.position)
    }

    fn unexpected(&self, expected: &str) -> Diagnostic {
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

    fn skip_space(&mut self) {
        self.position = self.next_symbol();
    }

    /// Where the next symbol begins.
    fn next_symbol(&self) -> usize {
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

    fn or(&mut self) -> Result<Term, Diagnostic> {
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

fn offsets(start: usize, end: usize) -> Range {
    let offset = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
    (offset(start), offset(end))
}

/// The place of a part of a text: behind the opening quote where it stands unescaped, else the whole.
pub(super) fn place(span: Span, direct: bool, range: Range) -> Span {
    if direct { span.part(1 + range.0 as usize, 1 + range.1 as usize) } else { span }
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= 60 {
        text.to_owned()
    } else {
        text.chars().take(57).chain("...".chars()).collect()
    }
}

struct Evaluator<'a> {
    expression: &'a Expression,
    environment: &'a dyn Environment,
}

impl Evaluator<'_> {
    fn error(
        &self,
        code: Code,
        message: impl Into<String>,
        range: Range,
        label: impl Into<String>,
    ) -> Diagnostic {
        let span = self.expression.span;
        // The text stands unescaped where its length says so: quotes and nothing else around it.
        let direct = (span.end - span.start) as usize == self.expression.text.len() + 2;
        Diagnostic::error(code, message).at(place(span, direct, range), label)
    }

    fn term(&self, term: &Term) -> Result<SettingValue, Diagnostic> {
        match term {
            Term::Value(value) => Ok(value.clone()),
            Term::Parameter(index) => Ok(self.environment.parameter(*index)),
            Term::Argument(index) => self.environment.argument(*index),
            Term::Index(level) => Ok(number(i128::from(self.environment.index(*level)))),
            Term::Unary(operator, operand, range) => match (operator, self.term(operand)?) {
                (Unary::Negate, SettingValue::Number(value)) => Ok(SettingValue::Number(-value)),
                (Unary::Not, SettingValue::Flag(flag)) => Ok(SettingValue::Flag(!flag)),
                (Unary::Negate, other) => Err(self.type_error("`-` takes a number", &other, *range)),
                (Unary::Not, other) => Err(self.type_error("`not` takes true or false", &other, *range)),
            },
            Term::Binary(operator, operands, range) => {
                self.binary(*operator, &operands.0, &operands.1, *range)
            }
            Term::Call(function, arguments, range) => self.call(*function, arguments, *range),
            Term::Size(size, reference, axis, range) => self.size(*size, reference, axis.as_deref(), *range),
        }
    }

    fn type_error(&self, message: &str, found: &SettingValue, range: Range) -> Diagnostic {
        self.error(Code::WrongType, message, range, format!("an operand is {found}"))
    }

    fn exact(&self, term: &Term, range: Range) -> Result<Exact, Diagnostic> {
        match self.term(term)? {
            SettingValue::Number(value) => Ok(value),
            other => Err(self.type_error("this takes numbers", &other, range)),
        }
    }

    fn flag(&self, term: &Term, range: Range) -> Result<bool, Diagnostic> {
        match self.term(term)? {
            SettingValue::Flag(flag) => Ok(flag),
            other => Err(self.type_error("this takes true or false", &other, range)),
        }
    }

    fn overflow(&self, range: Range) -> Diagnostic {
        self.error(Code::Overflow, "the value does not fit", range, "too large or too fine a number")
    }

    fn binary(
        &self,
        operator: Binary,
        left: &Term,
        right: &Term,
        range: Range,
    ) -> Result<SettingValue, Diagnostic> {
        use Binary::{Add, And, Divide, Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
        use Binary::{Multiply, NotEqual, Or, Power, Remainder, Subtract};
        match operator {
            Or => return Ok(SettingValue::Flag(self.flag(left, range)? || self.flag(right, range)?)),
            And => return Ok(SettingValue::Flag(self.flag(left, range)? && self.flag(right, range)?)),
            Equal | NotEqual => {
                let (left, right) = (self.term(left)?, self.term(right)?);
                if std::mem::discriminant(&left) != std::mem::discriminant(&right) {
                    return Err(self.error(
                        Code::WrongType,
                        format!("{left} and {right} cannot be compared"),
                        range,
                        "different types",
                    ));
                }
                return Ok(SettingValue::Flag((left == right) == (operator == Equal)));
            }
            _ => {}
        }
        let (a, b) = (self.exact(left, range)?, self.exact(right, range)?);
        let checked = |value: Option<Exact>| {
            value.filter(fits).map(SettingValue::Number).ok_or_else(|| self.overflow(range))
        };
        let divisor = || {
            let zero = || self.error(Code::DivisionByZero, "division by zero", range, "the divisor is 0");
            if b.is_zero() { Err(zero()) } else { Ok(b) }
        };
        match operator {
            Less => Ok(SettingValue::Flag(a < b)),
            LessOrEqual => Ok(SettingValue::Flag(a <= b)),
            Greater => Ok(SettingValue::Flag(a > b)),
            GreaterOrEqual => Ok(SettingValue::Flag(a >= b)),
            Add => checked(a.checked_add(&b)),
            Subtract => checked(a.checked_sub(&b)),
            Multiply => checked(a.checked_mul(&b)),
            Divide => checked(a.checked_div(&divisor()?)),
            Remainder => {
                let b = divisor()?;
                checked(
                    a.checked_div(&b)
                        .filter(fits)
                        .and_then(|q| q.floor().checked_mul(&b))
                        .and_then(|multiple| a.checked_sub(&multiple)),
                )
            }
            Power => self.power(a, b, range),
            Or | And | Equal | NotEqual => Err(self.overflow(range)),
        }
    }

    fn power(&self, base: Exact, exponent: Exact, range: Range) -> Result<SettingValue, Diagnostic> {
        if !exponent.is_integer() {
            let label = format!("the exponent is {}", decimal(exponent));
            return Err(self.error(Code::NotWhole, "an exponent must be whole", range, label));
        }
        if exponent.is_negative() && base.is_zero() {
            return Err(self.error(Code::DivisionByZero, "division by zero", range, "0 to a negative power"));
        }
        let mut times = exponent.numer().unsigned_abs();
        let product = |a: Exact, b: &Exact| a.checked_mul(b).filter(fits).ok_or_else(|| self.overflow(range));
        let (mut result, mut square) = (Exact::from_integer(1), base);
        // Whatever is not 0 or ±1 overflows within seven squares.
        loop {
            if times % 2 == 1 {
                result = product(result, &square)?;
            }
            times /= 2;
            if times == 0 {
                break;
            }
            square = product(square, &square)?;
        }
        Ok(SettingValue::Number(if exponent.is_negative() { result.recip() } else { result }))
    }

    fn call(&self, function: Function, arguments: &[Term], range: Range) -> Result<SettingValue, Diagnostic> {
        if function == Function::If {
            let chosen = if self.flag(&arguments[0], range)? { 1 } else { 2 };
            return self.term(&arguments[chosen]);
        }
        let values: Result<Vec<Exact>, _> =
            arguments.iter().map(|argument| self.exact(argument, range)).collect();
        let values = values?;
        let first = values[0];
        let result = match function {
            Function::Floor => first.floor(),
            Function::Ceil => first.ceil(),
            Function::Round => first.round(),
            Function::Abs => first.abs(),
            Function::Min => values.iter().copied().min().unwrap_or(first),
            Function::Max => values.iter().copied().max().unwrap_or(first),
            Function::MakeDivisible => {
                return self.make_divisible(first, values[1], range);
            }
            Function::If => first,
        };
        Ok(SettingValue::Number(result))
    }

    /// torchvision's `_make_divisible`: the nearest multiple, half up, at least the divisor, never below 0.9 v.
    fn make_divisible(&self, value: Exact, divisor: Exact, range: Range) -> Result<SettingValue, Diagnostic> {
        if !divisor.is_integer() || !divisor.is_positive() {
            let label = format!("the divisor is {}", decimal(divisor));
            return Err(self.error(
                Code::OutOfRange,
                "the divisor must be a whole number, at least 1",
                range,
                label,
            ));
        }
        let half = divisor / 2;
        let rounded = value
            .checked_add(&half)
            .and_then(|sum| sum.checked_div(&divisor))
            .filter(fits)
            .and_then(|quotient| quotient.floor().checked_mul(&divisor))
            .map(|multiple| multiple.max(divisor));
        let least = value.checked_mul(&Exact::new(9, 10));
        match (rounded, least) {
            (Some(rounded), Some(least)) if rounded < least => {
                rounded.checked_add(&divisor).map(SettingValue::Number).ok_or_else(|| self.overflow(range))
            }
            (Some(rounded), Some(_)) => Ok(SettingValue::Number(rounded)),
            _ => Err(self.overflow(range)),
        }
    }

    fn size(
        &self,
        size: Size,
        reference: &Reference,
        axis: Option<&Term>,
        range: Range,
    ) -> Result<SettingValue, Diagnostic> {
        let tensor = self.environment.tensor(reference)?;
        let rank = tensor.shape.rank();
        let axis = match size {
            Size::Channels => 1,
            Size::Height => rank.saturating_sub(2).max(2),
            Size::Width => rank.saturating_sub(1).max(2),
            Size::Dim => {
                let given = axis.map_or(Ok(Exact::zero()), |axis| self.exact(axis, range))?;
                let index = given.is_integer().then(|| *given.numer()).and_then(|index| {
                    if index < 0 { i128::try_from(rank).ok()?.checked_add(index) } else { Some(index) }
                });
                index.and_then(|index| usize::try_from(index).ok()).unwrap_or(usize::MAX)
            }
        };
        match tensor.shape.axis(axis) {
            Some(size) => Ok(number(i128::from(size))),
            None => Err(self.error(
                Code::OutOfRange,
                format!("the tensor has no such axis: it is {}", tensor.shape),
                range,
                "no such axis",
            )),
        }
    }
}

fn number(value: i128) -> SettingValue {
    SettingValue::Number(Exact::from_integer(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceMap;
    use crate::tensor::DType;

    struct Fixed;

    impl Environment for Fixed {
        fn parameter(&self, index: usize) -> SettingValue {
            [SettingValue::Number(Exact::new(1, 4)), SettingValue::Text("csp".into())][index].clone()
        }
        fn argument(&self, _: usize) -> Result<SettingValue, Diagnostic> {
            Ok(number(32))
        }
        fn index(&self, _: usize) -> u64 {
            5
        }
        fn tensor(&self, _: &Reference) -> Result<TensorType, Diagnostic> {
            Ok(TensorType::new([1, 64, 56, 28], DType::F32))
        }
    }

    fn run(text: &str) -> String {
        let mut sources = SourceMap::default();
        let id = sources.add("test", format!("\"{text}\""));
        let span = Span { source: id, start: 0, end: u32::try_from(text.len() + 2).unwrap() };
        let [parameters, arguments, indices] = [&["gamma", "fusion"][..], &["growth_rate"], &["index"]]
            .map(|names| names.iter().map(|&n| n.into()).collect::<Vec<Box<str>>>());
        let names =
            Names { parameters: &parameters, arguments: &arguments, indices: &indices, ..Names::default() };
        let result =
            Expression::parse(text, span, true, names).and_then(|expression| expression.evaluate(&Fixed));
        match result {
            Ok(value) => value.to_string(),
            Err(diagnostic) => {
                let place = diagnostic.labels[0].span;
                format!("{} at {:?}: {}", diagnostic.code.name(), sources.text(place), diagnostic.message)
            }
        }
    }

    #[test]
    fn exact_arithmetic() {
        for (text, value) in [
            ("4 * growth_rate", "128"),
            ("gamma * channels(input)", "16"),
            ("1 - gamma", "0.75"),
            ("0.1 + 0.2", "0.3"),
            ("1/3 + 1/3 + 1/3", "1"),
            ("2 ^ 3 ^ 2", "512"),
            ("-2 ^ 2", "-4"),
            ("2 ^ -2", "0.25"),
            ("(-1) ^ 1001", "-1"),
            ("7 % 3", "1"),
            ("-7 % 3", "2"),
            ("floor(2.5) + ceil(2.5) + round(2.5)", "8"),
            ("round(-2.5)", "-3"),
            ("min(3, 1, 2) + max(3, 1, 2) + abs(-4)", "8"),
            ("make_divisible(35, 8)", "32"),
            ("make_divisible(36, 8)", "40"),
            ("make_divisible(3, 8)", "8"),
            // 10.8 would go to 8, below nine tenths of it.
            ("make_divisible(10.8, 8)", "16"),
            ("if(fusion == 'csp', 1, 1/0)", "1"),
            ("fusion != 'first' and not (1 > 2 or false)", "true"),
            ("height(a/b[index - 1]:1) - width(input) + dim(x, -1) + dim(x, 0)", "57"),
            ("1e3 + index", "1005"),
        ] {
            assert_eq!(run(text), value, "{text}");
        }
    }

    #[test]
    fn faults_have_places() {
        for (text, fault) in [
            (
                "4 * groth_rate",
                "unknown-name at \"groth_rate\": there is no parameter or argument `groth_rate` here",
            ),
            ("flor(2)", "unknown-name at \"flor\": there is no function `flor`"),
            ("1 / (index - 5)", "division-by-zero at \"1 / (index - 5)\": division by zero"),
            ("1 +", "expression at \"\": expected a number or a name, found the end, in `1 +`"),
            ("(1", "expression at \"\": expected `)`, found the end, in `(1`"),
            ("1 2", "expression at \"2\": expected an operator, found `2`, in `1 2`"),
            ("fusion = 'csp'", "expression at \"=\": expected an operator, found `=`, in `fusion = 'csp'`"),
            ("fusion + 1", "wrong-type at \"fusion + 1\": this takes numbers"),
            ("fusion == 1", "wrong-type at \"fusion == 1\": \"csp\" and 1 cannot be compared"),
            ("2 ^ 0.5", "not-whole at \"2 ^ 0.5\": an exponent must be whole"),
            ("9 ^ 99 * 2", "overflow at \"9 ^ 99\": the value does not fit"),
            ("dim(x, 4)", "out-of-range at \"dim(x, 4)\": the tensor has no such axis: it is 1x64x56x28"),
            ("floor(1, 2)", "wrong-count at \"floor(1, 2)\": `floor` takes 1 argument, but is given 2"),
            ("'abc", "expression at \"'abc\": the text has no closing quote"),
            (
                "9999999999999999999999999999999999999999999",
                "overflow at \"9999999999999999999999999999999999999999999\": the number does not fit",
            ),
        ] {
            assert_eq!(run(text), fault, "{text}");
        }
    }

    #[test]
    fn size_is_bounded() {
        assert!(run(&"(".repeat(1000)).starts_with("too-large"));
        assert!(run(&"1+".repeat(1000)).starts_with("too-large"));
        assert!(run(&"1^".repeat(100)).starts_with("too-large"));
        assert!(run(&"-".repeat(4000)).starts_with("expression"));
        assert!(run(&"1".repeat(5000)).starts_with("too-large"));
    }
}
