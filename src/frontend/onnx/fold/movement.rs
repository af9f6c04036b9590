//! Elements that move: joined, cut, picked, turned, repeated.

use super::super::call::Call;
use super::super::value::{Elements, Known, MOST_KNOWN};
use super::{axis, list};
use crate::tensor::{DType, TensorShape};
use crate::units::product;

pub(super) fn evaluate(call: &Call<'_, '_, '_>, op: &str, inputs: &[Option<&Known>]) -> Option<Vec<Known>> {
    let first = inputs[0]?;
    let second = inputs.get(1).copied().flatten();
    let single = |known: Option<Known>| known.map(|known| vec![known]);
    match op {
        "Identity" | "Dropout" => Some(vec![first.clone()]),
        "Concat" => single(concat(call, inputs)),
        "Gather" => single(gather(call, first, second?)),
        "Slice" => single(slice(call, first, inputs)),
        "Split" => split(call, first, second),
        "Squeeze" => single(squeeze(call, first, second)),
        "Unsqueeze" => single(unsqueeze(call, first, second)),
        "Reshape" => single(reshape(call, first, second)),
        "Flatten" => {
            let rank = first.dims.len();
            let at = call.int("axis", 1);
            let at = if at == i64::try_from(rank).ok()? { rank } else { axis(at, rank)? };
            let dims = vec![product(&first.dims[..at]).ok()?, product(&first.dims[at..]).ok()?];
            Some(vec![Known { dims, ..first.clone() }])
        }
        "Transpose" => single(transpose(call, first)),
        "Expand" => single(expand(first, second?)),
        "Tile" => single(tile(first, second?)),
        "ConstantOfShape" => single(filled(call, first)),
        "NonZero" => single(nonzero(first)),
        "EyeLike" => None,
        _ => None,
    }
}

/// A tensor of the given dims whose element at each place is the input's at the place that `source` tells.
fn moved(known: &Known, dims: Vec<u64>, source: impl Fn(&[u64]) -> Option<u64>) -> Option<Known> {
    let count = product(&dims).ok().filter(|&count| count <= MOST_KNOWN)?;
    let mut places = Vec::new();
    let mut index = vec![0u64; dims.len()];
    for _ in 0..count {
        places.push(usize::try_from(source(&index)?).ok()?);
        for axis in (0..dims.len()).rev() {
            index[axis] += 1;
            if index[axis] < dims[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    Some(Known { dims, dtype: known.dtype, elements: known.elements.pick(&places)? })
}

/// The place of an index in a tensor of the given dims.
fn place(index: impl Iterator<Item = u64>, dims: &[u64]) -> u64 {
    index.zip(dims).fold(0, |place, (index, size)| place * size + index)
}

fn concat(call: &Call<'_, '_, '_>, inputs: &[Option<&Known>]) -> Option<Known> {
    let parts: Vec<&Known> = inputs.iter().copied().collect::<Option<_>>()?;
    let rank = parts[0].dims.len();
    let at = axis(call.int("axis", if call.opset < 4 { 1 } else { i64::MAX }), rank)?;
    let dims = &parts[0].dims;
    let like = |part: &&Known| {
        part.dims.len() == rank
            && part.dtype == parts[0].dtype
            && (0..rank).all(|axis| axis == at || part.dims[axis] == dims[axis])
    };
    if !parts.iter().all(like) {
        return None;
    }
    let outer = usize::try_from(product(&dims[..at]).ok()?).ok()?;
    let mut joined = dims.clone();
    joined[at] = crate::units::sum(parts.iter().map(|part| part.dims[at])).ok()?;
    product(&joined).ok().filter(|&count| count <= MOST_KNOWN)?;
    macro_rules! join {
        ($variant:path) => {{
            let mut list = Vec::new();
            for row in 0..outer {
                for part in &parts {
                    let $variant(from) = &part.elements else { return None };
                    let length = from.len() / outer;
                    list.extend_from_slice(&from[row * length..(row + 1) * length]);
                }
            }
            $variant(list)
        }};
    }
    let elements = match parts[0].elements {
        Elements::Whole(_) => join!(Elements::Whole),
        Elements::Float(_) => join!(Elements::Float),
    };
    Some(Known { dims: joined, dtype: parts[0].dtype, elements })
}

fn gather(call: &Call<'_, '_, '_>, known: &Known, indices: &Known) -> Option<Known> {
    let at = axis(call.int("axis", 0), known.dims.len())?;
    let size = i64::try_from(known.dims[at]).ok()?;
    let picked: Vec<u64> = indices
        .whole()?
        .iter()
        .map(|&index| {
            let index = if index < 0 { index.checked_add(size)? } else { index };
            u64::try_from(index).ok().filter(|_| index < size)
        })
        .collect::<Option<_>>()?;
    let rank = indices.dims.len();
    let dims = [&known.dims[..at], &indices.dims, &known.dims[at + 1..]].concat();
    if dims.len() > TensorShape::MAX_RANK {
        return None;
    }
    moved(known, dims, |index| {
        let which = place(index[at..at + rank].iter().copied(), &indices.dims);
        let which = *picked.get(usize::try_from(which).ok()?)?;
        let source = index[..at].iter().copied().chain([which]).chain(index[at + rank..].iter().copied());
        Some(place(source, &known.dims))
    })
}

/// Start, end and step of a slice along one axis as ONNX clamps them: first index and count.
pub(in crate::frontend::onnx) fn bounds(start: i64, end: i64, step: i64, size: u64) -> Option<(u64, u64)> {
    let size = i64::try_from(size).ok()?;
    let from_end = |index: i64| if index < 0 { index.saturating_add(size) } else { index };
    let (low, high) = if step > 0 { (0, size) } else { (0, size - 1) };
    let start = from_end(start).clamp(low, high.max(0));
    let end = if step > 0 { from_end(end).clamp(0, size) } else { from_end(end).clamp(-1, size - 1) };
    let span = if step > 0 { end.checked_sub(start)? } else { start.checked_sub(end)? };
    let step = step.checked_abs().filter(|&step| step > 0)?;
    let count = if span > 0 { (span - 1) / step + 1 } else { 0 };
    Some((u64::try_from(start).ok()?, u64::try_from(count).ok()?))
}

fn slice(call: &Call<'_, '_, '_>, known: &Known, inputs: &[Option<&Known>]) -> Option<Known> {
    let input = |index: usize| inputs.get(index).copied().flatten();
    let (starts, ends) = (list(call, "starts", input(1))?, list(call, "ends", input(2))?);
    let axes = list(call, "axes", input(3)).unwrap_or_else(|| (0..).take(starts.len()).collect());
    let steps = list(call, "steps", input(4)).unwrap_or_else(|| vec![1; starts.len()]);
    let mut dims = known.dims.clone();
    let mut cuts: Vec<(u64, i64)> = vec![(0, 1); dims.len()];
    for (number, &at) in axes.iter().enumerate() {
        let at = axis(at, dims.len())?;
        let step = *steps.get(number)?;
        let (first, count) = bounds(*starts.get(number)?, *ends.get(number)?, step, known.dims[at])?;
        (dims[at], cuts[at]) = (count, (first, step));
    }
    moved(known, dims, |index| {
        let source: Option<Vec<u64>> = index
            .iter()
            .zip(&cuts)
            .map(|(&index, &(first, step))| {
                first.checked_add_signed(i64::try_from(index).ok()?.checked_mul(step)?)
            })
            .collect();
        Some(place(source?.into_iter(), &known.dims))
    })
}

fn split(call: &Call<'_, '_, '_>, known: &Known, sizes: Option<&Known>) -> Option<Vec<Known>> {
    let at = axis(call.int("axis", 0), known.dims.len())?;
    let parts = call.node.outputs.len() as u64;
    let sizes = match list(call, "split", sizes) {
        Some(sizes) => sizes.into_iter().map(|size| u64::try_from(size).ok()).collect::<Option<Vec<_>>>()?,
        None => {
            let each = known.dims[at].div_ceil(parts.max(1));
            (0..parts).map(|part| each.min(known.dims[at].saturating_sub(part * each))).collect()
        }
    };
    if sizes.iter().try_fold(0u64, |sum, &size| sum.checked_add(size)) != Some(known.dims[at]) {
        return None;
    }
    let mut before = 0;
    sizes
        .into_iter()
        .map(|size| {
            let mut dims = known.dims.clone();
            dims[at] = size;
            let part = moved(known, dims, |index| {
                let source = index
                    .iter()
                    .enumerate()
                    .map(|(axis, &index)| if axis == at { index + before } else { index });
                Some(place(source, &known.dims))
            });
            before += size;
            part
        })
        .collect()
}

fn squeeze(call: &Call<'_, '_, '_>, known: &Known, axes: Option<&Known>) -> Option<Known> {
    let rank = known.dims.len();
    let mut gone = vec![false; rank];
    match list(call, "axes", axes) {
        Some(axes) => {
            for at in axes {
                let at = axis(at, rank)?;
                gone[at] = known.dims[at] == 1;
                gone[at].then_some(())?;
            }
        }
        None => gone = known.dims.iter().map(|&size| size == 1).collect(),
    }
    let dims = known.dims.iter().zip(gone).filter(|(_, gone)| !gone).map(|(&size, _)| size).collect();
    Some(Known { dims, ..known.clone() })
}

fn unsqueeze(call: &Call<'_, '_, '_>, known: &Known, axes: Option<&Known>) -> Option<Known> {
    let axes = list(call, "axes", axes)?;
    let rank = known.dims.len() + axes.len();
    if rank > TensorShape::MAX_RANK {
        return None;
    }
    let mut new = vec![false; rank];
    for at in axes {
        new[axis(at, rank)?] = true;
    }
    let mut old = known.dims.iter().copied();
    let dims = new.into_iter().map(|new| if new { Some(1) } else { old.next() }).collect::<Option<_>>()?;
    Some(Known { dims, ..known.clone() })
}

fn reshape(call: &Call<'_, '_, '_>, known: &Known, shape: Option<&Known>) -> Option<Known> {
    let shape = list(call, "shape", shape)?;
    let dims = resolved(&shape, &known.dims, call.int("allowzero", 0) == 1)?;
    Some(Known { dims, ..known.clone() })
}

/// The sizes that a Reshape asks for: 0 copies, -1 stands for what is left.
pub(in crate::frontend::onnx) fn resolved(shape: &[i64], dims: &[u64], allow_zero: bool) -> Option<Vec<u64>> {
    let mut sizes = Vec::with_capacity(shape.len());
    let mut open = None;
    for (place, &size) in shape.iter().enumerate() {
        sizes.push(match size {
            0 if !allow_zero => *dims.get(place)?,
            -1 if open.is_none() => {
                open = Some(place);
                1
            }
            size => u64::try_from(size).ok()?,
        });
    }
    let (all, given) = (product(dims).ok()?, product(&sizes).ok()?);
    match open {
        Some(place) => sizes[place] = all.checked_div(given).filter(|rest| rest * given == all)?,
        None => (all == given).then_some(())?,
    }
    (sizes.len() <= TensorShape::MAX_RANK).then_some(sizes)
}

fn transpose(call: &Call<'_, '_, '_>, known: &Known) -> Option<Known> {
    let rank = known.dims.len();
    let order: Vec<usize> = match call.ints("perm") {
        Some(order) => order.iter().map(|&at| axis(at, rank)).collect::<Option<_>>()?,
        None => (0..rank).rev().collect(),
    };
    if order.len() != rank {
        return None;
    }
    let dims = order.iter().map(|&at| known.dims[at]).collect();
    moved(known, dims, |index| {
        let mut source = vec![0; rank];
        order.iter().zip(index).for_each(|(&at, &index)| source[at] = index);
        Some(place(source.into_iter(), &known.dims))
    })
}

fn expand(known: &Known, shape: &Known) -> Option<Known> {
    let wanted: Vec<u64> =
        shape.whole()?.iter().map(|&size| u64::try_from(size).ok()).collect::<Option<_>>()?;
    let dims = broadcast(&known.dims, &wanted)?;
    let new = dims.len() - known.dims.len();
    moved(known, dims, |index| {
        let source =
            index[new..].iter().zip(&known.dims).map(|(&index, &size)| if size == 1 { 0 } else { index });
        Some(place(source, &known.dims))
    })
}

/// NumPy's broadcast of two shapes.
pub(in crate::frontend::onnx) fn broadcast(a: &[u64], b: &[u64]) -> Option<Vec<u64>> {
    let rank = a.len().max(b.len());
    let size = |dims: &[u64], axis: usize| (axis + dims.len()).checked_sub(rank).map_or(1, |axis| dims[axis]);
    let both = (0..rank).map(|axis| match (size(a, axis), size(b, axis)) {
        (one, other) if one == other => Some(one),
        (1, other) => Some(other),
        (one, 1) => Some(one),
        _ => None,
    });
    both.collect()
}

fn tile(known: &Known, repeats: &Known) -> Option<Known> {
    let repeats = repeats.whole()?;
    if repeats.len() != known.dims.len() {
        return None;
    }
    let dims =
        known.dims.iter().zip(repeats).map(|(&size, &times)| size.checked_mul(u64::try_from(times).ok()?));
    moved(known, dims.collect::<Option<_>>()?, |index| {
        Some(place(index.iter().zip(&known.dims).map(|(&index, &size)| index % size), &known.dims))
    })
}

fn filled(call: &Call<'_, '_, '_>, shape: &Known) -> Option<Known> {
    let dims: Vec<u64> =
        shape.whole()?.iter().map(|&size| u64::try_from(size).ok()).collect::<Option<_>>()?;
    let count = product(&dims).ok().filter(|&count| count <= MOST_KNOWN)?;
    let count = usize::try_from(count).ok()?;
    let (dtype, elements) = match call.attribute("value") {
        None => (DType::F32, Elements::Float(vec![0.0; count])),
        Some(super::super::model::Value::Tensor(tensor)) => {
            let value = Known::of_file(tensor)?;
            (value.dtype, value.elements.pick(&vec![0; count])?)
        }
        Some(_) => return None,
    };
    Some(Known { dims, dtype, elements })
}

/// The indices of what is not zero, one row for each axis.
fn nonzero(known: &Known) -> Option<Known> {
    let found: Vec<u64> = match &known.elements {
        Elements::Whole(list) => {
            (0..).zip(list).filter(|(_, number)| **number != 0).map(|(place, _)| place).collect()
        }
        Elements::Float(list) => {
            (0..).zip(list).filter(|(_, number)| **number != 0.0).map(|(place, _)| place).collect()
        }
    };
    let mut rows = Vec::new();
    let mut stride = product(&known.dims).ok()?;
    for &size in &known.dims {
        stride = stride.checked_div(size)?;
        for &place in &found {
            rows.push(i64::try_from(place / stride % size).ok()?);
        }
    }
    let dims = vec![known.dims.len() as u64, found.len() as u64];
    Some(Known { dims, dtype: DType::I64, elements: Elements::Whole(rows) })
}
