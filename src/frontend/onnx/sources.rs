//! Where the values of a network's tensors lie in its ONNX file, and what an import leaves out that a run would need.
//!
//! Recorded only where [`crate::frontend::LoadOptions::values`] asks. No payload is read here: `values.rs` does.
#![cfg_attr(
    not(feature = "exec"),
    allow(dead_code, reason = "what is noted here is read where networks run")
)]

use super::model::{Data, Model};
use super::parameters::Parameters;
use super::range;
use super::scope::Frame;
use super::value::{Filling, Kind, Known, Value};
use super::views::View;
use crate::graph::{Graph, NodeId, Outlet};
use crate::ops::{Operator, Weight};
use crate::seed::Range;
use crate::tensor::{TensorShape, TensorType};

/// Where the values of all tensors of a network are that its ONNX file stores or knows.
#[derive(Debug, Default)]
pub struct Sources {
    /// The file's tensors that are read.
    pub(super) tensors: Vec<FileTensor>,
    /// In the order of nodes.
    pub(super) given: Vec<Given>,
    names: Vec<(Box<str>, Outlet)>,
    folded: Vec<(Box<str>, Known)>,
}

/// Elements of a folded tensor that is kept: more are no sizes.
const MOST_FOLDED: usize = 64;

/// A tensor of the file.
#[derive(Debug)]
pub(super) struct FileTensor {
    pub(super) name: Box<str>,
    pub(super) of: TensorType,
    /// The number in `TensorProto.DataType`: of one type of ours there may be several.
    pub(super) data_type: i32,
    pub(super) data: Data,
    /// What random values it gets where it has none.
    pub(super) range: Range,
}

/// The values of one stored tensor of one node.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) node: NodeId,
    pub(super) name: &'static str,
    pub(super) content: Content,
    /// From the content to what the op stores, one after the other.
    pub(super) views: Vec<View>,
    /// What the op stores.
    pub(super) of: TensorType,
}

/// What there is at first.
#[derive(Debug)]
pub(super) enum Content {
    /// A tensor of the file, by its place in [`Sources::tensors`].
    Tensor(usize),
    /// Numbers that the import computed.
    Known(Known),
    /// One number all over.
    All(f64),
    /// Ones on a diagonal, so far above the main one.
    Diagonal(i64),
}

impl Sources {
    /// The tensors of the file's own graph that nodes of ours compute: ONNX name and outlet, in the order of the file's
    /// nodes.
    pub fn names(&self) -> impl Iterator<Item = (&str, Outlet)> {
        self.names.iter().map(|(name, outlet)| (&**name, *outlet))
    }

    /// The small tensors of the file's own graph that the import computed, with their sizes and elements.
    pub fn folded(&self) -> impl Iterator<Item = (&str, &[u64], Vec<f64>)> {
        self.folded.iter().map(|(name, known)| (&**name, known.dims.as_slice(), known.floats()))
    }
}

/// What is noted during an import.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    given: Vec<(NodeId, &'static str, Value, Fit)>,
    refusals: Vec<(NodeId, String)>,
}

/// What an op's own tensor is to the one in the file, beside its shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    /// Whether rows are columns.
    pub(super) turned: bool,
    /// What it is multiplied by.
    pub(super) factor: f64,
    /// How often each element stands in a row.
    pub(super) times: u64,
}

impl Fit {
    /// The same.
    pub(super) const SAME: Self = Self { turned: false, factor: 1.0, times: 1 };
}

impl Recorder {
    /// A node of ours has the values of a stored tensor from here.
    pub(super) fn give(&mut self, node: NodeId, name: &'static str, value: &Value, fit: Fit) {
        let of_node = self.given.iter_mut().rev().take_while(|(other, ..)| *other == node);
        match of_node.into_iter().find(|(_, other, ..)| *other == name) {
            // What is said last of a tensor holds.
            Some(given) => (given.2, given.3) = (value.clone(), fit),
            None => self.given.push((node, name, value.clone(), fit)),
        }
    }

    /// A node of ours does not compute what the file's does.
    pub(super) fn refuse(&mut self, node: NodeId, reason: String) {
        self.refusals.push((node, reason));
    }

    /// How much there is: for [`Recorder::truncate`].
    pub(super) fn len(&self) -> [usize; 2] {
        [self.given.len(), self.refusals.len()]
    }

    /// Takes back what was noted since.
    pub(super) fn truncate(&mut self, [given, refusals]: [usize; 2]) {
        self.given.truncate(given);
        self.refusals.truncate(refusals);
    }

    /// All of it, once the graph is complete; and by node why it does not run.
    pub(super) fn finish(
        mut self,
        graph: &Graph,
        parameters: &Parameters<'_>,
        model: &Model,
        frame: &Frame<'_, '_>,
    ) -> (Sources, Vec<Option<Box<str>>>) {
        let ranges = range::of_model(model);
        let mut places: Vec<Option<usize>> = vec![None; parameters.count()];
        let (names, folded) = names(model, frame);
        let mut sources = Sources { names, folded, ..Sources::default() };
        // Of one node the names stay in order.
        self.given.sort_by_key(|(node, ..)| *node);
        for (node, name, value, fit) in self.given {
            let found = source(graph, node, name, &value, fit, parameters).map(|(found, views, of)| {
                let content = match found {
                    Found::Stored(storage) => {
                        let place = places[storage as usize].get_or_insert_with(|| {
                            let (tensor, of) = parameters.tensor(storage);
                            sources.tensors.push(FileTensor {
                                name: tensor.name.as_str().into(),
                                of: of.clone(),
                                data_type: tensor.data_type,
                                data: tensor.data.clone(),
                                range: ranges.get(tensor.name.as_str()).copied().unwrap_or(Range::OTHER),
                            });
                            sources.tensors.len() - 1
                        });
                        Content::Tensor(*place)
                    }
                    Found::Content(content) => content,
                };
                Given { node, name, content, views, of }
            });
            match found {
                Ok(given) => sources.given.push(given),
                Err(reason) => self.refusals.push((node, reason)),
            }
        }
        for (id, node) in graph.nodes() {
            for weight in node.op.weights(&graph.input_types(node)) {
                if !sources.gives(id, weight.name) {
                    let reason =
                        format!("its `{}` is computed by other nodes, and must be stored", weight.name);
                    self.refusals.push((id, reason));
                }
            }
        }
        let mut refusals = vec![None; graph.len()];
        for (node, reason) in self.refusals {
            refusals[node.index()].get_or_insert(reason.into_boxed_str());
        }
        (sources, refusals)
    }
}

impl Sources {
    fn gives(&self, node: NodeId, name: &str) -> bool {
        let start = self.given.partition_point(|given| given.node < node);
        self.given[start..].iter().take_while(|given| given.node == node).any(|given| given.name == name)
    }
}

enum Found {
    Stored(u32),
    Content(Content),
}

/// From a value to what a node stores.
fn source(
    graph: &Graph,
    id: NodeId,
    name: &str,
    value: &Value,
    fit: Fit,
    parameters: &Parameters<'_>,
) -> Result<(Found, Vec<View>, TensorType), String> {
    let node = graph.node(id);
    let types = graph.input_types(node);
    let weights = node.op.weights(&types);
    let missing = || format!("its op stores no `{name}`");
    let shape: TensorShape = weights
        .into_iter()
        .find(|weight: &Weight| weight.name == name)
        .map(|weight| weight.shape)
        .ok_or_else(missing)?;
    let (found, mut views, seen) = match value.kind() {
        Kind::Stored(stored) => {
            let views = match &stored.views {
                Ok(views) => views.list(),
                Err(reason) => return Err(format!("its `{name}` {reason}")),
            };
            let (_, of) = parameters.tensor(stored.storage);
            debug_assert!(!views.is_empty() || of.shape == stored.seen.shape, "a view is noted");
            (Found::Stored(stored.storage), views, stored.seen.clone())
        }
        Kind::Known(known) => {
            (Found::Content(Content::Known(Known::clone(known))), Vec::new(), known.tensor())
        }
        Kind::Literal(of, filling) => {
            let content = match filling {
                Filling::All(number) => Content::All(*number),
                Filling::Diagonal(above) => Content::Diagonal(*above),
                Filling::Unknown(why) => {
                    return Err(format!("the values of its `{name}` are not known: {why}"));
                }
            };
            (Found::Content(content), Vec::new(), of.clone())
        }
        Kind::Computed(..) | Kind::Sequence(_) | Kind::Unsized(_) => {
            return Err(format!("its `{name}` is computed by other nodes, and must be stored"));
        }
    };
    let mut axes = seen.shape.axes().to_vec();
    if fit.turned {
        let mut order: Vec<usize> = (0..axes.len()).collect();
        if let [.., last, other] = order.as_mut_slice() {
            std::mem::swap(last, other);
        }
        axes = order.iter().map(|&axis| axes[axis]).collect();
        views.push(View::Transpose(order));
    }
    #[expect(clippy::float_cmp, reason = "1 is exact, and changes nothing")]
    if fit.factor != 1.0 {
        views.push(View::Scale(fit.factor));
    }
    if fit.times != 1 {
        views.push(View::Repeat(fit.times));
        axes = vec![seen.elements().get().saturating_mul(fit.times)];
    }
    let is = TensorShape::new(axes);
    if is != shape {
        if is.elements() != shape.elements() {
            return Err(format!("its `{name}` is {is}, and only {shape} runs"));
        }
        views.push(View::Reshape(shape.clone()));
    }
    Ok((found, views, TensorType { shape, dtype: seen.dtype }))
}

/// What the names of the file's own nodes stand for: what nodes of ours compute, and what the import did.
#[expect(clippy::type_complexity, reason = "two lists of pairs")]
fn names(model: &Model, frame: &Frame<'_, '_>) -> (Vec<(Box<str>, Outlet)>, Vec<(Box<str>, Known)>) {
    let (mut names, mut folded) = (Vec::new(), Vec::new());
    for name in model.graph.nodes.iter().flat_map(|node| &node.outputs) {
        let value = frame.find(name);
        match value.as_ref().map(Value::kind) {
            Some(Kind::Computed(outlet, _)) => names.push((name.as_str().into(), *outlet)),
            Some(Kind::Known(known)) if known.elements.len() <= MOST_FOLDED => {
                folded.push((name.as_str().into(), Known::clone(known)));
            }
            _ => {}
        }
    }
    (names, folded)
}
