//! Single layers: what they are, and the numbers in it.

use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde_json::Value;

use super::listed::{self, Listed};
use crate::graph::{CalledAs, Graph, Node};
use crate::ops::attribute::Attribute;
use crate::ops::{Op, OpInfo};

/// An op with all its attributes, those at their default too.
pub(super) struct Leaf {
    pub(super) info: &'static OpInfo,
    pub(super) called_as: Option<CalledAs>,
    /// In the order of the op's table; behind them what the file says beyond the op.
    pub(super) attributes: Vec<(&'static Attribute, Value)>,
    /// Equal for leaves that differ in numbers and flags only.
    pub(super) skeleton: u32,
    /// Equal for equal leaves.
    pub(super) exact: u32,
    /// Those numbers and flags.
    pub(super) cells: Vec<Value>,
}

/// All leaves, each different one once.
#[derive(Default)]
pub(super) struct Leaves {
    by_op: FxHashMap<(usize, Option<CalledAs>, Option<Listed>), Rc<Leaf>>,
    by_text: FxHashMap<String, Rc<Leaf>>,
    skeletons: FxHashMap<String, u32>,
}

impl Leaves {
    pub(super) fn get(&mut self, graph: &Graph, node: &Node) -> Rc<Leaf> {
        // The graph keeps its ops alive, so that an address is one op's.
        let key = (Arc::as_ptr(&node.op) as usize, node.called_as, Listed::of(graph, node));
        if let Some(leaf) = self.by_op.get(&key) {
            return leaf.clone();
        }
        let leaf = self.make(&node.op, node.called_as, key.2.as_ref());
        self.by_op.insert(key, leaf.clone());
        leaf
    }

    fn make(&mut self, op: &Op, called_as: Option<CalledAs>, listed: Option<&Listed>) -> Rc<Leaf> {
        let settings = op.settings();
        let info = OpInfo::find(op.name()).unwrap_or(&Op::ALL[0]);
        let mut attributes = Vec::with_capacity(info.attributes.len());
        for attribute in info.attributes {
            let given = settings.iter().find(|(name, _)| *name == attribute.name);
            let value = given.map(|(_, value)| shortest(value.clone())).or_else(attribute.default);
            attributes.push((attribute, value.unwrap_or(Value::Null)));
        }
        if let Some(Listed { stored, bytes }) = listed {
            attributes.extend(stored.iter().map(|stored| (&listed::STORED, listed::value(stored))));
            attributes.extend(bytes.iter().map(|&bytes| (&listed::BYTES, bytes.into())));
        }
        let mut skeleton = format!("{} {:?}", info.name, called_as.map(CalledAs::name));
        let mut cells = Vec::new();
        for (attribute, value) in &attributes {
            let _ = write!(skeleton, " {}=", attribute.name);
            shape(value, attribute.numeric, &mut skeleton, &mut cells);
        }
        let text = format!("{skeleton} {cells:?}");
        if let Some(leaf) = self.by_text.get(&text) {
            return leaf.clone();
        }
        let next = super::tree::as_u32(self.skeletons.len());
        let skeleton = *self.skeletons.entry(skeleton).or_insert(next);
        let exact = super::tree::as_u32(self.by_text.len());
        let leaf = Rc::new(Leaf { info, called_as, attributes, skeleton, exact, cells });
        self.by_text.insert(text, leaf.clone());
        leaf
    }
}

/// What of a value is no number or flag; those go to `cells` where an expression can stand for them.
fn shape(value: &Value, numeric: bool, skeleton: &mut String, cells: &mut Vec<Value>) {
    match value {
        Value::Number(_) | Value::Bool(_) if numeric => {
            skeleton.push(if value.is_boolean() { '?' } else { '#' });
            cells.push(value.clone());
        }
        Value::Array(items) => {
            skeleton.push('[');
            items.iter().for_each(|item| shape(item, numeric, skeleton, cells));
            skeleton.push(']');
        }
        Value::Object(members) => {
            for (key, member) in members {
                let _ = write!(skeleton, "{{{key}:");
                shape(member, numeric, skeleton, cells);
            }
            skeleton.push('}');
        }
        other => {
            let _ = write!(skeleton, "{other}");
        }
    }
}

/// A number with the digits that someone gave it: those of a single-precision one, or no more than 13. What a
/// calculation leaves behind them counts nowhere, and an exact fraction of 17 digits would not be read as the same.
fn shortest(value: Value) -> Value {
    let Some(wide) = value.as_f64().filter(|_| value.is_f64()) else { return value };
    #[expect(clippy::cast_possible_truncation, reason = "compared with the original")]
    let narrow = wide as f32;
    let text = match f64::from(narrow).to_bits() == wide.to_bits() {
        true => narrow.to_string(),
        false => format!("{wide:.12e}"),
    };
    text.parse::<f64>().map_or(value, Value::from)
}
