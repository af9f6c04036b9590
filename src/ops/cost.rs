//! What one forward pass of an op computes.

use crate::units::{Overflow, product, sum};

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal,)*) => {
        /// An elementary operation, one FLOP each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind { $($(#[doc = $doc])* $name,)* }

        impl Kind {
            /// Every kind, in the order of [`Elementary`].
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name in reports.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

kinds! {
    /// Addition; also the addition of a bias.
    Add = "add",
    /// Subtraction.
    Sub = "sub",
    /// Multiplication, outside multiply-accumulates.
    Mul = "mul",
    /// Division.
    Div = "div",
    /// A comparison or selection by one.
    Compare = "compare",
    /// The larger of two.
    Max = "max",
    /// The smaller of two.
    Min = "min",
    /// Square root.
    Sqrt = "sqrt",
    /// Exponential.
    Exp = "exp",
    /// Natural logarithm.
    Log = "log",
    /// Hyperbolic tangent.
    Tanh = "tanh",
    /// Error function.
    Erf = "erf",
    /// Power.
    Pow = "pow",
    /// Sine or cosine.
    Sin = "sin",
    /// Rounding to a whole number: floor, ceil, round.
    Round = "round",
    /// Absolute value or sign change of a number.
    Abs = "abs",
}

/// Counts of elementary operations, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Elementary([u64; Kind::ALL.len()]);

impl Elementary {
    /// The count of one kind.
    pub fn get(&self, kind: Kind) -> u64 {
        self.0[kind as usize]
    }

    /// Sets the count of one kind.
    pub fn set(&mut self, kind: Kind, count: u64) {
        self.0[kind as usize] = count;
    }

    /// All kinds and their counts.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, u64)> + '_ {
        Kind::ALL.iter().map(|&kind| (kind, self.get(kind)))
    }

    /// Kind by kind, or [`Overflow`].
    pub fn checked_add(&self, other: &Self) -> Result<Self, Overflow> {
        let mut total = *self;
        for (mine, theirs) in total.0.iter_mut().zip(other.0) {
            *mine = mine.checked_add(theirs).ok_or(Overflow)?;
        }
        Ok(total)
    }

    /// The sum over all kinds.
    pub fn total(&self) -> Result<u64, Overflow> {
        sum(self.0)
    }
}

/// What one forward pass computes. Built by chaining: `Cost::NONE.and(Kind::Max, elements)?`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Multiply-accumulates; full kernel at borders, no bias.
    pub macs: u64,
    /// Elementary operations beside them, the additions of a bias included.
    pub elementary: Elementary,
    /// Elements that convolutions and matrix products write.
    pub activations: u64,
    /// Outputs that had a bias added.
    pub biased: u64,
    /// Input elements that pooling windows visit, padding included.
    pub window: u64,
    /// Whether that is not all: the op's cost is not known.
    pub unknown: bool,
}

impl Cost {
    /// Data is moved at most.
    pub const NONE: Self = Self {
        macs: 0,
        elementary: Elementary([0; Kind::ALL.len()]),
        activations: 0,
        biased: 0,
        window: 0,
        unknown: false,
    };

    /// Matrix products or convolutions: `outputs` elements of `length` multiply-accumulates each.
    pub fn products(outputs: u64, length: u64) -> Result<Self, Overflow> {
        Ok(Self { macs: product(&[outputs, length])?, activations: outputs, ..Self::NONE })
    }

    /// Adds `count` elementary operations of one kind.
    pub fn and(mut self, kind: Kind, count: u64) -> Result<Self, Overflow> {
        let slot = &mut self.elementary.0[kind as usize];
        *slot = slot.checked_add(count).ok_or(Overflow)?;
        Ok(self)
    }

    /// Adds elementary operations that each of `elements` needs.
    pub fn each(mut self, elements: u64, kinds: &[(Kind, u64)]) -> Result<Self, Overflow> {
        for &(kind, per_element) in kinds {
            self = self.and(kind, product(&[elements, per_element])?)?;
        }
        Ok(self)
    }

    /// Adds a bias to `outputs` elements, where `present`.
    pub fn bias(self, present: bool, outputs: u64) -> Result<Self, Overflow> {
        if !present {
            return Ok(self);
        }
        Ok(Self { biased: outputs, ..self.and(Kind::Add, outputs)? })
    }

    /// Floating-point operations: 2 for each multiply-accumulate, 1 for each elementary one.
    pub fn flops(&self) -> Result<u64, Overflow> {
        let products = product(&[2, self.macs])?;
        products.checked_add(self.elementary.total()?).ok_or(Overflow)
    }

    /// Field by field, or [`Overflow`].
    pub fn checked_add(&self, other: &Self) -> Result<Self, Overflow> {
        let add = |a: u64, b: u64| a.checked_add(b).ok_or(Overflow);
        Ok(Self {
            macs: add(self.macs, other.macs)?,
            elementary: self.elementary.checked_add(&other.elementary)?,
            activations: add(self.activations, other.activations)?,
            biased: add(self.biased, other.biased)?,
            window: add(self.window, other.window)?,
            unknown: self.unknown || other.unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_the_sum_of_its_parts() {
        let cost = Cost::products(10, 27)
            .and_then(|c| c.bias(true, 10))
            .and_then(|c| c.each(10, &[(Kind::Max, 2)]))
            .unwrap();
        assert_eq!((cost.macs, cost.activations, cost.biased), (270, 10, 10));
        assert_eq!(cost.flops(), Ok(2 * 270 + 10 + 20));
        assert_eq!(Cost::products(u64::MAX, 2), Err(Overflow));
        assert_eq!(Cost { macs: u64::MAX / 2 + 1, ..Cost::NONE }.flops(), Err(Overflow));
    }
}
