//! Figures of the steps of a schedule, one beside the other, as lines in steps.

use super::axis::Frame;
use super::canvas::float;
use super::real;

/// More steps than this are drawn in groups of neighbours, each by its most.
const MOST: usize = 1500;

/// The steps of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steps {
    /// How many.
    pub(super) count: usize,
    /// How many neighbours share a figure.
    pub(super) group: usize,
}

impl Steps {
    pub(super) fn new(count: usize) -> Self {
        Self { count, group: count.div_ceil(MOST).max(1) }
    }

    /// The most of each group.
    pub(super) fn grouped(&self, figures: &[u64]) -> Vec<u64> {
        figures.chunks(self.group).map(|group| group.iter().copied().max().unwrap_or(0)).collect()
    }

    /// Saw teeth of several lines are mush: of many steps, lines show the most of so many neighbouring groups each.
    pub(super) fn around(&self, width: f64) -> usize {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few steps; saturates")]
        match width / float(self.count.div_ceil(self.group).max(1)) {
            4.0.. => 1,
            step => ((9.0 / step.max(0.01)).ceil() as usize).max(1),
        }
    }

    /// Grouped figures as a line: the most of so many neighbours each.
    pub(super) fn outline(&self, frame: &Frame, figures: &[u64], around: usize) -> Vec<(f64, f64)> {
        let mut points: Vec<(f64, f64)> = Vec::new();
        let group = self.group * around;
        for (index, figures) in figures.chunks(around).enumerate() {
            let most = figures.iter().copied().max().unwrap_or(0);
            let (from, to) = (index * group, ((index + 1) * group).min(self.count));
            let height = frame.y(real(most));
            match points.last_mut() {
                Some(last) if last.1.to_bits() == height.to_bits() => last.0 = frame.x(float(to)),
                _ => points.extend([(frame.x(float(from)), height), (frame.x(float(to)), height)]),
            }
        }
        points
    }
}
