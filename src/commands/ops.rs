//! `ops`: the list of all ops.

use std::io;

use super::explain::fill;
use super::{Exit, Output};
use crate::ops::Op;

pub(super) fn run(output: &mut Output) -> io::Result<Exit> {
    let width = Op::ALL.iter().map(|info| info.name.len()).max().unwrap_or(0);
    for info in Op::ALL {
        let (name, blank) = (format!("{:width$}  ", info.name), format!("{:width$}  ", ""));
        writeln!(output.out(), "{}", fill(info.summary(), &name, &blank))?;
    }
    Ok(Exit::Fine)
}
