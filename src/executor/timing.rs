//! Times, as samples: a median and how far the others lie from it, never a mean alone.

use std::time::Instant;

use candle_core::{Device, Result};

use crate::measurement::Timing;

/// One reading of the clocks. A card works on while the program goes on: it is waited for before they are read.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    wall: Instant,
    processor: Option<u64>,
}

/// Nanoseconds that this process has had of the processors, all threads together.
#[cfg(unix)]
fn processor() -> Option<u64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(u64::try_from(time.tv_sec).ok()? * 1_000_000_000 + u64::try_from(time.tv_nsec).ok()?)
}

#[cfg(not(unix))]
fn processor() -> Option<u64> {
    None
}

/// Nanoseconds between two readings: on the wall, and of the processors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// On the wall.
    pub wall: f64,
    /// Of the processors, where the system tells.
    pub processor: Option<f64>,
}

impl Reading {
    /// Reads the clocks.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn now(device: &Device) -> Result<Self> {
        device.synchronize()?;
        let processor = processor();
        Ok(Self { wall: Instant::now(), processor })
    }

    /// Reads the wall's clock only, which is quicker.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn wall(device: &Device) -> Result<Self> {
        device.synchronize()?;
        Ok(Self { wall: Instant::now(), processor: None })
    }

    /// The time until the device has done all that it was given since.
    ///
    /// # Errors
    /// Where the device fails.
    #[expect(clippy::cast_precision_loss, reason = "durations, not counts")]
    pub fn elapsed(&self, device: &Device) -> Result<Sample> {
        device.synchronize()?;
        let wall = self.wall.elapsed().as_nanos() as f64;
        let processor = self.processor.and_then(|then| Some((processor()? - then) as f64));
        Ok(Sample { wall, processor })
    }
}

/// The least time that the clock tells apart, in nanoseconds: the smallest of some steps that it makes.
#[expect(clippy::cast_precision_loss, reason = "durations, not counts")]
pub fn resolution() -> f64 {
    let step = |_| {
        let start = Instant::now();
        loop {
            let now = Instant::now();
            if now > start {
                return (now - start).as_nanos() as f64;
            }
        }
    };
    (0..64).map(step).fold(f64::INFINITY, f64::min)
}

/// The middle of sorted values; not a number where there are none.
pub fn median(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// The median of samples and how far the others lie from it; `None` without samples.
pub fn timing(samples: &[Sample], resolution: f64) -> Option<Timing> {
    if samples.is_empty() {
        return None;
    }
    let sorted = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values
    };
    let walls = sorted(samples.iter().map(|sample| sample.wall).collect());
    let middle = median(&walls);
    let distances = sorted(walls.iter().map(|wall| (wall - middle).abs()).collect());
    let deviation = median(&distances);
    let scaled = (1.4826 * deviation).max(resolution);
    let processors: Option<Vec<f64>> = samples.iter().map(|sample| sample.processor).collect();
    Some(Timing {
        samples: walls.len(),
        median: middle,
        deviation,
        outliers: distances.iter().filter(|&&distance| distance > 5.0 * scaled).count(),
        resolution,
        processor: processors.map(|values| median(&sorted(values))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlier_moves_neither_median_nor_deviation() {
        let samples = [10.0, 12.0, 11.0, 11.0, 900.0].map(|wall| Sample { wall, processor: Some(wall) });
        let timing = timing(&samples, 0.5).unwrap();
        assert_eq!((timing.median, timing.deviation, timing.outliers), (11.0, 1.0, 1));
        assert_eq!(timing.processor, Some(11.0));
        // Below a hundred ticks there is no rate.
        assert_eq!(timing.rate(22), None);
        assert_eq!(Timing { resolution: 0.1, ..timing }.rate(22), Some(2e9));
    }

    #[test]
    fn the_clock_goes_on() {
        let start = Reading::now(&Device::Cpu).unwrap();
        assert!(resolution() > 0.0);
        assert!(start.elapsed(&Device::Cpu).unwrap().wall > 0.0);
    }
}
