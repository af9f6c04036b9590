//! What the normalizations share.

use super::{Backward, Cost, Kept, Kind, Mismatch, Role, Weight, Weights, shape};
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

    /// Bytes of `each` statistics a row, as PyTorch keeps them.
    pub(super) fn statistics(self, each: u64, dtype: DType) -> Result<u64, Overflow> {
        product(&[self.count, each, statistic_bytes(dtype)])
    }

    /// What keeps so many statistics a row beside the input: PyTorch, and in the input's type, which is enough.
    pub(super) fn keeps(self, each: u64, dtype: DType) -> Result<Backward, Overflow> {
        let least = product(&[self.count, each, dtype.bits().div_ceil(8)])?;
        Ok(Backward {
            eager: Kept::INPUT.and_bytes(self.statistics(each, dtype)?),
            ..Backward::keeps(Kept::INPUT.and_bytes(least))
        })
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

/// What their execution shares.
#[cfg(feature = "exec")]
pub(super) mod execute {
    use super::super::execute::Stored;
    use super::super::execute::kernel::moments::normalized_gradient;
    use super::super::execute::kernel::row_functions;
    use super::super::execute::kernel::standardize::Standardize;
    use super::super::execute::prelude::*;
    use super::Rows;
    use crate::tensor::TensorType;

    /// Rows standardized, each place scaled and shifted by itself, if it is.
    pub(in crate::ops) fn rows_forward(
        how: Standardize,
        call: &Call<'_>,
        [scaled, shifted]: [bool; 2],
    ) -> Result<Made, Fault> {
        let (scale, shift) = (call.stored.get_if(scaled, "weight")?, call.stored.get_if(shifted, "bias")?);
        let made = how.forward(&call.inputs[0], scale, shift)?;
        Ok(keeping(how, made.rows, made.statistics, call.mode))
    }

    /// While training the statistics are kept; a mean that is not taken away is none.
    fn keeping(how: Standardize, y: Tensor, [mean, deviation]: [Tensor; 2], mode: Mode) -> Made {
        let mut made = Made::from(y);
        if mode == Mode::Train {
            made.kept.extend(how.centered.then_some(mean));
            made.kept.push(deviation);
        }
        made
    }

    fn kept(call: &BackwardCall<'_>) -> Result<[Tensor; 2], Fault> {
        match call.kept {
            [mean, deviation] => Ok([mean.clone(), deviation.clone()]),
            [deviation] => Ok([deviation.zeros_like()?, deviation.clone()]),
            _ => Err(Fault::Internal("a norm's backward pass without its statistics")),
        }
    }

    pub(in crate::ops) fn rows_gradients(
        how: Standardize,
        call: &BackwardCall<'_>,
    ) -> Result<Gradients, Fault> {
        let (x, gradient) = (call.input(0)?, call.gradient()?);
        let [mean, deviation] = &kept(call)?;
        let (scale, shift) = (call.stored.find("weight"), call.stored.find("bias"));
        let mut gradients = Gradients::default();
        if let Some(scale) = scale {
            let products = how.scale_products(x, gradient, [mean, deviation])?;
            gradients.stored.push(("weight", reduce(&products, &[0], &Sum)?.reshape(scale.shape())?));
        }
        if let Some(shift) = shift {
            let all = gradient.reshape(((), how.length))?;
            gradients.stored.push(("bias", reduce(&all, &[0], &Sum)?.reshape(shift.shape())?));
        }
        let input = call.wants(0).then(|| input_gradient(how, x, gradient, scale, [mean, deviation]));
        gradients.inputs.push(input.transpose()?);
        Ok(gradients)
    }

    fn input_gradient(
        how: Standardize,
        x: &Tensor,
        gradient: &Tensor,
        scale: Option<&Tensor>,
        statistics: [&Tensor; 2],
    ) -> Result<Tensor, Fault> {
        match scale {
            Some(scale) => {
                let scaled = map(&[gradient, scale], x.dims(), &function!(|g, s| g * s))?;
                how.backward(x, &scaled, statistics)
            }
            None => how.backward(x, gradient, statistics),
        }
    }

    /// Rows standardized, each channel scaled and shifted if it is.
    pub(in crate::ops) fn channels_forward(
        how: Standardize,
        call: &Call<'_>,
        affine: bool,
    ) -> Result<Made, Fault> {
        let x = &call.inputs[0];
        let mut made = how.forward(x, None, None)?;
        if affine {
            let (scale, shift) = (call.stored.get("weight")?, call.stored.get("bias")?);
            let (scale, shift) = (per_channel(scale, x.rank())?, per_channel(shift, x.rank())?);
            made.rows = map(&[&made.rows, &scale, &shift], x.dims(), &function!(|y, a, b| y * a + b))?;
        }
        Ok(keeping(how, made.rows, made.statistics, call.mode))
    }

    pub(in crate::ops) fn channels_gradients(
        how: Standardize,
        call: &BackwardCall<'_>,
    ) -> Result<Gradients, Fault> {
        let (x, gradient) = (call.input(0)?, call.gradient()?);
        let [mean, deviation] = &kept(call)?;
        let mut gradients = Gradients::default();
        let scale = call.stored.find("weight").map(|scale| per_channel(scale, x.rank())).transpose()?;
        if scale.is_some() {
            let products = how.scale_products(x, gradient, [mean, deviation])?.reshape(x.shape())?;
            gradients.stored.push(("weight", reduce(&products, &all_but_channels(x), &Sum)?.flatten_all()?));
            drop(products);
            gradients.stored.push(("bias", reduce(gradient, &all_but_channels(x), &Sum)?.flatten_all()?));
        }
        let input =
            call.wants(0).then(|| input_gradient(how, x, gradient, scale.as_ref(), [mean, deviation]));
        gradients.inputs.push(input.transpose()?);
        Ok(gradients)
    }

    pub(in crate::ops) fn workspace(rows: Rows, input: &TensorType, pass: Pass) -> Result<u64, Overflow> {
        let of_rows = row_functions::workspace(5, rows.count, rows.length, input.dtype.bits() / 8)?;
        // Products or a scaled gradient; on the way to a sum they may be put in another order. A row before it is
        // scaled by channels.
        let whole = if pass == Pass::Backward { 2 } else { 1 };
        sum([of_rows, product(&[whole, input.bytes().get()])?, product(&[input.channels(), 16])?])
    }

    /// All axes but the channels.
    pub(in crate::ops) fn all_but_channels(x: &Tensor) -> Vec<usize> {
        (0..x.rank()).filter(|&axis| axis != 1).collect()
    }

    /// One number a channel, to be broadcast.
    pub(in crate::ops) fn per_channel(of: &Tensor, rank: usize) -> Result<Tensor, Fault> {
        let mut shape = vec![1; rank];
        shape[1] = of.elem_count();
        Ok(of.reshape(shape)?)
    }

    /// The stored mean and inverse deviation of each channel.
    fn running(stored: &Stored, rank: usize, epsilon: f64) -> Result<[Tensor; 2], Fault> {
        let inverse = function!([epsilon] | v | S::of(1.0) / (v + epsilon).sqrt());
        let variance = per_channel(stored.get("running_var")?, rank)?;
        Ok([
            per_channel(stored.get("running_mean")?, rank)?,
            uncounted(|| map(&[&variance], variance.dims(), &inverse))?,
        ])
    }

    /// a and b of each channel, `y = a·x + b`, from its mean and inverse deviation.
    pub(in crate::ops) fn scale_and_shift(
        stored: &Stored,
        [mean, inverse]: [&Tensor; 2],
        affine: bool,
    ) -> Result<[Tensor; 2], Fault> {
        let (rank, shape) = (mean.rank(), mean.dims());
        let scale = match stored.get_if(affine, "weight")? {
            Some(scale) => map(&[inverse, &per_channel(scale, rank)?], shape, &function!(|i, s| i * s))?,
            None => inverse.clone(),
        };
        let shift = match stored.get_if(affine, "bias")? {
            Some(shift) => {
                map(&[mean, &scale, &per_channel(shift, rank)?], shape, &function!(|m, a, b| b - m * a))?
            }
            None => map(&[mean, &scale], shape, &function!(|m, a| -(m * a)))?,
        };
        Ok([scale, shift])
    }

    /// By stored statistics: the two numbers of each channel are known before the first image.
    pub(in crate::ops) fn running_forward(
        call: &Call<'_>,
        epsilon: f64,
        affine: bool,
    ) -> Result<Made, Fault> {
        let x = &call.inputs[0];
        let [mean, inverse] = running(call.stored, x.rank(), epsilon)?;
        let [scale, shift] = uncounted(|| scale_and_shift(call.stored, [&mean, &inverse], affine))?;
        Ok(map(&[x, &scale, &shift], x.dims(), &function!(|x, a, b| x * a + b))?.into())
    }

    /// The same backward.
    pub(in crate::ops) fn running_gradients(
        call: &BackwardCall<'_>,
        epsilon: f64,
    ) -> Result<Gradients, Fault> {
        let statistics = running(call.stored, call.shape(0).len(), epsilon)?;
        channel_gradients(call, statistics, false)
    }

    /// Gradients from the mean and inverse deviation of each channel; with `batch` they are those of the batch itself.
    pub(in crate::ops) fn channel_gradients(
        call: &BackwardCall<'_>,
        [mean, inverse]: [Tensor; 2],
        batch: bool,
    ) -> Result<Gradients, Fault> {
        let x = call.input(0)?;
        let scale = call.stored.find("weight").map(|scale| per_channel(scale, x.rank())).transpose()?;
        let made = normalized_gradient(
            x,
            call.gradient()?,
            [&mean, &inverse],
            scale.as_ref(),
            &all_but_channels(x),
            batch,
            call.wants(0),
        )?;
        let mut gradients = Gradients { inputs: smallvec::smallvec![made.input], ..Gradients::default() };
        if scale.is_some() {
            gradients.stored.push(("weight", made.scale.flatten_all()?));
        }
        if call.stored.find("bias").is_some() {
            gradients.stored.push(("bias", made.shift.flatten_all()?));
        }
        Ok(gradients)
    }
}
