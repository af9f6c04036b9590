//! Memory: bytes of live tensors, node by node, held against the liveness of the schedule that runs.
//!
//! When a node has run and nothing was dropped yet, what is alive must be what was predicted, to the byte. While it runs
//! there may be as much more as its op declares for its workspace.

#[cfg(feature = "cuda")]
mod pool;

use candle_core::Tensor;

use crate::analysis::memory::training::{self, Profile};
use crate::analysis::memory::{Layout, Model};
use crate::analysis::schedule::Schedule;
use crate::executor::allocator;
use crate::executor::run::{Network, Observer, RunFault, Step};
use crate::executor::train::Loss;
use crate::graph::{Graph, NodeId};
use crate::measurement::{self, Check, Curve, Difference, Unit, Verdict};
use crate::ops::Io;
use crate::ops::execute::{Execute, Fault, Pass, dtype};
use crate::units::{Overflow, grouped, sum};

/// The alignment of masks, a byte an element.
const MASK: usize = 1;

/// Reads the allocator's counters around each node.
struct Watch {
    align: usize,
    baseline: i64,
    measured: Vec<u64>,
    peak: Vec<u64>,
    /// Gradients of stored tensors, which come on top of what is predicted.
    learned: i64,
}

impl Watch {
    fn new(align: usize) -> Self {
        let baseline = allocator::now(align) + allocator::now(MASK);
        Self { align, baseline, measured: Vec::new(), peak: Vec::new(), learned: 0 }
    }

    fn bytes(&self, counter: i64) -> u64 {
        u64::try_from(counter - self.baseline - self.learned).unwrap_or(0)
    }
}

impl Observer for Watch {
    fn begin(&mut self, _: Step) {
        allocator::restart(self.align);
    }

    fn learned(&mut self, bytes: u64) {
        self.learned += i64::try_from(bytes).unwrap_or(i64::MAX);
    }

    fn ran(&mut self, _: Step, _: &[Option<&Tensor>]) {
        self.measured.push(self.bytes(allocator::now(self.align) + allocator::now(MASK)));
        // The peak of single bytes is of texts that libraries read and drop: how many threads there may be.
        self.peak.push(self.bytes(allocator::peak(self.align) + allocator::now(MASK)));
    }
}

/// The alignment of the elements that count; why they cannot be told from others.
fn alignment(graph: &Graph) -> Result<usize, String> {
    let layout = Layout::new(graph, |_| false).map_err(|overflow| overflow.to_string())?;
    let mut found = None;
    for block in &layout.blocks {
        let of = graph.tensor(block.owner).dtype;
        let bytes = dtype(of).ok_or_else(|| format!("no {of} is run"))?.size_in_bytes();
        match found {
            None => found = Some(bytes),
            Some(other) if other == bytes => {}
            Some(_) => return Err("its tensors have elements of several sizes".into()),
        }
    }
    match found {
        Some(bytes @ (2 | 4)) => Ok(bytes),
        Some(_) => Err("its elements have the alignment of the program's own lists".into()),
        None => Err("it has no tensors".into()),
    }
}

fn unchecked(name: &'static str, what: &'static str, why: String) -> Check {
    Check {
        name,
        what,
        verdict: Verdict::Unchecked(why),
        predicted: None,
        measured: None,
        unit: Unit::Bytes,
        compared: 0,
        off: Vec::new(),
        note: None,
    }
}

/// What may be in memory beside what is predicted while a node runs.
fn workspace(graph: &Graph, id: NodeId, pass: Pass) -> Result<u64, Overflow> {
    let node = graph.node(id);
    let types = graph.input_types(node);
    let own = node.op.workspace(Io { inputs: &types, outputs: &node.outputs }, pass)?;
    match pass {
        Pass::Forward => Ok(own),
        // A gradient that is added to one that is there.
        Pass::Backward => sum([own, sum(types.iter().map(|of| of.bytes().get()))?]),
    }
}

/// The steps as reports show them.
fn shown(steps: &[(NodeId, Pass)]) -> Vec<measurement::Step> {
    steps.iter().map(|&(node, pass)| measurement::Step { node, backward: pass == Pass::Backward }).collect()
}

/// Holds a curve against its prediction.
fn judge(steps: &[(NodeId, Pass)], curve: &Curve, name: &'static str, what: &'static str) -> Check {
    let mut off = Vec::new();
    for (index, &(node, pass)) in steps.iter().enumerate() {
        let (predicted, measured) = (curve.predicted[index], curve.measured[index]);
        let most = predicted.saturating_add(curve.workspace[index]);
        if predicted != measured {
            let way = if pass == Pass::Forward { "" } else { " backward" };
            off.push(Difference {
                node,
                predicted: format!("{predicted}{way}"),
                measured: measured.to_string(),
            });
        } else if curve.peak[index] > most {
            off.push(Difference {
                node,
                predicted: format!("at most {most} with its workspace"),
                measured: curve.peak[index].to_string(),
            });
        }
    }
    Check {
        name,
        what,
        verdict: if off.is_empty() { Verdict::Exact } else { Verdict::Off },
        predicted: Some(curve.predicted_peak()),
        measured: Some(curve.measured_peak()),
        unit: Unit::Bytes,
        compared: steps.len(),
        off,
        note: Some(format!("{} bytes with the workspace", grouped(curve.allocated_peak()))),
    }
}

/// A forward pass in evaluation mode.
///
/// # Errors
/// Where an op does not run or the device fails.
pub fn inference(
    network: &Network<'_>,
    schedule: &Schedule,
    inputs: &mut dyn FnMut() -> Result<Vec<Tensor>, Fault>,
) -> Result<(Check, Option<Curve>), RunFault> {
    let (name, what) = ("memory", "bytes of live tensors at the peak of a forward pass");
    #[cfg(feature = "cuda")]
    if network.device.is_cuda() {
        return pool::inference((name, what), network, schedule, inputs);
    }
    let align = match (allocator::is_counting(), network.device.is_cpu(), alignment(network.graph)) {
        (true, true, Ok(align)) => align,
        (false, ..) => {
            return Ok((unchecked(name, what, "this program does not count its memory".into()), None));
        }
        (_, false, _) => return Ok((unchecked(name, what, "counted on the CPU only".into()), None)),
        (.., Err(why)) => return Ok((unchecked(name, what, why), None)),
    };
    // Once for what libraries set up at the first call.
    network.evaluate(schedule, inputs()?, &mut ())?;
    let mut watch = Watch::new(align);
    let made = network.evaluate(schedule, inputs()?, &mut watch)?;
    drop(made);
    let graph = network.graph;
    let steps: Vec<(NodeId, Pass)> = schedule.order().iter().map(|&id| (id, Pass::Forward)).collect();
    let curve = Curve {
        name: "inference",
        steps: shown(&steps),
        predicted: Model::INFERENCE.memory(graph, schedule)?.curve,
        measured: watch.measured,
        peak: watch.peak,
        workspace: steps.iter().map(|&(id, pass)| workspace(graph, id, pass)).collect::<Result<_, _>>()?,
    };
    Ok((judge(&steps, &curve, name, what), Some(curve)))
}

/// A step of training, held against the profile `minimal`.
///
/// # Errors
/// Where an op does not run or the device fails.
pub fn training(
    network: &Network<'_>,
    schedule: &Schedule,
    inputs: &mut dyn FnMut() -> Result<Vec<Tensor>, Fault>,
    loss: &mut Loss<'_>,
) -> Result<(Check, Option<Curve>), RunFault> {
    let (name, what) = ("training_memory", "bytes of live tensors at the peak of a training step (minimal)");
    #[cfg(feature = "cuda")]
    if network.device.is_cuda() {
        return pool::training((name, what), network, schedule, inputs, loss);
    }
    let align = match (allocator::is_counting(), network.device.is_cpu(), alignment(network.graph)) {
        (true, true, Ok(align)) => align,
        (false, ..) => {
            return Ok((unchecked(name, what, "this program does not count its memory".into()), None));
        }
        (_, false, _) => return Ok((unchecked(name, what, "counted on the CPU only".into()), None)),
        (.., Err(why)) => return Ok((unchecked(name, what, why), None)),
    };
    network.train(schedule, inputs()?, loss, &mut ())?;
    let mut watch = Watch::new(align);
    let made = network.train(schedule, inputs()?, loss, &mut watch)?;
    drop(made);
    let graph = network.graph;
    let forward = schedule.order().iter().map(|&id| (id, Pass::Forward));
    let backward = schedule.order().iter().rev().map(|&id| (id, Pass::Backward));
    let steps: Vec<(NodeId, Pass)> = forward.chain(backward).collect();
    let curve = Curve {
        name: "training",
        steps: shown(&steps),
        predicted: training::curve_of(graph, schedule, Profile::Minimal)?,
        measured: watch.measured,
        peak: watch.peak,
        workspace: steps.iter().map(|&(id, pass)| workspace(graph, id, pass)).collect::<Result<_, _>>()?,
    };
    Ok((judge(&steps, &curve, name, what), Some(curve)))
}
