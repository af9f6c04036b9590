//! What the passes allocate beside what they give out.

use num::Integer as _;

use super::passes::{is_wide, together};
use super::planes::SLACK;
use super::product::{is_few, room};
use super::slide::Slide;
use super::wider;
use crate::ops::Io;
use crate::ops::attribute::Padding;
use crate::ops::execute::{Pass, dtype, size};
use crate::ops::window::Window;
use crate::units::{Overflow, product, sum};

/// The most bytes of elements in memory beside what is read and given out; lists of places are not among them.
///
/// # Errors
/// When they do not fit in 64 bits.
pub(in crate::ops) fn workspace(
    io: Io<'_>,
    windows: [Window; 2],
    padding: Padding,
    groups: u64,
    pass: Pass,
) -> Result<u64, Overflow> {
    let (input, output) = (io.inputs[0], &io.outputs[0]);
    let taps = product(&windows.map(|window| window.kernel))?;
    let all = All {
        slide: Slide::new(io, windows, padding)?,
        channels: input.channels() / groups,
        out: output.channels() / groups,
        taps,
        element: input.dtype.bits().max(32) / 8,
    };
    let kernel = product(&[all.out, groups, all.channels, taps, all.element])?;
    // Half-precision numbers are widened first.
    let wide = match dtype(input.dtype).and_then(wider) {
        None => 0,
        Some(_) => {
            let elements = sum([input.elements().get(), output.elements().get(), output.channels()])?;
            sum([product(&[elements, all.element])?, kernel])?
        }
    };
    let own = match pass {
        Pass::Forward => all.product(&all.slide, all.channels, all.out)?,
        Pass::Backward => {
            let of_input = match all.slide.transposed() {
                Some(transposed) => all.product(&transposed, all.out, all.channels)?,
                None => all.transposed_product()?,
            };
            // The sum of the bias's gradients moves the batch to the end.
            let of_bias = if output.shape.axes()[0] > 1 { output.bytes().get() } else { 0 };
            sum([of_input, kernel])?.max(all.correlation()?).max(of_bias)
        }
    };
    sum([own, wide])
}

/// Places of a map of the output.
fn outputs(slide: &Slide) -> Result<usize, Overflow> {
    slide.output[0].checked_mul(slide.output[1]).ok_or(Overflow)
}

struct All {
    slide: Slide,
    /// Of a group.
    channels: u64,
    /// Outputs of a group.
    out: u64,
    taps: u64,
    /// Bytes of one that is computed with.
    element: u64,
}

impl All {
    /// Bytes of so many channels laid out.
    fn laid_out(&self, slide: &Slide, channels: u64) -> Result<u64, Overflow> {
        let mut channel = 1;
        for axis in 0..2 {
            let (stride, dilation) = (slide.stride[axis], slide.dilation[axis]);
            let phases = slide.kernel[axis].min(stride / stride.gcd(&dilation));
            let reach = slide.reach(axis) / stride;
            let length = if slide.stays_on_map() {
                slide.input[axis]
            } else {
                slide.output[axis].checked_add(reach).ok_or(Overflow)?
            };
            channel = product(&[channel, phases as u64, length as u64])?;
        }
        product(&[sum([product(&[channels, channel])?, SLACK as u64])?, self.element])
    }

    /// As [`super::passes::Forward`].
    fn product(&self, slide: &Slide, channels: u64, rows: u64) -> Result<u64, Overflow> {
        let rows = size(rows)?;
        let laid_out =
            if slide.stays_on_map() && !is_few(rows) { 0 } else { self.laid_out(slide, channels)? };
        let depth = size(product(&[channels, self.taps])?)?;
        let room = room(depth, outputs(slide)?, rows);
        sum([laid_out, product(&[room as u64, self.element])?])
    }

    /// As [`super::passes::GradInput`].
    fn transposed_product(&self) -> Result<u64, Overflow> {
        let block = together(size(self.taps)?, size(self.channels)?);
        let rows = product(&[block as u64, self.taps])?;
        let places = outputs(&self.slide)?;
        let outputs = places as u64;
        let columns = product(&[rows, outputs, self.element])?;
        let rows = size(rows)?;
        let read = if is_few(rows) {
            product(&[sum([product(&[self.out, outputs])?, SLACK as u64])?, self.element])?
        } else {
            0
        };
        let room = room(size(self.out)?, places, rows);
        let channel = self.laid_out(&self.slide, 1)?;
        sum([columns, read, product(&[room as u64, self.element])?, channel])
    }

    /// As [`super::passes::GradKernel`].
    fn correlation(&self) -> Result<u64, Overflow> {
        let slide = &self.slide;
        let (channels, outputs) = (size(self.channels)?, outputs(slide)?);
        if is_wide(channels) {
            let turned = self.laid_out(slide, self.channels)?;
            let of_taps = product(&[self.out, self.taps, self.channels, self.element])?;
            let room = room(outputs, channels, size(self.out)?);
            return sum([turned, of_taps, product(&[room as u64, self.element])?]);
        }
        let (laid_out, pitch) = if slide.stays_on_map() {
            (0, slide.input[1])
        } else {
            let reach = slide.reach(1) / slide.stride[1];
            (self.laid_out(slide, self.channels)?, slide.output[1].checked_add(reach).ok_or(Overflow)?)
        };
        let gaps = pitch != slide.output[1];
        let spread =
            product(&[u64::from(gaps), self.out, slide.output[0] as u64, pitch as u64, self.element])?;
        sum([laid_out, spread])
    }
}
