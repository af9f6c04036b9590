//! The values of one parameter: `0.25,0.5,0.75`, `12..48:4`, `csp,first`.

use num::traits::{CheckedAdd, Zero};

use crate::ops::attribute::{Exact, decimal};

/// A parameter and the values it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// The parameter.
    pub name: String,
    /// Its values in order, as the command line would give each.
    pub values: Vec<String>,
}

impl Axis {
    /// Reads a list of values and ranges parted by commas; a comma within parentheses parts nothing. A range `a..b` goes
    /// in steps of 1, `a..b:step` in others, and has `b` where a step hits it. No more than `limit` values are made.
    ///
    /// # Errors
    /// One sentence on what is wrong.
    pub fn parse(name: &str, text: &str, limit: usize) -> Result<Self, String> {
        let mut values = Vec::new();
        for item in items(text) {
            if item.is_empty() {
                return Err(format!("`--set {name}={text}` has an empty value"));
            }
            match range(item) {
                None => values.push(item.to_owned()),
                Some(range) => range
                    .and_then(|range| range.extend(&mut values, limit))
                    .map_err(|fault| format!("`--set {name}={text}`: {fault}"))?,
            }
            if values.len() > limit {
                return Err(format!("`--set {name}={text}` gives more than {limit} values"));
            }
        }
        Ok(Self { name: name.to_owned(), values })
    }
}

/// The parts between commas that stand outside parentheses.
fn items(text: &str) -> Vec<&str> {
    let (mut items, mut start, mut depth) = (Vec::new(), 0, 0i32);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth <= 0 => {
                items.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(text[start..].trim());
    items
}

/// Numbers from the first to the last.
struct Range {
    first: Exact,
    last: Exact,
    step: Exact,
}

/// A text that begins with a number and two dots is a range, or a mistake in one.
fn range(item: &str) -> Option<Result<Range, String>> {
    let (first, rest) = item.split_once("..")?;
    let first = number(first)?;
    let (last, step) = rest.split_once(':').map_or((rest, None), |(last, step)| (last, Some(step)));
    let Some(last) = number(last) else {
        return Some(Err(format!("a range ends with a number, not with `{}`", last.trim())));
    };
    let step = match step {
        None => Exact::from_integer(1),
        Some(text) => match number(text) {
            Some(step) => step,
            None => return Some(Err(format!("a step is a number, not `{}`", text.trim()))),
        },
    };
    Some(if step.is_zero() {
        Err("a step of 0 ends nowhere".to_owned())
    } else if first != last && (last > first) != (step > Exact::zero()) {
        Err(format!("a step of {} does not lead from {} to {}", decimal(step), decimal(first), decimal(last)))
    } else {
        Ok(Range { first, last, step })
    })
}

impl Range {
    fn extend(&self, values: &mut Vec<String>, limit: usize) -> Result<(), String> {
        let mut value = self.first;
        loop {
            let is_past = if self.step > Exact::zero() { value > self.last } else { value < self.last };
            if is_past || values.len() > limit {
                return Ok(());
            }
            values.push(decimal(value));
            value = value.checked_add(&self.step).ok_or("the numbers are too large")?;
        }
    }
}

/// An exact number: whole or decimal, at most 18 digits.
fn number(text: &str) -> Option<Exact> {
    let text = text.trim();
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    if whole.is_empty()
        || all.len() > 18
        || !all.bytes().all(|digit| digit.is_ascii_digit())
        || digits.ends_with('.')
    {
        return None;
    }
    let value: i128 = all.parse().ok()?;
    let scale = 10i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    Some(Exact::new(if negative { -value } else { value }, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        Axis::parse("x", text, 1000).unwrap().values
    }

    fn fault(text: &str) -> String {
        Axis::parse("x", text, 1000).unwrap_err()
    }

    #[test]
    fn lists_and_ranges() {
        assert_eq!(values("0.25,0.5, 0.75"), ["0.25", "0.5", "0.75"]);
        assert_eq!(values("csp,first"), ["csp", "first"]);
        assert_eq!(values("12..48:12"), ["12", "24", "36", "48"]);
        assert_eq!(values("12..47:12"), ["12", "24", "36"]);
        assert_eq!(values("1..3"), ["1", "2", "3"]);
        assert_eq!(values("7..7"), ["7"]);
        assert_eq!(values("3..1:-1"), ["3", "2", "1"]);
        assert_eq!(values("-1..1"), ["-1", "0", "1"]);
        assert_eq!(values("0.1..0.7:0.2,1"), ["0.1", "0.3", "0.5", "0.7", "1"]);
        assert_eq!(values("min(1,2),2*16"), ["min(1,2)", "2*16"]);
        assert_eq!(values("a..b"), ["a..b"]);
    }

    #[test]
    fn tenths_are_exact() {
        let tenths = values("0..1:0.1");
        assert_eq!((tenths.len(), tenths[3].as_str(), tenths[10].as_str()), (11, "0.3", "1"));
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(fault("1..5:0"), "`--set x=1..5:0`: a step of 0 ends nowhere");
        assert_eq!(fault("5..1"), "`--set x=5..1`: a step of 1 does not lead from 5 to 1");
        assert_eq!(fault("1..x"), "`--set x=1..x`: a range ends with a number, not with `x`");
        assert_eq!(fault("1..5:y"), "`--set x=1..5:y`: a step is a number, not `y`");
        assert_eq!(fault("1,,2"), "`--set x=1,,2` has an empty value");
        assert_eq!(fault("0..1000000000000"), "`--set x=0..1000000000000` gives more than 1000 values");
    }
}
