//! Checked integer quantities and the one place that turns them into text.
//!
//! Every count is a newtype over `u64`. Products are formed in `u128` and narrowed once; a product or sum that
//! does not fit is an [`Overflow`], which becomes a diagnostic, never a wrapped number.

use std::fmt;

/// A count does not fit in 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the count does not fit in 64 bits")
    }
}

impl std::error::Error for Overflow {}

/// The product of all factors, or [`Overflow`].
///
/// A zero anywhere makes the product zero, wherever it stands.
pub fn product(factors: &[u64]) -> Result<u64, Overflow> {
    if factors.contains(&0) {
        return Ok(0);
    }
    factors.iter().try_fold(1u64, |product, &factor| product.checked_mul(factor)).ok_or(Overflow)
}

/// The sum of all terms, or [`Overflow`].
pub fn sum(terms: impl IntoIterator<Item = u64>) -> Result<u64, Overflow> {
    terms.into_iter().try_fold(0u64, u64::checked_add).ok_or(Overflow)
}

macro_rules! units {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);

            /// The plain number.
            pub fn get(self) -> u64 {
                self.0
            }

            /// `self + other`, or [`Overflow`].
            pub fn checked_add(self, other: Self) -> Result<Self, Overflow> {
                self.0.checked_add(other.0).map(Self).ok_or(Overflow)
            }
        }
    )*};
}

units! {
    /// Multiply-accumulates.
    Macs;
    /// Floating-point operations, 2 for each multiply-accumulate.
    Flops;
    /// Bytes.
    Bytes;
    /// Learned elements (or, for buffers, stored ones).
    Parameters;
    /// Elements of tensors.
    Elements;
}

const SI: [&str; 6] = ["k", "M", "G", "T", "P", "E"];
const BINARY: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// A count in four significant digits with an SI prefix: `4.089 G`, `25.56 M`, `512`.
pub fn si(count: u64) -> String {
    scaled(count, 1000, &SI).unwrap_or_else(|| count.to_string())
}

/// Bytes in four significant digits with a binary prefix: `28.92 MiB`, `512 B`.
pub fn bytes(count: u64) -> String {
    scaled(count, 1024, &BINARY).unwrap_or_else(|| format!("{count} B"))
}

/// A time in four digits: `83.12 ms`.
pub fn seconds(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "-".into();
    }
    if seconds <= 0.0 {
        return "0 s".into();
    }
    // By what is printed: 999.96 ms is 1.000 s.
    let units = [(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")];
    let (scale, unit) =
        units.into_iter().find(|(scale, _)| seconds / scale >= 0.99995).unwrap_or((1e-9, "ns"));
    match seconds / scale {
        value @ 999.95.. => format!("{value:.0} {unit}"),
        value @ 99.995.. => format!("{value:.1} {unit}"),
        value @ 9.9995.. => format!("{value:.2} {unit}"),
        value => format!("{value:.3} {unit}"),
    }
}

/// So many of something a second, in four digits with an SI prefix: `34.10 G`.
pub fn rate(per_second: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let whole = per_second.round() as u64;
    if per_second.is_finite() { si(whole) } else { "-".into() }
}

/// A formatted number without the zeros that end its fraction: `5.000 M` as `5 M`.
pub fn trimmed(text: &str) -> String {
    let (number, unit) = text.split_once(' ').map_or((text, ""), |(number, unit)| (number, unit));
    let number =
        if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
    if unit.is_empty() { number.to_owned() } else { format!("{number} {unit}") }
}

/// An integer with its thousands parted: `4,089,184,256`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and what is counted: `1 layer`, `1,234 layers`.
pub fn plural(count: u64, thing: &str) -> String {
    format!("{} {thing}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// `part / whole` as a percentage with one decimal; a dash where the whole is zero.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".into();
    }
    let tenths = (u128::from(part) * 1000 + u128::from(whole) / 2) / u128::from(whole);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// Scales to the largest prefix that leaves at least one whole digit, in integers, rounding half up.
fn scaled(count: u64, base: u128, prefixes: &[&str]) -> Option<String> {
    let mut unit = base;
    let mut index = 0;
    if u128::from(count) < base {
        return None;
    }
    while u128::from(count) >= unit * base && index + 1 < prefixes.len() {
        unit *= base;
        index += 1;
    }
    loop {
        let whole = u128::from(count) / unit;
        let decimals = if whole >= 1000 {
            0
        } else if whole >= 100 {
            1
        } else if whole >= 10 {
            2
        } else {
            3
        };
        let power = 10u128.pow(decimals);
        let rounded = (u128::from(count) * power * 2 + unit) / (unit * 2);
        // 999.96 k rounds to 1000.0 k: say 1.000 M.
        if rounded >= base * power && index + 1 < prefixes.len() {
            unit *= base;
            index += 1;
            continue;
        }
        let prefix = prefixes[index];
        return Some(if decimals == 0 {
            format!("{rounded} {prefix}")
        } else {
            format!("{}.{:0width$} {prefix}", rounded / power, rounded % power, width = decimals as usize)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_overflow_or_are_exact() {
        assert_eq!(product(&[4, 5, 6]), Ok(120));
        assert_eq!(product(&[1 << 40, 1 << 40]), Err(Overflow));
        assert_eq!(product(&[1 << 40, 1 << 40, 0]), Ok(0));
        assert_eq!(product(&[]), Ok(1));
        assert_eq!(sum([u64::MAX, 1]), Err(Overflow));
    }

    #[test]
    fn counts_have_four_digits() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1.000 k"),
            (4_089_184_256, "4.089 G"),
            (25_557_032, "25.56 M"),
            (999_960, "1.000 M"),
            (999_940, "999.9 k"),
            (u64::MAX, "18.45 E"),
        ] {
            assert_eq!(si(count), text);
        }
    }

    #[test]
    fn bytes_are_binary() {
        for (count, text) in [
            (512, "512 B"),
            (1024, "1.000 KiB"),
            (8_429_568, "8.039 MiB"),
            (1_047_552, "1023 KiB"),
            (u64::MAX, "16.00 EiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn times_and_rates_have_four_digits() {
        for (value, text) in [
            (0.0, "0 s"),
            (1e-9, "1.000 ns"),
            (8.3123e-5, "83.12 µs"),
            (0.999_96, "1.000 s"),
            (0.099_996, "100.0 ms"),
            (12_345.6, "12346 s"),
            (1e-12, "0.001 ns"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(seconds(value), text, "{value}");
        }
        assert_eq!([rate(34.1e9), rate(0.4), rate(f64::INFINITY)], ["34.10 G", "0", "-"]);
    }

    #[test]
    fn thousands_are_parted() {
        assert_eq!(grouped(34_411_496), "34,411,496");
        assert_eq!(grouped(0), "0");
        assert_eq!(percent(1, 3), "33.3 %");
        assert_eq!(
            ["5.000 M", "2.500 KiB", "500", "0", "100 k"].map(trimmed),
            ["5 M", "2.5 KiB", "500", "0", "100 k"]
        );
        assert_eq!(percent(1, 0), "-");
    }
}
