//! What a device can do at best: peak arithmetic, bandwidth, last-level cache.

pub mod latency;
pub mod law;
pub mod process;
pub mod work;

use crate::tensor::DType;
use latency::Latency;

/// A device, as its datasheet describes it or as it was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Where the figures come from.
    pub source: String,
    /// Peak floating-point (or integer) operations per second, by element type.
    pub peak: Vec<(DType, f64)>,
    /// Bytes per second between memory and the processor.
    pub bandwidth: f64,
    /// Bytes of the last-level cache, if it has one.
    pub cache: Option<u64>,
    /// What nodes take there, where it was calibrated.
    pub latency: Option<Latency>,
}

impl Device {
    /// Operations per second in an element type. `None` where the datasheet has no figure: nothing is assumed.
    pub fn peak(&self, dtype: DType) -> Option<f64> {
        self.peak.iter().find(|(known, _)| *known == dtype).map(|(_, peak)| *peak)
    }
}
