//! A Gaussian process with a kernel of one length and noise (Rasmussen and Williams 2006, Algorithm 2.1).

/// Where two points are in space decides how alike their values are.
pub(super) type Point = Vec<f64>;

/// What values are expected between points where they are known.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// The distance over which values resemble each other.
    pub length: f64,
    /// By point, its part in the expected value elsewhere.
    pub weights: Vec<f64>,
}

/// Lengths that are tried.
const LENGTHS: [f64; 4] = [0.6, 1.0, 1.8, 3.2];
/// Variances of the noise that are tried, for a variance 1 of the values.
const NOISE: [f64; 3] = [0.03, 0.15, 0.8];

fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

fn likeness(squared: f64, length: f64) -> f64 {
    (-0.5 * squared / (length * length)).exp()
}

impl Process {
    /// No expectation: 0 everywhere.
    pub(super) fn nothing() -> Self {
        Self { length: 1.0, weights: Vec::new() }
    }

    /// The length and noise whose expectation of each value from all others is best, where that is better than 0; and
    /// for each value how far the expectation from the others is off.
    pub(super) fn fit(points: &[Point], values: &[f64]) -> (Self, Vec<f64>) {
        let mut best = (Self::nothing(), values.to_vec());
        let mut least = sum_of_squares(values);
        let distances: Vec<Vec<f64>> =
            points.iter().map(|a| points.iter().map(|b| squared_distance(a, b)).collect()).collect();
        for length in LENGTHS {
            for noise in NOISE {
                let matrix = distances.iter().enumerate().map(|(row, all)| {
                    let entry = |(column, &squared): (usize, &f64)| {
                        likeness(squared, length) + if row == column { noise } else { 0.0 }
                    };
                    all.iter().enumerate().map(entry).collect()
                });
                let Some(inverse) = inverse(matrix.collect()) else { continue };
                let weights: Vec<f64> =
                    inverse.iter().map(|row| row.iter().zip(values).map(|(a, b)| a * b).sum()).collect();
                // Left out in closed form: Rasmussen and Williams, equation 5.12.
                let off: Vec<f64> =
                    weights.iter().enumerate().map(|(at, weight)| weight / inverse[at][at]).collect();
                let squares = sum_of_squares(&off);
                if squares < least {
                    least = squares;
                    best = (Self { length, weights }, off);
                }
            }
        }
        best
    }

    /// The value that is expected at a point, and how like it the nearest known point is: 1 is the same, 0 unlike.
    pub(super) fn at<'a>(&self, point: &[f64], known: impl Iterator<Item = &'a Point>) -> f64 {
        let part =
            |(known, weight): (&Point, &f64)| weight * likeness(squared_distance(point, known), self.length);
        known.zip(&self.weights).map(part).sum()
    }
}

pub(super) fn nearest<'a>(point: &[f64], known: impl Iterator<Item = &'a Point>) -> f64 {
    known.map(|known| squared_distance(point, known)).fold(f64::INFINITY, f64::min).sqrt()
}

fn sum_of_squares(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum()
}

/// The inverse of a symmetric positive definite matrix, by its Cholesky factor; none where it is not.
fn inverse(mut matrix: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    let size = matrix.len();
    for row in 0..size {
        for column in 0..=row {
            let dot: f64 = (0..column).map(|k| matrix[row][k] * matrix[column][k]).sum();
            let rest = matrix[row][column] - dot;
            matrix[row][column] = if row == column {
                if rest <= 0.0 {
                    return None;
                }
                rest.sqrt()
            } else {
                rest / matrix[column][column]
            };
        }
    }
    // The factor's own inverse, row by row, then its product with itself.
    let mut lower: Vec<Vec<f64>> = Vec::with_capacity(size);
    for (row, factors) in matrix.iter().enumerate() {
        let entry = |column: usize| {
            let one = if row == column { 1.0 } else { 0.0 };
            let dot: f64 = (column..row).map(|k| factors[k] * lower[k][column]).sum();
            (one - dot) / factors[row]
        };
        let made = (0..=row).map(entry).collect();
        lower.push(made);
    }
    let entry =
        |row: usize, column: usize| (row.max(column)..size).map(|k| lower[k][row] * lower[k][column]).sum();
    Some((0..size).map(|row| (0..size).map(|column| entry(row, column)).collect()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inverse_worked_by_hand() {
        let found = inverse(vec![vec![4.0, 2.0], vec![2.0, 3.0]]).unwrap();
        for (found, wanted) in found.iter().flatten().zip([0.375, -0.25, -0.25, 0.5]) {
            assert!((found - wanted).abs() < 1e-12, "{found} {wanted}");
        }
        assert_eq!(inverse(vec![vec![1.0, 2.0], vec![2.0, 1.0]]), None);
    }

    #[test]
    fn what_lies_between_is_expected_between() {
        let points: Vec<Point> = (0..12).map(|at| vec![f64::from(at) * 0.5]).collect();
        let values: Vec<f64> = points.iter().map(|point| point[0].sin()).collect();
        let (process, off) = Process::fit(&points, &values);
        assert!((process.at(&[2.25], points.iter()) - 2.25f64.sin()).abs() < 0.05);
        // Far away nothing is known.
        assert!(process.at(&[90.0], points.iter()).abs() < 1e-9);
        assert!(sum_of_squares(&off) < 0.1 * sum_of_squares(&values));
        assert!((nearest(&[2.25], points.iter()) - 0.25).abs() < 1e-12);
    }

    #[test]
    fn one_left_out_in_closed_form_is_one_left_out() {
        let points: Vec<Point> = [0.0, 0.7, 1.1, 2.0, 2.2].map(|at| vec![at]).to_vec();
        let values = [0.3, -0.2, 0.1, 0.4, 0.35];
        let (process, off) = Process::fit(&points, &values);
        let noise = NOISE.into_iter().find(|noise| {
            let fit = with(&points, &values, process.length, *noise);
            fit.iter().zip(&process.weights).all(|(a, b)| (a - b).abs() < 1e-9)
        });
        let Some(noise) = noise else { panic!("one of the noises was taken: {process:?}") };
        let (some, rest) = ([&points[..2], &points[3..]].concat(), [&values[..2], &values[3..]].concat());
        let without = Process { length: process.length, weights: with(&some, &rest, process.length, noise) };
        assert!((values[2] - without.at(&points[2], some.iter()) - off[2]).abs() < 1e-9);
    }

    fn with(points: &[Point], values: &[f64], length: f64, noise: f64) -> Vec<f64> {
        let row = |row: usize| {
            let entry = |column: usize| {
                let squared = squared_distance(&points[row], &points[column]);
                likeness(squared, length) + if row == column { noise } else { 0.0 }
            };
            (0..points.len()).map(entry).collect()
        };
        let inverse = inverse((0..points.len()).map(row).collect()).unwrap();
        inverse.iter().map(|row| row.iter().zip(values).map(|(a, b)| a * b).sum()).collect()
    }
}
