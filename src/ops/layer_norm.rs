use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::norm::Rows;
use super::{
    Backward, Channels, Cost, Family, Io, Mismatch, Operator, Outputs, Storage, Weights, elementwise, norm,
};
use crate::tensor::TensorType;
use crate::units::Overflow;

attributes! {
    /// Layer normalization.
    ///
    /// Gives the elements from one axis to the last the mean 0 and the variance 1, then scales and shifts each place
    /// by itself.
    ///
    /// ## Formula
    /// `y = γ·(x − μ)/√(σ² + ε) + β`, μ and σ² over the axes from `axes_from` on. Parameters: γ and β of those axes'
    /// shape.
    ///
    /// ## Counted
    /// FLOPs for each row of n normalized elements: n − 1 add and 1 div (mean), n sub (deviations), n mul, n − 1 add
    /// and 1 div (variance), 1 add (ε), 1 sqrt and n div, that is 5n + 2; then n mul where γ is learned and n add
    /// where β is.
    ///
    /// ## Source
    /// Ba, Kiros and Hinton 2016, arXiv 1607.06450; `torch.nn.LayerNorm` (`normalized_shape`); ONNX LayerNormalization
    /// (`axis`).
    LayerNorm = "layer_norm" {
        /// The first of the normalized axes, which run to the last.
        axes_from: i64 = -1,
        /// ε, added to the variance.
        epsilon: f64 = 1e-5,
        /// Whether γ is learned, and β where `bias` is true.
        affine: bool = true,
        /// Whether β is learned, if γ is.
        bias: bool = true,
    }
}

impl LayerNorm {
    fn rows(&self, input: &TensorType) -> Result<Rows, Overflow> {
        // The axis was checked when the output was inferred.
        Rows::from_axis(input, self.axes_from).map_err(|_| Overflow)
    }
}

impl Operator for LayerNorm {
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
            .map_or_else(|_| Weights::new(), |axes| norm::affine(self.affine, self.affine && self.bias, axes))
    }

    fn family(&self) -> Family {
        Family::Normalization
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let cost = self.rows(io.inputs[0])?.standardize()?;
        norm::and_affine(cost, self.affine, self.affine && self.bias, io.output_elements())
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, io: Io<'_>) -> Result<Backward, Overflow> {
        // The input, and the mean and inverse deviation of each row.
        self.rows(io.inputs[0])?.keeps(2, io.inputs[0].dtype)
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
    use super::LayerNorm;
    use crate::tensor::TensorType;

    impl Execute for LayerNorm {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            norm::rows_forward(self.how(call.io.inputs[0])?, call, [self.affine, self.affine && self.bias])
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            norm::rows_gradients(self.how(call.io.inputs[0])?, call)
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            norm::workspace(self.rows(io.inputs[0])?, io.inputs[0], pass)
        }
    }

    impl LayerNorm {
        fn how(&self, input: &TensorType) -> Result<Standardize, Fault> {
            let length = size(self.rows(input)?.length)?;
            Ok(Standardize { length, centered: true, epsilon: self.epsilon })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Kept;
    use crate::ops::tests::check;

    const NORM: LayerNorm = LayerNorm { axes_from: -1, epsilon: 1e-5, affine: true, bias: true };

    #[test]
    fn the_norm_of_a_transformer() {
        // 2·197 rows of 768: 5·768 + 2 and 2·768 more for γ and β, 5,378 each; 2 floats a row are kept.
        check(NORM, &[&[2, 197, 768]])
            .outputs("2x197x768")
            .learned(1536)
            .macs(0)
            .flops(2_118_932)
            .eager(Kept::INPUT.and_bytes(3152))
            .minimal(Kept::INPUT.and_bytes(3152));
    }

    #[test]
    fn axes_and_parameters() {
        // 2 rows of 3·4·5 = 60: 302 each, and 60 for γ.
        check(LayerNorm { axes_from: 1, bias: false, ..NORM }, &[&[2, 3, 4, 5]]).learned(60).flops(2 * 362);
        check(LayerNorm { axes_from: 1, affine: false, ..NORM }, &[&[2, 3, 4, 5]]).learned(0).flops(2 * 302);
        // A row of one: no sums.
        check(LayerNorm { affine: false, ..NORM }, &[&[4, 1]]).flops(4 * 7);
        check(LayerNorm { axes_from: 4, ..NORM }, &[&[2, 3, 4, 5]]).refused("there is no axis 4");
    }
}
