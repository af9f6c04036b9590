//! `man`: the manual pages of the program and of its subcommands, in roff.

use std::io;

use clap::CommandFactory as _;

use super::{Exit, Output, usage};
use crate::cli::Cli;
use crate::diagnostic::nearest;

pub(super) fn run(subcommand: Option<&str>, output: &mut Output) -> io::Result<Exit> {
    let mut program = Cli::command();
    program.build();
    let command = match subcommand {
        None => program,
        Some(name) => match program.find_subcommand(name) {
            Some(found) => found.clone(),
            None => {
                let names = program.get_subcommands().map(clap::Command::get_name);
                let help = match nearest(name, names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`csp-profile --help` lists the subcommands".into(),
                };
                return usage(output, &format!("there is no subcommand `{name}`"), Some(&help));
            }
        },
    };
    clap_mangen::Man::new(command).render(&mut output.out())?;
    Ok(Exit::Fine)
}
