//! Element by element: sums, comparisons, logic, casts, and reductions of small tensors.

use super::super::call::Call;
use super::super::value::{Elements, Known, MOST_KNOWN};
use super::{axis, cast, list, rounded, target};
use crate::tensor::DType;
use crate::units::product;

/// The result of an op; `None` where it is none of these, `Some(None)` where its values cannot be followed.
pub(super) fn evaluate(
    call: &Call<'_, '_, '_>,
    op: &str,
    inputs: &[Option<&Known>],
) -> Option<Option<Known>> {
    let first = inputs[0]?;
    let second = inputs.get(1).copied().flatten();
    let two = |whole: fn(i64, i64) -> Option<i64>, float: fn(f64, f64) -> f64| {
        second.and_then(|second| binary(first, second, whole, float, false))
    };
    let compare = |whole: fn(&i64, &i64) -> bool, float: fn(&f64, &f64) -> bool| {
        second.and_then(|second| comparison(first, second, whole, float))
    };
    let all = |whole: fn(i64, i64) -> Option<i64>, float: fn(f64, f64) -> f64| {
        inputs
            .iter()
            .skip(1)
            .try_fold(first.clone(), |result, next| binary(&result, (*next)?, whole, float, false))
    };
    let truth = |function: fn(bool, bool) -> bool| {
        let whole =
            |a: i64, b: i64, function: fn(bool, bool) -> bool| Some(i64::from(function(a != 0, b != 0)));
        second.and_then(|second| {
            let (dims, pairs) = paired(first, second)?;
            let (Elements::Whole(a), Elements::Whole(b)) = (&first.elements, &second.elements) else {
                return None;
            };
            let list = pairs.into_iter().map(|(i, j)| whole(a[i], b[j], function)).collect::<Option<_>>()?;
            Some(Known { dims, dtype: DType::Bool, elements: Elements::Whole(list) })
        })
    };
    Some(match op {
        "Add" | "Sum" => all(i64::checked_add, |a, b| a + b),
        "Sub" => two(i64::checked_sub, |a, b| a - b),
        "Mul" => two(i64::checked_mul, |a, b| a * b),
        // Whole numbers divide towards zero.
        "Div" => two(i64::checked_div, |a, b| a / b),
        "Mod" if call.int("fmod", 0) == 1 => two(i64::checked_rem, |a, b| a % b),
        // The remainder has the divisor's sign.
        "Mod" => two(
            |a, b| {
                a.checked_rem(b).map(|rest| if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest })
            },
            |a, b| a - b * (a / b).floor(),
        ),
        "Pow" => two(|a, b| a.checked_pow(u32::try_from(b).ok()?), f64::powf),
        "Max" => all(|a, b| Some(a.max(b)), f64::max),
        "Min" => all(|a, b| Some(a.min(b)), f64::min),
        "Equal" => compare(i64::eq, f64::eq),
        "Less" => compare(i64::lt, f64::lt),
        "LessOrEqual" => compare(i64::le, f64::le),
        "Greater" => compare(i64::gt, f64::gt),
        "GreaterOrEqual" => compare(i64::ge, f64::ge),
        "And" => truth(|a, b| a && b),
        "Or" => truth(|a, b| a || b),
        "Xor" => truth(|a, b| a != b),
        "Not" => unary(first, |number| Some(i64::from(number == 0)), |number| number),
        "Neg" => unary(first, i64::checked_neg, |number| -number),
        "Abs" => unary(first, i64::checked_abs, f64::abs),
        "Sign" => unary(
            first,
            |number| Some(number.signum()),
            |number| if number == 0.0 { 0.0 } else { number.signum() },
        ),
        "Floor" => unary(first, Some, f64::floor),
        "Ceil" => unary(first, Some, f64::ceil),
        "Round" => unary(first, Some, f64::round_ties_even),
        "Sqrt" => unary(first, |_| None, f64::sqrt),
        "Reciprocal" => unary(first, |_| None, f64::recip),
        "Exp" => unary(first, |_| None, f64::exp),
        "Log" => unary(first, |_| None, f64::ln),
        "Cos" => unary(first, |_| None, f64::cos),
        "Sin" => unary(first, |_| None, f64::sin),
        "Cast" => target(call).and_then(|to| cast(first, to)),
        "CastLike" => second.and_then(|like| cast(first, like.dtype)),
        "Where" => select(first, second, inputs.get(2).copied().flatten()),
        "Clip" => clip(first, second, inputs.get(2).copied().flatten()),
        "ReduceSum" => reduce(call, first, second, i64::checked_add, |a, b| a + b),
        "ReduceProd" => reduce(call, first, second, i64::checked_mul, |a, b| a * b),
        "ReduceMax" => reduce(call, first, second, |a, b| Some(a.max(b)), f64::max),
        "ReduceMin" => reduce(call, first, second, |a, b| Some(a.min(b)), f64::min),
        "CumSum" => running(call, first, second),
        "Range" => range(first, second, inputs.get(2).copied().flatten()),
        _ => return None,
    })
}

fn unary(known: &Known, whole: fn(i64) -> Option<i64>, float: fn(f64) -> f64) -> Option<Known> {
    let elements = match &known.elements {
        Elements::Whole(list) => {
            Elements::Whole(list.iter().map(|&number| whole(number)).collect::<Option<_>>()?)
        }
        Elements::Float(list) => {
            Elements::Float(list.iter().map(|&number| rounded(float(number), known.dtype)).collect())
        }
    };
    Some(Known { elements, ..known.clone() })
}

/// Places in two tensors.
type Pairs = Vec<(usize, usize)>;

/// The places of two tensors' elements that meet when they broadcast.
fn paired(a: &Known, b: &Known) -> Option<(Vec<u64>, Pairs)> {
    let rank = a.dims.len().max(b.dims.len());
    let size = |known: &Known, axis: usize| {
        (axis + known.dims.len()).checked_sub(rank).map_or(1, |axis| known.dims[axis])
    };
    let mut dims = Vec::with_capacity(rank);
    for axis in 0..rank {
        dims.push(match (size(a, axis), size(b, axis)) {
            (one, other) if one == other => one,
            (1, other) => other,
            (one, 1) => one,
            _ => return None,
        });
    }
    let count = product(&dims).ok().filter(|&count| count <= MOST_KNOWN)?;
    let strides = |known: &Known| {
        let mut stride = 1u64;
        let mut strides = vec![0; rank];
        for axis in (0..rank).rev() {
            if size(known, axis) > 1 {
                strides[axis] = stride;
                stride *= size(known, axis);
            }
        }
        strides
    };
    let (left, right) = (strides(a), strides(b));
    let mut pairs = Vec::new();
    for number in 0..count {
        let (mut rest, mut i, mut j) = (number, 0, 0);
        for axis in (0..rank).rev() {
            let place = rest % dims[axis];
            rest /= dims[axis];
            i += place * left[axis];
            j += place * right[axis];
        }
        pairs.push((usize::try_from(i).ok()?, usize::try_from(j).ok()?));
    }
    Some((dims, pairs))
}

fn binary(
    a: &Known,
    b: &Known,
    whole: fn(i64, i64) -> Option<i64>,
    float: fn(f64, f64) -> f64,
    truth: bool,
) -> Option<Known> {
    let (dims, pairs) = paired(a, b)?;
    let dtype = if truth { DType::Bool } else { a.dtype };
    let elements = match (&a.elements, &b.elements) {
        (Elements::Whole(a), Elements::Whole(b)) => {
            Elements::Whole(pairs.into_iter().map(|(i, j)| whole(a[i], b[j])).collect::<Option<_>>()?)
        }
        (Elements::Float(a), Elements::Float(b)) => {
            Elements::Float(pairs.into_iter().map(|(i, j)| rounded(float(a[i], b[j]), dtype)).collect())
        }
        // A power may have an exponent of another type.
        (Elements::Float(a), Elements::Whole(_)) => {
            let b = b.floats();
            Elements::Float(pairs.into_iter().map(|(i, j)| rounded(float(a[i], b[j]), dtype)).collect())
        }
        (Elements::Whole(_), Elements::Float(_)) => return None,
    };
    Some(Known { dims, dtype, elements })
}

fn comparison(
    a: &Known,
    b: &Known,
    whole: fn(&i64, &i64) -> bool,
    float: fn(&f64, &f64) -> bool,
) -> Option<Known> {
    let (dims, pairs) = paired(a, b)?;
    let list = match (&a.elements, &b.elements) {
        (Elements::Whole(a), Elements::Whole(b)) => {
            pairs.into_iter().map(|(i, j)| i64::from(whole(&a[i], &b[j]))).collect()
        }
        (Elements::Float(a), Elements::Float(b)) => {
            pairs.into_iter().map(|(i, j)| i64::from(float(&a[i], &b[j]))).collect()
        }
        _ => return None,
    };
    Some(Known { dims, dtype: DType::Bool, elements: Elements::Whole(list) })
}

fn select(condition: &Known, yes: Option<&Known>, no: Option<&Known>) -> Option<Known> {
    let (yes, no) = (yes?, no?);
    // All three broadcast: the condition is stretched to the other two, and they to it.
    let spread = |known: &Known, over: &Known| -> Option<Known> {
        let (dims, pairs) = paired(known, over)?;
        let places: Vec<usize> = pairs.into_iter().map(|(place, _)| place).collect();
        Some(Known { dims, dtype: known.dtype, elements: known.elements.pick(&places)? })
    };
    let (yes, no) = (spread(yes, no)?, spread(no, yes)?);
    let (yes, no) = (spread(&yes, condition)?, spread(&no, condition)?);
    let condition = spread(condition, &yes)?;
    let chosen = condition.whole()?.iter().map(|&truth| truth != 0);
    let elements = match (&yes.elements, &no.elements) {
        (Elements::Whole(yes), Elements::Whole(no)) => Elements::Whole(
            chosen.zip(yes.iter().zip(no)).map(|(is, (&yes, &no))| if is { yes } else { no }).collect(),
        ),
        (Elements::Float(yes), Elements::Float(no)) => Elements::Float(
            chosen.zip(yes.iter().zip(no)).map(|(is, (&yes, &no))| if is { yes } else { no }).collect(),
        ),
        _ => return None,
    };
    Some(Known { dims: yes.dims.clone(), dtype: yes.dtype, elements })
}

fn clip(known: &Known, low: Option<&Known>, high: Option<&Known>) -> Option<Known> {
    let known = match low {
        Some(low) => binary(known, low, |a, b| Some(a.max(b)), f64::max, false)?,
        None => known.clone(),
    };
    match high {
        Some(high) => binary(&known, high, |a, b| Some(a.min(b)), f64::min, false),
        None => Some(known),
    }
}

/// A reduction that keeps or drops the axes it joins.
fn reduce(
    call: &Call<'_, '_, '_>,
    known: &Known,
    axes: Option<&Known>,
    whole: fn(i64, i64) -> Option<i64>,
    float: fn(f64, f64) -> f64,
) -> Option<Known> {
    let rank = known.dims.len();
    let axes = list(call, "axes", axes).unwrap_or_default();
    if axes.is_empty() && call.int("noop_with_empty_axes", 0) == 1 {
        return Some(known.clone());
    }
    let mut joined = vec![axes.is_empty(); rank];
    for &one in &axes {
        joined[axis(one, rank)?] = true;
    }
    let kept: Vec<u64> = (0..rank).map(|axis| if joined[axis] { 1 } else { known.dims[axis] }).collect();
    let count = usize::try_from(product(&kept).ok()?).ok()?;
    if known.elements.len() == 0 || count == 0 {
        return None;
    }
    let mut groups: Vec<Vec<usize>> = vec![Vec::new(); count];
    for place in 0..known.elements.len() {
        let (mut rest, mut target, mut stride) = (place as u64, 0u64, 1u64);
        for axis in (0..rank).rev() {
            let index = rest % known.dims[axis];
            rest /= known.dims[axis];
            if !joined[axis] {
                target += index * stride;
                stride *= known.dims[axis];
            }
        }
        groups[usize::try_from(target).ok()?].push(place);
    }
    let elements = match &known.elements {
        Elements::Whole(list) => Elements::Whole(
            (groups.iter())
                .map(|group| {
                    group[1..].iter().try_fold(list[group[0]], |sum, &place| whole(sum, list[place]))
                })
                .collect::<Option<_>>()?,
        ),
        Elements::Float(list) => Elements::Float(
            (groups.iter())
                .map(|group| group[1..].iter().fold(list[group[0]], |sum, &place| float(sum, list[place])))
                .collect(),
        ),
    };
    let dims = match call.int("keepdims", 1) {
        0 => (0..rank).filter(|&axis| !joined[axis]).map(|axis| known.dims[axis]).collect(),
        _ => kept,
    };
    Some(Known { dims, dtype: known.dtype, elements })
}

/// The running sum of a list.
fn running(call: &Call<'_, '_, '_>, known: &Known, axis: Option<&Known>) -> Option<Known> {
    if known.dims.len() != 1 || axis.is_none() || call.int("exclusive", 0) != 0 || call.int("reverse", 0) != 0
    {
        return None;
    }
    let mut sum = 0i64;
    let sums = known.whole()?.iter().map(|&number| {
        sum = sum.checked_add(number)?;
        Some(sum)
    });
    Some(Known { elements: Elements::Whole(sums.collect::<Option<_>>()?), ..known.clone() })
}

fn range(start: &Known, limit: Option<&Known>, step: Option<&Known>) -> Option<Known> {
    let (limit, step) = (limit?, step?);
    let (from, to, by) = (start.number()?, limit.number()?, step.number()?);
    let count = ((to - from) / by).ceil();
    #[expect(clippy::cast_precision_loss, reason = "the limit is small")]
    let fits = count <= MOST_KNOWN as f64;
    if !fits || by == 0.0 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked above, and casts saturate"
    )]
    let count = count.max(0.0) as u64;
    let dims = vec![count];
    let elements = match (start.whole(), step.whole()) {
        (Some(&[start]), Some(&[step])) => {
            // Where the last one fits, all do.
            start.checked_add(step.checked_mul(i64::try_from(count).ok()?)?)?;
            let numbers =
                (0..i64::try_from(count).ok()?).map(|index| start.checked_add(step.checked_mul(index)?));
            Elements::Whole(numbers.collect::<Option<_>>()?)
        }
        #[expect(clippy::cast_precision_loss, reason = "indices are small")]
        _ => {
            Elements::Float((0..count).map(|index| rounded(from + by * index as f64, start.dtype)).collect())
        }
    };
    Some(Known { dims, dtype: start.dtype, elements })
}
