//! Arithmetic that is written once and runs on numbers, on numbers that are counted, and on whole tensors of a device.
//!
//! An op states its function of single elements over [`Scalar`]. The CPU's loops run it with `f32` and `f64`, a device
//! with [`super::lanes::Lanes`], and the check of FLOPs with [`Counted`], which notes every operation that really
//! happens.

use std::cell::Cell;
use std::hint::select_unpredictable;
use std::ops::{Add, Div, Mul, Neg, Sub};

use super::single;
use crate::ops::cost::{Elementary, Kind};

/// A number, or something that computes like one.
///
/// Changing a sign with `-` is free: it is part of the operation that reads it. [`Scalar::negated`] is an operation of
/// its own.
pub trait Scalar:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// A constant.
    fn of(value: f64) -> Self;
    /// The larger one; NaN where either is.
    fn max(self, other: Self) -> Self;
    /// The smaller one; NaN where either is.
    fn min(self, other: Self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// eˣ.
    fn exp(self) -> Self;
    /// eˣ − 1, also where x is small: an exponential and a subtraction.
    fn exp_m1(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// ln(1 + x), also where x is small: an addition and a logarithm.
    fn ln_1p(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// Error function.
    fn erf(self) -> Self;
    /// Power.
    fn pow(self, exponent: Self) -> Self;
    /// Sine.
    fn sin(self) -> Self;
    /// Cosine.
    fn cos(self) -> Self;
    /// The inverse function of the sine; counted as one of the circular functions, as are those of the others.
    fn asin(self) -> Self;
    /// The inverse function of the cosine.
    fn acos(self) -> Self;
    /// The inverse function of the tangent.
    fn atan(self) -> Self;
    /// The largest whole number that is not above.
    fn floor(self) -> Self;
    /// The smallest whole number that is not below.
    fn ceil(self) -> Self;
    /// The nearest whole number, the even one of two.
    fn round(self) -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
    /// The sign of another number in place of the own one: free, as is changing it.
    fn with_sign(self, of: Self) -> Self;
    /// −x as an operation of its own.
    fn negated(self) -> Self;
    /// `then` where this is more than the bound, else `otherwise`: one comparison.
    fn if_above(self, bound: Self, then: Self, otherwise: Self) -> Self;
    /// `then` where this is at least the bound, else `otherwise`: one comparison.
    fn if_at_least(self, bound: Self, then: Self, otherwise: Self) -> Self;
    /// `then` where this equals the other, else `otherwise`: one comparison.
    fn if_equal(self, other: Self, then: Self, otherwise: Self) -> Self;
}

macro_rules! numbers {
    ($($number:ident: $exp:path, $exp_m1:path, $ln:path, $ln_1p:path, $tanh:path, $erf:path;)*) => {$(
        impl Scalar for $number {
            #[inline(always)]
            #[allow(clippy::cast_possible_truncation, clippy::allow_attributes, reason = "f32 is what was asked for")]
            fn of(value: f64) -> Self { value as $number }
            // Not `f32::max`, which drops NaN. With a constant this is one instruction.
            #[inline(always)]
            fn max(self, other: Self) -> Self { select_unpredictable((other > self) | other.is_nan(), other, self) }
            #[inline(always)]
            fn min(self, other: Self) -> Self { select_unpredictable((other < self) | other.is_nan(), other, self) }
            #[inline(always)]
            fn sqrt(self) -> Self { self.sqrt() }
            #[inline(always)]
            fn exp(self) -> Self { $exp(self) }
            #[inline(always)]
            fn exp_m1(self) -> Self { $exp_m1(self) }
            #[inline(always)]
            fn ln_1p(self) -> Self { $ln_1p(self) }
            #[inline(always)]
            fn ln(self) -> Self { $ln(self) }
            #[inline(always)]
            fn tanh(self) -> Self { $tanh(self) }
            #[inline(always)]
            fn erf(self) -> Self { $erf(self) }
            #[inline(always)]
            fn pow(self, exponent: Self) -> Self { self.powf(exponent) }
            #[inline(always)]
            fn sin(self) -> Self { self.sin() }
            #[inline(always)]
            fn cos(self) -> Self { self.cos() }
            #[inline(always)]
            fn asin(self) -> Self { self.asin() }
            #[inline(always)]
            fn acos(self) -> Self { self.acos() }
            #[inline(always)]
            fn atan(self) -> Self { self.atan() }
            #[inline(always)]
            fn floor(self) -> Self { self.floor() }
            #[inline(always)]
            fn ceil(self) -> Self { self.ceil() }
            #[inline(always)]
            fn round(self) -> Self { self.round_ties_even() }
            #[inline(always)]
            fn abs(self) -> Self { self.abs() }
            #[inline(always)]
            fn with_sign(self, of: Self) -> Self { self.copysign(of) }
            #[inline(always)]
            fn negated(self) -> Self { -self }
            #[inline(always)]
            fn if_at_least(self, bound: Self, then: Self, otherwise: Self) -> Self {
                select_unpredictable(self >= bound, then, otherwise)
            }
            #[inline(always)]
            fn if_above(self, bound: Self, then: Self, otherwise: Self) -> Self {
                select_unpredictable(self > bound, then, otherwise)
            }
            #[inline(always)]
            #[expect(clippy::float_cmp, reason = "equality is what was asked for")]
            fn if_equal(self, other: Self, then: Self, otherwise: Self) -> Self {
                select_unpredictable(self == other, then, otherwise)
            }
        }
    )*};
}

numbers! {
    f32: single::exp, single::exp_m1, single::ln, single::ln_1p, single::tanh, single::erf;
    f64: f64::exp, f64::exp_m1, f64::ln, f64::ln_1p, f64::tanh, libm::erf;
}

thread_local! {
    static TALLY: [Cell<u64>; Kind::ALL.len()] = const { [const { Cell::new(0) }; Kind::ALL.len()] };
    static COUNTING: Cell<bool> = const { Cell::new(false) };
}

/// A number that notes every operation on it.
#[derive(Clone, Copy, Debug)]
pub struct Counted(pub f64);

fn note(kind: Kind) {
    TALLY.with(|tally| tally[kind as usize].set(tally[kind as usize].get() + 1));
}

/// Whether the loops of this thread run with [`Counted`] numbers now.
pub fn is_counting() -> bool {
    COUNTING.get()
}

/// Notes comparisons that a loop made without numbers of this kind: of places, of bits.
pub fn note_comparisons(count: u64) {
    if is_counting() {
        let slot = Kind::Compare as usize;
        TALLY.with(|tally| tally[slot].set(tally[slot].get() + count));
    }
}

/// What was computed by `run` on this thread.
pub fn count<R>(run: impl FnOnce() -> R) -> (R, Elementary) {
    TALLY.with(|tally| tally.iter().for_each(|count| count.set(0)));
    let outer = COUNTING.replace(true);
    let result = run();
    COUNTING.set(outer);
    let mut counts = Elementary::default();
    TALLY.with(|tally| {
        for &kind in Kind::ALL {
            counts.set(kind, tally[kind as usize].get());
        }
    });
    (result, counts)
}

/// Runs what is known before the first image, such as the scale of a batch norm: it is no part of the forward pass.
pub fn uncounted<R>(run: impl FnOnce() -> R) -> R {
    let outer = COUNTING.replace(false);
    let result = run();
    COUNTING.set(outer);
    result
}

impl Counted {
    fn one(self, kind: Kind, result: f64) -> Self {
        note(kind);
        Self(result)
    }
}

macro_rules! counted_operators {
    ($($name:ident, $method:ident, $kind:ident;)*) => {$(
        impl $name for Counted {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                note(Kind::$kind);
                Self(self.0.$method(other.0))
            }
        }
    )*};
}

counted_operators! {
    Add, add, Add;
    Sub, sub, Sub;
    Mul, mul, Mul;
    Div, div, Div;
}

impl Neg for Counted {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

macro_rules! counted_functions {
    ($($method:ident, $kind:ident;)*) => {$(
        fn $method(self) -> Self { self.one(Kind::$kind, Scalar::$method(self.0)) }
    )*};
}

impl Scalar for Counted {
    fn of(value: f64) -> Self {
        Self(value)
    }
    fn max(self, other: Self) -> Self {
        self.one(Kind::Max, Scalar::max(self.0, other.0))
    }
    fn min(self, other: Self) -> Self {
        self.one(Kind::Min, Scalar::min(self.0, other.0))
    }
    fn pow(self, exponent: Self) -> Self {
        self.one(Kind::Pow, self.0.powf(exponent.0))
    }
    fn if_above(self, bound: Self, then: Self, otherwise: Self) -> Self {
        self.one(Kind::Compare, self.0.if_above(bound.0, then.0, otherwise.0))
    }
    fn if_at_least(self, bound: Self, then: Self, otherwise: Self) -> Self {
        self.one(Kind::Compare, self.0.if_at_least(bound.0, then.0, otherwise.0))
    }
    fn with_sign(self, of: Self) -> Self {
        Self(self.0.copysign(of.0))
    }
    fn exp_m1(self) -> Self {
        note(Kind::Exp);
        self.one(Kind::Sub, self.0.exp_m1())
    }
    fn ln_1p(self) -> Self {
        note(Kind::Add);
        self.one(Kind::Log, self.0.ln_1p())
    }
    fn if_equal(self, other: Self, then: Self, otherwise: Self) -> Self {
        self.one(Kind::Compare, self.0.if_equal(other.0, then.0, otherwise.0))
    }
    counted_functions! {
        sqrt, Sqrt;
        exp, Exp;
        ln, Log;
        tanh, Tanh;
        erf, Erf;
        sin, Sin;
        cos, Sin;
        asin, Sin;
        acos, Sin;
        atan, Sin;
        floor, Round;
        ceil, Round;
        round, Round;
        abs, Abs;
        negated, Abs;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_is_counted_and_nothing_else() {
        let (value, counts) = count(|| {
            let scale = uncounted(|| 3.0);
            let x = Counted(2.0) * Counted(scale) + Counted(1.0);
            (-x).max(Counted(0.5)).0
        });
        assert_eq!(value.to_bits(), 0.5f64.to_bits());
        let expected = [(Kind::Add, 1), (Kind::Mul, 1), (Kind::Max, 1)];
        for (kind, count) in counts.iter() {
            let wanted = expected.iter().find(|(other, _)| *other == kind).map_or(0, |(_, count)| *count);
            assert_eq!(count, wanted, "{}", kind.name());
        }
        assert!(!is_counting());
    }
}
