//! The stored tensors of a file: which nodes use each, what for, and who counts as its storage.

use std::collections::HashMap;

use super::model::Tensor;
use super::value::{Known, Stored, dtype};
use super::views::Views;
use crate::graph::{Graph, NodeId, StoredTensor};
use crate::ops::{Role, Weight};
use crate::tensor::{TensorShape, TensorType};
use crate::units::product;

/// One use of one tensor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Use {
    /// Which tensor.
    pub(super) storage: u32,
    /// Its name within the layer.
    pub(super) name: &'static str,
    /// What it is for.
    pub(super) role: Role,
}

#[derive(Debug)]
struct Storage<'m> {
    tensor: &'m Tensor,
    of_file: TensorType,
    /// Whether a Constant node holds it: exporters write what is no parameter so.
    is_constant: bool,
}

/// All stored tensors and their uses.
#[derive(Debug, Default)]
pub(super) struct Parameters<'m> {
    storages: Vec<Storage<'m>>,
    /// By where a tensor lies in the model: a body that is taken twice has its tensors once.
    found: HashMap<*const Tensor, u32>,
    uses: Vec<(NodeId, Use)>,
}

impl<'m> Parameters<'m> {
    /// Takes up a tensor; `None` where its shape or type is none of ours.
    pub(super) fn add(&mut self, tensor: &'m Tensor, is_constant: bool) -> Option<Stored> {
        let dims: Option<Vec<u64>> = tensor.dims.iter().map(|&size| u64::try_from(size).ok()).collect();
        let of_file = TensorType { shape: TensorShape::new(dims?), dtype: dtype(tensor.data_type)? };
        of_file.check().ok()?;
        let next = u32::try_from(self.storages.len()).ok()?;
        let storage = *self.found.entry(std::ptr::from_ref(tensor)).or_insert(next);
        if storage == next {
            self.storages.push(Storage { tensor, of_file: of_file.clone(), is_constant });
        }
        let known = Known::of_file(tensor).map(Into::into);
        Some(Stored { storage, seen: of_file, known, with: [].into(), views: Ok(Views::default()) })
    }

    /// The tensor's name in the file.
    pub(super) fn name(&self, storage: u32) -> &'m str {
        &self.storages[storage as usize].tensor.name
    }

    /// How many tensors there are.
    pub(super) fn count(&self) -> usize {
        self.storages.len()
    }

    /// A tensor as the file has it, and its type.
    pub(super) fn tensor(&self, storage: u32) -> (&'m Tensor, &TensorType) {
        let storage = &self.storages[storage as usize];
        (storage.tensor, &storage.of_file)
    }

    /// Whether values may be folded into others: it is no learned tensor.
    pub(super) fn is_literal(&self, stored: &Stored) -> bool {
        let storage = &self.storages[stored.storage as usize];
        storage.is_constant || !storage.of_file.dtype.is_float()
    }

    /// What a tensor is that an op reads like any other: a learned one, unless it is a single number or a Constant.
    ///
    /// `None` for whole numbers, which are indices and sizes.
    pub(super) fn plain_role(&self, stored: &Stored) -> Option<Role> {
        let storage = &self.storages[stored.storage as usize];
        if !storage.of_file.dtype.is_float() && !stored.seen.dtype.is_float() {
            return None;
        }
        let single = product(storage.of_file.shape.axes()) == Ok(1);
        match (storage.is_constant, single) {
            // Numbers of the program, not of the network.
            (true, true) => None,
            (true, false) | (false, true) => Some(Role::Buffer),
            (false, false) => Some(Role::Other),
        }
    }

    /// How many uses there are: for [`Parameters::forget`].
    pub(super) fn uses(&self) -> usize {
        self.uses.len()
    }

    /// Takes back the latest uses.
    pub(super) fn forget(&mut self, uses: usize) {
        self.uses.truncate(uses);
    }

    /// A node uses a tensor.
    pub(super) fn note(&mut self, node: NodeId, used: Use) {
        self.uses.push((node, used));
    }

    /// A tensor that a node makes available turns out to be for something.
    pub(super) fn turn(&mut self, node: NodeId, elements: u64, name: &'static str, role: Role) -> bool {
        // Uses are in the order of nodes.
        let start = self.uses.partition_point(|(other, _)| *other < node);
        let mut turned = false;
        for (_, used) in self.uses[start..].iter_mut().take_while(|(other, _)| *other == node) {
            let same = self.storages[used.storage as usize].of_file.elements().get() == elements;
            if same && used.role != Role::Norm {
                (used.name, used.role) = (name, role);
                turned = true;
            }
        }
        turned
    }

    /// By node, what it uses. Each tensor is stored where it is first learned; where nothing learns it, at its first use.
    pub(super) fn finish(&self, graph: &Graph) -> Vec<Vec<StoredTensor>> {
        let mut owner: Vec<Option<usize>> = vec![None; self.storages.len()];
        for (index, (_, used)) in self.uses.iter().enumerate() {
            let owner = &mut owner[used.storage as usize];
            let learned = used.role != Role::Buffer;
            if owner.is_none_or(|first| learned && self.uses[first].1.role == Role::Buffer) {
                *owner = Some(index);
            }
        }
        let mut by_node: Vec<Vec<StoredTensor>> = vec![Vec::new(); graph.len()];
        for (index, (node, used)) in self.uses.iter().enumerate() {
            let storage = &self.storages[used.storage as usize];
            by_node[node.index()].push(StoredTensor {
                weight: Weight::new(used.name, storage.of_file.shape.clone(), used.role),
                dtype: storage.of_file.dtype,
                shared: owner[used.storage as usize] != Some(index),
            });
        }
        by_node
    }
}
