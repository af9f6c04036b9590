//! Memory: bytes of live tensors, node by node, held against the liveness of the schedule that runs.
//!
//! When a node has run and nothing was dropped yet, what is alive must be what was predicted, to the byte. While it runs
//! there may be as much more as its op declares for its workspace; backward also gradients that are added to others.

use std::cmp::Ordering;

#[cfg(feature = "cuda")]
mod pool;

use candle_core::Tensor;

use super::Subject;
use crate::analysis::memory::training::{self, Profile};
use crate::analysis::memory::{Layout, Model, Reshapes};
use crate::analysis::schedule::Schedule;
use crate::executor::allocator;
use crate::executor::run::{self, Network, Observer, RunFault};
use crate::executor::train::Loss;
use crate::graph::{Graph, NodeId};
use crate::measurement::{Check, Curve, Difference, Step, Unit, Verdict};
use crate::ops::Io;
use crate::ops::execute::kernel::elementwise;
use crate::ops::execute::{Execute, Fault, Pass, dtype};
use crate::units::{Overflow, sum};

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
    /// By step, gradients that were added to others.
    added: Vec<u64>,
}

impl Watch {
    fn new(align: usize) -> Self {
        let baseline = allocator::now(align) + allocator::now(MASK);
        Self { align, baseline, measured: Vec::new(), peak: Vec::new(), learned: 0, added: Vec::new() }
    }

    fn bytes(&self, counter: i64) -> u64 {
        u64::try_from(counter - self.baseline - self.learned).unwrap_or(0)
    }
}

impl Observer for Watch {
    fn begin(&mut self, _: run::Step) {
        self.added.push(0);
        allocator::restart(self.align);
    }

    fn added(&mut self, bytes: u64) {
        if let Some(sum) = self.added.last_mut() {
            *sum = sum.saturating_add(bytes);
        }
    }

    fn learned(&mut self, bytes: u64) {
        self.learned += i64::try_from(bytes).unwrap_or(i64::MAX);
    }

    fn ran(&mut self, _: run::Step, _: &[Option<&Tensor>]) {
        self.measured.push(self.bytes(allocator::now(self.align) + allocator::now(MASK)));
        // The peak of single bytes is of texts that libraries read and drop: how many threads there may be.
        self.peak.push(self.bytes(allocator::peak(self.align) + allocator::now(MASK)));
    }
}

/// An alignment of the elements that count; why they cannot be told from others.
fn alignment(graph: &Graph) -> Result<usize, String> {
    let layout = Layout::new(graph, |_| false).map_err(|overflow| overflow.to_string())?;
    if layout.blocks.is_empty() {
        return Err("it has no tensors".into());
    }
    for block in &layout.blocks {
        let of = graph.tensor(block.owner).dtype;
        // Both are counted as one.
        if !matches!(dtype(of).ok_or_else(|| format!("no {of} is run"))?.size_in_bytes(), 2 | 4) {
            return Err(format!("{of} has the alignment of the program's own lists"));
        }
    }
    Ok(4)
}

/// The two checks of a pass.
#[derive(Clone, Copy, Debug)]
pub struct Subjects {
    /// Of what is alive when a node has run.
    pub live: Subject,
    /// Of what is alive while it runs.
    pub workspace: Subject,
}

impl Subjects {
    fn unchecked(self, why: &str) -> [Check; 2] {
        [self.live.unchecked(why), self.workspace.unchecked(why)]
    }
}

/// Of a forward pass.
pub const INFERENCE: Subjects = Subjects {
    live: Subject::new("memory", "bytes of live tensors at the peak of a forward pass", Unit::Bytes),
    workspace: Subject::new("workspace", "the same while its nodes run, with their workspace", Unit::Bytes),
};

/// Of a step of training.
pub const TRAINING: Subjects = Subjects {
    live: Subject::new(
        "training_memory",
        "bytes of live tensors at the peak of a training step (minimal)",
        Unit::Bytes,
    ),
    workspace: Subject::new(
        "training_workspace",
        "the same while its nodes run, with their workspace",
        Unit::Bytes,
    ),
};

/// The most that a node's op declares beside what it reads and gives out.
fn workspace(graph: &Graph, id: NodeId, pass: Pass) -> Result<u64, Overflow> {
    let node = graph.node(id);
    let types = graph.input_types(node);
    let halves =
        types.iter().copied().chain(&node.outputs).any(|of| of.dtype.is_float() && of.dtype.bits() < 32);
    let widened = if halves { elementwise::WIDENED } else { 0 };
    sum([node.op.workspace(Io { inputs: &types, outputs: &node.outputs }, pass)?, widened])
}

/// What was watched beside what is predicted. `gaps` are the bytes of a node's inputs that are copied before they are
/// read.
fn curve(
    name: &'static str,
    graph: &Graph,
    steps: &[(NodeId, Pass)],
    predicted: Vec<u64>,
    watch: Watch,
    gaps: &dyn Fn(NodeId) -> Result<u64, Overflow>,
) -> Result<Curve, Overflow> {
    let workspace = steps.iter().zip(watch.added).map(|(&(id, pass), added)| {
        // A gradient that is added to one that is there is in memory until then.
        sum([workspace(graph, id, pass)?, gaps(id)?, added])
    });
    Ok(Curve {
        name,
        steps: steps.iter().map(|&(node, pass)| Step { node, backward: pass == Pass::Backward }).collect(),
        predicted,
        measured: watch.measured,
        peak: watch.peak,
        workspace: workspace.collect::<Result<_, _>>()?,
    })
}

/// Holds what is alive after each step against its prediction.
fn live(subject: Subject, curve: &Curve) -> Check {
    let figures = curve.predicted.iter().zip(&curve.measured).zip(&curve.steps);
    let off = figures.filter(|((predicted, measured), _)| predicted != measured);
    let off = off.map(|((predicted, measured), step)| Difference {
        node: step.node,
        predicted: format!("{predicted}{}", way(*step)),
        measured: measured.to_string(),
    });
    let off: Vec<Difference> = off.collect();
    Check {
        verdict: if off.is_empty() { Verdict::Exact } else { Verdict::Off },
        predicted: Some(curve.predicted_peak()),
        measured: Some(curve.measured_peak()),
        compared: curve.steps.len(),
        off,
        ..subject.unchecked("")
    }
}

/// Holds the most that was alive during each step against what its op declares. Where what stays is off already, this
/// says nothing.
fn transient(subject: Subject, curve: &Curve) -> Check {
    let (mut compared, mut below, mut off, mut allowed) = (0, 0, Vec::new(), 0);
    for (index, step) in curve.steps.iter().enumerate() {
        let most = curve.predicted[index].saturating_add(curve.workspace[index]);
        allowed = most.max(allowed);
        if curve.predicted[index] != curve.measured[index] {
            continue;
        }
        compared += 1;
        match curve.peak[index].cmp(&most) {
            Ordering::Equal => {}
            Ordering::Less => below += 1,
            Ordering::Greater => off.push(Difference {
                node: step.node,
                predicted: format!("at most {most}{}", way(*step)),
                measured: curve.peak[index].to_string(),
            }),
        }
    }
    let verdict = match (compared, off.is_empty(), below) {
        (0, ..) => Verdict::Unchecked("no step has the live tensors that were predicted".into()),
        (_, false, _) => Verdict::Off,
        (_, true, 0) => Verdict::Exact,
        _ => Verdict::Within(format!(
            "{below} of {compared} steps took less, and an op declares the most that it takes"
        )),
    };
    Check {
        verdict,
        predicted: Some(allowed),
        measured: Some(curve.allocated_peak()),
        compared,
        off,
        ..subject.unchecked("")
    }
}

fn way(step: Step) -> &'static str {
    if step.backward { " backward" } else { "" }
}

/// The alignment by which the tensors of a network are counted; why they are not.
fn countable(network: &Network<'_>) -> Result<usize, String> {
    if !allocator::is_counting() {
        return Err("this program does not count its memory".into());
    }
    if !network.device.is_cpu() {
        return Err("counted on the CPU only".into());
    }
    alignment(network.graph)
}

/// A forward pass in evaluation mode.
///
/// # Errors
/// Where an op does not run or the device fails.
pub fn inference(
    network: &Network<'_>,
    schedule: &Schedule,
    inputs: &mut dyn FnMut() -> Result<Vec<Tensor>, Fault>,
) -> Result<([Check; 2], Option<Curve>), RunFault> {
    #[cfg(feature = "cuda")]
    if network.device.is_cuda() {
        return pool::inference(network, schedule, inputs);
    }
    let align = match countable(network) {
        Ok(align) => align,
        Err(why) => return Ok((INFERENCE.unchecked(&why), None)),
    };
    // Once for what libraries set up at the first call.
    network.evaluate(schedule, inputs()?, &mut ())?;
    let mut watch = Watch::new(align);
    let made = network.evaluate(schedule, inputs()?, &mut watch)?;
    drop(made);
    let graph = network.graph;
    let steps: Vec<(NodeId, Pass)> = schedule.order().iter().map(|&id| (id, Pass::Forward)).collect();
    let predicted = Model::INFERENCE.memory(graph, schedule)?.curve;
    let curve = curve("inference", graph, &steps, predicted, watch, &|_| Ok(0))?;
    Ok((judged(INFERENCE, &curve), Some(curve)))
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
) -> Result<([Check; 2], Option<Curve>), RunFault> {
    #[cfg(feature = "cuda")]
    if network.device.is_cuda() {
        return pool::training(network, schedule, inputs, loss);
    }
    let align = match countable(network) {
        Ok(align) => align,
        Err(why) => return Ok((TRAINING.unchecked(&why), None)),
    };
    network.train(schedule, inputs()?, loss, &mut ())?;
    let mut watch = Watch::new(align);
    let made = network.train(schedule, inputs()?, loss, &mut watch)?;
    drop(made);
    let graph = network.graph;
    let forward = schedule.order().iter().map(|&id| (id, Pass::Forward));
    let backward = schedule.order().iter().rev().map(|&id| (id, Pass::Backward));
    let steps: Vec<(NodeId, Pass)> = forward.chain(backward).collect();
    let predicted = training::curve_of(graph, schedule, Profile::Minimal, Reshapes::Contiguous)?;
    let gaps = |id| network.training.with_gaps(graph, graph.node(id));
    let curve = curve("training", graph, &steps, predicted, watch, &gaps)?;
    Ok((judged(TRAINING, &curve), Some(curve)))
}

fn judged(subjects: Subjects, curve: &Curve) -> [Check; 2] {
    [live(subjects.live, curve), transient(subjects.workspace, curve)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::{LoadOptions, load_bytes};

    /// Three steps of 8, 16 and 8 bytes that declare 4 more each, of which this was measured.
    fn verdicts(measured: [u64; 3], peak: [u64; 3]) -> [Check; 2] {
        let (mut sources, mut sink) =
            (crate::source::SourceMap::default(), crate::diagnostic::Sink::default());
        let text = br#"{"inputs": {"x": [2]}, "layers": [{"op": "relu"}, {"op": "relu"}]}"#;
        let options = LoadOptions::default();
        let loaded = load_bytes("n.json", "n", text.to_vec(), &options, &mut sources, &mut sink).unwrap();
        let curve = Curve {
            name: "inference",
            steps: loaded.graph.nodes().map(|(node, _)| Step { node, backward: false }).collect(),
            predicted: vec![8, 16, 8],
            measured: measured.to_vec(),
            peak: peak.to_vec(),
            workspace: vec![4; 3],
        };
        judged(INFERENCE, &curve)
    }

    #[test]
    fn peaks_are_equal_within_or_off() {
        let [live, workspace] = verdicts([8, 16, 8], [12, 20, 12]);
        assert_eq!((live.verdict, workspace.verdict), (Verdict::Exact, Verdict::Exact));
        assert_eq!((live.predicted, workspace.predicted, workspace.measured), (Some(16), Some(20), Some(20)));
        let [live, workspace] = verdicts([8, 16, 8], [8, 20, 9]);
        assert_eq!(live.verdict, Verdict::Exact);
        assert!(workspace.verdict.reason().unwrap().starts_with("2 of 3 steps took less"), "{workspace:?}");
        assert_eq!(workspace.verdict.name(), "within");
        let [live, workspace] = verdicts([8, 16, 8], [8, 20, 13]);
        assert_eq!((live.verdict, workspace.verdict), (Verdict::Exact, Verdict::Off));
        assert_eq!((&*workspace.off[0].predicted, &*workspace.off[0].measured), ("at most 12", "13"));
    }

    #[test]
    fn where_tensors_are_off_their_workspace_is_not_looked_at() {
        let [live, workspace] = verdicts([8, 17, 8], [12, 40, 12]);
        assert_eq!((live.verdict, live.off.len()), (Verdict::Off, 1));
        assert_eq!((workspace.verdict, workspace.compared), (Verdict::Exact, 2));
        let [_, workspace] = verdicts([9, 17, 9], [9, 17, 9]);
        assert_eq!(workspace.verdict.name(), "unchecked");
    }
}
