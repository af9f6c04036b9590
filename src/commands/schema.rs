//! `schema`: the JSON Schemas of architecture and budget files.

use std::io;

use super::{Exit, Output};
use crate::cli::SchemaOf;
use crate::{budget, frontend};

pub(super) fn run(of: SchemaOf, output: &mut Output) -> io::Result<Exit> {
    let text = match of {
        SchemaOf::Architecture => frontend::json::schema::text(),
        SchemaOf::Budget => budget::schema::text(),
    };
    write!(output.out(), "{text}")?;
    Ok(Exit::Fine)
}
