//! scikit-learn's digits, 32×32.

/// The file that `digits.py` writes.
const FILE: &[u8] = include_bytes!("digits.bin");

/// Pixels along an edge in the file, and after scaling.
const SMALL: usize = 8;
pub const EDGE: usize = 32;

/// The first so many images are trained on; with the others gradients are compared and accuracy is told. They come in
/// the order of their writers; one writer's images lie on both sides.
pub const TRAINED: usize = 1437;

/// An image and what it shows.
pub struct Digit {
    pub pixels: Vec<f32>,
    pub label: usize,
}

/// Where a pixel of the larger image lies between those of the smaller one: two of them and the second one's share.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]
fn between(at: usize) -> (usize, usize, f32) {
    let place = ((at as f32 + 0.5) * SMALL as f32 / EDGE as f32 - 0.5).clamp(0.0, (SMALL - 1) as f32);
    let low = place as usize;
    (low, (low + 1).min(SMALL - 1), place - low as f32)
}

/// All images: bilinear, pixel centres kept (`align_corners = False`), from 0 … 16 to −1 … 1.
pub fn read() -> Vec<Digit> {
    let scaled = |bytes: &[u8]| {
        let pixel = |row: usize, column: usize| f32::from(bytes[row * SMALL + column]) / 8.0 - 1.0;
        let mut pixels = Vec::with_capacity(EDGE * EDGE);
        for row in 0..EDGE {
            let (above, below, down) = between(row);
            for column in 0..EDGE {
                let (left, right, across) = between(column);
                let along = |row| pixel(row, left) * (1.0 - across) + pixel(row, right) * across;
                pixels.push(along(above) * (1.0 - down) + along(below) * down);
            }
        }
        pixels
    };
    let of = |bytes: &[u8]| Digit { label: usize::from(bytes[0]), pixels: scaled(&bytes[1..]) };
    FILE.chunks_exact(1 + SMALL * SMALL).map(of).collect()
}

/// Numbers by chance: splitmix64.
pub struct Chance(pub u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// `0..count` in some order (Fisher and Yates).
    pub fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            let other = usize::try_from(self.next() % (last as u64 + 1)).unwrap_or(0);
            order.swap(last, other);
        }
        order
    }
}
