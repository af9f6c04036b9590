//! Stored tensors: those that an op says it has, or those that a file lists in their place.

use smallvec::SmallVec;

use super::{Graph, Node, NodeId};
use crate::ops::{Family, Io, Operator, Weight, peers};
use crate::tensor::{DType, TensorType};
use crate::units::{Overflow, product, sum};

/// A stored tensor that a node uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTensor {
    /// Its name within the layer, its shape and what it is for.
    pub weight: Weight,
    /// The type of its elements as they are stored.
    pub dtype: DType,
    /// Whether another node's use counts as its storage.
    pub shared: bool,
}

impl StoredTensor {
    /// How many bytes it takes.
    ///
    /// # Errors
    /// When they do not fit in 64 bits.
    pub fn bytes(&self) -> Result<u64, Overflow> {
        Ok(product(&[self.weight.shape.elements()?, self.dtype.bits()])?.div_ceil(8))
    }
}

/// What a file itself says of a node, where it says more than the op: ONNX lists every tensor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// The stored tensors that it uses, in place of those of [`Operator::weights`].
    pub stored: Option<Vec<StoredTensor>>,
    /// Bytes of all inputs and outputs of the file's nodes that it stands for, tensors without axes apart.
    pub bytes: Option<u64>,
    /// Why it does not compute what the file's node does, though it costs the same: an attribute that changes the result
    /// and that the op does not have. Only noted where values are asked for.
    pub unrunnable: Option<Box<str>>,
}

impl Graph {
    /// The stored tensors that a node uses, given the types it reads.
    pub fn stored(&self, node: &Node, inputs: &[&TensorType]) -> SmallVec<[StoredTensor; 2]> {
        match node.given.as_ref().and_then(|given| given.stored.as_ref()) {
            Some(stored) => stored.iter().cloned().collect(),
            None => self.stored_by_op(node, inputs),
        }
    }

    /// The stored tensors that a node's op says it has.
    pub fn stored_by_op(&self, node: &Node, inputs: &[&TensorType]) -> SmallVec<[StoredTensor; 2]> {
        let dtype = weight_dtype(Io { inputs, outputs: &node.outputs });
        let weights = node.op.weights(inputs).into_iter();
        weights.map(|weight| StoredTensor { weight, dtype, shared: node.shares.is_some() }).collect()
    }

    /// Bytes of all inputs and outputs of the nodes that an ONNX file has for a node: as the file says, or else those
    /// of the nodes that PyTorch's exporter writes for the op. `used` are the bytes of the stored tensors it uses.
    ///
    /// # Errors
    /// When they do not fit in 64 bits.
    pub fn listed_bytes(&self, node: &Node, inputs: &[&TensorType], used: u64) -> Result<u64, Overflow> {
        match node.given.as_ref().and_then(|given| given.bytes) {
            Some(bytes) => Ok(bytes),
            None => self.listed_bytes_by_op(node, inputs, used),
        }
    }

    /// The same, whatever the file says.
    ///
    /// # Errors
    /// When they do not fit in 64 bits.
    pub fn listed_bytes_by_op(
        &self,
        node: &Node,
        inputs: &[&TensorType],
        used: u64,
    ) -> Result<u64, Overflow> {
        if node.op.family() == Family::Source || peers::is_left_out(&node.op) {
            return Ok(0);
        }
        let tensors = inputs.iter().copied().chain(&node.outputs).map(|tensor| tensor.bytes().get());
        let first = node.outputs.first().map_or(0, |output| output.bytes().get());
        sum(tensors.chain([used, peers::between_exported(&node.op, first)]))
    }

    /// Says of a node what its file does.
    pub(crate) fn give(&mut self, id: NodeId, given: Given) {
        self.network[id.petgraph()].given = Some(Box::new(given));
    }
}

/// Weights have the element type of what they meet: the first input's, or the output's where that holds no fractions.
pub(crate) fn weight_dtype(io: Io<'_>) -> DType {
    let types = io.inputs.iter().copied().chain(io.outputs).map(|tensor| tensor.dtype);
    let float = types.clone().find(|dtype| dtype.is_float());
    float.or_else(|| types.clone().next()).unwrap_or(DType::F32)
}
