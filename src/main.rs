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

fn main() -> ExitCode {
    match commands::run(Cli::parse()) {
        Ok(exit) => exit.into(),
        // Standard output or error itself failed: there is nowhere left to say so.
        Err(_) => Exit::World.into(),
    }
}
