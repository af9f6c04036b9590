//! What a layer stores and moves by its file, evaluated.

use super::super::document::{Listed, Template};
use super::super::expand::Instance;
use super::Builder;
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::graph::{Given, NodeId, StoredTensor, weight_dtype};
use crate::ops::attribute::AttributeType;
use crate::ops::{Io, Weight};
use crate::tensor::{TensorShape, TensorType};

impl<'d> Builder<'_, 'd> {
    /// What is said of a node that is made; `None` where that is wrong.
    pub(super) fn listed(
        &mut self,
        instance: &Instance<'d>,
        index: u32,
        node: NodeId,
        listed: &Listed,
        sink: &mut Sink,
    ) -> Option<Given> {
        let (usual, shares) = {
            let node = self.graph.node(node);
            let inputs = self.graph.input_types(node);
            (weight_dtype(Io { inputs: &inputs, outputs: &node.outputs }), node.shares.is_some())
        };
        let stored = match &listed.tensors {
            None => None,
            Some(tensors) => {
                let mut stored = Vec::with_capacity(tensors.len());
                for tensor in tensors {
                    let shape: TensorShape = self.read("shape", &tensor.shape, instance, index, sink)?;
                    let shared = match &tensor.shared {
                        None => shares,
                        Some(template) => self.read("shared", template, instance, index, sink)?,
                    };
                    let dtype = tensor.dtype.unwrap_or(usual);
                    if TensorType::new(shape.clone(), dtype).check().is_err() {
                        let message = "the bits of a stored tensor do not fit in 64 bits";
                        sink.push(
                            Diagnostic::error(Code::Overflow, message)
                                .at(tensor.span, format!("this is {shape} {dtype}")),
                        );
                        return None;
                    }
                    let weight = Weight::new(tensor.role.name(), shape, tensor.role);
                    stored.push(StoredTensor { weight, dtype, shared });
                }
                Some(stored)
            }
        };
        let bytes = match &listed.bytes {
            None => None,
            Some(template) => Some(self.read("listed_bytes", template, instance, index, sink)?),
        };
        Some(Given { stored, bytes, unrunnable: None })
    }

    fn read<T: AttributeType>(
        &mut self,
        name: &'static str,
        template: &Template,
        instance: &Instance<'d>,
        index: u32,
        sink: &mut Sink,
    ) -> Option<T> {
        let previous = self.resolver.before(index as usize, instance.feed);
        let setting = self.setting(template, instance.scope, previous);
        let read = setting.and_then(|setting| T::read(name, &setting).map_err(Some));
        read.map_err(|diagnostic| diagnostic.into_iter().for_each(|diagnostic| sink.push(diagnostic))).ok()
    }
}
