//! Longest common subsequences: what stays when one list becomes another.

use rustc_hash::FxHashMap;

/// Additions and removals up to which the longest common subsequence is exact. Beyond it equal elements are paired by
/// how often they were seen, which needs no more than sorting.
const MAX_EDITS: usize = 2_000;

/// Pairs of equal elements, rising on both sides. Linear for similar lists: Myers's algorithm takes the length times
/// the number of edits (doi 10.1007/BF01840446).
pub(super) fn common(a: &[u32], b: &[u32]) -> Vec<(usize, usize)> {
    let head = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (inner_a, inner_b) = (&a[head..], &b[head..]);
    let tail = inner_a.iter().rev().zip(inner_b.iter().rev()).take_while(|(a, b)| a == b).count();
    let (inner_a, inner_b) = (&inner_a[..inner_a.len() - tail], &inner_b[..inner_b.len() - tail]);
    let inner = if inner_a.is_empty() || inner_b.is_empty() {
        Vec::new()
    } else {
        myers(inner_a, inner_b).unwrap_or_else(|| by_occurrence(inner_a, inner_b))
    };
    let mut pairs: Vec<(usize, usize)> = (0..head).map(|index| (index, index)).collect();
    pairs.extend(inner.into_iter().map(|(i, j)| (i + head, j + head)));
    pairs.extend((0..tail).map(|index| (a.len() - tail + index, b.len() - tail + index)));
    pairs
}

/// Myers's greedy algorithm; `None` beyond [`MAX_EDITS`].
fn myers(a: &[u32], b: &[u32]) -> Option<Vec<(usize, usize)>> {
    let most = (a.len() + b.len()).min(MAX_EDITS);
    // furthest[k] is how far into `a` the diagonal i − j = k − most − 1 reaches.
    let mut furthest = vec![0usize; 2 * most + 3];
    let mut steps: Vec<Vec<usize>> = Vec::new();
    for edits in 0..=most {
        let middle = most + 1;
        steps.push(furthest[middle - edits..=middle + edits].to_vec());
        for k in (middle - edits..=middle + edits).step_by(2) {
            let down = edits == 0
                || k == middle - edits
                || (k != middle + edits && furthest[k - 1] < furthest[k + 1]);
            let mut i = match (edits, down) {
                (0, _) => 0,
                (_, true) => furthest[k + 1],
                (_, false) => furthest[k - 1] + 1,
            };
            // Diagonals that left the lists stay where they are.
            let Some(mut j) = (i + middle).checked_sub(k) else { continue };
            while i < a.len() && j < b.len() && a[i] == b[j] {
                i += 1;
                j += 1;
            }
            furthest[k] = i;
            if i >= a.len() && j >= b.len() {
                return Some(backtrack(a, b, &steps));
            }
        }
    }
    None
}

/// The pairs on the way that [`myers`] found, from its end.
fn backtrack(a: &[u32], b: &[u32], steps: &[Vec<usize>]) -> Vec<(usize, usize)> {
    let (mut i, mut j) = (a.len(), b.len());
    let mut pairs = Vec::new();
    for (edits, before) in steps.iter().enumerate().rev() {
        // before[k] belongs to the diagonal k − edits; the state before this step holds edits − 1 of them.
        let k = i + edits - j;
        let (start, previous) = if edits == 0 {
            (0, (0, 0))
        } else {
            let down = k == 0 || (k != 2 * edits && before[k - 1] < before[k + 1]);
            if down {
                let i = before[k + 1];
                (i, (i, i + edits - (k + 1)))
            } else {
                let i = before[k - 1];
                (i + 1, (i, i + edits - (k - 1)))
            }
        };
        while i > start {
            i -= 1;
            j -= 1;
            pairs.push((i, j));
        }
        (i, j) = previous;
    }
    pairs.reverse();
    pairs
}

/// Pairs the n-th of an element in `a` with the n-th in `b`, as far as they rise.
fn by_occurrence(a: &[u32], b: &[u32]) -> Vec<(usize, usize)> {
    fn numbered(list: &[u32]) -> impl Iterator<Item = (u32, usize)> + '_ {
        let mut seen: FxHashMap<u32, usize> = FxHashMap::default();
        list.iter().map(move |&element| {
            let count = seen.entry(element).or_default();
            *count += 1;
            (element, *count)
        })
    }
    let places: FxHashMap<(u32, usize), usize> =
        numbered(b).enumerate().map(|(place, element)| (element, place)).collect();
    let pairs: Vec<(usize, usize)> = numbered(a)
        .enumerate()
        .filter_map(|(place, element)| Some((place, *places.get(&element)?)))
        .collect();
    rising(&pairs)
}

/// The longest part of the pairs, which rise on the first side, that rises on the second too.
pub(super) fn rising(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // best[n] is the pair that ends the rising part of n + 1 pairs with the least end.
    let mut best: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    for (index, pair) in pairs.iter().enumerate() {
        let length = best.partition_point(|&end| pairs[end].1 < pair.1);
        before.push(length.checked_sub(1).map(|last| best[last]));
        if length == best.len() {
            best.push(index);
        } else {
            best[length] = index;
        }
    }
    let mut chain: Vec<(usize, usize)> = std::iter::successors(best.last().copied(), |&index| before[index])
        .map(|index| pairs[index])
        .collect();
    chain.reverse();
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The length of the longest common subsequence, by the textbook's table.
    fn length(a: &[u32], b: &[u32]) -> usize {
        let mut row = vec![0; b.len() + 1];
        for x in a {
            let mut diagonal = 0;
            for (j, y) in b.iter().enumerate() {
                let above = row[j + 1];
                row[j + 1] = if x == y { diagonal + 1 } else { above.max(row[j]) };
                diagonal = above;
            }
        }
        row[b.len()]
    }

    fn is_rising(pairs: &[(usize, usize)]) -> bool {
        pairs.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1)
    }

    #[test]
    fn the_common_part_is_the_longest() {
        let mut state = 7u32;
        let mut random = |most: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % most
        };
        for _ in 0..500 {
            let (n, m, letters) = (random(13), random(13), 1 + random(4));
            let a: Vec<u32> = (0..n).map(|_| random(letters)).collect();
            let b: Vec<u32> = (0..m).map(|_| random(letters)).collect();
            let pairs = common(&a, &b);
            assert!(is_rising(&pairs), "{a:?} {b:?} {pairs:?}");
            assert!(pairs.iter().all(|&(i, j)| a[i] == b[j]), "{a:?} {b:?} {pairs:?}");
            assert_eq!(pairs.len(), length(&a, &b), "{a:?} {b:?} {pairs:?}");
        }
    }

    #[test]
    fn lists_that_differ_everywhere_end_soon() {
        let a: Vec<u32> = (0..200_000).map(|i| i % 7).collect();
        let b: Vec<u32> = (0..200_000u32).map(|i| i.wrapping_mul(i) % 11).collect();
        let pairs = common(&a, &b);
        assert!(!pairs.is_empty() && is_rising(&pairs));
        let c: Vec<u32> = (1_000_000..1_200_000).collect();
        assert!(common(&a, &c).is_empty());
    }

    #[test]
    fn one_addition_moves_nothing_else() {
        let a: Vec<u32> = (0..100_000).collect();
        let mut b = a.clone();
        b.insert(50_000, 7);
        assert_eq!(common(&a, &b).len(), a.len());
    }
}
