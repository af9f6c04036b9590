//! Real numbers, and vectors of them as wide as the CPU's.

use std::ops::{Add, AddAssign};

use pulp::Simd;

/// A number that products of matrices are computed with.
pub(super) trait Real: Copy + Add<Output = Self> + AddAssign + 'static {
    /// 0.
    const ZERO: Self;
    /// As many as one instruction takes.
    type Vector<S: Simd>: Copy;
    /// The vectors that fit in a slice, from its first element on.
    fn vectors<S: Simd>(slice: &[Self]) -> &[Self::Vector<S>];
    /// The same to write.
    fn vectors_mut<S: Simd>(slice: &mut [Self]) -> &mut [Self::Vector<S>];
    /// The first elements of a slice that may be shorter than a vector; zero behind its end.
    fn partial<S: Simd>(simd: S, slice: &[Self]) -> Self::Vector<S>;
    /// One number in all places.
    fn splat<S: Simd>(simd: S, number: Self) -> Self::Vector<S>;
    /// `a · b + c`, rounded once where the CPU can.
    fn mul_add<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        c: Self::Vector<S>,
    ) -> Self::Vector<S>;
    /// `a + b`.
    fn plus<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// The sum of all places.
    fn total<S: Simd>(simd: S, vector: Self::Vector<S>) -> Self;
}

/// Numbers in a vector.
#[inline(always)]
pub(super) const fn lanes<T: Real, S: Simd>() -> usize {
    size_of::<T::Vector<S>>() / size_of::<T>()
}

/// No CPU has more numbers of 32 bits in a vector.
pub(super) const MOST_LANES: usize = 16;

macro_rules! reals {
    ($($real:ident, $vector:ident, $slice:ident, $slice_mut:ident, $partial:ident, $splat:ident, $fma:ident, $add:ident, $sum:ident;)*) => {$(
        impl Real for $real {
            const ZERO: Self = 0.0;
            type Vector<S: Simd> = S::$vector;
            #[inline(always)]
            fn vectors<S: Simd>(slice: &[Self]) -> &[S::$vector] { S::$slice(slice).0 }
            #[inline(always)]
            fn vectors_mut<S: Simd>(slice: &mut [Self]) -> &mut [S::$vector] { S::$slice_mut(slice).0 }
            #[inline(always)]
            fn partial<S: Simd>(simd: S, slice: &[Self]) -> S::$vector { simd.$partial(slice) }
            #[inline(always)]
            fn splat<S: Simd>(simd: S, number: Self) -> S::$vector { simd.$splat(number) }
            #[inline(always)]
            fn mul_add<S: Simd>(simd: S, a: S::$vector, b: S::$vector, c: S::$vector) -> S::$vector { simd.$fma(a, b, c) }
            #[inline(always)]
            fn plus<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector { simd.$add(a, b) }
            #[inline(always)]
            fn total<S: Simd>(simd: S, vector: S::$vector) -> Self { simd.$sum(vector) }
        }
    )*};
}

reals! {
    f32, f32s, as_simd_f32s, as_mut_simd_f32s, partial_load_f32s, splat_f32s, mul_add_e_f32s, add_f32s, reduce_sum_f32s;
    f64, f64s, as_simd_f64s, as_mut_simd_f64s, partial_load_f64s, splat_f64s, mul_add_e_f64s, add_f64s, reduce_sum_f64s;
}
