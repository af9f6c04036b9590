//! Blocks, repeats and choices written out: from a [`Document`] to a list of single layers, each with its scope.
//!
//! Nothing is looked up here: references and sizes of tensors may point forward, so `resolve.rs` comes after.

use std::rc::Rc;
use std::sync::Arc;

use indexmap::map::Entry;
use indexmap::{IndexMap, IndexSet};
use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;

use super::document::{Document, Layer, LayerKind, Modifiers, OpLayer, Parameter, Template, Word};
use super::expression::Environment;
use super::reference::Reference;
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::ops::attribute::{SettingValue, decimal};
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

    fn list(&mut self, layers: &'d [Layer], scope: u32, mut previous: Feed, sink: &mut Sink) -> Feed {
        for layer in layers {
            if self.stopped {
                break;
            }
            previous = self.layer(layer, scope, previous, sink);
        }
        previous
    }

    fn layer(&mut self, layer: &'d Layer, scope: u32, previous: Feed, sink: &mut Sink) -> Feed {
        let Some(modifiers) = layer.modifiers.as_deref() else {
            let feed = self.feed(layer, scope, previous);
            return self.once(layer, scope, None, feed, previous, sink);
        };
        if let Some(when) = &modifiers.when {
            self.work += when.work;
            match when.condition(&self.structure(scope, when.span)) {
                Ok(true) => {}
                Ok(false) => return previous,
                Err(diagnostic) => {
                    sink.push(diagnostic);
                    return previous;
                }
            }
        }
        let Some((count, key)) = &modifiers.repeat else {
            let feed = self.feed(layer, scope, previous);
            return self.once(layer, scope, None, feed, previous, sink);
        };
        self.work += count.work();
        match self.count(count, scope) {
            Ok(count) => self.repeat(layer, count, *key, scope, previous, sink),
            Err(diagnostic) => {
                sink.push(diagnostic);
                previous
            }
        }
    }

    fn count(&self, template: &Template, scope: u32) -> Result<u64, Diagnostic> {
        let setting = template.evaluate(&self.structure(scope, template.span))?;
        let whole = setting.whole("repeat", "a whole number, at least 0")?;
        u64::try_from(whole).map_err(|_| {
            setting.error(
                Code::OutOfRange,
                format!("`repeat` must be at least 0, but is {whole}"),
                format!("this is {whole}"),
            )
        })
    }

    fn repeat(
        &mut self,
        layer: &'d Layer,
        count: u64,
        key: Span,
        scope: u32,
        mut previous: Feed,
        sink: &mut Sink,
    ) -> Feed {
        self.repeats.push((key, count));
        if count > MAX_NODES as u64 {
            let message =
                format!("the network has more than {} nodes", crate::units::grouped(MAX_NODES as u64));
            self.too_many(message, key, sink);
            self.repeats.pop();
            return previous;
        }
        let taken = self.fresh(layer, scope, sink);
        let mut rounds = Vec::new();
        // Only a layer that mentions the index, or makes a scope, needs a scope for each round.
        let plain = matches!(&layer.kind, LayerKind::Op(op) if !op.mentions_index);
        for index in 0..count {
            if !self.step(layer.span, sink) {
                break;
            }
            let inner = if plain {
                scope
            } else {
                let mut inner = self.scopes[scope as usize].clone();
                inner.indices.push(index);
                self.scope(inner)
            };
            let feed = self.feed(layer, inner, previous);
            let round = Taken { name: format!("{}[{index}]", taken.name).into(), index: None };
            self.name_bytes += round.name.len();
            previous = self.once(layer, inner, Some(round), feed, previous, sink);
            rounds.push(previous);
        }
        self.repeats.pop();
        self.bind(&taken, Binding::Rounds(rounds.into_boxed_slice()));
        previous
    }

    /// What flows into a layer: what it names, or what came before.
    fn feed(&mut self, layer: &'d Layer, scope: u32, previous: Feed) -> Feed {
        match layer.inputs.as_deref() {
            None => previous,
            Some([reference]) if reference.plain() == Some("previous") => previous,
            Some([reference]) if reference.plain() == Some("input") && self.in_block(scope) => {
                self.scopes[scope as usize].inputs
            }
            Some(references) => self.bundle(Bundle::References { references, scope, previous }),
        }
    }

    /// Whether a scope lies in a block, where `input` is what the block is given.
    pub(super) fn in_block(&self, scope: u32) -> bool {
        self.scopes[scope as usize].block.is_some()
    }

    /// The name a layer goes by in its scope.
    fn base(layer: &Layer) -> (&str, Option<Span>) {
        if let Some(word) = &layer.name {
            return (&word.text, Some(word.span));
        }
        let stage = layer.modifiers.as_deref().and_then(|modifiers| modifiers.stage.as_ref());
        match (&layer.kind, stage) {
            (LayerKind::Op(op), _) => (op.info.name, None),
            (LayerKind::Broken, _) => ("?", None),
            (_, Some(stage)) => (&stage.text, None),
            (LayerKind::Block { .. }, None) => ("", None),
            (LayerKind::Group(_) | LayerKind::Choose { .. }, None) => ("group", None),
        }
    }

    /// A full name that is free, taken for this layer.
    fn fresh(&mut self, layer: &'d Layer, scope: u32, sink: &mut Sink) -> Taken {
        let (mut base, span) = Self::base(layer);
        if let (LayerKind::Block { block, .. }, "") = (&layer.kind, base) {
            base = &self.document.blocks[*block].name.text;
        }
        let prefix = &*self.scopes[scope as usize].prefix;
        let vacant = Named { binding: Binding::Feed(Feed::None), span, next: 2 };
        let name: Arc<str> = [prefix, base].concat().into();
        self.name_bytes += name.len();
        let taken = match self.names.entry(name.clone()) {
            Entry::Vacant(entry) => {
                let index = entry.insert_entry(vacant).index();
                return Taken { name, index: Some(index) };
            }
            Entry::Occupied(taken) => taken,
        };
        if let Some(span) = span {
            let mut diagnostic =
                Diagnostic::error(Code::DuplicateName, format!("the name `{base}` is taken here"))
                    .at(span, "taken");
            if let Some(first) = taken.get().span {
                diagnostic = diagnostic.at(first, "first given here");
            }
            sink.push(diagnostic);
        }
        let (first, mut number) = (taken.index(), taken.get().next);
        loop {
            let name: Arc<str> = format!("{prefix}{base}_{number}").into();
            number += 1;
            if let Entry::Vacant(entry) = self.names.entry(name.clone()) {
                let index = entry.insert_entry(vacant).index();
                self.names[first].next = number;
                return Taken { name, index: Some(index) };
            }
        }
    }

    /// The stage that a layer's label names within the stage around it.
    fn stage(&mut self, modifiers: Option<&Modifiers>, outer: Option<u32>) -> Option<u32> {
        let Some(word) = modifiers.and_then(|modifiers| modifiers.stage.as_ref()) else { return outer };
        let name = match outer {
            Some(outer) => format!("{}/{}", self.stages[outer as usize], word.text),
            None => word.text.as_ref().to_owned(),
        };
        self.name_bytes += name.len();
        Some(as_u32(self.stages.insert_full(name).0))
    }

    /// One round of a layer. `round` is its name where a repeat has named it already.
    fn once(
        &mut self,
        layer: &'d Layer,
        scope: u32,
        round: Option<Taken>,
        feed: Feed,
        previous: Feed,
        sink: &mut Sink,
    ) -> Feed {
        if !self.step(layer.span, sink) {
            return previous;
        }
        let outer_stage = self.scopes[scope as usize].stage;
        let stage = self.stage(layer.modifiers.as_deref(), outer_stage);
        match &layer.kind {
            LayerKind::Op(op) => {
                let taken = round.unwrap_or_else(|| self.fresh(layer, scope, sink));
                let id = as_u32(self.instances.len());
                let explicit = layer.inputs.is_some();
                if explicit && op.mentions_tensors {
                    self.before.insert(id, previous);
                }
                self.steps += op.values;
                self.work += op.work;
                self.bind(&taken, Binding::Feed(Feed::One(id)));
                self.instances.push(Instance {
                    name: taken.name,
                    source: Source::Op(layer, op),
                    scope,
                    feed,
                    explicit,
                    stage,
                });
                Feed::One(id)
            }
            LayerKind::Broken => {
                let taken = round.unwrap_or_else(|| self.fresh(layer, scope, sink));
                let id = as_u32(self.instances.len());
                self.bind(&taken, Binding::Feed(Feed::One(id)));
                let source = Source::Broken;
                self.instances.push(Instance {
                    name: taken.name,
                    source,
                    scope,
                    feed: Feed::None,
                    explicit: true,
                    stage,
                });
                Feed::One(id)
            }
            LayerKind::Block { block, with, span } => {
                self.used[*block] = true;
                let taken = round.unwrap_or_else(|| self.fresh(layer, scope, sink));
                let Some(arguments) = self.arguments(*block, with, *span, scope, feed, sink) else {
                    return previous;
                };
                let block = &self.document.blocks[*block];
                let outer = self.scopes[scope as usize].block;
                self.blocks.push((taken.name.clone(), outer));
                let inner = self.scope(Scope {
                    parent: Some(scope),
                    prefix: format!("{}/", taken.name).into(),
                    indices: SmallVec::new(),
                    arguments,
                    inputs: feed,
                    input_names: block.inputs.as_deref(),
                    border: true,
                    stage,
                    block: Some(as_u32(self.blocks.len() - 1)),
                });
                let mut result = self.nested(&block.layers, inner, feed, layer.span, sink);
                if let Some(references) = &block.outputs {
                    result = self.bundle(Bundle::References { references, scope: inner, previous: result });
                }
                self.bind(&taken, Binding::Feed(result));
                result
            }
            LayerKind::Group(layers) => self.group(layers, layer, scope, round, stage, feed, sink),
            LayerKind::Choose { value, cases, otherwise } => {
                self.work += value.work;
                let chosen = match value.evaluate(&self.structure(scope, value.span)) {
                    Ok(SettingValue::Text(text)) => text.as_ref().to_owned(),
                    Ok(SettingValue::Number(number)) => decimal(number),
                    Ok(other) => other.to_string(),
                    Err(diagnostic) => {
                        sink.push(diagnostic);
                        return previous;
                    }
                };
                let case = cases.iter().find(|(key, _)| *key.text == chosen).map(|(_, layers)| layers);
                match case.or(otherwise.as_ref()) {
                    Some(layers) => self.group(layers, layer, scope, round, stage, feed, sink),
                    // The same place in every round of a repeat: said once, and its words made once.
                    None if sink.has(Code::OutOfRange, value.span) => previous,
                    None => {
                        let listed: Vec<&str> = cases.iter().map(|(key, _)| &*key.text).collect();
                        sink.push(
                            Diagnostic::error(Code::OutOfRange, format!("there is no case `{chosen}`"))
                                .at(value.span, format!("this is `{chosen}`"))
                                .did_you_mean(&chosen, listed.iter().copied())
                                .help(format!("cases: {}; or give an `else`", listed.join(", "))),
                        );
                        previous
                    }
                }
            }
        }
    }

    /// Layers under a common label, or in place where there is none.
    #[expect(clippy::too_many_arguments, reason = "the one place where groups and choices meet")]
    fn group(
        &mut self,
        layers: &'d [Layer],
        layer: &'d Layer,
        scope: u32,
        round: Option<Taken>,
        stage: Option<u32>,
        feed: Feed,
        sink: &mut Sink,
    ) -> Feed {
        let labelled = layer.name.is_some() || stage != self.scopes[scope as usize].stage;
        if round.is_none() && !labelled {
            return self.nested(layers, scope, feed, layer.span, sink);
        }
        let taken = round.unwrap_or_else(|| self.fresh(layer, scope, sink));
        let outer = &self.scopes[scope as usize];
        let inner = Scope {
            parent: Some(scope),
            prefix: format!("{}/", taken.name).into(),
            border: false,
            stage,
            ..outer.clone()
        };
        let inner = self.scope(inner);
        let result = self.nested(layers, inner, feed, layer.span, sink);
        self.bind(&taken, Binding::Feed(result));
        result
    }

    fn nested(&mut self, layers: &'d [Layer], scope: u32, feed: Feed, span: Span, sink: &mut Sink) -> Feed {
        if self.depth == MAX_DEPTH {
            self.stopped = true;
            sink.push(
                Diagnostic::error(
                    Code::TooLarge,
                    format!("more than {MAX_DEPTH} blocks, groups and choices within each other"),
                )
                .at(span, "one too deep"),
            );
            return feed;
        }
        self.depth += 1;
        let result = self.list(layers, scope, feed, sink);
        self.depth -= 1;
        result
    }

    /// From outside, a name stands for what its layer or scope gives.
    fn bind(&mut self, taken: &Taken, binding: Binding) {
        if let Some(index) = taken.index {
            self.names[index].binding = binding;
        }
    }

    fn arguments(
        &mut self,
        block: usize,
        with: &'d [(usize, Template)],
        span: Span,
        scope: u32,
        previous: Feed,
        sink: &mut Sink,
    ) -> Option<Rc<[Argument<'d>]>> {
        let definition = &self.document.blocks[block];
        let mut arguments: Vec<Argument<'d>> = Vec::with_capacity(definition.arguments.len());
        for (index, name) in definition.arguments.iter().enumerate() {
            let given = with.binary_search_by_key(&index, |(argument, _)| *argument);
            let given = given.ok().map(|found| &with[found].1);
            self.work += 1 + given.or(definition.defaults[index].as_ref()).map_or(0, Template::work);
            let argument = match (given, definition.defaults[index].as_ref()) {
                (Some(template), _) => {
                    let outer = self.scopes[scope as usize].arguments.clone();
                    self.argument(template, &outer, scope, scope, previous)
                }
                // A default sees the arguments above it, and the tensors that the block sees: it belongs to the scope
                // that is made next.
                (None, Some(template)) => {
                    let inner = as_u32(self.scopes.len());
                    self.argument(template, &arguments, scope, inner, previous)
                }
                (None, None) => Err(Diagnostic::error(
                    Code::Missing,
                    format!("the block `{}` needs the argument `{name}`", definition.name.text),
                )
                .at(span, format!("`{name}` is not given"))
                .at(definition.name.span, "defined here")
                .help(format!("add \"with\": {{\"{name}\": …}}"))),
            };
            match argument {
                Ok(argument) => arguments.push(argument),
                Err(diagnostic) => {
                    sink.push(diagnostic);
                    return None;
                }
            }
        }
        Some(arguments.into())
    }

    /// An argument's value, or a promise of it where it depends on a tensor. `arguments` are those it may use, in
    /// `scope` its index is found, and `home` is the scope where tensors are looked up.
    fn argument(
        &self,
        template: &'d Template,
        arguments: &[Argument<'d>],
        scope: u32,
        home: u32,
        previous: Feed,
    ) -> Result<Argument<'d>, Diagnostic> {
        let mut later = false;
        template.expressions(&mut |expression| {
            expression.visit(&mut |mention| {
                later |= match mention {
                    super::expression::Mention::Tensor(_) => true,
                    super::expression::Mention::Argument(index) => {
                        matches!(arguments[index], Argument::Later { .. })
                    }
                };
            });
        });
        if later {
            return Ok(Argument::Later { template, scope: home, previous });
        }
        let environment = Structure { expansion: self, scope, span: template.span, arguments };
        template.evaluate(&environment).map(|setting| Argument::Value(setting.value))
    }
}

/// The values of all parameters: the defaults, or what was asked for.
pub(super) fn parameters(
    document: &Document,
    set: &[(String, String)],
    sink: &mut Sink,
) -> Vec<SettingValue> {
    for (name, _) in set {
        if !document.parameter_names.iter().any(|known| **known == **name) {
            let known = document.parameter_names.iter().map(|known| &**known);
            let diagnostic =
                Diagnostic::error(Code::UnknownParameter, format!("the file has no parameter `{name}`"))
                    .did_you_mean(name, known.clone());
            sink.push(if document.parameter_names.is_empty() {
                diagnostic.help("it has no parameters at all")
            } else {
                diagnostic.help(format!("parameters: {}", known.collect::<Vec<_>>().join(", ")))
            });
        }
    }
    let mut values: Vec<SettingValue> = Vec::new();
    for parameter in &document.parameters {
        let asked = set.iter().rev().find(|(name, _)| **name == *parameter.name.text).map(|(_, value)| value);
        let value = match asked {
            Some(text) => super::command_line::value(parameter, text),
            None => parameter.default.evaluate(&Earlier(&values)).map(|setting| setting.value),
        };
        let value = value.and_then(|value| in_range(parameter, value));
        let value = match asked {
            Some(_) => value.and_then(|value| same_type(parameter, &Earlier(&values), value)),
            None => value,
        };
        match value {
            Ok(value) => values.push(value),
            Err(diagnostic) => {
                sink.push(diagnostic);
                values.push(SettingValue::Null);
            }
        }
    }
    values
}

/// A default may use the parameters above it.
struct Earlier<'a>(&'a [SettingValue]);

impl Environment for Earlier<'_> {
    fn parameter(&self, index: usize) -> SettingValue {
        self.0[index].clone()
    }
    fn argument(&self, _: usize) -> Result<SettingValue, Diagnostic> {
        Ok(SettingValue::Null)
    }
    fn index(&self, _: usize) -> u64 {
        0
    }
    fn tensor(&self, reference: &Reference) -> Result<TensorType, Diagnostic> {
        Err(Diagnostic::error(Code::Expression, "a parameter cannot depend on the size of a tensor")
            .at(reference.span, "a tensor"))
    }
}

/// A number stays a number: a layer's attributes count on it.
fn same_type(
    parameter: &Parameter,
    earlier: &Earlier<'_>,
    value: SettingValue,
) -> Result<SettingValue, Diagnostic> {
    let default = parameter.default.evaluate(earlier)?.value;
    if std::mem::discriminant(&default) == std::mem::discriminant(&value) {
        return Ok(value);
    }
    let name = &parameter.name.text;
    Err(Diagnostic::error(Code::WrongType, format!("`{name}` is set to {value}, which is of another type"))
        .at(parameter.default.span, format!("its default is {default}")))
}

fn in_range(parameter: &Parameter, value: SettingValue) -> Result<SettingValue, Diagnostic> {
    let name = &parameter.name.text;
    let fault = match (&value, &parameter.choices) {
        (SettingValue::Text(text), Some(choices)) if !choices.iter().any(|choice| **choice == **text) => {
            let fault = Diagnostic::error(Code::OutOfRange, format!("`{name}` cannot be `{text}`"))
                .at(parameter.name.span, "its choices are here")
                .did_you_mean(text, choices.iter().map(|choice| &**choice))
                .help(format!("choices: {}", choices.join(", ")));
            Some(fault)
        }
        (SettingValue::Number(number), _) => {
            let below = parameter.least.filter(|least| number < least).map(|least| ("at least", least));
            let above = parameter.most.filter(|most| number > most).map(|most| ("at most", most));
            below.or(above).map(|(bound, limit)| {
                Diagnostic::error(
                    Code::OutOfRange,
                    format!("`{name}` must be {bound} {}, but is {}", decimal(limit), decimal(*number)),
                )
                .at(parameter.name.span, "its bounds are here")
            })
        }
        (SettingValue::Flag(_) | SettingValue::Text(_), _) => None,
        (other, _) => Some(
            Diagnostic::error(Code::WrongType, format!("`{name}` must be a number, a text, true or false"))
                .at(parameter.default.span, format!("this is {other}")),
        ),
    };
    fault.map_or(Ok(value), Err)
}
