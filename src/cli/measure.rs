//! The command line of `measure`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Format, LoadArgs, ReportArgs};

/// `measure`.
#[derive(Args, Clone, Debug)]
pub struct MeasureArgs {
    /// The architecture file; `-` reads from standard input.
    pub file: PathBuf,
    /// How it is read.
    #[command(flatten)]
    pub load: LoadArgs,
    /// Where it runs.
    #[arg(long, value_enum, default_value_t = RunsOn::Cpu)]
    pub device: RunsOn,
    /// Threads of the processor.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: u16,
    /// Timed repetitions; 0 times nothing and only checks.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub samples: u16,
    /// Repetitions before them.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub warm_up: u16,
    /// Repetitions end after so many seconds, when there are at least three.
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    pub patience: u16,
    /// Billions of multiply-accumulates that the check of gradients' sources may take; more look at more producers.
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub sources: u16,
    /// Run no step of training.
    #[arg(long)]
    pub no_training: bool,
    /// Time only: nothing is held against its prediction but the tensors' shapes.
    #[arg(long)]
    pub no_checks: bool,
    /// The order in which the nodes run.
    #[arg(long, value_enum, default_value_t = Order::AsWritten)]
    pub schedule: Order,
    /// The seed of inputs and stored values.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Refuse an ONNX file that lacks stored values; without this what it lacks is drawn by the seed.
    #[arg(long)]
    pub weights: bool,
    /// What goes to standard output.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// How many of the slowest layers are shown.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,
    /// A device file: its roofline's bounds stand beside the times (`explain traffic`), and where it was calibrated
    /// what it predicts (`explain prediction`).
    #[arg(long, visible_alias = "predict", value_name = "DEVICE")]
    pub roofline: Option<String>,
    /// Hold it to a budget, measured values included: NAME.budget.json beside it, or this file; exits with 1 where a limit
    /// is violated.
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub budget: Option<Option<PathBuf>>,
    /// What the budget's changes are measured against: a JSON report, git:REVISION or none.
    #[arg(long, value_name = "FILE|git:REV|none", requires = "budget")]
    pub baseline: Option<String>,
    /// Its files.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Where a network runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RunsOn {
    /// The processor.
    Cpu,
    /// The first NVIDIA card; needs a program built with the feature `cuda`.
    Cuda,
}

/// In which order nodes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// As the file has them.
    AsWritten,
    /// So that the peak of memory is lower, where the analysis found such an order.
    Lowered,
}
