//! The time of nodes of one kind as a function of their work.
//!
//! A sum of terms, each with a factor of at least 0, is fitted to relative errors: so it stays sensible beyond what was
//! timed. What it misses, as a ratio, is expected from the samples nearby by a Gaussian process ([`super::process`]).

use super::latency::Sample;
use super::process::{Point, Process, nearest};
use super::work::Work;

/// How many terms there are.
pub const TERMS: usize = 8;

/// The time of nodes of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Law {
    /// Nanoseconds for one of each term: a call, multiply-accumulates, elements gathered for them, bytes read, written and
    /// stored, elementary operations, rows.
    pub factors: [f64; TERMS],
    /// What the terms miss, as a logarithm.
    pub process: Process,
    /// The root of the mean square by which samples, each left out of the process in turn, are off: a share.
    pub error: f64,
    /// The samples' places.
    places: Vec<Point>,
}

/// The process takes so many samples at most, spread over all of them: its cost is the third power of their number.
const MOST: usize = 160;

/// Those samples that the process takes.
fn chosen(samples: &[Sample]) -> Vec<&Sample> {
    spread(samples.iter().filter(|sample| sample.nanoseconds > 0.0).collect())
}

fn spread(samples: Vec<&Sample>) -> Vec<&Sample> {
    let step = samples.len().div_ceil(MOST).max(1);
    samples.into_iter().step_by(step).collect()
}

/// The places of some samples.
fn places(samples: Vec<&Sample>) -> Vec<Point> {
    samples.into_iter().map(|sample| place(&sample.work)).collect()
}

/// A node is near what was timed within this distance: a factor of e^2 in one number.
const NEAR: f64 = 2.0;

/// What time may be spent on: a call, multiply-accumulates, elements gathered for them, bytes read, written and stored,
/// elementary operations, rows.
#[expect(clippy::cast_precision_loss, reason = "times are approximate by nature")]
fn terms(work: &Work) -> [f64; TERMS] {
    let [batch, groups, positions] = [work.batch, work.groups, work.positions].map(|number| number as f64);
    let gathered = if work.taps > 1 { work.reduction as f64 * groups * positions * batch } else { 0.0 };
    [
        1.0,
        work.macs as f64,
        gathered,
        work.input_bytes as f64,
        work.output_bytes as f64,
        work.stored_bytes as f64,
        work.elementary as f64,
        work.channels as f64 * groups * batch * positions.sqrt(),
    ]
}

/// Where a work lies: logarithms of what it does for one image, and of the batch.
#[expect(clippy::cast_precision_loss, reason = "times are approximate by nature")]
fn place(work: &Work) -> Point {
    let ln = |number: u64| (number.max(1) as f64).ln();
    let batch = ln(work.batch);
    vec![
        ln(work.reduction),
        ln(work.channels),
        ln(work.positions),
        ln(work.taps),
        0.7 * (ln(work.input_positions) - ln(work.positions)),
        0.5 * ln(work.groups),
        0.7 * (ln(work.input_bytes) - batch),
        0.5 * ln(work.operands),
        0.4 * batch,
        0.4 * (ln(work.waited_bytes) - batch),
        // What is left over of vectors and tiles.
        3.0 * (ln(work.channels.checked_next_multiple_of(16).unwrap_or(work.channels)) - ln(work.channels)),
    ]
}

impl Law {
    /// Fits samples. Where most take no time, as inside another node's kernel, all of the kind are taken to.
    pub fn fit(samples: &[Sample]) -> Self {
        let timed: Vec<&Sample> = samples.iter().filter(|sample| sample.nanoseconds > 0.0).collect();
        if 2 * timed.len() < samples.len() || timed.is_empty() {
            let places = places(spread(samples.iter().collect()));
            return Self { factors: [0.0; TERMS], process: Process::nothing(), error: 0.0, places };
        }
        let rows: Vec<[f64; TERMS]> = timed.iter().map(|sample| terms(&sample.work)).collect();
        let times: Vec<f64> = timed.iter().map(|sample| sample.nanoseconds).collect();
        let factors = non_negative(&rows, &times);
        let chosen = chosen(samples);
        let missed = |sample: &&Sample| (sample.nanoseconds / dot(&factors, &terms(&sample.work))).ln();
        let missed: Vec<f64> = chosen.iter().map(missed).collect();
        let places = places(chosen);
        let (process, off) = Process::fit(&places, &missed);
        let squares: f64 = off.iter().map(|off| off.exp_m1() * off.exp_m1()).sum();
        #[expect(clippy::cast_precision_loss, reason = "some thousand samples at most")]
        let error = (squares / off.len() as f64).sqrt();
        Self { factors, process, error, places }
    }

    /// The law of factors and a process that were fitted to these samples before.
    pub fn known(factors: [f64; TERMS], process: Process, error: f64, samples: &[Sample]) -> Self {
        let is_free = factors.iter().all(|factor| *factor <= 0.0);
        let places = places(if is_free { spread(samples.iter().collect()) } else { chosen(samples) });
        Self { factors, process, error, places }
    }

    /// How many samples the process of so many takes: as many as it has weights, where it has any.
    pub fn taken(samples: &[Sample]) -> usize {
        chosen(samples).len()
    }

    /// Nanoseconds, and whether something like it was timed.
    pub fn at(&self, work: &Work) -> (f64, bool) {
        let place = place(work);
        let missed = self.process.at(&place, self.places.iter());
        (dot(&self.factors, &terms(work)) * missed.exp(), nearest(&place, self.places.iter()) <= NEAR)
    }
}

fn dot(a: &[f64; TERMS], b: &[f64; TERMS]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Nanoseconds below which errors count less than in proportion: nobody waits for such nodes, and clocks tell little.
const SMALL: f64 = 5_000.0;

/// Rounds of descent; they end sooner where nothing changes.
const ROUNDS: usize = 20_000;

/// The factors, none below 0, for which the sum of squared relative errors is least: coordinate descent, which finds the
/// one minimum of this convex problem (Franc, Hlaváč, Navara 2005).
fn non_negative(rows: &[[f64; TERMS]], times: &[f64]) -> [f64; TERMS] {
    // Relative to the time, and each term in a unit of its own size.
    let weights: Vec<f64> = times.iter().map(|time| 1.0 / (time + SMALL)).collect();
    let mut size = [0f64; TERMS];
    for (row, weight) in rows.iter().zip(&weights) {
        for (size, term) in size.iter_mut().zip(row) {
            *size = size.max(term * weight);
        }
    }
    let scaled = rows.iter().zip(&weights).map(|(row, weight)| {
        std::array::from_fn(|term| if size[term] > 0.0 { row[term] * weight / size[term] } else { 0.0 })
    });
    let scaled: Vec<[f64; TERMS]> = scaled.collect();
    let mut gram = [[0f64; TERMS]; TERMS];
    let mut wanted = [0f64; TERMS];
    for ((row, time), weight) in scaled.iter().zip(times).zip(&weights) {
        for (a, &one) in row.iter().enumerate() {
            wanted[a] += one * time * weight;
            for (b, &other) in row.iter().enumerate() {
                gram[a][b] += one * other;
            }
        }
    }
    let mut factors = [0f64; TERMS];
    for _ in 0..ROUNDS {
        let mut change = 0f64;
        for term in 0..TERMS {
            if gram[term][term] <= 0.0 {
                continue;
            }
            let slope = dot(&gram[term], &factors) - wanted[term];
            let next = (factors[term] - slope / gram[term][term]).max(0.0);
            change = change.max((next - factors[term]).abs());
            factors[term] = next;
        }
        if change < 1e-12 {
            break;
        }
    }
    std::array::from_fn(|term| if size[term] > 0.0 { factors[term] / size[term] } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Convolutions of one image.
    fn works() -> Vec<Work> {
        let sizes = [7, 14, 28, 56, 112].into_iter();
        let all = sizes.flat_map(|size| [8, 16, 24, 64, 96, 256].map(|channels| (size, channels)));
        let of = |(size, channels): (u64, u64)| {
            let positions = size * size;
            Work {
                batch: 1,
                macs: channels * channels * 9 * positions,
                reduction: channels * 9,
                channels,
                groups: 1,
                positions,
                taps: 9,
                input_positions: positions,
                operands: 1,
                input_bytes: 4 * channels * positions,
                output_bytes: 4 * channels * positions,
                stored_bytes: 36 * channels * channels,
                elementary: 0,
                waited_bytes: 0,
            }
        };
        all.map(of).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn time(work: &Work) -> f64 {
        // A device that has its full rate only from 64 channels on.
        let rate = 30.0 * (work.channels as f64 / (work.channels as f64 + 32.0));
        900.0 + work.macs as f64 / rate + work.output_bytes as f64 / 8.0
    }

    fn samples(works: impl IntoIterator<Item = Work>) -> Vec<Sample> {
        works.into_iter().map(|work| Sample { nanoseconds: time(&work), work }).collect()
    }

    #[test]
    fn a_law_meets_what_it_was_not_fitted_to() {
        let (known, other): (Vec<_>, Vec<_>) =
            works().into_iter().enumerate().partition(|(index, _)| index % 4 != 1);
        let law = Law::fit(&samples(known.into_iter().map(|(_, work)| work)));
        for (_, work) in other {
            let (found, is_near) = law.at(&work);
            assert!((found / time(&work) - 1.0).abs() < 0.15, "{work:?}: {found} {}", time(&work));
            assert!(is_near);
        }
        assert!(law.error < 0.15, "{law:?}");
    }

    #[test]
    fn beyond_what_was_timed_the_terms_hold() {
        let law = Law::fit(&samples(works()));
        let far = Work {
            macs: 1 << 40,
            reduction: 1 << 16,
            input_bytes: 1 << 30,
            output_bytes: 1 << 30,
            ..works()[29]
        };
        let (found, is_near) = law.at(&far);
        assert!(!is_near);
        assert!((found / time(&far) - 1.0).abs() < 0.3, "{found} {}", time(&far));
    }

    #[test]
    fn factors_are_found_and_none_is_below_0() {
        let rows: Vec<[f64; TERMS]> = (1..20u32)
            .map(|n| [1.0, f64::from(n), f64::from(n * n), 0.0, 0.0, 0.0, 0.0, 1.0 / f64::from(n)])
            .collect();
        let times: Vec<f64> = rows.iter().map(|row| 5.0 + 3.0 * row[1]).collect();
        let factors = non_negative(&rows, &times);
        assert!((factors[0] - 5.0).abs() < 1e-3 && (factors[1] - 3.0).abs() < 1e-3, "{factors:?}");
        let falling: Vec<f64> = rows.iter().map(|row| 50.0 - row[1]).collect();
        assert!(non_negative(&rows, &falling).iter().all(|factor| *factor >= 0.0));
    }

    #[test]
    fn what_runs_in_another_kernel_takes_nothing() {
        let mut inside = samples(works());
        for sample in inside.iter_mut().skip(2) {
            sample.nanoseconds = 0.0;
        }
        assert!(Law::fit(&inside).at(&works()[3]).0 < 1e-9);
    }
}
