use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights,
};
use super::{elementwise, norm};
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

attributes! {
    /// Batch normalization, in evaluation mode.
    ///
    /// Scales and shifts each channel (axis 1) by its running statistics.
    ///
    /// ## Formula
    /// `y = γ·(x − μ)/√(σ² + ε) + β = a·x + b`, where a and b are known for each channel before the first image.
    /// Parameters: 2c (γ, β); buffers: 2c (μ, σ²). The counter of batches that PyTorch stores is not counted.
    ///
    /// ## Counted
    /// FLOPs: 1 mul and 1 add for each element.
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
        Cost::NONE.each(io.output_elements(), &[(Kind::Mul, 1), (Kind::Add, 1)])
    }

    fn storage(&self) -> Storage {
        Storage::Overwrites
    }

    fn backward(&self, io: Io<'_>) -> Result<Backward, Overflow> {
        // The input, and the mean and inverse deviation of the batch (f32, one of each a channel).
        Ok(Backward::keeps(Kept::INPUT.and_bytes(product(&[8, io.inputs[0].channels()])?)))
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Same
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::moments::{moments, normalized_gradient};
    use super::super::execute::prelude::*;
    use super::BatchNorm;

    impl BatchNorm {
        /// Mean and inverse deviation of each channel, as `[1, c, 1, …]`: the batch's, or those that are stored.
        fn statistics(&self, call: &Call<'_>) -> Result<[Tensor; 2], Fault> {
            let x = &call.inputs[0];
            match (call.mode, call.stored.find("running_mean")) {
                (Mode::Evaluate, Some(mean)) => Ok([
                    per_channel(mean, x.rank())?,
                    self.inverse(call.stored.get("running_var")?, x.rank())?,
                ]),
                _ => moments(x, &axes(x), self.epsilon),
            }
        }

        fn inverse(&self, variance: &Tensor, rank: usize) -> Result<Tensor, Fault> {
            let epsilon = self.epsilon;
            let inverse = function!([epsilon] | v | S::of(1.0) / (v + epsilon).sqrt());
            per_channel(&uncounted(|| map(&[variance], variance.dims(), &inverse))?, rank)
        }
    }

    /// All but the channels.
    fn axes(x: &Tensor) -> Vec<usize> {
        (0..x.rank()).filter(|&axis| axis != 1).collect()
    }

    fn per_channel(of: &Tensor, rank: usize) -> Result<Tensor, Fault> {
        let mut shape = vec![1; rank];
        shape[1] = of.elem_count();
        Ok(of.reshape(shape)?)
    }

    impl Execute for BatchNorm {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let x = &call.inputs[0];
            let [mean, inverse] = self.statistics(call)?;
            // y = a·x + b, where a and b are known for each channel.
            let (scale, shift) = uncounted(|| {
                let scale = match call.stored.find("weight") {
                    Some(scale) => map(
                        &[&inverse, &per_channel(scale, x.rank())?],
                        inverse.dims(),
                        &function!(|i, s| i * s),
                    )?,
                    None => inverse.clone(),
                };
                let shift = match call.stored.find("bias") {
                    Some(shift) => map(
                        &[&mean, &scale, &per_channel(shift, x.rank())?],
                        mean.dims(),
                        &function!(|m, a, b| b - m * a),
                    )?,
                    None => map(&[&mean, &scale], mean.dims(), &function!(|m, a| -(m * a)))?,
                };
                Ok::<_, Fault>((scale, shift))
            })?;
            let y = map(&[x, &scale, &shift], x.dims(), &function!(|x, a, b| x * a + b))?;
            let mut made = Made::from(y);
            if call.mode == Mode::Train {
                made.kept = smallvec::smallvec![mean, inverse];
            }
            Ok(made)
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let (x, gradient) = (call.input(0)?, call.gradient()?);
            let (rank, axes) = (x.rank(), axes(x));
            let [mean, inverse] = match (call.kept, call.mode) {
                ([mean, inverse], _) => [mean.clone(), inverse.clone()],
                _ => [
                    per_channel(call.stored.get("running_mean")?, rank)?,
                    self.inverse(call.stored.get("running_var")?, rank)?,
                ],
            };
            let scale = call.stored.find("weight").map(|scale| per_channel(scale, rank)).transpose()?;
            let batch = call.mode == Mode::Train || !self.track_running_stats;
            let made = normalized_gradient(
                x,
                gradient,
                [&mean, &inverse],
                scale.as_ref(),
                &axes,
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

        fn workspace(&self, io: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            // Squares or products before they are summed, and a few numbers a channel.
            let input = io.inputs[0];
            sum([input.bytes().get(), product(&[input.channels(), 64])?])
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
