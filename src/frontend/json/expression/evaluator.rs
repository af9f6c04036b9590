//! The value of an expression: exact fractions, every operation checked.

use num::traits::{CheckedAdd, CheckedDiv, CheckedMul, CheckedSub, Signed, Zero};

use super::super::reference::Reference;
use super::{Binary, Environment, Expression, Function, Range, Size, Term, Unary, fits, number, place};
use crate::diagnostic::{Code, Diagnostic};
use crate::ops::attribute::{Exact, SettingValue, decimal};

pub(super) struct Evaluator<'a> {
    pub(super) expression: &'a Expression,
    pub(super) environment: &'a dyn Environment,
}

impl Evaluator<'_> {
    pub(super) fn error(
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

    pub(super) fn term(&self, term: &Term) -> Result<SettingValue, Diagnostic> {
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
