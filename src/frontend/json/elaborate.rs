//! Single layers put in a topological order, their attributes evaluated, their shapes inferred: the graph.

mod attributes;
mod listed;
mod order;

use self::attributes::Attributes;
use self::order::order;
use std::sync::Arc;

use smallvec::SmallVec;

use super::document::{Document, Layer, OpLayer, Template};
use super::expand::{Expansion, Feed, Instance, Source};
use super::expression::{Environment, Expression};
use super::reference::Reference;
use super::resolve::{Failed, Key, Later, Resolver, Slot, Slots};
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::frontend::LoadOptions;
use crate::graph::{BlockId, Graph, NewNode, NodeId, Origin, Outlet, StageId};
use crate::ops::attribute::{AttributeType, SettingValue, Settings};
use crate::ops::{Input, Mismatch, Op, Operator};
use crate::tensor::{TensorShape, TensorType};

/// Outputs of all layers together: a `split` may have thousands.
const MAX_OUTPUTS: usize = 5_000_000;

/// What an instance needs before it can be made.
struct Needs {
    inputs: Slots,
    share: Option<u32>,
    /// Instances whose types its attributes mention: few layers have any.
    types: Box<[u32]>,
}

/// Builds the graph of an expansion.
pub(super) fn elaborate(
    document: &Document,
    expansion: &Expansion<'_>,
    options: &LoadOptions,
    name: &str,
    sink: &mut Sink,
) -> Graph {
    let mut resolver = Resolver::new(expansion);
    let needs: Vec<Option<Needs>> = expansion
        .instances
        .iter()
        .enumerate()
        .map(|(index, instance)| {
            let pointless = resolver.is_stopped() || sink.is_full();
            if pointless { None } else { needs(&mut resolver, index, instance, sink).ok() }
        })
        .collect();
    let last = resolver.slots(expansion.last, sink);
    let order = order(expansion, &needs, sink);

    let batch = batch(document, expansion, options, sink);
    let mut graph = Graph::new(document.name.clone().unwrap_or_else(|| name.to_owned()), batch);
    graph.description.clone_from(&document.description);
    let edges = needs.iter().flatten().map(|needs| needs.inputs.len()).sum();
    graph.reserve(expansion.instances.len(), edges);
    for stage in &expansion.stages {
        graph.stage(stage);
    }
    for (name, parent) in &expansion.blocks {
        graph.block(name.clone(), parent.map(BlockId));
    }
    let mut builder = Builder {
        document,
        expansion,
        options,
        graph,
        resolver,
        nodes: vec![None; expansion.instances.len()],
        used: vec![false; expansion.instances.len()],
        values: rustc_hash::FxHashMap::default(),
        outputs: 0,
    };
    for index in order {
        if builder.outputs > MAX_OUTPUTS || sink.is_full() {
            break;
        }
        let instance = &expansion.instances[index as usize];
        if let Some(needs) = &needs[index as usize]
            && let Some(node) = builder.instance(instance, index, needs, sink)
        {
            builder.nodes[index as usize] = Some(node);
        }
    }
    builder.finish(last, sink)
}

fn needs<'d>(
    resolver: &mut Resolver<'_, 'd>,
    index: usize,
    instance: &Instance<'d>,
    sink: &mut Sink,
) -> Result<Needs, Failed> {
    let Source::Op(layer, op) = instance.source else {
        return Ok(Needs { inputs: Slots::new(), share: None, types: Box::default() });
    };
    let inputs = resolver.slots(instance.feed, sink)?;
    // Layers that read the same list all have it.
    resolver.count(inputs.len(), layer.span, sink)?;
    let previous = resolver.before(index, instance.feed);
    let types = match op.mentions_tensors {
        true => resolver.types(&expressions(op), instance.scope, previous, sink)?,
        false => Vec::new(),
    };
    resolver.count(types.len(), layer.span, sink)?;
    let share = match &op.share {
        None => None,
        Some(reference) => match resolver.reference(reference, instance.scope, previous, sink)?.as_slice() {
            [slot] => Some(slot.instance),
            slots => {
                let message = format!("`share` names one layer, and this is {}", slots.len());
                sink.push(Diagnostic::error(Code::WrongCount, message).at(reference.span, "not one layer"));
                return Err(Failed);
            }
        },
    };
    Ok(Needs { inputs, share, types: types.into_boxed_slice() })
}

/// All expressions of a layer's attributes.
fn expressions(op: &OpLayer) -> Vec<&Expression> {
    let mut expressions = Vec::new();
    for template in op.templates() {
        template.expressions(&mut |expression| expressions.push(expression));
    }
    expressions
}

/// The batch: asked for, given with an input's shape, or the file's.
fn batch(document: &Document, expansion: &Expansion<'_>, options: &LoadOptions, sink: &mut Sink) -> u64 {
    let rank = |index: usize| match &document.inputs.get(index)?.shape.kind {
        super::document::TemplateKind::List(items) => Some(items.len()),
        _ => None,
    };
    let given = options.inputs.iter().find_map(|(name, axes)| {
        let index = match name {
            Some(name) => document.inputs.iter().position(|input| *input.name.text == **name)?,
            None => 0,
        };
        (rank(index)? + 1 == axes.len()).then(|| axes[0])
    });
    if let (Some(batch), Some(given)) = (options.batch, given)
        && batch != given
    {
        let message = format!("`--batch` asks for {batch} images, and `--input` for {given}");
        sink.push(
            Diagnostic::error(Code::WrongCount, message)
                .help("leave one of them out, or the batch in `--input`"),
        );
    }
    if let Some(batch) = options.batch.or(given) {
        return batch.max(1);
    }
    let Some(template) = &document.batch else { return 1 };
    let environment = TopLevel { parameters: &expansion.parameters };
    let batch =
        template.evaluate(&environment).and_then(|setting| std::num::NonZeroU64::read("batch", &setting));
    match batch {
        Ok(batch) => batch.get(),
        Err(diagnostic) => {
            sink.push(diagnostic);
            1
        }
    }
}

/// The values behind names outside all layers.
struct TopLevel<'a> {
    parameters: &'a [SettingValue],
}

impl Environment for TopLevel<'_> {
    fn parameter(&self, index: usize) -> SettingValue {
        self.parameters[index].clone()
    }
    fn argument(&self, _: usize) -> Result<SettingValue, Diagnostic> {
        Ok(SettingValue::Null)
    }
    fn index(&self, _: usize) -> u64 {
        0
    }
    fn tensor(&self, reference: &Reference) -> Result<TensorType, Diagnostic> {
        Err(Diagnostic::error(Code::Expression, "this cannot depend on the size of a tensor")
            .at(reference.span, "a tensor"))
    }
}

struct Builder<'e, 'd> {
    document: &'e Document,
    expansion: &'e Expansion<'d>,
    options: &'e LoadOptions,
    graph: Graph,
    resolver: Resolver<'e, 'd>,
    nodes: Vec<Option<NodeId>>,
    used: Vec<bool>,
    /// Arguments that depend on tensors, once they are known.
    /// Arguments that depend on tensors; none where that failed.
    values: rustc_hash::FxHashMap<Key, Option<SettingValue>>,
    /// How many tensors there are.
    outputs: usize,
}

impl<'d> Builder<'_, 'd> {
    fn instance(
        &mut self,
        instance: &Instance<'d>,
        index: u32,
        needs: &Needs,
        sink: &mut Sink,
    ) -> Option<NodeId> {
        match instance.source {
            Source::Input(input) => self.input(instance, input, sink),
            Source::Op(layer, op) => self.op(instance, index, layer, op, needs, sink),
            Source::Broken => None,
        }
    }

    fn input(&mut self, instance: &Instance<'d>, index: usize, sink: &mut Sink) -> Option<NodeId> {
        let input = &self.document.inputs[index];
        let environment = TopLevel { parameters: &self.expansion.parameters };
        let declared = input
            .shape
            .evaluate(&environment)
            .and_then(|setting| TensorShape::read("shape", &setting))
            .map_err(|mut diagnostic| {
                let name = &input.name.text;
                let message =
                    diagnostic.message.replacen("`shape` has", &format!("the input `{name}` has"), 1);
                diagnostic.message = message.replacen("`shape`", &format!("a size of `{name}`"), 1);
                sink.push(diagnostic);
            })
            .ok()?;
        let asked = self.options.inputs.iter().rev().find(|(name, _)| match name {
            Some(name) => **name == *input.name.text,
            None => index == 0,
        });
        let mut axes = vec![self.graph.batch];
        match asked {
            None => axes.extend(declared.axes()),
            Some((_, given)) if given.len() == declared.rank() => axes.extend(given),
            Some((_, given)) if given.len() == declared.rank() + 1 => axes.extend(&given[1..]),
            Some((_, given)) => {
                sink.push(
                    Diagnostic::error(
                        Code::ShapeMismatch,
                        format!(
                            "the input `{}` has {} axes and a batch, but {} are given",
                            input.name.text,
                            declared.rank(),
                            given.len()
                        ),
                    )
                    .at(input.name.span, format!("this is {declared}")),
                );
                return None;
            }
        }
        let dtype = input.dtype.or(self.options.dtype).unwrap_or(self.document.dtype);
        let op = Input { shape: TensorShape::new(axes), dtype };
        let new = NewNode {
            name: instance.name.clone(),
            op: Arc::new(op.into()),
            inputs: SmallVec::new(),
            origin: Origin { span: Some(input.name.span), ..Origin::default() },
            stage: None,
            block: None,
            shares: None,
            called_as: None,
        };
        self.graph
            .add(new)
            .map_err(|mismatch| {
                sink.push(
                    Diagnostic::error(mismatch.code, format!("`{}`: {}", input.name.text, mismatch.message))
                        .at(input.name.span, "this input"),
                );
            })
            .ok()
    }

    fn op(
        &mut self,
        instance: &Instance<'d>,
        index: u32,
        layer: &'d Layer,
        op: &'d OpLayer,
        needs: &Needs,
        sink: &mut Sink,
    ) -> Option<NodeId> {
        self.follow(instance, index, op, sink)?;
        let made = match &op.constant {
            Some(constant) => constant.clone(),
            None => Arc::new(self.evaluate(instance, index, op, sink)?),
        };
        // A constant does not read what comes before it.
        let takes_none = *made.arity().end() == 0 && !instance.explicit;
        let slots: &[Slot] = if takes_none { &[] } else { &needs.inputs };
        let mut inputs: SmallVec<[Outlet; 2]> = SmallVec::with_capacity(slots.len());
        for slot in slots {
            // Without the producer there is nothing to say about this layer; the error is already there.
            inputs.push(self.outlet(*slot, layer, sink)?);
            self.used[slot.instance as usize] = true;
        }
        let shares = match needs.share {
            None => None,
            Some(instance) => Some(self.nodes[instance as usize]?),
        };
        let scope = &self.expansion.scopes[instance.scope as usize];
        let new = NewNode {
            name: instance.name.clone(),
            op: made,
            inputs,
            origin: Origin { span: Some(layer.span), ..Origin::default() },
            stage: instance.stage.map(StageId),
            block: scope.block.map(BlockId),
            shares,
            called_as: op.called_as,
        };
        let producers: SmallVec<[NodeId; 4]> = new.inputs.iter().map(|outlet| outlet.node).collect();
        let node = match self.graph.add(new) {
            Ok(node) => {
                self.outputs += self.graph.node(node).outputs.len();
                if self.outputs > MAX_OUTPUTS {
                    let most = crate::units::grouped(MAX_OUTPUTS as u64);
                    sink.push(
                        Diagnostic::error(
                            Code::TooLarge,
                            format!("the layers have more than {most} outputs together"),
                        )
                        .at(layer.span, "one too many"),
                    );
                    return None;
                }
                node
            }
            Err(mismatch) => {
                sink.push(self.mismatch(instance, op, *mismatch, &producers));
                return None;
            }
        };
        if let (Some(shared), Some(reference)) = (shares, &op.share)
            && !self.same_weights(node, shared)
        {
            sink.push(
                Diagnostic::error(
                    Code::ShapeMismatch,
                    "the weights of the two layers differ, so they cannot be shared",
                )
                .at(reference.span, "these weights")
                .at(layer.span, "do not fit here"),
            );
        }
        if let Some(listed) = &op.listed {
            let given = self.listed(instance, index, node, listed, sink)?;
            self.graph.give(node, given);
        }
        Some(node)
    }

    fn same_weights(&self, a: NodeId, b: NodeId) -> bool {
        let weights = |id: NodeId| {
            let node = self.graph.node(id);
            node.op.weights(&self.graph.input_types(node))
        };
        weights(a) == weights(b)
    }

    fn outlet(&self, slot: Slot, layer: &Layer, sink: &mut Sink) -> Option<Outlet> {
        let node = self.nodes[slot.instance as usize]?;
        let count = self.graph.node(node).outputs.len();
        let port = match slot.port() {
            Some(port) => port,
            None if count == 1 => 0,
            None => {
                let name = &self.graph.node(node).name;
                sink.push(
                    Diagnostic::error(Code::WrongCount, format!("`{name}` has {count} outputs: say which"))
                        .at(layer.span, "reads it")
                        .help(format!("write `{name}:0` to `{name}:{}`", count - 1)),
                );
                return None;
            }
        };
        if port as usize >= count {
            let name = &self.graph.node(node).name;
            sink.push(
                Diagnostic::error(Code::OutOfRange, format!("`{name}` has no output {port}: it has {count}"))
                    .at(layer.span, "reads it")
                    .help("outputs are counted from 0"),
            );
            return None;
        }
        Some(Outlet { node, port })
    }

    /// Evaluates the arguments behind a layer's values that depend on tensors.
    fn follow(
        &mut self,
        instance: &Instance<'d>,
        index: u32,
        op: &'d OpLayer,
        sink: &mut Sink,
    ) -> Option<()> {
        if !op.mentions_tensors {
            return Some(());
        }
        let previous = self.resolver.before(index as usize, instance.feed);
        // Whatever can fail here has failed, and been reported, when the needs were collected; again is not twice.
        let all = expressions(op);
        let known = |key| self.values.contains_key(&key);
        let (_, arguments) = self.resolver.mentioned(&all, instance.scope, previous, &known, sink).ok()?;
        for Later { key, template, scope, previous } in arguments {
            let value = match self.setting(template, scope, previous) {
                Ok(setting) => Some(setting.value),
                Err(diagnostic) => {
                    diagnostic.into_iter().for_each(|diagnostic| sink.push(diagnostic));
                    None
                }
            };
            self.values.insert(key, value);
        }
        Some(())
    }

    fn evaluate(
        &mut self,
        instance: &Instance<'d>,
        index: u32,
        op: &'d OpLayer,
        sink: &mut Sink,
    ) -> Option<Op> {
        let previous = self.resolver.before(index as usize, instance.feed);
        let mut given = SmallVec::<[_; 8]>::with_capacity(op.given.len());
        let mut failed = false;
        for (attribute, template) in &op.given {
            match self.setting(template, instance.scope, previous) {
                Ok(setting) => given.push((*attribute, setting)),
                Err(Some(diagnostic)) => {
                    failed = true;
                    sink.push(diagnostic);
                }
                Err(None) => failed = true,
            }
        }
        if failed {
            return None;
        }
        (op.info.read)(&Settings { span: op.span, given: &given })
            .map_err(|errors| errors.into_iter().for_each(|error| sink.push(error)))
            .ok()
    }

    /// `Err(None)`: a tensor that it mentions could not be made, which is reported already.
    fn setting(
        &mut self,
        template: &Template,
        scope: u32,
        previous: Feed,
    ) -> Result<crate::ops::attribute::Setting, Option<Diagnostic>> {
        let tensors = std::cell::RefCell::new(&mut self.resolver);
        let missing = std::cell::Cell::new(false);
        let environment = Attributes {
            expansion: self.expansion,
            graph: &self.graph,
            nodes: &self.nodes,
            resolver: &tensors,
            missing: &missing,
            values: &self.values,
            scope,
            previous,
        };
        template.evaluate(&environment).map_err(|diagnostic| (!missing.get()).then_some(diagnostic))
    }

    /// An op's refusal, drawn at the layer, the attribute and the layers that produce its inputs.
    fn mismatch(
        &self,
        instance: &Instance<'_>,
        op: &OpLayer,
        mismatch: Mismatch,
        producers: &[NodeId],
    ) -> Diagnostic {
        let attribute = mismatch.attribute.and_then(|name| {
            let index = op.info.attributes.iter().position(|attribute| attribute.name == name)?;
            op.given.iter().find(|(given, _)| *given == index).map(|(_, template)| template.span)
        });
        let place = attribute.unwrap_or(op.span);
        let name = format!("`{}`", instance.name);
        // "`relu` takes 1 input" names the layer already, where it has no other name.
        let message = match mismatch.message.starts_with(&name) {
            true => mismatch.message,
            false => format!("{name}: {}", mismatch.message),
        };
        let mut diagnostic = Diagnostic::error(mismatch.code, message).at(place, "does not fit");
        for (input, text) in mismatch.inputs {
            if let Some(&producer) = producers.get(input) {
                let producer = self.graph.node(producer);
                if let Some(span) = producer.origin.span
                    && diagnostic.labels.iter().skip(1).all(|label| label.span != span)
                {
                    diagnostic = diagnostic.at(span, format!("`{}`: {text}", producer.name));
                }
            }
        }
        match mismatch.help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    }

    fn finish(mut self, last: Result<Slots, Failed>, sink: &mut Sink) -> Graph {
        let Ok(slots) = last else { return self.graph };
        for slot in slots {
            let Some(node) = self.nodes[slot.instance as usize] else { continue };
            let span = self
                .document
                .outputs
                .as_ref()
                .and_then(|outputs| outputs.first())
                .map(|reference| reference.span);
            let count = self.graph.node(node).outputs.len();
            self.used[slot.instance as usize] = true;
            match slot.port() {
                Some(port) if port as usize >= count => sink.push(
                    Diagnostic::error(
                        Code::OutOfRange,
                        format!("`{}` has no output {port}: it has {count}", self.graph.node(node).name),
                    )
                    .at(span.unwrap_or(self.document.inputs_span), "asked for here"),
                ),
                Some(port) => self.graph.outputs.push(Outlet { node, port }),
                None => {
                    let count = super::expand::as_u32(count);
                    self.graph.outputs.extend((0..count).map(|port| Outlet { node, port }));
                }
            }
        }
        if !sink.has_errors() {
            self.warn_of_unused(sink);
        }
        self.graph
    }

    fn warn_of_unused(&self, sink: &mut Sink) {
        for (instance, used) in self.expansion.instances.iter().zip(&self.used) {
            if *used {
                continue;
            }
            match instance.source {
                Source::Input(index) => {
                    let input = &self.document.inputs[index];
                    sink.push(
                        Diagnostic::warning(
                            Code::Unused,
                            format!("nothing reads the input `{}`", input.name.text),
                        )
                        .at(input.name.span, "never read"),
                    );
                }
                Source::Broken => {}
                Source::Op(layer, _) => sink.push(
                    Diagnostic::warning(
                        Code::Unused,
                        format!("nothing reads `{}`, and it is no output", instance.name),
                    )
                    .at(layer.span, "counted all the same")
                    .help("list it under `outputs`, or remove it"),
                ),
            }
        }
    }
}
