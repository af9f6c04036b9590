//! placeholder
pub mod analysis;
pub mod diagnostic;
pub mod ops;
pub mod source;
pub mod tensor;
pub mod units;
