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
    /// The logarithm of a softmax.
    ///
    /// ## Formula
    /// `y = x − m − ln Σ e^(x − m)` with m the largest x of the row.
    ///
    /// ## Counted
    /// FLOPs for each row of n elements: n − 1 max, n sub, n exp, n − 1 add, 1 log and n sub, that is 5n − 1.
    ///
    /// ## Source
    /// `torch.nn.LogSoftmax` (`dim`); ONNX LogSoftmax.
    LogSoftmax = "log_softmax" {
        /// The axis of a row.
        axis: i64 = -1,
    }
}

impl Operator for LogSoftmax {
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
        rows.cost(&[(Kind::Log, 1)], &[(Kind::Max, 1), (Kind::Add, 1)], &[(Kind::Sub, 2), (Kind::Exp, 1)])
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
        // 2·3 rows of 5: 4 + 5 + 5 + 4 + 1 + 5 = 24 each.
        check(LogSoftmax { axis: -1 }, &[&[2, 3, 5]])
            .outputs("2x3x5")
            .learned(0)
            .macs(0)
            .flops(144)
            .eager(Kept::OUTPUT)
            .minimal(Kept::OUTPUT);
        check(LogSoftmax { axis: -4 }, &[&[2, 3, 5]]).refused("there is no axis -4");
    }
}
