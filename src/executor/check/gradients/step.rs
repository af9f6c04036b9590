//! One step of training, kept: what nodes made and keep, and the gradients that arrived.

use candle_core::Tensor;

use super::copies::Prints;
use crate::analysis::schedule::Schedule;
use crate::executor::run::{Network, Observer, RunFault};
use crate::executor::seeded::{self, Range};
use crate::executor::train::{Learned, Memory};
use crate::graph::NodeId;
use crate::ops::execute::{Fault, Tensors};

/// A step of seeded values.
pub(super) struct Step {
    /// The inputs.
    pub(super) inputs: Vec<Tensor>,
    /// By node, what weight layers made.
    pub(super) made: Vec<Option<Tensors>>,
    /// By node, what is kept for the way back.
    pub(super) kept: Vec<Memory>,
    /// By node, the gradients of its learned tensors.
    pub(super) learned: Vec<Learned>,
    /// Of the gradients that arrived.
    pub(super) prints: Prints,
    gradients: Vec<Tensor>,
}

/// Notes or replaces what weight layers make.
struct Layers<'a> {
    made: &'a mut [Option<Tensors>],
    is_layer: &'a [bool],
    replaces: bool,
}

impl Observer for Layers<'_> {
    fn made(&mut self, node: NodeId, _: &[Tensor], made: &mut Tensors) -> Result<(), Fault> {
        let at = node.index();
        if self.is_layer[at] {
            match &self.made[at] {
                Some(given) if self.replaces => made.clone_from(given),
                _ => self.made[at] = Some(made.clone()),
            }
        }
        Ok(())
    }
}

/// Copies, for sums of gradients are made in place.
fn copies(of: &[Tensor]) -> Result<Vec<Tensor>, Fault> {
    Ok(of.iter().map(Tensor::copy).collect::<Result<_, _>>()?)
}

impl Step {
    /// Runs one. The gradients of the outputs are seeded too: of equal ones, norms leave nothing.
    pub(super) fn new(
        network: &Network<'_>,
        schedule: &Schedule,
        is_layer: &[bool],
        seed: u64,
    ) -> Result<Self, RunFault> {
        let graph = network.graph;
        let inputs = seeded::inputs(graph, seed, &network.device)?;
        let mut made = vec![None; graph.len()];
        let mut layers = Layers { made: &mut made, is_layer, replaces: false };
        let (kept, live) = network.remember(schedule, inputs.clone(), &mut layers)?;
        drop(live);
        let gradient = |(at, outlet): (usize, &_)| {
            let of = graph.tensor(*outlet);
            seeded::tensor(&format!("gradient of output {at}"), seed, Range::INPUT, of, &network.device)
        };
        let gradients: Vec<Tensor> =
            graph.outputs.iter().enumerate().map(gradient).collect::<Result<_, _>>()?;
        let mut prints = Prints::new(graph);
        let learned = network.recall(schedule, kept.clone(), copies(&gradients)?, (), &mut prints)?;
        Ok(Self { inputs, made, kept, learned, prints, gradients })
    }

    /// What every node would keep, were these inputs and these outputs of weight layers given.
    pub(super) fn kept_with(
        &self,
        network: &Network<'_>,
        schedule: &Schedule,
        is_layer: &[bool],
        inputs: Vec<Tensor>,
        mut made: Vec<Option<Tensors>>,
    ) -> Result<Vec<Memory>, RunFault> {
        let mut layers = Layers { made: &mut made, is_layer, replaces: true };
        Ok(network.remember(schedule, inputs, &mut layers)?.0)
    }

    /// The way back with something else kept.
    pub(super) fn learned_with(
        &self,
        network: &Network<'_>,
        schedule: &Schedule,
        kept: Vec<Memory>,
    ) -> Result<Vec<Learned>, RunFault> {
        network.recall(schedule, kept, copies(&self.gradients)?, (), &mut ())
    }
}
