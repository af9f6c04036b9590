//! Random values that a name and a seed determine: the same on every machine, in any order, and in other programs.
//!
//! Element i of a tensor is `low + (high − low)·u` in double precision, rounded once to single; u has the upper 24 bits of
//! the i-th number of SplitMix64 that starts at FNV-1a of the name xor the seed. `tests/conformance/README.md` states it
//! in full and has figures to compare with.

/// Between which numbers the values of a tensor are drawn, all equally likely.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The least.
    pub low: f64,
    /// No value is as large, but for rounding.
    pub high: f64,
}

impl Range {
    /// What is added to the outputs of a layer.
    pub const BIAS: Self = Self { low: -0.1, high: 0.1 };
    /// Scales of a norm, and variances.
    pub const SCALE: Self = Self { low: 0.5, high: 1.5 };
    /// Shifts, means, embeddings, slopes.
    pub const OTHER: Self = Self { low: -0.5, high: 0.5 };
    /// An input of the network.
    pub const INPUT: Self = Self { low: -1.0, high: 1.0 };

    /// The kernel or matrix of a layer that joins so many elements to one: ∓√(6/fan-in), so that what a ReLU lets through
    /// keeps its variance (He et al. 2015, arXiv 1502.01852).
    #[expect(clippy::cast_precision_loss, reason = "a fan-in of more than 2^53 is no network's")]
    pub fn weight(fan_in: u64) -> Self {
        // In this order, for others compute it so.
        let high = (3.0 / fan_in.max(1) as f64).sqrt() * 2f64.sqrt();
        Self { low: -high, high }
    }
}

/// The stream of 64-bit numbers of a name.
pub fn numbers(name: &str, seed: u64) -> impl Iterator<Item = u64> + use<> {
    let mut state = fnv1a(name) ^ seed;
    std::iter::from_fn(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Some(z ^ (z >> 31))
    })
}

/// The values of a tensor, without end: row-major.
pub fn values(name: &str, seed: u64, range: Range) -> impl Iterator<Item = f32> {
    let Range { low, high } = range;
    numbers(name, seed).map(move |number| {
        #[expect(clippy::cast_precision_loss, reason = "24 bits are exact")]
        let unit = (number >> 40) as f64 / f64::from(1 << 24);
        #[expect(clippy::cast_possible_truncation, reason = "rounded once, here")]
        let value = (low + (high - low) * unit) as f32;
        value
    })
}

/// FNV-1a, 64 bits, over the UTF-8 bytes.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_the_readme() {
        assert_eq!(fnv1a("input"), 0x1ebb_ae8f_5810_b65b);
        assert_eq!(numbers("input", 1).next(), Some(0x3873_71f3_d35f_ff53));
        let first = |name, range| values(name, 1, range).take(3).collect::<Vec<_>>();
        assert_eq!(first("input", Range::INPUT), [-0.558977, 0.8368268, 0.4440534]);
        let kernel = Range::weight(147);
        assert_eq!(first("conv1.weight", kernel), [-0.171_800_79, 0.077_663_13, -0.066_363_03]);
    }

    #[test]
    fn values_stay_in_their_range() {
        for range in [Range::weight(6), Range::BIAS, Range::SCALE, Range::OTHER, Range::INPUT] {
            let Range { low, high } = range;
            let values: Vec<f64> = values("x", 7, range).map(f64::from).take(4096).collect();
            assert!(values.iter().all(|value| (low..=high).contains(value)));
            let (least, most) = values.iter().fold((high, low), |(a, b), &v| (a.min(v), b.max(v)));
            assert!(least < low + 0.01 * (high - low) && most > high - 0.01 * (high - low));
        }
        assert_eq!(Range::weight(0), Range::weight(1));
    }
}
