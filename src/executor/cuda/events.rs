//! Times of nodes on the card itself: an event before and one behind each, on the stream that all kernels run on.
//!
//! The processor only queues kernels and waits for none, so a node's time is what passes on the stream: its kernels,
//! and where they are shorter than it takes to queue them, the card's wait for the processor.

use std::sync::Arc;

use candle_core::cuda::WrapErr as _;
use candle_core::cuda::cudarc::driver::sys::CUevent_flags;
use candle_core::cuda::cudarc::driver::{CudaEvent, CudaStream};
use candle_core::{Device, Tensor};

use crate::executor::run::{Observer, Step};
use crate::executor::timing::Sample;
use crate::ops::execute::Fault;

/// Records events around each node of a pass.
pub struct Events {
    stream: Arc<CudaStream>,
    before: Option<CudaEvent>,
    recorded: Vec<(Step, CudaEvent, CudaEvent)>,
    fault: Option<Fault>,
}

impl Events {
    /// The least time that events tell apart, in nanoseconds: "a resolution of around 0.5 microseconds" (CUDA driver
    /// API, `cuEventElapsedTime`).
    pub const RESOLUTION: f64 = 500.0;

    /// On the stream of a card; `None` on the processor.
    pub fn on(device: &Device) -> Option<Self> {
        let stream = device.as_cuda_device().ok()?.cuda_stream();
        Some(Self { stream, before: None, recorded: Vec::new(), fault: None })
    }

    /// An event behind all that was queued so far.
    fn record(&mut self) -> Option<CudaEvent> {
        match self.stream.record_event(Some(CUevent_flags::CU_EVENT_DEFAULT)).w() {
            Ok(event) => Some(event),
            Err(fault) => {
                self.fault.get_or_insert(fault.into());
                None
            }
        }
    }

    /// Waits for the card and gives the time of each node since the last call.
    ///
    /// # Errors
    /// What the driver says, here or while the nodes ran.
    pub fn take(&mut self) -> Result<Vec<(Step, Sample)>, Fault> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let times = self.recorded.drain(..).map(|(step, before, behind)| {
            let milliseconds = f64::from(before.elapsed_ms(&behind).w()?);
            Ok((step, Sample { wall: milliseconds * 1e6, processor: None }))
        });
        times.collect()
    }
}

impl Observer for Events {
    fn begin(&mut self, _: Step) {
        self.before = self.record();
    }

    fn ran(&mut self, step: Step, _: &[Option<&Tensor>]) {
        if let (Some(before), Some(behind)) = (self.before.take(), self.record()) {
            self.recorded.push((step, before, behind));
        }
    }
}
