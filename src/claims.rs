//! The papers' claims about CSP, judged on a network and its CSP variant. Plain data; `report/claims.rs` shows it.
//!
//! The claims are one table, [`CLAIMS`]; each has a function that computes its figures and its verdict. No verdict is
//! written down: the same claim holds for one pair and not for another. `csp-profile explain claims` has the definitions.

mod rules;
mod stages;
#[cfg(test)]
mod tests;

use num::BigUint;

pub use rules::CLAIMS;
pub use stages::StagePair;

use crate::analysis::gradient::{Gradient, paths};
use crate::analysis::{Analysis, memory};
use crate::graph::Graph;

/// All results about one network.
#[derive(Clone, Copy, Debug)]
pub struct Network<'a> {
    /// The network.
    pub graph: &'a Graph,
    /// Its costs.
    pub analysis: &'a Analysis,
    /// Its gradient paths.
    pub gradient: &'a Gradient,
    /// Its memory.
    pub memory: &'a memory::Analysis,
}

/// A network and its CSP variant.
#[derive(Clone, Debug)]
pub struct Pair<'a> {
    /// The plain network.
    pub base: Network<'a>,
    /// Its CSP variant.
    pub csp: Network<'a>,
    /// The stages that both have, that merge something and that differ in cost: those that CSP has changed.
    pub stages: Vec<StagePair>,
    /// How many stages the other network does not have.
    pub unpaired: usize,
}

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A count.
    Count(u64),
    /// A number of bytes.
    Bytes(u64),
    /// A ratio.
    Ratio(f64),
    /// A number of paths.
    Paths(BigUint),
}

impl Value {
    /// This figure over another; `None` over nothing.
    pub fn over(&self, base: &Self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "ratios are approximate by nature")]
        let number = |value: &Self| match value {
            Self::Count(count) | Self::Bytes(count) => *count as f64,
            Self::Ratio(ratio) => *ratio,
            Self::Paths(_) => 0.0,
        };
        if let (Self::Paths(base), Self::Paths(own)) = (base, self) {
            return (*base != BigUint::ZERO).then(|| (paths::log2(own) - paths::log2(base)).exp2());
        }
        (number(base) != 0.0).then(|| number(self) / number(base))
    }
}

/// A figure of both networks.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Its name in tables.
    pub name: &'static str,
    /// The plain network's; `None` where it has none.
    pub base: Option<Value>,
    /// The CSP variant's.
    pub csp: Option<Value>,
}

impl Figure {
    /// The variant's over the plain network's.
    pub fn ratio(&self) -> Option<f64> {
        self.csp.as_ref()?.over(self.base.as_ref()?)
    }
}

/// What becomes of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds for the whole network.
    Holds,
    /// It does not hold for the whole network, but stage by stage, or in some stages.
    HoldsPerStage,
    /// It holds nowhere.
    DoesNotHold,
    /// A figure that it is about does not exist here.
    NotJudged,
}

impl Verdict {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::HoldsPerStage => "holds per stage",
            Self::DoesNotHold => "does not hold",
            Self::NotJudged => "not judged",
        }
    }

    /// Of the whole network, where it can be judged, and of the stages that can.
    pub fn of(whole: Option<bool>, stages: &[StageFigure]) -> Self {
        let mut judged = stages.iter().filter_map(|stage| stage.holds).peekable();
        match whole {
            Some(true) => Self::Holds,
            None if judged.peek().is_none() => Self::NotJudged,
            _ if judged.any(|holds| holds) => Self::HoldsPerStage,
            _ => Self::DoesNotHold,
        }
    }

    /// Of a claim that is about stages: it holds where it does in all of them that can be judged.
    pub fn of_stages(stages: &[StageFigure]) -> Self {
        let mut judged = stages.iter().filter_map(|stage| stage.holds).peekable();
        Self::of(judged.peek().is_some().then(|| judged.all(|holds| holds)), stages)
    }
}

/// A claim's figure in one stage.
#[derive(Clone, Debug, PartialEq)]
pub struct StageFigure {
    /// The stage in the CSP variant.
    pub stage: String,
    /// The figure.
    pub figure: Figure,
    /// Whether the claim holds here; `None` where it cannot be judged.
    pub holds: Option<bool>,
}

/// What a claim's function finds.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The figures of the whole networks; the first one is the claim's own.
    pub figures: Vec<Figure>,
    /// The figures of the changed stages.
    pub stages: Vec<StageFigure>,
    /// What becomes of it.
    pub verdict: Verdict,
    /// A sentence or two for people; empty where the figures say it all.
    pub remark: String,
}

/// A claim as somebody made it.
#[derive(Debug)]
pub struct Rule {
    /// Its key in reports.
    pub key: &'static str,
    /// Its name in tables.
    pub name: &'static str,
    /// Its words; in quotation marks where they are the paper's own.
    pub quote: &'static str,
    /// The figure, and the threshold that the verdict depends on.
    pub formula: &'static str,
    /// Who made it, and where.
    pub source: &'static str,
    /// Computes and judges it.
    pub judge: fn(&Pair<'_>) -> Finding,
}

/// A claim and what becomes of it.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The claim.
    pub rule: &'static Rule,
    /// What was found.
    pub finding: Finding,
}

/// Judges all claims. Linear in what the analyses hold.
pub fn judge(pair: &Pair<'_>) -> Vec<Claim> {
    CLAIMS.iter().map(|rule| Claim { rule, finding: (rule.judge)(pair) }).collect()
}
