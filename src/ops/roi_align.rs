use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::{Pair, attributes};
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use super::window;
use crate::diagnostic::Code;
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

attributes! {
    /// The mean of samples in each bin of a region of a map.
    ///
    /// ## Formula
    /// A map `[n, c, h, w]` and k regions, `[k, …]`, give `[k, c, h', w']`.
    ///
    /// ## Counted
    /// FLOPs for each output, with s² samples: 4 mul and 3 add for each sample, s² − 1 add and 1 div for their mean. Where
    /// the samples lie is found once for all channels and is not counted.
    ///
    /// ## Source
    /// He et al. 2017, arXiv 1703.06870; `torchvision.ops.roi_align`; ONNX RoiAlign.
    RoiAlign = "roi_align" {
        /// Height and width of each output.
        output: Pair,
        /// Samples of a bin along each axis.
        sampling: NonZeroU64,
    }
}

impl Operator for RoiAlign {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let [input, regions] = [inputs[0], inputs[1]];
        let &[_, channels, _, _] = input.shape.axes() else {
            return Err(window::rank(input, 4, "[n, c, h, w]"));
        };
        let Some(count) = regions.shape.axis(0) else {
            return Err(Mismatch::new(Code::ShapeMismatch, "the regions must have an axis at least")
                .input(1, format!("this is {}", regions.shape)));
        };
        let [height, width] = self.output.get();
        one(input.reshaped([count, channels, height, width]))
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Pooling
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let samples = product(&[self.sampling.get(), self.sampling.get()])?;
        let (outputs, all) = (io.output_elements(), product(&[io.output_elements(), samples])?);
        Cost::NONE
            .each(all, &[(Kind::Mul, 4), (Kind::Add, 3)])?
            .each(outputs, &[(Kind::Add, samples - 1), (Kind::Div, 1)])
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::keeps(Kept::INPUTS))
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Mixed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn samples_regions() {
        let op = RoiAlign { output: Pair::both(7), sampling: NonZeroU64::new(2).unwrap() };
        // 5·3·49 = 735 outputs of 4·7 + 4.
        check(op, &[&[1, 3, 20, 20], &[5, 4]]).outputs("5x3x7x7").flops(735 * 32).macs(0);
    }
}
