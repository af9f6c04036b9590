//! Everything that is measured of one network.

use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};

use super::check::{flops, gradients, macs, memory, stored};
use super::run::{Network, Observer, RunFault, Step};
use super::seeded;
use super::timing::{Reading, Sample, resolution, timing};
use crate::analysis::Analysis;
use crate::analysis::gradient::Gradient;
use crate::analysis::schedule::Schedule;
use crate::measurement::{
    Check, Curve, Difference, Measurement, NodeMeasurement, Provenance, Timing, Unit, Verdict,
};
use crate::ops::execute::{Fault, Pass};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Timed repetitions; none where it is 0.
    pub samples: usize,
    /// Repetitions before them.
    pub warm_up: usize,
    /// Whether a step of training is run too.
    pub training: bool,
    /// The seed of the inputs.
    pub seed: u64,
    /// Repetitions end after this time, when there are at least three.
    pub patience: Duration,
    /// Multiply-accumulates that the check of gradients' sources may take.
    pub products: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            samples: 20,
            warm_up: 3,
            training: true,
            seed: 1,
            patience: Duration::from_secs(20),
            products: gradients::PRODUCTS,
        }
    }
}

/// Times each node of a pass.
struct Clock {
    start: Reading,
    forward: Vec<Vec<Sample>>,
    backward: Vec<Vec<Sample>>,
    /// On a card its own.
    #[cfg(feature = "cuda")]
    events: Option<super::cuda::Events>,
}

impl Clock {
    fn new(nodes: usize, device: &Device) -> Self {
        #[cfg(not(feature = "cuda"))]
        let _ = device;
        Self {
            start: Reading::wall(),
            forward: vec![Vec::new(); nodes],
            backward: vec![Vec::new(); nodes],
            #[cfg(feature = "cuda")]
            events: super::cuda::Events::on(device),
        }
    }

    fn push(&mut self, step: Step, sample: Sample) {
        match step.pass {
            Pass::Forward => self.forward[step.node.index()].push(sample),
            Pass::Backward => self.backward[step.node.index()].push(sample),
        }
    }

    /// Takes up what a card has timed, when it is done.
    fn settle(&mut self) -> Result<(), Fault> {
        #[cfg(feature = "cuda")]
        if let Some(events) = &mut self.events {
            for (step, sample) in events.take()? {
                self.push(step, sample);
            }
        }
        Ok(())
    }

    /// The least time that it tells apart.
    fn resolution(&self, wall: f64) -> f64 {
        #[cfg(feature = "cuda")]
        if self.events.is_some() {
            return wall.max(super::cuda::Events::RESOLUTION);
        }
        wall
    }
}

impl Observer for Clock {
    #[cfg_attr(not(feature = "cuda"), expect(unused_variables, reason = "only events ask which step begins"))]
    fn begin(&mut self, step: Step) {
        #[cfg(feature = "cuda")]
        if let Some(events) = &mut self.events {
            return events.begin(step);
        }
        self.start = Reading::wall();
    }

    fn ran(&mut self, step: Step, made: &[Option<&Tensor>]) {
        #[cfg(feature = "cuda")]
        if let Some(events) = &mut self.events {
            return events.ran(step, made);
        }
        let _ = made;
        let sample = self.start.elapsed();
        self.push(step, sample);
    }
}

/// Ones as the gradient of every output: the loss is their sum.
fn ones(outputs: &[Tensor]) -> Result<Vec<Tensor>, Fault> {
    Ok(outputs.iter().map(Tensor::ones_like).collect::<Result<_, _>>()?)
}

/// Repeats something and times it; the first repetitions are not timed.
fn repeat(
    options: &Options,
    resolution: f64,
    mut run: impl FnMut(bool) -> Result<Sample, RunFault>,
) -> Result<Option<Timing>, RunFault> {
    if options.samples == 0 {
        return Ok(None);
    }
    let start = Instant::now();
    let mut samples = Vec::with_capacity(options.samples);
    for warm in 0..options.warm_up {
        run(false)?;
        if warm > 0 && start.elapsed() > options.patience / 4 {
            break;
        }
    }
    while samples.len() < options.samples && (samples.len() < 3 || start.elapsed() < options.patience) {
        samples.push(run(true)?);
    }
    Ok(timing(&samples, resolution))
}

/// Checks every predicted figure and times the network.
///
/// # Errors
/// Where an op does not run or the device fails.
pub fn measure(
    network: &Network<'_>,
    analysis: &Analysis,
    schedule: &Schedule,
    provenance: Provenance,
    options: &Options,
) -> Result<Measurement, RunFault> {
    let graph = network.graph;
    let mut inputs = || seeded::inputs(graph, options.seed, &network.device);
    let mut checks = vec![shapes(network, schedule, &mut inputs)?];
    let mut curves: Vec<Curve> = Vec::new();
    if checks[0].verdict == Verdict::Off {
        // What follows would read what was not made.
        return Ok(Measurement {
            provenance,
            checks,
            forward: None,
            step: None,
            memory: curves,
            nodes: Vec::new(),
        });
    }
    checks.push(stored::check(network, analysis)?);
    checks.extend(macs::check(network)?);
    checks.push(flops::check(graph)?);
    let (check, curve) = memory::inference(network, schedule, &mut inputs)?;
    checks.push(check);
    curves.extend(curve);
    let mut loss = |outputs: &[Tensor]| ones(outputs);
    if options.training {
        let (check, curve) = memory::training(network, schedule, &mut inputs, &mut loss)?;
        checks.push(check);
        curves.extend(curve);
        match Gradient::new(graph) {
            Ok(gradient) => {
                checks.extend(gradients::check(
                    network,
                    &gradient,
                    schedule,
                    options.seed,
                    options.products,
                )?);
            }
            Err(refusal) => checks.push(gradients::refused(refusal)),
        }
    }
    let resolution = resolution();
    let mut clock = Clock::new(graph.len(), &network.device);
    let given = inputs()?;
    let forward = repeat(options, resolution, |timed| {
        let copies = given.clone();
        let start = Reading::now();
        network.evaluate(schedule, copies, &mut ())?;
        let whole = start.elapsed();
        if timed {
            // Apart from the whole: reading the clock between nodes takes time itself.
            network.evaluate(schedule, given.clone(), &mut clock)?;
            clock.settle()?;
        }
        Ok(whole)
    })?;
    let mut backward = Clock::new(graph.len(), &network.device);
    let step = if options.training {
        repeat(options, resolution, |timed| {
            let start = Reading::now();
            network.train(schedule, given.clone(), &mut loss, &mut ())?;
            let whole = start.elapsed();
            if timed {
                network.train(schedule, given.clone(), &mut loss, &mut backward)?;
                backward.settle()?;
            }
            Ok(whole)
        })?
    } else {
        None
    };
    let ticks = clock.resolution(resolution);
    let nodes = (graph.nodes())
        .map(|(id, _)| NodeMeasurement {
            forward: network.runs(id).then(|| timing(&clock.forward[id.index()], ticks)).flatten(),
            backward: network.runs(id).then(|| timing(&backward.backward[id.index()], ticks)).flatten(),
        })
        .collect();
    Ok(Measurement { provenance, checks, forward, step, memory: curves, nodes })
}

/// Every output of every node has the shape and type that was predicted.
fn shapes(
    network: &Network<'_>,
    schedule: &Schedule,
    inputs: &mut dyn FnMut() -> Result<Vec<Tensor>, Fault>,
) -> Result<Check, RunFault> {
    struct Count(u64);
    impl Observer for Count {
        fn ran(&mut self, _: Step, made: &[Option<&Tensor>]) {
            self.0 += made.len() as u64;
        }
    }
    let predicted = network.graph.nodes().map(|(_, node)| node.outputs.len() as u64).sum();
    let mut count = Count(0);
    let mut check = Check {
        name: "shapes",
        what: "shapes and element types of all tensors",
        verdict: Verdict::Exact,
        predicted: Some(predicted),
        measured: None,
        unit: Unit::Tensors,
        compared: network.graph.len(),
        off: Vec::new(),
        note: None,
    };
    match network.evaluate(schedule, inputs()?, &mut count) {
        Ok(_) => {}
        Err(RunFault { node: Some(node), fault: Fault::Shape { predicted, measured } }) => {
            check.verdict = Verdict::Off;
            check.off.push(Difference { node, predicted, measured });
        }
        Err(fault) => return Err(fault),
    }
    check.measured = Some(count.0);
    Ok(check)
}
