//! Parameters, inputs and blocks: what a file declares before its layers.

use super::super::expression::exact_number;
use super::super::reference::{Reference, unquoted};
use super::reader::{Arguments, Reader};
use super::{BLOCK_KEYS, Block, Input, MAX_NAMES, PARAMETER_KEYS, Parameter, Word};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;
use crate::source::json::{Json, Value};

impl Reader<'_> {
    pub(super) fn parameters(&mut self, json: Json<'_>) -> Vec<Parameter> {
        let Some(fields) = self.object(json, "`parameters`") else {
            self.unsure = true;
            return Vec::new();
        };
        let mut parameters = Vec::new();
        for member in fields.into_members() {
            if self.too_many(parameters.len(), member.key_span, "a file", "parameters") {
                break;
            }
            let name = self.identifier(&member.key, member.key_span);
            match name.and_then(|name| self.parameter(name, member.value)) {
                Some(parameter) => {
                    self.parameters.push(parameter.name.text.clone());
                    parameters.push(parameter);
                }
                None => self.unsure = true,
            }
        }
        parameters
    }

    /// Reports more names than are read; what else there is may be among them.
    pub(super) fn too_many(&mut self, count: usize, span: Span, what: &str, names: &str) -> bool {
        if count < MAX_NAMES {
            return false;
        }
        self.unsure = true;
        self.sink.push(
            Diagnostic::error(Code::TooLarge, format!("{what} may have at most {MAX_NAMES} {names}"))
                .at(span, "one too many"),
        );
        true
    }

    pub(super) fn parameter(&mut self, name: Word, json: Json<'_>) -> Option<Parameter> {
        let what = format!("the parameter `{}`", name.text);
        if !matches!(json.value, Value::Object(_)) {
            let default = self.template(json, &what, true, &[])?;
            return Some(Parameter { name, default, choices: None, least: None, most: None });
        }
        let mut fields = self.object(json, &what)?;
        let choices = fields.take("choices").and_then(|json| self.list(json, "`choices`")).map(|items| {
            items
                .iter()
                .filter_map(|item| self.text(item, "a choice"))
                .map(String::into_boxed_str)
                .collect::<Box<[_]>>()
        });
        let mut bound = |reader: &mut Self, key: &str| {
            let json = fields.take(key)?;
            match json.value {
                Value::Number(text) => exact_number(text),
                _ => {
                    reader.wrong_type(&json, &format!("`{key}`"), "a number");
                    None
                }
            }
        };
        let (least, most) = (bound(self, "min"), bound(self, "max"));
        drop(fields.take("description").and_then(|json| self.text(&json, "`description`")));
        let default = fields.take("default");
        if default.is_none() {
            self.missing(fields.span, &fields, &what, "default", "0.5");
        }
        self.unknown_keys(fields, &what, PARAMETER_KEYS);
        let default = self.template(default?, "`default`", choices.is_none(), &[])?;
        Some(Parameter { name, default, choices, least, most })
    }

    pub(super) fn inputs(&mut self, json: Json<'_>) -> Vec<Input> {
        let Some(fields) = self.object(json, "`inputs`") else { return Vec::new() };
        let mut inputs = Vec::new();
        for member in fields.into_members() {
            let Some(name) = self.name(&member.key, member.key_span) else { continue };
            let what = format!("the input `{}`", name.text);
            let (shape, dtype) = match member.value.value {
                Value::Object(_) => {
                    let Some(mut fields) = self.object(member.value, &what) else { continue };
                    let dtype = fields.take("dtype").and_then(|json| self.dtype(&json));
                    let shape = fields.take("shape");
                    if shape.is_none() {
                        self.missing(fields.span, &fields, &what, "shape", "[3, 224, 224]");
                    }
                    self.unknown_keys(fields, &what, &["shape", "dtype"]);
                    let Some(shape) = shape else { continue };
                    (shape, dtype)
                }
                _ => (member.value, None),
            };
            if !matches!(shape.value, Value::Array(_)) {
                self.wrong_type(&shape, &what, "a list of sizes, without the batch");
                continue;
            }
            if let Some(shape) = self.template(shape, &what, true, &[]) {
                inputs.push(Input { name, shape, dtype });
            }
        }
        if let Some(extra) = inputs.get(MAX_NAMES) {
            self.too_many(MAX_NAMES, extra.name.span, "a network", "inputs");
            inputs.truncate(MAX_NAMES);
        }
        inputs
    }

    pub(super) fn blocks(&mut self, json: Json<'_>) -> Vec<Block> {
        let Some(fields) = self.object(json, "`blocks`") else {
            self.unsure_of_blocks = true;
            return Vec::new();
        };
        let unsure = self.unsure;
        // Heads first: a block may use one that is defined below it.
        let mut bodies = Vec::new();
        for member in fields.into_members() {
            let Some(name) = self.name(&member.key, member.key_span) else {
                self.unsure_of_blocks = true;
                continue;
            };
            let what = format!("the block `{}`", name.text);
            let Some(mut fields) = self.object(member.value, &what) else {
                self.blocks.insert(name.text, None);
                continue;
            };
            self.unsure = false;
            let (arguments, defaults) = match fields.take("arguments") {
                Some(json) => self.block_arguments(json),
                None => (Box::default(), Box::default()),
            };
            self.blocks.insert(name.text.clone(), (!self.unsure).then(|| arguments.as_ref().into()));
            bodies.push((name, fields, arguments, defaults, unsure || self.unsure));
        }
        let mut blocks = Vec::new();
        for (name, mut fields, arguments, defaults, unsure) in bodies {
            self.unsure = unsure;
            let what = format!("the block `{}`", name.text);
            drop(fields.take("description").and_then(|json| self.text(&json, "`description`")));
            self.arguments.clone_from(&arguments);
            let inputs =
                fields.take("inputs").and_then(|json| self.list(json, "`inputs` of a block")).map(|items| {
                    if let Some(extra) = items.get(MAX_NAMES) {
                        self.too_many(MAX_NAMES, extra.span, "a block", "named inputs");
                    }
                    let words = items.iter().take(MAX_NAMES).filter_map(|item| {
                        let text = self.text(item, "the name of an input")?;
                        self.name(&text, item.span)
                    });
                    words.collect::<Vec<_>>().into_boxed_slice()
                });
            let layers = match fields.take("layers") {
                Some(json) => self.layers(json, "`layers`"),
                None => {
                    self.missing(fields.span, &fields, &what, "layers", "[{\"op\": \"relu\"}]");
                    Box::default()
                }
            };
            let outputs = fields.take("outputs").and_then(|json| self.references(json, "`outputs`"));
            self.arguments = Box::default();
            self.unknown_keys(fields, &what, BLOCK_KEYS);
            blocks.push(Block { name, arguments, defaults, inputs, layers, outputs });
        }
        self.unsure = unsure;
        blocks
    }

    pub(super) fn block_arguments(&mut self, json: Json<'_>) -> Arguments {
        let Some(fields) = self.object(json, "`arguments` of a block") else {
            self.unsure = true;
            return Default::default();
        };
        let mut names: Vec<Box<str>> = Vec::new();
        let mut defaults = Vec::new();
        for member in fields.into_members() {
            if self.too_many(names.len(), member.key_span, "a block", "arguments") {
                break;
            }
            let Some(name) = self.identifier(&member.key, member.key_span) else {
                self.unsure = true;
                continue;
            };
            // A default may use the arguments above it.
            self.arguments = names.clone().into_boxed_slice();
            let default = match member.value.value {
                Value::Null => None,
                _ => match self.template(member.value, &format!("the argument `{}`", name.text), true, &[]) {
                    Some(default) => Some(default),
                    None => {
                        self.unsure = true;
                        continue;
                    }
                },
            };
            names.push(name.text);
            defaults.push(default);
        }
        self.arguments = Box::default();
        (names.into_boxed_slice(), defaults.into_boxed_slice())
    }

    pub(in crate::frontend::json) fn references(
        &mut self,
        json: Json<'_>,
        what: &str,
    ) -> Option<Box<[Reference]>> {
        let items = match json.value {
            Value::String(_) => vec![json],
            Value::Array(items) => items.into_vec(),
            _ => {
                self.wrong_type(&json, what, "a reference or a list of references");
                return None;
            }
        };
        let count = items.len();
        let read: Vec<Reference> = items.iter().filter_map(|item| self.reference(item, what)).collect();
        (read.len() == count).then(|| read.into_boxed_slice())
    }

    pub(super) fn reference(&mut self, json: &Json<'_>, what: &str) -> Option<Reference> {
        let Value::String(text) = &json.value else {
            self.wrong_type(json, what, "a reference or a list of references");
            return None;
        };
        let direct = self.direct(json.span, text);
        let at = unquoted(json.span, direct);
        Reference::parse(text, at, direct, self.names()).map_err(|diagnostic| self.sink.push(diagnostic)).ok()
    }
}
