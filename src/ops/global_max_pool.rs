use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::window;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use crate::tensor::{TensorShape, TensorType};
use crate::units::{Overflow, product};

attributes! {
    /// The largest element of each channel's map.
    ///
    /// ## Formula
    /// `[n, c, h, w] → [n, c, 1, 1]`
    ///
    /// ## Counted
    /// FLOPs: `h·w − 1` max for each output.
    ///
    /// ## Source
    /// `torch.nn.AdaptiveMaxPool2d(1)`; ONNX GlobalMaxPool.
    GlobalMaxPool = "global_max_pool" {}
}

impl Operator for GlobalMaxPool {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let input = inputs[0];
        let &[batch, channels, _, ..] = input.shape.axes() else {
            return Err(window::rank(input, 4, "[n, c, h, w]"));
        };
        let axes = [batch, channels].into_iter().chain(input.spatial().iter().map(|_| 1));
        one(input.reshaped(TensorShape::new(axes)))
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::GlobalPooling
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let inputs = io.input_elements();
        Cost { window: inputs, ..Cost::NONE }.and(Kind::Max, inputs.saturating_sub(io.output_elements()))
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, io: Io<'_>) -> Result<Backward, Overflow> {
        // PyTorch keeps the input and the winners' indices (i64); the input alone finds the winners again.
        let indices = product(&[io.output_elements(), 8])?;
        Ok(Backward { eager: Kept::INPUT.and_bytes(indices), ..Backward::keeps(Kept::INPUT) })
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Same
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::reduce::fold;
    use super::super::execute::kernel::row_functions::{Along, RowFunction, rows, workspace};
    use super::super::execute::prelude::*;
    use super::GlobalMaxPool;

    /// The gradient of a map goes to its largest element, the first of equal ones.
    struct Winner;

    impl RowFunction for Winner {
        #[inline(always)]
        fn row<S: Scalar>(&self, row: &mut [S], others: &[&[S]]) -> [S; 2] {
            let (gradient, most, zero) = (others[0][0], fold(row, &Max), S::of(0.0));
            // What is left for those that follow: nothing after the first winner.
            let mut left = gradient;
            for x in row {
                let own = *x;
                *x = own.if_equal(most, left, zero);
                left = own.if_equal(most, zero, left);
            }
            [zero; 2]
        }
    }

    impl Execute for GlobalMaxPool {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let axes: Vec<usize> = (2..call.inputs[0].rank()).collect();
            Ok(reduce(&call.inputs[0], &axes, &Max)?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let (x, gradient) = (call.input(0)?, call.gradient()?);
            if x.device().is_cpu() {
                let length = x.dims()[2..].iter().product();
                return Ok(Gradients::input(rows(x, length, &[Along::Numbers(gradient)], &Winner)?.rows));
            }
            let flat = x.flatten_from(2)?;
            let place = flat.argmax_keepdim(2)?;
            let whole = flat.zeros_like()?.scatter_add(&place, &gradient.reshape(place.shape())?, 2)?;
            Ok(Gradients::input(whole.reshape(x.shape())?))
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            let input = io.inputs[0];
            match pass {
                Pass::Forward => Ok(0),
                Pass::Backward => {
                    workspace(2, io.output_elements(), product(input.spatial())?, input.dtype.bits() / 8)
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
    fn one_element_a_channel() {
        // 256 channels of 49 elements: 48 max each.
        check(GlobalMaxPool {}, &[&[2, 128, 7, 7]])
            .outputs("2x128x1x1")
            .learned(0)
            .macs(0)
            .window(12_544)
            .flops(256 * 48)
            .channels(&Channels::Same)
            .keeps(Kept::INPUT.and_bytes(256 * 8), Kept::INPUT);
        check(GlobalMaxPool {}, &[&[2, 128, 7]]).outputs("2x128x1").flops(256 * 6);
        check(GlobalMaxPool {}, &[&[2, 128]]).refused("the input must have 4 axes");
    }
}
