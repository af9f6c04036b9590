//! Maps laid out so that each tap of a window reads a run of memory.
//!
//! With stride s the padded map is split into its phases: the rows (and columns) 0, s, 2s, …, then 1, s + 1, … In a phase
//! neighbours of the output read neighbours of the input, so that a tap is nothing but an offset.

use super::slide::Slide;
use super::vector::{MOST_LANES, Real};

/// One axis of a map in phases.
#[derive(Clone, Debug)]
struct Axis {
    /// Those that some tap reads.
    phases: Vec<usize>,
    /// Elements of a phase.
    size: usize,
    /// By tap: its phase's place among them, and how far into the phase it begins.
    taps: Vec<(usize, usize)>,
}

impl Axis {
    fn new(slide: &Slide, axis: usize) -> Self {
        let (stride, dilation) = (slide.stride[axis], slide.dilation[axis]);
        let mut phases = Vec::new();
        let taps = (0..slide.kernel[axis]).map(|tap| {
            let phase = tap * dilation % stride;
            let place = phases.iter().position(|&other| other == phase).unwrap_or_else(|| {
                phases.push(phase);
                phases.len() - 1
            });
            (place, tap * dilation / stride)
        });
        let taps = taps.collect();
        Self { phases, size: slide.output[axis] + slide.reach(axis) / stride, taps }
    }

    /// The run of a phase's elements that lie on the map, and the map's element that the first of them is.
    fn on_map(&self, slide: &Slide, axis: usize, phase: usize) -> (std::ops::Range<usize>, usize) {
        let (before, stride) = (slide.before[axis], slide.stride[axis]);
        let start = before.saturating_sub(phase).div_ceil(stride);
        let end = (slide.input[axis] + before).saturating_sub(phase).div_ceil(stride).min(self.size);
        if start >= end {
            return (0..0, 0);
        }
        (start..end, start * stride + phase - before)
    }
}

/// The layout of one channel.
#[derive(Clone, Debug)]
pub(super) struct Planes {
    slide: Slide,
    axes: [Axis; 2],
    /// Elements from a row to the next.
    pub(super) pitch: usize,
    /// Elements of a channel.
    pub(super) channel: usize,
    /// Where each tap begins, row by row.
    pub(super) taps: Vec<usize>,
    /// Whether a channel is the map as it is.
    pub(super) is_map: bool,
}

impl Planes {
    /// The layout for a window.
    pub(super) fn new(slide: &Slide) -> Self {
        let mut axes = [Axis::new(slide, 0), Axis::new(slide, 1)];
        let is_map = slide.stays_on_map();
        if is_map {
            axes[0].size = slide.input[0];
            axes[1].size = slide.input[1];
        }
        let pitch = axes[1].size;
        let phase = axes[0].size * pitch;
        let (rows, columns) = (&axes[0].taps, &axes[1].taps);
        let taps = rows.iter().flat_map(|&(py, y)| {
            let across = axes[1].phases.len();
            columns.iter().map(move |&(px, x)| (py * across + px) * phase + y * pitch + x)
        });
        let taps = taps.collect();
        let channel = axes[0].phases.len() * axes[1].phases.len() * phase;
        Self { slide: *slide, axes, pitch, channel, taps, is_map }
    }

    /// Room for so many channels, and for a vector that reads over the end; all zero.
    pub(super) fn room<T: Real>(&self, channels: usize) -> Vec<T> {
        vec![T::ZERO; channels * self.channel + SLACK]
    }

    /// The phases of a channel: where each begins, and its place along both axes.
    fn phases(&self) -> impl Iterator<Item = (usize, [usize; 2])> + '_ {
        let across = &self.axes[1].phases;
        let pairs = self.axes[0].phases.iter().flat_map(move |&py| across.iter().map(move |&px| [py, px]));
        pairs.enumerate().map(|(place, phase)| (place * self.axes[0].size * self.pitch, phase))
    }

    /// Lays maps out. What lies beside them stays as it was in `to`: zero.
    #[inline(always)]
    pub(super) fn lay_out<T: Real>(&self, maps: &[T], to: &mut [T]) {
        let slide = &self.slide;
        for (map, to) in
            maps.chunks_exact(slide.inputs().max(1)).zip(to.chunks_exact_mut(self.channel.max(1)))
        {
            for (start, [py, px]) in self.phases() {
                let (ys, line) = self.axes[0].on_map(slide, 0, py);
                let (xs, first) = self.axes[1].on_map(slide, 1, px);
                for (step, y) in ys.enumerate() {
                    let from = &map[(line + step * slide.stride[0]) * slide.input[1]..][..slide.input[1]];
                    let to = &mut to[start + y * self.pitch..][xs.clone()];
                    gather(&from[first..], slide.stride[1], to);
                }
            }
        }
    }

    /// Lays maps out as [`Planes::lay_out`] does, but the channels of one place beside each other.
    #[inline(always)]
    pub(super) fn lay_out_across<T: Real>(&self, maps: &[T], channels: usize, to: &mut [T]) {
        /// Maps that are read along, so that neither reads nor writes go far.
        const MAPS: usize = 16;
        let slide = &self.slide;
        for (block, maps) in maps.chunks(MAPS * slide.inputs().max(1)).enumerate() {
            for (start, [py, px]) in self.phases() {
                let (ys, line) = self.axes[0].on_map(slide, 0, py);
                let (xs, first) = self.axes[1].on_map(slide, 1, px);
                for (step, y) in ys.enumerate() {
                    let from = (line + step * slide.stride[0]) * slide.input[1] + first;
                    let to = &mut to[(start + y * self.pitch + xs.start) * channels + block * MAPS..];
                    for (x, to) in to.chunks_mut(channels).take(xs.len()).enumerate() {
                        let from = maps[from + x * slide.stride[1]..].iter().step_by(slide.inputs());
                        to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
                    }
                }
            }
        }
    }

    /// Takes the map back out of one channel: the reverse of [`Planes::lay_out`]. What no tap reads is left as it is.
    #[inline(always)]
    pub(super) fn take_back<T: Real>(&self, channel: &[T], map: &mut [T]) {
        let slide = &self.slide;
        for (start, [py, px]) in self.phases() {
            let (ys, line) = self.axes[0].on_map(slide, 0, py);
            let (xs, first) = self.axes[1].on_map(slide, 1, px);
            for (step, y) in ys.enumerate() {
                let to = &mut map[(line + step * slide.stride[0]) * slide.input[1]..][..slide.input[1]];
                let from = &channel[start + y * self.pitch..][xs.clone()];
                to[first..].iter_mut().step_by(slide.stride[1]).zip(from).for_each(|(to, &from)| *to = from);
            }
        }
    }
}

/// Elements behind the last channel that a vector may read.
pub(super) const SLACK: usize = super::tile::WIDEST * MOST_LANES;

/// Every `stride`-th element.
#[inline(always)]
fn gather<T: Real>(from: &[T], stride: usize, to: &mut [T]) {
    match (stride, to.split_last_mut()) {
        (1, _) => to.copy_from_slice(&from[..to.len()]),
        // Of a length that the compiler knows, so that it may be wide.
        (2, Some((last, to))) => {
            *last = from[2 * to.len()];
            to.iter_mut().zip(from.chunks_exact(2)).for_each(|(to, from)| *to = from[0]);
        }
        _ => to.iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, &from)| *to = from),
    }
}
