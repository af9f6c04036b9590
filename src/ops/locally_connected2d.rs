use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::{Padding, Pair, attributes};
use super::window::{self, Window};
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Role, Storage, Weight, Weights,
    one,
};
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

attributes! {
    /// A convolution whose kernels are not shared: every position of the output has its own.
    ///
    /// ## Formula
    /// `h' = ⌊(h + top + bottom − kernel) / stride⌋ + 1`, the width likewise. Weights: `h' · w' · out_channels · c · kh · kw`,
    /// and `out_channels · h' · w'` for a bias.
    ///
    /// ## Counted
    /// MACs: `n · out_channels · h' · w' · c · kh · kw`, the full kernel at borders. FLOPs: 2 for each, and 1 for each output
    /// that a bias is added to.
    ///
    /// ## Source
    /// LeCun 1989; Taigman et al. 2014 (DeepFace); darknet `[local]`, which counts it 0.
    LocallyConnected2d = "locally_connected2d" {
        /// Channels of the output.
        out_channels: NonZeroU64,
        /// Height and width of the kernels.
        kernel: Pair,
        /// Steps of the window.
        stride: Pair = Pair::both(1),
        /// Zeros around the input.
        padding: Padding = Padding::all(0),
        /// Whether a bias is added to each output element.
        bias: bool = true,
    }
}

impl LocallyConnected2d {
    /// The output's height and width.
    fn map(&self, input: &TensorType) -> Result<[u64; 2], Box<Mismatch>> {
        let ([kh, kw], [sh, sw]) = (self.kernel.get(), self.stride.get());
        let windows = [(kh, sh), (kw, sw)].map(|(kernel, stride)| Window { kernel, stride, dilation: 1 });
        window::output_2d(input, windows, self.padding, false)
    }

    /// Input elements that one output element reads: `c · kh · kw`.
    fn taps(&self, channels: u64) -> Result<u64, Overflow> {
        let [kh, kw] = self.kernel.get();
        product(&[channels, kh, kw])
    }
}

impl Operator for LocallyConnected2d {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let (input, out) = (inputs[0], self.out_channels.get());
        let &[batch, channels, ..] = input.shape.axes() else {
            return Err(window::rank(input, 4, "[n, c, h, w]"));
        };
        let [height, width] = self.map(input)?;
        product(&[height, width, out, self.taps(channels)?])?;
        one(input.reshaped([batch, out, height, width]))
    }

    fn weights(&self, inputs: &[&TensorType]) -> Weights {
        let Ok([height, width]) = self.map(inputs[0]) else { return Weights::new() };
        let ([kh, kw], out) = (self.kernel.get(), self.out_channels.get());
        let kernels = [height, width, out, inputs[0].channels(), kh, kw];
        let bias = self.bias.then(|| Weight::new("bias", [out, height, width], Role::Bias));
        [Weight::new("weight", kernels, Role::Weight)].into_iter().chain(bias).collect()
    }

    fn family(&self) -> Family {
        Family::Convolution
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let outputs = io.output_elements();
        Cost::products(outputs, self.taps(io.inputs[0].channels())?)?.bias(self.bias, outputs)
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, io: Io<'_>) -> Result<Backward, Overflow> {
        let macs = self.cost(io)?.macs;
        Ok(Backward { grad_input_macs: macs, grad_weight_macs: macs, ..Backward::keeps(Kept::INPUT) })
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Weighted { groups: 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn every_position_has_its_kernel() {
        let local = LocallyConnected2d {
            out_channels: NonZeroU64::new(6).unwrap(),
            kernel: Pair::both(3),
            stride: Pair::both(2),
            padding: Padding::all(1),
            bias: true,
        };
        // 4·4·6 = 96 outputs for each of 2 images, 27 MACs each; 96·27 weights and 96 biases, whatever the batch.
        check(local.clone(), &[&[2, 3, 8, 8]])
            .outputs("2x6x4x4")
            .learned(96 * 27 + 96)
            .macs(2 * 96 * 27)
            .flops(2 * (2 * 96 * 27) + 192)
            .activations(192)
            .gradient_macs(2 * 96 * 27, 2 * 96 * 27)
            .channels(&Channels::Weighted { groups: 1 })
            .keeps(Kept::INPUT, Kept::INPUT);
        check(local, &[&[2, 3]]).refused("the input must have 4 axes");
    }
}
