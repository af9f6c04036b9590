use std::ops::RangeInclusive;

use super::attribute::{attributes, choice};
use super::{
    Add, AddChannels, Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Role,
    Storage, Weight, Weights,
};
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

choice! {
    /// What one weight belongs to.
    AddWeights {
        /// Each input has one.
        PerInput = "per_input",
        /// Each channel of each input has one.
        PerChannel = "per_channel",
    }
}

choice! {
    /// How weights are made to sum to 1.
    AddNormalization {
        /// They are not.
        None = "none",
        /// Each is cut off at 0 and divided by the sum.
        Relu = "relu",
        /// By a softmax.
        Softmax = "softmax",
    }
}

attributes! {
    /// Adds tensors element by element, each times a learned weight.
    ///
    /// ## Formula
    /// `y = a₀·x₀ + a₁·x₁ + …`; the output has the first input's type. With the learned weights w, aᵢ is wᵢ, or with
    /// `normalization: "relu"` `max(wᵢ, 0)/Σ max(wⱼ, 0)` (EfficientDet and darknet add 10⁻⁴ to that sum; nothing is
    /// added here), or with `"softmax"` `e^wᵢ/Σ e^wⱼ`; sums over the inputs. Parameters: as many as there are inputs, times
    /// the first input's channels with `weights: "per_channel"`. `channels` and `subsample` are as in `add`.
    ///
    /// ## Counted
    /// FLOPs: 1 mul for each output element and input, 1 add for each output element and input beyond the first. The
    /// normalization of the weights is found once for the whole network and is not counted.
    ///
    /// ## Source
    /// Tan, Pang and Le 2020, arXiv 1911.09070; darknet `[shortcut]` with `weights_type` and `weights_normalization`.
    WeightedAdd = "weighted_add" {
        /// What one weight belongs to.
        weights: AddWeights = AddWeights::PerInput,
        /// How the weights are made to sum to 1.
        normalization: AddNormalization = AddNormalization::None,
        /// What becomes of inputs whose channels differ in number.
        channels: AddChannels = AddChannels::Equal,
        /// Whether a larger map is read at a stride.
        subsample: bool = false,
    }
}

impl WeightedAdd {
    fn add(&self) -> Add {
        Add { channels: self.channels, subsample: self.subsample }
    }
}

impl Operator for WeightedAdd {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=usize::MAX
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        self.add().infer(inputs)
    }

    fn weights(&self, inputs: &[&TensorType]) -> Weights {
        let count = inputs.len() as u64;
        let weight = match self.weights {
            AddWeights::PerInput => Weight::new("weight", [count], Role::Other),
            AddWeights::PerChannel => Weight::new("weight", [count, inputs[0].channels()], Role::Other),
        };
        [weight].into_iter().collect()
    }

    fn family(&self) -> Family {
        Family::Arithmetic
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let scaled = product(&[io.output_elements(), io.inputs.len() as u64])?;
        self.add().cost(io)?.and(Kind::Mul, scaled)
    }

    fn storage(&self) -> Storage {
        Storage::Overwrites
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::keeps(Kept::INPUTS))
    }

    fn channels(&self, io: Io<'_>, output: usize) -> Channels {
        self.add().channels(io, output)
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::Stored;
    use super::super::execute::kernel::elementwise::Function;
    use super::super::execute::prelude::*;
    use super::super::norm::execute as norm;
    use super::WeightedAdd;
    use super::{AddNormalization, AddWeights};

    /// Factors follow the tensors.
    struct Weighed;

    impl Function for Weighed {
        #[inline(always)]
        fn value<S: Scalar>(&self, x: &[S]) -> S {
            let (tensors, factors) = x.split_at(x.len() / 2);
            let mut products = tensors.iter().zip(factors).map(|(x, factor)| *x * *factor);
            let first = products.next().unwrap_or(S::of(0.0));
            products.fold(first, |sum, product| sum + product)
        }
    }

    impl Execute for WeightedAdd {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let shape = call.shape(0);
            let fitted = self.add().fitted(call.inputs, &shape)?;
            let factors = uncounted(|| self.factors(call.stored))?;
            if factors.dims()[0] != fitted.len() {
                return Err(Fault::Internal("a weighted add has other weights than inputs"));
            }
            let factors: Vec<Tensor> = (0..fitted.len())
                .map(|input| self.factor(&factors, input, shape.len()))
                .collect::<Result<_, _>>()?;
            let operands: Vec<&Tensor> = fitted.iter().chain(&factors).collect();
            Ok(map(&operands, &shape, &Weighed)?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let gradient = call.gradient()?;
            let (shape, rank) = (gradient.dims(), gradient.rank());
            let factors = self.factors(call.stored)?;
            let mut gradients = Gradients::default();
            let mut of_factors = Vec::new();
            for index in 0..call.io.inputs.len() {
                let factor = self.factor(&factors, index, rank)?;
                let input = call.wants(index).then(|| {
                    let scaled = map(&[gradient, &factor], shape, &function!(|g, a| g * a))?;
                    self.add().unfitted(&scaled, &call.shape(index))
                });
                gradients.inputs.push(input.transpose()?);
                let fitted = &self.add().fitted(std::slice::from_ref(call.input(index)?), shape)?[0];
                let products = map(&[gradient, fitted], shape, &function!(|g, x| g * x))?;
                of_factors.push(sum_to(&products, factor.dims())?.reshape((1, ()))?);
            }
            let of_factors = Tensor::cat(&of_factors, 0)?.reshape(factors.shape())?;
            gradients.stored.push(("weight", self.weight_gradient(call.stored, &factors, &of_factors)?));
            Ok(gradients)
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            let weights = product(&[io.inputs.len() as u64, io.inputs[0].channels(), 64])?;
            let whole = product(&[4, io.outputs[0].bytes().get()])?;
            sum([self.add().workspace(io, pass)?, weights, if pass == Pass::Backward { whole } else { 0 }])
        }
    }

    impl WeightedAdd {
        /// The normalized weights.
        fn factors(&self, stored: &Stored) -> Result<Tensor, Fault> {
            let weight = stored.get("weight")?;
            let shape = weight.dims();
            match self.normalization {
                AddNormalization::None => Ok(weight.clone()),
                AddNormalization::Relu => {
                    let cut = map(&[weight], shape, &function!(|w| w.max(S::of(0.0))))?;
                    let all = reduce(&cut, &[0], &Sum)?;
                    map(&[&cut, &all], shape, &function!(|w, all| w / all))
                }
                AddNormalization::Softmax => {
                    let most = reduce(weight, &[0], &Max)?;
                    let powers = map(&[weight, &most], shape, &function!(|w, most| (w - most).exp()))?;
                    let all = reduce(&powers, &[0], &Sum)?;
                    map(&[&powers, &all], shape, &function!(|w, all| w / all))
                }
            }
        }

        /// Those of one input, to be broadcast.
        fn factor(&self, factors: &Tensor, input: usize, rank: usize) -> Result<Tensor, Fault> {
            let own = factors.narrow(0, input, 1)?.flatten_all()?.contiguous()?;
            match self.weights {
                AddWeights::PerInput => Ok(own.reshape(vec![1; rank])?),
                AddWeights::PerChannel => norm::per_channel(&own, rank),
            }
        }

        /// Through the normalization; a sum over inputs stands for what weights have in common.
        fn weight_gradient(
            &self,
            stored: &Stored,
            factors: &Tensor,
            gradient: &Tensor,
        ) -> Result<Tensor, Fault> {
            let shape = factors.dims();
            let shared = map(&[gradient, factors], shape, &function!(|g, a| g * a))?;
            let shared = reduce(&shared, &[0], &Sum)?;
            match self.normalization {
                AddNormalization::None => Ok(gradient.clone()),
                AddNormalization::Relu => {
                    let weight = stored.get("weight")?;
                    let cut = map(&[weight], shape, &function!(|w| w.max(S::of(0.0))))?;
                    let all = reduce(&cut, &[0], &Sum)?;
                    let formula = function!(|g, w, shared, all| {
                        w.if_above(S::of(0.0), (g - shared) / all, S::of(0.0))
                    });
                    map(&[gradient, weight, &shared, &all], shape, &formula)
                }
                AddNormalization::Softmax => {
                    let formula = function!(|g, a, shared| a * (g - shared));
                    map(&[gradient, factors, &shared], shape, &formula)
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
    fn a_weight_for_each_input_or_channel() {
        let add = WeightedAdd {
            weights: AddWeights::PerInput,
            normalization: AddNormalization::Relu,
            channels: AddChannels::FirstMin,
            subsample: false,
        };
        let inputs: &[&[u64]] = &[&[1, 8, 4, 4], &[1, 8, 4, 4], &[1, 6, 4, 4]];
        // 128 outputs: 3 mul and 2 add each.
        check(add.clone(), inputs)
            .outputs("1x8x4x4")
            .learned(3)
            .macs(0)
            .flops(128 * 5)
            .channels(&Channels::FirstMin)
            .keeps(Kept::INPUTS, Kept::INPUTS);
        check(WeightedAdd { weights: AddWeights::PerChannel, ..add.clone() }, inputs).learned(3 * 8);
        check(WeightedAdd { channels: AddChannels::Equal, ..add }, inputs).refused("axis 1 is 8 and 6");
    }
}
