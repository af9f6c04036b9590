use std::ops::RangeInclusive;

use super::attribute::{attributes, choice};
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
    shape,
};
use crate::diagnostic::Code;
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

choice! {
    /// What becomes of inputs whose channels differ in number.
    AddChannels {
        /// They must agree, or broadcast from 1.
        Equal = "equal",
        /// The first min(c₀, c) channels are added; the first input's other channels pass (darknet's shortcut).
        FirstMin = "first_min",
    }
}

attributes! {
    /// Adds tensors element by element.
    ///
    /// ## Formula
    /// `y = x₀ + x₁ + …`, broadcast as NumPy does. With `channels: "first_min"` the output has the first input's type
    /// and only the channels that an input has in common with it are added; with `subsample` an input whose map is a
    /// whole multiple of the first's is read at that stride.
    ///
    /// ## Counted
    /// FLOPs: one add for each output element and input beyond the first; with `first_min` too, as darknet counts.
    ///
    /// ## Source
    /// `torch.add`; ONNX Add, Sum; darknet `[shortcut]` (`shortcut_cpu`).
    Add = "add" {
        /// What becomes of inputs whose channels differ in number.
        channels: AddChannels = AddChannels::Equal,
        /// Whether a larger map is read at a stride (darknet's residual shortcut between stages).
        subsample: bool = false,
    }
}

impl Operator for Add {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=usize::MAX
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let dtype = shape::common_dtype(inputs)?;
        if self.channels == AddChannels::Equal && !self.subsample {
            return one(TensorType { shape: shape::broadcast(inputs)?, dtype });
        }
        let first = inputs[0];
        for (index, input) in inputs.iter().enumerate().skip(1) {
            let channels = self.channels == AddChannels::FirstMin || input.channels() == first.channels();
            let maps = input.spatial().len() == first.spatial().len()
                && input.spatial().iter().zip(first.spatial()).all(|(&theirs, &ours)| {
                    theirs == ours || (self.subsample && ours != 0 && theirs % ours == 0)
                });
            if !channels || !maps || input.shape.axis(0) != first.shape.axis(0) {
                return Err(Mismatch::new(
                    Code::ShapeMismatch,
                    format!("{} cannot be added to {}", input.shape, first.shape),
                )
                .input(0, format!("this is {}", first.shape))
                .input(index, format!("this is {}", input.shape)));
            }
        }
        one(first.clone())
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Arithmetic
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let beyond = io.inputs.len() as u64 - 1;
        Cost::NONE.and(Kind::Add, product(&[io.output_elements(), beyond])?)
    }

    fn storage(&self) -> Storage {
        Storage::Overwrites
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::keeps(Kept::NOTHING))
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        match self.channels {
            AddChannels::Equal => Channels::Same,
            AddChannels::FirstMin => Channels::FirstMin,
        }
    }
}

#[cfg(feature = "exec")]
pub(super) mod execute {
    use super::super::execute::kernel::elementwise::Function;
    use super::super::execute::prelude::*;
    use super::Add;
    use super::AddChannels;

    struct AddAll;

    impl Function for AddAll {
        #[inline(always)]
        fn value<S: Scalar>(&self, x: &[S]) -> S {
            x[1..].iter().fold(x[0], |sum, &x| sum + x)
        }
    }

    impl Execute for Add {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let inputs = self.fitted(call.inputs, &call.shape(0))?;
            let inputs: Vec<&Tensor> = inputs.iter().collect();
            Ok(map(&inputs, &call.shape(0), &AddAll)?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let gradient = call.gradient()?;
            let mut gradients = Gradients::default();
            for index in 0..call.io.inputs.len() {
                let own = call.wants(index).then(|| self.unfitted(gradient, &call.shape(index)));
                gradients.inputs.push(own.transpose()?);
            }
            Ok(gradients)
        }

        fn workspace(&self, io: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            if !self.fits() {
                return Ok(0);
            }
            // Of each input a tensor on the way to the output's shape and the one that has it; backward of one at a time.
            let inputs = io.inputs.iter().skip(1).map(|input| input.bytes().get());
            sum([sum(inputs)?, product(&[io.inputs.len() as u64, 2, io.outputs[0].bytes().get()])?])
        }
    }

    impl Add {
        /// Whether inputs may have other channels or maps than the first.
        fn fits(&self) -> bool {
            self.channels != AddChannels::Equal || self.subsample
        }

        /// All inputs in the first one's shape: maps read at a stride, channels cut off, or zeros in their place.
        pub(in crate::ops) fn fitted(
            &self,
            inputs: &[Tensor],
            shape: &[usize],
        ) -> Result<Vec<Tensor>, Fault> {
            if !self.fits() || shape.len() < 2 {
                return Ok(inputs.to_vec());
            }
            let fit = |input: &Tensor| {
                let mut input = input.clone();
                for (axis, &size) in shape.iter().enumerate().skip(2) {
                    if input.dims()[axis] != size {
                        input = input.contiguous()?.index_select(&places(&input, axis, size)?, axis)?;
                    }
                }
                let common = input.dims()[1].min(shape[1]);
                if common < input.dims()[1] {
                    input = input.narrow(1, 0, common)?;
                }
                Ok(if common < shape[1] { input.pad_with_zeros(1, 0, shape[1] - common)? } else { input })
            };
            inputs.iter().map(fit).collect()
        }

        /// The gradient of an input from that of the input as it was added.
        pub(in crate::ops) fn unfitted(&self, gradient: &Tensor, shape: &[usize]) -> Result<Tensor, Fault> {
            if !self.fits() || shape.len() < 2 {
                return sum_to(gradient, shape);
            }
            let common = gradient.dims()[1].min(shape[1]);
            let mut made = gradient.narrow(1, 0, common)?;
            if common < shape[1] {
                made = made.pad_with_zeros(1, 0, shape[1] - common)?;
            }
            for (axis, &size) in shape.iter().enumerate().skip(2) {
                if made.dims()[axis] != size {
                    let mut larger = made.dims().to_vec();
                    larger[axis] = size;
                    let zeros = Tensor::zeros(larger, made.dtype(), made.device())?;
                    let places = places(&zeros, axis, made.dims()[axis])?;
                    made = zeros.index_add(&places, &made.contiguous()?, axis)?;
                }
            }
            Ok(made.contiguous()?)
        }
    }

    /// Where so many elements of a longer axis stand, at a stride.
    fn places(of: &Tensor, axis: usize, count: usize) -> Result<Tensor, Fault> {
        let stride = of.dims()[axis].checked_div(count).unwrap_or(1).max(1);
        let places: Vec<i64> =
            (0..count).map(|place| i64::try_from(place * stride).unwrap_or(i64::MAX)).collect();
        Ok(Tensor::from_vec(places, count, of.device())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    const PLAIN: Add = Add { channels: AddChannels::Equal, subsample: false };

    #[test]
    fn broadcasts() {
        check(PLAIN, &[&[1, 8, 4, 4], &[1, 8, 4, 4]]).outputs("1x8x4x4").learned(0).flops(128);
        check(PLAIN, &[&[1, 8, 4, 4], &[8, 1, 1]]).outputs("1x8x4x4").flops(128);
        check(PLAIN, &[&[1, 8, 4, 4], &[1, 8, 4, 4], &[1, 8, 4, 4]]).flops(256);
        check(PLAIN, &[&[1, 8, 4, 4], &[1, 6, 4, 4]]).refused("axis 1 is 8 and 6");
    }

    #[test]
    fn darknet_adds_what_it_can() {
        let shortcut = Add { channels: AddChannels::FirstMin, subsample: true };
        check(shortcut.clone(), &[&[1, 128, 4, 4], &[1, 64, 8, 8]]).outputs("1x128x4x4").flops(2048);
        check(shortcut, &[&[1, 64, 4, 4], &[1, 128, 4, 6]]).refused("cannot be added to");
    }
}
