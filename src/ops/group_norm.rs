use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::norm::Rows;
use super::shape;
use super::{
    Backward, Channels, Cost, Family, Io, Mismatch, Operator, Outputs, Storage, Weights, elementwise, norm,
};
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

attributes! {
    /// Group normalization.
    ///
    /// Gives each image's groups of neighbouring channels the mean 0 and the variance 1, then scales and shifts each
    /// channel.
    ///
    /// ## Formula
    /// `y = γ·(x − μ)/√(σ² + ε) + β`, μ and σ² over the c/`groups` channels of a group and their maps.
    /// Parameters: 2c (γ, β).
    ///
    /// ## Counted
    /// FLOPs for each image's group of n elements: n − 1 add and 1 div (mean), n sub (deviations), n mul, n − 1 add
    /// and 1 div (variance), 1 add (ε), 1 sqrt and n div, that is 5n + 2; then n mul and n add where γ and β are
    /// learned.
    ///
    /// ## Source
    /// Wu and He 2018, arXiv 1803.08494; `torch.nn.GroupNorm` (`num_groups`); ONNX GroupNormalization (`num_groups`).
    GroupNorm = "group_norm" {
        /// Groups of channels.
        groups: NonZeroU64,
        /// ε, added to the variance.
        epsilon: f64 = 1e-5,
        /// Whether γ and β are learned.
        affine: bool = true,
    }
}

impl GroupNorm {
    fn rows(&self, input: &TensorType) -> Result<Rows, Overflow> {
        let length = product(&[input.channels() / self.groups, product(input.spatial())?])?;
        Ok(Rows::of_length(input, length))
    }
}

impl Operator for GroupNorm {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let (input, groups) = (inputs[0], self.groups.get());
        norm::least_rank(input, 2, "a batch and a channel axis")?;
        if input.channels() % groups != 0 {
            return Err(shape::indivisible(input, "number of channels", input.channels(), groups, "groups"));
        }
        elementwise::same(inputs)
    }

    fn weights(&self, inputs: &[&TensorType]) -> Weights {
        norm::affine(self.affine, self.affine, &[inputs[0].channels()])
    }

    fn family(&self) -> Family {
        Family::Normalization
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let cost = self.rows(io.inputs[0])?.standardize()?;
        norm::and_affine(cost, self.affine, self.affine, io.output_elements())
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, io: Io<'_>) -> Result<Backward, Overflow> {
        // The input, and the mean and inverse deviation of each image's group.
        self.rows(io.inputs[0])?.keeps(2, io.inputs[0].dtype)
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        // Every channel weighs on the statistics, but provenance takes a norm as passing each channel through.
        Channels::Same
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::standardize::Standardize;
    use super::super::execute::prelude::*;
    use super::super::norm::execute as norm;
    use super::GroupNorm;
    use crate::tensor::TensorType;

    impl Execute for GroupNorm {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            norm::channels_forward(self.how(call.io.inputs[0])?, call, self.affine)
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            norm::channels_gradients(self.how(call.io.inputs[0])?, call)
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            norm::workspace(self.rows(io.inputs[0])?, io.inputs[0], pass)
        }
    }

    impl GroupNorm {
        fn how(&self, input: &TensorType) -> Result<Standardize, Fault> {
            let length = size(self.rows(input)?.length)?;
            Ok(Standardize { length, centered: true, epsilon: self.epsilon })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Kept;
    use crate::ops::tests::check;

    #[test]
    fn counts_by_group() {
        let norm = GroupNorm { groups: NonZeroU64::new(32).unwrap(), epsilon: 1e-5, affine: true };
        // 2·32 groups of 2·8·8 = 128: 642 each; 8,192 elements are scaled and shifted; 2 floats a group are kept.
        check(norm.clone(), &[&[2, 64, 8, 8]])
            .outputs("2x64x8x8")
            .learned(128)
            .macs(0)
            .flops(64 * 642 + 2 * 8192)
            .eager(Kept::INPUT.and_bytes(512))
            .minimal(Kept::INPUT.and_bytes(512));
        check(GroupNorm { affine: false, ..norm.clone() }, &[&[2, 64, 8, 8]]).learned(0).flops(41_088);
        check(norm.clone(), &[&[1, 48, 8, 8]]).refused("32 does not divide the number of channels, 48");
        check(norm, &[&[32]]).refused("must have a batch and a channel axis");
    }
}
