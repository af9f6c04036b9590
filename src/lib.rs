//! placeholder
pub mod diagnostic;
pub mod graph;
pub mod ops;
pub mod source;
pub mod tensor;
pub mod units;
