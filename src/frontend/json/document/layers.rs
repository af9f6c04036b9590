//! Layers as written: ops, uses of blocks, groups and choices.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::expression::Expression;
use super::super::reference::{RESERVED, Reference};
use super::reader::{Fields, Reader};
use super::{
    KINDS, LAYER_KEYS, Layer, LayerKind, MAX_NAMES, Modifiers, OP_KEYS, OpLayer, Template, TemplateKind, Word,
};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::CalledAs;
use crate::ops::attribute::{SettingValue, Settings};
use crate::ops::{Op, OpInfo};
use crate::source::Span;
use crate::source::json::{Json, Value};
use crate::tensor::{DType, TensorShape};

impl Reader<'_> {
    pub(super) fn layers(&mut self, json: Json<'_>, what: &str) -> Box<[Layer]> {
        let Some(items) = self.list(json, what) else { return Box::default() };
        let mut layers = Vec::with_capacity(items.len());
        for item in items {
            if self.sink.is_full() {
                break;
            }
            let (span, name) = (item.span, given_name(&item));
            layers.push(self.layer(item).unwrap_or_else(|| self.broken(span, name)));
        }
        layers.into_boxed_slice()
    }

    /// What stands for a layer that could not be read, so that what follows it can be.
    pub(super) fn broken(&mut self, span: Span, name: Option<(Cow<'_, str>, Span)>) -> Layer {
        self.has_broken = true;
        let name = name.map(|(text, span)| Box::new(Word { text: text.as_ref().into(), span }));
        Layer { span, name, inputs: None, modifiers: None, kind: LayerKind::Broken }
    }

    pub(super) fn layer(&mut self, json: Json<'_>) -> Option<Layer> {
        let span = json.span;
        let mut fields = self.object(json, "a layer")?;
        let kinds: Vec<&str> = KINDS.iter().copied().filter(|kind| fields.contains(kind)).collect();
        let kind = match kinds.as_slice() {
            &[kind] => kind,
            [] => {
                let mut diagnostic = Diagnostic::error(
                    Code::Missing,
                    "a layer needs one of `op`, `block`, `layers`, `choose`",
                )
                .at(span, "none of them is given");
                for member in fields.into_members().take(20) {
                    diagnostic = diagnostic.did_you_mean(&member.key, KINDS.iter().copied());
                }
                self.sink.push(diagnostic);
                return None;
            }
            several => {
                self.sink.push(
                    Diagnostic::error(
                        Code::WrongCount,
                        format!("a layer has only one of `{}`", several.join("`, `")),
                    )
                    .at(span, "several are given"),
                );
                return None;
            }
        };
        let before = self.sink.errors();
        let name = fields.take("name").and_then(|json| {
            let text = self.text(&json, "`name`")?;
            self.name(&text, json.span).map(Box::new)
        });
        // What decides whether and how often the layer stands here does not see its own index.
        let when = fields.take("when").and_then(|json| self.expression(&json, "`when`"));
        let when = when.and_then(|expression| self.structural(expression, "`when`"));
        let index = fields.take("index").and_then(|json| {
            let text = self.text(&json, "`index`")?;
            self.identifier(&text, json.span)
        });
        let repeat = fields.take_member("repeat").and_then(|member| {
            let template = self.template(member.value, "`repeat`", true, &[])?;
            let mut tensors = false;
            template.expressions(&mut |expression| tensors |= expression.mentions_tensors);
            if tensors && let TemplateKind::Expression(expression) = template.kind {
                self.structural(*expression, "`repeat`");
                return None;
            }
            Some((template, member.key_span))
        });
        if let (Some(index), None) = (&index, &repeat) {
            self.sink.push(
                Diagnostic::error(Code::Missing, "`index` names the index of a `repeat`, and there is none")
                    .at(index.span, "no repeat"),
            );
        }
        let repeats = repeat.is_some();
        if repeats {
            self.indices.push(index.map_or_else(|| "index".into(), |word| word.text));
        }
        let structure = self.sink.errors() == before;
        let layer = self.layer_body(kind, span, name, when, repeat, fields);
        if repeats {
            self.indices.pop();
        }
        // Without its name, condition or count nothing can be said about what it does to the layers around it.
        layer.filter(|_| structure)
    }

    pub(super) fn layer_body(
        &mut self,
        kind: &str,
        span: Span,
        name: Option<Box<Word>>,
        when: Option<Expression>,
        repeat: Option<(Template, Span)>,
        mut fields: Fields<'_>,
    ) -> Option<Layer> {
        let stage = fields.take("stage").and_then(|json| {
            let text = self.text(&json, "`stage`")?;
            self.name(&text, json.span)
        });
        // A layer may be pages long: its name shows which it is, or else what it does.
        let place = name.as_ref().map(|name| name.span).or(stage.as_ref().map(|stage| stage.span));
        let span = place.or_else(|| fields.span_of(kind)).unwrap_or(span);
        let inputs = match fields.take("inputs") {
            None => None,
            Some(json) => Some(self.references(json, "`inputs`")?),
        };
        let kind = match kind {
            "op" => self.op(fields, inputs.as_deref())?,
            "block" => self.block_call(fields)?,
            "layers" => {
                let layers =
                    fields.take("layers").map_or(Box::default(), |json| self.layers(json, "`layers`"));
                self.unknown_keys(fields, "a group", &[LAYER_KEYS, &["layers"]].concat());
                LayerKind::Group(layers)
            }
            _ => self.choose(fields)?,
        };
        let modifiers = (stage.is_some() || when.is_some() || repeat.is_some())
            .then(|| Box::new(Modifiers { stage, when, repeat }));
        Some(Layer { span, name, inputs, modifiers, kind })
    }

    pub(super) fn choose(&mut self, mut fields: Fields<'_>) -> Option<LayerKind> {
        let value = fields.take("choose").and_then(|json| self.expression(&json, "`choose`"));
        let value = value.and_then(|expression| self.structural(expression, "`choose`"));
        let span = fields.span;
        let cases = match fields.take("cases") {
            Some(json) => self.object(json, "`cases`").map(|cases| {
                if let Some(extra) = cases.members.get(MAX_NAMES).and_then(Option::as_ref) {
                    self.too_many(MAX_NAMES, extra.key_span, "a choice", "cases");
                }
                cases
                    .into_members()
                    .take(MAX_NAMES)
                    .map(|member| {
                        let key = Word { text: member.key.as_ref().into(), span: member.key_span };
                        (key, self.layers(member.value, "a case"))
                    })
                    .collect()
            }),
            None => {
                self.missing(span, &fields, "a choice", "cases", "{\"csp\": [], \"none\": []}");
                None
            }
        };
        let otherwise = fields.take("else").map(|json| self.layers(json, "`else`"));
        self.unknown_keys(fields, "a choice", &[LAYER_KEYS, &["choose", "cases", "else"]].concat());
        Some(LayerKind::Choose { value: value?, cases: cases?, otherwise })
    }

    pub(super) fn block_call(&mut self, mut fields: Fields<'_>) -> Option<LayerKind> {
        let json = fields.take("block")?;
        let name = self.text(&json, "`block`")?;
        let Some((block, _, arguments)) = self.blocks.get_full(&*name) else {
            if !self.unsure_of_blocks {
                self.sink.push(
                    Diagnostic::error(Code::UnknownBlock, format!("there is no block `{name}`"))
                        .at(json.span, "not defined")
                        .did_you_mean(&name, self.blocks.keys().map(|name| &**name)),
                );
            }
            return None;
        };
        // What is wrong with the block itself is said there.
        let arguments = arguments.clone()?;
        let mut with = Vec::new();
        let before = self.sink.errors();
        if let Some(fields) = fields.take("with").and_then(|json| self.object(json, "`with`")) {
            for member in fields.into_members() {
                let Some(argument) = arguments.iter().position(|argument| **argument == *member.key) else {
                    let known = arguments.iter().map(|argument| &**argument);
                    self.sink.push(
                        Diagnostic::error(
                            Code::UnknownName,
                            format!("the block `{name}` has no argument `{}`", member.key),
                        )
                        .at(member.key_span, "not an argument")
                        .did_you_mean(&member.key, known),
                    );
                    continue;
                };
                if let Some(template) = self.template(member.value, &format!("`{}`", member.key), true, &[]) {
                    with.push((argument, template));
                }
            }
        }
        let complete = self.sink.errors() == before;
        with.sort_by_key(|(argument, _)| *argument);
        self.unknown_keys(fields, "a block's use", &[LAYER_KEYS, &["block", "with"]].concat());
        complete.then(|| LayerKind::Block { block, with: with.into_boxed_slice(), span: json.span })
    }

    pub(super) fn op(&mut self, mut fields: Fields<'_>, inputs: Option<&[Reference]>) -> Option<LayerKind> {
        let json = fields.take("op")?;
        let name = self.text(&json, "`op`")?;
        let info = match OpInfo::find(&name) {
            Some(info) if info.name != "input" => info,
            found => {
                let mut diagnostic = Diagnostic::error(Code::UnknownOp, format!("there is no op `{name}`"))
                    .at(json.span, "not an op")
                    .did_you_mean(&name, Op::ALL.iter().map(|info| info.name).filter(|_| found.is_none()));
                diagnostic = if found.is_some() {
                    diagnostic.help("the network's inputs are declared under the key `inputs` of the file")
                } else {
                    diagnostic.help("`csp-profile ops` lists them all")
                };
                self.sink.push(diagnostic);
                return None;
            }
        };
        let called_as = fields.take("called_as").and_then(|json| self.called_as(&json));
        let share = match fields.take("share") {
            None => None,
            Some(json) => Some(self.reference(&json, "`share`")?),
        };
        let listed = self.listed(&mut fields)?;
        let mut given = Vec::new();
        let mut complete = true;
        for member in fields.into_members() {
            let Some(index) = info.attributes.iter().position(|attribute| attribute.name == member.key)
            else {
                let names = info.attributes.iter().map(|attribute| attribute.name);
                let known: Vec<&str> =
                    names.chain(LAYER_KEYS.iter().copied()).chain(OP_KEYS.iter().copied()).collect();
                let attributes = &known[..info.attributes.len()];
                let listed = if attributes.is_empty() { "none".to_owned() } else { attributes.join(", ") };
                self.sink.push(
                    Diagnostic::error(
                        Code::UnknownAttribute,
                        format!("`{name}` has no attribute `{}`", member.key),
                    )
                    .at(member.key_span, "not known")
                    .did_you_mean(&member.key, known.iter().copied())
                    .help(format!("attributes of `{name}`: {listed}")),
                );
                complete = false;
                continue;
            };
            let attribute = &info.attributes[index];
            match self.template(
                member.value,
                &format!("`{}`", attribute.name),
                attribute.numeric,
                attribute.words,
            ) {
                Some(template) => given.push((index, template)),
                None => complete = false,
            }
        }
        if !complete {
            return None;
        }
        let constant = if given.iter().all(|(_, template)| template.is_constant()) {
            let op = self.constant_op(info, json.span, &given)?;
            let recent = self.recent.entry(info.name).or_insert_with(|| Arc::new(op.clone()));
            if **recent != op {
                *recent = Arc::new(op);
            }
            Some(recent.clone())
        } else {
            None
        };
        let mut layer = OpLayer {
            info,
            span: json.span,
            given: given.into_boxed_slice(),
            called_as,
            mentions_tensors: false,
            mentions_index: inputs.is_some_and(|inputs| inputs.iter().any(Reference::has_rounds))
                || share.as_ref().is_some_and(Reference::has_rounds),
            share,
            listed,
            constant,
            values: 0,
            work: 0,
        };
        let (mut tensors, mut index, mut work, mut values) = (false, layer.mentions_index, 0, 0);
        for template in layer.templates() {
            template.expressions(&mut |expression| {
                tensors |= expression.mentions_tensors || expression.mentions_arguments;
                index |= expression.mentions_index;
            });
            work += template.work();
            values += template.values();
        }
        (layer.mentions_tensors, layer.mentions_index) = (tensors, index);
        (layer.work, layer.values) = (work, values);
        Some(LayerKind::Op(Box::new(layer)))
    }

    /// An op whose attributes are plain values is read once, however often it is used.
    pub(super) fn constant_op(
        &mut self,
        info: &OpInfo,
        span: Span,
        given: &[(usize, Template)],
    ) -> Option<Op> {
        struct Nothing;
        impl crate::frontend::json::expression::Environment for Nothing {
            fn parameter(&self, _: usize) -> SettingValue {
                SettingValue::Null
            }
            fn argument(&self, _: usize) -> Result<SettingValue, Diagnostic> {
                Ok(SettingValue::Null)
            }
            fn index(&self, _: usize) -> u64 {
                0
            }
            fn tensor(&self, _: &Reference) -> Result<crate::tensor::TensorType, Diagnostic> {
                Ok(crate::tensor::TensorType::new(TensorShape::default(), DType::F32))
            }
        }
        let settings: Result<Vec<_>, _> = given
            .iter()
            .map(|(index, template)| template.evaluate(&Nothing).map(|setting| (*index, setting)))
            .collect();
        let read = settings
            .map_err(|error| vec![error])
            .and_then(|given| (info.read)(&Settings { span, given: &given }));
        read.map_err(|errors| errors.into_iter().for_each(|error| self.sink.push(error))).ok()
    }

    pub(super) fn called_as(&mut self, json: &Json<'_>) -> Option<CalledAs> {
        let text = self.text(json, "`called_as`")?;
        let found = CalledAs::from_name(&text);
        if found.is_none() {
            self.sink.push(
                Diagnostic::error(Code::OutOfRange, format!("an op is not called as `{text}`"))
                    .at(json.span, "not a way to call an op")
                    .did_you_mean(&text, CalledAs::ALL.iter().map(|way| way.name()))
                    .help(format!(
                        "one of {}",
                        CalledAs::ALL.iter().map(|way| way.name()).collect::<Vec<_>>().join(", ")
                    )),
            );
        }
        found
    }
}

/// The name that a layer was given, read or not.
fn given_name<'a>(json: &Json<'a>) -> Option<(Cow<'a, str>, Span)> {
    let Value::Object(members) = &json.value else { return None };
    let name = members.iter().find(|member| member.key == "name")?;
    match &name.value.value {
        Value::String(text) if !text.is_empty() && !text.contains(RESERVED) => {
            Some((text.clone(), name.value.span))
        }
        _ => None,
    }
}
