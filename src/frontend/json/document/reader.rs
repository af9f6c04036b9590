//! Reads a file key by key and collects what is wrong with it: the parts that every other part is made of.

use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;

use super::super::expression::{Expression, Names, exact_number};
use super::super::facts;
use super::super::reference::RESERVED;
use super::{Document, TOP_KEYS, Template, TemplateKind, Word};
use crate::diagnostic::{Code, Diagnostic, Sink, is_steering, nearest};
use crate::ops::Op;
use crate::ops::attribute::SettingValue;
use crate::source::json::{Json, Member, Value};
use crate::source::{SourceMap, Span};
use crate::tensor::DType;

/// The members of one object, taken one by one.
pub(in crate::frontend::json) struct Fields<'a> {
    pub(in crate::frontend::json) span: Span,
    pub(super) members: Vec<Option<Member<'a>>>,
}

impl<'a> Fields<'a> {
    pub(in crate::frontend::json) fn take(&mut self, key: &str) -> Option<Json<'a>> {
        self.take_member(key).map(|member| member.value)
    }

    pub(in crate::frontend::json) fn take_member(&mut self, key: &str) -> Option<Member<'a>> {
        self.members.iter_mut().find(|member| member.as_ref().is_some_and(|member| member.key == key))?.take()
    }

    /// Where a key's value stands; of a list or object only the key.
    pub(super) fn span_of(&self, key: &str) -> Option<Span> {
        let member = self.members.iter().flatten().find(|member| member.key == key)?;
        let is_long = matches!(member.value.value, Value::Array(_) | Value::Object(_));
        Some(if is_long { member.key_span } else { member.value.span })
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.members.iter().flatten().any(|member| member.key == key)
    }

    /// All that were not taken.
    pub(in crate::frontend::json) fn into_members(self) -> impl Iterator<Item = Member<'a>> {
        self.members.into_iter().flatten()
    }
}

/// The names of a block's arguments and their defaults.
pub(super) type Arguments = (Box<[Box<str>]>, Box<[Option<Template>]>);
pub(super) type ArgumentNames = Rc<[Box<str>]>;

/// Reads the parts of a file and collects what is wrong with them.
pub(in crate::frontend::json) struct Reader<'s> {
    pub(in crate::frontend::json) sources: &'s SourceMap,
    pub(in crate::frontend::json) sink: &'s mut Sink,
    pub(super) parameters: Vec<Box<str>>,
    /// The arguments that each block takes; none where it could not be read.
    pub(super) blocks: IndexMap<Box<str>, Option<ArgumentNames>, rustc_hash::FxBuildHasher>,
    pub(super) arguments: Box<[Box<str>]>,
    pub(super) indices: Vec<Box<str>>,
    /// Whether names are missing that the file meant to declare: an unknown one is then no second error.
    pub(super) unsure: bool,
    pub(super) unsure_of_blocks: bool,
    pub(super) has_broken: bool,
    /// The last op of each name: a long file repeats few different ones, and they are shared.
    pub(super) recent: rustc_hash::FxHashMap<&'static str, Arc<Op>>,
}

impl<'s> Reader<'s> {
    pub(in crate::frontend::json) fn new(sources: &'s SourceMap, sink: &'s mut Sink) -> Self {
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

    pub(super) fn names(&self) -> Names<'_> {
        Names {
            parameters: &self.parameters,
            arguments: &self.arguments,
            indices: &self.indices,
            unsure: self.unsure,
            in_rounds: false,
        }
    }

    /// Whether a text stands in the file as it is read: without escapes.
    pub(super) fn direct(&self, span: Span, text: &str) -> bool {
        self.sources.text(span).strip_prefix('"').and_then(|t| t.strip_suffix('"')) == Some(text)
    }

    pub(in crate::frontend::json) fn wrong_type(&mut self, json: &Json<'_>, what: &str, expected: &str) {
        self.sink.push(
            Diagnostic::error(Code::WrongType, format!("{what} must be {expected}"))
                .at(json.span, format!("this is {}", json.kind())),
        );
    }

    pub(in crate::frontend::json) fn object<'a>(&mut self, json: Json<'a>, what: &str) -> Option<Fields<'a>> {
        let Value::Object(members) = json.value else {
            self.wrong_type(&json, what, "an object");
            return None;
        };
        Some(Fields { span: json.span, members: members.into_vec().into_iter().map(Some).collect() })
    }

    pub(super) fn list<'a>(&mut self, json: Json<'a>, what: &str) -> Option<Vec<Json<'a>>> {
        let Value::Array(items) = json.value else {
            self.wrong_type(&json, what, "a list");
            return None;
        };
        Some(items.into_vec())
    }

    pub(in crate::frontend::json) fn text(&mut self, json: &Json<'_>, what: &str) -> Option<String> {
        let Value::String(text) = &json.value else {
            self.wrong_type(json, what, "a text");
            return None;
        };
        Some(text.clone().into_owned())
    }

    pub(in crate::frontend::json) fn unknown_keys(&mut self, fields: Fields<'_>, what: &str, known: &[&str]) {
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
    pub(super) fn name(&mut self, text: &str, span: Span) -> Option<Word> {
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
    pub(super) fn identifier(&mut self, text: &str, span: Span) -> Option<Word> {
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

    pub(in crate::frontend::json) fn document(mut self, json: Json<'_>) -> Option<Document> {
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
    pub(super) fn missing(&mut self, span: Span, fields: &Fields<'_>, what: &str, key: &str, example: &str) {
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

    pub(super) fn dtype(&mut self, json: &Json<'_>) -> Option<DType> {
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
    pub(in crate::frontend::json) fn template(
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

    pub(super) fn expression(&mut self, json: &Json<'_>, what: &str) -> Option<Expression> {
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
    pub(super) fn structural(&mut self, expression: Expression, what: &str) -> Option<Expression> {
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
}
