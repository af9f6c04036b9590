//! placeholder
pub mod analysis;
pub mod cli;
pub mod commands;
pub mod device;
pub mod diagnostic;
pub mod frontend;
pub mod graph;
pub mod ops;
pub mod published;
pub mod report;
pub mod source;
pub mod tensor;
pub mod units;
