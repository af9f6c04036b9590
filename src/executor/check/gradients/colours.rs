//! Ways without weights, by colour: one image for each producer, in which it alone gives ones.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};

use super::shadow::{Layers, Shadow, ones, shadow};
use crate::analysis::schedule::Schedule;
use crate::executor::run::Network;
use crate::graph::{Graph, NodeId};
use crate::ops::execute::dims;

/// Elements of a shadow's tensors at once: a quarter of a gibibyte.
const ELEMENTS: u64 = 1 << 25;

/// Elements of all images.
const LIMIT: u64 = 1 << 31;

/// What arrives at one channel: producers and on how many ways.
pub(super) type Arrivals = Vec<(u32, u64)>;

/// What one weight layer reads, or the loss.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    /// By channel of its input.
    pub(super) channels: Vec<Arrivals>,
    /// By producer, the most ways to any one channel.
    pub(super) ways: BTreeMap<u32, u64>,
}

impl Reading {
    /// Channels that together hold every producer just as often as it arrives; `None` where there are none such.
    pub(super) fn one_of_each(&self) -> Option<Vec<usize>> {
        let fits = |&channel: &usize| {
            let arrivals = &self.channels[channel];
            !arrivals.is_empty() && arrivals.iter().all(|(producer, ways)| self.ways[producer] == *ways)
        };
        let mut order: Vec<usize> = (0..self.channels.len()).filter(fits).collect();
        order.sort_by_key(|&channel| std::cmp::Reverse(self.channels[channel].len()));
        let (mut seen, mut chosen) = (BTreeMap::new(), Vec::new());
        for channel in order {
            let arrivals = &self.channels[channel];
            if arrivals.iter().all(|(producer, _)| !seen.contains_key(producer)) {
                seen.extend(arrivals.iter().copied());
                chosen.push(channel);
            }
        }
        chosen.sort_unstable();
        (seen == self.ways).then_some(chosen)
    }
}

fn inputs(shadow: &Shadow, from: usize, batch: usize) -> candle_core::Result<Vec<Tensor>> {
    let graph = &shadow.graph;
    let mut numbers = vec![None; graph.len()];
    let some = shadow.producers.iter().enumerate().skip(from).take(batch);
    some.for_each(|(number, id)| numbers[id.index()] = Some(number - from));
    let of = |id: &NodeId| {
        let channels = dims(&graph.node(*id).outputs[0])[1];
        let mut values = vec![0f64; batch * channels];
        if let Some(image) = numbers[id.index()] {
            values[image * channels..][..channels].fill(1.0);
        }
        Tensor::from_vec(values, (batch, channels, 1, 1), &Device::Cpu)
    };
    graph.inputs().iter().map(of).collect()
}

/// What every weight layer reads, then the loss, by running the shadow forward.
///
/// # Errors
/// Why it cannot be told.
pub(super) fn readings(of: &Graph) -> Result<Vec<Reading>, String> {
    let elements = shadow(of, Layers::Cut(1))?.elements.max(1);
    let producers = shadow(of, Layers::Cut(1))?.producers.len();
    let batch = (ELEMENTS / elements).min(producers as u64).max(1);
    if elements > ELEMENTS || elements.saturating_mul(producers as u64) > LIMIT {
        return Err("its channels are too many to be followed one by one".into());
    }
    let shadow = shadow(of, Layers::Cut(batch))?;
    let layers = shadow.graph.outputs.len() - of.outputs.len();
    let network =
        Network::new(&shadow.graph, &Device::Cpu, &mut ones).map_err(|fault| fault.fault.to_string())?;
    let schedule = Schedule::as_written(&shadow.graph);
    let batch = usize::try_from(batch).map_err(|error| error.to_string())?;
    let mut readings: Vec<Reading> = vec![Reading::default(); layers + 1];
    for from in (0..producers).step_by(batch) {
        let given = inputs(&shadow, from, batch).map_err(|error| error.to_string())?;
        let read = network.evaluate(&schedule, given, &mut ()).map_err(|fault| fault.fault.to_string())?;
        let mut at = 0;
        for (index, tensor) in read.iter().enumerate() {
            let reading = &mut readings[index.min(layers)];
            // The loss reads all outputs, one behind another.
            at = if index > layers { at } else { 0 };
            take(reading, at, from, tensor).map_err(|error| error.to_string())?;
            at += tensor.dims().get(1).copied().unwrap_or(0);
        }
    }
    Ok(readings)
}

/// Takes up what arrived at the channels of one tensor.
fn take(reading: &mut Reading, at: usize, from: usize, tensor: &Tensor) -> candle_core::Result<()> {
    let rows: Vec<Vec<f64>> = tensor.to_dtype(DType::F64)?.flatten_from(1)?.to_vec2()?;
    let channels = rows.first().map_or(0, Vec::len);
    if reading.channels.len() < at + channels {
        reading.channels.resize(at + channels, Arrivals::new());
    }
    for (row, values) in rows.iter().enumerate() {
        let Ok(producer) = u32::try_from(from + row) else { continue };
        for (channel, &value) in values.iter().enumerate().filter(|(_, value)| **value > 0.0) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and above 0")]
            let ways = value as u64;
            reading.channels[at + channel].push((producer, ways));
            let most = reading.ways.entry(producer).or_insert(0);
            *most = ways.max(*most);
        }
    }
    Ok(())
}
