//! An architecture file as it is written: everything named and compiled, nothing expanded yet.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;

use super::expression::{Expression, Names, exact_number};
use super::facts;
use super::reference::{RESERVED, Reference, unquoted};
use crate::diagnostic::{Code, Diagnostic, Sink, is_steering, nearest};
use crate::graph::CalledAs;
use crate::ops::attribute::{Exact, Setting, SettingValue, Settings};
use crate::ops::{Op, OpInfo};
use crate::published::Fact;
use crate::source::json::{Json, Member, Value};
use crate::source::{SourceMap, Span};
use crate::tensor::{DType, TensorShape};

/// A word and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) text: Box<str>,
    pub(super) span: Span,
}

/// A value that may have to be evaluated.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) span: Span,
    pub(super) kind: TemplateKind,
}

#[derive(Clone, Debug)]
pub(super) enum TemplateKind {
    Value(SettingValue),
    Expression(Box<Expression>),
    List(Box<[Template]>),
}

impl Template {
    /// Every expression in it.
    pub(super) fn expressions<'a>(&'a self, visit: &mut dyn FnMut(&'a Expression)) {
        match &self.kind {
            TemplateKind::Value(_) => {}
            TemplateKind::Expression(expression) => visit(expression),
            TemplateKind::List(items) => items.iter().for_each(|item| item.expressions(visit)),
        }
    }

    /// What it takes to evaluate it.
    pub(super) fn work(&self) -> usize {
        let mut work = 0;
        self.expressions(&mut |expression| work += expression.work);
        work
    }

    /// How many values it is made of.
    fn values(&self) -> usize {
        match &self.kind {
            TemplateKind::Value(_) | TemplateKind::Expression(_) => 1,
            TemplateKind::List(items) => items.iter().map(Self::values).sum(),
        }
    }

    fn is_constant(&self) -> bool {
        let mut constant = true;
        self.expressions(&mut |expression| constant &= expression.is_constant());
        constant
    }
}

#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: Word,
    pub(super) default: Template,
    pub(super) choices: Option<Box<[Box<str>]>>,
    pub(super) least: Option<Exact>,
    pub(super) most: Option<Exact>,
}

#[derive(Debug)]
pub(super) struct Input {
    pub(super) name: Word,
    pub(super) shape: Template,
    pub(super) dtype: Option<DType>,
}

#[derive(Debug)]
pub(super) struct Block {
    pub(super) name: Word,
    pub(super) arguments: Box<[Box<str>]>,
    pub(super) defaults: Box<[Option<Template>]>,
    pub(super) inputs: Option<Box<[Word]>>,
    pub(super) layers: Box<[Layer]>,
    pub(super) outputs: Option<Box<[Reference]>>,
}

#[derive(Debug)]
pub(super) struct Layer {
    pub(super) span: Span,
    pub(super) name: Option<Box<Word>>,
    pub(super) inputs: Option<Box<[Reference]>>,
    pub(super) modifiers: Option<Box<Modifiers>>,
    pub(super) kind: LayerKind,
}

#[derive(Debug, Default)]
pub(super) struct Modifiers {
    pub(super) stage: Option<Word>,
    pub(super) when: Option<Expression>,
    pub(super) repeat: Option<(Template, Span)>,
}

#[derive(Debug)]
pub(super) enum LayerKind {
    Op(Box<OpLayer>),
    Block {
        block: usize,
        with: Box<[(usize, Template)]>,
        span: Span,
    },
    Group(Box<[Layer]>),
    /// It could not be read, and the reason is known.
    Broken,
    Choose {
        value: Expression,
        cases: Box<[(Word, Box<[Layer]>)]>,
        otherwise: Option<Box<[Layer]>>,
    },
}

#[derive(Debug)]
pub(super) struct OpLayer {
    pub(super) info: &'static OpInfo,
    /// The op's name in the file.
    pub(super) span: Span,
    pub(super) given: Box<[(usize, Template)]>,
    pub(super) called_as: Option<CalledAs>,
    pub(super) share: Option<Reference>,
    /// The op itself, where no attribute needs evaluation.
    pub(super) constant: Option<Arc<Op>>,
    /// Whether an attribute mentions a tensor or an argument that may.
    pub(super) mentions_tensors: bool,
    /// Whether anything in the layer depends on the index of a repeat.
    pub(super) mentions_index: bool,
    /// How many values its attributes have, lists counted item by item.
    pub(super) values: usize,
    /// What it takes to evaluate them.
    pub(super) work: usize,
}

#[derive(Debug)]
pub(super) struct Document {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) parameter_names: Vec<Box<str>>,
    pub(super) inputs: Vec<Input>,
    pub(super) inputs_span: Span,
    pub(super) dtype: DType,
    pub(super) batch: Option<Template>,
    pub(super) blocks: Vec<Block>,
    pub(super) layers: Box<[Layer]>,
    pub(super) outputs: Option<Box<[Reference]>>,
    pub(super) facts: Vec<Fact>,
    /// Whether what all layers depend on could be read: parameters, inputs, the heads of blocks.
    pub(super) is_sound: bool,
    /// Whether some layers could not be read: names that are not found may be theirs.
    pub(super) has_broken: bool,
}

/// The keys of the file itself.
pub(super) const TOP_KEYS: &[&str] = &[
    "$schema",
    "name",
    "description",
    "source",
    "parameters",
    "inputs",
    "dtype",
    "batch",
    "blocks",
    "layers",
    "outputs",
    "published",
];
/// The keys that every layer may have.
pub(super) const LAYER_KEYS: &[&str] = &["name", "inputs", "stage", "when", "repeat", "index"];
/// The keys that only op layers may have beside their attributes.
pub(super) const OP_KEYS: &[&str] = &["op", "called_as", "share"];
/// The keys that say what a layer is.
pub(super) const KINDS: &[&str] = &["op", "block", "layers", "choose"];
/// The keys of a block.
pub(super) const BLOCK_KEYS: &[&str] = &["description", "arguments", "inputs", "layers", "outputs"];
/// The keys of a parameter.
pub(super) const PARAMETER_KEYS: &[&str] = &["default", "choices", "min", "max", "description"];

/// Names are looked up one by one, so that a scope of expressions, or a choice, has at most so many.
const MAX_NAMES: usize = 1000;
/// Each fact is judged with parameters of its own.
pub(super) const MAX_FACTS: usize = 10_000;

/// The members of one object, taken one by one.
pub(super) struct Fields<'a> {
    pub(super) span: Span,
    members: Vec<Option<Member<'a>>>,
}

impl<'a> Fields<'a> {
    pub(super) fn take(&mut self, key: &str) -> Option<Json<'a>> {
        self.take_member(key).map(|member| member.value)
    }

    pub(super) fn take_member(&mut self, key: &str) -> Option<Member<'a>> {
        self.members.iter_mut().find(|member| member.as_ref().is_some_and(|member| member.key == key))?.take()
    }

    /// Where a key's value stands; of a list or object only the key.
    fn span_of(&self, key: &str) -> Option<Span> {
        let member = self.members.iter().flatten().find(|member| member.key == key)?;
        let is_long = matches!(member.value.value, Value::Array(_) | Value::Object(_));
        Some(if is_long { member.key_span } else { member.value.span })
    }

    fn contains(&self, key: &str) -> bool {
        self.members.iter().flatten().any(|member| member.key == key)
    }

    /// All that were not taken.
    pub(super) fn into_members(self) -> impl Iterator<Item = Member<'a>> {
        self.members.into_iter().flatten()
    }
}

/// The names of a block's arguments and their defaults.
type Arguments = (Box<[Box<str>]>, Box<[Option<Template>]>);
type ArgumentNames = Rc<[Box<str>]>;

/// Reads the parts of a file and collects what is wrong with them.
pub(super) struct Reader<'s> {
    pub(super) sources: &'s SourceMap,
    pub(super) sink: &'s mut Sink,
    parameters: Vec<Box<str>>,
    /// The arguments that each block takes; none where it could not be read.
    blocks: IndexMap<Box<str>, Option<ArgumentNames>, rustc_hash::FxBuildHasher>,
    arguments: Box<[Box<str>]>,
    indices: Vec<Box<str>>,
    /// Whether names are missing that the file meant to declare: an unknown one is then no second error.
    unsure: bool,
    unsure_of_blocks: bool,
    has_broken: bool,
    /// The last op of each name: a long file repeats few different ones, and they are shared.
    recent: rustc_hash::FxHashMap<&'static str, Arc<Op>>,
}

impl<'s> Reader<'s> {
    pub(super) fn new(sources: &'s SourceMap, sink: &'s mut Sink) -> Self {
        Self {
            sources,
            sink,
            parameters: Vec::new(),
            blocks: IndexMap::default(),
            arguments: Box::default(),
            indices: Vec::new(),
            unsure: false,
            unsure_of_blocks: false,
            has_broken: false,
            recent: rustc_hash::FxHashMap::default(),
        }
    }

    fn names(&self) -> Names<'_> {
        Names {
            parameters: &self.parameters,
            arguments: &self.arguments,
            indices: &self.indices,
            unsure: self.unsure,
            in_rounds: false,
        }
    }

    /// Whether a text stands in the file as it is read: without escapes.
    fn direct(&self, span: Span, text: &str) -> bool {
        self.sources.text(span).strip_prefix('"').and_then(|t| t.strip_suffix('"')) == Some(text)
    }

    pub(super) fn wrong_type(&mut self, json: &Json<'_>, what: &str, expected: &str) {
        self.sink.push(
            Diagnostic::error(Code::WrongType, format!("{what} must be {expected}"))
                .at(json.span, format!("this is {}", json.kind())),
        );
    }

    pub(super) fn object<'a>(&mut self, json: Json<'a>, what: &str) -> Option<Fields<'a>> {
        let Value::Object(members) = json.value else {
            self.wrong_type(&json, what, "an object");
            return None;
        };
        Some(Fields { span: json.span, members: members.into_vec().into_iter().map(Some).collect() })
    }

    fn list<'a>(&mut self, json: Json<'a>, what: &str) -> Option<Vec<Json<'a>>> {
        let Value::Array(items) = json.value else {
            self.wrong_type(&json, what, "a list");
            return None;
        };
        Some(items.into_vec())
    }

    pub(super) fn text(&mut self, json: &Json<'_>, what: &str) -> Option<String> {
        let Value::String(text) = &json.value else {
            self.wrong_type(json, what, "a text");
            return None;
        };
        Some(text.clone().into_owned())
    }

    pub(super) fn unknown_keys(&mut self, fields: Fields<'_>, what: &str, known: &[&str]) {
        for member in fields.into_members() {
            if self.sink.is_full() {
                return;
            }
            self.sink.push(
                Diagnostic::error(Code::UnknownKey, format!("{what} has no key `{}`", member.key))
                    .at(member.key_span, "not known")
                    .did_you_mean(&member.key, known.iter().copied())
                    .help(format!("keys: {}", known.join(", "))),
            );
        }
    }

    /// A name that references can spell.
    fn name(&mut self, text: &str, span: Span) -> Option<Word> {
        let fault = if text.is_empty() {
            Some("a name must not be empty".to_owned())
        } else if let Some(letter) =
            text.chars().find(|&letter| RESERVED.contains(&letter) || is_steering(letter))
        {
            Some(format!("a name must not contain `{}`", letter.escape_default()))
        } else if ["previous", "input"].contains(&text) {
            Some(format!("`{text}` is a reference of its own, not a name"))
        } else if text.len() > 200 {
            Some("a name may have at most 200 bytes".to_owned())
        } else {
            None
        };
        match fault {
            None => Some(Word { text: text.into(), span }),
            Some(message) => {
                self.sink.push(
                    Diagnostic::error(Code::InvalidName, message)
                        .at(span, "not a name")
                        .help("names are free of `/`, `[`, `]`, `:` and of letters that cannot be seen"),
                );
                None
            }
        }
    }

    /// A name in a scope of expressions: it must be a word there.
    fn identifier(&mut self, text: &str, span: Span) -> Option<Word> {
        let mut letters = text.chars();
        let starts = letters.next().is_some_and(|letter| letter.is_alphabetic() || letter == '_');
        let word = starts && letters.all(|letter| letter.is_alphanumeric() || letter == '_');
        if word && !["and", "or", "not", "true", "false"].contains(&text) && text.len() <= 200 {
            return Some(Word { text: text.into(), span });
        }
        self.sink.push(
            Diagnostic::error(Code::InvalidName, format!("`{text}` cannot be used in expressions"))
                .at(span, "not a word")
                .help("use letters, digits and `_`, not starting with a digit, and none of and, or, not, true, false"),
        );
        None
    }

    pub(super) fn document(mut self, json: Json<'_>) -> Option<Document> {
        let mut fields = self.object(json, "an architecture file")?;
        let span = fields.span.head();
        let before = self.sink.errors();
        drop(fields.take("$schema"));
        let name = fields.take("name").and_then(|json| self.text(&json, "`name`"));
        let description = fields.take("description").and_then(|json| self.text(&json, "`description`"));
        drop(fields.take("source").and_then(|json| self.text(&json, "`source`")));

        let parameters = fields.take("parameters").map_or(Vec::new(), |json| self.parameters(json));
        let inputs_json = fields.take("inputs");
        let inputs_span = inputs_json.as_ref().map_or(span, |json| json.span);
        let inputs = match inputs_json {
            Some(json) => self.inputs(json),
            None => {
                self.missing(span, &fields, "an architecture file", "inputs", "{\"image\": [3, 224, 224]}");
                Vec::new()
            }
        };
        let dtype = fields.take("dtype").and_then(|json| self.dtype(&json)).unwrap_or(DType::F32);
        let batch = fields.take("batch").and_then(|json| self.template(json, "`batch`", true, &[]));
        let mut is_sound = self.sink.errors() == before;
        let blocks = fields.take("blocks").map_or(Vec::new(), |json| self.blocks(json));
        is_sound &= !self.unsure && !self.unsure_of_blocks;
        let layers = match fields.take("layers") {
            Some(json) => self.layers(json, "`layers`"),
            None => {
                self.missing(span, &fields, "an architecture file", "layers", "[{\"op\": \"relu\"}]");
                Box::default()
            }
        };
        is_sound &= !layers.is_empty() || self.sink.errors() == before;
        let outputs = fields.take("outputs").and_then(|json| self.references(json, "`outputs`"));
        let facts = fields.take("published").map_or(Vec::new(), |json| facts::read(&mut self, json));
        self.unknown_keys(fields, "an architecture file", TOP_KEYS);
        Some(Document {
            name,
            description,
            parameters,
            parameter_names: self.parameters,
            inputs,
            inputs_span,
            dtype,
            batch,
            blocks,
            layers,
            outputs,
            facts,
            is_sound,
            has_broken: self.has_broken,
        })
    }

    /// A required key is absent. Where it is only misspelt, that is the one error.
    fn missing(&mut self, span: Span, fields: &Fields<'_>, what: &str, key: &str, example: &str) {
        let mut others = fields.members.iter().flatten().take(100);
        if others.any(|member| nearest(&member.key, [key]).is_some()) {
            return;
        }
        self.sink.push(
            Diagnostic::error(Code::Missing, format!("{what} needs `{key}`"))
                .at(span, format!("`{key}` is not given"))
                .help(format!("for example \"{key}\": {example}")),
        );
    }

    fn dtype(&mut self, json: &Json<'_>) -> Option<DType> {
        let text = self.text(json, "`dtype`")?;
        let found = DType::from_name(&text);
        if found.is_none() {
            let names = || DType::ALL.iter().map(|dtype| dtype.name());
            self.sink.push(
                Diagnostic::error(Code::OutOfRange, format!("there is no element type `{text}`"))
                    .at(json.span, "not a type")
                    .did_you_mean(&text, names())
                    .help(format!("types: {}", names().collect::<Vec<_>>().join(", "))),
            );
        }
        found
    }

    /// A value: numbers, flags and lists as they are, texts as expressions where `numeric`.
    pub(super) fn template(
        &mut self,
        json: Json<'_>,
        what: &str,
        numeric: bool,
        words: &[&str],
    ) -> Option<Template> {
        let span = json.span;
        let kind = match json.value {
            Value::Null => TemplateKind::Value(SettingValue::Null),
            Value::Bool(flag) => TemplateKind::Value(SettingValue::Flag(flag)),
            Value::Number(text) => match exact_number(text) {
                Some(number) => TemplateKind::Value(SettingValue::Number(number)),
                None => {
                    self.sink.push(
                        Diagnostic::error(Code::Overflow, format!("{what} does not fit"))
                            .at(span, "too large or too fine a number"),
                    );
                    return None;
                }
            },
            Value::String(text) if !numeric || words.contains(&&*text) => {
                TemplateKind::Value(SettingValue::Text(text.into()))
            }
            Value::String(text) => {
                let direct = self.direct(span, &text);
                match Expression::parse(&text, span, direct, self.names()) {
                    Ok(expression) => TemplateKind::Expression(Box::new(expression)),
                    Err(diagnostic) => {
                        self.sink.push(diagnostic.did_you_mean(&text, words.iter().copied()));
                        return None;
                    }
                }
            }
            Value::Array(items) => {
                let items = items.into_vec().into_iter();
                // The first fault of a list is enough.
                let read: Option<Vec<Template>> =
                    items.map(|item| self.template(item, what, numeric, &[])).collect();
                TemplateKind::List(read?.into_boxed_slice())
            }
            Value::Object(_) => {
                self.wrong_type(&json, what, "a number, a text, a list, true or false");
                return None;
            }
        };
        Some(Template { span, kind })
    }

    fn expression(&mut self, json: &Json<'_>, what: &str) -> Option<Expression> {
        let text = match &json.value {
            Value::String(text) => text.clone(),
            Value::Bool(true) => "true".into(),
            Value::Bool(false) => "false".into(),
            Value::Number(number) => (*number).into(),
            _ => {
                self.wrong_type(json, what, "an expression in double quotes");
                return None;
            }
        };
        let direct = self.direct(json.span, &text);
        Expression::parse(&text, json.span, direct, self.names())
            .map_err(|diagnostic| self.sink.push(diagnostic))
            .ok()
    }

    /// Refuses sizes of tensors where the structure of the network depends on the value.
    fn structural(&mut self, expression: Expression, what: &str) -> Option<Expression> {
        if !expression.mentions_tensors {
            return Some(expression);
        }
        self.sink.push(
            Diagnostic::error(Code::Expression, format!("{what} cannot depend on the size of a tensor"))
                .at(expression.span, "a tensor's size")
                .help("use parameters, arguments and the index of a repeat"),
        );
        None
    }

    fn parameters(&mut self, json: Json<'_>) -> Vec<Parameter> {
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
    fn too_many(&mut self, count: usize, span: Span, what: &str, names: &str) -> bool {
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

    fn parameter(&mut self, name: Word, json: Json<'_>) -> Option<Parameter> {
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

    fn inputs(&mut self, json: Json<'_>) -> Vec<Input> {
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

    fn blocks(&mut self, json: Json<'_>) -> Vec<Block> {
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

    fn block_arguments(&mut self, json: Json<'_>) -> Arguments {
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

    pub(super) fn references(&mut self, json: Json<'_>, what: &str) -> Option<Box<[Reference]>> {
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

    fn reference(&mut self, json: &Json<'_>, what: &str) -> Option<Reference> {
        let Value::String(text) = &json.value else {
            self.wrong_type(json, what, "a reference or a list of references");
            return None;
        };
        let direct = self.direct(json.span, text);
        let at = unquoted(json.span, direct);
        Reference::parse(text, at, direct, self.names()).map_err(|diagnostic| self.sink.push(diagnostic)).ok()
    }

    fn layers(&mut self, json: Json<'_>, what: &str) -> Box<[Layer]> {
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
    fn broken(&mut self, span: Span, name: Option<(Cow<'_, str>, Span)>) -> Layer {
        self.has_broken = true;
        let name = name.map(|(text, span)| Box::new(Word { text: text.as_ref().into(), span }));
        Layer { span, name, inputs: None, modifiers: None, kind: LayerKind::Broken }
    }

    fn layer(&mut self, json: Json<'_>) -> Option<Layer> {
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

    fn layer_body(
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

    fn choose(&mut self, mut fields: Fields<'_>) -> Option<LayerKind> {
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

    fn block_call(&mut self, mut fields: Fields<'_>) -> Option<LayerKind> {
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

    fn op(&mut self, mut fields: Fields<'_>, inputs: Option<&[Reference]>) -> Option<LayerKind> {
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
        let mut mentions_tensors = false;
        let mut mentions_index = inputs.is_some_and(|inputs| inputs.iter().any(Reference::has_rounds))
            || share.as_ref().is_some_and(Reference::has_rounds);
        for (_, template) in &given {
            template.expressions(&mut |expression| {
                mentions_tensors |= expression.mentions_tensors || expression.mentions_arguments;
                mentions_index |= expression.mentions_index;
            });
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
        let work = given.iter().map(|(_, template)| template.work()).sum();
        let values = given.iter().map(|(_, template)| template.values()).sum();
        let given = given.into_boxed_slice();
        Some(LayerKind::Op(Box::new(OpLayer {
            info,
            span: json.span,
            given,
            called_as,
            share,
            constant,
            mentions_tensors,
            mentions_index,
            values,
            work,
        })))
    }

    /// An op whose attributes are plain values is read once, however often it is used.
    fn constant_op(&mut self, info: &OpInfo, span: Span, given: &[(usize, Template)]) -> Option<Op> {
        struct Nothing;
        impl super::expression::Environment for Nothing {
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

    fn called_as(&mut self, json: &Json<'_>) -> Option<CalledAs> {
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

impl Template {
    /// Its value.
    pub(super) fn evaluate(
        &self,
        environment: &dyn super::expression::Environment,
    ) -> Result<Setting, Diagnostic> {
        let (value, expression) = match &self.kind {
            TemplateKind::Value(value) => (value.clone(), None),
            TemplateKind::Expression(expression) => {
                (expression.evaluate(environment)?, Some(expression.text.clone()))
            }
            TemplateKind::List(items) => {
                let items: Result<Vec<Setting>, _> =
                    items.iter().map(|item| item.evaluate(environment)).collect();
                (SettingValue::List(items?), None)
            }
        };
        Ok(Setting { value, span: self.span, expression })
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
