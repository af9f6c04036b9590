//! The command line: types only.

mod budget;
mod calibrate;
mod measure;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use budget::{BudgetCommand, CheckArgs, CheckFormat, InitArgs, UpdateArgs};
pub use calibrate::CalibrateArgs;
pub use measure::{MeasureArgs, Order, RunsOn};

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
    /// Print networks side by side and what differs between them.
    Compare(CompareArgs),
    /// Judge the papers' claims about CSP on a network and its CSP variant (`explain claims`).
    Claims(ClaimsArgs),
    /// Print what every combination of some parameters' values costs.
    Sweep(SweepArgs),
    /// Print gradient paths, reuse and update equations (`explain gradient`).
    Gradient(GradientArgs),
    /// Run a network and hold every predicted figure against what happened (`explain measure`).
    Measure(MeasureArgs),
    /// Measure what nodes take on a device, to predict what networks will (`explain prediction`).
    Calibrate(CalibrateArgs),
    /// Write a network as an architecture file or as a diagram (`explain convert`).
    Convert(ConvertArgs),
    /// List all ops.
    Ops,
    /// Print the manual page of an op, a convention or a topic; without a name, what there is.
    Explain {
        /// An op (`conv2d`), a convention (`fvcore`) or a topic (`counting`).
        topic: Option<String>,
    },
    /// Print a JSON Schema.
    Schema {
        /// Of which files.
        #[arg(value_enum, default_value_t = SchemaOf::Architecture)]
        of: SchemaOf,
    },
    /// Hold networks to their budgets (`explain budget`); exits with 1 where a limit is violated.
    Check(CheckArgs),
    /// Write a budget, or tighten it.
    #[command(subcommand)]
    Budget(BudgetCommand),
    /// Print the completions of a shell.
    ///
    /// For bash: csp-profile completions bash > ~/.local/share/bash-completion/completions/csp-profile
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page of the program or of a subcommand, in roff.
    ///
    /// To read one: csp-profile man analyze | man -l -
    Man {
        /// `analyze`, `compare`, …
        subcommand: Option<String>,
    },
}

/// Files that have a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// Architecture files.
    Architecture,
    /// Budget files.
    Budget,
}

/// How a file is read.
#[derive(Args, Clone, Debug)]
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
    /// What to do with ops whose cost is not known: count the rest and say "at least", or refuse the file.
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    pub unknown: Unknown,
}

/// What becomes of ops whose cost is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Unknown {
    /// Name them, and say "at least" of every total that misses them.
    #[default]
    Warn,
    /// Refuse the file.
    Deny,
}

/// Where a report's files go, and how its charts look (`explain charts`).
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Report")]
pub struct ReportArgs {
    /// Write the report into this folder, made where it is missing.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write no files.
    #[arg(long, conflicts_with = "out")]
    pub no_report: bool,
    /// The charts' size in pixels.
    #[arg(long, value_name = "WxH", default_value = "1200x675", value_parser = picture)]
    pub size: (u32, u32),
    /// The charts' colours.
    #[arg(long, value_enum, default_value_t = Theme::Light)]
    pub theme: Theme,
}

/// Colours of charts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Theme {
    /// Dark on white.
    Light,
    /// Light on a dark ground.
    Dark,
}

/// `analyze`.
#[derive(Args, Clone, Debug)]
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
    /// A device for the roofline: gtx_1080_ti, i9_9900k, jetson_tx2, a100_sxm_80gb, h100_sxm or a file; one that
    /// `calibrate` wrote predicts times too.
    #[arg(long, value_name = "NAME|FILE")]
    pub device: Option<String>,
    /// Whether the activations fit into so much memory (512KiB, 8 MiB, 300000); exits with 1 if not.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub memory: Option<u64>,
    /// Hold it to a budget: NAME.budget.json beside it, or this file; exits with 1 where a limit is violated.
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub budget: Option<Option<PathBuf>>,
    /// What the budget's changes are measured against: a JSON report, git:REVISION or none.
    #[arg(long, value_name = "FILE|git:REV|none", requires = "budget")]
    pub baseline: Option<String>,
    /// How many of the costliest layers are listed.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,
    /// The files it writes; tables go to reports/NAME, other formats write none unless --out is given.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// `compare`.
#[derive(Args, Debug)]
#[command(
    mut_arg("set", |arg| arg.help("Set a parameter of every file; after a file and a colon, of that one alone: a.json:gamma=0.25")),
    after_help = "Examples:\n  \
        csp-profile compare densenet121.json csp_densenet121.json:gamma=0.25\n  \
        csp-profile compare csp.json:fusion=none csp.json:fusion=last,gamma=0.25 --set split=conv\n\n\
        A file whose name has colons and equal signs is found as it is: the longest file name counts."
)]
pub struct CompareArgs {
    /// Two architecture files or more, each with parameters of its own after a colon; `-` reads from standard input.
    /// The others are compared with the first.
    #[arg(required = true, value_name = "FILE[:NAME=VALUE,…]")]
    pub operands: Vec<PathBuf>,
    /// How they are read.
    #[command(flatten)]
    pub load: LoadArgs,
    /// One part in full.
    #[arg(long, value_enum)]
    pub by: Option<Part>,
    /// What goes to standard output; everything else goes to standard error.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// How many of the layers that differ most are listed.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub top: usize,
    /// Exit with 1 where anything but names differs.
    #[arg(long)]
    pub fail_on_difference: bool,
    /// The files it writes; tables go to reports/NAME-vs-NAME, other formats write none unless --out is given.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// `claims`.
#[derive(Args, Debug)]
#[command(
    mut_arg("set", |arg| arg.help("Set a parameter of both files; after a file and a colon, of that one alone: a.json:gamma=0.25")),
    after_help = "Examples:\n  \
        csp-profile claims darknet_resnext50.json csp_resnext50.json\n  \
        csp-profile claims densenet121.json csp_densenet121.json:gamma=0.25"
)]
pub struct ClaimsArgs {
    /// The plain network; parameters of its own after a colon. `-` reads from standard input.
    #[arg(value_name = "BASE[:NAME=VALUE,…]")]
    pub base: PathBuf,
    /// Its CSP variant.
    #[arg(value_name = "CSP[:NAME=VALUE,…]")]
    pub csp: PathBuf,
    /// How they are read.
    #[command(flatten)]
    pub load: LoadArgs,
    /// What goes to standard output; everything else goes to standard error.
    #[arg(long, value_enum, default_value_t = ClaimsFormat::Table)]
    pub format: ClaimsFormat,
}

/// Output formats of `claims`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClaimsFormat {
    /// Tables of at most 80 columns.
    Table,
    /// Every figure, formula and verdict.
    Json,
    /// Tables for a pull request.
    Markdown,
}

/// Parts of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Whole networks.
    Total,
    /// The stages.
    Stage,
    /// Every layer that differs.
    Layer,
}

/// `sweep`.
#[derive(Args, Debug)]
#[command(
    mut_arg("set", |arg| arg
        .value_name("NAME=VALUES")
        .help("Values of a parameter, parted by commas; a range is FIRST..LAST or FIRST..LAST:STEP")),
    after_help = "Examples:\n  \
        csp-profile sweep csp.json --set gamma=0.25,0.5,0.75 --set fusion=csp,last\n  \
        csp-profile sweep csp.json --set growth_rate=12..48:4 --align 8 --format csv\n\n\
        A range has its last value where a step hits it. A combination that is no network is listed with the reason."
)]
pub struct SweepArgs {
    /// The architecture file; `-` reads from standard input.
    pub file: PathBuf,
    /// How it is read.
    #[command(flatten)]
    pub load: LoadArgs,
    /// Add a column: a path under the report's totals, such as parameters.norm or conventions.thop.
    #[arg(long = "metric", value_name = "PATH")]
    pub metrics: Vec<String>,
    /// Mark points whose channels are no multiples of N, with the MACs that padding them would waste.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=1_048_576))]
    pub align: Option<u64>,
    /// What goes to standard output; everything else goes to standard error.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// The files it writes: none unless --out is given.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// `gradient`.
#[derive(Args, Debug)]
pub struct GradientArgs {
    /// The architecture file; `-` reads from standard input.
    pub file: PathBuf,
    /// How it is read.
    #[command(flatten)]
    pub load: LoadArgs,
    /// Only this stage, layer by layer.
    #[arg(long, value_name = "STAGE")]
    pub stage: Option<String>,
    /// Only this weight layer: what it reads and what reads it.
    #[arg(long, value_name = "LAYER")]
    pub layer: Option<String>,
    /// Write the weights' update equations instead of tables.
    #[arg(long, value_enum, value_name = "NOTATION")]
    pub equations: Option<EquationStyle>,
    /// Add how many paths to the input have each length.
    #[arg(long)]
    pub spectrum: bool,
    /// What goes to standard output.
    #[arg(long, value_enum, default_value_t = GradientFormat::Table)]
    pub format: GradientFormat,
}

/// How equations are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EquationStyle {
    /// Unicode.
    Text,
    /// LaTeX, a display equation each.
    Latex,
    /// MathML.
    Mathml,
}

/// Output formats of `gradient`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GradientFormat {
    /// Tables of at most 80 columns.
    Table,
    /// The object `gradient` of the JSON report, all of it.
    Json,
}

/// `convert`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
        csp-profile convert network.cfg -o network.json\n  \
        csp-profile convert network.json -o network.dot\n  \
        csp-profile convert network.json --to mermaid --stage stage2")]
pub struct ConvertArgs {
    /// The architecture file; `-` reads from standard input.
    pub file: PathBuf,
    /// How it is read. Its parameters have their values in what is written.
    #[command(flatten)]
    pub load: LoadArgs,
    /// What is written; by default what the name of the output file ends with, or else json.
    #[arg(long, value_enum)]
    pub to: Option<Target>,
    /// The file that is written; standard output by default.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the output file where it is there already.
    #[arg(long)]
    pub force: bool,
    /// Only this stage; for diagrams.
    #[arg(long, value_name = "STAGE")]
    pub stage: Option<String>,
}

/// What `convert` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// An architecture file, its repeats folded into blocks (.json).
    Json,
    /// A diagram for Graphviz (.dot, .gv).
    Dot,
    /// A diagram a stage for Mermaid (.mmd, .mermaid; in Markdown .md).
    Mermaid,
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
    /// Peak memory; by name also the tensors at the peak, and by stage.
    Memory,
    /// What training keeps and computes.
    Training,
    /// What repeated concats and norms keep in training, by stage.
    Growth,
    /// Bytes in memory at each step.
    Curve,
    /// Gradient paths and reuse; by name also by stage.
    Gradient,
    /// Lower bounds of time on a device; needs --device.
    Roofline,
    /// Predicted time on a device; needs --device with a file of `calibrate`.
    Prediction,
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
    /// Everything, schema version 1.
    Json,
    /// One table with exact figures; where there is a choice, the one that --by names.
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

/// A picture's width and height.
fn picture(text: &str) -> Result<(u32, u32), String> {
    let sizes = text.split_once(['x', '×']).and_then(|(width, height)| {
        Some((width.trim().parse::<u32>().ok()?, height.trim().parse::<u32>().ok()?))
    });
    match sizes {
        Some((width, height)) if (240..=8000).contains(&width) && (180..=8000).contains(&height) => {
            Ok((width, height))
        }
        _ => Err("write WIDTHxHEIGHT in pixels, from 240x180 to 8000x8000".into()),
    }
}

fn dtype(text: &str) -> Result<crate::tensor::DType, String> {
    crate::tensor::DType::from_name(text).ok_or_else(|| {
        let names: Vec<&str> = crate::tensor::DType::ALL.iter().map(|dtype| dtype.name()).collect();
        format!("one of {}", names.join(", "))
    })
}

/// Bytes, with a binary or decimal prefix.
fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let scale: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err("write a number and B, KiB, MiB, GiB, kB, MB or GB".into()),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: Option<u64> =
        (fraction.len() <= 9).then(|| format!("{whole}{fraction}").parse().ok()).flatten();
    let bytes = digits.and_then(|digits| digits.checked_mul(scale));
    let power = 10u64.pow(u32::try_from(fraction.len().min(9)).unwrap_or(0));
    bytes.map(|bytes| bytes / power).ok_or_else(|| "write a number and B, KiB, MiB, GiB, kB, MB or GB".into())
}
