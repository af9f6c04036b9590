use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::reduction;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use crate::tensor::TensorType;
use crate::units::Overflow;

attributes! {
    /// The product over axes.
    ///
    /// ## Formula
    /// `y = Π x` over the elements that differ only along `axes`.
    ///
    /// ## Counted
    /// FLOPs: 1 mul for each input element but the first of each product.
    ///
    /// ## Source
    /// `torch.prod`; ONNX ReduceProd.
    ReduceProd = "reduce_prod" {
        /// The axes to reduce; all of them, batch included, if the list is empty.
        axes: Vec<i64> = Vec::new(),
        /// Whether the reduced axes stay, with size 1.
        keep_dims: bool = false,
    }
}

impl Operator for ReduceProd {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        one(inputs[0].reshaped(reduction::output(inputs[0], &self.axes, "axes", self.keep_dims)?))
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Reduction
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        Cost::NONE.and(Kind::Mul, reduction::joins(io))
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        // dx = dy·y/x, but the product of the others where x is 0. PyTorch keeps the output too; the input gives it again.
        Ok(Backward { eager: Kept { outputs: true, ..Kept::INPUT }, ..Backward::keeps(Kept::INPUT) })
    }

    fn channels(&self, io: Io<'_>, _: usize) -> Channels {
        reduction::channels(io, &self.axes, self.keep_dims)
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::reduce::Product;
    use super::super::execute::prelude::*;
    use super::super::reduction::execute as reduction;
    use super::ReduceProd;

    impl Execute for ReduceProd {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            reduction::forward(call, &self.axes, &Product)
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let (x, gradient) = (call.input(0)?, reduction::gradient(call, &self.axes)?);
            let axes = reduction::axes(&self.axes, x.rank())?;
            // A factor 0 has the product of the others for its slope, and then no other has any.
            let ones = function!(|x| x.if_equal(S::of(0.0), S::of(1.0), x));
            let others = reduce(&map(&[x], x.dims(), &ones)?, &axes, &Product)?;
            let zeros = reduce(
                &map(&[x], x.dims(), &function!(|x| x.if_equal(S::of(0.0), S::of(1.0), S::of(0.0))))?,
                &axes,
                &Sum,
            )?;
            let formula = function!(|g, x, others, zeros| {
                let (zero, product) = (S::of(0.0), g * others);
                let of_zero = zeros.if_equal(S::of(1.0), product, zero);
                let of_others = zeros.if_equal(zero, product / x, zero);
                x.if_equal(zero, of_zero, of_others)
            });
            Ok(Gradients::input(map(&[&gradient, x, &others, &zeros], x.dims(), &formula)?))
        }

        fn workspace(&self, io: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            reduction::workspace(io)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn one_mul_for_each_but_the_first() {
        // 6 products of 5.
        check(ReduceProd { axes: vec![2], keep_dims: false }, &[&[2, 3, 5]])
            .outputs("2x3")
            .learned(0)
            .macs(0)
            .flops(24)
            .channels(&Channels::Same)
            .keeps(Kept { outputs: true, ..Kept::INPUT }, Kept::INPUT);
        check(ReduceProd { axes: vec![-4], keep_dims: false }, &[&[2, 3, 5]]).refused("there is no axis -4");
    }
}
