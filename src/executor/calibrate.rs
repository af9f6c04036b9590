//! Times the nodes of many drawn networks: what a device is calibrated by.

pub mod networks;

use std::time::{Duration, Instant};

use candle_core::Device;

use super::clock::Clock;
use super::run::{Network, RunFault};
use super::seeded;
use super::timing::{Reading, resolution, timing};
use crate::analysis::kernels::kernels;
use crate::analysis::prediction::running;
use crate::analysis::prediction::work::kind;
use crate::analysis::schedule::Schedule;
use crate::device::latency::{Sample, Unit};
use crate::device::work::Work;
use crate::diagnostic::Sink;
use crate::frontend::{LoadOptions, load_bytes};
use crate::graph::Graph;
use crate::ops::execute::Fault;
use crate::source::SourceMap;
use crate::tensor::DType;

/// How long and of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Networks are drawn for so long.
    pub time: Duration,
    /// The seed that they are drawn by.
    pub seed: u64,
    /// Multiply-accumulates of one layer at most.
    pub largest: u64,
    /// The element type of their inputs.
    pub dtype: DType,
}

/// Passes over one network at most, and the time after which there are no more, but for [`FEWEST`].
const PASSES: usize = 15;
const FEWEST: usize = 5;
const ENOUGH: Duration = Duration::from_millis(400);

/// What was timed.
#[derive(Clone, Debug, Default)]
pub struct Timed {
    /// Nodes, each with the name of its kind.
    pub samples: Vec<(String, Sample)>,
    /// By network, the whole pass over the sum of its nodes.
    pub whole: Vec<f64>,
}

/// Draws and times networks until the time is over; `tell` hears after each how much of it is.
///
/// # Errors
/// Where a network does not run or the device fails.
pub fn time(device: &Device, options: &Options, tell: &mut dyn FnMut(Duration)) -> Result<Timed, RunFault> {
    let (start, mut timed) = (Instant::now(), Timed::default());
    let resolution = resolution();
    while start.elapsed() < options.time || timed.whole.is_empty() {
        let (text, batch) = networks::network(options.seed, timed.whole.len(), options.largest);
        let read = LoadOptions { batch: Some(batch), dtype: Some(options.dtype), ..LoadOptions::default() };
        let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
        let loaded = load_bytes("drawn.json", "drawn", text.into_bytes(), &read, &mut sources, &mut sink);
        let loaded = loaded.ok_or(Fault::Internal("a drawn network is not one"))?;
        one(&loaded.graph, device, options.seed, resolution, &mut timed)?;
        tell(start.elapsed());
    }
    Ok(timed)
}

/// Times the nodes of one network.
fn one(
    graph: &Graph,
    device: &Device,
    seed: u64,
    resolution: f64,
    timed: &mut Timed,
) -> Result<(), RunFault> {
    let network = Network::new(graph, device, &mut |id, one| seeded::stored(graph, id, one, seed, device))?;
    let (inputs, schedule) = (seeded::inputs(graph, seed, device)?, Schedule::as_written(graph));
    let mut clock = Clock::new(device, graph.len());
    let (mut wholes, start) = (Vec::new(), Instant::now());
    network.evaluate(&schedule, inputs.clone(), &mut ())?;
    while wholes.len() < FEWEST || (wholes.len() < PASSES && start.elapsed() < ENOUGH) {
        let whole = Reading::wall(device)?;
        network.evaluate(&schedule, inputs.clone(), &mut ())?;
        wholes.push(whole.elapsed(device)?);
        network.evaluate(&schedule, inputs.clone(), &mut clock)?;
        clock.settle()?;
    }
    let kernels = kernels(graph).map_err(Fault::from)?;
    let mut sum = 0.0;
    for id in running(graph).map_err(Fault::from)? {
        let Some(found) = timing(&clock.forward[id.index()], resolution) else { continue };
        sum += found.median;
        if let Some(work) = Work::of(graph, id) {
            let sample = Sample { work, nanoseconds: found.median.max(resolution) };
            timed.samples.push((kind(graph, id, &kernels, Unit::Node), sample));
        }
    }
    let whole = timing(&wholes, resolution).map_or(sum, |found| found.median);
    timed.whole.push(if sum > 0.0 { whole / sum } else { 1.0 });
    Ok(())
}
