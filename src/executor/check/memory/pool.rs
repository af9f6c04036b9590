//! Memory on a card: bytes in use of the driver's pool.
//!
//! The pool rounds each tensor up, so both sides count in its pieces. What the kernels of a card need beside their
//! tensors no op declares: the most in use while a node runs is told and not judged.

use candle_core::{Device, Tensor};

use super::super::Subject;
use super::{Difference, INFERENCE, Subjects, TRAINING};
use crate::analysis::memory::training::{self, Profile};
use crate::analysis::memory::{Model, Reshapes, liveness};
use crate::analysis::schedule::Schedule;
use crate::executor::cuda::Pool;
use crate::executor::run::{Network, Observer, RunFault, Step};
use crate::executor::train::Loss;
use crate::graph::NodeId;
use crate::measurement::{self, Check, Curve, Verdict};
use crate::ops::execute::{Fault, Pass};
use crate::units::{Overflow, grouped};

/// Reads the pool around each node.
struct Watch<'n, 'g> {
    network: &'n Network<'g>,
    pool: &'n Pool,
    baseline: u64,
    measured: Vec<u64>,
    peak: Vec<u64>,
    /// Gradients of stored tensors, which come on top of what is predicted: bytes, and in how many pieces at most.
    learned: u64,
    pieces: u64,
    /// By step: the pieces.
    learned_pieces: Vec<u64>,
    fault: Option<Fault>,
}

impl<'n, 'g> Watch<'n, 'g> {
    fn new(network: &'n Network<'g>, pool: &'n Pool) -> Result<Self, Fault> {
        Ok(Self {
            network,
            pool,
            baseline: pool.used()?,
            measured: Vec::new(),
            peak: Vec::new(),
            learned: 0,
            pieces: 0,
            learned_pieces: Vec::new(),
            fault: None,
        })
    }

    fn read(&mut self) -> Result<(), Fault> {
        let own = |bytes: u64| bytes.saturating_sub(self.baseline).saturating_sub(self.learned);
        let (used, high) = (own(self.pool.used()?), own(self.pool.high()?));
        self.measured.push(used);
        self.peak.push(high);
        self.learned_pieces.push(self.pieces);
        Ok(())
    }

    fn keep(&mut self, result: Result<(), Fault>) {
        if let Err(fault) = result {
            self.fault.get_or_insert(fault);
        }
    }

    fn done(&mut self) -> Result<(), Fault> {
        self.fault.take().map_or(Ok(()), Err)
    }
}

impl Observer for Watch<'_, '_> {
    fn begin(&mut self, step: Step) {
        if step.pass == Pass::Backward {
            self.pieces += self.network.stored(step.node).reads().count() as u64;
        }
        let restarted = self.pool.restart();
        self.keep(restarted);
    }

    fn learned(&mut self, bytes: u64) {
        self.learned += bytes;
    }

    fn ran(&mut self, _: Step, _: &[Option<&Tensor>]) {
        let read = self.read();
        self.keep(read);
    }
}

/// The pool and what it rounds to; the reason why nothing can be told.
fn open(device: &Device) -> Result<Result<(Pool, u64), String>, Fault> {
    let Some(pool) = Pool::of(device)? else {
        return Ok(Err("the card's memory comes from no pool".into()));
    };
    Ok(pool.granule()?.map(|granule| (pool, granule)))
}

/// Holds a curve against the least and the most that it may be.
fn judge(
    subjects: Subjects,
    steps: &[(NodeId, Pass)],
    curve: &Curve,
    allowed: &[(u64, u64)],
    granule: u64,
) -> [Check; 2] {
    let mut off = Vec::new();
    for (index, &(node, pass)) in steps.iter().enumerate() {
        let ((least, most), measured) = (allowed[index], curve.measured[index]);
        if !(least..=most).contains(&measured) {
            let way = if pass == Pass::Forward { "" } else { " backward" };
            let predicted =
                if least == most { format!("{least}{way}") } else { format!("{least} to {most}{way}") };
            off.push(Difference { node, predicted, measured: measured.to_string() });
        }
    }
    let verdict = if off.is_empty() {
        Verdict::Within(format!("the card's pool rounds each tensor up to a multiple of {granule} bytes"))
    } else {
        Verdict::Off
    };
    let live = Check {
        verdict,
        predicted: Some(curve.predicted_peak()),
        measured: Some(curve.measured_peak()),
        compared: steps.len(),
        off,
        ..Subject::unchecked(subjects.live, "")
    };
    let most = grouped(curve.allocated_peak());
    let why = format!("no op declares what the kernels of a card need; the most in use were {most} bytes");
    [live, Subject::unchecked(subjects.workspace, why)]
}

/// The steps as reports show them.
fn shown(steps: &[(NodeId, Pass)]) -> Vec<measurement::Step> {
    steps.iter().map(|&(node, pass)| measurement::Step { node, backward: pass == Pass::Backward }).collect()
}

/// As [`super::inference`]; each step has the bytes that are predicted, all tensors rounded as the pool does.
pub(super) fn inference(
    network: &Network<'_>,
    schedule: &Schedule,
    inputs: &mut dyn FnMut() -> Result<Vec<Tensor>, Fault>,
) -> Result<([Check; 2], Option<Curve>), RunFault> {
    let (pool, granule) = match open(&network.device)? {
        Ok(found) => found,
        Err(why) => return Ok((INFERENCE.unchecked(&why), None)),
    };
    // Once for what libraries set up at the first call.
    network.evaluate(schedule, inputs()?, &mut ())?;
    let mut watch = Watch::new(network, &pool)?;
    let made = network.evaluate(schedule, inputs()?, &mut watch)?;
    drop(made);
    watch.done()?;
    let graph = network.graph;
    let mut layout = Model::INFERENCE.layout(graph)?;
    for block in &mut layout.blocks {
        block.bytes = block.bytes.checked_next_multiple_of(granule).ok_or(Overflow)?;
    }
    let rounded = liveness(graph, schedule, layout, Model::INFERENCE)?.curve;
    let allowed: Vec<(u64, u64)> = rounded.into_iter().map(|bytes| (bytes, bytes)).collect();
    let steps: Vec<(NodeId, Pass)> = schedule.order().iter().map(|&id| (id, Pass::Forward)).collect();
    let curve = Curve {
        name: "inference",
        steps: shown(&steps),
        predicted: Model::INFERENCE.memory(graph, schedule)?.curve,
        measured: watch.measured,
        peak: watch.peak,
        workspace: vec![0; steps.len()],
    };
    Ok((judge(INFERENCE, &steps, &curve, &allowed, granule), Some(curve)))
}

/// As [`super::training`]; each step may have as many bytes more than is predicted as rounding its pieces takes at most.
pub(super) fn training(
    network: &Network<'_>,
    schedule: &Schedule,
    inputs: &mut dyn FnMut() -> Result<Vec<Tensor>, Fault>,
    loss: &mut Loss<'_>,
) -> Result<([Check; 2], Option<Curve>), RunFault> {
    let (pool, granule) = match open(&network.device)? {
        Ok(found) => found,
        Err(why) => return Ok((TRAINING.unchecked(&why), None)),
    };
    network.train(schedule, inputs()?, loss, &mut ())?;
    let mut watch = Watch::new(network, &pool)?;
    let made = network.train(schedule, inputs()?, loss, &mut watch)?;
    drop(made);
    watch.done()?;
    let graph = network.graph;
    let forward = schedule.order().iter().map(|&id| (id, Pass::Forward));
    let backward = schedule.order().iter().rev().map(|&id| (id, Pass::Backward));
    let steps: Vec<(NodeId, Pass)> = forward.chain(backward).collect();
    let predicted = training::curve_of(graph, schedule, Profile::Minimal, Reshapes::Contiguous)?;
    let pieces = training::pieces_of(graph, schedule, Profile::Minimal, Reshapes::Contiguous)?;
    let allowed: Vec<(u64, u64)> = (predicted.iter().zip(&pieces).zip(&watch.learned_pieces))
        .map(|((&bytes, &pieces), &learned)| {
            // Less than a granule for each piece.
            let rounding = pieces.checked_add(learned)?.checked_mul(granule - 1)?;
            Some((bytes, bytes.checked_add(rounding)?))
        })
        .collect::<Option<_>>()
        .ok_or(Overflow)?;
    let curve = Curve {
        name: "training",
        steps: shown(&steps),
        predicted,
        measured: watch.measured,
        peak: watch.peak,
        workspace: vec![0; steps.len()],
    };
    Ok((judge(TRAINING, &steps, &curve, &allowed, granule), Some(curve)))
}
