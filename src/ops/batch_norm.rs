use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{Backward, Channels, Cost, Family, Io, Kind, Mismatch, Operator, Outputs, Storage, Weights};
use super::{elementwise, norm};
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

attributes! {
    /// Batch normalization, in evaluation mode.
    ///
    /// Scales and shifts each channel (axis 1) by its running statistics. Without them it uses the batch's own, in
    /// evaluation too, as PyTorch does.
    ///
    /// ## Formula
    /// `y = γ·(x − μ)/√(σ² + ε) + β = a·x + b`, where a and b are known for each channel before the first image if
    /// running statistics are stored. σ² is the biased variance.
    /// Parameters: 2c (γ, β); buffers: 2c (μ, σ²). The counter of batches that PyTorch stores is not counted.
    ///
    /// ## Counted
    /// FLOPs: 1 mul and 1 add for each element. Without running statistics also those of the batch: for each channel
    /// of n elements n − 1 add and 1 div (mean), n sub and n mul (squares of deviations), n − 1 add and 1 div (σ²),
    /// 1 add, 1 sqrt and 1 div (inverse deviation), 1 mul (a, where γ is learned), 1 mul and, where β is learned, 1 sub
    /// (b).
    ///
    /// ## Source
    /// Ioffe and Szegedy 2015, arXiv 1502.03167; `torch.nn.BatchNorm2d`; ONNX BatchNormalization.
    BatchNorm = "batch_norm" {
        /// ε, added to the variance.
        epsilon: f64 = 1e-5,
        /// Whether γ and β are learned.
        affine: bool = true,
        /// Whether running statistics are stored.
        track_running_stats: bool = true,
    }
}

impl Operator for BatchNorm {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        norm::least_rank(inputs[0], 2, "a batch and a channel axis")?;
        elementwise::same(inputs)
    }

    fn weights(&self, inputs: &[&TensorType]) -> Weights {
        let channels = inputs[0].channels();
        let mut weights = norm::affine(self.affine, self.affine, &[channels]);
        if self.track_running_stats {
            weights.extend(norm::running_statistics(channels));
        }
        weights
    }

    fn family(&self) -> Family {
        Family::Normalization
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let cost = Cost::NONE.each(io.output_elements(), &[(Kind::Mul, 1), (Kind::Add, 1)])?;
        if self.track_running_stats {
            return Ok(cost);
        }
        // The batch's statistics, and a and b from them.
        let input = io.inputs[0];
        let elements = input.elements().get();
        let channels = if elements == 0 { 0 } else { input.channels() };
        let sums = (Kind::Add, product(&[2, elements - channels])?);
        let affine = u64::from(self.affine);
        let each =
            [(Kind::Div, 3), (Kind::Add, 1), (Kind::Sqrt, 1), (Kind::Mul, 1 + affine), (Kind::Sub, affine)];
        cost.each(elements, &[(Kind::Sub, 1), (Kind::Mul, 1)])?.and(sums.0, sums.1)?.each(channels, &each)
    }

    fn storage(&self) -> Storage {
        Storage::Overwrites
    }

    fn backward(&self, io: Io<'_>) -> Result<Backward, Overflow> {
        // The input, and the mean and inverse deviation of the batch, one of each a channel.
        let input = io.inputs[0];
        norm::Rows { count: input.channels(), length: 1 }.keeps(2, input.dtype)
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Same
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::moments::moments;
    use super::super::execute::prelude::*;
    use super::super::norm::execute as norm;
    use super::BatchNorm;

    impl Execute for BatchNorm {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            if self.track_running_stats && call.mode == Mode::Evaluate {
                return norm::running_forward(call, self.epsilon, self.affine);
            }
            let x = &call.inputs[0];
            let [mean, inverse] = moments(x, &norm::all_but_channels(x), self.epsilon)?;
            let [scale, shift] = norm::scale_and_shift(call.stored, [&mean, &inverse], self.affine)?;
            let y = map(&[x, &scale, &shift], x.dims(), &function!(|x, a, b| x * a + b))?;
            let mut made = Made::from(y);
            if call.mode == Mode::Train {
                made.kept = smallvec::smallvec![mean, inverse];
            }
            Ok(made)
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            if self.track_running_stats && call.mode == Mode::Evaluate {
                return norm::running_gradients(call, self.epsilon);
            }
            let [mean, inverse] = call.kept else {
                return Err(Fault::Internal("a batch norm's backward pass without its statistics"));
            };
            norm::channel_gradients(call, [mean.clone(), inverse.clone()], true)
        }

        fn workspace(&self, io: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            // Squares or products before they are summed, then in another order; a few numbers a channel.
            let input = io.inputs[0];
            sum([product(&[2, input.bytes().get()])?, product(&[input.channels(), 64])?])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn counts() {
        let norm = BatchNorm { epsilon: 1e-5, affine: true, track_running_stats: true };
        // 64 scales, 64 shifts, 128 statistics; 2 FLOPs for each of 64·10·10 elements.
        check(norm.clone(), &[&[1, 64, 10, 10]])
            .outputs("1x64x10x10")
            .learned(128)
            .buffers(128)
            .macs(0)
            .flops(12_800);
        check(BatchNorm { affine: false, ..norm.clone() }, &[&[1, 64]]).learned(0).buffers(128).flops(128);
        check(norm, &[&[64]]).refused("must have a batch and a channel axis");
    }
}
