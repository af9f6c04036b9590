//! Shape rules that several ops share.

use super::{Channels, Io, Mismatch, Run};
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

/// Which of `rank` axes the list names, each counted from the end when negative; none may be named twice.
pub(super) fn axes(list: &[i64], rank: usize, attribute: &'static str) -> Result<Vec<bool>, Box<Mismatch>> {
    let mut named = vec![false; rank];
    for &entry in list {
        if std::mem::replace(&mut named[axis(entry, rank, attribute)?], true) {
            return Err(
                Mismatch::new(Code::OutOfRange, format!("axis {entry} is named twice")).attribute(attribute)
            );
        }
    }
    Ok(named)
}

/// Refuses more axes than a tensor may have.
pub(super) fn check_rank(rank: usize) -> Result<(), Box<Mismatch>> {
    if rank <= TensorShape::MAX_RANK {
        return Ok(());
    }
    let most = TensorShape::MAX_RANK;
    Err(Mismatch::new(
        Code::TooLarge,
        format!("the output would have {rank} axes, more than the {most} a tensor may have"),
    ))
}

/// The error for a size that a block or a number of parts does not divide.
pub(super) fn indivisible(
    input: &TensorType,
    what: &str,
    size: u64,
    divisor: u64,
    attribute: &'static str,
) -> Box<Mismatch> {
    Mismatch::new(Code::Indivisible, format!("{divisor} does not divide the {what}, {size}"))
        .input(0, format!("this is {}", input.shape))
        .attribute(attribute)
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

/// The most runs of channels that are listed; beyond, the channel axis counts as lost.
pub(super) const MAX_RUNS: u64 = 1 << 20;

/// The first input's channels, all of them `times` over.
pub(super) fn repeated_channels(io: Io<'_>, times: u64) -> Channels {
    let (Some(input), true) = (io.inputs.first(), times <= MAX_RUNS) else { return Channels::Mixed };
    if times == 1 {
        return Channels::Same;
    }
    Channels::Runs((0..times).map(|_| Run::new(0, 0, input.channels())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_axes() {
        assert_eq!(axes(&[0, -1], 3, "axes"), Ok(vec![true, false, true]));
        assert_eq!(axes(&[], 2, "axes"), Ok(vec![false, false]));
        assert_eq!(axes(&[2, -1], 3, "axes").unwrap_err().message, "axis -1 is named twice");
        assert_eq!(axes(&[i64::MIN], 3, "axes").unwrap_err().attribute, Some("axes"));
        assert!(check_rank(TensorShape::MAX_RANK).is_ok());
        assert_eq!(check_rank(17).unwrap_err().code, Code::TooLarge);
    }
}
