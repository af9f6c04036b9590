//! The tables of `analyze`: one file a section, each makes a [`Sheet`](super::sheet::Sheet).

pub mod conventions;
pub mod costs;
pub mod measurement;
pub mod prediction;
pub mod published;
pub mod roofline;
pub mod summary;
pub mod traffic;

use super::sheet::Cell;
use crate::analysis::{Group, Stored};

/// Learned elements. The analysis has summed them already, so the sum fits.
fn learned(stored: &Stored) -> u64 {
    stored.learned().unwrap_or(u64::MAX)
}

/// A group's own name, indented by how many groups are around it.
fn indented(group: &Group) -> Cell {
    let short = group.name.rsplit('/').next().filter(|_| group.depth > 0).unwrap_or(&group.name);
    Cell::Name(format!("{:indent$}{short}", "", indent = 2 * group.depth))
}
