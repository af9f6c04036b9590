//! How many gradient paths there are, and how long they are.
//!
//! P(v) = Σ m(v, u) · P(u) over the readers u of v, P(loss) = 1: the number of ways from the loss back to v. Closed
//! forms: 2^(k−j) for layer j of a dense block of k, 2^n over n residual blocks, 2^n + 1 over a CSP stage of n
//! (its first part adds one path; it does not double them).

use num::BigUint;

use super::weight_graph::{Edge, Vertex, WeightGraph};

/// Words of big numbers that may be added before path counts are given up.
pub const WORK_LIMIT: u64 = 1 << 28;

/// The most steps that a length spectrum may take.
pub const SPECTRUM_LIMIT: u64 = 100_000_000;

/// P(v) by vertex; `None` past [`WORK_LIMIT`]. A layer that the loss does not depend on has 0.
///
/// O(|E| · log₂P / 64) words.
pub fn counts(h: &WeightGraph) -> Option<Vec<BigUint>> {
    let mut counts = vec![BigUint::ZERO; h.channels.len()];
    counts[h.loss() as usize] = BigUint::from(1u32);
    let mut work = 0u64;
    for vertex in (0..h.loss()).rev() {
        let mut count = BigUint::ZERO;
        for &Edge { vertex: reader, multiplicity } in h.after.row(vertex as usize) {
            let term = &counts[reader as usize];
            work += 1 + term.bits() / 64;
            if multiplicity == 1 {
                count += term;
            } else {
                count += term * multiplicity;
            }
        }
        if work > WORK_LIMIT {
            return None;
        }
        counts[vertex as usize] = count;
    }
    Some(counts)
}

/// log₂ of a count: exact to a double's last digits. 0 for 0.
pub fn log2(count: &BigUint) -> f64 {
    let bits = count.bits();
    let shift = bits.saturating_sub(64);
    let digits = (count >> shift).iter_u64_digits().next().unwrap_or(1);
    #[expect(clippy::cast_precision_loss, reason = "a logarithm is approximate by nature")]
    let log = (digits as f64).log2() + shift as f64;
    log
}

/// How many paths from the loss back to an input, or to one layer, pass each number of weight layers; the layer itself
/// is counted, an input is not.
///
/// P_v(z) = z · Σ m(v, u) · P_u(z) as polynomials: O(|E| · longest) additions of big numbers. A polynomial is dropped
/// behind its last use.
///
/// # Errors
/// The number of steps, where it is more than [`SPECTRUM_LIMIT`].
pub fn spectrum(h: &WeightGraph, target: Vertex, longest: u64) -> Result<Vec<BigUint>, u64> {
    let steps = (h.before.items().len() as u64).saturating_mul(longest.max(1));
    if steps > SPECTRUM_LIMIT {
        return Err(steps);
    }
    let count = h.channels.len();
    let mut polynomials: Vec<Vec<BigUint>> = vec![Vec::new(); count];
    let mut uses: Vec<usize> = (0..count).map(|vertex| h.before.row(vertex).len()).collect();
    polynomials[h.loss() as usize] = vec![BigUint::from(1u32)];
    for vertex in (target..h.loss()).rev() {
        let mut sum: Vec<BigUint> = Vec::new();
        for edge in h.after.row(vertex as usize) {
            let reader = edge.vertex as usize;
            if sum.len() < polynomials[reader].len() {
                sum.resize(polynomials[reader].len(), BigUint::ZERO);
            }
            for (slot, coefficient) in sum.iter_mut().zip(&polynomials[reader]) {
                *slot += coefficient * edge.multiplicity;
            }
            uses[reader] -= 1;
            if uses[reader] == 0 {
                polynomials[reader] = Vec::new();
            }
        }
        if h.layers().contains(&vertex) {
            sum.insert(0, BigUint::ZERO);
        }
        polynomials[vertex as usize] = sum;
    }
    Ok(std::mem::take(&mut polynomials[target as usize]))
}
