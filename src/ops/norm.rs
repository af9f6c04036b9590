//! What the normalizations share.

use super::{Role, Weight, Weights};

/// Scale and shift of `[size]`, where there are any, named as PyTorch does.
pub(super) fn affine(present: bool, shape: &[u64]) -> Weights {
    if !present {
        return Weights::new();
    }
    [Weight::new("weight", shape, Role::Norm), Weight::new("bias", shape, Role::Norm)].into_iter().collect()
}
