use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::{Pair, attributes};
use super::window;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use crate::diagnostic::Code;
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

attributes! {
    /// The mean of samples in each bin of a region of a map.
    ///
    /// ## Formula
    /// A map `[n, c, h, w]` and k regions give `[k, c, h', w']`. A region is [x1, y1, x2, y2] in the first image or
    /// [image, x1, y1, x2, y2]; a third input of whole numbers may tell the images instead. Corners are multiplied by
    /// `scale`. With `aligned` they are then moved by half an element up and to the left; without, a region is at least 1
    /// high and wide. Each of `h'·w'` bins has `sampling²` samples at the middles of as many parts; a sample is read
    /// bilinearly, 0 more than one element beside the map.
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
        /// Elements of the map for one unit of a region.
        scale: f64 = 1.0,
        /// Whether a region's corners are places between elements, so that half an element is taken off.
        aligned: bool = false,
    }
}

impl Operator for RoiAlign {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=3
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
        if let Some(images) = inputs.get(2).filter(|images| images.shape.elements() != Ok(count)) {
            return Err(Mismatch::new(Code::ShapeMismatch, format!("{count} regions have as many images"))
                .input(1, format!("this is {}", regions.shape))
                .input(2, format!("this is {}", images.shape)));
        }
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

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::rows::{self, NOWHERE, on_cpu};
    use super::super::execute::kernel::sample::{Four, four, four_back, in_doubles};
    use super::super::execute::kernel::{Element, doubles, tensor, with_element, with_elements};
    use super::super::execute::prelude::*;
    use super::super::execute::scalar::{Counted, is_counting};
    use super::RoiAlign;

    /// A region in elements of the map.
    struct Region {
        image: usize,
        /// Left and top corner.
        start: [f64; 2],
        /// Width and height of a bin.
        bin: [f64; 2],
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "maps have fewer than 2^53 elements; negative numbers are taken out before"
    )]
    impl RoiAlign {
        fn regions(
            &self,
            shape: &[usize],
            regions: &Tensor,
            images: Option<&Tensor>,
        ) -> Result<Vec<Region>, Fault> {
            let (count, length) = (regions.dims()[0], regions.dims().last().copied().unwrap_or(0));
            if regions.rank() != 2 || !(length == 4 || length == 5) {
                let why = format!("regions are [k, 4] or [k, 5], not {:?}", regions.dims());
                return Err(Fault::unrunnable(why));
            }
            let images = images.map(|images| rows::indices(images, shape[0])).transpose()?;
            let numbers = doubles(regions)?;
            let size = self.output.get().map(|size| size as f64);
            let mut made = Vec::with_capacity(count);
            for (index, region) in numbers.chunks_exact(length).enumerate() {
                let (first, corners) = region.split_at(length - 4);
                let image = match (&images, first) {
                    (Some(images), _) => images[index],
                    (None, &[image]) if image >= 0.0 && image < shape[0] as f64 => image as usize,
                    (None, &[image]) => {
                        return Err(Fault::unrunnable(format!(
                            "a region is in image {image} of {}",
                            shape[0]
                        )));
                    }
                    (None, _) => 0,
                };
                let moved = if self.aligned { 0.5 } else { 0.0 };
                let [left, top, right, bottom] =
                    [0, 1, 2, 3].map(|corner| corners[corner] * self.scale - moved);
                let least = if self.aligned { f64::NEG_INFINITY } else { 1.0 };
                let bin = [(right - left).max(least) / size[1], (bottom - top).max(least) / size[0]];
                made.push(Region { image, start: [left, top], bin });
            }
            Ok(made)
        }

        /// The neighbours of a sample, their weights known before any channel is read.
        fn taps(
            &self,
            region: &Region,
            [row, column, down, across]: [u64; 4],
            [height, width]: [usize; 2],
        ) -> Four<f64> {
            let parts = self.sampling.get() as f64;
            let at = |axis: usize, bin: u64, part: u64| {
                region.start[axis] + region.bin[axis] * (bin as f64 + (part as f64 + 0.5) / parts)
            };
            let (x, y) = (at(0, column, across), at(1, row, down));
            let beside = |at: f64, size: usize| !(-1.0..=size as f64).contains(&at);
            if beside(x, width) || beside(y, height) {
                return [(NOWHERE, 0.0); 4];
            }
            let along = |at: f64, size: usize| {
                let at = at.max(0.0);
                let low = at as usize;
                if low + 1 >= size { (size - 1, size - 1, 0.0) } else { (low, low + 1, at - low as f64) }
            };
            let ((left, right, x), (top, bottom, y)) = (along(x, width), along(y, height));
            [
                (top * width + left, (1.0 - y) * (1.0 - x)),
                (top * width + right, (1.0 - y) * x),
                (bottom * width + left, y * (1.0 - x)),
                (bottom * width + right, y * x),
            ]
        }

        /// Visits the samples of each bin of a region.
        fn bins(&self, region: &Region, size: [usize; 2], mut visit: impl FnMut(usize, &[Four<f64>])) {
            let ([rows, columns], parts) = (self.output.get(), self.sampling.get());
            let mut samples = Vec::new();
            for (index, (row, column)) in
                (0..rows).flat_map(|row| (0..columns).map(move |c| (row, c))).enumerate()
            {
                samples.clear();
                for down in 0..parts {
                    samples.extend(
                        (0..parts).map(|across| self.taps(region, [row, column, down, across], size)),
                    );
                }
                visit(index, &samples);
            }
        }

        fn aligned_to<T, S: Scalar, R: Clone>(
            &self,
            x: &[T],
            regions: &[Region],
            [_, channels, height, width]: [usize; 4],
            load: impl Fn(&T) -> S,
            store: impl Fn(S) -> R,
        ) -> Vec<R> {
            let [bins, map] = [self.output.get().iter().product::<u64>() as usize, height * width];
            let n = S::of(self.sampling.get() as f64 * self.sampling.get() as f64);
            let mut made = vec![store(S::of(0.0)); regions.len() * channels * bins];
            for (index, region) in regions.iter().enumerate() {
                self.bins(region, [height, width], |bin, samples| {
                    for channel in 0..channels {
                        let map = &x[(region.image * channels + channel) * map..][..map];
                        let read = samples.iter().map(|taps| {
                            four(map, &taps.map(|(place, weight)| (place, S::of(weight))), &load)
                        });
                        let all = read.reduce(|a, b| a + b).unwrap_or(S::of(0.0));
                        made[(index * channels + channel) * bins + bin] = store(all / n);
                    }
                });
            }
            made
        }
    }

    fn sizes(shape: &[usize]) -> Result<[usize; 4], Fault> {
        <[usize; 4]>::try_from(shape).map_err(|_| Fault::internal("a map of other axes"))
    }

    impl Execute for RoiAlign {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (x, shape) = (&call.inputs[0], call.shape(0));
            let (regions, sizes) =
                (self.regions(x.dims(), &call.inputs[1], call.inputs.get(2))?, sizes(x.dims())?);
            let made = on_cpu([x], |[x]| {
                if is_counting() {
                    let wide = x.to_dtype(candle_core::DType::F64)?;
                    let made = with_elements(&wide, |x: &[f64]| {
                        self.aligned_to(x, &regions, sizes, |x| Counted(*x), |y| y.0)
                    })?;
                    return Ok(tensor(made, shape.as_slice())?.to_dtype(x.dtype())?);
                }
                with_element!(x.dtype(), T => {
                    let made = with_elements(x, |x: &[T]| {
                        self.aligned_to(x, &regions, sizes, |x| x.load(), T::store)
                    })?;
                    tensor(made, shape.as_slice())
                })
            })?;
            Ok(made.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            if !call.wants(0) {
                return Ok(Gradients::none());
            }
            let shape = call.shape(0);
            let images = if call.io.inputs.len() > 2 { Some(call.input(2)?) } else { None };
            let (regions, [batch, channels, height, width]) =
                (self.regions(&shape, call.input(1)?, images)?, sizes(&shape)?);
            let bins = size(product(&self.output.get())?)?;
            #[expect(clippy::cast_precision_loss, reason = "samples are few")]
            let n = self.sampling.get() as f64 * self.sampling.get() as f64;
            let gradient = in_doubles([call.gradient()?], &shape, |[gradient]| {
                let mut sums = vec![0.0; batch * channels * height * width];
                for (index, region) in regions.iter().enumerate() {
                    self.bins(region, [height, width], |bin, samples| {
                        for channel in 0..channels {
                            let own = gradient[(index * channels + channel) * bins + bin] / n;
                            let start = (region.image * channels + channel) * height * width;
                            samples.iter().for_each(|taps| four_back(&mut sums[start..], taps, own));
                        }
                    });
                }
                sums
            })?;
            Ok(Gradients::input(gradient))
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            let regions = product(&[io.inputs[1].elements().get(), 64])?;
            let samples = product(&[self.sampling.get(), self.sampling.get(), 128])?;
            let doubles = match pass {
                Pass::Forward => 0,
                Pass::Backward => product(&[16, sum([io.input_elements(), io.output_elements()])?])?,
            };
            sum([regions, samples, doubles])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn samples_regions() {
        let op = RoiAlign {
            output: Pair::both(7),
            sampling: NonZeroU64::new(2).unwrap(),
            scale: 1.0,
            aligned: false,
        };
        // 5·3·49 = 735 outputs of 4·7 + 4.
        check(op, &[&[1, 3, 20, 20], &[5, 4]]).outputs("5x3x7x7").flops(735 * 32).macs(0);
    }
}
