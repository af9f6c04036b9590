//! An architecture file as it is written: everything named and compiled, nothing expanded yet.

use std::rc::Rc;

use indexmap::IndexMap;

use super::expression::{Expression, Names, exact_number};
use super::facts;
use super::reference::{RESERVED, Reference, unquoted};
use crate::diagnostic::{Code, Diagnostic, Sink};
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
        match &self.kind {
            TemplateKind::Value(_) => 1,
            TemplateKind::Expression(expression) => expression.work,
            TemplateKind::List(items) => items.iter().map(Self::work).sum(),
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
    Block { block: usize, with: Box<[(usize, Template)]>, span: Span },
    Group(Box<[Layer]>),
    Choose { value: Expression, cases: Box<[(Word, Box<[Layer]>)]>, otherwise: Option<Box<[Layer]>> },
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
    pub(super) constant: Option<Op>,
    /// What it takes to evaluate the attributes.
    pub(super) work: usize,
    /// Whether an attribute mentions a tensor or an argument that may.
    pub(super) mentions_tensors: bool,
    /// Whether anything in the layer depends on the index of a repeat.
    pub(super) mentions_index: bool,
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

/// The most parameters, facts, arguments and inputs of a block, and cases of a choice.
const MAX_NAMES: usize = 1000;

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

    fn contains(&self, key: &str) -> bool {
        self.members.iter().flatten().any(|member| member.key == key)
    }

    /// All that were not taken.
    pub(super) fn into_members(self) -> impl Iterator<Item = Member<'a>> {
        self.members.into_iter().flatten()
    }
}

/// A block's name and its arguments' names.
type Head = (Word, Rc<[Box<str>]>);

/// Reads the parts of a file and collects what is wrong with them.
pub(super) struct Reader<'s> {
    pub(super) sources: &'s SourceMap,
    pub(super) sink: &'s mut Sink,
    parameters: Vec<Box<str>>,
    blocks: IndexMap<Box<str>, Head, rustc_hash::FxBuildHasher>,
    arguments: Box<[Box<str>]>,
    indices: Vec<Box<str>>,
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
        }
    }

    fn names(&self) -> Names<'_> {
        Names {
            parameters: &self.parameters,
            arguments: &self.arguments,
            indices: &self.indices,
            rounds: false,
            brief: !self.sink.has_room(),
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
            let mut fault =
                Diagnostic::error(Code::UnknownKey, format!("{what} has no key `{}`", member.key))
                    .at(member.key_span, "not known");
            if self.sink.has_room() {
                fault = fault
                    .did_you_mean(&member.key, known.iter().copied())
                    .help(format!("keys: {}", known.join(", ")));
            }
            self.sink.push(fault);
        }
    }

    /// A name that references can spell.
    fn name(&mut self, text: &str, span: Span) -> Option<Word> {
        let fault = if text.is_empty() {
            Some("a name must not be empty".to_owned())
        } else if let Some(letter) =
            text.chars().find(|letter| RESERVED.contains(letter) || letter.is_control())
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
                        .help("names are free of `/`, `[`, `]`, `:` and control characters"),
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
                self.missing(span, "an architecture file", "inputs", "{\"image\": [3, 224, 224]}");
                Vec::new()
            }
        };
        let dtype = fields.take("dtype").and_then(|json| self.dtype(&json)).unwrap_or(DType::F32);
        let batch = fields.take("batch").and_then(|json| self.template(json, "`batch`", true, &[]));
        let blocks = fields.take("blocks").map_or(Vec::new(), |json| self.blocks(json));
        let layers = match fields.take("layers") {
            Some(json) => self.layers(json, "`layers`"),
            None => {
                self.missing(span, "an architecture file", "layers", "[{\"op\": \"relu\"}]");
                Box::default()
            }
        };
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
        })
    }

    fn missing(&mut self, span: Span, what: &str, key: &str, example: &str) {
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
                        self.sink.push(diagnostic);
                        return None;
                    }
                }
            }
            Value::Array(items) => {
                let count = items.len();
                let read: Vec<Template> = items
                    .into_vec()
                    .into_iter()
                    .filter_map(|item| self.template(item, what, numeric, &[]))
                    .collect();
                if read.len() < count {
                    return None;
                }
                TemplateKind::List(read.into_boxed_slice())
            }
            Value::Object(_) => {
                self.wrong_type(&json, what, "a value");
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

    /// Whether one more may be read of what is searched name by name.
    pub(super) fn counts(&mut self, already: usize, what: &str, span: Span) -> bool {
        if already < MAX_NAMES {
            return true;
        }
        self.sink.push(
            Diagnostic::error(Code::TooLarge, format!("more than {MAX_NAMES} {what}"))
                .at(span, "one too many"),
        );
        false
    }

    fn parameters(&mut self, json: Json<'_>) -> Vec<Parameter> {
        let Some(fields) = self.object(json, "`parameters`") else { return Vec::new() };
        let mut parameters = Vec::new();
        for member in fields.into_members() {
            if !self.counts(parameters.len(), "parameters of a file", member.key_span) {
                break;
            }
            let Some(name) = self.identifier(&member.key, member.key_span) else { continue };
            if let Some(parameter) = self.parameter(name.clone(), member.value) {
                parameters.push(parameter);
                self.parameters.push(name.text);
            }
        }
        parameters
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
        let Some(default) = fields.take("default") else {
            self.missing(fields.span, &what, "default", "0.5");
            return None;
        };
        let default = self.template(default, "`default`", choices.is_none(), &[])?;
        self.unknown_keys(fields, &what, PARAMETER_KEYS);
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
                    let Some(shape) = fields.take("shape") else {
                        self.missing(fields.span, &what, "shape", "[3, 224, 224]");
                        continue;
                    };
                    self.unknown_keys(fields, &what, &["shape", "dtype"]);
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
        if inputs.len() > 1000 {
            let (extra, most) = (&inputs[1000], 1000);
            self.sink.push(
                Diagnostic::error(Code::TooLarge, format!("a network may have at most {most} inputs"))
                    .at(extra.name.span, "one too many"),
            );
            inputs.truncate(most);
        }
        inputs
    }

    fn blocks(&mut self, json: Json<'_>) -> Vec<Block> {
        let Some(fields) = self.object(json, "`blocks`") else { return Vec::new() };
        // Heads first: a block may use one that is defined below it.
        let mut bodies = Vec::new();
        for member in fields.into_members() {
            let Some(name) = self.name(&member.key, member.key_span) else { continue };
            let what = format!("the block `{}`", name.text);
            let Some(mut fields) = self.object(member.value, &what) else { continue };
            let (arguments, defaults) = match fields.take("arguments") {
                Some(json) => self.block_arguments(json),
                None => (Box::default(), Box::default()),
            };
            self.blocks.insert(name.text.clone(), (name, (&*arguments).into()));
            bodies.push((fields, arguments, defaults));
        }
        let mut blocks = Vec::new();
        for (index, (mut fields, arguments, defaults)) in bodies.into_iter().enumerate() {
            let name = self.blocks[index].0.clone();
            let what = format!("the block `{}`", name.text);
            drop(fields.take("description").and_then(|json| self.text(&json, "`description`")));
            self.arguments.clone_from(&arguments);
            let inputs =
                fields.take("inputs").and_then(|json| self.list(json, "`inputs` of a block")).map(|items| {
                    let mut words = Vec::new();
                    for item in &items {
                        if !self.counts(words.len(), "named inputs of a block", item.span) {
                            break;
                        }
                        let text = self.text(item, "the name of an input");
                        words.extend(text.and_then(|text| self.name(&text, item.span)));
                    }
                    words.into_boxed_slice()
                });
            let layers = match fields.take("layers") {
                Some(json) => self.layers(json, "`layers`"),
                None => {
                    self.missing(fields.span, &what, "layers", "[{\"op\": \"relu\"}]");
                    Box::default()
                }
            };
            let outputs = fields.take("outputs").and_then(|json| self.references(json, "`outputs`"));
            self.arguments = Box::default();
            self.unknown_keys(fields, &what, BLOCK_KEYS);
            blocks.push(Block { name, arguments, defaults, inputs, layers, outputs });
        }
        blocks
    }

    fn block_arguments(&mut self, json: Json<'_>) -> (Box<[Box<str>]>, Box<[Option<Template>]>) {
        let Some(fields) = self.object(json, "`arguments` of a block") else { return Default::default() };
        let mut names: Vec<Box<str>> = Vec::new();
        let mut defaults = Vec::new();
        for member in fields.into_members() {
            if !self.counts(names.len(), "arguments of a block", member.key_span) {
                break;
            }
            let Some(name) = self.identifier(&member.key, member.key_span) else { continue };
            // A default may use the arguments above it.
            self.arguments = names.clone().into_boxed_slice();
            let default = match member.value.value {
                Value::Null => None,
                _ => match self.template(member.value, &format!("the argument `{}`", name.text), true, &[]) {
                    Some(default) => Some(default),
                    None => continue,
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
        layers.extend(items.into_iter().filter_map(|item| self.layer(item)));
        layers.into_boxed_slice()
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
                for member in fields.into_members().take(if self.sink.has_room() { 20 } else { 0 }) {
                    diagnostic = diagnostic.did_you_mean(&member.key, KINDS.iter().copied());
                }
                self.sink.push(diagnostic);
                return None;
            }
            several => {
                self.sink.push(
                    Diagnostic::error(
                        Code::WrongCount,
                        format!("a layer has one of {}", several.join(" and ")),
                    )
                    .at(span, "both are given"),
                );
                return None;
            }
        };
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
        let layer = self.layer_body(kind, span, name, when, repeat, fields);
        if repeats {
            self.indices.pop();
        }
        layer
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
        let inputs = fields.take("inputs").and_then(|json| self.references(json, "`inputs`"));
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
            Some(json) => self.object(json, "`cases`").map(|fields| {
                let mut cases = Vec::new();
                for member in fields.into_members() {
                    if !self.counts(cases.len(), "cases of a choice", member.key_span) {
                        break;
                    }
                    let key = Word { text: member.key.as_ref().into(), span: member.key_span };
                    cases.push((key, self.layers(member.value, "a case")));
                }
                cases.into_boxed_slice()
            }),
            None => {
                self.missing(span, "a choice", "cases", "{\"csp\": [], \"none\": []}");
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
        let Some(block) = self.blocks.get_index_of(&*name) else {
            let mut fault = Diagnostic::error(Code::UnknownBlock, format!("there is no block `{name}`"))
                .at(json.span, "not defined");
            if self.sink.has_room() {
                fault = fault.did_you_mean(&name, self.blocks.keys().map(|name| &**name));
            }
            self.sink.push(fault);
            return None;
        };
        let arguments = self.blocks[block].1.clone();
        let mut with = Vec::new();
        if let Some(fields) = fields.take("with").and_then(|json| self.object(json, "`with`")) {
            for member in fields.into_members() {
                let Some(argument) = arguments.iter().position(|argument| **argument == *member.key) else {
                    let mut fault = Diagnostic::error(
                        Code::UnknownName,
                        format!("the block `{name}` has no argument `{}`", member.key),
                    )
                    .at(member.key_span, "not an argument");
                    if self.sink.has_room() {
                        let known = arguments.iter().map(|argument| &**argument);
                        fault = fault.did_you_mean(&member.key, known);
                    }
                    self.sink.push(fault);
                    continue;
                };
                if let Some(template) = self.template(member.value, &format!("`{}`", member.key), true, &[]) {
                    with.push((argument, template));
                }
            }
        }
        with.sort_by_key(|(argument, _)| *argument);
        self.unknown_keys(fields, "a block's use", &[LAYER_KEYS, &["block", "with"]].concat());
        Some(LayerKind::Block { block, with: with.into_boxed_slice(), span: json.span })
    }

    fn op(&mut self, mut fields: Fields<'_>, inputs: Option<&[Reference]>) -> Option<LayerKind> {
        let json = fields.take("op")?;
        let name = self.text(&json, "`op`")?;
        let info = match OpInfo::find(&name) {
            Some(info) if info.name != "input" => info,
            found => {
                let mut diagnostic = Diagnostic::error(Code::UnknownOp, format!("there is no op `{name}`"))
                    .at(json.span, "not an op");
                if self.sink.has_room() {
                    diagnostic = diagnostic.did_you_mean(&name, Op::ALL.iter().map(|info| info.name));
                }
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
        let share = fields.take("share").and_then(|json| self.reference(&json, "`share`"));
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
                let mut fault = Diagnostic::error(
                    Code::UnknownAttribute,
                    format!("`{name}` has no attribute `{}`", member.key),
                )
                .at(member.key_span, "not known");
                if self.sink.has_room() {
                    fault = fault.did_you_mean(&member.key, known.iter().copied());
                }
                self.sink.push(fault.help(format!("attributes of `{name}`: {listed}")));
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
            Some(self.constant_op(info, json.span, &given)?)
        } else {
            None
        };
        let work = given.iter().map(|(_, template)| template.work()).sum();
        let given = given.into_boxed_slice();
        Some(LayerKind::Op(Box::new(OpLayer {
            info,
            span: json.span,
            given,
            called_as,
            share,
            constant,
            work,
            mentions_tensors,
            mentions_index,
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
