//! The command line of budgets.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::LoadArgs;

/// `check`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
        csp-profile check\n  \
        csp-profile check net.json --baseline git:origin/main\n  \
        csp-profile check --out budget.md --out budget.xml\n\n\
        Where GITHUB_ACTIONS is true, violations are also told as annotations, and GITHUB_STEP_SUMMARY gets the Markdown.")]
pub struct CheckArgs {
    /// Architecture or budget files; without any, every NAME.budget.json below the current folder.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The budget of the one architecture file, where it is not NAME.budget.json beside it.
    #[arg(long, value_name = "FILE")]
    pub budget: Option<PathBuf>,
    /// What changes are measured against: a JSON report, git:REVISION or none.
    #[arg(long, value_name = "FILE|git:REV|none")]
    pub baseline: Option<String>,
    /// A JSON report of `measure`, for limits on what was measured; of the same network, read the same way.
    #[arg(long, value_name = "REPORT")]
    pub measured: Option<PathBuf>,
    /// A device file that `calibrate` wrote, for limits on predicted times (`explain prediction`).
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// What goes to standard output; everything else goes to standard error.
    #[arg(long, value_enum, default_value_t = CheckFormat::Table)]
    pub format: CheckFormat,
    /// Write a file too, in the format of its ending: .json, .md, .xml (JUnit) or .txt. May be given several times.
    #[arg(long, value_name = "FILE")]
    pub out: Vec<PathBuf>,
}

/// Output formats of `check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// Tables of at most 80 columns.
    Table,
    /// Every limit, figure and finding.
    Json,
    /// A comment for a pull request.
    Markdown,
    /// JUnit XML.
    Junit,
    /// Annotations of GitHub Actions.
    Github,
}

/// `budget`.
#[derive(Debug, Subcommand)]
pub enum BudgetCommand {
    /// Write a budget from today's figures: NAME.budget.json beside the architecture.
    Init(InitArgs),
    /// Draw limits up to today's figures, tighter ones only.
    Update(UpdateArgs),
}

/// `budget init`.
#[derive(Args, Debug)]
pub struct InitArgs {
    /// The architecture file.
    pub file: PathBuf,
    /// How it is read; the budget file keeps it.
    #[command(flatten)]
    pub load: LoadArgs,
    /// How far above the figures the limits lie.
    #[arg(long, value_name = "PERCENT", default_value = "5%")]
    pub headroom: String,
    /// Another name in the same folder.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace a budget that is there.
    #[arg(long)]
    pub force: bool,
}

/// `budget update`.
#[derive(Args, Debug)]
pub struct UpdateArgs {
    /// Architecture or budget files; without any, every NAME.budget.json below the current folder.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How far from the figures the limits lie.
    #[arg(long, value_name = "PERCENT", default_value = "5%")]
    pub headroom: String,
    /// Draw up limits that are violated, too, and exact ones.
    #[arg(long)]
    pub loosen: bool,
}
