use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Run, Storage, Weights};
use super::{conv2d, elementwise, shape};
use crate::diagnostic::Code;
use crate::tensor::TensorType;
use crate::units::Overflow;

attributes! {
    /// Deals the channels of several groups out in turn.
    ///
    /// ## Formula
    /// With g groups of k channels, output channel `i·g + j` is input channel `j·k + i`: the channel axis seen as
    /// `[g, k]`, transposed.
    ///
    /// ## Counted
    /// No FLOPs: data is moved. Bytes: `explain traffic`.
    ///
    /// ## Source
    /// Zhang et al. 2017 (ShuffleNet), arXiv 1707.01083; `torch.nn.ChannelShuffle`; ONNX: Reshape, Transpose, Reshape.
    ChannelShuffle = "channel_shuffle" {
        /// Groups of channels.
        groups: NonZeroU64,
    }
}

impl Operator for ChannelShuffle {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let input = inputs[0];
        let Some(channels) = input.shape.axis(1) else {
            return Err(Mismatch::new(Code::ShapeMismatch, "the input must have a batch and a channel axis")
                .input(0, format!("this is {}", input.shape)));
        };
        conv2d::check_groups(input, channels, channels, self.groups.get())?;
        elementwise::same(inputs)
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Movement
    }

    fn cost(&self, _: Io<'_>) -> Result<Cost, Overflow> {
        Ok(Cost::NONE)
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::keeps(Kept::NOTHING))
    }

    fn channels(&self, io: Io<'_>, _: usize) -> Channels {
        let (channels, groups) = (io.inputs[0].channels(), self.groups.get());
        let group = channels / groups;
        if groups == 1 || group == 1 {
            return Channels::Same;
        }
        if group > shape::MAX_RUNS {
            return Channels::Mixed;
        }
        let deal = |start| Run { input: 0, start, step: group, length: groups };
        Channels::Runs((0..group).map(deal).collect())
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::prelude::*;
    use super::ChannelShuffle;

    impl ChannelShuffle {
        /// The channels, seen as so many groups, transposed.
        fn turned(x: &Tensor, groups: usize) -> Result<Tensor, Fault> {
            let (batch, channels, rest) = (x.dims()[0], x.dims()[1], x.dims()[2..].iter().product::<usize>());
            let apart = x.contiguous()?.reshape((batch, groups, channels / groups, rest))?;
            Ok(apart.transpose(1, 2)?.force_contiguous()?.reshape(x.dims())?)
        }
    }

    impl Execute for ChannelShuffle {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            Ok(Self::turned(&call.inputs[0], size(self.groups.get())?)?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let gradient = call.gradient()?;
            let group = gradient.dims()[1] / size(self.groups.get())?;
            Ok(Gradients::input(Self::turned(gradient, group)?))
        }

        fn workspace(&self, _: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            Ok(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    fn shuffle(groups: u64) -> ChannelShuffle {
        ChannelShuffle { groups: groups.try_into().unwrap() }
    }

    #[test]
    fn deals_in_turn() {
        // Channels 0 1 2 | 3 4 5 become 0 3 1 4 2 5.
        let runs = [0, 1, 2].map(|start| Run { input: 0, start, step: 3, length: 2 });
        check(shuffle(2), &[&[1, 6, 4, 4]])
            .outputs("1x6x4x4")
            .learned(0)
            .macs(0)
            .flops(0)
            .channels(&Channels::Runs(runs.to_vec()))
            .keeps(Kept::NOTHING, Kept::NOTHING);
        check(shuffle(6), &[&[1, 6, 4, 4]]).channels(&Channels::Same);
        check(shuffle(2), &[&[1, 1 << 40]]).channels(&Channels::Mixed);
    }

    #[test]
    fn what_does_not_fit() {
        check(shuffle(4), &[&[1, 6, 4, 4]]).refused("4 groups do not divide 6 input channels");
        check(shuffle(2), &[&[6]]).refused("must have a batch and a channel axis");
    }
}
