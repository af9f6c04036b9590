//! The command `csp-profile`: see the library's documentation.

use std::process::ExitCode;

use clap::Parser as _;
use csp_profile::cli::Cli;
use csp_profile::commands::{self, Exit};

#[cfg(not(feature = "exec"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// `measure` holds the bytes that tensors take against those that were predicted.
#[cfg(feature = "exec")]
#[global_allocator]
static ALLOCATOR: csp_profile::executor::allocator::Counting<mimalloc::MiMalloc> =
    csp_profile::executor::allocator::Counting(mimalloc::MiMalloc);

/// Has the allocator keep what it gets back. Else it lends the system what was free for 10 ms, and in a long pass the
/// next tensor's pages are found and cleared anew: up to 5 % of a pass, and a quarter of a short op.
#[cfg(feature = "exec")]
#[expect(unsafe_code, reason = "an option of a library in C")]
fn keep_memory() {
    /// `mi_option_purge_delay` in mimalloc.h, which has no name in Rust.
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    const USUAL: std::ffi::c_long = 10;
    const NEVER: std::ffi::c_long = -1;
    // SAFETY: reads and writes a number before any other thread runs.
    unsafe {
        // A user's MIMALLOC_PURGE_DELAY holds.
        if libmimalloc_sys::mi_option_get(PURGE_DELAY) == USUAL {
            libmimalloc_sys::mi_option_set(PURGE_DELAY, NEVER);
        }
    }
}

fn main() -> ExitCode {
    #[cfg(feature = "exec")]
    keep_memory();
    match commands::run(Cli::parse()) {
        Ok(exit) => exit.into(),
        // Standard output or error itself failed: there is nowhere left to say so.
        Err(_) => Exit::World.into(),
    }
}
