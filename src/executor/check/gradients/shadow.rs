//! The shadow of a network: its channels without their maps, in whole numbers.
//!
//! Every tensor is `[n, c, 1, 1]` of f64. What moves channels (concat, slice, split, shuffle, a shortcut that adds the
//! first channels) runs as its own op; what joins tensors element by element is an addition; what acts on each channel
//! alone is left out, for its slope is 1.
//!
//! Cut, each producer of channels is an input: one image for each, in which that producer's channels are ones and all
//! others zeros. What arrives at a channel is then the number of ways from each producer, without weights. Joined, a
//! weight layer is a convolution to one channel with a bias, and one from there to its output channels, all of ones: the
//! gradient of the bias is the number of paths that reach the layer.

use std::num::NonZeroU64;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use smallvec::SmallVec;

use crate::graph::{Graph, NewNode, Node, NodeId, Origin, Outlet, StoredTensor};
use crate::ops::attribute::{Padding, Pair};
use crate::ops::execute::{Fault, dims};
use crate::ops::{Add, AddChannels, Channels, Concat, Conv2d, Input, Io, Op, Operator, Run, Slice};
use crate::tensor::{DType, TensorType};

/// How weight layers stand in a shadow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layers {
    /// Each is an input, of so many images.
    Cut(u64),
    /// Each is a product by ones.
    Joined,
}

/// A tensor of the shadow.
#[derive(Clone, Copy)]
struct Part {
    outlet: Outlet,
    channels: u64,
    /// Whether it is made of constants alone.
    is_bare: bool,
}

/// The shadow of a network.
pub(super) struct Shadow {
    /// It. Its outputs are what each weight layer reads, or what the network gives.
    pub(super) graph: Graph,
    /// Graph inputs and weight layers in order: the input, or the convolution with the bias.
    pub(super) producers: Vec<NodeId>,
    /// Elements of all its tensors for one image.
    pub(super) elements: u64,
}

/// Builds the shadow of a network.
///
/// # Errors
/// Why it has none: channels are mixed.
pub(super) fn shadow(of: &Graph, layers: Layers) -> Result<Shadow, String> {
    let batch = if let Layers::Cut(batch) = layers { batch } else { 1 };
    let mut builder = Builder { layers, batch, graph: Graph::new("shadow", batch), elements: 0 };
    let mut tensors: Vec<Vec<Part>> = Vec::with_capacity(of.len());
    let (mut inputs, mut producers, mut reads) = (Vec::new(), Vec::new(), Vec::new());
    for (_, node) in of.nodes() {
        let read: Vec<Part> =
            node.inputs.iter().map(|input| tensors[input.node.index()][input.port as usize]).collect();
        let types = of.input_types(node);
        let io = Io { inputs: &types, outputs: &node.outputs };
        let is_layer = matches!(node.op.channels(io, 0), Channels::Weighted { .. }) && !read.is_empty();
        let made = if node.is_input() {
            let (id, made) = builder.producer(None, node)?;
            inputs.push(id);
            made
        } else if is_layer {
            reads.push(read[0].outlet);
            let (id, made) = builder.producer(Some(read[0]), node)?;
            producers.push(id);
            made
        } else {
            builder.pass(node, io, &read).map_err(|why| format!("`{}`: {why}", node.name))?
        };
        tensors.push(made);
    }
    let given = of.outputs.iter().map(|output| tensors[output.node.index()][output.port as usize].outlet);
    builder.graph.outputs =
        if layers == Layers::Joined { given.collect() } else { reads.into_iter().chain(given).collect() };
    inputs.extend(producers);
    Ok(Shadow { graph: builder.graph, producers: inputs, elements: builder.elements })
}

struct Builder {
    layers: Layers,
    batch: u64,
    graph: Graph,
    elements: u64,
}

/// Ones for every kernel of a shadow: their product is 1, whatever it is of.
///
/// # Errors
/// Where the device fails.
pub(super) fn ones(_: NodeId, one: &StoredTensor) -> Result<Tensor, Fault> {
    let of = TensorType::new(one.weight.shape.axes(), one.dtype);
    Ok(Tensor::ones(dims(&of), candle_core::DType::F64, &Device::Cpu)?)
}

fn of_ones(out: u64, groups: u64, bias: bool) -> Option<Op> {
    Some(Op::from(Conv2d {
        out_channels: NonZeroU64::new(out)?,
        kernel: Pair::both(1),
        stride: Pair::both(1),
        padding: Padding::all(0),
        dilation: Pair::both(1),
        groups: NonZeroU64::new(groups)?,
        bias,
        dtype: None,
    }))
}

impl Builder {
    /// Adds a node; gives its first output.
    fn add(&mut self, op: Arc<Op>, inputs: impl IntoIterator<Item = Part>) -> Result<Outlet, String> {
        let new = NewNode {
            name: self.graph.len().to_string().into(),
            op,
            inputs: inputs.into_iter().map(|part| part.outlet).collect(),
            origin: Origin::default(),
            stage: None,
            block: None,
            shares: None,
            called_as: None,
        };
        let id = self.graph.add(new).map_err(|mismatch| mismatch.message)?;
        let made = self.graph.node(id).outputs.iter().map(TensorType::channels);
        self.elements = made.fold(self.elements, u64::saturating_add);
        Ok(Outlet { node: id, port: 0 })
    }

    fn source(&mut self, channels: u64) -> Result<Part, String> {
        let op = Input { shape: [self.batch, channels, 1, 1].into(), dtype: DType::F64 };
        let outlet = self.add(Arc::new(op.into()), [])?;
        Ok(Part { outlet, channels, is_bare: false })
    }

    /// A convolution with kernels of one tap.
    fn product(&mut self, from: Part, channels: u64, groups: u64, bias: bool) -> Result<Part, String> {
        let op = of_ones(channels, groups, bias).ok_or("a layer without channels")?;
        let outlet = self.add(Arc::new(op), [from])?;
        Ok(Part { outlet, channels, is_bare: from.is_bare })
    }

    /// What stands for a graph input or a weight layer, and its outputs.
    fn producer(&mut self, read: Option<Part>, node: &Node) -> Result<(NodeId, Vec<Part>), String> {
        let channels = node.outputs.iter().map(TensorType::channels);
        if self.layers != Layers::Joined {
            // All outputs of a layer are one producer; no op has several with channels of their own.
            let made = channels.map(|channels| self.source(channels)).collect::<Result<Vec<_>, _>>()?;
            return match made[..] {
                [only] => Ok((only.outlet.node, made)),
                _ => Err(format!("`{}` makes several tensors", node.name)),
            };
        }
        let read = match read {
            Some(read) => read,
            None => self.source(1)?,
        };
        let one = Part { is_bare: false, ..self.product(read, 1, 1, true)? };
        let made = channels.map(|channels| self.product(one, channels, 1, false));
        Ok((one.outlet.node, made.collect::<Result<_, _>>()?))
    }

    /// What an op without weights of its own makes.
    fn pass(&mut self, node: &Node, io: Io<'_>, read: &[Part]) -> Result<Vec<Part>, String> {
        let mut made = Vec::with_capacity(node.outputs.len());
        let mut own: Option<NodeId> = None;
        for (port, output) in node.outputs.iter().enumerate() {
            let channels = output.channels();
            let rule = node.op.channels(io, port);
            let is_bare = read.iter().all(|part| part.is_bare);
            let part = match &rule {
                // Neither a weight layer nor an input: a constant. Nothing but constants makes nothing else.
                Channels::Source => Part { is_bare: true, ..self.source(channels)? },
                _ if is_bare => Part { is_bare: true, ..self.source(channels)? },
                Channels::Same => self.same(read, channels)?,
                Channels::FirstMin => {
                    let op = Add { channels: AddChannels::FirstMin, subsample: false };
                    let outlet = self.add(Arc::new(op.into()), read.iter().copied())?;
                    Part { outlet, channels, is_bare }
                }
                Channels::Runs(runs) => {
                    let node_id = match own {
                        Some(id) => Some(id),
                        None => self.itself(node, read, &rule, port),
                    };
                    own = node_id;
                    match node_id {
                        Some(id) => {
                            let port = u32::try_from(port).map_err(|error| error.to_string())?;
                            Part { outlet: Outlet { node: id, port }, channels, is_bare }
                        }
                        None => self.moved(runs, read)?,
                    }
                }
                Channels::Repeat { by } if read.len() == 1 => {
                    let from = read[0];
                    match from.channels.checked_mul(*by) {
                        Some(repeated) if repeated == channels && *by == 1 => from,
                        Some(repeated) if repeated == channels => {
                            self.product(from, channels, from.channels, false)?
                        }
                        _ => return Err("its channels are repeated, but not all as often".into()),
                    }
                }
                Channels::Fold { by: 1 } if read.len() == 1 && read[0].channels == channels => read[0],
                Channels::Fold { .. } => return Err("it folds channels".into()),
                _ => return Err("it mixes all channels".into()),
            };
            made.push(part);
        }
        Ok(made)
    }

    /// Channel by channel; what is one channel reaches all.
    fn same(&mut self, read: &[Part], channels: u64) -> Result<Part, String> {
        let mut terms: SmallVec<[Part; 2]> = SmallVec::new();
        for &part in read.iter().filter(|part| !part.is_bare) {
            terms.push(match part.channels {
                own if own == channels => part,
                1 => self.product(part, channels, 1, false)?,
                own => return Err(format!("{own} channels are used as {channels}")),
            });
        }
        let Some((&first, rest)) = terms.split_first() else { return Err("it reads constants alone".into()) };
        let op: Arc<Op> = Arc::new(Add { channels: AddChannels::Equal, subsample: false }.into());
        rest.iter().try_fold(first, |sum, &term| {
            let outlet = self.add(Arc::clone(&op), [sum, term])?;
            Ok(Part { outlet, ..sum })
        })
    }

    /// The op itself, where it moves the channels of maps of one element as it moves those of its own.
    fn itself(&mut self, node: &Node, read: &[Part], rule: &Channels, port: usize) -> Option<NodeId> {
        let types: Vec<TensorType> = read.iter().map(|part| self.graph.tensor(part.outlet).clone()).collect();
        let types: Vec<&TensorType> = types.iter().collect();
        if !node.op.weights(&types).is_empty() {
            return None;
        }
        let made = node.op.infer(&types).ok()?;
        let fits = made.len() == node.outputs.len()
            && made.iter().zip(&node.outputs).all(|(made, output)| {
                made.shape.axes() == [self.batch, output.channels(), 1, 1] && made.dtype == DType::F64
            });
        let io = Io { inputs: &types, outputs: &made };
        if !fits || node.op.channels(io, port) != *rule {
            return None;
        }
        self.add(Arc::clone(&node.op), read.iter().copied()).ok().map(|outlet| outlet.node)
    }

    /// The same by slices and a concat.
    fn moved(&mut self, runs: &[Run], read: &[Part]) -> Result<Part, String> {
        let mut parts = Vec::with_capacity(runs.len());
        for run in runs.iter().filter(|run| run.length > 0) {
            let from = read[run.input];
            if (run.start, run.length, run.step) == (0, from.channels, 1) {
                parts.push(from);
                continue;
            }
            let step = NonZeroU64::new(run.step).ok_or("its channels are one channel again and again")?;
            let end = run.start + (run.length - 1) * run.step + 1;
            let op = Slice { axis: 1, start: run.start, end: Some(end), step };
            let outlet = self.add(Arc::new(op.into()), [from])?;
            parts.push(Part { outlet, channels: run.length, is_bare: from.is_bare });
        }
        let [ref only] = parts[..] else {
            let channels = parts.iter().map(|part| part.channels).sum();
            let is_bare = parts.iter().all(|part| part.is_bare);
            let outlet = self.add(Arc::new(Concat { axis: 1 }.into()), parts)?;
            return Ok(Part { outlet, channels, is_bare });
        };
        Ok(*only)
    }
}
