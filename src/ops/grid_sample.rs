use std::ops::RangeInclusive;

use super::attribute::{attributes, choice};
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use super::{ResizeMode, window};
use crate::diagnostic::Code;
use crate::tensor::TensorType;
use crate::units::Overflow;

choice! {
    /// What stands beside a map.
    GridPadding {
        /// Zeros.
        Zeros = "zeros",
        /// The edge's own elements.
        Border = "border",
        /// The map mirrored at its edge: at the middle of the first and last element with `align_corners`, else half an
        /// element further out.
        Reflection = "reflection",
    }
}

attributes! {
    /// A map read at places that a second tensor tells.
    ///
    /// ## Formula
    /// `[n, c, h, w]` and a grid `[n, h', w', 2]` of places give `[n, c, h', w']`. A place is (x, y), each from −1 to 1:
    /// from the outer edge of the first element to that of the last, with `align_corners` from the middle of the one to
    /// that of the other. Nearest rounds halves to even; cubic is Keys' with a = −0.75.
    ///
    /// ## Counted
    /// FLOPs for each place: 2 add and 2 mul to find it in the map; nearest 2 round; linear 2 round, 4 sub and 4 mul
    /// for the weights of its neighbours. For each output: linear 4 mul and 3 add; cubic 20 mul and 15 add, as `resize`,
    /// the weights apart. Which elements stand beside the map is found with whole numbers and is not counted.
    ///
    /// ## Source
    /// `torch.nn.functional.grid_sample`; ONNX GridSample.
    GridSample = "grid_sample" {
        /// How elements between the map's are found.
        mode: ResizeMode = ResizeMode::Linear,
        /// What stands beside the map.
        padding_mode: GridPadding = GridPadding::Zeros,
        /// Whether −1 and 1 are the middles of the first and the last element.
        align_corners: bool = false,
    }
}

impl Operator for GridSample {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let [input, grid] = [inputs[0], inputs[1]];
        let &[batch, channels, _, _] = input.shape.axes() else {
            return Err(window::rank(input, 4, "[n, c, h, w]"));
        };
        match *grid.shape.axes() {
            [images, height, width, 2] if images == batch => {
                one(input.reshaped([batch, channels, height, width]))
            }
            _ => Err(Mismatch::new(Code::ShapeMismatch, format!("the grid must be [{batch}, h, w, 2]"))
                .input(0, format!("this is {}", input.shape))
                .input(1, format!("this is {}", grid.shape))),
        }
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Movement
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let places = io.inputs[1].elements().get() / 2;
        let cost = Cost::NONE.each(places, &[(Kind::Add, 2), (Kind::Mul, 2), (Kind::Round, 2)])?;
        let outputs = io.output_elements();
        match self.mode {
            ResizeMode::Nearest => Ok(cost),
            ResizeMode::Linear => cost
                .each(places, &[(Kind::Sub, 4), (Kind::Mul, 4)])?
                .each(outputs, &[(Kind::Mul, 4), (Kind::Add, 3)]),
            ResizeMode::Cubic => cost.each(outputs, &[(Kind::Mul, 20), (Kind::Add, 15)]),
        }
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
    use super::super::execute::kernel::rows::{NOWHERE, on_cpu};
    use super::super::execute::kernel::sample::{cubic, cubic_slope, in_doubles};
    use super::super::execute::kernel::{Element, tensor, with_element, with_elements};
    use super::super::execute::prelude::*;
    use super::super::execute::scalar::{Counted, is_counting};
    use super::{GridPadding, GridSample, ResizeMode};

    /// The parameter of the cubic kernel.
    const A: f64 = -0.75;

    /// A place between elements: the neighbours' rows and columns, and what each weighs along its axis.
    struct Place<S> {
        rows: Vec<i64>,
        columns: Vec<i64>,
        down: Vec<S>,
        across: Vec<S>,
    }

    /// A whole number near a place; what is far beside the map stays beside it.
    #[expect(clippy::cast_possible_truncation, reason = "bounded before")]
    fn whole(place: f64) -> i64 {
        place.clamp(-1e15, 1e15) as i64
    }

    #[expect(clippy::cast_precision_loss, reason = "maps have fewer than 2^53 elements")]
    impl GridSample {
        /// An element of an axis, or what stands for it beside the map.
        fn index(&self, index: i64, size: usize) -> usize {
            let length = i64::try_from(size).unwrap_or(i64::MAX);
            let inside = match self.padding_mode {
                GridPadding::Zeros => index,
                GridPadding::Border => index.clamp(0, length - 1),
                GridPadding::Reflection if self.align_corners && length == 1 => 0,
                GridPadding::Reflection => {
                    // Back and forth, with or without the edge's elements twice.
                    let twice = usize::from(!self.align_corners);
                    let period = 2 * length - if twice == 1 { 0 } else { 2 };
                    let within = index.rem_euclid(period);
                    let back = period - i64::try_from(twice).unwrap_or(0) - within;
                    if within < length { within } else { back }
                }
            };
            usize::try_from(inside).ok().filter(|&inside| inside < size).unwrap_or(NOWHERE)
        }

        /// Half the map's size as a place has it, and the middle.
        fn stretch(&self, size: usize) -> [f64; 2] {
            let size = size as f64;
            [if self.align_corners { (size - 1.0) / 2.0 } else { size / 2.0 }, (size - 1.0) / 2.0]
        }

        /// The neighbours of a place of the grid: the operations that are counted for it.
        fn place<S: Scalar>(
            &self,
            [x, y]: [S; 2],
            [height, width]: [usize; 2],
            double: &impl Fn(S) -> f64,
        ) -> Place<S> {
            let [x, y] = [(x, width), (y, height)].map(|(at, size)| {
                let [half, middle] = self.stretch(size);
                at * S::of(half) + S::of(middle)
            });
            let along = |at: S| match self.mode {
                ResizeMode::Nearest => (vec![whole(double(at.round()))], vec![S::of(1.0)]),
                ResizeMode::Linear => {
                    let floor = at.floor();
                    let behind = at - floor;
                    let first = whole(double(floor));
                    (vec![first, first + 1], vec![S::of(1.0) - behind, behind])
                }
                ResizeMode::Cubic => {
                    let floor = double(at.floor());
                    let first = whole(floor) - 1;
                    let weights = cubic(double(at) - floor, A).map(S::of).to_vec();
                    ((first..first + 4).collect(), weights)
                }
            };
            let ((columns, across), (rows, down)) = (along(x), along(y));
            Place { rows, columns, down, across }
        }

        /// An element of a map, 0 where there is none.
        fn read<T, S: Scalar>(
            &self,
            map: &[T],
            [row, column]: [i64; 2],
            [height, width]: [usize; 2],
            load: &impl Fn(&T) -> S,
        ) -> S {
            let (row, column) = (self.index(row, height), self.index(column, width));
            let place = if row == NOWHERE || column == NOWHERE { NOWHERE } else { row * width + column };
            map.get(place).map_or(S::of(0.0), load)
        }

        fn sampled<T, S: Scalar>(
            &self,
            [x, grid]: [&[T]; 2],
            [batch, channels, height, width]: [usize; 4],
            load: impl Fn(&T) -> S,
            double: impl Fn(S) -> f64,
            store: impl Fn(S) -> T,
        ) -> Vec<T> {
            let (size, map) = ([height, width], height * width);
            let outputs = (grid.len() / 2).checked_div(batch).unwrap_or(0);
            let mut made = Vec::with_capacity(batch * channels * outputs);
            for image in 0..batch {
                let grid = grid[image * outputs * 2..][..outputs * 2].chunks_exact(2);
                let places: Vec<Place<S>> =
                    grid.map(|at| self.place([load(&at[0]), load(&at[1])], size, &double)).collect();
                // The weights of the four neighbours, for all channels.
                let linear: Vec<Vec<S>> = match self.mode {
                    ResizeMode::Linear => places
                        .iter()
                        .map(|place| {
                            let row = |&down: &S| place.across.iter().map(move |&across| down * across);
                            place.down.iter().flat_map(row).collect()
                        })
                        .collect(),
                    ResizeMode::Nearest | ResizeMode::Cubic => Vec::new(),
                };
                for channel in 0..channels {
                    let map = &x[(image * channels + channel) * map..][..map];
                    for (index, place) in places.iter().enumerate() {
                        let row = |row: i64| place.columns.iter().map(move |&column| [row, column]);
                        let sum = |terms: &mut dyn Iterator<Item = S>| terms.reduce(|a, b| a + b);
                        let value = match self.mode {
                            ResizeMode::Nearest => {
                                Some(self.read(map, [place.rows[0], place.columns[0]], size, &load))
                            }
                            ResizeMode::Linear => {
                                let all = place.rows.iter().flat_map(|&at| row(at)).zip(&linear[index]);
                                sum(&mut all.map(|(at, &weight)| self.read(map, at, size, &load) * weight))
                            }
                            ResizeMode::Cubic => {
                                sum(&mut place.rows.iter().zip(&place.down).filter_map(|(&at, &down)| {
                                    let line = row(at).zip(&place.across);
                                    let mut line =
                                        line.map(|(at, &across)| self.read(map, at, size, &load) * across);
                                    sum(&mut line).map(|line| line * down)
                                }))
                            }
                        };
                        made.push(store(value.unwrap_or(S::of(0.0))));
                    }
                }
            }
            made
        }

        /// The gradients of the map, and of the grid.
        fn back(
            &self,
            [x, grid, gradient]: [&[f64]; 3],
            [batch, channels, height, width]: [usize; 4],
        ) -> [Vec<f64>; 2] {
            let (size, map) = ([height, width], height * width);
            let outputs = (grid.len() / 2).checked_div(batch).unwrap_or(0);
            let (mut of_x, mut of_grid) = (vec![0.0; x.len()], vec![0.0; grid.len()]);
            for (index, at) in grid.chunks_exact(2).enumerate() {
                let (image, output) = (index / outputs, index % outputs);
                let place = self.place([at[0], at[1]], size, &|at| at);
                let slopes = |weights: &[f64], axis: usize| {
                    let [half, middle] = self.stretch(size[1 - axis]);
                    let scaled = at[axis] * half + middle;
                    match self.mode {
                        ResizeMode::Nearest => vec![0.0; weights.len()],
                        ResizeMode::Linear => vec![-half, half],
                        ResizeMode::Cubic => {
                            cubic_slope(scaled - scaled.floor(), A).map(|slope| slope * half).to_vec()
                        }
                    }
                };
                let (across, down) = (slopes(&place.across, 0), slopes(&place.down, 1));
                for channel in 0..channels {
                    let start = (image * channels + channel) * map;
                    let own = gradient[(image * channels + channel) * outputs + output];
                    for (r, &row) in place.rows.iter().enumerate() {
                        for (c, &column) in place.columns.iter().enumerate() {
                            let (row, column) = (self.index(row, height), self.index(column, width));
                            if row == NOWHERE || column == NOWHERE {
                                continue;
                            }
                            let at = start + row * width + column;
                            of_x[at] += own * place.down[r] * place.across[c];
                            of_grid[2 * index] += own * x[at] * place.down[r] * across[c];
                            of_grid[2 * index + 1] += own * x[at] * down[r] * place.across[c];
                        }
                    }
                }
            }
            [of_x, of_grid]
        }
    }

    impl Execute for GridSample {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (x, shape) = (&call.inputs[0], call.shape(0));
            let sizes =
                <[usize; 4]>::try_from(x.dims()).map_err(|_| Fault::internal("a map of other axes"))?;
            let dtype = if is_counting() { candle_core::DType::F64 } else { x.dtype() };
            let made = on_cpu([x, &call.inputs[1]], |[x, grid]| {
                let (x, grid) = (x.to_dtype(dtype)?, grid.to_dtype(dtype)?);
                with_element!(dtype, T => {
                    let made = with_elements(&x, |x: &[T]| with_elements(&grid, |grid: &[T]| {
                        if is_counting() {
                            // Counted numbers are doubles, and so is `T` here.
                            let load = |x: &T| Counted(candle_core::WithDType::to_f64(*x));
                            let store = |y: Counted| candle_core::WithDType::from_f64(y.0);
                            return self.sampled([x, grid], sizes, load, |y| y.0, store);
                        }
                        self.sampled([x, grid], sizes, |x| x.load(), T::double, T::store)
                    }))??;
                    tensor(made, shape.as_slice())
                })
            })?;
            Ok(made.to_dtype(x.dtype())?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let inputs = [call.input(0)?, call.input(1)?, call.gradient()?];
            let shape = call.shape(0);
            let sizes = <[usize; 4]>::try_from(shape.as_slice())
                .map_err(|_| Fault::internal("a map of other axes"))?;
            let mut gradients = Gradients::default();
            for which in [0, 1] {
                let shape = call.shape(which);
                let own = call.wants(which).then(|| {
                    let made = in_doubles(inputs, &shape, |inputs| {
                        let [of_x, of_grid] = self.back(inputs, sizes);
                        if which == 0 { of_x } else { of_grid }
                    });
                    Ok::<_, Fault>(made?.to_dtype(inputs[which].dtype())?)
                });
                gradients.inputs.push(own.transpose()?);
            }
            Ok(gradients)
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            let [x, grid] = [0, 1].map(|input| io.inputs[input].elements().get());
            let output = io.output_elements();
            let doubles = product(&[16, sum([x, grid, output])?])?;
            match pass {
                // Each place: its lists of rows, columns and weights.
                Pass::Forward => sum([doubles, product(&[grid, 160])?]),
                Pass::Backward => product(&[2, doubles]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn samples() {
        // 3·5 places of 6 + 8, and 2·15 outputs of 7.
        let grid = |mode| GridSample { mode, padding_mode: GridPadding::Zeros, align_corners: false };
        let op = grid(ResizeMode::Linear);
        check(op.clone(), &[&[1, 2, 8, 8], &[1, 3, 5, 2]]).outputs("1x2x3x5").flops(15 * 14 + 30 * 7).macs(0);
        check(grid(ResizeMode::Nearest), &[&[1, 2, 8, 8], &[1, 3, 5, 2]]).flops(15 * 6);
        check(op, &[&[1, 2, 8, 8], &[1, 3, 5, 3]]).refused("the grid must be [1, h, w, 2]");
    }
}
