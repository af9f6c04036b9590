//! How a window slides over a map.

use crate::ops::Io;
use crate::ops::attribute::Padding;
use crate::ops::execute::size;
use crate::ops::window::Window;
use crate::units::Overflow;

/// How a window slides over a map, all sizes resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slide {
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Steps.
    pub stride: [usize; 2],
    /// Distance between taps.
    pub dilation: [usize; 2],
    /// Elements before the map: above, left.
    pub before: [usize; 2],
    /// Height and width of the map.
    pub input: [usize; 2],
    /// Height and width of the output.
    pub output: [usize; 2],
}

impl Slide {
    /// The window over the last two axes of the first input.
    ///
    /// # Errors
    /// Where a size does not fit in the CPU's numbers.
    pub(in crate::ops) fn new(io: Io<'_>, windows: [Window; 2], padding: Padding) -> Result<Self, Overflow> {
        let pair = |of: &[u64]| Ok([size(of[0])?, size(of[1])?]);
        let (input, output) = (io.inputs[0].spatial(), io.outputs[0].spatial());
        let before = match padding {
            Padding::Explicit { top, left, .. } => [top, left],
            Padding::Same => [windows[0].same(input[0])?.0, windows[1].same(input[1])?.0],
        };
        Ok(Self {
            kernel: pair(&windows.map(|window| window.kernel))?,
            stride: pair(&windows.map(|window| window.stride))?,
            dilation: pair(&windows.map(|window| window.dilation))?,
            before: pair(&before)?,
            input: pair(input)?,
            output: pair(output)?,
        })
    }

    /// Elements of one map of the input.
    pub fn inputs(&self) -> usize {
        self.input[0] * self.input[1]
    }

    /// Elements of one map of the output.
    pub fn outputs(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Taps of the kernel.
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// How far the last tap of an axis lies behind the first.
    pub fn reach(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1) * self.dilation[axis]
    }

    /// Whether every tap of every output lies on the map, with steps of one.
    pub fn stays_on_map(&self) -> bool {
        let fits = |axis: usize| {
            self.output[axis].checked_add(self.reach(axis)).is_some_and(|end| end <= self.input[axis])
        };
        self.stride == [1, 1] && self.before == [0, 0] && fits(0) && fits(1)
    }

    /// The window whose convolution with the flipped kernel is this one's gradient: `None` if this one has steps, or
    /// pads more than the kernel reaches.
    pub fn transposed(&self) -> Option<Self> {
        if self.stride != [1, 1] {
            return None;
        }
        let before = |axis: usize| self.reach(axis).checked_sub(self.before[axis]);
        Some(Self { before: [before(0)?, before(1)?], input: self.output, output: self.input, ..*self })
    }
}
