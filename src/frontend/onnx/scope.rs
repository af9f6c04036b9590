//! What names mean in one list of nodes: of the graph, of a function, of a body.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use super::model;
use super::value::Value;

/// The names that one list of nodes can see.
pub(super) struct Frame<'f, 'm> {
    pub(super) values: RefCell<HashMap<&'m str, Value>>,
    /// The graph around a subgraph.
    pub(super) around: Option<&'f Frame<'f, 'm>>,
    /// The caller's attributes, in a function.
    pub(super) attributes: HashMap<&'m str, &'m model::Value>,
    pub(super) opsets: &'m [(String, i64)],
    /// What stands before the names of nodes: the calls that led here.
    pub(super) prefix: String,
    /// How many calls and subgraphs are around.
    pub(super) depth: usize,
    /// Inputs of a function that the caller leaves out.
    pub(super) absent: RefCell<HashSet<&'m str>>,
}

impl<'m> Frame<'_, 'm> {
    pub(super) fn find(&self, name: &str) -> Option<Value> {
        let mut frame = Some(self);
        while let Some(current) = frame {
            if let Some(value) = current.values.borrow().get(name) {
                return Some(value.clone());
            }
            frame = current.around;
        }
        None
    }

    pub(super) fn set(&self, name: &'m str, value: Value) {
        self.values.borrow_mut().insert(name, value);
    }

    /// An input that the caller leaves out.
    pub(super) fn leave_out(&self, name: &'m str) {
        self.absent.borrow_mut().insert(name);
    }

    pub(super) fn is_left_out(&self, name: &str) -> bool {
        self.absent.borrow().contains(name) || self.around.is_some_and(|around| around.is_left_out(name))
    }

    pub(super) fn opset(&self, domain: &str) -> i64 {
        let same = |other: &str| plain_domain(other) == domain;
        self.opsets.iter().find(|(other, _)| same(other)).map_or(NEWEST, |(_, version)| *version)
    }
}

/// What is assumed of a domain whose version the file does not say.
const NEWEST: i64 = 23;

/// `ai.onnx` is the domain without a name.
pub(super) fn plain_domain(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}
