//! What was measured: the keys of the JSON report, and the rates that tables and charts have too.

#[cfg(test)]
pub(crate) mod tests;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::Report;
use crate::graph::NodeId;
use crate::measurement::{Check, Curve, Measurement, NodeMeasurement, Provenance, Timing};

/// A report that has a measurement.
#[derive(Clone, Copy)]
pub struct Measured<'a> {
    report: Report<'a>,
    /// The measurement.
    pub measurement: &'a Measurement,
}

/// A time, what was done in it, and the least that it can be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// The time.
    pub timing: Timing,
    /// Operations a second; none where the time is below 100 ticks of the clock or nothing is computed.
    pub flops: Option<f64>,
    /// Bytes of `traffic_bytes.fused` a second, likewise.
    pub bytes: Option<f64>,
    /// Nanoseconds at least on the device, where one was named.
    pub bound: Option<f64>,
}

impl Pace {
    /// How many times the bound the time is; none where the clock does not resolve it.
    pub fn over_bound(&self) -> Option<f64> {
        let bound = self.bound.filter(|bound| *bound > 0.0)?;
        self.timing.is_resolved().then(|| self.timing.median / bound)
    }
}

impl<'a> Measured<'a> {
    /// The measurement of a report, where it has one.
    pub fn new(report: &Report<'a>) -> Option<Self> {
        Some(Self { report: *report, measurement: report.measurement? })
    }

    /// A report with a measurement.
    pub fn with(report: Report<'a>, measurement: &'a Measurement) -> Self {
        Self { report: Report { measurement: Some(measurement), ..report }, measurement }
    }

    /// The report.
    pub fn report(&self) -> &Report<'a> {
        &self.report
    }

    fn pace(&self, timing: Timing, amounts: Option<(u64, u64)>, bound: Option<f64>) -> Pace {
        let rate = |amount: u64| timing.rate(amount).filter(|_| amount > 0);
        let (flops, bytes) = amounts.map_or((None, None), |(flops, bytes)| (rate(flops), rate(bytes)));
        Pace { timing, flops, bytes, bound: bound.map(|seconds| seconds * 1e9) }
    }

    /// The whole forward pass.
    pub fn forward(&self) -> Option<Pace> {
        let total = &self.report.analysis.total;
        let amounts = (total.unknown == 0).then_some((total.flops, total.traffic.fused));
        let bound = self.report.roofline.map(|(_, roofline)| roofline.seconds);
        Some(self.pace(self.measurement.forward?, amounts, bound))
    }

    /// A step of training. Its operations are the multiply-accumulates of both passes, 2 each; none without an analysis
    /// of memory, which counts them.
    pub fn step(&self) -> Option<Pace> {
        let macs = self.report.memory.map(|memory| memory.training[0].macs);
        let flops = macs.and_then(|macs| {
            let sum = macs.forward.checked_add(macs.grad_input)?.checked_add(macs.grad_weight)?;
            sum.checked_mul(2)
        });
        let flops = flops.filter(|_| self.report.analysis.total.unknown == 0);
        Some(self.pace(self.measurement.step?, flops.map(|flops| (flops, 0)), None))
    }

    /// The forward pass of a node, where it was timed.
    pub fn node(&self, id: NodeId) -> Option<Pace> {
        let timing = self.measurement.nodes.get(id.index())?.forward?;
        let analysis = self.report.analysis;
        let cost = &analysis.nodes[id.index()];
        let amounts = (!cost.unknown).then_some((cost.flops, analysis.traffic[id.index()].fused));
        let bound = self.report.roofline.and_then(|(_, roofline)| roofline.nodes.get(id.index()).copied());
        Some(self.pace(timing, amounts, bound))
    }

    /// The nodes that were timed, in order.
    pub fn timed(&self) -> impl Iterator<Item = (NodeId, &'a NodeMeasurement)> {
        let nodes = self.report.graph.nodes().map(|(id, _)| id).zip(&self.measurement.nodes);
        nodes.filter(|(_, node)| node.forward.is_some() || node.backward.is_some())
    }

    /// The value of the key `measurement`: without figures of single nodes where those are not wanted.
    pub fn keys(self, nodes: bool) -> impl Serialize {
        Keys { measured: self, nodes }
    }

    fn name(&self, id: NodeId) -> &'a str {
        &self.report.graph.node(id).name
    }
}

struct Keys<'a> {
    measured: Measured<'a>,
    nodes: bool,
}

impl Serialize for Keys<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { measured, nodes } = self;
        let measurement = measured.measurement;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("provenance", &ProvenanceKeys::from(&measurement.provenance))?;
        let checks: Vec<_> = measurement.checks.iter().map(|check| check_keys(measured, check)).collect();
        map.serialize_entry("checks", &checks)?;
        let time = Times {
            forward: measured.forward().map(PaceKeys::from),
            training_step: measured.step().map(PaceKeys::from),
        };
        map.serialize_entry("time", &time)?;
        let curves: Vec<_> =
            measurement.memory.iter().map(|curve| curve_keys(measured, curve, *nodes)).collect();
        map.serialize_entry("memory", &curves)?;
        if *nodes {
            let nodes: Vec<_> = measured.timed().map(|(id, node)| node_keys(measured, id, node)).collect();
            map.serialize_entry("nodes", &nodes)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct ProvenanceKeys<'a> {
    device: &'a str,
    driver: Option<&'a str>,
    library: &'a str,
    threads: usize,
    dtype: &'a str,
    batch: u64,
    values: &'a str,
    schedule: &'a str,
    samples: usize,
    warm_up: usize,
    load: Option<f64>,
    processors: usize,
}

impl<'a> From<&'a Provenance> for ProvenanceKeys<'a> {
    fn from(provenance: &'a Provenance) -> Self {
        let Provenance {
            device,
            driver,
            library,
            threads,
            dtype,
            batch,
            values,
            schedule,
            samples,
            warm_up,
            load,
            processors,
        } = provenance;
        Self {
            device,
            driver: driver.as_deref(),
            library,
            threads: *threads,
            dtype,
            batch: *batch,
            values,
            schedule,
            samples: *samples,
            warm_up: *warm_up,
            load: *load,
            processors: *processors,
        }
    }
}

#[derive(Serialize)]
struct CheckKeys<'a> {
    name: &'a str,
    what: &'a str,
    verdict: &'static str,
    reason: Option<&'a str>,
    predicted: Option<u64>,
    measured: Option<u64>,
    unit: &'static str,
    compared: usize,
    off: Vec<OffKeys<'a>>,
    note: Option<&'a str>,
}

#[derive(Serialize)]
struct OffKeys<'a> {
    node: &'a str,
    predicted: &'a str,
    measured: &'a str,
}

fn check_keys<'a>(of: &Measured<'a>, check: &'a Check) -> CheckKeys<'a> {
    let off = check.off.iter().map(|difference| OffKeys {
        node: of.name(difference.node),
        predicted: &difference.predicted,
        measured: &difference.measured,
    });
    CheckKeys {
        name: check.name,
        what: check.what,
        verdict: check.verdict.name(),
        reason: check.verdict.reason(),
        predicted: check.predicted,
        measured: check.measured,
        unit: check.unit.name(),
        compared: check.compared,
        off: off.collect(),
        note: check.note.as_deref(),
    }
}

#[derive(Serialize)]
struct TimingKeys {
    median_ns: f64,
    mad_ns: f64,
    samples: usize,
    outliers: usize,
    resolution_ns: f64,
    processor_ns: Option<f64>,
}

impl From<Timing> for TimingKeys {
    fn from(timing: Timing) -> Self {
        Self {
            median_ns: timing.median,
            mad_ns: timing.deviation,
            samples: timing.samples,
            outliers: timing.outliers,
            resolution_ns: timing.resolution,
            processor_ns: timing.processor,
        }
    }
}

#[derive(Serialize)]
struct PaceKeys {
    #[serde(flatten)]
    timing: TimingKeys,
    flops_per_second: Option<f64>,
    bytes_per_second: Option<f64>,
    bound_ns: Option<f64>,
}

impl From<Pace> for PaceKeys {
    fn from(pace: Pace) -> Self {
        let Pace { timing, flops, bytes, bound } = pace;
        Self { timing: timing.into(), flops_per_second: flops, bytes_per_second: bytes, bound_ns: bound }
    }
}

#[derive(Serialize)]
struct Times {
    forward: Option<PaceKeys>,
    training_step: Option<PaceKeys>,
}

#[derive(Serialize)]
struct CurveKeys<'a> {
    name: &'a str,
    predicted_peak: u64,
    measured_peak: u64,
    allocated_peak: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    curve: Option<Vec<StepKeys<'a>>>,
}

#[derive(Serialize)]
struct StepKeys<'a> {
    node: &'a str,
    pass: &'static str,
    predicted: u64,
    measured: u64,
    allocated: u64,
    workspace: u64,
}

fn curve_keys<'a>(of: &Measured<'a>, curve: &'a Curve, steps: bool) -> CurveKeys<'a> {
    let Curve { predicted, measured, peak, workspace, .. } = curve;
    let figures = predicted.iter().zip(measured).zip(peak).zip(workspace);
    let keys =
        curve.steps.iter().zip(figures).map(|(step, (((&predicted, &measured), &allocated), &workspace))| {
            StepKeys {
                node: of.name(step.node),
                pass: step.pass(),
                predicted,
                measured,
                allocated,
                workspace,
            }
        });
    CurveKeys {
        name: curve.name,
        predicted_peak: curve.predicted_peak(),
        measured_peak: curve.measured_peak(),
        allocated_peak: curve.allocated_peak(),
        curve: steps.then(|| keys.collect()),
    }
}

#[derive(Serialize)]
struct NodeKeys<'a> {
    name: &'a str,
    forward: Option<TimingKeys>,
    backward: Option<TimingKeys>,
    flops_per_second: Option<f64>,
    bytes_per_second: Option<f64>,
    bound_ns: Option<f64>,
}

fn node_keys<'a>(of: &Measured<'a>, id: NodeId, node: &NodeMeasurement) -> NodeKeys<'a> {
    let pace = of.node(id);
    NodeKeys {
        name: of.name(id),
        forward: node.forward.map(TimingKeys::from),
        backward: node.backward.map(TimingKeys::from),
        flops_per_second: pace.and_then(|pace| pace.flops),
        bytes_per_second: pace.and_then(|pace| pace.bytes),
        bound_ns: pace.and_then(|pace| pace.bound),
    }
}
