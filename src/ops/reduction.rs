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

/// What their execution shares.
#[cfg(feature = "exec")]
pub(super) mod execute {
    use super::super::execute::prelude::*;

    /// The axes that are reduced, by place.
    pub(in crate::ops) fn axes(of: &[i64], rank: usize) -> Result<Vec<usize>, Fault> {
        let reduced = super::reduced(of, rank, "axes").map_err(|fault| Fault::unrunnable(fault.message))?;
        Ok((0..rank).filter(|&axis| reduced[axis]).collect())
    }

    pub(in crate::ops) fn forward<F: Fold>(call: &Call<'_>, of: &[i64], fold: &F) -> Result<Made, Fault> {
        let x = &call.inputs[0];
        Ok(reduce(x, &axes(of, x.rank())?, fold)?.reshape(call.shape(0))?.into())
    }

    /// The output's gradient, the reduced axes with size 1.
    pub(in crate::ops) fn gradient(call: &BackwardCall<'_>, of: &[i64]) -> Result<Tensor, Fault> {
        let mut shape = call.shape(0);
        for axis in axes(of, shape.len())? {
            shape[axis] = 1;
        }
        Ok(call.gradient()?.reshape(shape)?)
    }

    /// How many elements become one.
    #[expect(clippy::cast_precision_loss, reason = "tensors have fewer than 2^53 elements")]
    pub(in crate::ops) fn length(call: &BackwardCall<'_>) -> f64 {
        let outputs = call.io.output_elements();
        call.io.input_elements().checked_div(outputs).unwrap_or(0) as f64
    }

    /// The gradient of a largest or smallest element: equal ones share it, as `torch.amax` has it.
    pub(in crate::ops) fn winners_gradient<F: Fold>(
        call: &BackwardCall<'_>,
        of: &[i64],
        fold: &F,
    ) -> Result<Gradients, Fault> {
        let (x, gradient) = (call.input(0)?, gradient(call, of)?);
        let axes = axes(of, x.rank())?;
        let best = reduce(x, &axes, fold)?;
        let wins = function!(|x, best| x.if_equal(best, S::of(1.0), S::of(0.0)));
        let wins = map(&[x, &best], x.dims(), &wins)?;
        let winners = reduce(&wins, &axes, &Sum)?;
        let formula = function!(|g, wins, winners| wins * g / winners);
        Ok(Gradients::input(map(&[&gradient, &wins, &winners], x.dims(), &formula)?))
    }

    /// Two tensors of the input's size at most, and what becomes of them; numbers have 8 bytes at most.
    pub(in crate::ops) fn workspace(io: Io<'_>) -> Result<u64, Overflow> {
        let (input, outputs) = (io.inputs[0].bytes().get(), product(&[io.output_elements(), 24])?);
        sum([input, input, outputs])
    }
}
