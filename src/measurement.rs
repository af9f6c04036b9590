//! What was measured, beside what was predicted: plain data, without the program that measured it.
//!
//! Filled in by `executor`, which needs the feature `exec`; shown by `report`, which does not.

use crate::graph::NodeId;

/// All that was measured of one network.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// Where and how.
    pub provenance: Provenance,
    /// Predicted figures held against measured ones, in the order in which they are shown.
    pub checks: Vec<Check>,
    /// A whole forward pass.
    pub forward: Option<Timing>,
    /// A whole step of training: forward and backward, without an optimizer.
    pub step: Option<Timing>,
    /// Bytes of tensors in use, node by node.
    pub memory: Vec<Curve>,
    /// By [`NodeId`]; the inputs of the network and what is known before the first image are not timed.
    pub nodes: Vec<NodeMeasurement>,
}

impl Measurement {
    /// Whether no check is off.
    pub fn holds(&self) -> bool {
        self.checks.iter().all(|check| !matches!(check.verdict, Verdict::Off))
    }
}

/// Where and how figures were measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Provenance {
    /// The processor or card.
    pub device: String,
    /// Its driver, where it has one.
    pub driver: Option<String>,
    /// The library that ran the ops, with its version.
    pub library: &'static str,
    /// Threads of the library.
    pub threads: usize,
    /// The element type of the network's inputs.
    pub dtype: &'static str,
    /// Images in a batch.
    pub batch: u64,
    /// Where the values of stored tensors come from: `seed 1`, or a file.
    pub values: String,
    /// The order in which the nodes ran: `as_written` or `lowered`.
    pub schedule: &'static str,
    /// Timed repetitions that were asked for.
    pub samples: usize,
    /// Repetitions before them, which were not timed: how many were made, of two passes the fewer.
    pub warm_up: usize,
    /// Processes that wanted a processor on average over the last minute, where the system tells; and processors.
    pub load: Option<f64>,
    /// Processors of the machine.
    pub processors: usize,
}

/// What became of one check.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Equal.
    Exact,
    /// Not equal, and within what the check allows: why it allows it.
    Within(String),
    /// Off.
    Off,
    /// Not checked, and why.
    Unchecked(String),
}

impl Verdict {
    /// Its key in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Within(_) => "within",
            Self::Off => "off",
            Self::Unchecked(_) => "unchecked",
        }
    }

    /// Its reason, if it has one.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Within(why) | Self::Unchecked(why) => Some(why),
            Self::Exact | Self::Off => None,
        }
    }
}

/// One predicted figure beside the measured one.
#[derive(Clone, Debug)]
pub struct Check {
    /// Its key in reports.
    pub name: &'static str,
    /// What it compares, in a line.
    pub what: &'static str,
    /// What became of it.
    pub verdict: Verdict,
    /// The predicted total.
    pub predicted: Option<u64>,
    /// The measured one.
    pub measured: Option<u64>,
    /// Of both.
    pub unit: Unit,
    /// Nodes that were compared one by one.
    pub compared: usize,
    /// Nodes that differ by more than is allowed, in order.
    pub off: Vec<Difference>,
    /// What else is to be said: what could not be compared, and why.
    pub note: Option<String>,
}

impl Check {
    /// Says that some nodes could not be compared: there are no totals then, and nothing is exact.
    pub fn leave_out(&mut self, why: &str) {
        let is_first = self.predicted.is_some();
        (self.predicted, self.measured) = (None, None);
        let verdict = match &self.verdict {
            _ if self.compared == 0 && is_first => Verdict::Unchecked(why.into()),
            Verdict::Exact => Verdict::Within(format!("not all nodes were compared: {why}")),
            Verdict::Within(other) => Verdict::Within(format!("{other}; {why}")),
            Verdict::Unchecked(other) => Verdict::Unchecked(format!("{other}; {why}")),
            Verdict::Off => {
                self.note =
                    Some(self.note.take().map_or_else(|| why.into(), |note| format!("{note}; {why}")));
                Verdict::Off
            }
        };
        self.verdict = verdict;
    }
}

/// What a check counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Tensors.
    Tensors,
    /// Elements.
    Elements,
    /// Multiply-accumulates.
    Macs,
    /// Elementary operations.
    Flops,
    /// Bytes.
    Bytes,
    /// Paths.
    Paths,
    /// Pairs of layers.
    Pairs,
}

impl Unit {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tensors => "tensors",
            Self::Elements => "elements",
            Self::Macs => "MACs",
            Self::Flops => "FLOPs",
            Self::Bytes => "bytes",
            Self::Paths => "paths",
            Self::Pairs => "pairs",
        }
    }
}

/// One node at which a figure is off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The node.
    pub node: NodeId,
    /// What was predicted.
    pub predicted: String,
    /// What was measured.
    pub measured: String,
}

/// Repeated measurements of one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// How many.
    pub samples: usize,
    /// The middle one, in nanoseconds.
    pub median: f64,
    /// The middle distance from the median, in nanoseconds.
    pub deviation: f64,
    /// Samples further from the median than 5 scaled deviations (1.4826 · MAD, Iglewicz and Hoaglin 1993).
    pub outliers: usize,
    /// The least time that the clock tells apart, in nanoseconds.
    pub resolution: f64,
    /// The middle one of the processor's time, where the system tells it, in nanoseconds.
    pub processor: Option<f64>,
}

impl Timing {
    /// Something per second; `None` where the time is below 100 ticks of the clock.
    #[expect(clippy::cast_precision_loss, reason = "a rate, not a count")]
    pub fn rate(&self, amount: u64) -> Option<f64> {
        self.is_resolved().then(|| amount as f64 / self.median * 1e9)
    }

    /// Whether the time is at least 100 ticks of the clock, so that ratios with it say something.
    pub fn is_resolved(&self) -> bool {
        self.median >= 100.0 * self.resolution && self.median > 0.0
    }
}

/// Bytes of tensors in use while each step ran. All lists have the same length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Curve {
    /// `inference` or `training`.
    pub name: &'static str,
    /// What ran, in order; the lists below have a figure for each.
    pub steps: Vec<Step>,
    /// What the analysis said, step by step.
    pub predicted: Vec<u64>,
    /// What the allocator had given out when each step had run, before anything was dropped.
    pub measured: Vec<u64>,
    /// The most that it had given out while the step ran: with the workspace.
    pub peak: Vec<u64>,
    /// The most that the op declared for its workspace.
    pub workspace: Vec<u64>,
}

/// One node that ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The node.
    pub node: NodeId,
    /// Whether it ran backward.
    pub backward: bool,
}

impl Step {
    /// The key of its pass in reports.
    pub fn pass(self) -> &'static str {
        if self.backward { "backward" } else { "forward" }
    }
}

impl Curve {
    /// The largest predicted figure.
    pub fn predicted_peak(&self) -> u64 {
        self.predicted.iter().copied().max().unwrap_or(0)
    }

    /// The largest measured one, without workspace.
    pub fn measured_peak(&self) -> u64 {
        self.measured.iter().copied().max().unwrap_or(0)
    }

    /// The largest measured one, with workspace.
    pub fn allocated_peak(&self) -> u64 {
        self.peak.iter().copied().max().unwrap_or(0)
    }
}

/// What was measured of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NodeMeasurement {
    /// The forward pass, in evaluation mode.
    pub forward: Option<Timing>,
    /// The backward pass.
    pub backward: Option<Timing>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_nodes_out_is_not_exact_and_has_no_total() {
        let of = |verdict, compared| Check {
            name: "flops",
            what: "",
            verdict,
            predicted: Some(1),
            measured: Some(1),
            unit: Unit::Flops,
            compared,
            off: Vec::new(),
            note: None,
        };
        let left_out = |verdict, compared| {
            let mut check = of(verdict, compared);
            check.leave_out("two are too large");
            assert_eq!((check.predicted, check.measured), (None, None));
            check
        };
        assert_eq!(left_out(Verdict::Exact, 0).verdict, Verdict::Unchecked("two are too large".into()));
        let within = left_out(Verdict::Exact, 3).verdict;
        assert_eq!(within.reason(), Some("not all nodes were compared: two are too large"));
        let mut twice = left_out(Verdict::Exact, 0);
        twice.leave_out("one does not run");
        assert_eq!(twice.verdict.reason(), Some("two are too large; one does not run"));
        let off = left_out(Verdict::Off, 3);
        assert_eq!((off.verdict, off.note.as_deref()), (Verdict::Off, Some("two are too large")));
    }
}
