//! The command line of `calibrate`.

use std::path::PathBuf;

use clap::Args;

use super::RunsOn;

/// `calibrate`.
#[derive(Args, Clone, Debug)]
pub struct CalibrateArgs {
    /// The device file to write; there must be none of that name.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Time nothing; take what onnxruntime's profile of each model has: net.onnx=profile.json. Prints how well each
    /// model is predicted from the others.
    #[arg(long, value_name = "MODEL=PROFILE", num_args = 1.., value_parser = profile, conflicts_with_all = ["seconds", "seed", "largest", "device"])]
    pub from: Vec<(PathBuf, PathBuf)>,
    /// With --from: images in a batch, of models that leave it open.
    #[arg(long, value_name = "N", requires = "from", value_parser = clap::value_parser!(u64).range(1..))]
    pub batch: Option<u64>,
    /// What is calibrated.
    #[arg(long, value_enum, default_value_t = RunsOn::Cpu)]
    pub device: RunsOn,
    /// What the device is called; its own name if not given.
    #[arg(long)]
    pub name: Option<String>,
    /// Threads of the processor; with --from those that the profiles had.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: u16,
    /// Element type of all tensors.
    #[arg(long, value_name = "TYPE", value_parser = super::dtype, default_value = "f32")]
    pub dtype: crate::tensor::DType,
    /// Networks are drawn and timed for so long; more is better.
    #[arg(long, value_name = "N", default_value_t = 300)]
    pub seconds: u16,
    /// Millions of multiply-accumulates that one layer has at most.
    #[arg(long, value_name = "N", default_value_t = 1200, value_parser = clap::value_parser!(u32).range(1..))]
    pub largest: u32,
    /// The seed that the networks are drawn by.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// `MODEL=PROFILE`
fn profile(text: &str) -> Result<(PathBuf, PathBuf), String> {
    match text.split_once('=') {
        Some((model, profile)) if !model.is_empty() && !profile.is_empty() => {
            Ok((model.into(), profile.into()))
        }
        _ => Err("write MODEL=PROFILE: net.onnx=profile.json".into()),
    }
}
