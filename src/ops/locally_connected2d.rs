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

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::convolution::Slide;
    use super::super::execute::kernel::products::multiply;
    use super::super::execute::kernel::reach::Reach;
    use super::super::execute::kernel::rows::{NOWHERE, Rows, pick, put};
    use super::super::execute::prelude::*;
    use super::{LocallyConnected2d, Window};

    /// How every output of a map reads an image: the places of its taps in the order of its kernel.
    struct Places {
        slide: Slide,
        /// Elements of an image.
        image: usize,
        /// Taps of a kernel.
        taps: usize,
        of: Vec<usize>,
    }

    impl LocallyConnected2d {
        fn places(&self, io: Io<'_>) -> Result<Places, Overflow> {
            let ([kh, kw], [sh, sw]) = (self.kernel.get(), self.stride.get());
            let windows = [(kh, sh), (kw, sw)].map(|(kernel, stride)| Window { kernel, stride, dilation: 1 });
            let slide = Slide::new(io, windows, self.padding)?;
            let channels = size(io.inputs[0].channels())?;
            let taps =
                |axis: usize| (0..slide.kernel[axis]).map(|tap| Reach::tap(&slide, axis, tap)).collect();
            let [rows, columns]: [Vec<Vec<usize>>; 2] = [taps(0), taps(1)];
            let mut of = Vec::with_capacity(slide.outputs() * channels * slide.taps());
            for (row, column) in (0..slide.output[0]).flat_map(|y| (0..slide.output[1]).map(move |x| (y, x)))
            {
                for channel in 0..channels {
                    let start = channel * slide.inputs();
                    for y in rows.iter().map(|tap| tap[row]) {
                        of.extend(columns.iter().map(|tap| match (y, tap[column]) {
                            (NOWHERE, _) | (_, NOWHERE) => NOWHERE,
                            (y, x) => start + y * slide.input[1] + x,
                        }));
                    }
                }
            }
            Ok(Places { image: channels * slide.inputs(), taps: channels * slide.taps(), slide, of })
        }
    }

    impl Places {
        /// The kernels as matrices, one for each place of the output.
        fn matrices(&self, weight: &Tensor) -> Result<Tensor, Fault> {
            Ok(weight.reshape((self.slide.outputs(), weight.dims()[2], self.taps))?)
        }

        /// What every output of an image reads, as columns.
        fn columns(&self, image: &Tensor) -> Result<Tensor, Fault> {
            let shape = [self.slide.outputs(), self.taps, 1];
            pick(image, Rows::flat(self.image, 1), &self.of, 0.0, &shape)
        }

        /// `[out, h', w']` as columns, one for each place of the output.
        fn apart(&self, image: &Tensor) -> Result<Tensor, Fault> {
            let out = image.dims()[0];
            let places = image.contiguous()?.reshape((out, self.slide.outputs()))?.t()?.contiguous()?;
            Ok(places.unsqueeze(2)?)
        }
    }

    impl Execute for LocallyConnected2d {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (places, shape) = (self.places(call.io)?, call.shape(0));
            let matrices = places.matrices(call.stored.get("weight")?)?;
            let mut images = Vec::with_capacity(shape[0]);
            for image in 0..shape[0] {
                let columns = places.columns(&call.inputs[0].get(image)?)?;
                images.push(multiply(&matrices, &columns)?.squeeze(2)?.t()?.contiguous()?);
            }
            let y = Tensor::stack(&images, 0)?.reshape(shape)?;
            let Some(bias) = call.stored.get_if(self.bias, "bias")? else { return Ok(y.into()) };
            Ok(map(&[&y, bias], y.dims(), &function!(|y, b| y + b))?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let (places, gradient, shape) = (self.places(call.io)?, call.gradient()?, call.shape(0));
            let weight = call.stored.get("weight")?;
            let matrices = places.matrices(weight)?;
            let (mut of_input, mut of_weight) = (Vec::new(), None::<Tensor>);
            for image in 0..shape[0] {
                let own = places.apart(&gradient.get(image)?)?;
                if call.wants(0) {
                    let columns = multiply(&matrices.t()?, &own)?;
                    of_input.push(put(&columns, Rows::flat(places.image, 1), &places.of, &shape[1..])?);
                }
                let columns = places.columns(&call.input(0)?.get(image)?)?;
                let one = multiply(&own, &columns.t()?)?;
                of_weight = Some(match of_weight {
                    Some(all) => (all + one)?,
                    None => one,
                });
            }
            let of_weight = of_weight.ok_or(Fault::Internal("a batch without images"))?;
            let mut gradients = Gradients::default();
            gradients.inputs.push(call.wants(0).then(|| Tensor::stack(&of_input, 0)).transpose()?);
            gradients.stored.push(("weight", of_weight.reshape(weight.dims())?));
            if self.bias {
                gradients.stored.push(("bias", reduce(gradient, &[0], &Sum)?.squeeze(0)?));
            }
            Ok(gradients)
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            let places = product(io.outputs[0].spatial())?;
            let columns = product(&[places, self.taps(io.inputs[0].channels())?])?;
            let width = io.inputs[0].dtype.bits().div_ceil(8);
            let (input, output) = (io.inputs[0].bytes().get(), io.outputs[0].bytes().get());
            let common = sum([product(&[columns, 8])?, product(&[3, output])?])?;
            match pass {
                Pass::Forward => sum([common, product(&[columns, width])?]),
                Pass::Backward => {
                    let kernels = product(&[columns, self.out_channels.get(), width])?;
                    sum([common, product(&[2, columns, 8])?, product(&[2, kernels])?, product(&[3, input])?])
                }
            }
        }
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
