//! Windows that slide over a map: what convolutions and pools share.

use super::attribute::{Padding, Pair};
use super::{Io, Mismatch, Outputs, one};
use crate::diagnostic::Code;
use crate::tensor::TensorType;
use crate::units::{Overflow, product, sum};

/// One axis of a sliding window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) kernel: u64,
    pub(super) stride: u64,
    pub(super) dilation: u64,
}

impl Window {
    /// The input elements that a window spans: `dilation·(kernel − 1) + 1`.
    pub(super) fn span(&self) -> Result<u64, Overflow> {
        (self.kernel - 1).checked_mul(self.dilation).and_then(|reach| reach.checked_add(1)).ok_or(Overflow)
    }

    /// Padding before and after that makes the output `ceil(input / stride)`; an odd one goes after (TensorFlow).
    pub(super) fn same(&self, input: u64) -> Result<(u64, u64), Overflow> {
        let reach = input.div_ceil(self.stride).saturating_sub(1).checked_mul(self.stride).ok_or(Overflow)?;
        let total = reach.checked_add(self.span()?).ok_or(Overflow)?.saturating_sub(input);
        Ok((total / 2, total - total / 2))
    }

    /// The output's size, `None` where the window does not fit once: `⌊(input + padding − span) / stride⌋ + 1`.
    ///
    /// With `ceil` the division rounds up, but a window that would start in the padding after is dropped (PyTorch).
    pub(super) fn output(
        &self,
        input: u64,
        padding: (u64, u64),
        ceil: bool,
    ) -> Result<Option<u64>, Overflow> {
        let begin = input.checked_add(padding.0).ok_or(Overflow)?;
        let padded = begin.checked_add(padding.1).ok_or(Overflow)?;
        let Some(room) = padded.checked_sub(self.span()?) else { return Ok(None) };
        if !ceil {
            return Ok(Some(room / self.stride + 1));
        }
        let steps = room.div_ceil(self.stride);
        let starts_inside = steps.checked_mul(self.stride).ok_or(Overflow)? < begin;
        Ok(Some(if starts_inside { steps + 1 } else { steps }))
    }
}

/// The output's height and width for a window over the last two axes of `[n, c, h, w]`.
pub(super) fn output_2d(
    input: &TensorType,
    windows: [Window; 2],
    padding: Padding,
    ceil: bool,
) -> Result<[u64; 2], Box<Mismatch>> {
    let &[height, width] = input.spatial() else {
        return Err(rank(input, 4, "[n, c, h, w]"));
    };
    let sizes = [height, width];
    let paddings = match padding {
        Padding::Same => [windows[0].same(height)?, windows[1].same(width)?],
        Padding::Explicit { top, left, bottom, right } => [(top, bottom), (left, right)],
    };
    let mut output = [0; 2];
    for (axis, name) in ["height", "width"].into_iter().enumerate() {
        let window = windows[axis];
        output[axis] = window
            .output(sizes[axis], paddings[axis], ceil)?
            .ok_or_else(|| vanishes(input, name, sizes[axis], paddings[axis], window))?;
    }
    Ok(output)
}

/// The error for a window that does not fit.
pub(super) fn vanishes(
    input: &TensorType,
    axis: &str,
    size: u64,
    padding: (u64, u64),
    window: Window,
) -> Box<Mismatch> {
    let span = window.span().unwrap_or(u64::MAX);
    let padded = size.saturating_add(padding.0).saturating_add(padding.1);
    Mismatch::new(
        Code::VanishingSize,
        format!("the window spans {span} but the {axis} is {padded} with its padding: nothing would be left"),
    )
    .input(0, format!("this is {}", input.shape))
    .attribute("kernel")
    .help("shrink `kernel`, add `padding`, or enlarge the input")
}

/// The error for an input of another rank.
pub(super) fn rank(input: &TensorType, rank: usize, layout: &str) -> Box<Mismatch> {
    Mismatch::new(
        Code::ShapeMismatch,
        format!("the input must have {rank} axes, {layout}, but has {}", input.shape.rank()),
    )
    .input(0, format!("this is {}", input.shape))
}

/// The output of a pool over `[n, c, h, w]` whose maps are of the given size.
pub(super) fn adaptive_output(input: &TensorType, size: Pair) -> Result<Outputs, Box<Mismatch>> {
    let &[batch, channels, ..] = input.shape.axes() else { return Err(rank(input, 4, "[n, c, h, w]")) };
    let &[height, width] = input.spatial() else { return Err(rank(input, 4, "[n, c, h, w]")) };
    if height == 0 || width == 0 {
        return Err(Mismatch::new(Code::VanishingSize, "the map has no elements")
            .input(0, format!("this is {}", input.shape)));
    }
    let [height, width] = size.get();
    one(input.reshaped([batch, channels, height, width]))
}

/// Input elements that the windows of an adaptive pool visit along one axis.
///
/// Window i runs from `⌊i·in/out⌋` to `⌈(i+1)·in/out⌉`. Neighbours share an element where the border between them
/// falls inside it, which is at all `out − 1` inner borders but the `gcd(in, out) − 1` whole ones.
fn adaptive_sum(input: u64, output: u64) -> Result<u64, Overflow> {
    let (mut common, mut rest) = (input, output);
    while rest != 0 {
        (common, rest) = (rest, common % rest);
    }
    sum([input, output - common.min(output)])
}

/// Input elements that all windows of an adaptive pool visit.
pub(super) fn adaptive_elements(io: Io<'_>) -> Result<u64, Overflow> {
    let (input, output) = (io.inputs[0], &io.outputs[0]);
    let mut factors = input.shape.axes().to_vec();
    for (axis, &size) in output.spatial().iter().enumerate() {
        factors[axis + 2] = adaptive_sum(factors[axis + 2], size)?;
    }
    product(&factors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adaptive_windows_are_counted_exactly() {
        for input in 1..=24u64 {
            for output in 1..=24u64 {
                let windows = (0..output).map(|i| ((i + 1) * input).div_ceil(output) - i * input / output);
                assert_eq!(adaptive_sum(input, output), Ok(windows.sum()), "{input} to {output}");
            }
        }
    }

    fn window(kernel: u64, stride: u64, dilation: u64) -> Window {
        Window { kernel, stride, dilation }
    }

    #[test]
    fn sizes() {
        // (kernel, stride, dilation), input, padding, ceil -> output, worked by hand.
        for (w, input, padding, ceil, output) in [
            (window(7, 2, 1), 224, (3, 3), false, Some(112)),
            (window(3, 2, 1), 112, (1, 1), false, Some(56)),
            (window(3, 1, 2), 56, (2, 2), false, Some(56)),
            (window(3, 2, 1), 56, (0, 0), true, Some(28)),
            // 8 = 3 + 2·2 + 1: one step is left over, and its window starts inside the input.
            (window(3, 2, 1), 8, (0, 0), true, Some(4)),
            // The window after the last would start at 4 of 4: dropped.
            (window(1, 4, 1), 4, (0, 1), true, Some(1)),
            (window(5, 1, 1), 4, (0, 0), false, None),
        ] {
            assert_eq!(w.output(input, padding, ceil), Ok(output), "{w:?} over {input}");
        }
    }

    #[test]
    fn same_padding_keeps_the_ceiling() {
        assert_eq!(window(3, 2, 1).same(224), Ok((0, 1)));
        assert_eq!(window(3, 1, 1).same(7), Ok((1, 1)));
        assert_eq!(window(1, 2, 1).same(8), Ok((0, 0)));
        assert_eq!(window(3, 2, 1).output(224, (0, 1), false), Ok(Some(112)));
    }
}
