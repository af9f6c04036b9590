//! The HTML page of a network, or of several side by side: one file that needs nothing else and asks nobody.
//!
//! Templates stand beside the types they show, as askama checks them there; all they print is escaped, unless its type
//! is `markup::Markup`. The style sheet and the script are files of their own, put in as they are; the page's
//! Content-Security-Policy names their hashes, so that nothing else can run. What the script shows (the table of
//! layers, the drawing) is in the page once, as JSON: see `page/data.rs`. No clock, no environment: the same network
//! gives the same bytes.

mod comparison;
mod data;
mod drawing;
mod equations;
mod layering;
mod markup;
mod network;
mod shell;
mod summary;
mod table;
#[cfg(test)]
mod tests;

pub use comparison::Comparison;
pub use network::Network;

use super::diagnostics::clean;

/// A name from a user's file as a page shows it: what steers a text's direction or a terminal is replaced.
fn shown(name: &str) -> String {
    clean(name)
}
