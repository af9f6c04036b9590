//! What a profile says about a network.

pub mod conventions;
