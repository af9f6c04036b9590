//! `ops`: the list of all ops.

use std::io;

use super::{Exit, Output};
use crate::ops::Op;

pub(super) fn run(output: &mut Output) -> io::Result<Exit> {
    let width = Op::ALL.iter().map(|info| info.name.len()).max().unwrap_or(0);
    for info in Op::ALL {
        writeln!(output.out(), "{:width$}  {}", info.name, info.summary())?;
    }
    Ok(Exit::Fine)
}
