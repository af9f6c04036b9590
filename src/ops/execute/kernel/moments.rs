//! Means and variances, and what norms do with them backward.

use candle_core::Tensor;

use super::super::Fault;
use super::elementwise::{function, map};
use super::reduce::{Mean, Sum, reduce};

/// Mean and inverse deviation `1/√(σ² + ε)` over some axes, which stay with size 1. The variance is the biased one.
///
/// # Errors
/// What the device says.
pub fn moments(x: &Tensor, axes: &[usize], epsilon: f64) -> Result<[Tensor; 2], Fault> {
    let mean = reduce(x, axes, &Mean)?;
    // Two passes: the difference of two large squares would lose digits.
    let squares = map(
        &[x, &mean],
        x.dims(),
        &function!(|x, m| {
            let d = x - m;
            d * d
        }),
    )?;
    let variance = reduce(&squares, axes, &Mean)?;
    let inverse = function!([epsilon] | v | S::of(1.0) / (v + epsilon).sqrt());
    Ok([mean, map(&[&variance], variance.dims(), &inverse)?])
}

/// Gradients of `y = scale·(x − mean)·inverse + shift`.
pub struct Normalized {
    /// Of the input, if it is wanted.
    pub input: Option<Tensor>,
    /// Of the scale, summed over `axes`.
    pub scale: Tensor,
    /// Of the shift, likewise.
    pub shift: Tensor,
}

/// Those gradients, where `scale` is constant along `axes`, over which the statistics were made.
///
/// With `batch` the statistics are those of `x` itself and change with it:
/// `dx = scale·inverse·(g − mean(g) − x̂·mean(g·x̂))` (Ioffe and Szegedy 2015, section 3); without they are constants.
///
/// # Errors
/// What the device says.
pub fn normalized_gradient(
    x: &Tensor,
    gradient: &Tensor,
    [mean, inverse]: [&Tensor; 2],
    scale: Option<&Tensor>,
    axes: &[usize],
    batch: bool,
    wanted: bool,
) -> Result<Normalized, Fault> {
    let products = map(&[gradient, x, mean, inverse], x.dims(), &function!(|g, x, m, i| g * (x - m) * i))?;
    let of_scale = reduce(&products, axes, &Sum)?;
    drop(products);
    let of_shift = reduce(gradient, axes, &Sum)?;
    let factor = match scale {
        Some(scale) => map(&[inverse, scale], inverse.dims(), &function!(|i, s| i * s))?,
        None => inverse.clone(),
    };
    let input = if !wanted {
        None
    } else if batch {
        #[expect(clippy::cast_precision_loss, reason = "tensors have fewer than 2^53 elements")]
        let n = axes.iter().map(|&axis| x.dims()[axis]).product::<usize>() as f64;
        let share = function!([n] | all | all / n);
        let of_mean = map(&[&of_shift], of_shift.dims(), &share)?;
        // x̂·mean(g·x̂) = (x − mean)·along.
        let along = function!([n] | all, i | all / n * i);
        let along = map(&[&of_scale, inverse], of_scale.dims(), &along)?;
        let formula = function!(|g, x, m, f, of_mean, along| f * (g - of_mean - (x - m) * along));
        Some(map(&[gradient, x, mean, &factor, &of_mean, &along], x.dims(), &formula)?)
    } else {
        Some(map(&[gradient, &factor], x.dims(), &function!(|g, f| g * f))?)
    };
    Ok(Normalized { input, scale: of_scale, shift: of_shift })
}
