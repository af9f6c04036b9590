//! One ONNX node as the ops see it: its inputs and attributes, and the means to add nodes to our graph.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::import::Importer;
use super::model::{self, Node};
use super::parameters::Use;
use super::scope::Frame;
use super::sources::Fit;
use super::value::{Filling, Kind, Known, Stored, Value};
use crate::diagnostic::Code;
use crate::graph::{NodeId, Outlet};
use crate::ops::{Mismatch, Op, Role};
use crate::tensor::{DType, TensorType};

/// The outputs of one node.
pub(super) type Values = SmallVec<[Value; 1]>;

/// Why a node cannot be taken as it stands.
#[derive(Debug)]
pub(super) enum Stop {
    /// The file is wrong: there is no result.
    Fault(Box<Fault>),
    /// What the node costs cannot be known, and why.
    Unknown(String),
}

/// What is wrong with a node.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl From<Box<Mismatch>> for Stop {
    fn from(mismatch: Box<Mismatch>) -> Self {
        let Mismatch { code, message, inputs, .. } = *mismatch;
        let shown = inputs.iter().map(|(index, text)| format!("input {index}: {text}"));
        let shown: Vec<String> = shown.collect();
        let message = if shown.is_empty() { message } else { format!("{message} ({})", shown.join("; ")) };
        Self::fault(code, message)
    }
}

impl Stop {
    pub(super) fn fault(code: Code, message: impl Into<String>) -> Self {
        Self::Fault(Box::new(Fault { code, message: message.into(), help: None }))
    }

    pub(super) fn unknown(reason: impl Into<String>) -> Self {
        Self::Unknown(reason.into())
    }
}

/// One node that is being taken.
pub(super) struct Call<'i, 'f, 'm> {
    pub(super) importer: &'i mut Importer<'m>,
    pub(super) frame: &'i Frame<'f, 'm>,
    pub(super) node: &'m Node,
    /// Its inputs; absent where they are left out.
    pub(super) inputs: SmallVec<[Option<Value>; 4]>,
    /// The version of its operator set.
    pub(super) opset: i64,
    /// Why what is made of it does not compute what it does, though it costs the same.
    pub(super) refusal: Option<Cow<'static, str>>,
}

/// Attributes.
impl<'m> Call<'_, '_, 'm> {
    /// An attribute, through the caller's where it is a function's own.
    pub(super) fn attribute(&self, name: &str) -> Option<&'m model::Value> {
        let found = self.node.attributes.iter().find(|attribute| attribute.name == name)?;
        match &found.value {
            model::Value::Caller(outer) => self.frame.attributes.get(outer.as_str()).copied(),
            value => Some(value),
        }
    }

    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        match self.attribute(name) {
            Some(&model::Value::Int(number)) => number,
            _ => default,
        }
    }

    pub(super) fn float(&self, name: &str, default: f64) -> f64 {
        match self.attribute(name) {
            Some(&model::Value::Float(number)) => tidy(number),
            _ => default,
        }
    }

    pub(super) fn ints(&self, name: &str) -> Option<&'m [i64]> {
        match self.attribute(name) {
            Some(model::Value::Ints(list)) => Some(list),
            _ => None,
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&'m str> {
        match self.attribute(name) {
            Some(model::Value::String(bytes)) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// Whole numbers that are an attribute in old operator sets and an input in new ones; `None` where neither is
    /// given.
    pub(super) fn list(&self, name: &'static str, input: usize) -> Result<Option<Vec<i64>>, Stop> {
        if let Some(list) = self.ints(name) {
            return Ok(Some(list.to_vec()));
        }
        if let Some(model::Value::Int(one)) = self.attribute(name) {
            return Ok(Some(vec![*one]));
        }
        match self.has(input) {
            true => self.whole(input, name).map(|list| Some(list.to_vec())),
            false => Ok(None),
        }
    }
}

/// A single-precision number as a person would write it in decimals.
#[expect(
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    reason = "the number was a single before, and is that one or not"
)]
pub(super) fn tidy(number: f32) -> f64 {
    number.to_string().parse().ok().filter(|&tidy: &f64| tidy as f32 == number).unwrap_or(f64::from(number))
}

/// Inputs.
impl Call<'_, '_, '_> {
    pub(super) fn has(&self, input: usize) -> bool {
        matches!(self.inputs.get(input), Some(Some(_)))
    }

    /// An input that must be there.
    pub(super) fn input(&self, input: usize) -> Result<&Value, Stop> {
        match self.inputs.get(input) {
            Some(Some(value)) => Ok(value),
            _ => Err(Stop::fault(Code::WrongCount, format!("its input {input} is missing"))),
        }
    }

    /// The shape and element type of an input.
    pub(super) fn tensor(&self, input: usize) -> Result<TensorType, Stop> {
        let value = self.input(input)?;
        value.tensor().ok_or_else(|| match value.kind() {
            Kind::Unsized(why) => Stop::unknown(format!("input {input} has no known size: {why}")),
            _ => Stop::unknown(format!("input {input} is no tensor")),
        })
    }

    /// The number of axes of an input.
    pub(super) fn rank(&self, input: usize) -> Result<usize, Stop> {
        Ok(self.tensor(input)?.shape.rank())
    }

    /// The elements of an input that must be known before the network runs.
    pub(super) fn known(&self, input: usize, what: &str) -> Result<&Known, Stop> {
        let value = self.input(input)?;
        if let Some(known) = value.elements() {
            return Ok(known);
        }
        if let Kind::Unsized(why) = value.kind() {
            return Err(Stop::unknown(format!("its {what} has no known size: {why}")));
        }
        Err(Stop::unknown(format!("its {what} depends on data")))
    }

    /// Whole numbers of an input that must be known before the network runs.
    pub(super) fn whole(&self, input: usize, what: &str) -> Result<&[i64], Stop> {
        self.known(input, what)?
            .whole()
            .ok_or_else(|| Stop::fault(Code::WrongType, format!("its {what} are no whole numbers")))
    }

    /// One number of an input, where it is known.
    pub(super) fn number(&self, input: usize) -> Option<f64> {
        self.inputs.get(input)?.as_ref()?.elements()?.number()
    }

    /// An input that is a tensor of the file.
    pub(super) fn stored(&self, input: usize) -> Option<&Stored> {
        match self.inputs.get(input)?.as_ref()?.kind() {
            Kind::Stored(stored) => Some(stored),
            _ => None,
        }
    }
}

/// Nodes of our graph.
impl Call<'_, '_, '_> {
    /// An input as a tensor of our graph; what is stored or known becomes a constant.
    pub(super) fn outlet(&mut self, input: usize) -> Result<Outlet, Stop> {
        self.tensor(input)?;
        let value = self.input(input)?.clone();
        self.importer.outlet(self.frame, &value)
    }

    /// The same, where it stands for something.
    pub(super) fn outlet_as(&mut self, input: usize, name: &'static str, role: Role) -> Result<Outlet, Stop> {
        let outlet = self.outlet(input)?;
        self.importer.trace(outlet, name, role);
        Ok(outlet)
    }

    /// Adds a node that reads these tensors.
    pub(super) fn add(&mut self, op: impl Into<Op>, inputs: &[Outlet]) -> Result<Outlet, Stop> {
        self.add_using(op, inputs, &[])
    }

    /// The same, and it uses these stored tensors.
    pub(super) fn add_using(
        &mut self,
        op: impl Into<Op>,
        inputs: &[Outlet],
        uses: &[Use],
    ) -> Result<Outlet, Stop> {
        let node = self.importer.add(self.frame, self.node, op.into(), inputs)?;
        for &used in uses {
            self.importer.parameters.note(node, used);
        }
        Ok(Outlet { node, port: 0 })
    }

    /// The uses of a stored input, with what it took to see it as it is.
    pub(super) fn uses(&self, input: usize, name: &'static str, role: Role) -> SmallVec<[Use; 2]> {
        let Some(stored) = self.stored(input) else { return SmallVec::new() };
        let with = stored.with.iter().map(|&storage| Use { storage, name: "scale", role: Role::Buffer });
        [Use { storage: stored.storage, name, role }].into_iter().chain(with).collect()
    }

    /// A tensor of our graph as a value.
    pub(super) fn value(&self, outlet: Outlet) -> Value {
        Value::computed(outlet, self.importer.graph.tensor(outlet).clone())
    }

    /// The only output.
    pub(super) fn one(&self, outlet: Outlet) -> Result<Values, Stop> {
        Ok(SmallVec::from_iter([self.value(outlet)]))
    }

    /// All outputs of a node of our graph.
    pub(super) fn all(&self, outlet: Outlet) -> Values {
        let ports = 0..self.importer.graph.node(outlet.node).outputs.len();
        let ports = ports.filter_map(|port| u32::try_from(port).ok());
        ports.map(|port| self.value(Outlet { node: outlet.node, port })).collect()
    }

    /// The type of a tensor of our graph.
    pub(super) fn of(&self, outlet: Outlet) -> &TensorType {
        self.importer.graph.tensor(outlet)
    }

    /// A single number as a tensor of our graph.
    pub(super) fn scalar(&mut self, dtype: DType, number: f64) -> Result<Outlet, Stop> {
        let value = Value::new(Kind::Literal(TensorType::new([], dtype), Filling::All(number)));
        self.importer.outlet(self.frame, &value)
    }

    /// The tensors of our graph behind all inputs, those left out apart.
    pub(super) fn outlets(&mut self) -> Result<Vec<Outlet>, Stop> {
        (0..self.inputs.len())
            .filter(|&input| self.has(input))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|input| self.outlet(input))
            .collect()
    }
}

/// What a run needs beside the graph.
impl Call<'_, '_, '_> {
    /// A node of ours has the values of a stored tensor from an input, as they are.
    pub(super) fn give(&mut self, node: NodeId, name: &'static str, input: usize) {
        self.give_fitted(node, name, input, Fit::SAME);
    }

    /// The same, and they are fitted to the op.
    pub(super) fn give_fitted(&mut self, node: NodeId, name: &'static str, input: usize, fit: Fit) {
        let (Some(recorder), Some(Some(value))) = (&mut self.importer.recorder, self.inputs.get(input))
        else {
            return;
        };
        recorder.give(node, name, value, fit);
    }

    /// What is made of this node does not compute what it does.
    pub(super) fn refuse(&mut self, reason: impl Into<Cow<'static, str>>) {
        self.refusal.get_or_insert(reason.into());
    }

    /// An attribute must have this value, for ours compute nothing else.
    pub(super) fn needs(&mut self, name: &'static str, only: i64) {
        let is = self.int(name, only);
        if is != only {
            self.refuse(format!("its attribute `{name}` is {is}, and only {only} runs"));
        }
    }
}
