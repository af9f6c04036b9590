//! `measure`: the network runs, and every predicted figure is held against what happened.

use std::io;

use super::{Exit, Output};
use crate::cli::MeasureArgs;

#[cfg(feature = "exec")]
mod run;
/// What is shown needs no candle, and is tested without.
#[cfg(any(feature = "exec", test))]
mod show;

/// Without the feature `exec`: says how to get it.
#[cfg(not(feature = "exec"))]
pub(super) fn run(_: &MeasureArgs, output: &mut Output) -> io::Result<Exit> {
    lacks_exec(output)
}

/// Says that this program runs nothing, and how to get one that does.
#[cfg(not(feature = "exec"))]
pub(super) fn lacks_exec(output: &mut Output) -> io::Result<Exit> {
    output.error(
        "this program was built without what runs networks",
        Some("`cargo install --path . --features exec` builds one that measures on the CPU, `--features cuda` on an NVIDIA card too"),
    )?;
    Ok(Exit::World)
}

/// Runs the network.
#[cfg(feature = "exec")]
pub(super) fn run(args: &MeasureArgs, output: &mut Output) -> io::Result<Exit> {
    run::run(args, output)
}
