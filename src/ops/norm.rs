//! What the normalizations share.

use super::{Cost, Kind, Mismatch, Role, Weight, Weights, shape};
use crate::diagnostic::Code;
use crate::tensor::{DType, TensorType};
use crate::units::{Overflow, product};

/// Scale and shift of one shape, where there are any, named as PyTorch does.
pub(super) fn affine(scale: bool, shift: bool, shape: &[u64]) -> Weights {
    let scale = scale.then(|| Weight::new("weight", shape, Role::Norm));
    let shift = shift.then(|| Weight::new("bias", shape, Role::Norm));
    scale.into_iter().chain(shift).collect()
}

/// The running mean and variance of each channel, named as PyTorch does.
pub(super) fn running_statistics(channels: u64) -> [Weight; 2] {
    ["running_mean", "running_var"].map(|name| Weight::new(name, [channels], Role::Buffer))
}

/// The error for an input with fewer axes than needed.
pub(super) fn least_rank(input: &TensorType, rank: usize, axes: &str) -> Result<(), Box<Mismatch>> {
    if input.shape.rank() < rank {
        return Err(Mismatch::new(Code::ShapeMismatch, format!("the input must have {axes}"))
            .input(0, format!("this is {}", input.shape)));
    }
    Ok(())
}

/// A tensor as rows that are normalized one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rows {
    /// How many.
    pub(super) count: u64,
    /// Elements of each.
    pub(super) length: u64,
}

impl Rows {
    /// Rows of the given length; none in an empty tensor.
    pub(super) fn of_length(input: &TensorType, length: u64) -> Self {
        Self { count: input.elements().get().checked_div(length).unwrap_or(0), length }
    }

    /// Rows along one axis.
    pub(super) fn along(input: &TensorType, axis: i64) -> Result<Self, Box<Mismatch>> {
        let axis = shape::axis(axis, input.shape.rank(), "axis")?;
        Ok(Self::of_length(input, input.shape.axes()[axis]))
    }

    /// Rows over all axes from one on.
    pub(super) fn from_axis(input: &TensorType, axes_from: i64) -> Result<Self, Box<Mismatch>> {
        Ok(Self::of_length(input, product(tail(input, axes_from)?)?))
    }

    /// Elementary operations of each row: `per_row` once, `but_first` for each element after the first, `per_element`
    /// for each. Nothing for empty rows.
    pub(super) fn cost(
        self,
        per_row: &[(Kind, u64)],
        but_first: &[(Kind, u64)],
        per_element: &[(Kind, u64)],
    ) -> Result<Cost, Overflow> {
        let Some(steps) = self.length.checked_sub(1) else { return Ok(Cost::NONE) };
        Cost::NONE
            .each(self.count, per_row)?
            .each(product(&[self.count, steps])?, but_first)?
            .each(product(&[self.count, self.length])?, per_element)
    }

    /// Elementary operations that subtract each row's mean and divide by its deviation: 5·length + 2 a row.
    pub(super) fn standardize(self) -> Result<Cost, Overflow> {
        self.cost(
            // The divisions of mean and variance, ε, the root.
            &[(Kind::Div, 2), (Kind::Add, 1), (Kind::Sqrt, 1)],
            // The sums of mean and variance.
            &[(Kind::Add, 2)],
            // Deviation, its square, the division.
            &[(Kind::Sub, 1), (Kind::Mul, 1), (Kind::Div, 1)],
        )
    }

    /// Bytes of `each` statistics a row, at least single precision.
    pub(super) fn statistics(self, each: u64, dtype: DType) -> Result<u64, Overflow> {
        product(&[self.count, each, statistic_bytes(dtype)])
    }
}

/// The axes from one on, all of which a layer norm normalizes.
pub(super) fn tail(input: &TensorType, axes_from: i64) -> Result<&[u64], Box<Mismatch>> {
    let first = shape::axis(axes_from, input.shape.rank(), "axes_from")?;
    Ok(&input.shape.axes()[first..])
}

/// Bytes of a mean or deviation: PyTorch forms them in single precision at least.
pub(super) fn statistic_bytes(dtype: DType) -> u64 {
    if dtype == DType::F64 { 8 } else { 4 }
}

/// Adds a scale and a shift of each element, where there are any.
pub(super) fn and_affine(cost: Cost, scale: bool, shift: bool, elements: u64) -> Result<Cost, Overflow> {
    cost.each(elements, &[(Kind::Mul, u64::from(scale)), (Kind::Add, u64::from(shift))])
}
