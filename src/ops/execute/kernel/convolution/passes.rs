//! The three passes of a convolution on the CPU, for all images and groups.

use pulp::{Simd, WithSimd};

use super::correlate::{Rows, correlate};
use super::planes::{Planes, SLACK};
use super::product::{First, Room, Windows, is_few, multiply};
use super::slide::Slide;
use super::vector::{MOST_LANES, Real};

/// The images of a batch, each without gaps.
#[derive(Clone, Copy)]
pub(super) struct Images<'a, T> {
    /// From the first one on.
    pub(super) data: &'a [T],
    /// Elements from one to the next.
    pub(super) step: usize,
    /// How many.
    pub(super) count: usize,
    /// Channels of each.
    pub(super) channels: usize,
}

impl<'a, T> Images<'a, T> {
    /// The maps of a group of channels in an image, each of `map` elements.
    fn group(&self, image: usize, group: usize, groups: usize, map: usize) -> &'a [T] {
        let length = self.channels / groups * map;
        &self.data[image * self.step + group * length..][..length]
    }
}

/// What one pass works on.
pub(super) struct Pass<'a, T> {
    /// The window.
    pub(super) slide: &'a Slide,
    /// Groups of channels.
    pub(super) groups: usize,
    /// The result, all zero.
    pub(super) to: &'a mut [T],
}

/// Where each row of the windows begins, of so many channels.
fn offsets(planes: &Planes, channels: usize) -> Vec<usize> {
    let starts = (0..channels).map(|channel| channel * planes.channel);
    starts.flat_map(|start| planes.taps.iter().map(move |&tap| start + tap)).collect()
}

/// `to = kernel ⋆ x + bias`.
pub(super) struct Forward<'a, T> {
    /// The input.
    pub(super) x: Images<'a, T>,
    /// `[out, c/g, kh, kw]`.
    pub(super) kernel: &'a [T],
    /// One number for each output channel.
    pub(super) bias: Option<&'a [T]>,
    /// The rest.
    pub(super) pass: Pass<'a, T>,
}

impl<T: Real> WithSimd for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, kernel, bias, pass: Pass { slide, groups, to } } = self;
        let planes = Planes::new(slide);
        let offsets = offsets(&planes, x.channels / groups);
        let rows = kernel.len() / groups / offsets.len();
        // What is read in place needs room behind it.
        let is_map = planes.is_map && !is_few(rows);
        let mut laid_out = if is_map { Vec::new() } else { planes.room(x.channels / groups) };
        let mut room = Room::new(offsets.len(), slide.outputs(), rows);
        for (place, to) in to.chunks_exact_mut(rows * slide.outputs()).enumerate() {
            let (image, group) = (place / groups, place % groups);
            let mut data = x.group(image, group, groups, slide.inputs());
            if !is_map {
                planes.lay_out(data, &mut laid_out);
                data = &laid_out;
            }
            let windows = Windows { data, offsets: &offsets, output: slide.output, pitch: planes.pitch };
            let own = &kernel[group * rows * offsets.len()..][..rows * offsets.len()];
            let first = bias.map_or(First::Nothing, |bias| First::Rows(&bias[group * rows..][..rows]));
            multiply(simd, own, windows, first, to, &mut room);
        }
    }
}

/// The gradient of the input by the transposed product: what a window read gets back what it gave.
pub(super) struct GradInput<'a, T> {
    /// The gradient of the output.
    pub(super) gradient: Images<'a, T>,
    /// The kernel as `[c, kh, kw, out/g]`.
    pub(super) kernel: &'a [T],
    /// The rest.
    pub(super) pass: Pass<'a, T>,
}

/// Rows of the transposed product that are made together.
const TOGETHER: usize = 64;

/// Channels whose gradients are made together.
pub(super) fn together(taps: usize, channels: usize) -> usize {
    (TOGETHER / taps).clamp(1, channels.max(1))
}

impl<T: Real> WithSimd for GradInput<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { gradient, kernel, pass: Pass { slide, groups, to } } = self;
        let planes = Planes::new(slide);
        let (taps, outputs, width) = (slide.taps(), slide.outputs(), slide.output[1]);
        let depth = gradient.channels / groups;
        let own = taps * depth;
        let channels = kernel.len() / own / groups;
        let block = together(taps, channels);
        let starts: Vec<usize> = (0..depth).map(|channel| channel * outputs).collect();
        let few = is_few(block * taps);
        let mut read = vec![T::ZERO; if few { depth * outputs + SLACK } else { 0 }];
        let mut columns = vec![T::ZERO; block * taps * outputs];
        let mut channel: Vec<T> = planes.room(1);
        let mut room = Room::new(depth, outputs, block * taps);
        let maps = to.chunks_exact_mut(channels * slide.inputs());
        for (place, to) in maps.enumerate() {
            let (image, group) = (place / groups, place % groups);
            let mut data = gradient.group(image, group, groups, outputs);
            if few {
                read[..data.len()].copy_from_slice(data);
                data = &read;
            }
            let windows = Windows { data, offsets: &starts, output: slide.output, pitch: width };
            let kernel = &kernel[group * channels * own..][..channels * own];
            let maps = to.chunks_mut(block * slide.inputs());
            for (kernel, maps) in kernel.chunks(block * own).zip(maps) {
                let columns = &mut columns[..kernel.len() / depth * outputs];
                multiply(simd, kernel, windows, First::Nothing, columns, &mut room);
                for (columns, map) in
                    columns.chunks_exact(taps * outputs).zip(maps.chunks_exact_mut(slide.inputs()))
                {
                    channel.fill(T::ZERO);
                    for (&tap, column) in planes.taps.iter().zip(columns.chunks_exact(outputs)) {
                        for (y, row) in column.chunks_exact(width).enumerate() {
                            let to = &mut channel[tap + y * planes.pitch..][..width];
                            to.iter_mut().zip(row).for_each(|(to, &from)| *to += from);
                        }
                    }
                    planes.take_back(&channel, map);
                }
            }
        }
    }
}

/// The gradient of the kernel.
pub(super) struct GradKernel<'a, T> {
    /// The input.
    pub(super) x: Images<'a, T>,
    /// The gradient of the output.
    pub(super) gradient: Images<'a, T>,
    /// The rest.
    pub(super) pass: Pass<'a, T>,
}

/// Whether so many channels fill the vectors of a product in which they lie beside each other.
pub(super) const fn is_wide(channels: usize) -> bool {
    channels >= MOST_LANES
}

impl<T: Real> WithSimd for GradKernel<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if is_wide(self.x.channels / self.pass.groups) { self.across(simd) } else { self.along(simd) }
    }
}

impl<T: Real> GradKernel<'_, T> {
    /// By inner products along the places.
    #[inline(always)]
    fn along<S: Simd>(self, simd: S) {
        let Self { x, gradient, pass: Pass { slide, groups, to } } = self;
        let planes = Planes::new(slide);
        let channels = x.channels / groups;
        let offsets = offsets(&planes, channels);
        let rows = gradient.channels / groups;
        let [height, width] = slide.output;
        // Gradients get the gaps that the rows of the maps have, so that both are read in one go.
        let gaps = planes.pitch != width;
        let starts: Vec<usize> = (0..rows).map(|row| row * height * planes.pitch).collect();
        let mut laid_out = if planes.is_map { Vec::new() } else { planes.room(channels) };
        let mut spread = vec![T::ZERO; if gaps { rows * height * planes.pitch } else { 0 }];
        let length = (height - 1) * planes.pitch + width;
        for image in 0..x.count {
            for (group, to) in to.chunks_exact_mut(rows * offsets.len()).enumerate() {
                let mut maps = x.group(image, group, groups, slide.inputs());
                if !planes.is_map {
                    planes.lay_out(maps, &mut laid_out);
                    maps = &laid_out;
                }
                let mut own = gradient.group(image, group, groups, slide.outputs());
                if gaps {
                    let lines = spread.chunks_exact_mut(planes.pitch).zip(own.chunks_exact(width));
                    lines.for_each(|(to, from)| to[..width].copy_from_slice(from));
                    own = &spread;
                }
                let windows = Rows { data: maps, starts: &offsets };
                correlate(simd, Rows { data: own, starts: &starts }, windows, length, to);
            }
        }
    }

    /// By a product with the maps turned, so that channels lie beside each other: for each tap `[out, c/g]`.
    #[inline(always)]
    fn across<S: Simd>(self, simd: S) {
        let Self { x, gradient, pass: Pass { slide, groups, to } } = self;
        let planes = Planes::new(slide);
        let channels = x.channels / groups;
        let (rows, taps) = (gradient.channels / groups, slide.taps());
        let [height, width] = slide.output;
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
        let places: Vec<usize> = places.map(|(y, x)| (y * planes.pitch + x) * channels).collect();
        let mut turned: Vec<T> = planes.room(channels);
        let mut of_taps = vec![T::ZERO; rows * taps * channels];
        let mut room = Room::new(places.len(), channels, rows);
        for (group, to) in to.chunks_exact_mut(rows * taps * channels).enumerate() {
            for image in 0..x.count {
                let first = if image == 0 { First::Nothing } else { First::There };
                planes.lay_out_across(x.group(image, group, groups, slide.inputs()), channels, &mut turned);
                let own = gradient.group(image, group, groups, slide.outputs());
                for (&tap, to) in planes.taps.iter().zip(of_taps.chunks_exact_mut(rows * channels)) {
                    let data = &turned[tap * channels..];
                    let windows = Windows { data, offsets: &places, output: [1, channels], pitch: channels };
                    multiply(simd, own, windows, first, to, &mut room);
                }
            }
            // [taps, out, c/g] to [out, c/g, taps].
            for (row, to) in to.chunks_exact_mut(channels * taps).enumerate() {
                for (tap, of_tap) in of_taps.chunks_exact(rows * channels).enumerate() {
                    let from = &of_tap[row * channels..][..channels];
                    to[tap..].iter_mut().step_by(taps).zip(from).for_each(|(to, &from)| *to = from);
                }
            }
        }
    }
}
