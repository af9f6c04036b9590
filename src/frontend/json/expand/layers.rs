//! One layer after the other: repeats, blocks, groups and choices become scopes, ops become instances.

use std::rc::Rc;
use std::sync::Arc;

use indexmap::map::Entry;
use smallvec::SmallVec;

use super::super::document::{Layer, LayerKind, Modifiers, Template};
use super::{
    Argument, Binding, Bundle, Expansion, Feed, Instance, MAX_DEPTH, MAX_NODES, Named, Scope, Source,
    Structure, Taken, as_u32,
};
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::ops::attribute::{SettingValue, decimal};
use crate::source::Span;

impl<'d> Expansion<'d> {
    pub(super) fn list(
        &mut self,
        layers: &'d [Layer],
        scope: u32,
        mut previous: Feed,
        sink: &mut Sink,
    ) -> Feed {
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
    pub(in crate::frontend::json) fn in_block(&self, scope: u32) -> bool {
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
                    crate::frontend::json::expression::Mention::Tensor(_) => true,
                    crate::frontend::json::expression::Mention::Argument(index) => {
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
