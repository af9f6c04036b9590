//! The innermost loops: tiles of a product of matrices that stay in the CPU's registers.
//!
//! Tiles of 6 rows and 2 vectors: 12 sums, enough to hide the latency of a multiply-add, and room for the factors in 16
//! registers. A third vector makes the compiler spill.

use pulp::Simd;

use super::vector::{MOST_LANES, Real, lanes};

/// Vectors side by side in a tile, and in a panel.
pub(super) const WIDE: usize = 2;

/// Vectors side by side in a tile of one or two rows.
pub(super) const WIDEST: usize = 4;

/// Sums of a tile, by row and vector.
pub(super) type Sums<T, S, const M: usize, const V: usize> = [[<T as Real>::Vector<S>; V]; M];

/// Does something with as many rows at once as a tile has, then with fewer: `for_rows!(from..to, |row, M| …)`.
macro_rules! for_rows {
    ($range:expr, |$row:ident, $M:ident| $run:expr) => {{
        let std::ops::Range { start, end } = $range;
        let mut $row = start;
        while $row < end {
            macro_rules! run {
                ($rows:literal) => {{
                    const $M: usize = $rows;
                    $run;
                    $row += $rows;
                }};
            }
            match end - $row {
                1 => run!(1),
                2 | 3 => run!(2),
                4 | 5 => run!(4),
                _ => run!(6),
            }
        }
    }};
}
pub(super) use for_rows;

/// Compiled on its own, for what the CPU has: inlined into larger loops the compiler keeps the sums in memory.
#[inline(never)]
pub(super) fn alone<S: Simd, R>(simd: S, run: impl FnOnce() -> R) -> R {
    simd.vectorize(run)
}

/// `a · b`, where `rows` are the rows of b, each at least `V` vectors long.
#[inline(always)]
pub(super) fn product<'a, T: Real, S: Simd, const M: usize, const V: usize>(
    simd: S,
    a: [&[T]; M],
    rows: impl Iterator<Item = &'a [T]>,
) -> Sums<T, S, M, V> {
    let depth = a[0].len();
    let a: [&[T]; M] = std::array::from_fn(|i| &a[i][..depth]);
    let mut sums = [[T::splat(simd, T::ZERO); V]; M];
    for (k, row) in (0..depth).zip(rows) {
        // Not `array::from_fn`: where the compiler does not inline that, each step is a call.
        let Some(row) = T::vectors::<S>(row).first_chunk::<V>() else { break };
        for (sums, a) in sums.iter_mut().zip(&a) {
            let factor = T::splat(simd, a[k]);
            for (sum, &row) in sums.iter_mut().zip(row) {
                *sum = T::mul_add(simd, factor, row, *sum);
            }
        }
    }
    sums
}

/// Where a tile of a matrix begins, and what is there already.
pub(super) struct Corner<const M: usize, T> {
    /// Elements from a row to the next.
    pub(super) pitch: usize,
    /// Columns of the tile that belong to the matrix.
    pub(super) columns: usize,
    /// What each row begins with; `None` adds to what the matrix has.
    pub(super) first: Option<[T; M]>,
}

/// Writes a tile, or adds it to what is there.
#[inline(always)]
pub(super) fn put<T: Real, S: Simd, const M: usize, const V: usize>(
    simd: S,
    sums: &Sums<T, S, M, V>,
    c: &mut [T],
    corner: &Corner<M, T>,
) {
    for (i, sums) in sums.iter().enumerate() {
        let row = &mut c[i * corner.pitch..][..corner.columns];
        if corner.columns == V * lanes::<T, S>() {
            let row = &mut T::vectors_mut::<S>(row)[..V];
            for (to, &sum) in row.iter_mut().zip(sums) {
                let start = corner.first.map_or(*to, |first| T::splat(simd, first[i]));
                *to = T::plus(simd, start, sum);
            }
        } else {
            let mut spill = [T::ZERO; WIDEST * MOST_LANES];
            T::vectors_mut::<S>(&mut spill)[..V].copy_from_slice(sums);
            for (to, &sum) in row.iter_mut().zip(&spill) {
                *to = corner.first.map_or(*to, |first| first[i]) + sum;
            }
        }
    }
}

/// Inner products of rows that are all equally long, by place of `a` and of `b`.
#[inline(always)]
pub(super) fn inner<T: Real, S: Simd, const M: usize, const V: usize>(
    simd: S,
    a: [&[T]; M],
    b: [&[T]; V],
) -> [[T; V]; M] {
    let length = a[0].len();
    let whole = length / lanes::<T, S>();
    let mut sums = [[T::splat(simd, T::ZERO); V]; M];
    let wide_a: [&[T::Vector<S>]; M] = std::array::from_fn(|i| &T::vectors::<S>(&a[i][..length])[..whole]);
    let wide_b: [&[T::Vector<S>]; V] = std::array::from_fn(|j| &T::vectors::<S>(&b[j][..length])[..whole]);
    for k in 0..whole {
        for (sums, a) in sums.iter_mut().zip(&wide_a) {
            for (sum, b) in sums.iter_mut().zip(&wide_b) {
                *sum = T::mul_add(simd, a[k], b[k], *sum);
            }
        }
    }
    let done = whole * lanes::<T, S>();
    if done < length {
        let b: [T::Vector<S>; V] = std::array::from_fn(|j| T::partial(simd, &b[j][done..length]));
        for (sums, a) in sums.iter_mut().zip(&a) {
            let a = T::partial(simd, &a[done..length]);
            for (sum, &b) in sums.iter_mut().zip(&b) {
                *sum = T::mul_add(simd, a, b, *sum);
            }
        }
    }
    sums.map(|sums| sums.map(|sum| T::total(simd, sum)))
}
