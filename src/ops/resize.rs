use std::ops::RangeInclusive;

use super::attribute::{Pair, attributes, choice};
use super::window;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use crate::diagnostic::Code;
use crate::tensor::TensorType;
use crate::units::{Overflow, product};

choice! {
    /// How the elements between the input's are found.
    ResizeMode {
        /// The nearest one is copied.
        Nearest = "nearest",
        /// Bilinear: from 2·2 neighbours.
        Linear = "linear",
        /// Bicubic: from 4·4 neighbours.
        Cubic = "cubic",
    }
}

attributes! {
    /// A map at another size.
    ///
    /// ## Formula
    /// `[n, c, h, w] → [n, c, h', w']` with the given `size`, or the input's size times a whole `scale`.
    ///
    /// ## Counted
    /// FLOPs for each output: nearest none; linear 6 mul and 3 add, for two neighbours are joined with 2 mul and 1 add
    /// in each of two rows, and the two rows likewise; cubic 20 mul and 15 add, for four neighbours are joined with 4 mul
    /// and 3 add in each of four rows, and the four rows likewise. The weights of a row or column are found once for
    /// the whole tensor and are not counted.
    ///
    /// ## Source
    /// `torch.nn.functional.interpolate`, `torch.nn.Upsample`; ONNX Resize; darknet `[upsample]`.
    Resize = "resize" {
        /// Whole factors of height and width.
        scale: Option<Pair> = None,
        /// The output's height and width.
        size: Option<Pair> = None,
        /// How elements are found.
        mode: ResizeMode = ResizeMode::Nearest,
    }
}

impl Operator for Resize {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let input = inputs[0];
        let &[batch, channels, height, width] = input.shape.axes() else {
            return Err(window::rank(input, 4, "[n, c, h, w]"));
        };
        let [height, width] = match (self.scale, self.size) {
            (Some(scale), None) => {
                let [down, right] = scale.get();
                [product(&[height, down])?, product(&[width, right])?]
            }
            (None, Some(size)) => size.get(),
            (None, None) => {
                return Err(Mismatch::new(Code::Missing, "give either `scale` or `size`").attribute("scale"));
            }
            (Some(_), Some(_)) => {
                return Err(
                    Mismatch::new(Code::OutOfRange, "give `scale` or `size`, not both").attribute("size")
                );
            }
        };
        one(input.reshaped([batch, channels, height, width]))
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Movement
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let kinds: &[_] = match self.mode {
            ResizeMode::Nearest => &[],
            ResizeMode::Linear => &[(Kind::Mul, 6), (Kind::Add, 3)],
            ResizeMode::Cubic => &[(Kind::Mul, 20), (Kind::Add, 15)],
        };
        Cost::NONE.each(io.output_elements(), kinds)
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::keeps(Kept::NOTHING))
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU64;

    use crate::ops::tests::check;

    fn twice(mode: ResizeMode) -> Resize {
        Resize { scale: Some(Pair::both(2)), size: None, mode }
    }

    #[test]
    fn by_mode() {
        // 2·3·10·14 = 840 outputs.
        check(twice(ResizeMode::Nearest), &[&[2, 3, 5, 7]])
            .outputs("2x3x10x14")
            .learned(0)
            .macs(0)
            .flops(0)
            .channels(&Channels::Same)
            .keeps(Kept::NOTHING, Kept::NOTHING);
        check(twice(ResizeMode::Linear), &[&[2, 3, 5, 7]]).flops(840 * 9);
        check(twice(ResizeMode::Cubic), &[&[2, 3, 5, 7]]).flops(840 * 35);
        let size = Some(Pair { height: NonZeroU64::MIN, width: NonZeroU64::new(9).unwrap() });
        check(Resize { scale: None, size, mode: ResizeMode::Linear }, &[&[2, 3, 5, 7]])
            .outputs("2x3x1x9")
            .flops(2 * 3 * 9 * 9);
    }

    #[test]
    fn what_does_not_fit() {
        let both = Resize { size: Some(Pair::both(4)), ..twice(ResizeMode::Nearest) };
        check(both, &[&[2, 3, 5, 7]]).refused("not both");
        check(Resize { scale: None, ..twice(ResizeMode::Nearest) }, &[&[2, 3, 5, 7]]).refused("give either");
        check(twice(ResizeMode::Nearest), &[&[2, 3, 5]]).refused("the input must have 4 axes");
        let huge = Resize { scale: Some(Pair::both(u64::MAX)), ..twice(ResizeMode::Nearest) };
        check(huge, &[&[2, 3, 5, 7]]).refused("does not fit in 64 bits");
    }
}
