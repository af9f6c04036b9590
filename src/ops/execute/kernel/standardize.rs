//! Rows brought to the mean 0 and the variance 1, or to the mean square 1.

use candle_core::Tensor;

use super::super::Fault;
use super::super::scalar::Scalar;
use super::elementwise::{function, map};
use super::reduce::{Mean, MeanSquare, fold, reduce};
use super::row_functions::{Along, RowFunction, dot, rows};

/// What is done to rows of `length` neighbouring elements.
#[derive(Clone, Copy, Debug)]
pub struct Standardize {
    /// Elements of a row.
    pub length: usize,
    /// Whether the mean is taken away.
    pub centered: bool,
    /// ε, added to the variance.
    pub epsilon: f64,
}

/// Standardized rows and what they were brought by.
pub struct Standardized {
    /// The rows, in the shape of the input.
    pub rows: Tensor,
    /// The mean (0 where it stays) and the deviation of each row.
    pub statistics: [Tensor; 2],
}

struct Forward {
    how: Standardize,
    scale: bool,
}

impl RowFunction for Forward {
    #[inline(always)]
    fn row<S: Scalar>(&self, row: &mut [S], others: &[&[S]]) -> [S; 2] {
        let mut mean = S::of(0.0);
        if self.how.centered {
            mean = fold(row, &Mean);
            row.iter_mut().for_each(|x| *x = *x - mean);
        }
        let deviation = (fold(row, &MeanSquare) + S::of(self.how.epsilon)).sqrt();
        match others {
            [scale, shift] => {
                for ((x, scale), shift) in row.iter_mut().zip(*scale).zip(*shift) {
                    *x = *x / deviation * *scale + *shift;
                }
            }
            [scale] if self.scale => {
                row.iter_mut().zip(*scale).for_each(|(x, scale)| *x = *x / deviation * *scale);
            }
            [shift] => row.iter_mut().zip(*shift).for_each(|(x, shift)| *x = *x / deviation + *shift),
            _ => row.iter_mut().for_each(|x| *x = *x / deviation),
        }
        [mean, deviation]
    }
}

struct Backward(Standardize);

impl RowFunction for Backward {
    #[inline(always)]
    #[expect(clippy::cast_precision_loss, reason = "rows have fewer than 2^53 elements")]
    fn row<S: Scalar>(&self, row: &mut [S], others: &[&[S]]) -> [S; 2] {
        let [gradient, mean, deviation] = others else { unreachable!("three go along") };
        let (mean, deviation, n) = (mean[0], deviation[0], S::of(row.len() as f64));
        row.iter_mut().for_each(|x| *x = (*x - mean) / deviation);
        let along = dot(gradient, row) / n;
        let level = if self.0.centered { fold(gradient, &Mean) } else { S::of(0.0) };
        for (x, gradient) in row.iter_mut().zip(*gradient) {
            *x = (*gradient - level - *x * along) / deviation;
        }
        [S::of(0.0); 2]
    }
}

impl Standardize {
    /// Brings each row there, then scales and shifts each place of it.
    ///
    /// # Errors
    /// What the device says.
    pub fn forward(
        self,
        x: &Tensor,
        scale: Option<&Tensor>,
        shift: Option<&Tensor>,
    ) -> Result<Standardized, Fault> {
        if x.device().is_cpu() {
            let others: Vec<Along<'_>> = scale.into_iter().chain(shift).map(Along::Same).collect();
            let made = rows(x, self.length, &others, &Forward { how: self, scale: scale.is_some() })?;
            return Ok(Standardized { rows: made.rows, statistics: made.numbers });
        }
        let all = x.reshape(((), self.length))?;
        let mean = reduce(&all, &[1], &Mean)?;
        let mean = if self.centered { mean } else { mean.zeros_like()? };
        let centered = map(&[&all, &mean], all.dims(), &function!(|x, m| x - m))?;
        let epsilon = self.epsilon;
        let square = reduce(&centered, &[1], &MeanSquare)?;
        let deviation = map(&[&square], square.dims(), &function!([epsilon] | v | (v + epsilon).sqrt()))?;
        let mut y = map(&[&centered, &deviation], all.dims(), &function!(|x, d| x / d))?;
        if let Some(scale) = scale {
            y = map(&[&y, &scale.flatten_all()?], all.dims(), &function!(|y, s| y * s))?;
        }
        if let Some(shift) = shift {
            y = map(&[&y, &shift.flatten_all()?], all.dims(), &function!(|y, s| y + s))?;
        }
        Ok(Standardized {
            rows: y.reshape(x.shape())?,
            statistics: [mean.flatten_all()?, deviation.flatten_all()?],
        })
    }

    /// The gradient of the input from that of the rows before they are scaled: with the normalized x̂,
    /// `(g − mean(g) − x̂·mean(g·x̂))/deviation`; the first mean only where it was taken away (Ba, Kiros and Hinton
    /// 2016).
    ///
    /// # Errors
    /// What the device says.
    pub fn backward(
        self,
        x: &Tensor,
        gradient: &Tensor,
        [mean, deviation]: [&Tensor; 2],
    ) -> Result<Tensor, Fault> {
        if x.device().is_cpu() {
            let others = [Along::Rows(gradient), Along::Numbers(mean), Along::Numbers(deviation)];
            return Ok(rows(x, self.length, &others, &Backward(self))?.rows);
        }
        let normalized = self.normalized(x, [mean, deviation])?;
        let all = gradient.reshape(normalized.shape())?;
        let level = reduce(&all, &[1], &Mean)?;
        let level = if self.centered { level } else { level.zeros_like()? };
        let products = map(&[&all, &normalized], all.dims(), &function!(|g, x| g * x))?;
        let along = reduce(&products, &[1], &Mean)?;
        let deviation = deviation.reshape(along.shape())?;
        let formula = function!(|g, x, level, along, d| (g - level - x * along) / d);
        let made = map(&[&all, &normalized, &level, &along, &deviation], all.dims(), &formula)?;
        Ok(made.reshape(x.shape())?)
    }

    /// The products of the gradient and the normalized rows, as `[rows, length]`: summed, the scale's gradient.
    ///
    /// # Errors
    /// What the device says.
    pub fn scale_products(
        self,
        x: &Tensor,
        gradient: &Tensor,
        [mean, deviation]: [&Tensor; 2],
    ) -> Result<Tensor, Fault> {
        let x = x.reshape(((), self.length))?;
        let gradient = gradient.reshape(x.shape())?;
        let (mean, deviation) = (mean.reshape(((), 1))?, deviation.reshape(((), 1))?);
        map(&[&gradient, &x, &mean, &deviation], x.dims(), &function!(|g, x, m, d| g * (x - m) / d))
    }

    fn normalized(self, x: &Tensor, [mean, deviation]: [&Tensor; 2]) -> Result<Tensor, Fault> {
        let x = x.reshape(((), self.length))?;
        let (mean, deviation) = (mean.reshape(((), 1))?, deviation.reshape(((), 1))?);
        map(&[&x, &mean, &deviation], x.dims(), &function!(|x, m, d| (x - m) / d))
    }
}
