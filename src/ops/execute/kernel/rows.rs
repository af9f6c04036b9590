//! Rows picked by index, and added back to where they came from: what ops that move data have in common.

use candle_core::{DType, Device, Tensor, WithDType};

use super::super::Fault;
use super::super::scalar::Scalar;
use super::{Element, simd, tensor, with_element, with_elements};
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

/// An index beside the tensor: the filling is read there, and nothing goes back.
pub const NOWHERE: usize = usize::MAX;

/// A tensor seen as blocks of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Blocks; the same rows are picked of each.
    pub blocks: usize,
    /// Rows of a block.
    pub count: usize,
    /// Elements of a row.
    pub length: usize,
}

impl Rows {
    /// What lies behind an index of one axis, as rows.
    pub fn along(shape: &[usize], axis: usize) -> Self {
        Self {
            blocks: shape[..axis].iter().product(),
            count: shape[axis],
            length: shape[axis + 1..].iter().product(),
        }
    }

    /// One block.
    pub fn flat(count: usize, length: usize) -> Self {
        Self { blocks: 1, count, length }
    }

    fn view(self) -> (usize, usize, usize) {
        (self.blocks, self.count, self.length)
    }
}

/// The rows at `picks` of each block; all elements are `fill` where a pick is [`NOWHERE`].
///
/// # Errors
/// What the device says.
pub fn pick(x: &Tensor, rows: Rows, picks: &[usize], fill: f64, shape: &[usize]) -> Result<Tensor, Fault> {
    let x = x.contiguous()?;
    if !x.device().is_cpu() {
        let mut x = x.reshape(rows.view())?;
        if picks.contains(&NOWHERE) {
            let beside = (Tensor::ones((rows.blocks, 1, rows.length), x.dtype(), x.device())? * fill)?;
            x = Tensor::cat(&[&x, &beside], 1)?;
        }
        return Ok(x.index_select(&on_device(picks, rows.count, x.device())?, 1)?.reshape(shape)?);
    }
    with_element!(x.dtype(), T => {
        let made = with_elements(&x, |x: &[T]| simd(#[inline(always)] || picked(x, rows, picks, T::from_f64(fill))))?;
        tensor(made, shape)
    })
}

/// Indices on a device; those beside the tensor are one past the end.
fn on_device(picks: &[usize], count: usize, device: &Device) -> Result<Tensor, Fault> {
    let index = |&pick: &usize| u32::try_from(pick.min(count));
    let picks = picks.iter().map(index).collect::<Result<Vec<u32>, _>>();
    let picks = picks.map_err(|_| Fault::unrunnable("more rows than a device counts"))?;
    let length = picks.len();
    Ok(Tensor::from_vec(picks, length, device)?)
}

fn picked<T: Copy>(x: &[T], rows: Rows, picks: &[usize], fill: T) -> Vec<T> {
    let (block, length) = (rows.count * rows.length, rows.length);
    let mut made = Vec::with_capacity(rows.blocks * picks.len() * length);
    for index in 0..rows.blocks {
        let block = &x[index * block..][..block];
        if length == 1 {
            made.extend(picks.iter().map(|&pick| block.get(pick).copied().unwrap_or(fill)));
            continue;
        }
        for &pick in picks {
            match pick {
                NOWHERE => made.extend(std::iter::repeat_n(fill, length)),
                pick => made.extend_from_slice(&block[pick * length..][..length]),
            }
        }
    }
    made
}

/// The reverse of [`pick`]: rows that were picked more than once are summed, those never picked are 0.
///
/// # Errors
/// What the device says.
pub fn put(gradient: &Tensor, rows: Rows, picks: &[usize], shape: &[usize]) -> Result<Tensor, Fault> {
    let gradient = gradient.contiguous()?;
    if !gradient.device().is_cpu() {
        let gradient = gradient.reshape((rows.blocks, picks.len(), rows.length))?;
        let device = gradient.device();
        // What was picked beside the tensor goes to a row more, which is cut off.
        let whole = Tensor::zeros((rows.blocks, rows.count + 1, rows.length), gradient.dtype(), device)?;
        let whole = whole.index_add(&on_device(picks, rows.count, device)?, &gradient, 1)?;
        return Ok(whole.narrow(1, 0, rows.count)?.contiguous()?.reshape(shape)?);
    }
    with_element!(gradient.dtype(), T => {
        let made = with_elements(&gradient, |gradient: &[T]| {
            simd(#[inline(always)] || added(gradient, rows, picks, |x: T| x.load(), T::store))
        })?;
        tensor(made, shape)
    })
}

fn added<T: Copy, S: Scalar>(
    gradient: &[T],
    rows: Rows,
    picks: &[usize],
    load: impl Fn(T) -> S + Copy,
    store: impl Fn(S) -> T + Copy,
) -> Vec<T> {
    let length = rows.length;
    let mut sums = vec![S::of(0.0); rows.count * length];
    let mut made = Vec::with_capacity(rows.blocks * sums.len());
    for block in 0..rows.blocks {
        sums.fill(S::of(0.0));
        let gradient = &gradient[block * picks.len() * length..][..picks.len() * length];
        for (row, &pick) in picks.iter().enumerate().filter(|(_, pick)| **pick != NOWHERE) {
            let from = &gradient[row * length..][..length];
            for (sum, &x) in sums[pick * length..][..length].iter_mut().zip(from) {
                *sum = *sum + load(x);
            }
        }
        made.extend(sums.iter().map(|&sum| store(sum)));
    }
    made
}

/// Whole numbers of a tensor as indices of an axis of `size`; negative ones count from the end.
///
/// # Errors
/// Where one is beyond the axis.
pub fn indices(tensor: &Tensor, size: usize) -> Result<Vec<usize>, Fault> {
    whole(tensor)?.into_iter().map(|number| index(number, size)).collect()
}

/// Bytes of an index while it is read: as the tensor has it, as it comes from there, and as a place.
pub const INDEX: u64 = 24;

/// The bytes that [`put`] sums in, for rows along an axis of a tensor of this type.
pub(in crate::ops) fn block(of: &TensorType, axis: usize) -> Result<u64, Overflow> {
    product(&[product(&of.shape.axes()[axis..])?, 8])
}

/// The same for a tensor that is one block.
pub(in crate::ops) fn sums(of: &TensorType) -> Result<u64, Overflow> {
    block(of, 0)
}

/// The places of single elements that indices along one axis name; the other axes are the indices' own.
///
/// # Errors
/// Where an index is beyond the axis, or the indices have more places along another axis than the tensor.
pub fn places_along(shape: &[usize], axis: usize, indices: &Tensor) -> Result<Vec<usize>, Fault> {
    let own = indices.dims();
    let fits =
        own.len() == shape.len() && (0..own.len()).all(|other| other == axis || own[other] <= shape[other]);
    if !fits {
        let why = format!("indices of the shape {own:?} lie beyond a tensor of the shape {shape:?}");
        return Err(Fault::unrunnable(why));
    }
    let mut places = self::indices(indices, shape[axis])?;
    let mut at = vec![0; own.len()];
    for place in &mut places {
        let along = std::mem::replace(&mut at[axis], *place);
        *place = at.iter().zip(shape).fold(0, |place, (&index, &size)| place * size + index);
        at[axis] = along;
        for (at, &size) in at.iter_mut().zip(own).rev() {
            *at += 1;
            if *at < size {
                break;
            }
            *at = 0;
        }
    }
    Ok(places)
}

/// The places of parts: the last axis of the indices lists one over as many axes of the tensor, behind `shared` axes
/// that both have; what lies behind is a row.
///
/// # Errors
/// Where an index is beyond its axis, or the shapes do not fit.
pub fn places_of_parts(
    shape: &[usize],
    indices: &Tensor,
    shared: usize,
) -> Result<(Rows, Vec<usize>), Fault> {
    let own = indices.dims();
    let depth = own.last().copied().unwrap_or(0);
    let fits = shared < own.len() && shared + depth <= shape.len() && own[..shared] == shape[..shared];
    if !fits {
        let why = format!("indices of the shape {own:?} name no parts of a tensor of the shape {shape:?}");
        return Err(Fault::unrunnable(why));
    }
    let (axes, rest) = shape.split_at(shared + depth);
    let rows = Rows::flat(axes.iter().product(), rest.iter().product());
    let each: usize = own[shared..own.len() - 1].iter().product();
    let (batches, inner) =
        (own[..shared].iter().product::<usize>(), axes[shared..].iter().product::<usize>());
    let numbers = whole(indices)?;
    let mut places = Vec::with_capacity(batches * each);
    for part in 0..batches * each {
        let mut place = 0;
        for (&number, &size) in numbers[part * depth..][..depth].iter().zip(&axes[shared..]) {
            place = place * size + index(number, size)?;
        }
        places.push(part / each * inner + place);
    }
    Ok((rows, places))
}

/// An index of an axis of `size`; a negative one counts from the end.
fn index(number: i64, size: usize) -> Result<usize, Fault> {
    let from_start = if number < 0 {
        size.checked_sub(usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX))
    } else {
        usize::try_from(number).ok()
    };
    from_start.filter(|&place| place < size).ok_or_else(|| {
        Fault::unrunnable(format!("an index is {number}, and the axis that it counts has {size} elements"))
    })
}

/// The elements as whole numbers.
///
/// # Errors
/// What the device says.
pub fn whole(tensor: &Tensor) -> Result<Vec<i64>, Fault> {
    Ok(tensor.to_device(&Device::Cpu)?.to_dtype(DType::I64)?.flatten_all()?.to_vec1::<i64>()?)
}

/// Runs on the CPU what has loops nowhere else.
///
/// # Errors
/// What the devices and `run` say.
pub fn on_cpu<const N: usize>(
    inputs: [&Tensor; N],
    run: impl FnOnce([&Tensor; N]) -> Result<Tensor, Fault>,
) -> Result<Tensor, Fault> {
    let device = inputs[0].device();
    let mut moved = Vec::with_capacity(N);
    for input in inputs {
        moved.push(input.to_device(&Device::Cpu)?.contiguous()?);
    }
    let result = run(std::array::from_fn(|index| &moved[index]))?;
    Ok(result.to_device(device)?)
}
