//! What a file says of a node beyond its op: the tensors that it stores, and the bytes that it lists.

use serde_json::{Value, json};

use crate::graph::{Graph, Node, StoredTensor, weight_dtype};
use crate::ops::attribute::Attribute;
use crate::ops::{Io, Role};
use crate::tensor::{DType, TensorShape};
use crate::units::sum;

/// The key of the stored tensors, as the writer sees keys.
pub(super) static STORED: Attribute = key("stored");
/// The key of the bytes.
pub(super) static BYTES: Attribute = key("listed_bytes");

const fn key(name: &'static str) -> Attribute {
    let (default, schema) = (|| Some(Value::Null), || Value::Null);
    Attribute { name, doc: "", expects: "", numeric: true, words: &[], default, schema }
}

/// A stored tensor as far as any figure depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tensor {
    role: Role,
    shape: Box<[u64]>,
    /// `None` for the type that the reader takes without one.
    dtype: Option<DType>,
    shared: bool,
}

/// What the op does not say itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Listed {
    /// The tensors, where others are stored.
    pub(super) stored: Option<Vec<Tensor>>,
    /// The bytes, where there are others.
    pub(super) bytes: Option<u64>,
}

impl Listed {
    /// `None` where the op says it all.
    pub(super) fn of(graph: &Graph, node: &Node) -> Option<Self> {
        node.given.as_ref()?;
        let inputs = graph.input_types(node);
        let (stored, by_op) = (graph.stored(node, &inputs), graph.stored_by_op(node, &inputs));
        let used = sum(stored.iter().map(|tensor| tensor.bytes().unwrap_or(u64::MAX))).ok();
        let listed = |used| graph.listed_bytes(node, &inputs, used).ok();
        let by_itself = |used| graph.listed_bytes_by_op(node, &inputs, used).ok();
        let bytes = used.and_then(listed).filter(|bytes| used.and_then(by_itself) != Some(*bytes));
        let usual = weight_dtype(Io { inputs: &inputs, outputs: &node.outputs });
        let stored = (counted(&stored) != counted(&by_op)).then(|| {
            let tensors = stored.iter().filter(|tensor| tensor.weight.shape.elements() != Ok(0));
            tensors.map(|tensor| Tensor::new(tensor, usual)).collect()
        });
        (stored.is_some() || bytes.is_some()).then_some(Self { stored, bytes })
    }
}

/// What figures depend on: neither the order of tensors nor that of their axes.
fn counted(tensors: &[StoredTensor]) -> Vec<(Role, u64, DType, bool)> {
    let mut counted: Vec<_> = tensors
        .iter()
        .map(|tensor| {
            let elements = tensor.weight.shape.elements().unwrap_or(u64::MAX);
            (tensor.weight.role, elements, tensor.dtype, tensor.shared)
        })
        .filter(|(_, elements, ..)| *elements > 0)
        .collect();
    counted.sort_unstable();
    counted
}

impl Tensor {
    fn new(tensor: &StoredTensor, usual: DType) -> Self {
        let shape = &tensor.weight.shape;
        let shape = match shape.rank() > TensorShape::MAX_RANK {
            true => shape.elements().into_iter().collect(),
            false => shape.axes().into(),
        };
        let dtype = Some(tensor.dtype).filter(|dtype| *dtype != usual);
        Self { role: tensor.weight.role, shape, dtype, shared: tensor.shared }
    }
}

/// As the language writes it.
pub(super) fn value(tensors: &[Tensor]) -> Value {
    let one = |tensor: &Tensor| {
        let mut value = json!({"role": tensor.role.name(), "shape": tensor.shape});
        if let Some(dtype) = tensor.dtype {
            value["dtype"] = dtype.name().into();
        }
        if tensor.shared {
            value["shared"] = true.into();
        }
        value
    };
    tensors.iter().map(one).collect()
}
