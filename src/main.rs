//! The command `csp-profile`: see the library's documentation.

use std::process::ExitCode;

use clap::Parser as _;
use csp_profile::cli::Cli;
use csp_profile::commands::{self, Exit};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match commands::run(Cli::parse()) {
        Ok(exit) => exit.into(),
        // Standard output or error itself failed: there is nowhere left to say so.
        Err(_) => Exit::World.into(),
    }
}
