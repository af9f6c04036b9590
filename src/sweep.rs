//! Every combination of some parameters' values. Plain data; `report/sweep.rs` shows it.

pub mod axis;
pub mod padding;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::analysis::gradient::Gradient;
use crate::analysis::{analyze, memory};
use crate::diagnostic::{Code, Severity, Sink};
use crate::frontend::{LoadOptions, load_bytes};
use crate::published::{is_of_gradient, is_of_memory};
use crate::report::Report;
use crate::source::SourceMap;
use axis::Axis;
use padding::Padded;

/// What is swept, and what is asked of each point.
#[derive(Clone, Debug)]
pub struct Sweep<'a> {
    /// What diagnostics call the file.
    pub path: &'a str,
    /// The network's name by default.
    pub name: &'a str,
    /// The file's text.
    pub bytes: &'a [u8],
    /// How it is read, the swept parameters apart.
    pub options: &'a LoadOptions,
    /// The parameters and their values; the last one changes fastest.
    pub axes: &'a [Axis],
    /// Paths under the report's totals.
    pub metrics: &'a [String],
    /// The multiple that channels should have.
    pub align: Option<u64>,
}

/// One combination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// By axis, as the command line would give it.
    pub values: Vec<String>,
    /// What it costs, or why there is no such network.
    pub outcome: Result<Outcome, String>,
}

/// What one combination costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// By metric asked for; `None` where the network has none.
    pub metrics: Vec<Option<u64>>,
    /// What channels that miss the multiple waste.
    pub padded: Option<Padded>,
    /// The accuracies that others published for this point.
    pub accuracies: Vec<Accuracy>,
    /// Whether the figures miss ops of unknown cost.
    pub at_least: bool,
}

/// A published accuracy.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Accuracy {
    /// `accuracy.top1` and the like.
    pub metric: String,
    /// As printed.
    pub value: String,
    /// Who printed it.
    pub source: String,
}

impl Sweep<'_> {
    /// How many points there are; saturates.
    pub fn len(&self) -> usize {
        self.axes.iter().fold(1, |product, axis| product.saturating_mul(axis.values.len()))
    }

    /// Whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of one point.
    fn values(&self, mut index: usize) -> Vec<String> {
        let mut values: Vec<String> = Vec::with_capacity(self.axes.len());
        for axis in self.axes.iter().rev() {
            values.push(axis.values[index % axis.values.len()].clone());
            index /= axis.values.len();
        }
        values.reverse();
        values
    }

    /// How the file is read at one point.
    pub fn options(&self, index: usize) -> LoadOptions {
        let mut options = self.options.clone();
        options.set.extend(self.axes.iter().map(|axis| axis.name.clone()).zip(self.values(index)));
        options
    }

    /// All points in the order of their combination, whatever the number of threads. `done` is told of each.
    pub fn run(&self, threads: usize, done: &(dyn Fn() + Sync)) -> Vec<Point> {
        let (next, count) = (AtomicUsize::new(0), self.len());
        let found: Mutex<Vec<(usize, Point)>> = Mutex::new(Vec::with_capacity(count));
        let work = || {
            let mut mine = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    break;
                }
                mine.push((index, self.point(index)));
                done();
            }
            found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).append(&mut mine);
        };
        std::thread::scope(|scope| {
            for _ in 1..threads.min(count) {
                scope.spawn(work);
            }
            work();
        });
        let mut found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        found.sort_unstable_by_key(|(index, _)| *index);
        found.into_iter().map(|(_, point)| point).collect()
    }

    fn point(&self, index: usize) -> Point {
        Point { values: self.values(index), outcome: self.outcome(&self.options(index)) }
    }

    fn outcome(&self, options: &LoadOptions) -> Result<Outcome, String> {
        let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
        let bytes = self.bytes.to_vec();
        let Some(loaded) = load_bytes(self.path, self.name, bytes, options, &mut sources, &mut sink) else {
            return Err(first_error(&sink));
        };
        let too_large = |_| "the network's costs do not fit in 64 bits".to_owned();
        let analysis = analyze(&loaded.graph).map_err(too_large)?;
        let wants = |of: fn(&str) -> bool| self.metrics.iter().any(|metric| of(metric));
        let memory =
            wants(is_of_memory).then(|| memory::analyze(&loaded.graph)).transpose().map_err(too_large)?;
        let gradient = wants(is_of_gradient).then(|| Gradient::new(&loaded.graph)).transpose();
        let gradient = gradient.map_err(|refusal| format!("gradient paths cannot be followed: {refusal}"))?;
        let report = Report {
            graph: &loaded.graph,
            analysis: &analysis,
            parameters: &loaded.parameters,
            facts: &[],
            sources: &sources,
            format: loaded.format,
            memory: memory.as_ref(),
            gradient: gradient.as_ref(),
            budget: None,
            measurement: None,
            roofline: None,
            prediction: None,
        };
        let padded = self.align.map(|multiple| padding::padded(&loaded.graph, &analysis, multiple));
        let accuracies = loaded.facts.iter().filter(|fact| fact.applies && is_accuracy(&fact.metric));
        Ok(Outcome {
            metrics: self.metrics.iter().map(|metric| report.value(metric, None)).collect(),
            at_least: analysis.total.unknown > 0,
            padded: padded.transpose().map_err(too_large)?,
            accuracies: accuracies
                .map(|fact| Accuracy {
                    metric: fact.metric.clone(),
                    value: fact.value.text.clone(),
                    source: fact.source.clone(),
                })
                .collect(),
        })
    }
}

fn is_accuracy(metric: &str) -> bool {
    metric.starts_with("accuracy.")
}

fn first_error(sink: &Sink) -> String {
    let mut errors = sink.diagnostics().iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    errors.next().map_or_else(|| "the file gives no network".to_owned(), |error| error.message.clone())
}

/// Whether a fault of a file is there whatever values its parameters have.
pub fn is_of_every_point(code: Code) -> bool {
    use Code::{
        DuplicateKey, EmptyFile, FileTooLarge, NotUtf8, Syntax, UnknownFormat, UnknownKey, UnknownParameter,
    };
    matches!(
        code,
        DuplicateKey
            | EmptyFile
            | FileTooLarge
            | NotUtf8
            | Syntax
            | UnknownFormat
            | UnknownKey
            | UnknownParameter
    )
}
