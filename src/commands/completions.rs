//! `completions`: what a shell needs to complete the command line.

use std::io;

use clap::CommandFactory as _;

use super::{Exit, Output};
use crate::cli::Cli;

pub(super) fn run(shell: clap_complete::Shell, output: &mut Output) -> io::Result<Exit> {
    // Into memory first: the generator panics where a stream is closed.
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "csp-profile", &mut text);
    output.out().write_all(&text)?;
    Ok(Exit::Fine)
}
