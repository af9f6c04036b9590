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
use crate::analysis::prediction::work::Works;
use crate::analysis::schedule::Schedule;
use crate::device::latency::{Sample, Unit};
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

/// Passes over one network in a round at most, and the time after which there are no more, but for [`FEWEST`].
const PASSES: usize = 11;
const FEWEST: usize = 5;
const ENOUGH: Duration = Duration::from_millis(150);
/// Passes before them: until memory that the system lends has been touched.
const WARM_UP: usize = 2;
/// Every network is run in so many rounds, a part of the time each. Whatever else runs on a machine only ever makes a node slower,
/// for seconds at a time, so a node's time is that of its best round.
const ROUNDS: u32 = 3;

/// What was timed.
#[derive(Clone, Debug, Default)]
pub struct Timed {
    /// Nodes, each with the name of its kind.
    pub samples: Vec<(String, Sample)>,
    /// By network, the whole pass over the sum of its nodes.
    pub whole: Vec<f64>,
}

/// One network's times, in nanoseconds.
struct Round {
    /// By node; none of what does not run.
    nodes: Vec<Option<f64>>,
    whole: f64,
}

/// Draws and times networks until the time is over; `tell` hears after each how much of it is.
///
/// # Errors
/// Where a network does not run or the device fails.
pub fn time(device: &Device, options: &Options, tell: &mut dyn FnMut(Duration)) -> Result<Timed, RunFault> {
    let start = Instant::now();
    let resolution = resolution();
    let mut best: Vec<Round> = Vec::new();
    for round in 1..=ROUNDS {
        let mut index = 0;
        while if round == 1 {
            index == 0 || start.elapsed() < options.time / ROUNDS
        } else {
            // On a machine that gets slower the last round ends before its end.
            index < best.len() && start.elapsed() < options.time * 5 / 4
        } {
            let graph = drawn(options, index)?;
            let found = run(&graph, device, options.seed, resolution)?;
            match best.get_mut(index) {
                None => best.push(found),
                Some(best) => best.take(&found),
            }
            index += 1;
            tell(start.elapsed());
        }
    }
    let mut timed = Timed::default();
    for (index, round) in best.iter().enumerate() {
        let graph = drawn(options, index)?;
        let (kernels, works) = (kernels(&graph).map_err(Fault::from)?, Works::new(&graph));
        for (id, _) in graph.nodes() {
            if let (Some(nanoseconds), Some(work)) = (round.nodes[id.index()], works.of(id)) {
                timed
                    .samples
                    .push((works.kind(id, &work, &kernels, Unit::Node), Sample { work, nanoseconds }));
            }
        }
        timed.whole.push(round.whole / round.nodes.iter().flatten().sum::<f64>());
    }
    Ok(timed)
}

impl Round {
    /// Takes up what was better in another round.
    fn take(&mut self, other: &Self) {
        for (best, other) in self.nodes.iter_mut().zip(&other.nodes) {
            *best = best.zip(*other).map(|(a, b)| a.min(b));
        }
        self.whole = self.whole.min(other.whole);
    }
}

/// A drawn network of this number.
fn drawn(options: &Options, index: usize) -> Result<Graph, Fault> {
    let (text, batch) = networks::network(options.seed, index, options.largest);
    let read = LoadOptions { batch: Some(batch), dtype: Some(options.dtype), ..LoadOptions::default() };
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let loaded = load_bytes("drawn.json", "drawn", text.into_bytes(), &read, &mut sources, &mut sink);
    Ok(loaded.ok_or(Fault::Internal("a drawn network is not one"))?.graph)
}

/// Runs one network and times its nodes.
fn run(graph: &Graph, device: &Device, seed: u64, resolution: f64) -> Result<Round, RunFault> {
    let network = Network::new(graph, device, &mut |id, one| seeded::stored(graph, id, one, seed, device))?;
    let (inputs, schedule) = (seeded::inputs(graph, seed, device)?, Schedule::as_written(graph));
    let mut clock = Clock::new(device, graph.len());
    for _ in 0..WARM_UP {
        network.evaluate(&schedule, inputs.clone(), &mut ())?;
    }
    let (mut wholes, start) = (Vec::new(), Instant::now());
    while wholes.len() < FEWEST || (wholes.len() < PASSES && start.elapsed() < ENOUGH) {
        let whole = Reading::wall(device)?;
        network.evaluate(&schedule, inputs.clone(), &mut ())?;
        wholes.push(whole.elapsed(device)?);
        network.evaluate(&schedule, inputs.clone(), &mut clock)?;
        clock.settle()?;
    }
    let mut nodes = vec![None; graph.len()];
    for id in running(graph).map_err(Fault::from)? {
        if let Some(found) = timing(&clock.forward[id.index()], resolution) {
            nodes[id.index()] = Some(found.median.max(resolution));
        }
    }
    let whole = timing(&wholes, resolution).map_or(0.0, |found| found.median);
    Ok(Round { nodes, whole })
}
