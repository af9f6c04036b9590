//! What expressions in a layer's attributes mean.

use super::super::expand::{Argument, Expansion, Feed};
use super::super::expression::Environment;
use super::super::reference::Reference;
use super::super::resolve::{Failed, Key, Resolver, key};
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::graph::{Graph, NodeId};
use crate::ops::attribute::SettingValue;
use crate::tensor::TensorType;

/// The values behind names in a layer's attributes.
pub(super) struct Attributes<'a, 'e, 'd> {
    pub(super) expansion: &'a Expansion<'d>,
    pub(super) graph: &'a Graph,
    pub(super) nodes: &'a [Option<NodeId>],
    pub(super) resolver: &'a std::cell::RefCell<&'a mut Resolver<'e, 'd>>,
    /// Set when a tensor could not be made.
    pub(super) missing: &'a std::cell::Cell<bool>,
    pub(super) values: &'a rustc_hash::FxHashMap<Key, Option<SettingValue>>,
    pub(super) scope: u32,
    pub(super) previous: Feed,
}

impl Environment for Attributes<'_, '_, '_> {
    fn parameter(&self, index: usize) -> SettingValue {
        self.expansion.parameters[index].clone()
    }

    fn argument(&self, index: usize) -> Result<SettingValue, Diagnostic> {
        let all = &self.expansion.scopes[self.scope as usize].arguments;
        match &all[index] {
            Argument::Value(value) => Ok(value.clone()),
            // Evaluated before all that use it: a chain of arguments may be long, and one may be used many times.
            Argument::Later { template, .. } => {
                self.values.get(&key(all, index)).cloned().flatten().ok_or_else(|| {
                    self.missing.set(true);
                    Diagnostic::error(Code::UnknownReference, "the argument is not known")
                        .at(template.span, "this one")
                })
            }
        }
    }

    fn index(&self, level: usize) -> u64 {
        self.expansion.scopes[self.scope as usize].indices[level]
    }

    fn tensor(&self, reference: &Reference) -> Result<TensorType, Diagnostic> {
        let absent = || {
            self.missing.set(true);
            Diagnostic::error(Code::UnknownReference, "the tensor could not be made")
                .at(reference.span, "this one")
        };
        // Whatever can fail here has failed, and been reported, when the needs were collected.
        let slots = self
            .resolver
            .borrow_mut()
            .reference(reference, self.scope, self.previous, &mut Sink::default())
            .map_err(|Failed| absent())?;
        let &[slot] = slots.as_slice() else {
            return Err(Diagnostic::error(
                Code::WrongCount,
                format!("a size is asked of one tensor, and this is {}", slots.len()),
            )
            .at(reference.span, "not one tensor"));
        };
        let node = self.nodes[slot.instance as usize].ok_or_else(absent)?;
        let outputs = &self.graph.node(node).outputs;
        let port = slot.port().unwrap_or(0) as usize;
        if slot.port().is_none() && outputs.len() > 1 || port >= outputs.len() {
            return Err(Diagnostic::error(
                Code::WrongCount,
                format!("`{}` has {} outputs: say which", self.graph.node(node).name, outputs.len()),
            )
            .at(reference.span, "not one tensor"));
        }
        Ok(outputs[port].clone())
    }
}
