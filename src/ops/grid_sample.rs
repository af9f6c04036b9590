use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use super::{ResizeMode, window};
use crate::diagnostic::Code;
use crate::tensor::TensorType;
use crate::units::Overflow;

attributes! {
    /// A map read at places that a second tensor tells.
    ///
    /// ## Formula
    /// `[n, c, h, w]` and a grid `[n, h', w', 2]` of places give `[n, c, h', w']`.
    ///
    /// ## Counted
    /// FLOPs for each place: 2 add and 2 mul to find it in the map; nearest 2 round; linear 2 round, 4 sub and 4 mul
    /// for the weights of its neighbours. For each output: linear 4 mul and 3 add; cubic 20 mul and 15 add, as `resize`,
    /// the weights apart.
    ///
    /// ## Source
    /// `torch.nn.functional.grid_sample`; ONNX GridSample.
    GridSample = "grid_sample" {
        /// How elements between the map's are found.
        mode: ResizeMode = ResizeMode::Linear,
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
            [images, height, width, 2] if images == batch => one(input.reshaped([batch, channels, height, width])),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn samples() {
        // 3·5 places of 6 + 8, and 2·15 outputs of 7.
        let op = GridSample { mode: ResizeMode::Linear };
        check(op.clone(), &[&[1, 2, 8, 8], &[1, 3, 5, 2]]).outputs("1x2x3x5").flops(15 * 14 + 30 * 7).macs(0);
        check(GridSample { mode: ResizeMode::Nearest }, &[&[1, 2, 8, 8], &[1, 3, 5, 2]]).flops(15 * 6);
        check(op, &[&[1, 2, 8, 8], &[1, 3, 5, 3]]).refused("the grid must be [1, h, w, 2]");
    }
}
