//! How a window slides over a map.

use crate::ops::Io;
use crate::ops::attribute::Padding;
use crate::ops::execute::size;
use crate::ops::window::Window;
use crate::units::{Overflow, sum};

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

/// Padding before and after, by axis.
fn around(io: Io<'_>, windows: [Window; 2], padding: Padding) -> Result<[(u64, u64); 2], Overflow> {
    let input = io.inputs[0].spatial();
    Ok(match padding {
        Padding::Explicit { top, left, bottom, right } => [(top, bottom), (left, right)],
        Padding::Same => [windows[0].same(input[0])?, windows[1].same(input[1])?],
    })
}

/// Windows along an axis, found by sliding: `infer` has a formula, and the one checks the other.
pub(in crate::ops) fn places(
    window: Window,
    input: u64,
    (before, after): (u64, u64),
    ceil: bool,
) -> Result<u64, Overflow> {
    let (span, end) = (window.span()?, sum([input, before, after])?);
    let (mut places, mut start) = (0, 0);
    // One that does not fit is one more only where those before leave something.
    while start + span <= end || (ceil && places > 0 && start + span < end + window.stride) {
        places += 1;
        start += window.stride;
    }
    let in_the_padding = ceil && places > 0 && start - window.stride >= before + input;
    Ok(places - u64::from(in_the_padding))
}

impl Slide {
    /// The window over the last two axes of the first input, as often as it fits.
    ///
    /// # Errors
    /// Where a size does not fit in the CPU's numbers.
    pub(in crate::ops) fn new(io: Io<'_>, windows: [Window; 2], padding: Padding) -> Result<Self, Overflow> {
        Self::fitting(io, windows, padding, false)
    }

    /// The same; with `ceil` a last window may reach beyond the padding, but not start in it.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(in crate::ops) fn fitting(
        io: Io<'_>,
        windows: [Window; 2],
        padding: Padding,
        ceil: bool,
    ) -> Result<Self, Overflow> {
        let (input, around) = (io.inputs[0].spatial(), around(io, windows, padding)?);
        let places = |axis: usize| places(windows[axis], input[axis], around[axis], ceil);
        Self::between(input, &[places(0)?, places(1)?], windows, around.map(|(before, _)| before))
    }

    /// The window of a transposed convolution, from its output's map to its input's.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(in crate::ops) fn swapped(
        io: Io<'_>,
        windows: [Window; 2],
        padding: Padding,
    ) -> Result<Self, Overflow> {
        let before = around(io, windows, padding)?.map(|(before, _)| before);
        Self::between(io.inputs[0].spatial(), io.outputs[0].spatial(), windows, before)
    }

    fn between(
        input: &[u64],
        output: &[u64],
        windows: [Window; 2],
        before: [u64; 2],
    ) -> Result<Self, Overflow> {
        let pair = |of: &[u64]| Ok([size(of[0])?, size(of[1])?]);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sliding_finds_as_many_places_as_the_formula() {
        let mut compared = 0;
        for (kernel, stride, dilation) in
            (1..=4).flat_map(|k| (1..=4).flat_map(move |s| (1..=2).map(move |d| (k, s, d))))
        {
            let window = Window { kernel, stride, dilation };
            for (input, before, after) in
                (0..9).flat_map(|i| (0..3).flat_map(move |b| (0..3).map(move |a| (i, b, a))))
            {
                for ceil in [false, true] {
                    if let Some(formula) = window.output(input, (before, after), ceil).unwrap() {
                        let found = places(window, input, (before, after), ceil).unwrap();
                        assert_eq!(found, formula, "{window:?} over {before}+{input}+{after}, ceil {ceil}");
                        compared += 1;
                    }
                }
            }
        }
        assert!(compared > 2000, "{compared}");
    }
}
