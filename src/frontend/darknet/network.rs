//! The network while it is read: its graph, and what later sections may refer to.

use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::SmallVec;

use super::kinds::Kind;
use super::options::{Item, Options};
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::frontend::MAX_NODES;
use crate::graph::{BlockId, Graph, NewNode, NodeId, Origin, Outlet};
use crate::ops::{Flatten, Input, Mismatch, Op, Operator, Reshape};
use crate::source::Span;
use crate::tensor::{DType, TensorShape, TensorType};

/// References of all sections together: a `route` may list thousands.
const MAX_REFERENCES: usize = 2_000_000;

/// What a section made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer {
    /// Its output.
    pub(super) outlet: Outlet,
    /// Whether darknet knows its height, width and channels; else only how many elements it has.
    pub(super) is_map: bool,
    /// Whether it is one of the network's outputs.
    pub(super) role: Role,
    /// Its convolution and its normalization, which others may share.
    pub(super) shared: Shared,
}

/// Whether a layer is one of the network's outputs; the last one always is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It is not.
    Inner,
    /// It is if nothing reads it: a softmax, a cost.
    Loss,
    /// It is, whatever reads it: a detector.
    Detector,
}

/// The nodes of a convolution that have weights.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shared {
    /// The convolution.
    pub(super) conv: Option<NodeId>,
    /// The normalization behind it.
    pub(super) norm: Option<NodeId>,
}

impl Layer {
    /// A layer with a height and a width.
    pub(super) fn map(outlet: Outlet) -> Self {
        Self { outlet, is_map: true, role: Role::Inner, shared: Shared::default() }
    }
}

/// What the reader knows of each section.
#[derive(Clone, Copy, Debug)]
struct Slot {
    header: Span,
    kind: &'static Kind,
    /// Absent where it could not be read.
    layer: Option<Layer>,
    is_read: bool,
}

/// The network while it is read.
pub(super) struct Network {
    graph: Graph,
    slots: Vec<Slot>,
    image: Option<Layer>,
    /// The section that is being read: its kind, its name and its block.
    kind: &'static Kind,
    section: Arc<str>,
    block: Option<BlockId>,
    dtype: DType,
    references: usize,
    /// Ops of the last nodes: like layers share theirs.
    ops: VecDeque<Arc<Op>>,
    /// Whether a limit was passed.
    is_stopped: bool,
}

impl Network {
    /// A network without an input yet.
    pub(super) fn new(name: &str, kind: &'static Kind, batch: u64, dtype: DType) -> Self {
        Self {
            graph: Graph::new(name, batch),
            slots: Vec::new(),
            image: None,
            kind,
            section: "".into(),
            block: None,
            dtype,
            references: 0,
            ops: VecDeque::new(),
            is_stopped: false,
        }
    }

    /// Adds the input, of the given axes behind the batch.
    pub(super) fn add_input(&mut self, name: &str, axes: Vec<u64>, options: &mut Options<'_>) {
        let is_map = axes.len() == 3;
        let shape = TensorShape::new(std::iter::once(self.graph.batch).chain(axes));
        let op = Input { shape, dtype: self.dtype };
        let new = NewNode {
            name: name.into(),
            op: Arc::new(op.into()),
            inputs: SmallVec::new(),
            origin: Origin { span: Some(options.header), ..Origin::default() },
            stage: None,
            block: None,
            shares: None,
            called_as: None,
        };
        match self.graph.add(new) {
            Ok(node) => {
                self.image = Some(Layer { is_map, ..Layer::map(Outlet { node, port: 0 }) });
            }
            Err(mismatch) => options.fail(
                Diagnostic::error(mismatch.code, format!("`{name}`: {}", mismatch.message))
                    .at(options.header, "this input"),
            ),
        }
    }

    /// How many sections were read: the number of the one that is being read.
    pub(super) fn index(&self) -> usize {
        self.slots.len()
    }

    /// The images in a batch.
    pub(super) fn batch(&self) -> u64 {
        self.graph.batch
    }

    /// The element type of the input.
    pub(super) fn dtype(&self) -> DType {
        self.dtype
    }

    /// The type of a tensor.
    pub(super) fn tensor(&self, outlet: Outlet) -> &TensorType {
        self.graph.tensor(outlet)
    }

    /// `[n, c, h, w]` of a map.
    pub(super) fn sizes(&self, map: Outlet) -> [u64; 4] {
        let axes = self.tensor(map).shape.axes();
        [0, 1, 2, 3].map(|axis| axes.get(axis).copied().unwrap_or(1))
    }

    /// `12_convolutional`, for messages.
    pub(super) fn name(&self, index: usize) -> String {
        self.slots.get(index).map_or_else(String::new, |slot| format!("{index}_{}", slot.kind.names[0]))
    }

    /// Makes room for so many sections of a node each.
    pub(super) fn reserve(&mut self, sections: usize) {
        let sections = sections.min(MAX_NODES);
        self.graph.reserve(sections, sections);
        self.slots.reserve(sections);
    }

    /// Whether a limit was passed, so that reading on is pointless.
    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Begins a section.
    pub(super) fn begin(&mut self, kind: &'static Kind) {
        self.kind = kind;
        self.section = format!("{}_{}", self.index(), kind.names[0]).into();
        self.block = Some(self.graph.block(self.section.clone(), None));
    }

    /// Ends a section.
    pub(super) fn end(&mut self, header: Span, layer: Option<Layer>) {
        self.slots.push(Slot { header, kind: self.kind, layer, is_read: false });
    }

    /// What the section before made, or the input.
    ///
    /// `None` where that could not be read, which is reported already.
    pub(super) fn previous(&mut self) -> Option<Layer> {
        match self.slots.last_mut() {
            None => self.image,
            Some(slot) => {
                slot.is_read = true;
                slot.layer
            }
        }
    }

    /// The same as `[n, c, h, w]`; an error where darknet knows no height and width.
    pub(super) fn previous_map(&mut self, options: &mut Options<'_>) -> Option<Outlet> {
        let layer = self.previous()?;
        if options.failed() {
            return None;
        }
        let before = self.index().checked_sub(1);
        self.map_of(layer, before, "image", options)
    }

    /// A layer as `[n, c, h, w]`.
    pub(super) fn map_of(
        &mut self,
        layer: Layer,
        index: Option<usize>,
        part: &str,
        options: &mut Options<'_>,
    ) -> Option<Outlet> {
        if !layer.is_map {
            let kind = self.kind.names[0];
            let error = Diagnostic::error(
                Code::ShapeMismatch,
                format!("`[{kind}]` needs a map with height and width"),
            )
            .at(options.header, "does not fit");
            let place = index.and_then(|index| Some((index, self.slots.get(index)?.header)));
            let shape = &self.tensor(layer.outlet).shape;
            options.fail(match place {
                Some((index, header)) => {
                    error.at(header, format!("`{}`: this is {shape}, a vector", self.name(index)))
                }
                None => error.help("give `[net]` width, height and channels"),
            });
            return None;
        }
        match self.tensor(layer.outlet).shape.rank() {
            2 => self.add(part, Reshape { shape: vec![0, -1, 1, 1] }, &[layer.outlet], options),
            _ => Some(layer.outlet),
        }
    }

    /// A tensor as `[n, elements]`.
    pub(super) fn flat(&mut self, outlet: Outlet, part: &str, options: &mut Options<'_>) -> Option<Outlet> {
        match self.tensor(outlet).shape.rank() {
            2 => Some(outlet),
            _ => self.add(part, Flatten { axis: 1 }, &[outlet], options),
        }
    }

    /// The layers that a list of references names; the error is reported.
    pub(super) fn references(&mut self, items: &[Item], options: &mut Options<'_>) -> Option<Vec<usize>> {
        let now = self.index();
        let mut found = Vec::with_capacity(items.len());
        for item in items {
            self.references += 1;
            if self.references > MAX_REFERENCES {
                let most = crate::units::grouped(MAX_REFERENCES as u64);
                self.is_stopped = true;
                options.fail(
                    Diagnostic::error(
                        Code::TooLarge,
                        format!("the sections refer to more than {most} layers together"),
                    )
                    .at(item.span, "one too many"),
                );
                return None;
            }
            let index = usize::try_from(item.value)
                .ok()
                .or_else(|| now.checked_sub(usize::try_from(item.value.unsigned_abs()).ok()?));
            match index.filter(|&index| index < now) {
                Some(index) => {
                    self.slots[index].is_read = true;
                    found.push(index);
                }
                None => options.fail(no_such_layer(item, now)),
            }
        }
        (!options.failed()).then_some(found)
    }

    /// What a section made; `None` where it could not be read.
    pub(super) fn layer(&self, index: usize) -> Option<Layer> {
        self.slots.get(index)?.layer
    }

    /// Where a section begins.
    pub(super) fn header(&self, index: usize) -> Option<Span> {
        self.slots.get(index).map(|slot| slot.header)
    }

    /// Adds a node of this section. The part with an empty name is the section's own.
    pub(super) fn add(
        &mut self,
        part: &str,
        op: impl Into<Op>,
        inputs: &[Outlet],
        options: &mut Options<'_>,
    ) -> Option<Outlet> {
        self.add_sharing(part, op, inputs, None, options)
    }

    /// Adds a node that uses the weights of an earlier one.
    pub(super) fn add_sharing(
        &mut self,
        part: &str,
        op: impl Into<Op>,
        inputs: &[Outlet],
        shares: Option<NodeId>,
        options: &mut Options<'_>,
    ) -> Option<Outlet> {
        if options.failed() {
            return None;
        }
        if self.graph.len() >= MAX_NODES {
            let most = crate::units::grouped(MAX_NODES as u64);
            self.is_stopped = true;
            options.fail(
                Diagnostic::error(Code::TooLarge, format!("the network has more than {most} nodes"))
                    .at(options.header, "one too many"),
            );
            return None;
        }
        let name = match part {
            "" => self.section.clone(),
            part => format!("{}/{part}", self.section).into(),
        };
        let new = NewNode {
            name,
            op: self.shared(op.into()),
            inputs: inputs.into(),
            origin: Origin {
                span: Some(options.header),
                section: u32::try_from(self.index()).ok(),
                ..Origin::default()
            },
            stage: None,
            block: self.block,
            shares,
            called_as: None,
        };
        match self.graph.add(new) {
            Ok(node) => Some(Outlet { node, port: 0 }),
            Err(mismatch) => {
                options.fail(self.mismatch(*mismatch, inputs, options));
                None
            }
        }
    }

    /// An op, or an equal one of a node not far back.
    fn shared(&mut self, op: Op) -> Arc<Op> {
        const KEPT: usize = 16;
        if let Some(known) = self.ops.iter().find(|known| ***known == op) {
            return known.clone();
        }
        let op = Arc::new(op);
        self.ops.push_front(op.clone());
        self.ops.truncate(KEPT);
        op
    }

    /// Whether two nodes have weights of the same names and shapes.
    pub(super) fn same_weights(&self, a: NodeId, b: NodeId) -> bool {
        let weights = |id: NodeId| {
            let node = self.graph.node(id);
            node.op.weights(&self.graph.input_types(node))
        };
        weights(a) == weights(b)
    }

    /// An op's refusal, drawn at the key at fault and at the sections that make its inputs.
    fn mismatch(&self, mismatch: Mismatch, inputs: &[Outlet], options: &Options<'_>) -> Diagnostic {
        let key = match mismatch.attribute {
            Some("kernel") => "size",
            Some("block_size") => "stride",
            Some("out_channels" | "out_features") => "filters",
            Some(other) => other,
            None => "",
        };
        let place = options.span(key);
        let words = |text: String| text.replace("`kernel`", "`size`").replace("`out_channels`", "`filters`");
        let message = format!("`{}`: {}", self.section, words(mismatch.message));
        let mut diagnostic = Diagnostic::error(mismatch.code, message).at(place, "does not fit");
        for (input, text) in mismatch.inputs {
            let Some(outlet) = inputs.get(input) else { continue };
            let producer = self.graph.node(outlet.node);
            if let Some(span) = producer.origin.span
                && diagnostic.labels.iter().all(|label| label.span != span)
            {
                diagnostic = diagnostic.at(span, format!("`{}`: {text}", producer.name));
            }
        }
        match mismatch.help {
            Some(help) => diagnostic.help(words(help)),
            None => diagnostic,
        }
    }

    /// The finished graph: its outputs are its detectors, its losses and the last section's.
    pub(super) fn finish(mut self, sink: &mut Sink) -> Graph {
        let last = self.slots.len().saturating_sub(1);
        for (index, slot) in self.slots.iter().enumerate() {
            let Some(layer) = slot.layer else { continue };
            let is_output = match layer.role {
                Role::Detector => true,
                Role::Loss => !slot.is_read,
                Role::Inner => false,
            };
            if index == last || is_output {
                self.graph.outputs.push(layer.outlet);
            } else if !slot.is_read && !super::text::full_of_warnings(sink) {
                sink.push(
                    Diagnostic::warning(
                        Code::Unused,
                        format!("nothing reads `{}`, and it is no output", self.name(index)),
                    )
                    .at(slot.header, "counted all the same"),
                );
            }
        }
        self.graph
    }
}

fn no_such_layer(item: &Item, now: usize) -> Diagnostic {
    let message = match item.value {
        value if value >= 0 => format!("no layer {value} stands before this one"),
        value => format!("fewer than {} layers stand before this one", value.unsigned_abs()),
    };
    let error = Diagnostic::error(Code::UnknownReference, message).at(item.span, "not a layer");
    match now {
        0 => error.help("this is the first layer, and the image cannot be referred to"),
        1 => error.help("this is layer 1: write 0 or -1"),
        _ => error.help(format!("this is layer {now}: write 0 to {}, or -1 to -{now}", now - 1)),
    }
}
