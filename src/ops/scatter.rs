use std::ops::RangeInclusive;

use super::attribute::{attributes, choice};
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights,
    elementwise,
};
use crate::tensor::TensorType;
use crate::units::Overflow;

choice! {
    /// How what is written meets what was there.
    ScatterReduction {
        /// It replaces it.
        None = "none",
        /// Their sum.
        Add = "add",
        /// Their product.
        Mul = "mul",
        /// The larger.
        Max = "max",
        /// The smaller.
        Min = "min",
    }
}

choice! {
    /// How indices name places.
    ScatterForm {
        /// Each names its element's place along one axis; the other axes are its own (ScatterElements).
        Elements = "elements",
        /// The last axis of the indices lists a place over as many axes, where a part is written (ScatterND).
        Parts = "parts",
    }
}

attributes! {
    /// A copy of a tensor in which some elements are replaced.
    ///
    /// ## Formula
    /// The inputs are the tensor, indices, and what is written at them; the output has the first one's type. In the form
    /// `elements`, `y[…, indices[i, j, …], …] = written[i, j, …]` at `axis`; in the form `parts`,
    /// `y[indices[i, …]] = written[i, …]`, parts being what lies behind the axes that an index names. Negative indices
    /// count from the end. Of several that are written at one place without a reduction the last stays.
    ///
    /// ## Counted
    /// FLOPs: with a reduction 1 for each element that is written, else none: data is moved. Bytes: `explain traffic`.
    ///
    /// ## Source
    /// `torch.scatter`, `index_put`; ONNX ScatterElements, ScatterND.
    Scatter = "scatter" {
        /// What becomes of the element that was there.
        reduction: ScatterReduction = ScatterReduction::None,
        /// How indices name places; if not given, `elements` where the indices have the shape of what is written and
        /// as many axes as the tensor.
        form: Option<ScatterForm> = None,
        /// The axis that indices count along, in the form `elements`.
        axis: i64 = 0,
    }
}

impl Operator for Scatter {
    fn arity(&self) -> RangeInclusive<usize> {
        3..=3
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        elementwise::same(inputs)
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Movement
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let written = io.inputs[2].elements().get();
        match self.reduction {
            ScatterReduction::None => Ok(Cost::NONE),
            ScatterReduction::Add => Cost::NONE.and(Kind::Add, written),
            ScatterReduction::Mul => Cost::NONE.and(Kind::Mul, written),
            ScatterReduction::Max => Cost::NONE.and(Kind::Max, written),
            ScatterReduction::Min => Cost::NONE.and(Kind::Min, written),
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
    use super::super::execute::kernel::rows::{self, NOWHERE, Rows, pick};
    use super::super::execute::kernel::{Element, doubles, tensor, with_element, with_elements};
    use super::super::execute::prelude::*;
    use super::super::execute::scalar::{Counted, is_counting};
    use super::{Scatter, ScatterForm, ScatterReduction};
    use crate::ops::shape;

    impl Scatter {
        /// The tensor as rows, and the row that each part written goes to.
        fn places(&self, io: Io<'_>, indices: &Tensor) -> Result<(Rows, Vec<usize>), Fault> {
            let [x, written] = [0, 2].map(|input| dims(io.inputs[input]));
            let alike = indices.dims() == written.as_slice() && indices.rank() == x.len();
            let form = self.form.unwrap_or(if alike { ScatterForm::Elements } else { ScatterForm::Parts });
            let (rows, places) = match form {
                ScatterForm::Elements => {
                    let axis = shape::axis(self.axis, x.len(), "axis");
                    let axis =
                        axis.map_err(|_| Fault::unrunnable(format!("there is no axis {}", self.axis)))?;
                    let places = rows::places_along(&x, axis, indices)?;
                    (Rows::flat(x.iter().product(), 1), places)
                }
                ScatterForm::Parts => rows::places_of_parts(&x, indices, 0)?,
            };
            if places.len() * rows.length != written.iter().product::<usize>() {
                let why = format!("{} indices do not say where a tensor of {written:?} goes", places.len());
                return Err(Fault::unrunnable(why));
            }
            Ok((rows, places))
        }

        #[inline(always)]
        fn meet<S: Scalar>(&self, old: S, new: S) -> S {
            match self.reduction {
                ScatterReduction::None => new,
                ScatterReduction::Add => old + new,
                ScatterReduction::Mul => old * new,
                ScatterReduction::Max => old.max(new),
                ScatterReduction::Min => old.min(new),
            }
        }

        fn written<T: Copy, S: Scalar>(
            &self,
            [x, new]: [&[T]; 2],
            length: usize,
            places: &[usize],
            load: impl Fn(T) -> S,
            store: impl Fn(S) -> T,
        ) -> Vec<T> {
            let mut made = x.to_vec();
            for (new, place) in new.chunks_exact(length.max(1)).zip(places) {
                for (old, &new) in made[place * length..][..length].iter_mut().zip(new) {
                    *old = match self.reduction {
                        ScatterReduction::None => new,
                        _ => store(self.meet(load(*old), load(new))),
                    };
                }
            }
            made
        }

        fn write(&self, x: &Tensor, new: &Tensor, length: usize, places: &[usize]) -> Result<Tensor, Fault> {
            let dtype = if is_counting() { candle_core::DType::F64 } else { x.dtype() };
            let (wide, new) = (x.to_dtype(dtype)?.contiguous()?, new.to_dtype(dtype)?.contiguous()?);
            let made = with_element!(dtype, T => {
                let made = with_elements(&wide, |x: &[T]| with_elements(&new, |new: &[T]| {
                    if is_counting() {
                        // Counted numbers are doubles, and so is `T` here.
                        let counted = |x: T| Counted(candle_core::WithDType::to_f64(x));
                        return self.written([x, new], length, places, counted, |y| candle_core::WithDType::from_f64(y.0));
                    }
                    self.written([x, new], length, places, Element::load, T::store)
                }))??;
                tensor(made, x.dims())
            })?;
            Ok(made.to_dtype(x.dtype())?)
        }

        #[expect(clippy::float_cmp, reason = "what was chosen is equal bit by bit, and factors are 0 or not")]
        /// The gradients of the tensor and of what is written, where both meet in a product, a maximum or a minimum.
        fn shares(&self, [x, new, gradient]: [&[f64]; 3], length: usize, places: &[usize]) -> [Vec<f64>; 2] {
            let place = |index: usize| places[index / length] * length + index % length;
            let product = self.reduction == ScatterReduction::Mul;
            // Of a product: the factors that are not 0, and how many are. Else: the result, and how often it occurs.
            let mut values: Vec<f64> = x.iter().map(|&x| if product && x == 0.0 { 1.0 } else { x }).collect();
            let mut counts: Vec<f64> = x.iter().map(|&x| f64::from(!product || x == 0.0)).collect();
            for (index, &new) in new.iter().enumerate() {
                let (value, count) = (&mut values[place(index)], &mut counts[place(index)]);
                if product {
                    if new == 0.0 { *count += 1.0 } else { *value *= new }
                } else if self.meet(*value, new) != *value {
                    (*value, *count) = (new, 1.0);
                } else if new == *value {
                    *count += 1.0;
                }
            }
            let share = |own: f64, place: usize| match (product, own == 0.0) {
                (true, true) if counts[place] == 1.0 => gradient[place] * values[place],
                (true, false) if counts[place] == 0.0 => gradient[place] * values[place] / own,
                (true, _) => 0.0,
                // Those that are equal share it (PyTorch).
                (false, _) if own == values[place] => gradient[place] / counts[place],
                (false, _) => 0.0,
            };
            let of_x = x.iter().enumerate().map(|(place, &own)| share(own, place)).collect();
            let of_new = new.iter().enumerate().map(|(index, &own)| share(own, place(index))).collect();
            [of_x, of_new]
        }
    }

    /// Keeps of the parts that go to one row the last.
    fn last_of_each(rows: usize, places: &[usize]) -> Vec<usize> {
        let mut taken = vec![false; rows];
        let mut last: Vec<usize> = places.to_vec();
        for place in last.iter_mut().rev() {
            if std::mem::replace(&mut taken[*place], true) {
                *place = NOWHERE;
            }
        }
        last
    }

    impl Execute for Scatter {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let (rows, places) = self.places(call.io, &call.inputs[1])?;
            let made = rows::on_cpu([&call.inputs[0], &call.inputs[2]], |[x, new]| {
                self.write(x, new, rows.length, &places)
            })?;
            Ok(made.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let (rows, places) = self.places(call.io, call.input(1)?)?;
            let (gradient, x, new) = (call.gradient()?.contiguous()?, call.shape(0), call.shape(2));
            let [of_x, of_new] = match self.reduction {
                ScatterReduction::None => {
                    // What was overwritten has no effect.
                    let mut kept: Vec<usize> = (0..rows.count).collect();
                    places.iter().for_each(|&place| kept[place] = NOWHERE);
                    let last = last_of_each(rows.count, &places);
                    [pick(&gradient, rows, &kept, 0.0, &x)?, pick(&gradient, rows, &last, 0.0, &new)?]
                }
                ScatterReduction::Add => {
                    [gradient.force_contiguous()?, pick(&gradient, rows, &places, 0.0, &new)?]
                }
                _ => {
                    let numbers = [doubles(call.input(0)?)?, doubles(call.input(2)?)?, doubles(&gradient)?];
                    let numbers = numbers.each_ref().map(Vec::as_slice);
                    let [of_x, of_new] = self.shares(numbers, rows.length.max(1), &places);
                    let back = |of: Vec<f64>, shape: Vec<usize>| {
                        tensor(of, shape)?
                            .to_dtype(gradient.dtype())?
                            .to_device(gradient.device())
                            .map_err(Fault::from)
                    };
                    [back(of_x, x)?, back(of_new, new)?]
                }
            };
            let inputs = [call.wants(0).then_some(of_x), None, call.wants(2).then_some(of_new)];
            Ok(Gradients { inputs: inputs.into_iter().collect(), ..Gradients::none() })
        }

        fn workspace(&self, io: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            let [x, indices, new] = [0, 1, 2].map(|input| io.inputs[input].elements().get());
            sum([product(&[indices, rows::INDEX + 8])?, product(&[x, 8 * 6])?, product(&[new, 8 * 4])?])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    fn scatter(reduction: ScatterReduction) -> Scatter {
        Scatter { reduction, form: None, axis: 0 }
    }

    #[test]
    fn writes() {
        let op = scatter(ScatterReduction::None);
        check(op, &[&[4, 6], &[2, 6], &[2, 6]]).outputs("4x6").flops(0).macs(0);
        check(scatter(ScatterReduction::Add), &[&[4, 6], &[2, 6], &[2, 6]]).flops(12);
    }
}
