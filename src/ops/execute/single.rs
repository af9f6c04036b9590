//! Functions of singles without branches, so that the compiler computes many at once. Those of the standard library
//! are calls, one for each element.
//!
//! Errors are at most 2 units in the last place over the whole range, subnormals included; the tests hold all of them
//! to doubles.

/// 1.5 · 2²³: a sum with it has no fraction, and a small whole number in its low bits.
const SHIFTER: f32 = 12_582_912.0;

/// 2ⁿ for −126 ≤ n ≤ 127.
#[inline(always)]
fn two_to(n: i32) -> f32 {
    f32::from_bits((n + 127).cast_unsigned() << 23)
}

/// x = n·ln 2 + r with |r| ≤ ½ ln 2: n, and eʳ − 1. Not for |x| > 200.
#[inline(always)]
#[expect(clippy::excessive_precision, reason = "constants as they are published")]
fn reduced_exp(x: f32) -> (i32, f32) {
    let shifted = x * std::f32::consts::LOG2_E + SHIFTER;
    let n = shifted.to_bits().wrapping_sub(SHIFTER.to_bits()).cast_signed();
    let whole = shifted - SHIFTER;
    // ln 2 in two parts, of which the first has few bits: its product with n is exact (Cody and Waite 1980).
    let r = (x - whole * 0.693_359_375) + whole * 2.121_944_400_546_905_8e-4;
    // Cephes, expf.c.
    let mut p = 1.987_569_15e-4;
    p = p * r + 1.398_199_950_7e-3;
    p = p * r + 8.333_451_907_3e-3;
    p = p * r + 4.166_579_589_4e-2;
    p = p * r + 1.666_666_545_9e-1;
    p = p * r + 5.000_000_120_1e-1;
    (n, p * (r * r) + r)
}

/// NaN stays.
#[inline(always)]
fn clamped(x: f32, least: f32, most: f32) -> f32 {
    let x = if x > most { most } else { x };
    if x < least { least } else { x }
}

/// eˣ.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Beyond, the result is infinite or 0.
    let (n, p) = reduced_exp(clamped(x, -104.0, 89.0));
    // In two steps, since 2ⁿ alone may be too large or too small.
    let half = n >> 1;
    (p + 1.0) * two_to(half) * two_to(n - half)
}

/// eˣ − 1, exact to the last digits where x is small.
#[inline(always)]
pub(super) fn exp_m1(x: f32) -> f32 {
    let (n, p) = reduced_exp(clamped(x, -40.0, 88.0));
    let power = two_to(n - 1);
    // 2ⁿ·p + (2ⁿ − 1), in halves of 2ⁿ so that it is finite.
    let small = 2.0 * (power * p + (power - 0.5));
    if x > 88.0 {
        exp(x)
    } else if x == 0.0 {
        x
    } else {
        small
    }
}

/// The natural logarithm.
#[inline(always)]
#[expect(clippy::excessive_precision, reason = "constants as they are published")]
pub(super) fn ln(x: f32) -> f32 {
    let subnormal = x < f32::MIN_POSITIVE;
    let scaled = if subnormal { x * 8_388_608.0 } else { x };
    // x = m·2ᵉ with √½ ≤ m < √2.
    let bits = scaled.to_bits().wrapping_sub(0x3f35_04f3);
    let exponent = (bits.cast_signed() >> 23) - if subnormal { 23 } else { 0 };
    let m = f32::from_bits((bits & 0x007f_ffff) + 0x3f35_04f3) - 1.0;
    let e = f32::from_bits(SHIFTER.to_bits().wrapping_add(exponent.cast_unsigned())) - SHIFTER;
    // Cephes, logf.c.
    let mut p = 7.037_683_629_2e-2;
    p = p * m - 1.151_461_031_0e-1;
    p = p * m + 1.167_699_874_0e-1;
    p = p * m - 1.242_014_084_6e-1;
    p = p * m + 1.424_932_278_7e-1;
    p = p * m - 1.666_805_766_5e-1;
    p = p * m + 2.000_071_476_5e-1;
    p = p * m - 2.499_999_399_3e-1;
    p = p * m + 3.333_333_117_4e-1;
    let square = m * m;
    let tail = p * m * square - e * 2.121_944_400_546_905_8e-4 - 0.5 * square;
    let result = m + tail + e * 0.693_359_375;
    let result = if x == f32::INFINITY { x } else { result };
    let result = if x == 0.0 { f32::NEG_INFINITY } else { result };
    // NaN, and numbers below 0.
    if x >= 0.0 { result } else { f32::NAN }
}

/// ln(1 + x), exact to the last digits where x is small.
#[inline(always)]
#[expect(clippy::float_cmp, reason = "exactly these numbers are exceptions")]
pub(super) fn ln_1p(x: f32) -> f32 {
    let sum = 1.0 + x;
    // What the sum rounded away, at the slope there.
    let lost = (x - (sum - 1.0)) / sum;
    let result = ln(sum) + lost;
    let result = if sum == 1.0 { x } else { result };
    if x == f32::INFINITY || x == -1.0 { ln(sum) } else { result }
}

/// The hyperbolic tangent.
#[inline(always)]
#[expect(clippy::excessive_precision, reason = "constants as they are published")]
pub(super) fn tanh(x: f32) -> f32 {
    // Cephes, tanhf.c.
    let size = x.abs();
    let square = x * x;
    let mut p = -5.704_988_727_45e-3;
    p = p * square + 2.063_908_879_54e-2;
    p = p * square - 5.373_971_556_31e-2;
    p = p * square + 1.333_144_226_69e-1;
    p = p * square - 3.333_328_272_55e-1;
    let near = p * square * x + x;
    let far = (1.0 - 2.0 / (exp(size + size) + 1.0)).copysign(x);
    if size < 0.625 { near } else { far }
}

/// The error function.
#[inline(always)]
#[expect(clippy::excessive_precision, reason = "constants as they are published")]
pub(super) fn erf(x: f32) -> f32 {
    // N. Juffa's minimax polynomials (https://stackoverflow.com/a/35148199), without fused products.
    let size = clamped(x.abs(), 0.0, 4.0);
    let square = size * size;
    let mut far = -1.728_534_70e-5 * size + 3.831_971_26e-4;
    far = far * square + (-3.883_964_38e-3 * size + 2.425_462_19e-2);
    far = far * size - 1.067_778_77e-1;
    far = far * size - 6.348_466_87e-1;
    far = far * size - 1.287_175_12e-1;
    far = far * size - size;
    let far = (1.0 - exp(far)).copysign(x);
    let square = x * x;
    let mut near = -5.967_617_03e-4;
    near = near * square + 4.991_194_23e-3;
    near = near * square - 2.676_813_49e-2;
    near = near * square + 1.128_199_25e-1;
    near = near * square - 3.761_253_36e-1;
    near = near * square + 1.283_791_66e-1;
    let near = near * x + x;
    if size > 0.921_875 { far } else { near }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error in units of the last place that a result has.
    fn error(own: fn(f32) -> f32, exact: fn(f64) -> f64) -> (f64, f32) {
        let mut worst = (0.0f64, 0.0f32);
        // Every 4099th number of all, both signs, subnormals and NaN included, and the ends.
        let ends = [0.0, -0.0, 1.0, -1.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MIN_POSITIVE];
        for x in (0..=u32::MAX).step_by(4099).map(f32::from_bits).chain(ends) {
            let (found, exact) = (own(x), exact(f64::from(x)));
            #[expect(clippy::cast_possible_truncation, reason = "that is what is compared")]
            let rounded = exact as f32;
            let same = found.to_bits() == rounded.to_bits() || found.is_nan() && rounded.is_nan();
            if same || found == 0.0 && rounded == 0.0 {
                continue;
            }
            assert!(found.is_finite() || found.abs() >= f32::MAX, "{x:e}: {found}, not {exact}");
            if !found.is_finite() || !rounded.is_finite() {
                // Beyond the largest by a rounding.
                assert!(exact.abs() > 3.4028e38, "{x:e}: {found}, not {exact}");
                continue;
            }
            let ulp = f64::from(f32::from_bits(rounded.abs().to_bits() + 1)) - f64::from(rounded.abs());
            let wrong = (f64::from(found) - exact).abs() / ulp;
            if wrong > worst.0 {
                worst = (wrong, x);
            }
        }
        worst
    }

    #[test]
    fn errors_are_small() {
        type Case = (&'static str, fn(f32) -> f32, fn(f64) -> f64);
        let cases: [Case; 6] = [
            ("exp", exp, f64::exp),
            ("exp_m1", exp_m1, f64::exp_m1),
            ("ln", ln, f64::ln),
            ("ln_1p", ln_1p, f64::ln_1p),
            ("tanh", tanh, f64::tanh),
            ("erf", erf, libm::erf),
        ];
        for (name, own, exact) in cases {
            let (wrong, at) = error(own, exact);
            println!("{name}: {wrong:.3} at {at:e}");
            assert!(wrong <= 2.0, "{name} is {wrong} units off at {at:e}");
        }
    }
}
