use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::norm::Rows;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights,
    elementwise,
};
use crate::tensor::TensorType;
use crate::units::Overflow;

attributes! {
    /// Positive weights that sum to 1 along one axis.
    ///
    /// ## Formula
    /// `y = e^(x − m) / Σ e^(x − m)` with m the largest x of the row.
    ///
    /// ## Counted
    /// FLOPs for each row of n elements: n − 1 max, n sub, n exp, n − 1 add and n div, that is 5n − 2.
    ///
    /// ## Source
    /// Bridle 1990; `torch.nn.Softmax` (`dim`); ONNX Softmax; darknet `[softmax]`.
    Softmax = "softmax" {
        /// The axis of a row.
        axis: i64 = -1,
    }
}

impl Operator for Softmax {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        Rows::along(inputs[0], self.axis)?;
        elementwise::same(inputs)
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Activation
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        // The axis was checked when the output was inferred.
        let rows = Rows::along(io.inputs[0], self.axis).map_err(|_| Overflow)?;
        rows.cost(&[], &[(Kind::Max, 1), (Kind::Add, 1)], &[(Kind::Sub, 1), (Kind::Exp, 1), (Kind::Div, 1)])
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::keeps(Kept::OUTPUT))
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        // Every channel weighs on the others, but only through a common factor: provenance treats it as it treats
        // norms.
        Channels::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn counts_by_row() {
        // 2·3 rows of 5: 4 + 5 + 5 + 4 + 5 = 23 each.
        check(Softmax { axis: -1 }, &[&[2, 3, 5]])
            .outputs("2x3x5")
            .learned(0)
            .macs(0)
            .flops(138)
            .eager(Kept::OUTPUT)
            .minimal(Kept::OUTPUT);
        // 2·5 rows of 3: 2 + 3 + 3 + 2 + 3 = 13 each.
        check(Softmax { axis: 1 }, &[&[2, 3, 5]]).flops(130);
        check(Softmax { axis: 3 }, &[&[2, 3, 5]]).refused("there is no axis 3");
        check(Softmax { axis: -1 }, &[&[2, 0]]).flops(0);
    }
}
