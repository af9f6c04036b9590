//! What only an NVIDIA card has: times by events on its stream, and memory by its driver's pool.

mod events;
mod pool;

pub use events::Events;
pub use pool::Pool;

use candle_core::Device;

use crate::ops::execute::Fault;

/// The first card. Its pool keeps what is freed until the program ends: to give it back at every wait, and get it
/// again, would be part of every time.
///
/// # Errors
/// What the driver says.
pub fn open() -> Result<Device, Fault> {
    let device = Device::new_cuda(0)?;
    if let Some(pool) = Pool::of(&device)? {
        pool.keep_all()?;
    }
    Ok(device)
}
