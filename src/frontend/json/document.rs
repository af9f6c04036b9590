//! An architecture file as it is written: everything named and compiled, nothing expanded yet.

mod declarations;
mod layers;
mod reader;
mod stored;

use std::sync::Arc;

use super::expression::Expression;
use super::reference::Reference;
pub(super) use reader::Reader;
pub(super) use stored::Listed;

use crate::diagnostic::Diagnostic;
use crate::graph::CalledAs;
use crate::ops::attribute::{Exact, Setting, SettingValue};
use crate::ops::{Op, OpInfo};
use crate::published::Fact;
use crate::source::Span;
use crate::tensor::DType;

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
    /// What a file that it was converted from lists for it.
    pub(super) listed: Option<Box<Listed>>,
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

impl OpLayer {
    /// All values that may have to be evaluated.
    pub(super) fn templates(&self) -> impl Iterator<Item = &Template> {
        let listed = self.listed.iter().flat_map(|listed| listed.templates());
        self.given.iter().map(|(_, template)| template).chain(listed)
    }
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
pub(super) const OP_KEYS: &[&str] = &["op", "called_as", "share", "stored", "listed_bytes"];
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
