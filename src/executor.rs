//! Runs a network on candle and holds every figure that was counted against what happened. Only with the feature `exec`.
//!
//! [`run`] runs the nodes of a [`crate::graph::Graph`] in the order of a schedule, forward and backward, and drops each
//! tensor at its last use. [`train`] has the backward pass.

mod accumulate;
pub mod allocator;
pub mod calibrate;
pub mod check;
mod clock;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod measure;
pub mod run;
pub mod seeded;
pub mod timing;
pub mod train;
pub mod trouble;

pub use run::{Network, Observer, RunFault, Step};
