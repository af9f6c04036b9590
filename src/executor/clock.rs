//! Times each node of a pass: by the processor's clock, or on a card by events.

use candle_core::{Device, Tensor};

use super::run::{Observer, Step};
use super::timing::{Reading, Sample};
use crate::ops::execute::{Fault, Pass};

/// Times by node, as many as there were passes.
pub(super) struct Clock<'a> {
    device: &'a Device,
    start: Option<Reading>,
    pub(super) forward: Vec<Vec<Sample>>,
    pub(super) backward: Vec<Vec<Sample>>,
    failed: Option<candle_core::Error>,
    /// On a card its own.
    #[cfg(feature = "cuda")]
    events: Option<super::cuda::Events>,
}

impl<'a> Clock<'a> {
    pub(super) fn new(device: &'a Device, nodes: usize) -> Self {
        Self {
            device,
            start: None,
            forward: vec![Vec::new(); nodes],
            backward: vec![Vec::new(); nodes],
            failed: None,
            #[cfg(feature = "cuda")]
            events: super::cuda::Events::on(device),
        }
    }

    fn noted<T>(&mut self, read: candle_core::Result<T>) -> Option<T> {
        read.map_err(|error| self.failed = Some(error)).ok()
    }

    fn push(&mut self, step: Step, sample: Sample) {
        match step.pass {
            Pass::Forward => self.forward[step.node.index()].push(sample),
            Pass::Backward => self.backward[step.node.index()].push(sample),
        }
    }

    /// After each pass: takes up what a card has timed, when it is done.
    ///
    /// # Errors
    /// Where a reading failed.
    pub(super) fn settle(&mut self) -> Result<(), Fault> {
        #[cfg(feature = "cuda")]
        if let Some(events) = &mut self.events {
            for (step, sample) in events.take()? {
                self.push(step, sample);
            }
        }
        self.failed.take().map_or(Ok(()), |error| Err(error.into()))
    }

    /// The least time that it tells apart, where the wall's clock has this.
    #[cfg_attr(
        not(feature = "cuda"),
        expect(clippy::unused_self, reason = "only a card has a clock of its own")
    )]
    pub(super) fn resolution(&self, wall: f64) -> f64 {
        #[cfg(feature = "cuda")]
        if self.events.is_some() {
            return wall.max(super::cuda::Events::RESOLUTION);
        }
        wall
    }
}

impl Observer for Clock<'_> {
    #[cfg_attr(not(feature = "cuda"), expect(unused_variables, reason = "only events ask which step begins"))]
    fn begin(&mut self, step: Step) {
        #[cfg(feature = "cuda")]
        if let Some(events) = &mut self.events {
            return events.begin(step);
        }
        self.start = self.noted(Reading::wall(self.device));
    }

    #[cfg_attr(
        not(feature = "cuda"),
        expect(unused_variables, reason = "only events are told what was made")
    )]
    fn ran(&mut self, step: Step, made: &[Option<&Tensor>]) {
        #[cfg(feature = "cuda")]
        if let Some(events) = &mut self.events {
            return events.ran(step, made);
        }
        let Some(start) = self.start.take() else { return };
        let Some(sample) = self.noted(start.elapsed(self.device)) else { return };
        self.push(step, sample);
    }
}
