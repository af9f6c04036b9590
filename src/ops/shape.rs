//! Shape rules that several ops share.

use super::{Channels, Io, Mismatch};
use crate::diagnostic::Code;
use crate::tensor::{DType, TensorShape, TensorType};

/// An axis counted from the end when negative, or the error that names it.
pub(super) fn axis(axis: i64, rank: usize, attribute: &'static str) -> Result<usize, Box<Mismatch>> {
    let from_end =
        |axis: i64| usize::try_from(axis.unsigned_abs()).ok().and_then(|back| rank.checked_sub(back));
    let index = if axis < 0 { from_end(axis) } else { usize::try_from(axis).ok() };
    index.filter(|&index| index < rank).ok_or_else(|| {
        Mismatch::new(Code::OutOfRange, format!("there is no axis {axis}: the tensor has {rank} axes"))
            .attribute(attribute)
            .help(format!("axes run from 0 to {}, or from -1 backwards", rank.saturating_sub(1)))
    })
}

/// NumPy's broadcast of all shapes, or the error that names the pair that does not fit.
pub(super) fn broadcast(inputs: &[&TensorType]) -> Result<TensorShape, Box<Mismatch>> {
    let rank = inputs.iter().map(|input| input.shape.rank()).max().unwrap_or(0);
    let mut axes = vec![1; rank];
    for (index, input) in inputs.iter().enumerate() {
        let offset = rank - input.shape.rank();
        for (axis, &size) in input.shape.axes().iter().enumerate() {
            let slot = &mut axes[offset + axis];
            if *slot == 1 {
                *slot = size;
            } else if size != 1 && size != *slot {
                return Err(Mismatch::new(
                    Code::ShapeMismatch,
                    format!(
                        "{} and {} do not broadcast: axis {} is {} and {size}",
                        inputs[0].shape,
                        input.shape,
                        offset + axis,
                        *slot
                    ),
                )
                .input(0, format!("this is {}", inputs[0].shape))
                .input(index, format!("this is {}", input.shape)));
            }
        }
    }
    Ok(TensorShape::new(axes))
}

/// The element type that all inputs share, or the error that names the one that differs.
pub(super) fn common_dtype(inputs: &[&TensorType]) -> Result<DType, Box<Mismatch>> {
    let dtype = inputs[0].dtype;
    match inputs.iter().position(|input| input.dtype != dtype) {
        None => Ok(dtype),
        Some(other) => Err(Mismatch::new(
            Code::ShapeMismatch,
            format!("the inputs have different element types, {dtype} and {}", inputs[other].dtype),
        )
        .input(0, format!("this is {}", inputs[0]))
        .input(other, format!("this is {}", inputs[other]))
        .help("put a `cast` before one of them")),
    }
}

/// The channel rule of an op that gives the first input's elements, in order, a new shape.
///
/// Exact while every output channel is made of whole input channels or the other way about.
pub(super) fn reshaped_channels(io: Io<'_>) -> Channels {
    let (Some(&input), Some(output)) = (io.inputs.first(), io.outputs.first()) else {
        return Channels::Mixed;
    };
    let batch = |tensor: &TensorType| tensor.shape.axis(0);
    if input.shape.rank() < 2 || output.shape.rank() < 2 || batch(input) != batch(output) {
        return Channels::Mixed;
    }
    let (from, to) = (input.channels(), output.channels());
    if from == to {
        Channels::Same
    } else if from != 0 && to % from == 0 {
        Channels::Repeat { by: to / from }
    } else if to != 0 && from % to == 0 {
        Channels::Fold { by: from / to }
    } else {
        Channels::Mixed
    }
}
