//! Gradient paths, counted by running a network of ones.

use candle_core::{DType, Device, Tensor};
use num::BigUint;
use rustc_hash::FxHashMap;

use super::super::Comparison;
use super::colours::{Reading, readings};
use super::shadow::{Layers, ones, shadow};
use crate::analysis::gradient::Gradient;
use crate::analysis::schedule::Schedule;
use crate::executor::run::Network;
use crate::graph::{Graph, NodeId, StoredTensor};
use crate::measurement::{Check, Difference, Unit, Verdict};
use crate::ops::execute::{Fault, dims};

const EDGES: (&str, &str) = (
    "gradient_edges",
    "ways from layer to layer without weights, by running one layer's channels after another",
);
const PATHS: (&str, &str) = ("gradient_paths", "gradient paths to every layer, by running a network of ones");

/// Largest whole number up to which f64 has every one.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// 2^61 − 1 and 2^63 − 25.
const PRIMES: [u64; 2] = [2_305_843_009_213_693_951, 9_223_372_036_854_775_783];

/// The edges of the weight graph, and the path counts, against what runs.
pub(super) fn check(graph: &Graph, gradient: &Gradient) -> [Check; 2] {
    let unchecked = |(name, what), unit, why: &str| {
        let mut check = Comparison::new(name, what, unit).exact();
        check.verdict = Verdict::Unchecked(why.into());
        check
    };
    match readings(graph) {
        Err(why) => [unchecked(EDGES, Unit::Pairs, &why), unchecked(PATHS, Unit::Paths, &why)],
        Ok(readings) => {
            let edges = edges(gradient, &readings);
            let paths = match &gradient.paths {
                None => unchecked(PATHS, Unit::Paths, "they were not counted"),
                Some(counts) => paths(graph, gradient, counts, &readings)
                    .unwrap_or_else(|why| unchecked(PATHS, Unit::Paths, &why)),
            };
            [edges, paths]
        }
    }
}

/// Every edge into every layer with its multiplicity.
fn edges(gradient: &Gradient, readings: &[Reading]) -> Check {
    let h = &gradient.h;
    let mut comparison = Comparison::new(EDGES.0, EDGES.1, Unit::Pairs);
    for (layer, reading) in h.layers().zip(readings) {
        let Some(id) = h.node(layer) else { continue };
        let predicted = h.before.row(layer as usize);
        comparison.compare(id, predicted.len() as u64, reading.ways.len() as u64);
        let same = predicted.iter().map(|edge| (&edge.vertex, &edge.multiplicity)).eq(&reading.ways);
        if !same && predicted.len() == reading.ways.len() {
            let predicted: Vec<_> = predicted.iter().map(|edge| (edge.vertex, edge.multiplicity)).collect();
            comparison.off.push(Difference {
                node: id,
                predicted: format!("{predicted:?}"),
                measured: format!("{:?}", reading.ways),
            });
        }
    }
    comparison.exact()
}

/// The ends of all paths, in order: graph inputs, then layers.
fn nodes(gradient: &Gradient) -> impl Iterator<Item = (usize, NodeId)> + '_ {
    (0..gradient.h.loss()).filter_map(|vertex| Some((vertex as usize, gradient.h.node(vertex)?)))
}

fn paths(
    graph: &Graph,
    gradient: &Gradient,
    counts: &[BigUint],
    readings: &[Reading],
) -> Result<Check, String> {
    let run = run(graph, readings)?;
    let inputs = gradient.h.inputs().len();
    let residues = PRIMES.map(|prime| residues(readings, inputs, prime));
    let mut check = Comparison::new(PATHS.0, PATHS.1, Unit::Paths).exact();
    let (mut by_prime, mut first, mut off) = (0u64, None, Vec::new());
    for (vertex, id) in nodes(gradient) {
        let predicted = &counts[vertex];
        check.compared += 1;
        let measured = match &run {
            Ok(run) if run[vertex] < EXACT && run[vertex].fract() == 0.0 => {
                let measured = format!("{:.0}", run[vertex]);
                (predicted.to_string() != measured).then_some(measured)
            }
            _ => {
                by_prime += 1;
                first = first.or(Some(id));
                (PRIMES.iter().zip(&residues))
                    .find(|(prime, of)| predicted % **prime != BigUint::from(of[vertex]))
                    .map(|(prime, of)| format!("{} modulo {prime}", of[vertex]))
            }
        };
        off.extend(measured.map(|measured| Difference {
            node: id,
            predicted: predicted.to_string(),
            measured,
        }));
    }
    // What is past the numbers that run exactly has no total.
    (check.predicted, check.measured) = (None, None);
    if let (Some(predicted), Ok(run)) = (gradient.paths_to_input(), &run) {
        let measured: f64 = run[..inputs].iter().sum();
        if measured < EXACT {
            check.predicted = u64::try_from(&predicted).ok();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, below 2^53")]
            let measured = measured as u64;
            check.measured = Some(measured);
        }
    }
    check.verdict = if off.is_empty() { Verdict::Exact } else { Verdict::Off };
    check.off = off;
    let notes = [
        run.err().and_then(|vertex| gradient.h.producers.nodes.get(vertex)).map(|&id| {
            format!(
                "no channels hold each producer that `{}` reads once, so no network of ones was run",
                graph.node(id).name
            )
        }),
        first.map(|id| {
            format!(
                "{by_prime} layers' counts from `{}` on were held against sums over the edges that ran, modulo two \
                 primes near 2^61 and 2^63",
                graph.node(id).name
            )
        }),
    ];
    let notes: Vec<String> = notes.into_iter().flatten().collect();
    check.note = (!notes.is_empty()).then(|| notes.join("; "));
    Ok(check)
}

/// The gradients of the joined shadow's biases, by producer; or the first that no network of ones can have.
fn run(graph: &Graph, readings: &[Reading]) -> Result<Result<Vec<f64>, usize>, String> {
    let shadow = shadow(graph, Layers::Joined)?;
    let inputs = graph.inputs().len();
    let Some((loss, layers)) = readings.split_last() else { return Err("it has no layers".into()) };
    let mut kernels: FxHashMap<NodeId, Tensor> = FxHashMap::default();
    let fault = |error: candle_core::Error| error.to_string();
    for (number, (&id, reading)) in shadow.producers[inputs..].iter().zip(layers).enumerate() {
        let Some(chosen) = reading.one_of_each() else { return Ok(Err(inputs + number)) };
        let mut kernel = vec![0f64; reading.channels.len()];
        chosen.into_iter().for_each(|channel| kernel[channel] = 1.0);
        let shape = (1, kernel.len(), 1, 1);
        kernels.insert(id, Tensor::from_vec(kernel, shape, &Device::Cpu).map_err(fault)?);
    }
    let Some(chosen) = loss.one_of_each() else {
        return Err("no channels hold each producer that the loss reads once".into());
    };
    let mut values = |id: NodeId, one: &StoredTensor| match (one.weight.name, kernels.get(&id)) {
        ("weight", Some(kernel)) => Ok(kernel.clone()),
        ("bias", _) => Ok(ones(id, one)?.zeros_like()?),
        _ => ones(id, one),
    };
    let run = |fault: crate::executor::RunFault| fault.fault.to_string();
    let network = Network::new(&shadow.graph, &Device::Cpu, &mut values).map_err(run)?;
    let given = |&id: &NodeId| {
        Tensor::ones(dims(&shadow.graph.node(id).outputs[0]), DType::F64, &Device::Cpu).map_err(fault)
    };
    let given = shadow.graph.inputs().iter().map(given).collect::<Result<_, _>>()?;
    let mut gradients = |outputs: &[Tensor]| {
        let mut rest = chosen.iter().copied().peekable();
        let mut first = 0;
        let mut of = |output: &Tensor| {
            let channels = output.elem_count();
            let mut gradient = vec![0f64; channels];
            while let Some(channel) = rest.next_if(|&channel| channel < first + channels) {
                gradient[channel - first] = 1.0;
            }
            first += channels;
            Ok(Tensor::from_vec(gradient, output.dims(), output.device())?)
        };
        outputs.iter().map(&mut of).collect::<Result<Vec<_>, Fault>>()
    };
    let schedule = Schedule::as_written(&shadow.graph);
    let learned = network.train(&schedule, given, &mut gradients, &mut ()).map_err(run)?;
    let of = |id: &NodeId| {
        let bias = learned[id.index()].iter().find(|(name, _)| *name == "bias");
        // No gradient reaches what the loss does not depend on.
        bias.map_or(Ok(0.0), |(_, bias)| bias.flatten_all()?.to_vec1::<f64>().map(|values| values[0]))
    };
    let counts = shadow.producers.iter().map(of).collect::<candle_core::Result<_>>().map_err(fault)?;
    Ok(Ok(counts))
}

/// The path counts modulo a prime, from the edges that ran.
fn residues(readings: &[Reading], inputs: usize, prime: u64) -> Vec<u64> {
    let mut counts = vec![0u64; inputs + readings.len()];
    if let Some(loss) = counts.last_mut() {
        *loss = 1;
    }
    for (reader, reading) in readings.iter().enumerate().rev() {
        let own = u128::from(counts[inputs + reader]);
        for (&producer, &ways) in &reading.ways {
            let slot = &mut counts[producer as usize];
            let sum = (u128::from(*slot) + own * u128::from(ways)) % u128::from(prime);
            *slot = u64::try_from(sum).unwrap_or(u64::MAX);
        }
    }
    counts
}
