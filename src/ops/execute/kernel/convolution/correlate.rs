//! The gradient of a kernel: inner products of gradients with what each tap read.

use pulp::Simd;

use super::tile::{WIDE, alone, for_rows, inner};
use super::vector::Real;

/// Elements of each row that are read together: a tile's rows stay in the first cache.
const LENGTH: usize = 768;

/// Rows of a matrix, each somewhere in memory.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, T> {
    /// What they lie in.
    pub(super) data: &'a [T],
    /// Where each begins.
    pub(super) starts: &'a [usize],
}

/// Adds `a · bᵀ` to `c`, of rows that are `length` long. `c` is `[rows of a, rows of b]`.
#[inline(always)]
pub(super) fn correlate<T: Real, S: Simd>(
    simd: S,
    a: Rows<'_, T>,
    b: Rows<'_, T>,
    length: usize,
    c: &mut [T],
) {
    let pitch = b.starts.len();
    // Many sums at once need many rows on the left.
    if a.starts.len() == 1 {
        return blocks(simd, b, a, length, |i, j, value| c[j * pitch + i] += value);
    }
    blocks(simd, a, b, length, |i, j, value| c[i * pitch + j] += value);
}

#[inline(always)]
fn blocks<T: Real, S: Simd>(
    simd: S,
    a: Rows<'_, T>,
    b: Rows<'_, T>,
    length: usize,
    mut add: impl FnMut(usize, usize, T),
) {
    for from in (0..length).step_by(LENGTH) {
        let here = LENGTH.min(length - from);
        for_rows!(0..a.starts.len(), |row, M| {
            let rows: [&[T]; M] = std::array::from_fn(|i| &a.data[a.starts[row + i] + from..][..here]);
            alone(
                simd,
                #[inline(always)]
                || {
                    for column in (0..b.starts.len()).step_by(WIDE) {
                        let read = |j: usize| &b.data[b.starts[column + j] + from..][..here];
                        if column + 1 < b.starts.len() {
                            let sums = inner::<T, S, M, WIDE>(simd, rows, std::array::from_fn(read));
                            for (i, sums) in sums.iter().enumerate() {
                                sums.iter().enumerate().for_each(|(j, &sum)| add(row + i, column + j, sum));
                            }
                        } else {
                            let sums = inner::<T, S, M, 1>(simd, rows, [read(0)]);
                            sums.iter().enumerate().for_each(|(i, &[sum])| add(row + i, column, sum));
                        }
                    }
                },
            );
        });
    }
}
