//! The command line: types only.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Tells what a network architecture costs before anyone trains it.
#[derive(Debug, Parser)]
#[command(name = "csp-profile", version, max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 fine; 1 a published figure, budget or comparison failed; 2 the input or the \
                        command line is wrong; 3 the outside world failed."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// When to use colour.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print what a network costs.
    Analyze(AnalyzeArgs),
    /// List all ops.
    Ops,
    /// Print the manual page of an op, a convention or a topic; without a name, what there is.
    Explain {
        /// An op (`conv2d`), a convention (`fvcore`) or a topic (`counting`).
        topic: Option<String>,
    },
    /// Print the JSON Schema of architecture files.
    Schema,
}

/// How a file is read.
#[derive(Args, Debug)]
pub struct LoadArgs {
    /// Set a parameter of the file: --set gamma=0.25 --set fusion=last.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = assignment)]
    pub set: Vec<(String, String)>,
    /// Images in a batch.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub batch: Option<u64>,
    /// Shape of an input: 1x3x320x320, or with several inputs image=1x3x320x320.
    #[arg(long = "input", value_name = "[NAME=]SHAPE", value_parser = shape)]
    pub inputs: Vec<(Option<String>, Vec<u64>)>,
    /// Element type of the inputs that do not name one: f32, f16, bf16, i8, ….
    #[arg(long, value_name = "TYPE", value_parser = dtype)]
    pub dtype: Option<crate::tensor::DType>,
}

/// `analyze`.
#[derive(Args, Debug)]
pub struct AnalyzeArgs {
    /// The architecture file; `-` reads from standard input.
    pub file: PathBuf,
    /// How it is read.
    #[command(flatten)]
    pub load: LoadArgs,
    /// One table in full: a row for each of these.
    #[arg(long, value_enum)]
    pub by: Option<Grouping>,
    /// What goes to standard output; everything else goes to standard error.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Add a column: what another program would count (`explain conventions`).
    #[arg(long, value_name = "NAME")]
    pub convention: Option<String>,
    /// Only these sections.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LIST")]
    pub sections: Vec<Section>,
    /// Leave these sections out.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LIST")]
    pub skip: Vec<Section>,
    /// A device for the roofline: gtx_1080_ti, i9_9900k, jetson_tx2, a100_sxm_80gb, h100_sxm or a file.
    #[arg(long, value_name = "NAME|FILE")]
    pub device: Option<String>,
    /// How many of the costliest layers are listed.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,
}

/// Sections of `analyze`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Section {
    /// Totals and the largest layer.
    Summary,
    /// Costs by stage.
    Stages,
    /// The costliest layers.
    Layers,
    /// What other programs would print.
    Conventions,
    /// Published figures; in full when asked for by name.
    Published,
    /// Bytes moved, by stage.
    Traffic,
    /// Lower bounds of time on a device; needs --device.
    Roofline,
}

/// Rows of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Grouping {
    /// Every node.
    Layer,
    /// The stages.
    Stage,
    /// The block instances.
    Block,
    /// The ops.
    Op,
}

/// Output formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables of at most 80 columns.
    Table,
    /// The whole report, schema version 1.
    Json,
    /// One table with exact figures: layers, or what --by names.
    Csv,
    /// Tables for a pull request.
    Markdown,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    if name.trim().is_empty() || value.trim().is_empty() {
        return Err("write NAME=VALUE".into());
    }
    Ok((name.trim().into(), value.trim().into()))
}

fn shape(text: &str) -> Result<(Option<String>, Vec<u64>), String> {
    let (name, sizes) =
        text.rsplit_once('=').map_or((None, text), |(name, sizes)| (Some(name.to_owned()), sizes));
    let sizes: Result<Vec<u64>, _> = sizes.split(['x', ',']).map(|size| size.trim().parse::<u64>()).collect();
    match sizes {
        Ok(sizes) if !sizes.contains(&0) => Ok((name, sizes)),
        _ => Err("write sizes of at least 1 parted by x, such as 1x3x224x224".into()),
    }
}

fn dtype(text: &str) -> Result<crate::tensor::DType, String> {
    crate::tensor::DType::from_name(text).ok_or_else(|| {
        let names: Vec<&str> = crate::tensor::DType::ALL.iter().map(|dtype| dtype.name()).collect();
        format!("one of {}", names.join(", "))
    })
}
