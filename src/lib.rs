//! placeholder
pub mod analysis;
pub mod diagnostic;
pub mod frontend;
pub mod graph;
pub mod ops;
pub mod published;
pub mod source;
pub mod tensor;
pub mod units;
