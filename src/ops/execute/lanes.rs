//! Functions of single elements on a device, as operations on whole tensors.

use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Neg, Sub};

use candle_core::{DType, Tensor};

use super::Fault;
use super::kernel::elementwise::Function;
use super::scalar::Scalar;

/// A tensor or a constant on this thread's tape: the number that computes for a whole tensor.
#[derive(Clone, Copy, Debug)]
pub struct Lanes(usize);

#[derive(Clone)]
enum Entry {
    Tensor(Tensor),
    Constant(f64),
}

#[derive(Default)]
struct Tape {
    entries: Vec<Entry>,
    /// The first failure; what follows it is not computed.
    fault: Option<candle_core::Error>,
}

thread_local! {
    static TAPE: RefCell<Tape> = RefCell::default();
}

/// [`super::kernel::elementwise::map`] on any device.
pub(super) fn map<F: Function>(
    inputs: &[&Tensor],
    shape: &[usize],
    dtype: DType,
    function: &F,
) -> Result<Tensor, Fault> {
    // Mixed types meet in the widest float among them.
    let float = inputs.iter().map(|input| input.dtype()).find(DType::is_float);
    let meet = float.unwrap_or(DType::F32);
    let inputs = inputs
        .iter()
        .map(|input| Ok(Entry::Tensor(input.to_dtype(meet)?.broadcast_as(shape)?)))
        .collect::<Result<Vec<_>, Fault>>()?;
    let outer = TAPE.with(|tape| std::mem::take(&mut *tape.borrow_mut()));
    let x: Vec<Lanes> = (0..inputs.len()).map(Lanes).collect();
    TAPE.with(|tape| tape.borrow_mut().entries = inputs);
    let result = function.value(&x);
    let tape = TAPE.with(|tape| std::mem::replace(&mut *tape.borrow_mut(), outer));
    if let Some(fault) = tape.fault {
        return Err(fault.into());
    }
    let result = match &tape.entries[result.0] {
        Entry::Tensor(tensor) => tensor.clone(),
        Entry::Constant(value) => match &tape.entries[0] {
            Entry::Tensor(like) => (like.zeros_like()? + *value)?,
            Entry::Constant(_) => return Err(Fault::internal("a function without inputs")),
        },
    };
    Ok(result.to_dtype(dtype)?.contiguous()?)
}

/// Computes from entries, unless something failed before.
fn compute(operands: &[Lanes], run: impl FnOnce(&[Entry]) -> candle_core::Result<Entry>) -> Lanes {
    TAPE.with(|tape| {
        let mut tape = tape.borrow_mut();
        let operands: Vec<Entry> = operands.iter().map(|operand| tape.entries[operand.0].clone()).collect();
        let entry = if tape.fault.is_some() { Ok(Entry::Constant(0.0)) } else { run(&operands) };
        let entry = entry.unwrap_or_else(|fault| {
            tape.fault = Some(fault);
            Entry::Constant(0.0)
        });
        tape.entries.push(entry);
        Lanes(tape.entries.len() - 1)
    })
}

fn unary(
    x: Lanes,
    number: fn(f64) -> f64,
    tensor: impl FnOnce(&Tensor) -> candle_core::Result<Tensor>,
) -> Lanes {
    compute(&[x], |operands| match &operands[0] {
        Entry::Constant(value) => Ok(Entry::Constant(number(*value))),
        Entry::Tensor(x) => tensor(x).map(Entry::Tensor),
    })
}

/// Both as tensors, unless both are constants.
fn binary(
    a: Lanes,
    b: Lanes,
    number: fn(f64, f64) -> f64,
    tensor: impl FnOnce(&Tensor, &Tensor) -> candle_core::Result<Tensor>,
) -> Lanes {
    compute(&[a, b], |operands| match (&operands[0], &operands[1]) {
        (Entry::Constant(a), Entry::Constant(b)) => Ok(Entry::Constant(number(*a, *b))),
        (Entry::Tensor(a), Entry::Tensor(b)) => tensor(a, b).map(Entry::Tensor),
        (Entry::Tensor(a), Entry::Constant(b)) => tensor(a, &full(a, *b)?).map(Entry::Tensor),
        (Entry::Constant(a), Entry::Tensor(b)) => tensor(&full(b, *a)?, b).map(Entry::Tensor),
    })
}

/// A constant in the shape of a tensor, one element in memory.
fn full(like: &Tensor, value: f64) -> candle_core::Result<Tensor> {
    Tensor::new(value, like.device())?.to_dtype(like.dtype())?.broadcast_as(like.shape())
}

macro_rules! operators {
    ($($name:ident, $method:ident;)*) => {$(
        impl $name for Lanes {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                binary(self, other, |a, b| a.$method(b), |a, b| a.$method(b))
            }
        }
    )*};
}

operators! {
    Add, add;
    Sub, sub;
    Mul, mul;
    Div, div;
}

impl Neg for Lanes {
    type Output = Self;
    fn neg(self) -> Self {
        unary(self, |x| -x, Tensor::neg)
    }
}

/// Chooses by a comparison of two, element by element.
fn choose(
    [a, b, then, otherwise]: [Lanes; 4],
    number: fn(f64, f64) -> bool,
    compare: fn(&Tensor, &Tensor) -> candle_core::Result<Tensor>,
) -> Lanes {
    compute(&[a, b, then, otherwise], |operands| {
        let like = operands.iter().find_map(|operand| match operand {
            Entry::Tensor(tensor) => Some(tensor.clone()),
            Entry::Constant(_) => None,
        });
        let whole = |operand: &Entry, like: &Tensor| match operand {
            Entry::Tensor(tensor) => tensor.contiguous(),
            Entry::Constant(value) => full(like, *value)?.contiguous(),
        };
        match (like, &operands[0], &operands[1]) {
            (_, Entry::Constant(a), Entry::Constant(b)) => {
                Ok(operands[if number(*a, *b) { 2 } else { 3 }].clone())
            }
            (Some(like), a, b) => {
                let mask = compare(&whole(a, &like)?, &whole(b, &like)?)?;
                let (then, otherwise) = (whole(&operands[2], &like)?, whole(&operands[3], &like)?);
                mask.where_cond(&then, &otherwise).map(Entry::Tensor)
            }
            (None, ..) => Ok(Entry::Constant(0.0)),
        }
    })
}

/// There and back, for what candle does not have.
fn on_the_cpu(x: &Tensor, function: fn(f64) -> f64) -> candle_core::Result<Tensor> {
    let numbers = x.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
    let numbers: Vec<f64> = numbers.into_iter().map(function).collect();
    Tensor::from_vec(numbers, x.shape(), x.device())?.to_dtype(x.dtype())
}

impl Scalar for Lanes {
    fn of(value: f64) -> Self {
        compute(&[], |_| Ok(Entry::Constant(value)))
    }
    fn max(self, other: Self) -> Self {
        binary(self, other, Scalar::max, |a, b| a.maximum(b))
    }
    fn min(self, other: Self) -> Self {
        binary(self, other, Scalar::min, |a, b| a.minimum(b))
    }
    fn sqrt(self) -> Self {
        unary(self, f64::sqrt, Tensor::sqrt)
    }
    fn exp(self) -> Self {
        unary(self, f64::exp, Tensor::exp)
    }
    fn exp_m1(self) -> Self {
        // Where x is small, 2·tanh(x/2)/(1 − tanh(x/2)): the plain difference would lose its digits.
        let half = (self * Self::of(0.5)).tanh();
        let near = half * Self::of(2.0) / (Self::of(1.0) - half);
        Self::of(0.5).if_above(self.abs(), near, self.exp() - Self::of(1.0))
    }
    fn ln(self) -> Self {
        unary(self, f64::ln, Tensor::log)
    }
    fn ln_1p(self) -> Self {
        // x·ln(s)/(s − 1) with the rounded s = 1 + x (Kahan): what the sum loses, both lose.
        let (one, sum) = (Self::of(1.0), self + Self::of(1.0));
        let near = self * sum.ln() / (sum - one);
        Self::of(0.5).if_above(self.abs(), sum.if_equal(one, self, near), sum.ln())
    }
    fn tanh(self) -> Self {
        unary(self, f64::tanh, Tensor::tanh)
    }
    fn erf(self) -> Self {
        unary(self, libm::erf, Tensor::erf)
    }
    fn pow(self, exponent: Self) -> Self {
        binary(self, exponent, f64::powf, Tensor::pow)
    }
    fn sin(self) -> Self {
        unary(self, f64::sin, Tensor::sin)
    }
    fn cos(self) -> Self {
        unary(self, f64::cos, Tensor::cos)
    }
    fn asin(self) -> Self {
        unary(self, f64::asin, |x| on_the_cpu(x, f64::asin))
    }
    fn acos(self) -> Self {
        unary(self, f64::acos, |x| on_the_cpu(x, f64::acos))
    }
    fn atan(self) -> Self {
        unary(self, f64::atan, |x| on_the_cpu(x, f64::atan))
    }
    fn floor(self) -> Self {
        unary(self, f64::floor, Tensor::floor)
    }
    fn ceil(self) -> Self {
        unary(self, f64::ceil, Tensor::ceil)
    }
    fn round(self) -> Self {
        // Candle rounds halves away from zero: x − the nearest even number is at most 1 in size where x is not a half.
        let half = Self::of(0.5);
        let down = (self + half).floor();
        let is_half = |then: Self, otherwise: Self| (down - self).if_equal(half, then, otherwise);
        let odd = down - (down * half).floor() * Self::of(2.0);
        is_half(down - odd, down)
    }
    fn abs(self) -> Self {
        unary(self, f64::abs, Tensor::abs)
    }
    fn with_sign(self, of: Self) -> Self {
        let size = self.abs();
        Self::of(0.0).if_above(of, -size, size)
    }
    fn negated(self) -> Self {
        -self
    }
    fn if_at_least(self, bound: Self, then: Self, otherwise: Self) -> Self {
        choose([self, bound, then, otherwise], |a, b| a >= b, |a, b| a.ge(b))
    }
    fn if_above(self, bound: Self, then: Self, otherwise: Self) -> Self {
        choose([self, bound, then, otherwise], |a, b| a > b, |a, b| a.gt(b))
    }
    fn if_equal(self, other: Self, then: Self, otherwise: Self) -> Self {
        choose([self, other, then, otherwise], |a, b| Scalar::if_equal(a, b, 1.0, 0.0) > 0.5, |a, b| a.eq(b))
    }
}
