use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::norm::Rows;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights,
    elementwise, norm,
};
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

attributes! {
    /// Root mean square normalization.
    ///
    /// Divides the elements from one axis to the last by their root mean square, then scales each place by itself.
    ///
    /// ## Formula
    /// `y = γ·x/√(mean(x²) + ε)`, the mean over the axes from `axes_from` on. Parameters: γ of those axes' shape.
    ///
    /// ## Counted
    /// FLOPs for each row of n normalized elements: n mul (squares), n − 1 add and 1 div (mean), 1 add (ε), 1 sqrt and
    /// n div, that is 3n + 2; then n mul where γ is learned.
    ///
    /// ## Source
    /// Zhang and Sennrich 2019, arXiv 1910.07467; `torch.nn.RMSNorm` (`normalized_shape`); ONNX RMSNormalization
    /// (`axis`).
    RmsNorm = "rms_norm" {
        /// The first of the normalized axes, which run to the last.
        axes_from: i64 = -1,
        /// ε, added to the mean of the squares.
        epsilon: f64 = 1e-5,
        /// Whether γ is learned.
        affine: bool = true,
    }
}

impl RmsNorm {
    fn rows(&self, input: &TensorType) -> Result<Rows, Overflow> {
        // The axis was checked when the output was inferred.
        Rows::from_axis(input, self.axes_from).map_err(|_| Overflow)
    }
}

impl Operator for RmsNorm {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        norm::tail(inputs[0], self.axes_from)?;
        elementwise::same(inputs)
    }

    fn weights(&self, inputs: &[&TensorType]) -> Weights {
        // The axis was checked when the output was inferred.
        norm::tail(inputs[0], self.axes_from)
            .map_or_else(|_| Weights::new(), |axes| norm::affine(self.affine, false, axes))
    }

    fn family(&self) -> Family {
        Family::Normalization
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let rows = self.rows(io.inputs[0])?;
        let per_row = [(Kind::Div, 1), (Kind::Add, 1), (Kind::Sqrt, 1)];
        let cost = rows.cost(&per_row, &[(Kind::Add, 1)], &[(Kind::Mul, 1), (Kind::Div, 1)])?;
        norm::and_affine(cost, self.affine, false, io.output_elements())
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, io: Io<'_>) -> Result<Backward, Overflow> {
        let input = io.inputs[0];
        let own = self.rows(input)?.keeps(1, input.dtype)?;
        let inverse = own.eager.bytes;
        // PyTorch 2.8 builds it of single ops: they save the input (in single precision at least), the inverse of each
        // row and, for γ's gradient, the normalized tensor. Later releases have one kernel that saves what `minimal`
        // does.
        let copy = product(&[input.elements().get(), norm::statistic_bytes(input.dtype)])?;
        let kept = if input.dtype.bits() < 32 { Kept::NOTHING.and_bytes(copy) } else { Kept::INPUT };
        let normalized = if self.affine { copy } else { 0 };
        let eager = kept.and_bytes(inverse).and_bytes(normalized);
        Ok(Backward { eager, ..own })
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        // Every channel weighs on the statistics, but provenance takes a norm as passing each channel through.
        Channels::Same
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::standardize::Standardize;
    use super::super::execute::prelude::*;
    use super::super::norm::execute as norm;
    use super::RmsNorm;
    use crate::tensor::TensorType;

    impl Execute for RmsNorm {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            norm::rows_forward(self.how(call.io.inputs[0])?, call, [self.affine, false])
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            norm::rows_gradients(self.how(call.io.inputs[0])?, call)
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            norm::workspace(self.rows(io.inputs[0])?, io.inputs[0], pass)
        }
    }

    impl RmsNorm {
        fn how(&self, input: &TensorType) -> Result<Standardize, Fault> {
            let length = size(self.rows(input)?.length)?;
            Ok(Standardize { length, centered: false, epsilon: self.epsilon })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::{check, check_types};
    use crate::tensor::DType;

    #[test]
    fn the_norm_of_llama() {
        let norm = RmsNorm { axes_from: -1, epsilon: 1e-6, affine: true };
        // 16 rows of 4,096: 3·4,096 + 2 and 4,096 more for γ, 16,386 each; a float a row is kept, and 4·65,536 bytes of
        // the normalized tensor.
        check(norm.clone(), &[&[1, 16, 4096]])
            .outputs("1x16x4096")
            .learned(4096)
            .macs(0)
            .flops(262_176)
            .eager(Kept::INPUT.and_bytes(64 + 262_144))
            .minimal(Kept::INPUT.and_bytes(64));
        check(RmsNorm { affine: false, ..norm.clone() }, &[&[1, 16, 4096]])
            .learned(0)
            .flops(196_640)
            .eager(Kept::INPUT.and_bytes(64));
        // In half precision the input's copy in single precision is what is saved: twice 4·6 bytes and 2 floats.
        let half = [TensorType::new([2, 3], DType::F16)];
        check_types(norm.clone(), &half).eager(Kept::NOTHING.and_bytes(2 * 24 + 8));
        check(norm, &[&[]]).refused("there is no axis -1");
    }
}
