//! `schema`: the JSON Schema of architecture files.

use std::io;

use super::{Exit, Output};
use crate::frontend::json::schema;

pub(super) fn run(output: &mut Output) -> io::Result<Exit> {
    write!(output.out(), "{}", schema::text())?;
    Ok(Exit::Fine)
}
