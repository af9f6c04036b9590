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

mod evaluator;
mod parser;

use std::sync::Arc;

use self::evaluator::Evaluator;
use self::parser::Parser;
use super::reference::Reference;
use crate::diagnostic::{Code, Diagnostic};
use crate::ops::attribute::{Exact, SettingValue};
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
