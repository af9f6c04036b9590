//! A kernel times the windows of a map, which are never laid out as a matrix.

use pulp::Simd;

use super::planes::SLACK;
use super::tile::{Corner, WIDE, alone, for_rows, product, put};
use super::vector::{Real, lanes};

/// Places of the output that are computed together: their panels stay in the second cache.
const PLACES: usize = 256;
/// Rows of the windows that go into a panel at once: a panel stays in the first cache.
const DEPTH: usize = 256;
/// Up to so many rows of the kernel, copying the windows takes longer than it saves.
const FEW: usize = 8;

/// The windows of a map as a matrix: row k, place (y, x) is `data[offsets[k] + y·pitch + x]`.
#[derive(Clone, Copy)]
pub(super) struct Windows<'a, T> {
    /// The map, laid out.
    pub(super) data: &'a [T],
    /// Where each row begins.
    pub(super) offsets: &'a [usize],
    /// Height and width of the output.
    pub(super) output: [usize; 2],
    /// Elements from one of its rows to the next.
    pub(super) pitch: usize,
}

impl<T> Windows<'_, T> {
    /// Rows that follow each other without a gap are one.
    fn joined(self) -> Self {
        let [height, width] = self.output;
        if width == self.pitch { Self { output: [1, height * width], ..self } } else { self }
    }

    fn places(&self) -> usize {
        self.output[0] * self.output[1]
    }
}

/// Neighbouring places in a panel that are neighbours on the map too.
#[derive(Clone, Copy)]
struct Run {
    /// From the beginning of a row of the windows.
    from: usize,
    panel: usize,
    lane: usize,
}

/// What the product needs beside its factors, made once for many products.
pub(super) struct Room<T> {
    /// None where the windows are read in place; behind them [`SLACK`] elements may then be read.
    panels: Option<Vec<T>>,
    runs: Vec<Run>,
}

impl<T: Real> Room<T> {
    /// For windows of so many rows and places, and a kernel of at most so many rows.
    pub(super) fn new(depth: usize, places: usize, rows: usize) -> Self {
        if is_few(rows) {
            return Self { panels: None, runs: Vec::new() };
        }
        let panels = vec![T::ZERO; room(depth, places, rows)];
        Self { panels: Some(panels), runs: Vec::with_capacity(together(places)) }
    }
}

/// Whether a kernel has so few rows that the windows are read where they are.
pub(super) const fn is_few(rows: usize) -> bool {
    rows <= FEW
}

/// Places that are computed together.
fn together(places: usize) -> usize {
    places.min(PLACES)
}

/// Elements of a [`Room`].
pub(super) fn room(depth: usize, places: usize, rows: usize) -> usize {
    if is_few(rows) { 0 } else { (depth.min(DEPTH) + 1) * (together(places) + SLACK) }
}

/// What a product begins with.
#[derive(Clone, Copy)]
pub(super) enum First<'a, T> {
    /// Zero.
    Nothing,
    /// A number for each row.
    Rows(&'a [T]),
    /// What is there.
    There,
}

impl<T: Real> First<'_, T> {
    /// What `M` rows begin with; `None` is what is there.
    #[inline(always)]
    fn rows<const M: usize>(self, row: usize) -> Option<[T; M]> {
        match self {
            Self::Nothing => Some([T::ZERO; M]),
            Self::Rows(first) => Some(std::array::from_fn(|i| first[row + i])),
            Self::There => None,
        }
    }
}

/// `c = first + a · windows`. `a` is `[rows, depth]`, `c` is `[rows, places]`.
#[inline(always)]
pub(super) fn multiply<T: Real, S: Simd>(
    simd: S,
    a: &[T],
    windows: Windows<'_, T>,
    first: First<'_, T>,
    c: &mut [T],
    room: &mut Room<T>,
) {
    match &mut room.panels {
        None => in_place(simd, a, windows, first, c),
        Some(panels) => in_panels(simd, a, windows.joined(), first, c, (panels, &mut room.runs)),
    }
}

/// The product with windows that are read where they are.
#[inline(always)]
fn in_place<T: Real, S: Simd>(simd: S, a: &[T], windows: Windows<'_, T>, first: First<'_, T>, c: &mut [T]) {
    let depth = windows.offsets.len();
    let [height, width] = windows.output;
    let pitch = windows.places();
    let lanes = lanes::<T, S>();
    for_rows!(0..a.len() / depth, |row, M| {
        let factors: [&[T]; M] = std::array::from_fn(|i| &a[(row + i) * depth..][..depth]);
        let first = first.rows::<M>(row);
        let c = &mut c[row * pitch..];
        alone(
            simd,
            #[inline(always)]
            || {
                for y in 0..height {
                    let (mut from, mut line) = (y * windows.pitch, y * width);
                    let mut left = width;
                    while left > 0 {
                        macro_rules! tile {
                            ($vectors:literal) => {{
                                let columns = left.min($vectors * lanes);
                                let data = &windows.data[from..];
                                let rows =
                                    windows.offsets.iter().map(|&offset| &data[offset..][..$vectors * lanes]);
                                let sums = product::<T, S, M, $vectors>(simd, factors, rows);
                                put(simd, &sums, &mut c[line..], &Corner { pitch, columns, first });
                                (from, line, left) = (from + columns, line + columns, left - columns);
                            }};
                        }
                        if M <= 2 && left > 3 * lanes {
                            tile!(4);
                        } else if left > lanes {
                            tile!(2);
                        } else {
                            tile!(1);
                        }
                    }
                }
            },
        );
    });
}

/// The product with windows that are copied to panels as wide as a tile.
#[inline(always)]
fn in_panels<T: Real, S: Simd>(
    simd: S,
    a: &[T],
    windows: Windows<'_, T>,
    first: First<'_, T>,
    c: &mut [T],
    (panels, runs): (&mut [T], &mut Vec<Run>),
) {
    let (depth, places) = (windows.offsets.len(), windows.places());
    let rows = a.len() / depth;
    let lanes = lanes::<T, S>();
    // Blocks of equal depth.
    let step = depth.div_ceil(depth.div_ceil(DEPTH));
    for place in (0..places).step_by(PLACES) {
        let end = places.min(place + PLACES);
        for from in (0..depth).step_by(step) {
            let depths = from..depth.min(from + step);
            // One row more for what a run writes beyond its panel's last row.
            let panel = (depths.len() + 1) * WIDE * lanes;
            alone(
                simd,
                #[inline(always)]
                || pack::<T, S>(&windows, place..end, depths.clone(), panel, (&mut *panels, &mut *runs)),
            );
            for_rows!(0..rows, |row, M| {
                let factors: [&[T]; M] = std::array::from_fn(|i| &a[(row + i) * depth..][depths.clone()]);
                let first = if from == 0 { first.rows::<M>(row) } else { None };
                let c = &mut c[row * places..];
                let panels = panels.chunks_exact(panel);
                alone(
                    simd,
                    #[inline(always)]
                    || {
                        for (place, panel) in (place..end).step_by(WIDE * lanes).zip(panels) {
                            let columns = (end - place).min(WIDE * lanes);
                            let (c, corner) = (&mut c[place..], Corner { pitch: places, columns, first });
                            if columns > lanes {
                                let rows = panel.chunks_exact(WIDE * lanes);
                                put(simd, &product::<T, S, M, WIDE>(simd, factors, rows), c, &corner);
                            } else {
                                let rows = panel.chunks_exact(lanes);
                                put(simd, &product::<T, S, M, 1>(simd, factors, rows), c, &corner);
                            }
                        }
                    },
                );
            });
        }
    }
}

/// Copies some rows of the windows to panels, for some places.
///
/// Each run is copied as if it were as long as a panel is wide; the next one overwrites what is too much.
#[inline(always)]
fn pack<T: Real, S: Simd>(
    windows: &Windows<'_, T>,
    places: std::ops::Range<usize>,
    depths: std::ops::Range<usize>,
    panel: usize,
    (panels, runs): (&mut [T], &mut Vec<Run>),
) {
    let wide = WIDE * lanes::<T, S>();
    let width = windows.output[1];
    runs.clear();
    let mut place = places.start;
    while place < places.end {
        let (y, x) = (place / width, place % width);
        let lane = (place - places.start) % wide;
        let panel = (place - places.start) / wide * panel;
        runs.push(Run { from: y * windows.pitch + x, panel, lane });
        place += (width - x).min(wide - lane);
    }
    // The last panel may be one vector wide.
    let last = (places.len() - 1) % wide + 1;
    let (last, last_panel) =
        (last.div_ceil(lanes::<T, S>()) * lanes::<T, S>(), (places.len() - 1) / wide * panel);
    for (k, &offset) in windows.offsets[depths].iter().enumerate() {
        let row = &windows.data[offset..];
        for run in &*runs {
            let to = run.panel + k * if run.panel == last_panel { last } else { wide } + run.lane;
            let to = &mut panels[to..][..wide];
            match row.get(run.from..run.from + wide) {
                Some(from) => {
                    let (from, to) = (T::vectors::<S>(from), T::vectors_mut::<S>(to));
                    to[..WIDE].copy_from_slice(&from[..WIDE]);
                }
                None => {
                    let from = &row[run.from..];
                    to[..from.len()].copy_from_slice(from);
                }
            }
        }
    }
}
