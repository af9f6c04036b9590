use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::{attributes, choice};
use super::{Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Storage, Weights, one};
use super::{shape, window};
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

choice! {
    /// In which order channels become the elements of a block.
    ChannelOrder {
        /// Place in the block first, then channel (ONNX's default, TensorFlow).
        Dcr = "dcr",
        /// Channel first, then place in the block (PyTorch).
        Crd = "crd",
    }
}

attributes! {
    /// Makes groups of channels into square blocks of a larger map.
    ///
    /// ## Formula
    /// `[n, c, h, w] → [n, c/b², h·b, w·b]`. The element at row y and column x of a block of output channel k is input
    /// channel `(y·b + x)·c/b² + k` in mode `dcr`, `k·b² + y·b + x` in mode `crd`.
    ///
    /// ## Counted
    /// No FLOPs: data is moved. Bytes: `explain traffic`. The mode matters for gradient paths alone.
    ///
    /// ## Source
    /// Shi et al. 2016, arXiv 1609.05158; `torch.nn.PixelShuffle` (`crd`); ONNX DepthToSpace; darknet `[reorg]` with
    /// `reverse` (`dcr`).
    DepthToSpace = "depth_to_space" {
        /// Height and width of a block.
        block_size: NonZeroU64,
        /// The order of the channels that are joined.
        mode: ChannelOrder = ChannelOrder::Dcr,
    }
}

impl Operator for DepthToSpace {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let input = inputs[0];
        let &[batch, channels, height, width] = input.shape.axes() else {
            return Err(window::rank(input, 4, "[n, c, h, w]"));
        };
        let block = self.block_size.get();
        let area = product(&[block, block])?;
        if channels % area != 0 {
            return Err(shape::indivisible(input, "number of channels", channels, area, "block_size"));
        }
        one(input.reshaped([batch, channels / area, product(&[height, block])?, product(&[width, block])?]))
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
        // In mode dcr an output channel joins input channels that lie apart, unless there is but one.
        if self.mode == ChannelOrder::Dcr && self.block_size.get() > 1 && io.outputs[0].channels() > 1 {
            return Channels::Mixed;
        }
        Channels::Fold { by: self.block_size.get().saturating_mul(self.block_size.get()) }
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::blocks;
    use super::super::execute::prelude::*;
    use super::{ChannelOrder, DepthToSpace};

    impl Execute for DepthToSpace {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let place_first = self.mode == ChannelOrder::Dcr;
            Ok(blocks::to_space(&call.inputs[0], size(self.block_size.get())?, place_first)?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let place_first = self.mode == ChannelOrder::Dcr;
            let gradient = blocks::to_depth(call.gradient()?, size(self.block_size.get())?, place_first)?;
            Ok(Gradients::input(gradient))
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

    fn blocks(block: u64, mode: ChannelOrder) -> DepthToSpace {
        DepthToSpace { block_size: block.try_into().unwrap(), mode }
    }

    #[test]
    fn enlarges() {
        // The head of ESPCN: 27 channels become 3 at three times the size.
        check(blocks(3, ChannelOrder::Crd), &[&[1, 27, 8, 5]])
            .outputs("1x3x24x15")
            .learned(0)
            .macs(0)
            .flops(0)
            .channels(&Channels::Fold { by: 9 })
            .keeps(Kept::NOTHING, Kept::NOTHING);
        check(blocks(3, ChannelOrder::Dcr), &[&[1, 27, 8, 5]]).channels(&Channels::Mixed);
        check(blocks(3, ChannelOrder::Dcr), &[&[1, 9, 8, 5]]).channels(&Channels::Fold { by: 9 });
    }

    #[test]
    fn what_does_not_fit() {
        check(blocks(2, ChannelOrder::Crd), &[&[1, 27, 8, 5]])
            .refused("4 does not divide the number of channels, 27");
        check(blocks(2, ChannelOrder::Crd), &[&[27, 8, 5]]).refused("the input must have 4 axes");
        check(blocks(u64::MAX, ChannelOrder::Crd), &[&[1, 27, 8, 5]]).refused("does not fit in 64 bits");
    }
}
