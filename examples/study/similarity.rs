//! Debiased linear CKA.
//!
//! CKA(K, L) = HSIC(K, L) / √(HSIC(K, K) · HSIC(L, L)) with K = X Xᵀ and L = Y Yᵀ over the same images (Kornblith et
//! al., ICML 2019), HSIC by the unbiased estimator HSIC₁ of Song et al. (JMLR 2012, equation 5), as Nguyen et al. (ICLR
//! 2021) use it: the plain one grows with the number of features and is far from 0 for independent ones where images
//! are few.

use candle_core::{DType, Result, Tensor};

/// What is compared of a layer's gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Every element of an image's gradient is a feature.
    Flat,
    /// The sum over the map, channel by channel.
    Pooled,
}

/// How images are weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Every image's gradient has length 1.
    Unit,
    /// As it is: images with a large loss weigh more, in all layers alike.
    Raw,
}

/// The products of all images' gradients with each other; the diagonal is left out.
pub struct Kernel {
    values: Vec<f64>,
    /// Sums of rows.
    rows: Vec<f64>,
    sum: f64,
}

impl Kernel {
    /// Of gradients `[n, c, h, w]`.
    pub fn new(gradients: &Tensor, layout: Layout, scale: Scale) -> Result<Self> {
        let features = gradients.to_dtype(DType::F64)?.flatten_from(2)?;
        let features = if layout == Layout::Flat { features.flatten_from(1)? } else { features.sum(2)? };
        let products = features.matmul(&features.t()?.contiguous()?)?.to_vec2::<f64>()?;
        let count = products.len();
        let lengths: Vec<f64> = (0..count).map(|at| products[at][at].sqrt()).collect();
        let mut values = vec![0.0; count * count];
        for row in 0..count {
            for column in (0..count).filter(|&column| column != row) {
                let by = if scale == Scale::Unit { lengths[row] * lengths[column] } else { 1.0 };
                // An image without a gradient is like none.
                values[row * count + column] = if by > 0.0 { products[row][column] / by } else { 0.0 };
            }
        }
        Ok(Self::from(values, count))
    }

    fn from(values: Vec<f64>, count: usize) -> Self {
        let rows: Vec<f64> = values.chunks_exact(count).map(|row| row.iter().sum()).collect();
        let sum = rows.iter().sum();
        Self { values, rows, sum }
    }

    /// The same of images in another order.
    pub fn permuted(&self, order: &[usize]) -> Self {
        let count = order.len();
        let values =
            order.iter().flat_map(|&row| order.iter().map(move |&column| self.values[row * count + column]));
        Self::from(values.collect(), count)
    }

    #[expect(clippy::cast_precision_loss, reason = "a few hundred images")]
    fn hsic(&self, other: &Self) -> f64 {
        let n = self.rows.len() as f64;
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let trace = dot(&self.values, &other.values);
        let between = dot(&self.rows, &other.rows);
        (trace + self.sum * other.sum / ((n - 1.0) * (n - 2.0)) - 2.0 / (n - 2.0) * between) / (n * (n - 3.0))
    }

    /// Debiased linear CKA.
    pub fn similarity(&self, other: &Self) -> f64 {
        self.hsic(other) / (self.hsic(self) * other.hsic(other)).sqrt()
    }
}
