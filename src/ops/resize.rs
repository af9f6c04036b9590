use std::ops::RangeInclusive;

use super::attribute::{Pair, attributes, choice};
use super::window;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use crate::diagnostic::Code;
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

choice! {
    /// How the elements between the input's are found.
    ResizeMode {
        /// The nearest one is copied.
        Nearest = "nearest",
        /// Bilinear: from 2·2 neighbours.
        Linear = "linear",
        /// Bicubic: from 4·4 neighbours.
        Cubic = "cubic",
    }
}

choice! {
    /// How a place of the output becomes one of the input, with h' outputs for h inputs and r = h'/h.
    ResizeCoordinates {
        /// `(i + ½)/r − ½`: the centres of first and last lie half an element inside the edge.
        HalfPixel = "half_pixel",
        /// The same, but 0 where there is one output.
        PytorchHalfPixel = "pytorch_half_pixel",
        /// The same about the map's middle, where r is not exactly h'/h.
        HalfPixelSymmetric = "half_pixel_symmetric",
        /// `i·(h − 1)/(h' − 1)`: the first is the first, the last the last.
        AlignCorners = "align_corners",
        /// `i/r`.
        Asymmetric = "asymmetric",
        /// `(i + ½)/r`, of the first TensorFlow's nearest neighbours.
        TensorflowHalfPixel = "tf_half_pixel_for_nn",
    }
}

choice! {
    /// Which neighbour of a place is the nearest.
    ResizeRounding {
        /// The one before.
        Floor = "floor",
        /// The one behind.
        Ceil = "ceil",
        /// The nearest, of two the one before.
        PreferFloor = "round_prefer_floor",
        /// The nearest, of two the one behind.
        PreferCeil = "round_prefer_ceil",
    }
}

attributes! {
    /// A map at another size.
    ///
    /// ## Formula
    /// `[n, c, h, w] → [n, c, h', w']` with the given `size`, or the input's size times a whole `scale`. Output i reads
    /// at a place x of the input, that `coordinates` tells: nearest the element that `rounding` tells, linear the two
    /// neighbours of x, cubic four, weighed by Keys' kernel with `cubic_a`. The edge's element stands beyond the edge.
    ///
    /// ## Counted
    /// FLOPs for each output: nearest none; linear 6 mul and 3 add, for two neighbours are joined with 2 mul and 1 add
    /// in each of two rows, and the two rows likewise; cubic 20 mul and 15 add, for four neighbours are joined with 4 mul
    /// and 3 add in each of four rows, and the four rows likewise. The weights of a row or column are found once for
    /// the whole tensor and are not counted.
    ///
    /// ## Source
    /// `torch.nn.functional.interpolate`, `torch.nn.Upsample`; ONNX Resize; darknet `[upsample]`.
    Resize = "resize" {
        /// Whole factors of height and width.
        scale: Option<Pair> = None,
        /// The output's height and width.
        size: Option<Pair> = None,
        /// How elements are found.
        mode: ResizeMode = ResizeMode::Nearest,
        /// How a place is found; if not given, `asymmetric` for nearest, else `half_pixel`, as in PyTorch.
        coordinates: Option<ResizeCoordinates> = None,
        /// Which neighbour is nearest.
        rounding: ResizeRounding = ResizeRounding::Floor,
        /// The parameter of the cubic kernel.
        cubic_a: f64 = -0.75,
        /// Whether cubic and linear leave out what is beyond the edge, and the others weigh more.
        exclude_outside: bool = false,
        /// r of height and width, where it is not exactly the ratio of the sizes.
        ratio: Vec<f64> = Vec::new(),
    }
}

impl Resize {
    /// Larger by whole factors, places as in PyTorch.
    pub fn scaled(scale: Pair, mode: ResizeMode) -> Self {
        Self { scale: Some(scale), size: None, ..Self::plain(mode) }
    }

    /// Of that size, places as in PyTorch.
    pub fn sized(size: Pair, mode: ResizeMode) -> Self {
        Self { scale: None, size: Some(size), ..Self::plain(mode) }
    }

    fn plain(mode: ResizeMode) -> Self {
        Self {
            scale: None,
            size: None,
            mode,
            coordinates: None,
            rounding: ResizeRounding::Floor,
            cubic_a: -0.75,
            exclude_outside: false,
            ratio: Vec::new(),
        }
    }

    /// How places are found.
    pub fn coordinates(&self) -> ResizeCoordinates {
        self.coordinates.unwrap_or(match self.mode {
            ResizeMode::Nearest => ResizeCoordinates::Asymmetric,
            ResizeMode::Linear | ResizeMode::Cubic => ResizeCoordinates::HalfPixel,
        })
    }
}

impl Operator for Resize {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let input = inputs[0];
        let &[batch, channels, height, width] = input.shape.axes() else {
            return Err(window::rank(input, 4, "[n, c, h, w]"));
        };
        let ratio = self.ratio.as_slice();
        if !(ratio.is_empty() || ratio.len() == 2 && ratio.iter().all(|ratio| *ratio > 0.0)) {
            return Err(Mismatch::new(Code::OutOfRange, "`ratio` is a list of two numbers above 0")
                .attribute("ratio"));
        }
        let [height, width] = match (self.scale, self.size) {
            (Some(scale), None) => {
                let [down, right] = scale.get();
                [product(&[height, down])?, product(&[width, right])?]
            }
            (None, Some(size)) => size.get(),
            (None, None) => {
                return Err(Mismatch::new(Code::Missing, "give either `scale` or `size`").attribute("scale"));
            }
            (Some(_), Some(_)) => {
                return Err(
                    Mismatch::new(Code::OutOfRange, "give `scale` or `size`, not both").attribute("size")
                );
            }
        };
        one(input.reshaped([batch, channels, height, width]))
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Movement
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let kinds: &[_] = match self.mode {
            ResizeMode::Nearest => &[],
            ResizeMode::Linear => &[(Kind::Mul, 6), (Kind::Add, 3)],
            ResizeMode::Cubic => &[(Kind::Mul, 20), (Kind::Add, 15)],
        };
        Cost::NONE.each(io.output_elements(), kinds)
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::keeps(Kept::NOTHING))
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Same
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::rows::{Rows, pick, put};
    use super::super::execute::kernel::sample::{self, Line, cubic};
    use super::super::execute::prelude::*;
    use super::{Resize, ResizeCoordinates, ResizeMode, ResizeRounding};

    /// An axis that is read anew.
    struct Axis<'a> {
        op: &'a Resize,
        input: usize,
        output: usize,
        ratio: Option<f64>,
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "axes have fewer than 2^53 elements"
    )]
    impl Axis<'_> {
        /// Where output `index` reads.
        fn place(&self, index: usize) -> f64 {
            let [i, input, output] = [index, self.input, self.output].map(|size| size as f64);
            // By the sizes where they are the ratio: no digit is lost.
            let over = |x: f64| self.ratio.map_or_else(|| x * input / output, |ratio| x / ratio);
            match self.op.coordinates() {
                ResizeCoordinates::HalfPixel => over(i + 0.5) - 0.5,
                ResizeCoordinates::PytorchHalfPixel if self.output > 1 => over(i + 0.5) - 0.5,
                ResizeCoordinates::AlignCorners if self.output > 1 => i * (input - 1.0) / (output - 1.0),
                ResizeCoordinates::PytorchHalfPixel | ResizeCoordinates::AlignCorners => 0.0,
                ResizeCoordinates::HalfPixelSymmetric => {
                    let adjustment = self.ratio.map_or(1.0, |ratio| output / (ratio * input));
                    input / 2.0 * (1.0 - adjustment) + over(i + 0.5) - 0.5
                }
                ResizeCoordinates::Asymmetric => over(i),
                ResizeCoordinates::TensorflowHalfPixel => over(i + 0.5),
            }
        }

        fn clamped(&self, place: f64) -> usize {
            let last = self.input.saturating_sub(1);
            // A float becomes the nearest whole number that there is.
            usize::try_from(place.max(0.0) as i64).unwrap_or(0).min(last)
        }

        fn nearest(&self) -> Vec<usize> {
            let round = |place: f64| match self.op.rounding {
                ResizeRounding::Floor => place.floor(),
                ResizeRounding::Ceil => place.ceil(),
                ResizeRounding::PreferFloor => (place - 0.5).ceil(),
                ResizeRounding::PreferCeil => (place + 0.5).floor(),
            };
            (0..self.output).map(|index| self.clamped(round(self.place(index)))).collect()
        }

        /// Neighbours from `first` elements before the place on.
        fn line<const N: usize>(&self, first: f64, weigh: impl Fn(f64) -> [f64; N]) -> Line<N> {
            let mut line = Line { size: self.input, places: Vec::new(), weights: Vec::new() };
            for index in 0..self.output {
                let place = self.place(index);
                let start = place.floor() - first;
                let mut weights = weigh(place - place.floor());
                if self.op.exclude_outside {
                    for (tap, weight) in weights.iter_mut().enumerate() {
                        let at = start + tap as f64;
                        if at < 0.0 || at >= self.input as f64 {
                            *weight = 0.0;
                        }
                    }
                    let sum: f64 = weights.iter().sum();
                    weights = weights.map(|weight| weight / sum);
                }
                line.places.push(std::array::from_fn(|tap| self.clamped(start + tap as f64)));
                line.weights.push(weights);
            }
            line
        }

        fn linear(&self) -> Line<2> {
            self.line(0.0, |t| [1.0 - t, t])
        }

        fn cubic(&self) -> Line<4> {
            self.line(1.0, |t| cubic(t, self.op.cubic_a))
        }
    }

    impl Resize {
        fn axes(&self, io: Io<'_>) -> Result<[Axis<'_>; 2], Overflow> {
            let (input, output) = (io.inputs[0].spatial(), io.outputs[0].spatial());
            let axis = |axis: usize| {
                let ratio = self.ratio.get(axis).copied();
                Ok::<_, Overflow>(Axis {
                    op: self,
                    input: size(input[axis])?,
                    output: size(output[axis])?,
                    ratio,
                })
            };
            Ok([axis(0)?, axis(1)?])
        }
    }

    impl Execute for Resize {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (x, [rows, columns], shape) = (&call.inputs[0], self.axes(call.io)?, call.shape(0));
            Ok(match self.mode {
                ResizeMode::Nearest => {
                    let wide = [shape[0], shape[1], rows.input, columns.output];
                    let wide_rows = pick(x, Rows::along(x.dims(), 3), &columns.nearest(), 0.0, &wide)?;
                    pick(&wide_rows, Rows::along(&wide, 2), &rows.nearest(), 0.0, &shape)?
                }
                ResizeMode::Linear => sample::joined(x, &rows.linear(), &columns.linear())?,
                ResizeMode::Cubic => sample::joined(x, &rows.cubic(), &columns.cubic())?,
            }
            .into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let (gradient, [rows, columns], shape) = (call.gradient()?, self.axes(call.io)?, call.shape(0));
            Ok(Gradients::input(match self.mode {
                ResizeMode::Nearest => {
                    let wide = [shape[0], shape[1], rows.input, columns.output];
                    let low = put(gradient, Rows::along(&wide, 2), &rows.nearest(), &wide)?;
                    put(&low, Rows::along(&shape, 3), &columns.nearest(), &shape)?
                }
                ResizeMode::Linear => sample::spread(gradient, &rows.linear(), &columns.linear())?,
                ResizeMode::Cubic => sample::spread(gradient, &rows.cubic(), &columns.cubic())?,
            }))
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            let (input, output) = (io.inputs[0], &io.outputs[0]);
            let sides = sum(output.spatial().iter().copied())?;
            // Places and weights of each row and column, growing as they are made.
            let lists = product(&[sides, 2 * (4 * 8 + 4 * 8 + 4 * 8)])?;
            let (&[height, width], &[_, wider]) = (input.spatial(), output.spatial()) else {
                return Err(Overflow);
            };
            let maps = input.elements().get() / product(&[height, width])?.max(1);
            let wide = match self.mode {
                ResizeMode::Nearest => product(&[maps, height, wider, 8])?,
                ResizeMode::Linear | ResizeMode::Cubic => 0,
            };
            // The sums of a map and of a row.
            let map = match pass {
                Pass::Forward => 0,
                Pass::Backward => product(&[height, sum([width, wider, 1])?, 8])?,
            };
            sum([lists, wide, map])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU64;

    use crate::ops::tests::check;

    fn twice(mode: ResizeMode) -> Resize {
        Resize::scaled(Pair::both(2), mode)
    }

    #[test]
    fn by_mode() {
        // 2·3·10·14 = 840 outputs.
        check(twice(ResizeMode::Nearest), &[&[2, 3, 5, 7]])
            .outputs("2x3x10x14")
            .learned(0)
            .macs(0)
            .flops(0)
            .channels(&Channels::Same)
            .keeps(Kept::NOTHING, Kept::NOTHING);
        check(twice(ResizeMode::Linear), &[&[2, 3, 5, 7]]).flops(840 * 9);
        check(twice(ResizeMode::Cubic), &[&[2, 3, 5, 7]]).flops(840 * 35);
        let size = Pair { height: NonZeroU64::MIN, width: NonZeroU64::new(9).unwrap() };
        check(Resize::sized(size, ResizeMode::Linear), &[&[2, 3, 5, 7]])
            .outputs("2x3x1x9")
            .flops(2 * 3 * 9 * 9);
    }

    #[test]
    fn what_does_not_fit() {
        let both = Resize { size: Some(Pair::both(4)), ..twice(ResizeMode::Nearest) };
        check(both, &[&[2, 3, 5, 7]]).refused("not both");
        check(Resize { scale: None, ..twice(ResizeMode::Nearest) }, &[&[2, 3, 5, 7]]).refused("give either");
        check(twice(ResizeMode::Nearest), &[&[2, 3, 5]]).refused("the input must have 4 axes");
        let huge = Resize { scale: Some(Pair::both(u64::MAX)), ..twice(ResizeMode::Nearest) };
        check(huge, &[&[2, 3, 5, 7]]).refused("does not fit in 64 bits");
    }
}
