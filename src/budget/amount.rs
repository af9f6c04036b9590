//! Exact amounts in the units that people write: `4.1 GMACs`, `30 MiB`, `8 M`, `2.5 %`.
//!
//! A number is an exact fraction. Floating-point figures of a report count as the decimal that the report prints.

use num::bigint::Sign;
use num::traits::{Pow as _, Signed as _, ToPrimitive as _, Zero as _};
use num::{BigInt, BigRational, BigUint};

use super::lookup::{MEASUREMENT, PREDICTION};
use crate::analysis::conventions::{Convention, Unit as ConventionUnit};
use crate::analysis::gradient::paths::log2;
use crate::units;

/// What a metric counts, which decides what units it may be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Multiply-accumulates.
    Macs,
    /// Floating-point operations.
    Flops,
    /// Learned or stored elements.
    Parameters,
    /// Elements of tensors.
    Elements,
    /// Bytes.
    Bytes,
    /// A part of a whole, or a ratio.
    Ratio,
    /// Time in seconds.
    Seconds,
    /// Time in nanoseconds, as it is measured.
    Nanoseconds,
    /// Floating-point operations a second.
    FlopRate,
    /// Bytes a second.
    ByteRate,
    /// Anything else that is counted.
    Count,
}

/// An amount of some quantity, exact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amount {
    /// In the quantity's base unit: MACs, bytes, seconds, parts of 1.
    pub number: BigRational,
    /// What is counted.
    pub quantity: Quantity,
}

/// What stands in a file: a number and a unit that is not looked up yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The number, its sign included.
    pub number: BigRational,
    /// Whether a sign stands before it.
    pub signed: bool,
    /// The unit without blanks; may be empty.
    pub unit: String,
    /// All that stands behind the number, as written.
    pub tail: String,
}

/// Digits and exponents beyond these are refused: no figure of a report needs them.
const MOST_DIGITS: usize = 400;
const MOST_EXPONENT: i32 = 60;

const DECIMAL: [(&str, u32); 7] = [("k", 3), ("K", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: [(&str, u32); 6] =
    [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40), ("PiB", 50), ("EiB", 60)];

impl Written {
    /// Reads `4.1 GMACs`: digits with a point, thousands parted by commas, an exponent, a unit.
    ///
    /// # Errors
    /// What is wrong, lower case.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        let (sign, rest) = match text.chars().next() {
            Some('+') => (Some(1), &text[1..]),
            Some('-') => (Some(-1), &text[1..]),
            Some('−') => (Some(-1), &text['−'.len_utf8()..]),
            _ => (None, text),
        };
        let rest = rest.trim_start();
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == ',' || c == '.')).unwrap_or(rest.len());
        let (digits, mut unit) = rest.split_at(end);
        let mut exponent = 0;
        // `1e9` has an exponent, `1 E` and `1E` a unit.
        if let Some(tail) = unit.strip_prefix(['e', 'E']) {
            let length = tail.find(|c: char| !(c.is_ascii_digit() || c == '-' || c == '+'));
            let (power, after) = tail.split_at(length.unwrap_or(tail.len()));
            if let Ok(power) = power.parse::<i32>() {
                (exponent, unit) = (power, after);
            }
        }
        let number = decimal(digits, exponent).ok_or("no number that can be read")?;
        let number = number * BigInt::from(sign.unwrap_or(1));
        let tail = unit.to_owned();
        Ok(Self { number, signed: sign.is_some(), unit: tail.split_whitespace().collect(), tail })
    }

    /// The amount, where the unit is one of the quantity's.
    pub fn amount(&self, quantity: Quantity) -> Option<Amount> {
        let scale = quantity.scale(&self.unit)?;
        Some(Amount { number: &self.number * scale, quantity })
    }
}

/// `1,234.5` times a power of ten, exact. Commas part thousands and nothing else.
fn decimal(digits: &str, exponent: i32) -> Option<BigRational> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let groups: Vec<&str> = whole.split(',').collect();
    let parted = groups.len() == 1
        || ((1..=3).contains(&groups[0].len()) && groups[1..].iter().all(|group| group.len() == 3));
    let dangling = digits.ends_with('.') || whole.is_empty();
    if !parted || dangling || fraction.contains(['.', ',']) {
        return None;
    }
    if digits.len() > MOST_DIGITS || exponent.abs() > MOST_EXPONENT {
        return None;
    }
    let integer: BigInt = format!("{}{fraction}", whole.replace(',', "")).parse().ok()?;
    let power = exponent - i32::try_from(fraction.len()).ok()?;
    let ten = BigInt::from(10).pow(power.unsigned_abs());
    Some(if power < 0 { BigRational::new(integer, ten) } else { BigRational::from(integer * ten) })
}

/// A figure of a report: a number as JSON prints it, or a long one as decimal digits in a text.
pub fn figure(value: &serde_json::Value) -> Option<BigRational> {
    match value {
        serde_json::Value::Number(number) => {
            let text = number.to_string();
            let (text, negative) = text.strip_prefix('-').map_or((&*text, false), |text| (text, true));
            let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
            let exponent: i32 = exponent.parse().ok()?;
            // What a float can be at most is more than what a person may write.
            let number = if exponent.abs() > MOST_EXPONENT {
                BigRational::from_float(number.as_f64()?)?.abs()
            } else {
                decimal(digits, exponent)?
            };
            Some(if negative { -number } else { number })
        }
        serde_json::Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            BigUint::parse_bytes(text.as_bytes(), 10).map(|count| BigRational::from(BigInt::from(count)))
        }
        _ => None,
    }
}

impl Quantity {
    /// What a path of the report counts, by its name.
    pub fn of(path: &str) -> Self {
        let segments: Vec<&str> = path.split('.').collect();
        if let [.., "conventions", name] = segments[..] {
            return match Convention::find(name).map(|convention| convention.unit) {
                Some(ConventionUnit::Macs) => Self::Macs,
                Some(ConventionUnit::Flops) => Self::Flops,
                Some(ConventionUnit::Parameters) => Self::Parameters,
                None => Self::Count,
            };
        }
        let any = |test: &dyn Fn(&str) -> bool| segments.iter().any(|segment| test(segment));
        let last = segments.last().copied().unwrap_or("");
        if segments[0] == PREDICTION && last.ends_with("_ns") {
            return Self::Nanoseconds;
        }
        if segments[0] == MEASUREMENT {
            match last {
                "flops_per_second" => return Self::FlopRate,
                "bytes_per_second" => return Self::ByteRate,
                "compared" | "samples" | "outliers" => return Self::Count,
                _ if last.ends_with("_ns") => return Self::Nanoseconds,
                // The check or the curve that it is of.
                _ if any(&|segment| segment.ends_with("memory") || segment.ends_with("workspace")) => {
                    return Self::Bytes;
                }
                _ => {}
            }
        }
        if ["ratio", "share", "overlap", "max_over_mean"].iter().any(|end| last.ends_with(end)) {
            Self::Ratio
        } else if any(&|segment| segment.ends_with("bytes")) {
            Self::Bytes
        } else if any(&|segment| segment == "macs" || segment.starts_with("macs_grad_")) {
            Self::Macs
        } else if any(&|segment| segment.starts_with("flops")) {
            Self::Flops
        } else if any(&|segment| segment == "parameters" || segment == "buffers") {
            Self::Parameters
        } else if any(&|segment| segment == "activations" || segment.starts_with("cio")) {
            Self::Elements
        } else if last.ends_with("seconds") {
            Self::Seconds
        } else {
            Self::Count
        }
    }

    /// The words that may follow a number and its prefix.
    fn nouns(self) -> &'static [&'static str] {
        match self {
            Self::Macs => &["MACs", "MAC"],
            Self::Flops => &["FLOPs", "FLOP"],
            Self::Parameters => &["params", "parameters"],
            Self::Elements => &["elements"],
            Self::FlopRate => &["FLOP/s", "FLOPs/s"],
            Self::ByteRate => &["B/s"],
            Self::Bytes | Self::Ratio | Self::Seconds | Self::Nanoseconds | Self::Count => &[],
        }
    }

    /// What one of a unit is in base units; `None` where the unit is of another quantity.
    pub fn scale(self, unit: &str) -> Option<BigRational> {
        let ten = |power: u32| BigRational::from(BigInt::from(10).pow(power));
        let prefix = |word: &str| match word {
            "" => Some(ten(0)),
            _ => DECIMAL.iter().find(|(prefix, _)| *prefix == word).map(|&(_, power)| ten(power)),
        };
        match self {
            Self::Bytes => match BINARY.iter().find(|(name, _)| *name == unit) {
                Some(&(_, power)) => Some(BigRational::from(BigInt::from(2).pow(power))),
                None => prefix(unit.strip_suffix('B')?),
            },
            Self::Ratio => match unit {
                "" => Some(ten(0)),
                "%" => Some(ten(2).recip()),
                _ => None,
            },
            Self::Seconds => match unit {
                "s" => Some(ten(0)),
                "ms" => Some(ten(3).recip()),
                "µs" | "us" => Some(ten(6).recip()),
                "ns" => Some(ten(9).recip()),
                _ => None,
            },
            Self::Nanoseconds => Self::Seconds.scale(unit).map(|seconds| seconds * ten(9)),
            Self::ByteRate => Self::Bytes.scale(unit.strip_suffix("/s")?),
            // Without a unit a rate could be of either.
            Self::FlopRate => {
                let bare = self.nouns().iter().find_map(|noun| unit.strip_suffix(noun))?;
                prefix(bare)
            }
            Self::Macs | Self::Flops | Self::Parameters | Self::Elements | Self::Count => {
                let bare = self.nouns().iter().find_map(|noun| unit.strip_suffix(noun)).unwrap_or(unit);
                prefix(bare)
            }
        }
    }

    /// The units, for messages.
    pub fn units(self) -> &'static str {
        match self {
            Self::Macs => "MACs, kMACs, MMACs, GMACs, TMACs, or k, M, G, T alone",
            Self::Flops => "FLOPs, kFLOPs, MFLOPs, GFLOPs, TFLOPs, or k, M, G, T alone",
            Self::Parameters => "params, k params, M params, G params, or k, M, G alone",
            Self::Elements => "elements, k elements, M elements, or k, M, G alone",
            Self::Bytes => "B, KiB, MiB, GiB (1024) or kB, MB, GB (1000)",
            Self::Ratio => "a plain number (0.25) or %",
            Self::Seconds | Self::Nanoseconds => "s, ms, µs, ns",
            Self::FlopRate => "FLOP/s, MFLOP/s, GFLOP/s, TFLOP/s",
            Self::ByteRate => "B/s, MB/s, GB/s (1000), MiB/s, GiB/s (1024)",
            Self::Count => "a plain number, or k, M, G, T",
        }
    }

    /// Whether it comes in whole numbers only.
    pub fn is_whole(self) -> bool {
        matches!(self, Self::Macs | Self::Flops | Self::Parameters | Self::Elements | Self::Bytes)
    }

    /// All spellings of units, for "did you mean".
    pub fn spellings(self) -> Vec<String> {
        let names = |nouns: &[&str]| {
            let prefixes = std::iter::once("").chain(DECIMAL.iter().map(|(prefix, _)| *prefix));
            prefixes.flat_map(|p| nouns.iter().map(move |noun| format!("{p}{noun}"))).collect::<Vec<_>>()
        };
        match self {
            Self::Bytes => {
                let binary = BINARY.iter().map(|(name, _)| (*name).to_owned());
                binary.chain(names(&["B"])).collect()
            }
            Self::Ratio => vec!["%".into()],
            Self::Seconds | Self::Nanoseconds => ["s", "ms", "µs", "us", "ns"].map(str::to_owned).into(),
            Self::ByteRate => Self::Bytes.spellings().iter().map(|unit| format!("{unit}/s")).collect(),
            _ => names(self.nouns()),
        }
    }
}

impl Amount {
    /// An amount of so many base units.
    pub fn new(number: BigRational, quantity: Quantity) -> Self {
        Self { number, quantity }
    }

    /// As people read it: four digits and a unit.
    pub fn human(&self) -> String {
        let sign = if self.number.is_negative() { "−" } else { "" };
        let size = self.number.abs();
        if matches!(self.quantity, Quantity::Ratio | Quantity::Seconds) {
            let unit = if self.quantity == Quantity::Seconds { " s" } else { "" };
            return format!("{sign}{}{unit}", digits(&size, 4, Round::Nearest));
        }
        if self.quantity == Quantity::Nanoseconds {
            return format!("{sign}{}", units::seconds(size.to_f64().unwrap_or(f64::NAN) / 1e9));
        }
        let whole = size.round().to_integer();
        let Some(count) = whole.to_u64() else {
            return format!("{sign}2^{:.2}", log2(whole.magnitude()));
        };
        if self.quantity == Quantity::Count && !size.is_integer() {
            return format!("{sign}{}", digits(&size, 4, Round::Nearest));
        }
        let text = match self.quantity {
            Quantity::Bytes => units::bytes(count),
            Quantity::Macs | Quantity::Flops | Quantity::FlopRate | Quantity::ByteRate => {
                let scaled = units::si(count);
                let blank = if scaled.contains(' ') { "" } else { " " };
                format!("{scaled}{blank}{}", self.quantity.nouns()[0])
            }
            _ if count < 100_000 => units::grouped(count),
            _ => units::si(count),
        };
        format!("{sign}{text}")
    }

    /// Every digit, thousands parted, without a unit.
    pub fn exact(&self) -> String {
        let sign = if self.number.is_negative() { "−" } else { "" };
        let size = self.number.abs();
        let whole = size.to_integer();
        match whole.to_u64() {
            Some(count) if size.is_integer() => format!("{sign}{}", units::grouped(count)),
            _ if size.is_integer() => format!("{sign}{whole}"),
            Some(count) if count >= 1000 => {
                let tenths = (size * BigInt::from(10)).round().to_integer();
                let (count, tenth) = (&tenths / 10u32, &tenths % 10u32);
                format!("{sign}{}.{tenth}", count.to_u64().map_or_else(String::new, units::grouped))
            }
            _ => format!("{sign}{}", digits(&size, 6, Round::Nearest)),
        }
    }
}

/// How digits that are not shown are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// Away from zero.
    Up,
    /// Towards zero.
    Down,
    /// To the nearest, half up.
    Nearest,
}

/// A number that is not negative in so many significant digits, its whole digits all kept; no zeros at the end.
pub fn digits(number: &BigRational, significant: u32, round: Round) -> String {
    let ten = |power: u32| BigRational::from(BigInt::from(10).pow(power));
    // Decimals until the first digit that counts stands before the point, and the rest of them.
    let mut decimals = significant.saturating_sub(1);
    if number.is_zero() {
        return "0".into();
    }
    let one = BigRational::from(BigInt::from(1));
    while number * ten(decimals) < ten(significant - 1) && decimals < 30 {
        decimals += 1;
    }
    while decimals > 0 && number * ten(decimals) >= ten(significant) * &one {
        decimals -= 1;
    }
    let scaled = number * ten(decimals);
    let integer = match round {
        Round::Up => scaled.ceil(),
        Round::Down => scaled.floor(),
        Round::Nearest => scaled.round(),
    };
    let text = format!("{:0>width$}", integer.to_integer().to_string(), width = decimals as usize + 1);
    let (whole, fraction) = text.split_at(text.len() - decimals as usize);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

/// A number that is not negative, rounded to so many significant digits, those before the point included.
pub fn rounded(number: &BigRational, significant: u32, round: Round) -> BigRational {
    if number.is_zero() {
        return number.clone();
    }
    let ten = BigRational::from(BigInt::from(10));
    let most = ten.clone().pow(significant);
    let least = &most / &ten;
    let mut scale = BigRational::from(BigInt::from(1));
    while number * &scale >= most {
        scale /= &ten;
    }
    // Figures of a report are no smaller than floats; the loop ends either way.
    for _ in 0..400 {
        if number * &scale >= least {
            break;
        }
        scale *= &ten;
    }
    let scaled = number * &scale;
    let whole = match round {
        Round::Up => scaled.ceil(),
        Round::Down => scaled.floor(),
        Round::Nearest => scaled.round(),
    };
    whole / scale
}

/// A number that is not negative, in full: as many decimals as it has, at most so many; `None` where it has more.
pub fn plain(number: &BigRational, decimals: u32) -> Option<String> {
    let mut power = BigRational::from(BigInt::from(1));
    let count = (0..=decimals).find(|_| {
        let whole = (number * &power).is_integer();
        if !whole {
            power *= BigInt::from(10);
        }
        whole
    })?;
    let text = (number * power).to_integer().to_string();
    let text = format!("{text:0>width$}", width = count as usize + 1);
    let (whole, fraction) = text.split_at(text.len() - count as usize);
    Some(if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") })
}

/// `part / whole` in percent with one decimal; `None` where the whole is zero.
pub fn percent(part: &BigRational, whole: &BigRational) -> Option<String> {
    if whole.is_zero() {
        return None;
    }
    let tenths = (part.abs() * BigInt::from(1000) / whole.abs()).round().to_integer();
    // More says nothing more.
    if tenths >= BigInt::from(10_000_000) {
        return Some("over 999,999 %".into());
    }
    let text = format!("{tenths:0>2}", tenths = tenths.to_string());
    let (whole, tenth) = text.split_at(text.len() - 1);
    Some(format!("{whole}.{tenth} %"))
}

/// A JSON value: an integer where it fits, decimal digits where it is a longer one, else the nearest float.
pub fn json(number: &BigRational) -> serde_json::Value {
    if number.is_integer() {
        let whole = number.to_integer();
        return match (whole.sign(), whole.to_u64(), whole.to_i64()) {
            (Sign::Minus, _, Some(count)) => count.into(),
            (_, Some(count), _) => count.into(),
            _ => whole.to_string().into(),
        };
    }
    number.to_f64().map_or(serde_json::Value::Null, Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str, quantity: Quantity) -> Option<String> {
        Written::parse(text).ok()?.amount(quantity).map(|amount| amount.exact())
    }

    #[test]
    fn units_are_exact() {
        for (text, quantity, exact) in [
            ("4.1 GMACs", Quantity::Macs, "4,100,000,000"),
            ("4.1G", Quantity::Macs, "4,100,000,000"),
            ("4,089,184,256", Quantity::Macs, "4,089,184,256"),
            ("1e9", Quantity::Flops, "1,000,000,000"),
            ("1.5e3 MAC", Quantity::Macs, "1,500"),
            ("30 MiB", Quantity::Bytes, "31,457,280"),
            ("30.4 MiB", Quantity::Bytes, "31,876,710.4"),
            ("30 MB", Quantity::Bytes, "30,000,000"),
            ("8 M", Quantity::Parameters, "8,000,000"),
            ("8 M params", Quantity::Parameters, "8,000,000"),
            ("2.5 %", Quantity::Ratio, "0.025"),
            ("0.25", Quantity::Ratio, "0.25"),
            ("20 ms", Quantity::Seconds, "0.02"),
            ("20.5 ms", Quantity::Nanoseconds, "20,500,000"),
            ("34.1 GFLOP/s", Quantity::FlopRate, "34,100,000,000"),
            ("20 GB/s", Quantity::ByteRate, "20,000,000,000"),
            ("1 GiB/s", Quantity::ByteRate, "1,073,741,824"),
            ("2 E", Quantity::Count, "2,000,000,000,000,000,000"),
            ("36893488147419103232", Quantity::Count, "36893488147419103232"),
        ] {
            assert_eq!(amount(text, quantity).as_deref(), Some(exact), "{text}");
        }
    }

    #[test]
    fn a_unit_of_something_else_is_none() {
        for (text, quantity) in [
            ("4.1 GFLOPs", Quantity::Macs),
            ("30 M", Quantity::Bytes),
            ("30 Mib", Quantity::Bytes),
            ("5 %", Quantity::Macs),
            ("5 B", Quantity::Parameters),
            ("3 minutes", Quantity::Seconds),
            ("3", Quantity::Nanoseconds),
            ("3 G", Quantity::FlopRate),
            ("3 GB", Quantity::ByteRate),
        ] {
            assert_eq!(amount(text, quantity), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_number() {
        for text in ["", "GMACs", ".5", "5.", "1,00", "1.2.3", "1,0000", "1e99", "--1", "1.0,0"] {
            assert!(Written::parse(text).is_err(), "{text}");
        }
        assert!(Written::parse(&"9".repeat(MOST_DIGITS + 1)).is_err());
        let less = Written::parse("−5 %").unwrap();
        assert!(less.signed && less.number.is_negative());
    }

    #[test]
    fn numbers_are_shown_short() {
        let number = |text: &str| Written::parse(text).unwrap().number;
        for (text, round, short) in [
            ("4.0891", Round::Up, "4.09"),
            ("4.0001", Round::Up, "4.01"),
            ("9.999", Round::Up, "10"),
            ("999.2", Round::Up, "1000"),
            ("12345.6", Round::Up, "12346"),
            ("12345.6", Round::Down, "12345"),
            ("0.0012345", Round::Nearest, "0.00123"),
            ("0", Round::Up, "0"),
        ] {
            assert_eq!(digits(&number(text), 3, round), short, "{text}");
        }
        let shown = |text: &str, quantity| Amount::new(number(text), quantity).human();
        assert_eq!(shown("4089184256", Quantity::Macs), "4.089 GMACs");
        assert_eq!(shown("512", Quantity::Macs), "512 MACs");
        assert_eq!(shown("-31876710.4", Quantity::Bytes), "−30.40 MiB");
        assert_eq!(shown("0.01234567", Quantity::Ratio), "0.01235");
        assert_eq!(shown("36893488147419103232", Quantity::Count), "2^65.00");
        assert_eq!(shown("83123456.5", Quantity::Nanoseconds), "83.12 ms");
        assert_eq!(shown("-900", Quantity::Nanoseconds), "−900.0 ns");
        assert_eq!(shown("34100000000.25", Quantity::FlopRate), "34.10 GFLOP/s");
        assert_eq!(shown("512", Quantity::ByteRate), "512 B/s");
    }

    #[test]
    fn what_is_counted_follows_from_the_path() {
        for (path, quantity) in [
            ("macs", Quantity::Macs),
            ("training.macs.grad_input", Quantity::Macs),
            ("conventions.fvcore", Quantity::Macs),
            ("totals.conventions.darknet", Quantity::Flops),
            ("flops_by_kind.mul", Quantity::Flops),
            ("totals.parameters.total", Quantity::Parameters),
            ("peak_memory_bytes.inference", Quantity::Bytes),
            ("training.optimizer_bytes.adam", Quantity::Bytes),
            ("gradient.set_ratio", Quantity::Ratio),
            ("largest_layer.share", Quantity::Ratio),
            ("gradient.paths_to_input", Quantity::Count),
            ("cio_with_pools", Quantity::Elements),
            ("measurement.forward_seconds", Quantity::Seconds),
            ("measurement.time.forward.median_ns", Quantity::Nanoseconds),
            ("measurement.nodes.stage/macs.forward.mad_ns", Quantity::Nanoseconds),
            ("measurement.forward.median_ns", Quantity::Nanoseconds),
            ("measurement.time.forward.samples", Quantity::Count),
            ("measurement.time.forward.flops_per_second", Quantity::FlopRate),
            ("measurement.bytes_per_second", Quantity::ByteRate),
            ("measurement.memory.inference.measured_peak", Quantity::Bytes),
            ("measurement.memory.training.curve.3.workspace", Quantity::Bytes),
            ("measurement.checks.training_memory.measured", Quantity::Bytes),
            ("measurement.checks.workspace.measured", Quantity::Bytes),
            ("measurement.checks.training_workspace.compared", Quantity::Count),
            ("measurement.checks.macs_grad_input.measured", Quantity::Macs),
            ("measurement.checks.flops.predicted", Quantity::Flops),
            ("measurement.checks.memory.compared", Quantity::Count),
        ] {
            assert_eq!(Quantity::of(path), quantity, "{path}");
        }
    }
}
