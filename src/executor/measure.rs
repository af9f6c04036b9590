//! Everything that is measured of one network.

use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};

use super::check::{SHAPES, SUBJECTS, flops, gradients, macs, memory, stored};
use super::clock::Clock;
use super::run::{Network, Observer, RunFault, Step, Values};
use super::seeded;
use super::timing::{Reading, Sample, resolution, timing};
use crate::analysis::Analysis;
use crate::analysis::gradient::Gradient;
use crate::analysis::schedule::Schedule;
use crate::graph::{Graph, NodeId};
use crate::measurement::{Check, Difference, Measurement, NodeMeasurement, Provenance, Timing, Verdict};
use crate::ops::execute::{Fault, Mode};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Timed repetitions; none where it is 0.
    pub samples: usize,
    /// Repetitions before them; after two only for a quarter of the patience.
    pub warm_up: usize,
    /// Whether more is checked than the tensors' shapes.
    pub checks: bool,
    /// Whether a step of training is run too.
    pub training: bool,
    /// The seed of the inputs.
    pub seed: u64,
    /// Repetitions end after this time, when there are at least three.
    pub patience: Duration,
    /// Multiply-accumulates that the check of gradients' sources may take.
    pub products: u64,
}

/// Ones as the gradient of every output: the loss is their sum.
fn ones(outputs: &[Tensor]) -> Result<Vec<Tensor>, Fault> {
    Ok(outputs.iter().map(Tensor::ones_like).collect::<Result<_, _>>()?)
}

/// Repeats something and times it; the first repetitions are not timed. Gives how many those were too.
fn repeat(
    options: &Options,
    resolution: f64,
    mut run: impl FnMut(bool) -> Result<Sample, RunFault>,
) -> Result<Option<(Timing, usize)>, RunFault> {
    if options.samples == 0 {
        return Ok(None);
    }
    let start = Instant::now();
    let mut warm = 0;
    while warm < options.warm_up && (warm < 2 || start.elapsed() <= options.patience / 4) {
        run(false)?;
        warm += 1;
    }
    let mut samples = Vec::with_capacity(options.samples);
    while samples.len() < options.samples && (samples.len() < 3 || start.elapsed() < options.patience) {
        samples.push(run(true)?);
    }
    Ok(timing(&samples, resolution).map(|timing| (timing, warm)))
}

/// Builds the network, checks every predicted figure and times it. What cannot be checked is in the list too.
///
/// # Errors
/// Where an op does not run or the device fails.
pub fn measure(
    graph: &Graph,
    device: &Device,
    values: &mut Values<'_>,
    analysis: &Analysis,
    schedule: &Schedule,
    provenance: Provenance,
    options: &Options,
) -> Result<Measurement, RunFault> {
    let mut made = Measurement {
        provenance,
        checks: Vec::with_capacity(SUBJECTS.len()),
        forward: None,
        step: None,
        memory: Vec::new(),
        nodes: Vec::new(),
    };
    let ran = Network::new(graph, device, values).and_then(|network| {
        check(&network, analysis, schedule, options, &mut made)?;
        time(&network, schedule, options, &mut made)
    });
    conclude(&mut made.checks, ran, options)?;
    Ok(made)
}

/// Gives what was not checked a row that says why. A tensor that is not as predicted is a wrong prediction, whenever it
/// is found, and nothing that its user did.
fn conclude(checks: &mut Vec<Check>, ran: Result<(), RunFault>, options: &Options) -> Result<(), RunFault> {
    let why = match ran {
        Ok(()) if !options.checks => "nobody asked for it",
        Ok(()) => "no step of training was run",
        Err(RunFault { node: Some(node), fault: Fault::Shape { predicted, measured } }) => {
            if checks.is_empty() {
                checks.push(SHAPES.unchecked(""));
            }
            checks[0].verdict = Verdict::Off;
            checks[0].off.push(Difference { node, predicted, measured });
            "a tensor is not as predicted, see shapes"
        }
        Err(fault) => return Err(fault),
    };
    // They are made in that order.
    checks.extend(SUBJECTS.iter().skip(checks.len()).map(|subject| subject.unchecked(why)));
    Ok(())
}

/// Makes every check.
fn check(
    network: &Network<'_>,
    analysis: &Analysis,
    schedule: &Schedule,
    options: &Options,
    made: &mut Measurement,
) -> Result<(), RunFault> {
    let graph = network.graph;
    let mut inputs = || seeded::inputs(graph, options.seed, &network.device);
    let Measurement { checks, memory, .. } = made;
    shapes(network, schedule, inputs()?, checks)?;
    if !options.checks {
        return Ok(());
    }
    checks.push(stored::check(network, analysis, schedule, &mut inputs)?);
    checks.extend(macs::check(network)?);
    checks.push(flops::check(graph)?);
    let (made, curve) = memory::inference(network, schedule, &mut inputs)?;
    checks.extend(made);
    memory.extend(curve);
    if !options.training {
        return Ok(());
    }
    let (made, curve) = memory::training(network, schedule, &mut inputs, &mut |outputs| ones(outputs))?;
    checks.extend(made);
    memory.extend(curve);
    match Gradient::new(graph) {
        Ok(gradient) => {
            let (seed, products) = (options.seed, options.products);
            checks.extend(gradients::check(network, &gradient, schedule, seed, products)?);
        }
        Err(refusal) => checks.extend(gradients::refused(refusal)),
    }
    Ok(())
}

/// Times whole passes, and each node in passes apart: reading the clock between nodes takes time itself.
fn time(
    network: &Network<'_>,
    schedule: &Schedule,
    options: &Options,
    made: &mut Measurement,
) -> Result<(), RunFault> {
    let (graph, device) = (network.graph, &network.device);
    let resolution = resolution();
    let given = seeded::inputs(graph, options.seed, device)?;
    let mut clock = Clock::new(device, graph.len());
    let forward = repeat(options, resolution, |timed| {
        let copies = given.clone();
        let start = Reading::now(device)?;
        network.evaluate(schedule, copies, &mut ())?;
        let whole = start.elapsed(device)?;
        if timed {
            network.evaluate(schedule, given.clone(), &mut clock)?;
            clock.settle()?;
        }
        Ok(whole)
    })?;
    let mut backward = Clock::new(device, graph.len());
    let mut loss = |outputs: &[Tensor]| ones(outputs);
    let mut step = None;
    if options.training {
        step = repeat(options, resolution, |timed| {
            let start = Reading::now(device)?;
            network.train(schedule, given.clone(), &mut loss, &mut ())?;
            let whole = start.elapsed(device)?;
            if timed {
                network.train(schedule, given.clone(), &mut loss, &mut backward)?;
                backward.settle()?;
            }
            Ok(whole)
        })?;
    }
    let ticks = clock.resolution(resolution);
    let of = |samples: &[Vec<Sample>], id: NodeId, mode: Mode| {
        network.runs(id, mode).then(|| timing(&samples[id.index()], ticks)).flatten()
    };
    let nodes = graph.nodes().map(|(id, _)| NodeMeasurement {
        forward: of(&clock.forward, id, Mode::Evaluate),
        backward: of(&backward.backward, id, Mode::Train),
    });
    made.nodes = nodes.collect();
    // Fewer than were asked for where they took long: of two passes the fewer.
    made.provenance.warm_up =
        [&forward, &step].into_iter().flatten().map(|(_, warm)| *warm).min().unwrap_or(0);
    made.forward = forward.map(|(timing, _)| timing);
    made.step = step.map(|(timing, _)| timing);
    Ok(())
}

/// Every output of every node has the shape and type that was predicted: the row, and where it is not so the fault.
fn shapes(
    network: &Network<'_>,
    schedule: &Schedule,
    inputs: Vec<Tensor>,
    checks: &mut Vec<Check>,
) -> Result<(), RunFault> {
    #[derive(Default)]
    struct Count {
        nodes: usize,
        tensors: u64,
    }
    impl Observer for Count {
        fn ran(&mut self, _: Step, made: &[Option<&Tensor>]) {
            self.nodes += 1;
            self.tensors += made.len() as u64;
        }
    }
    let mut count = Count::default();
    let ran = network.evaluate(schedule, inputs, &mut count);
    checks.push(Check {
        verdict: Verdict::Exact,
        predicted: Some(network.graph.nodes().map(|(_, node)| node.outputs.len() as u64).sum()),
        measured: Some(count.tensors),
        compared: count.nodes,
        ..SHAPES.unchecked("")
    });
    ran.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::{LoadOptions, load_bytes};
    use crate::graph::StoredTensor;
    use crate::measurement::Unit;

    const OPTIONS: Options = Options {
        samples: 0,
        warm_up: 5,
        checks: true,
        training: true,
        seed: 1,
        patience: Duration::ZERO,
        products: 1_000_000,
    };

    fn graph() -> Graph {
        let (mut sources, mut sink) =
            (crate::source::SourceMap::default(), crate::diagnostic::Sink::default());
        let text = br#"{"inputs": {"x": [4]}, "layers": [
            {"name": "c", "op": "constant", "shape": [1, 4], "inputs": []},
            {"op": "linear", "out_features": 4, "inputs": "x"},
            {"op": "add", "inputs": ["c", "linear"]}
        ]}"#;
        let loaded =
            load_bytes("n.json", "n", text.to_vec(), &LoadOptions::default(), &mut sources, &mut sink);
        loaded.unwrap_or_else(|| panic!("{:?}", sink.diagnostics())).graph
    }

    fn provenance() -> Provenance {
        Provenance {
            device: "a processor".into(),
            driver: None,
            library: "a library",
            threads: 1,
            dtype: "f32",
            batch: 1,
            values: "seed 1".into(),
            schedule: "as_written",
            samples: 0,
            warm_up: 5,
            load: None,
            processors: 1,
        }
    }

    fn measured(
        graph: &Graph,
        options: &Options,
        mut values: impl FnMut(NodeId, &StoredTensor) -> Result<Tensor, Fault>,
    ) -> Result<Measurement, RunFault> {
        let analysis = crate::analysis::analyze(graph).unwrap();
        let schedule = Schedule::as_written(graph);
        measure(graph, &Device::Cpu, &mut values, &analysis, &schedule, provenance(), options)
    }

    fn rows(checks: &[Check]) -> Vec<(&str, &str, Unit)> {
        checks.iter().map(|check| (check.name, check.what, check.unit)).collect()
    }

    fn subjects() -> Vec<(&'static str, &'static str, Unit)> {
        SUBJECTS.iter().map(|subject| (subject.name, subject.what, subject.unit)).collect()
    }

    fn unchecked(checks: &[Check]) -> Vec<(&str, &str)> {
        let unchecked = checks.iter().filter(|check| matches!(check.verdict, Verdict::Unchecked(_)));
        unchecked.map(|check| (check.name, check.verdict.reason().unwrap())).collect()
    }

    #[test]
    fn every_check_has_its_row() {
        let graph = graph();
        let seeded = |id, one: &_| seeded::stored(&graph, id, one, 1, &Device::Cpu);
        let whole = measured(&graph, &OPTIONS, seeded).unwrap();
        // What each check calls itself is what stands for it where it is not made.
        assert_eq!(rows(&whole.checks), subjects());
        assert!(whole.holds());
        assert_eq!(whole.provenance.warm_up, 0, "nothing was timed");
        let forward = measured(&graph, &Options { training: false, ..OPTIONS }, seeded).unwrap();
        assert_eq!(rows(&forward.checks), subjects());
        let missing: Vec<&str> = unchecked(&forward.checks)
            .into_iter()
            .filter(|(_, why)| *why == "no step of training was run")
            .map(|(name, _)| name)
            .collect();
        assert_eq!(missing, subjects()[8..].iter().map(|subject| subject.0).collect::<Vec<_>>());
    }

    #[test]
    fn a_stored_tensor_of_another_size_is_refused() {
        let graph = graph();
        let wrong = |id, one: &StoredTensor| {
            let value = seeded::stored(&graph, id, one, 1, &Device::Cpu)?;
            Ok(if one.weight.name == "value" { value.t()? } else { value })
        };
        let refused = measured(&graph, &OPTIONS, wrong).unwrap_err();
        assert!(refused.fault.to_string().contains("is 1x4, but is given [4, 1]"), "{refused:?}");
    }

    #[test]
    fn a_tensor_that_is_not_as_predicted_is_off_late_too() {
        let graph = graph();
        let seeded = |id, one: &_| seeded::stored(&graph, id, one, 1, &Device::Cpu);
        let mut checks = measured(&graph, &OPTIONS, seeded).unwrap().checks;
        checks.truncate(8);
        let node = graph.nodes().nth(2).map(|(id, _)| id);
        let fault = |node| {
            let (predicted, measured) = ("1x4".into(), "1x5".into());
            Err(RunFault { node, fault: Fault::Shape { predicted, measured } })
        };
        conclude(&mut checks, fault(node), &OPTIONS).unwrap();
        assert_eq!(rows(&checks), subjects());
        assert_eq!((&checks[0].verdict, checks[0].off[0].node), (&Verdict::Off, node.unwrap()));
        assert_eq!(checks[1].verdict, Verdict::Exact, "what was checked stays");
        let why = "a tensor is not as predicted, see shapes";
        assert_eq!(
            unchecked(&checks[8..]),
            subjects()[8..].iter().map(|one| (one.0, why)).collect::<Vec<_>>()
        );
        // What a user can do something about is told as ever.
        assert!(conclude(&mut Vec::new(), Err(Fault::unrunnable("no").into()), &OPTIONS).is_err());
    }

    #[test]
    fn a_refusal_leaves_a_row_for_each_check() {
        let refusal = crate::analysis::provenance::Refusal::TooLarge;
        let rows = gradients::refused(refusal);
        let why = refusal.to_string();
        let found: Vec<_> = unchecked(&rows);
        assert_eq!(found, subjects()[10..].iter().map(|one| (one.0, &*why)).collect::<Vec<_>>());
    }

    #[test]
    fn repetitions_that_were_made_are_counted() {
        let sample = Sample { wall: 1.0, processor: None };
        let made = |patience, warm_up| {
            let (mut warm, mut timed) = (0, 0);
            let options = Options { samples: 4, warm_up, patience, ..OPTIONS };
            let told = repeat(&options, 1.0, |is_timed| {
                *(if is_timed { &mut timed } else { &mut warm }) += 1;
                Ok(sample)
            });
            let (timing, told) = told.unwrap().unwrap();
            assert_eq!((timing.samples, told), (timed, warm));
            (timed, warm)
        };
        // Time for all of them, and for none.
        assert_eq!(made(Duration::from_secs(1000), 5), (4, 5));
        assert_eq!(made(Duration::ZERO, 5), (3, 2));
        assert_eq!(made(Duration::ZERO, 0), (3, 0));
        assert!(repeat(&OPTIONS, 1.0, |_| Ok(sample)).unwrap().is_none());
    }
}
