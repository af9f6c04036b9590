//! The networks, and steps of stochastic gradient descent by the executor's own backward pass.
//!
//! Batch normalization uses the statistics of the batch everywhere; running ones are not kept.

use candle_core::{Device, Result as Made, Tensor};
use csp_profile::analysis::schedule::Schedule;
use csp_profile::diagnostic::Sink;
use csp_profile::executor::seeded::{self, Range};
use csp_profile::executor::{Network, Observer, RunFault};
use csp_profile::frontend::{LoadOptions, load_bytes};
use csp_profile::graph::{Graph, NodeId, StoredTensor};
use csp_profile::ops::execute::Fault;
use csp_profile::ops::{Op, Role};
use csp_profile::source::SourceMap;

use crate::digits::{Chance, Digit, EDGE, TRAINED};

pub const BATCH: usize = 32;
pub const RATE: f64 = 0.05;
pub const MOMENTUM: f64 = 0.9;

/// One of the four networks, for so many images.
pub fn graph(fusion: &str, batch: usize) -> Result<Graph, String> {
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let options = LoadOptions {
        set: vec![("fusion".into(), fusion.into())],
        batch: Some(batch as u64),
        ..LoadOptions::default()
    };
    let text = include_bytes!("network.json").to_vec();
    let loaded = load_bytes("network.json", fusion, text, &options, &mut sources, &mut sink);
    let faults =
        || sink.diagnostics().iter().map(|fault| fault.message.clone()).collect::<Vec<_>>().join("; ");
    Ok(loaded.ok_or_else(faults)?.graph)
}

/// He et al. 2015 for kernels and matrices; norms begin as the identity.
pub fn first_value(graph: &Graph, id: NodeId, one: &StoredTensor, seed: u64) -> Result<Tensor, Fault> {
    let shape: Vec<usize> = csp_profile::ops::execute::dims(&csp_profile::tensor::TensorType::new(
        one.weight.shape.axes(),
        one.dtype,
    ));
    let count: usize = shape.iter().product();
    let values = match (one.weight.role, one.weight.name) {
        (Role::Weight, _) => {
            let name = format!("{}.{}", graph.node(id).name, one.weight.name);
            let fan_in = count / shape[0];
            seeded::values(&name, seed, Range::weight(fan_in as u64), count)
        }
        (Role::Norm, "weight") | (Role::Buffer, "running_var") => vec![1.0; count],
        _ => vec![0.0; count],
    };
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// Images and their labels as a batch.
pub fn batch(digits: &[&Digit]) -> Made<(Tensor, Vec<usize>)> {
    let pixels: Vec<f32> = digits.iter().flat_map(|digit| digit.pixels.iter().copied()).collect();
    let images = Tensor::from_vec(pixels, (digits.len(), 1, EDGE, EDGE), &Device::Cpu)?;
    Ok((images, digits.iter().map(|digit| digit.label).collect()))
}

/// The mean cross-entropy of logits `[n, classes]`, its gradient (softmax − one-hot) / n, and how many are right.
#[expect(clippy::cast_precision_loss, reason = "a few hundred images")]
pub fn cross_entropy(logits: &Tensor, labels: &[usize]) -> Made<(f64, Tensor, usize)> {
    let rows = logits.to_vec2::<f32>()?;
    let (mut loss, mut right, mut gradient) = (0.0, 0, Vec::new());
    for (row, &label) in rows.iter().zip(labels) {
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exps: Vec<f64> = row.iter().map(|&logit| f64::from(logit - most).exp()).collect();
        let sum: f64 = exps.iter().sum();
        loss -= (exps[label] / sum).ln();
        right += usize::from(row.iter().all(|&logit| logit <= row[label]));
        #[expect(clippy::cast_possible_truncation, reason = "gradients are f32")]
        gradient.extend(exps.iter().enumerate().map(|(class, exp)| {
            ((exp / sum - f64::from(u8::from(class == label))) / rows.len() as f64) as f32
        }));
    }
    let gradient = Tensor::from_vec(gradient, logits.dims(), logits.device())?;
    Ok((loss / rows.len() as f64, gradient, right))
}

/// Trains for so many steps with momentum: v ← m v + g, w ← w − r v. Gives the loss of each step.
pub fn train(
    network: &mut Network<'_>,
    digits: &[Digit],
    seed: u64,
    steps: usize,
) -> Result<Vec<f64>, RunFault> {
    let schedule = Schedule::as_written(network.graph);
    let mut chance = Chance(seed);
    let mut speeds: Vec<Vec<(&'static str, Tensor)>> = vec![Vec::new(); network.graph.len()];
    let (mut order, mut losses) = (Vec::new(), Vec::with_capacity(steps));
    for _ in 0..steps {
        if order.len() < BATCH {
            order = chance.order(TRAINED);
        }
        let some: Vec<&Digit> = order.drain(order.len() - BATCH..).map(|at| &digits[at]).collect();
        let (images, labels) = batch(&some)?;
        let mut loss = |outputs: &[Tensor]| {
            let (loss, gradient, _) = cross_entropy(&outputs[0], &labels)?;
            losses.push(loss);
            Ok(vec![gradient])
        };
        let learned = network.train(&schedule, vec![images], &mut loss, &mut ())?;
        let ids: Vec<NodeId> = network.graph.nodes().map(|(id, _)| id).collect();
        for (id, gradients) in ids.into_iter().zip(learned) {
            for (name, gradient) in gradients {
                let own = &mut speeds[id.index()];
                let speed = match own.iter().position(|(other, _)| *other == name) {
                    Some(at) => ((own.swap_remove(at).1 * MOMENTUM)? + gradient)?,
                    None => gradient,
                };
                let value = (network.stored(id).get(name)? - (&speed * RATE)?)?;
                own.push((name, speed));
                network.store(id, name, &value)?;
            }
        }
    }
    Ok(losses)
}

/// The gradients of the outputs of all convolutions, by name.
struct Arrivals<'g> {
    graph: &'g Graph,
    found: Vec<(String, Tensor)>,
}

impl Observer for Arrivals<'_> {
    fn gradients(&mut self, node: NodeId, gradients: &[Option<Tensor>]) -> Result<(), Fault> {
        let node = self.graph.node(node);
        if let (Op::Conv2d(_), [Some(gradient)]) = (&*node.op, gradients) {
            self.found.push((node.name.to_string(), gradient.clone()));
        }
        Ok(())
    }
}

/// What arrives at all convolutions from images that were not trained on, and the share of right answers.
#[expect(clippy::cast_precision_loss, reason = "a few hundred images")]
pub fn arrivals(network: &Network<'_>, digits: &[Digit]) -> Result<(Vec<(String, Tensor)>, f64), RunFault> {
    let some: Vec<&Digit> = digits[TRAINED..].iter().collect();
    let (images, labels) = batch(&some)?;
    let mut right = 0;
    let mut loss = |outputs: &[Tensor]| {
        let (_, gradient, found) = cross_entropy(&outputs[0], &labels)?;
        right = found;
        Ok(vec![gradient])
    };
    let mut observer = Arrivals { graph: network.graph, found: Vec::new() };
    let schedule = Schedule::as_written(network.graph);
    network.train(&schedule, vec![images], &mut loss, &mut observer)?;
    Ok((observer.found, right as f64 / some.len() as f64))
}
