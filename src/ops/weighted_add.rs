use std::ops::RangeInclusive;

use super::attribute::{attributes, choice};
use super::{
    Add, AddChannels, Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Role,
    Storage, Weight, Weights,
};
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

choice! {
    /// What one weight belongs to.
    AddWeights {
        /// Each input has one.
        PerInput = "per_input",
        /// Each channel of each input has one.
        PerChannel = "per_channel",
    }
}

choice! {
    /// How weights are made to sum to 1.
    AddNormalization {
        /// They are not.
        None = "none",
        /// Each is cut off at 0 and divided by the sum.
        Relu = "relu",
        /// By a softmax.
        Softmax = "softmax",
    }
}

attributes! {
    /// Adds tensors element by element, each times a learned weight.
    ///
    /// ## Formula
    /// `y = a₀·x₀ + a₁·x₁ + …`; the output has the first input's type. Parameters: as many as there are inputs, times
    /// the first input's channels with `weights: "per_channel"`. `channels` and `subsample` are as in `add`.
    ///
    /// ## Counted
    /// FLOPs: 1 mul for each output element and input, 1 add for each output element and input beyond the first. The
    /// normalization of the weights is found once for the whole network and is not counted.
    ///
    /// ## Source
    /// Tan, Pang and Le 2020, arXiv 1911.09070; darknet `[shortcut]` with `weights_type` and `weights_normalization`.
    WeightedAdd = "weighted_add" {
        /// What one weight belongs to.
        weights: AddWeights = AddWeights::PerInput,
        /// How the weights are made to sum to 1.
        normalization: AddNormalization = AddNormalization::None,
        /// What becomes of inputs whose channels differ in number.
        channels: AddChannels = AddChannels::Equal,
        /// Whether a larger map is read at a stride.
        subsample: bool = false,
    }
}

impl WeightedAdd {
    fn add(&self) -> Add {
        Add { channels: self.channels, subsample: self.subsample }
    }
}

impl Operator for WeightedAdd {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=usize::MAX
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        self.add().infer(inputs)
    }

    fn weights(&self, inputs: &[&TensorType]) -> Weights {
        let count = inputs.len() as u64;
        let weight = match self.weights {
            AddWeights::PerInput => Weight::new("weight", [count], Role::Other),
            AddWeights::PerChannel => Weight::new("weight", [count, inputs[0].channels()], Role::Other),
        };
        [weight].into_iter().collect()
    }

    fn family(&self) -> Family {
        Family::Arithmetic
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let scaled = product(&[io.output_elements(), io.inputs.len() as u64])?;
        self.add().cost(io)?.and(Kind::Mul, scaled)
    }

    fn storage(&self) -> Storage {
        Storage::Overwrites
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::keeps(Kept::INPUTS))
    }

    fn channels(&self, io: Io<'_>, output: usize) -> Channels {
        self.add().channels(io, output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn a_weight_for_each_input_or_channel() {
        let add = WeightedAdd {
            weights: AddWeights::PerInput,
            normalization: AddNormalization::Relu,
            channels: AddChannels::FirstMin,
            subsample: false,
        };
        let inputs: &[&[u64]] = &[&[1, 8, 4, 4], &[1, 8, 4, 4], &[1, 6, 4, 4]];
        // 128 outputs: 3 mul and 2 add each.
        check(add.clone(), inputs)
            .outputs("1x8x4x4")
            .learned(3)
            .macs(0)
            .flops(128 * 5)
            .channels(&Channels::FirstMin)
            .keeps(Kept::INPUTS, Kept::INPUTS);
        check(WeightedAdd { weights: AddWeights::PerChannel, ..add.clone() }, inputs).learned(3 * 8);
        check(WeightedAdd { channels: AddChannels::Equal, ..add }, inputs).refused("axis 1 is 8 and 6");
    }
}
