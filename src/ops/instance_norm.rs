use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::norm::Rows;
use super::{
    Backward, Channels, Cost, Family, Io, Kind, Mismatch, Operator, Outputs, Storage, Weights, elementwise,
    norm,
};
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

attributes! {
    /// Instance normalization, in evaluation mode.
    ///
    /// Gives each channel of each image the mean 0 and the variance 1; with running statistics it uses those, as batch
    /// normalization does.
    ///
    /// ## Formula
    /// `y = γ·(x − μ)/√(σ² + ε) + β`, μ and σ² over the map of one channel of one image.
    /// Parameters: 2c (γ, β) where `affine`; buffers: 2c where `track_running_stats`.
    ///
    /// ## Counted
    /// FLOPs for each map of n elements: n − 1 add and 1 div (mean), n sub (deviations), n mul, n − 1 add and 1 div
    /// (variance), 1 add (ε), 1 sqrt and n div, that is 5n + 2; then n mul and n add where γ and β are learned. With
    /// `track_running_stats`: 1 mul and 1 add for each element in all, since `y = a·x + b` with a and b known
    /// beforehand.
    ///
    /// ## Source
    /// Ulyanov, Vedaldi and Lempitsky 2016, arXiv 1607.08022; `torch.nn.InstanceNorm2d`; ONNX InstanceNormalization.
    InstanceNorm = "instance_norm" {
        /// ε, added to the variance.
        epsilon: f64 = 1e-5,
        /// Whether γ and β are learned.
        affine: bool = false,
        /// Whether running statistics are stored, and used in evaluation.
        track_running_stats: bool = false,
    }
}

/// Each channel of each image.
fn maps(input: &TensorType) -> Result<Rows, Overflow> {
    Ok(Rows::of_length(input, product(input.spatial())?))
}

impl Operator for InstanceNorm {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        norm::least_rank(inputs[0], 3, "a batch, a channel and a map axis")?;
        elementwise::same(inputs)
    }

    fn weights(&self, inputs: &[&TensorType]) -> Weights {
        let mut weights = norm::affine(self.affine, self.affine, &[inputs[0].channels()]);
        if self.track_running_stats {
            weights.extend(norm::running_statistics(inputs[0].channels()));
        }
        weights
    }

    fn family(&self) -> Family {
        Family::Normalization
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        if self.track_running_stats {
            return Cost::NONE.each(io.output_elements(), &[(Kind::Mul, 1), (Kind::Add, 1)]);
        }
        norm::and_affine(maps(io.inputs[0])?.standardize()?, self.affine, self.affine, io.output_elements())
    }

    fn storage(&self) -> Storage {
        // The map's own statistics need the whole map first; running ones do not.
        if self.track_running_stats { Storage::Overwrites } else { Storage::New }
    }

    fn backward(&self, io: Io<'_>) -> Result<Backward, Overflow> {
        // The input, and the mean and inverse deviation of each map. PyTorch trains it as a batch norm over n·c
        // channels, for which it repeats γ and the running statistics and saves the copies.
        let (maps, dtype) = (maps(io.inputs[0])?, io.inputs[0].dtype);
        let copies = u64::from(self.affine) + 2 * u64::from(self.track_running_stats);
        let kept = maps.keeps(2, dtype)?;
        Ok(Backward { eager: kept.eager.and_bytes(maps.statistics(copies, dtype)?), ..kept })
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Same
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::standardize::Standardize;
    use super::super::execute::prelude::*;
    use super::super::norm::execute as norm;
    use super::InstanceNorm;
    use crate::tensor::TensorType;

    impl Execute for InstanceNorm {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            if self.track_running_stats && call.mode == Mode::Evaluate {
                return norm::running_forward(call, self.epsilon, self.affine);
            }
            norm::channels_forward(self.how(call.io.inputs[0])?, call, self.affine)
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            if self.track_running_stats && call.mode == Mode::Evaluate {
                return norm::running_gradients(call, self.epsilon);
            }
            norm::channels_gradients(self.how(call.io.inputs[0])?, call)
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            norm::workspace(super::maps(io.inputs[0])?, io.inputs[0], pass)
        }
    }

    impl InstanceNorm {
        fn how(&self, input: &TensorType) -> Result<Standardize, Fault> {
            let length = size(super::maps(input)?.length)?;
            Ok(Standardize { length, centered: true, epsilon: self.epsilon })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Kept;
    use crate::ops::tests::check;

    const NORM: InstanceNorm = InstanceNorm { epsilon: 1e-5, affine: false, track_running_stats: false };

    #[test]
    fn counts_by_map() {
        // 2·64 maps of 8·8 = 64: 322 each; 2 floats a map are kept.
        check(NORM, &[&[2, 64, 8, 8]])
            .outputs("2x64x8x8")
            .learned(0)
            .buffers(0)
            .macs(0)
            .flops(41_216)
            .eager(Kept::INPUT.and_bytes(1024))
            .minimal(Kept::INPUT.and_bytes(1024));
        // 8,192 elements are scaled and shifted too; γ is repeated for 128 maps.
        check(InstanceNorm { affine: true, ..NORM }, &[&[2, 64, 8, 8]])
            .learned(128)
            .flops(41_216 + 2 * 8192)
            .eager(Kept::INPUT.and_bytes(1024 + 512));
    }

    #[test]
    fn running_statistics_make_it_a_batch_norm() {
        let tracking = InstanceNorm { affine: true, track_running_stats: true, ..NORM };
        check(tracking.clone(), &[&[2, 64, 8, 8]])
            .learned(128)
            .buffers(128)
            .flops(2 * 8192)
            .eager(Kept::INPUT.and_bytes(1024 + 3 * 512));
        assert_eq!((tracking.storage(), NORM.storage()), (Storage::Overwrites, Storage::New));
        check(NORM, &[&[2, 64]]).refused("must have a batch, a channel and a map axis");
    }
}
