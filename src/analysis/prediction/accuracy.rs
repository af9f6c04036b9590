//! How well predictions meet what was measured.

/// A network's two times.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// Which network.
    pub name: String,
    /// Nanoseconds.
    pub predicted: f64,
    /// Nanoseconds.
    pub measured: f64,
    /// Kinds of its nodes that were not calibrated: without them the prediction is a lower bound.
    pub lacks: Vec<String>,
}

impl Pair {
    /// By how much the prediction is above the measurement, as a share of it.
    pub fn error(&self) -> f64 {
        self.predicted / self.measured - 1.0
    }
}

/// The bands that shares are told for.
pub const BANDS: [f64; 3] = [0.05, 0.10, 0.15];

/// All errors in a few figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Accuracy {
    /// Root of the mean squared relative error, RMSPE.
    pub rmspe: f64,
    /// How many of the networks lie within each of [`BANDS`], and of how many.
    pub within: [(usize, usize); 3],
    /// The largest error by size.
    pub worst: f64,
}

/// Sums up the pairs that lack nothing; none where there are none.
#[expect(clippy::cast_precision_loss, reason = "a few networks")]
pub fn accuracy(pairs: &[Pair]) -> Option<Accuracy> {
    let errors: Vec<f64> = pairs.iter().filter(|pair| pair.lacks.is_empty()).map(Pair::error).collect();
    let worst = errors.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()))?;
    let squares: f64 = errors.iter().map(|error| error * error).sum();
    Some(Accuracy {
        rmspe: (squares / errors.len() as f64).sqrt(),
        within: BANDS.map(|band| (errors.iter().filter(|error| error.abs() <= band).count(), errors.len())),
        worst,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_in_a_few_figures() {
        let pair = |predicted| Pair { name: "x".into(), predicted, measured: 100.0, lacks: Vec::new() };
        let bound = Pair { lacks: vec!["mish".into()], ..pair(1.0) };
        let found = accuracy(&[pair(103.0), pair(92.0), bound, pair(100.0), pair(116.0)]).unwrap();
        // The root of (9 + 64 + 0 + 256) / 4 / 10,000.
        assert!((found.rmspe - (329.0f64 / 4e4).sqrt()).abs() < 1e-12);
        assert_eq!(found.within, [(2, 4), (3, 4), (3, 4)]);
        assert!((found.worst - 0.16).abs() < 1e-12);
        assert_eq!(accuracy(&[]), None);
    }
}
