//! Blocks, repeats and choices written out: from a [`Document`] to a list of single layers, each with its scope.
//!
//! Nothing is looked up here: references and sizes of tensors may point forward, so `resolve.rs` comes after.

mod layers;

use std::rc::Rc;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;

use super::document::{Document, Layer, OpLayer, Template, Word};
use super::expression::Environment;
use super::reference::Reference;
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::ops::attribute::SettingValue;
use crate::source::Span;
use crate::tensor::TensorType;

/// Expansion stops at so many nodes.
pub(super) const MAX_NODES: usize = crate::frontend::MAX_NODES;
/// Rounds and uses of blocks that are counted even where they make no node.
const MAX_STEPS: usize = 2 * MAX_NODES;
/// Terms of expressions that are evaluated, all uses together.
pub(super) const MAX_WORK: usize = 50_000_000;
/// Rounds, blocks and groups that are scopes of their own.
const MAX_SCOPES: usize = 1_200_000;
/// Bytes of all full names: blocks within blocks with long names make each name longer.
const MAX_NAME_BYTES: usize = 192 << 20;
/// Blocks, groups and choices within each other.
const MAX_DEPTH: usize = 200;

/// What flows into a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feed {
    /// Nothing.
    None,
    /// The output of one instance.
    One(u32),
    /// See [`Expansion::bundles`].
    Bundle(u32),
}

/// Several tensors, to be looked up when all names are known.
#[derive(Debug)]
pub(super) enum Bundle<'d> {
    /// What the references name in a scope; `previous` is what came before.
    References { references: &'d [Reference], scope: u32, previous: Feed },
    /// All the network's inputs.
    Inputs,
}

/// A full name, and where it stands in [`Expansion::names`]; the rounds of a repeat stand there together.
struct Taken {
    name: Arc<str>,
    index: Option<usize>,
}

/// What a full name stands for.
#[derive(Debug)]
pub(super) enum Binding {
    /// A layer, block or group.
    Feed(Feed),
    /// The rounds of a repeat.
    Rounds(Box<[Feed]>),
}

/// A name that is taken.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) binding: Binding,
    /// Where it was given, if it was.
    span: Option<Span>,
    /// The number that the next layer of this name gets.
    next: u32,
}

/// A single layer.
#[derive(Debug)]
pub(super) struct Instance<'d> {
    pub(super) name: Arc<str>,
    pub(super) source: Source<'d>,
    pub(super) scope: u32,
    pub(super) feed: Feed,
    /// Whether `feed` was asked for by name.
    pub(super) explicit: bool,
    pub(super) stage: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'d> {
    /// The n-th input of the network.
    Input(usize),
    /// A layer that could not be read: whatever reads it is passed over in silence.
    Broken,
    /// An op layer.
    Op(&'d Layer, &'d OpLayer),
}

/// An argument of a block's use.
#[derive(Clone, Debug)]
pub(super) enum Argument<'d> {
    /// A value.
    Value(SettingValue),
    /// A template that mentions tensors: evaluated where it was given, once they are known.
    Later { template: &'d Template, scope: u32, previous: Feed },
}

/// Where a layer stands.
#[derive(Clone, Debug)]
pub(super) struct Scope<'d> {
    /// The scope around it.
    pub(super) parent: Option<u32>,
    /// What full names in it begin with, the slash included.
    pub(super) prefix: Arc<str>,
    /// The indices of the repeats around, outermost first.
    pub(super) indices: SmallVec<[u64; 2]>,
    pub(super) arguments: Rc<[Argument<'d>]>,
    /// The block whose use this scope is, or that it lies in: what it is called with.
    pub(super) inputs: Feed,
    pub(super) input_names: Option<&'d [Word]>,
    /// Whether names are looked up no further out.
    pub(super) border: bool,
    pub(super) stage: Option<u32>,
    pub(super) block: Option<u32>,
}

/// The network as a list of single layers.
#[derive(Debug)]
pub(super) struct Expansion<'d> {
    pub(super) document: &'d Document,
    pub(super) parameters: Vec<SettingValue>,
    pub(super) instances: Vec<Instance<'d>>,
    pub(super) bundles: Vec<Bundle<'d>>,
    pub(super) scopes: Vec<Scope<'d>>,
    /// By full name. Names are bound by index: hashing a long path twice is what expansion would spend most time on.
    pub(super) names: IndexMap<Arc<str>, Named, FxBuildHasher>,
    pub(super) stages: IndexSet<String>,
    /// Names of block instances and the instances around them.
    pub(super) blocks: Vec<(Arc<str>, Option<u32>)>,
    /// What the whole list of layers gives.
    pub(super) last: Feed,
    /// What came before a layer that names its inputs and mentions tensors: only those need both.
    pub(super) before: FxHashMap<u32, Feed>,
    steps: usize,
    work: usize,
    name_bytes: usize,
    depth: usize,
    repeats: Vec<(Span, u64)>,
    used: Vec<bool>,
    stopped: bool,
}

/// Writes out a document.
///
/// Errors go to the sink; the expansion is then incomplete.
pub(super) fn expand<'d>(
    document: &'d Document,
    parameters: Vec<SettingValue>,
    sink: &mut Sink,
) -> Expansion<'d> {
    let top = Scope {
        parent: None,
        prefix: "".into(),
        indices: SmallVec::new(),
        arguments: Rc::new([]),
        inputs: Feed::None,
        input_names: None,
        border: true,
        stage: None,
        block: None,
    };
    let mut expansion = Expansion {
        document,
        parameters,
        instances: Vec::new(),
        bundles: Vec::new(),
        scopes: vec![top],
        names: IndexMap::default(),
        stages: IndexSet::new(),
        blocks: Vec::new(),
        last: Feed::None,
        before: FxHashMap::default(),
        steps: 0,
        work: 0,
        name_bytes: 0,
        depth: 0,
        repeats: Vec::new(),
        used: vec![false; document.blocks.len()],
        stopped: false,
    };
    expansion.names.reserve(document.layers.len());
    expansion.instances.reserve(document.layers.len());
    let recursive = super::recursion::check(document, sink);
    for (index, input) in document.inputs.iter().enumerate() {
        let name: Arc<str> = (&*input.name.text).into();
        let feed = Feed::One(as_u32(expansion.instances.len()));
        let binding = Binding::Feed(feed);
        expansion.names.insert(name.clone(), Named { binding, span: Some(input.name.span), next: 2 });
        let source = Source::Input(index);
        expansion.instances.push(Instance {
            name,
            source,
            scope: 0,
            feed: Feed::None,
            explicit: true,
            stage: None,
        });
    }
    if recursive {
        return expansion;
    }
    let inputs = match document.inputs.len() {
        0 => Feed::None,
        1 => Feed::One(0),
        _ => expansion.bundle(Bundle::Inputs),
    };
    expansion.last = expansion.list(&document.layers, 0, inputs, sink);
    if let Some(references) = &document.outputs {
        let previous = expansion.last;
        expansion.last = expansion.bundle(Bundle::References { references, scope: 0, previous });
    }
    // What an error left out may have used the rest.
    if !sink.has_errors() {
        for (block, used) in document.blocks.iter().zip(&expansion.used) {
            if !used {
                sink.push(
                    Diagnostic::warning(
                        Code::Unused,
                        format!("the block `{}` is never used", block.name.text),
                    )
                    .at(block.name.span, "never used here"),
                );
            }
        }
    }
    expansion
}

pub(super) fn as_u32(index: usize) -> u32 {
    u32::try_from(index).expect("expansion stops long before 2^32")
}

/// The values behind names while the structure is still being written out: no tensors yet.
struct Structure<'e, 'd> {
    expansion: &'e Expansion<'d>,
    scope: u32,
    span: Span,
    arguments: &'e [Argument<'d>],
}

impl Environment for Structure<'_, '_> {
    fn parameter(&self, index: usize) -> SettingValue {
        self.expansion.parameters[index].clone()
    }

    fn argument(&self, index: usize) -> Result<SettingValue, Diagnostic> {
        match &self.arguments[index] {
            Argument::Value(value) => Ok(value.clone()),
            Argument::Later { template, .. } => Err(Diagnostic::error(
                Code::Expression,
                "the structure of the network cannot depend on the size of a tensor",
            )
            .at(self.span, "this decides which layers there are")
            .at(template.span, "and is given the size of a tensor here")),
        }
    }

    fn index(&self, level: usize) -> u64 {
        self.expansion.scopes[self.scope as usize].indices[level]
    }

    fn tensor(&self, reference: &Reference) -> Result<TensorType, Diagnostic> {
        Err(Diagnostic::error(
            Code::Expression,
            "the structure of the network cannot depend on the size of a tensor",
        )
        .at(reference.span, "a tensor"))
    }
}

impl<'d> Expansion<'d> {
    pub(super) fn bundle(&mut self, bundle: Bundle<'d>) -> Feed {
        self.bundles.push(bundle);
        Feed::Bundle(as_u32(self.bundles.len() - 1))
    }

    /// Whether expansion ended before the end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    fn scope(&mut self, scope: Scope<'d>) -> u32 {
        self.name_bytes += scope.prefix.len();
        self.scopes.push(scope);
        as_u32(self.scopes.len() - 1)
    }

    fn structure(&self, scope: u32, span: Span) -> Structure<'_, 'd> {
        Structure { expansion: self, scope, span, arguments: &self.scopes[scope as usize].arguments }
    }

    /// Counts a step; `false` once there are too many.
    fn step(&mut self, span: Span, sink: &mut Sink) -> bool {
        self.steps += 1;
        if self.stopped || sink.is_full() {
            self.stopped = true;
            return false;
        }
        let most = |count: usize, what: &str| {
            format!("the network has more than {} {what}", crate::units::grouped(count as u64))
        };
        let message = if self.instances.len() >= MAX_NODES {
            most(MAX_NODES, "nodes")
        } else if self.steps > MAX_STEPS {
            most(MAX_STEPS, "rounds, uses of blocks and values of attributes")
        } else if self.work > MAX_WORK {
            most(MAX_WORK, "terms of expressions in all their uses")
        } else if self.scopes.len() > MAX_SCOPES {
            most(MAX_SCOPES, "blocks, groups and rounds")
        } else if self.name_bytes > MAX_NAME_BYTES {
            format!("the full names of the layers have more than {} MiB together", MAX_NAME_BYTES >> 20)
        } else {
            return true;
        };
        self.too_many(message, span, sink);
        false
    }

    fn too_many(&mut self, message: String, span: Span, sink: &mut Sink) {
        self.stopped = true;
        let mut diagnostic = Diagnostic::error(Code::TooLarge, message);
        match self.repeats.as_slice() {
            [] => diagnostic = diagnostic.at(span, "one too many").help("blocks that use blocks multiply"),
            repeats => {
                for (span, count) in repeats {
                    diagnostic =
                        diagnostic.at(*span, format!("this repeats {} times", crate::units::grouped(*count)));
                }
            }
        }
        sink.push(if self.repeats.is_empty() { diagnostic } else { diagnostic.help("lower the `repeat`") });
    }
}
