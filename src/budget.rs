//! Budgets: limits on figures of the report, read from a file and judged. Pure; `commands` reads files and runs git.
//!
//! How a file is written: `csp-profile explain budget`.

pub mod amount;
pub mod document;
pub mod edit;
pub mod evaluate;
pub mod glob;
pub mod lookup;
pub mod messages;
pub mod schema;

use num::BigRational;

use crate::source::Span;
use crate::tensor::DType;
use amount::{Amount, Written};

/// Where limits lie further above their figures than this, a budget that says nothing else warns: a quarter.
pub const HEADROOM: (i64, i64) = (1, 4);

/// What a budget file says.
#[derive(Clone, Debug)]
pub struct Budget {
    /// The architecture file beside it; by default the one of the same name.
    pub architecture: Option<(String, Span)>,
    /// Parameters that it is read with, as on the command line.
    pub set: Vec<(String, String)>,
    /// Shapes of inputs, likewise.
    pub inputs: Vec<(String, Vec<u64>)>,
    /// Images in a batch.
    pub batch: Option<u64>,
    /// The element type of inputs that do not name one.
    pub dtype: Option<DType>,
    /// What changes are measured against: a report file, or `git:REVISION`.
    pub baseline: Option<(String, Span)>,
    /// How far a limit may lie from its figure before that is told; `None` is never.
    pub headroom: Option<BigRational>,
    /// In the order of the file.
    pub limits: Vec<Limit>,
}

/// One entry of `limits`.
#[derive(Clone, Debug)]
pub struct Limit {
    /// A path of the report.
    pub metric: String,
    /// Where it stands.
    pub metric_span: Span,
    /// What it is looked up of.
    pub scope: Scope,
    /// Where that stands; the whole limit for the network.
    pub scope_span: Span,
    /// Whether each layer is judged, rather than their sum.
    pub each: bool,
    /// What it must keep to, in the order of the file.
    pub bounds: Vec<Bound>,
    /// Whether a figure that may be larger than computed can satisfy it.
    pub allow_unknown: bool,
    /// Whether the bound comes from outside, so that it is neither tightened nor said to be loose.
    pub fixed: bool,
    /// Why it is there.
    pub reason: Option<String>,
}

/// What a limit is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The whole network.
    Net,
    /// Every stage of a pattern, each by itself.
    Stage(String),
    /// The layers of a pattern, together.
    Layers(String),
    /// Every op of a pattern, each by itself.
    Op(String),
}

/// One bound of a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Which.
    pub kind: BoundKind,
    /// The number and unit that stand there.
    pub written: Written,
    /// The words of the file.
    pub text: String,
    /// Whether they stand in quotes.
    pub quoted: bool,
    /// Where.
    pub span: Span,
}

/// The kinds of bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundKind {
    /// At most.
    Max,
    /// At least.
    Min,
    /// Exactly.
    Equal,
    /// At most so much more than the baseline.
    MaxChange,
    /// At least so much more than the baseline; less, where it is negative.
    MinChange,
}

impl BoundKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Max, Self::Min, Self::Equal, Self::MaxChange, Self::MinChange];

    /// Its key in the file.
    pub fn key(self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::Min => "min",
            Self::Equal => "equal",
            Self::MaxChange => "max_change",
            Self::MinChange => "min_change",
        }
    }

    /// Its sign in tables.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Max | Self::MaxChange => "≤",
            Self::Min | Self::MinChange => "≥",
            Self::Equal => "=",
        }
    }

    /// Whether it is measured against a baseline.
    pub fn is_change(self) -> bool {
        matches!(self, Self::MaxChange | Self::MinChange)
    }
}

impl Scope {
    /// Its key in the file; none for the network.
    pub fn key(&self) -> Option<&'static str> {
        match self {
            Self::Net => None,
            Self::Stage(_) => Some("stage"),
            Self::Layers(_) => Some("layers"),
            Self::Op(_) => Some("op"),
        }
    }

    /// The pattern; empty for the network.
    pub fn pattern(&self) -> &str {
        match self {
            Self::Net => "",
            Self::Stage(pattern) | Self::Layers(pattern) | Self::Op(pattern) => pattern,
        }
    }
}

/// What became of one bound for one part of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It holds.
    Holds,
    /// It holds, and lies far from the figure.
    Loose,
    /// It is violated.
    Violated,
    /// The figure misses ops without a known cost, so that nobody knows.
    Unknown,
    /// The baseline has no such part: nothing to compare with.
    New,
    /// No baseline was wanted.
    Skipped,
}

impl Status {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Loose => "loose",
            Self::Violated => "violated",
            Self::Unknown => "unknown",
            Self::New => "new",
            Self::Skipped => "skipped",
        }
    }

    /// Whether the budget fails by it.
    pub fn fails(self) -> bool {
        matches!(self, Self::Violated | Self::Unknown)
    }
}

/// One bound for one part of the network.
#[derive(Clone, Debug)]
pub struct Row {
    /// The limit's place in the file, from 0.
    pub limit: usize,
    /// The path of the report.
    pub metric: String,
    /// What it was looked up of; for a sum over layers the pattern.
    pub scope: Scope,
    /// Whether it is a sum over layers.
    pub together: bool,
    /// The kind of bound.
    pub kind: BoundKind,
    /// The bound in the words of the file.
    pub text: String,
    /// The bound as an amount; a change is added to the baseline's figure. Absent where there is no baseline.
    pub bound: Option<Amount>,
    /// The figure.
    pub value: Amount,
    /// The baseline's figure, where there is one.
    pub baseline: Option<Amount>,
    /// The verdict.
    pub status: Status,
    /// Ops without a known cost that the figure misses.
    pub unknown: Vec<String>,
    /// Why the limit is there.
    pub reason: Option<String>,
    /// Where the bound stands.
    pub span: Span,
}

impl Row {
    /// `macs of stage dense1`
    pub fn subject(&self) -> String {
        match self.scope.key() {
            None => self.metric.clone(),
            Some("layers") if !self.together => format!("{} of layer {}", self.metric, self.scope.pattern()),
            Some(key) => format!("{} of {key} {}", self.metric, self.scope.pattern()),
        }
    }

    /// The figure less the bound.
    pub fn over(&self) -> Option<Amount> {
        let bound = self.bound.as_ref()?;
        Some(Amount::new(&self.value.number - &bound.number, self.value.quantity))
    }

    /// How far the figure is from the bound, in percent of the bound, with its sign.
    pub fn over_percent(&self) -> Option<String> {
        let (over, bound) = (self.over()?, self.bound.as_ref()?);
        signed_percent(&over.number, &bound.number)
    }

    /// How far the figure is from the baseline's, likewise.
    pub fn change_percent(&self) -> Option<String> {
        let baseline = self.baseline.as_ref()?;
        signed_percent(&(&self.value.number - &baseline.number), &baseline.number)
    }
}

/// A change in percent with its sign.
pub fn signed_percent(change: &BigRational, whole: &BigRational) -> Option<String> {
    use num::traits::{Signed as _, Zero as _};
    let percent = amount::percent(change, whole)?;
    let sign = if change.is_negative() { "−" } else { "+" };
    Some(match percent.strip_prefix("over ") {
        _ if change.is_zero() => "0.0 %".into(),
        Some(percent) => format!("> {sign}{percent}"),
        None => format!("{sign}{percent}"),
    })
}

/// All rows of a budget, judged.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The budget file as the user knows it.
    pub file: String,
    /// What changes were measured against, as the user knows it.
    pub baseline: Option<String>,
    /// In the order of the file.
    pub rows: Vec<Row>,
}

impl Verdict {
    /// Whether nothing fails.
    pub fn passes(&self) -> bool {
        self.rows.iter().all(|row| !row.status.fails())
    }
}
