use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::{attributes, choice};
use super::{Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Storage, Weights, one};
use super::{shape, window};
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

choice! {
    /// In which order the elements of a block become channels.
    BlockOrder {
        /// Place in the block first, then channel: each place gives a copy of all channels (ONNX, TensorFlow).
        Dcr = "dcr",
        /// Channel first, then place in the block: each channel becomes neighbours (PyTorch).
        Crd = "crd",
        /// What the first darknet's reorg does, which reads the input as if it were already enlarged.
        Darknet = "darknet",
    }
}

attributes! {
    /// Makes each square block of a map's elements into channels of one element.
    ///
    /// ## Formula
    /// `[n, c, h, w] → [n, c·b², h/b, w/b]`. The element at row y and column x of a block of channel k becomes channel
    /// `(y·b + x)·c + k` in mode `dcr`, `k·b² + y·b + x` in mode `crd`. Mode `darknet` takes the input's elements for
    /// `[n, c/b², h·b, w·b]`, does as `dcr`, and takes what comes of it, `[n, c, h, w]`, for the output.
    ///
    /// ## Counted
    /// No FLOPs: data is moved. Bytes: `explain traffic`. The mode matters for gradient paths alone.
    ///
    /// ## Source
    /// Redmon and Farhadi 2016, arXiv 1612.08242; `torch.nn.PixelUnshuffle` (`crd`); ONNX SpaceToDepth (`dcr`);
    /// darknet `[reorg]` (`dcr`) and `[reorg_old]` (`darknet`).
    SpaceToDepth = "space_to_depth" {
        /// Height and width of a block.
        block_size: NonZeroU64,
        /// The order of the new channels.
        mode: BlockOrder = BlockOrder::Dcr,
    }
}

impl Operator for SpaceToDepth {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let input = inputs[0];
        let &[batch, channels, height, width] = input.shape.axes() else {
            return Err(window::rank(input, 4, "[n, c, h, w]"));
        };
        let block = self.block_size.get();
        for (what, size) in [("height", height), ("width", width)] {
            if size % block != 0 {
                return Err(shape::indivisible(input, what, size, block, "block_size"));
            }
        }
        let area = product(&[block, block])?;
        if self.mode == BlockOrder::Darknet && channels % area != 0 {
            return Err(shape::indivisible(input, "number of channels", channels, area, "block_size"));
        }
        one(input.reshaped([batch, product(&[channels, area])?, height / block, width / block]))
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
        let area = self.block_size.get().saturating_mul(self.block_size.get());
        match self.mode {
            BlockOrder::Crd => Channels::Repeat { by: area },
            BlockOrder::Dcr => shape::repeated_channels(io, area),
            // Where the map's rows do not fall into b² bands, an output channel mixes neighbours.
            BlockOrder::Darknet
                if io.inputs[0].spatial().first().is_some_and(|height| height % area == 0) =>
            {
                shape::repeated_channels(io, area)
            }
            BlockOrder::Darknet => Channels::Mixed,
        }
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::blocks;
    use super::super::execute::prelude::*;
    use super::{BlockOrder, SpaceToDepth};

    /// The first darknet's reorg reads a map as if it were already enlarged: these are the shapes that it takes the
    /// input and its own output for.
    fn enlarged(shape: &[usize], block: usize) -> Result<[[usize; 4]; 2], Fault> {
        let &[batch, channels, height, width] = shape else {
            return Err(Fault::internal("a map without height and width"));
        };
        let read = [batch, channels / (block * block), height * block, width * block];
        Ok([read, [batch, channels, height, width]])
    }

    impl Execute for SpaceToDepth {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (x, block) = (&call.inputs[0], size(self.block_size.get())?);
            if self.mode == BlockOrder::Darknet {
                let [read, _] = enlarged(x.dims(), block)?;
                let made = blocks::to_depth(&x.contiguous()?.reshape(&read)?, block, true)?;
                return Ok(made.reshape(call.shape(0))?.into());
            }
            Ok(blocks::to_depth(x, block, self.mode == BlockOrder::Dcr)?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let (gradient, block) = (call.gradient()?, size(self.block_size.get())?);
            if self.mode == BlockOrder::Darknet {
                let [_, made] = enlarged(&call.shape(0), block)?;
                let back = blocks::to_space(&gradient.contiguous()?.reshape(&made)?, block, true)?;
                return Ok(Gradients::input(back.reshape(call.shape(0))?));
            }
            Ok(Gradients::input(blocks::to_space(gradient, block, self.mode == BlockOrder::Dcr)?))
        }

        fn workspace(&self, _: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            Ok(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Run;
    use crate::ops::tests::check;

    fn blocks(block: u64, mode: BlockOrder) -> SpaceToDepth {
        SpaceToDepth { block_size: block.try_into().unwrap(), mode }
    }

    #[test]
    fn orders() {
        let four = Channels::Runs(vec![Run::new(0, 0, 64); 4]);
        check(blocks(2, BlockOrder::Dcr), &[&[1, 64, 26, 26]])
            .outputs("1x256x13x13")
            .learned(0)
            .macs(0)
            .flops(0)
            .channels(&four)
            .keeps(Kept::NOTHING, Kept::NOTHING);
        check(blocks(2, BlockOrder::Crd), &[&[1, 64, 26, 26]]).channels(&Channels::Repeat { by: 4 });
        check(blocks(2, BlockOrder::Darknet), &[&[1, 64, 24, 24]]).outputs("1x256x12x12").channels(&four);
        check(blocks(2, BlockOrder::Darknet), &[&[1, 64, 26, 26]]).channels(&Channels::Mixed);
        check(blocks(1 << 20, BlockOrder::Dcr), &[&[1, 1, 1 << 20, 1 << 20]]).channels(&Channels::Mixed);
    }

    /// Moves elements as darknet's first `reorg_cpu` did and lists the input channels that each output channel reads.
    #[test]
    fn darknet_reads_channels_in_turn() {
        let (b, c, h, w) = (2, 8, 12, 6);
        let mut read = vec![std::collections::BTreeSet::new(); c * b * b];
        for k in 0..c {
            for j in 0..h {
                for i in 0..w {
                    let (plane, offset) = (k % (c / (b * b)), k / (c / (b * b)));
                    let (row, column) = (j * b + offset / b, i * b + offset % b);
                    let from = column + w * b * (row + h * b * plane);
                    let to = i + w * (j + h * k);
                    read[to / (h * w / (b * b))].insert(from / (h * w));
                }
            }
        }
        for (channel, from) in read.into_iter().enumerate() {
            assert_eq!(from.into_iter().collect::<Vec<_>>(), [channel % c]);
        }
    }

    #[test]
    fn what_does_not_fit() {
        check(blocks(2, BlockOrder::Dcr), &[&[1, 64, 26, 13]]).refused("2 does not divide the width, 13");
        check(blocks(2, BlockOrder::Darknet), &[&[1, 6, 4, 4]])
            .refused("4 does not divide the number of channels, 6");
        check(blocks(2, BlockOrder::Dcr), &[&[1, 64, 26]]).refused("the input must have 4 axes");
    }
}
