//! An allocator that counts.
//!
//! Candle keeps elements in vectors of the element's own alignment, so bytes are counted by alignment: those of an `f32`
//! network are the ones of alignment 4, to the byte, whatever else the program allocates. (The loops' own lists of
//! indices have the alignment of an address.) Alignments 2 and 4 are counted as one: a network of halves has singles on
//! its way.
#![expect(unsafe_code, reason = "an allocator cannot be written without; it only counts and passes on")]

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicI64, Ordering};

/// Alignments 1, 2 or 4, 8, and more.
const CLASSES: usize = 4;

static NOW: [AtomicI64; CLASSES] = [const { AtomicI64::new(0) }; CLASSES];
static PEAK: [AtomicI64; CLASSES] = [const { AtomicI64::new(0) }; CLASSES];
static INSTALLED: AtomicI64 = AtomicI64::new(0);

/// Counts what passes through another allocator.
pub struct Counting<A>(pub A);

fn class(align: usize) -> usize {
    match align {
        1 => 0,
        2 | 4 => 1,
        8 => 2,
        _ => 3,
    }
}

fn note(layout: Layout, bytes: i64) {
    let class = class(layout.align());
    let now = NOW[class].fetch_add(bytes, Ordering::Relaxed) + bytes;
    if bytes > 0 {
        PEAK[class].fetch_max(now, Ordering::Relaxed);
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

// SAFETY: every request is passed on unchanged, and the counters are not memory.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counting<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        INSTALLED.store(1, Ordering::Relaxed);
        note(layout, signed(layout.size()));
        // SAFETY: the caller's promises are passed on.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout, signed(layout.size()));
        // SAFETY: the caller's promises are passed on.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(layout, -signed(layout.size()));
        // SAFETY: the caller's promises are passed on.
        unsafe { self.0.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(layout, signed(size) - signed(layout.size()));
        // SAFETY: the caller's promises are passed on.
        unsafe { self.0.realloc(pointer, layout, size) }
    }
}

/// Whether the program counts: it must have made [`Counting`] its global allocator.
pub fn is_counting() -> bool {
    INSTALLED.load(Ordering::Relaxed) != 0
}

/// Bytes in use in pieces of this alignment.
pub fn now(align: usize) -> i64 {
    NOW[class(align)].load(Ordering::Relaxed)
}

/// The most since [`restart`].
pub fn peak(align: usize) -> i64 {
    PEAK[class(align)].load(Ordering::Relaxed)
}

/// Forgets the peak so far.
pub fn restart(align: usize) {
    let class = class(align);
    PEAK[class].store(NOW[class].load(Ordering::Relaxed), Ordering::Relaxed);
}
