//! What reductions over axes share.

use super::{Channels, Io, Mismatch, shape};
use crate::tensor::{TensorShape, TensorType};

/// Which axes are reduced; an empty list means all.
fn reduced(axes: &[i64], rank: usize, attribute: &'static str) -> Result<Vec<bool>, Box<Mismatch>> {
    if axes.is_empty() { Ok(vec![true; rank]) } else { shape::axes(axes, rank, attribute) }
}

/// The output's shape.
pub(super) fn output(
    input: &TensorType,
    axes: &[i64],
    attribute: &'static str,
    keep_dims: bool,
) -> Result<TensorShape, Box<Mismatch>> {
    let reduced = reduced(axes, input.shape.rank(), attribute)?;
    let sizes = input.shape.axes().iter().zip(reduced);
    Ok(TensorShape::new(sizes.filter_map(|(&size, reduced)| match (reduced, keep_dims) {
        (false, _) => Some(size),
        (true, true) => Some(1),
        (true, false) => None,
    })))
}

/// Steps that join elements pairwise: one fewer than there are in each group.
pub(super) fn joins(io: Io<'_>) -> u64 {
    io.input_elements().saturating_sub(io.output_elements())
}

/// The channel rule: channels pass unless axis 1 is reduced or moves.
pub(super) fn channels(io: Io<'_>, axes: &[i64], keep_dims: bool) -> Channels {
    let rank = io.inputs[0].shape.rank();
    match reduced(axes, rank, "axes").as_deref() {
        Ok([_, true, ..]) if keep_dims => Channels::Fold { by: io.inputs[0].channels().max(1) },
        Ok([batch, false, ..]) if keep_dims || !batch => Channels::Same,
        _ => Channels::Mixed,
    }
}
