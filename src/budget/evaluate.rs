//! Limits held against a report.

use num::BigRational;
use num::traits::Zero as _;
use rustc_hash::FxHashSet;
use serde_json::Value;

use super::amount::{Amount, Quantity, figure};
use super::lookup::{self, Found, MEASUREMENT, PREDICTION, Subject};
use super::{Bound, BoundKind, Budget, Limit, Row, Scope, Status, glob};
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::source::Span;

/// What changes are measured against.
#[derive(Clone, Copy, Debug)]
pub enum Baseline<'a> {
    /// Nobody named one: a limit on a change is a fault.
    Missing,
    /// It was said that there is none: limits on changes are skipped.
    Off,
    /// The baseline does not have the network yet.
    New,
    /// A report.
    Report(&'a Value),
}

/// A figure and what it misses.
struct Figure<'a> {
    scope: Scope,
    number: BigRational,
    unknown: Vec<String>,
    subjects: Vec<Subject<'a>>,
}

/// Judges every limit. What is wrong with the budget goes to the sink; its rows are then left out.
pub fn evaluate(budget: &Budget, report: &Value, baseline: Baseline<'_>, sink: &mut Sink) -> Vec<Row> {
    let mut rows = Vec::new();
    for (index, limit) in budget.limits.iter().enumerate() {
        for figure in figures(limit, report, sink) {
            for bound in &limit.bounds {
                rows.extend(judge(budget, index, limit, bound, &figure, baseline, sink));
            }
        }
    }
    // A limit on each of several is loose where it is for all of them.
    let bites: FxHashSet<Span> =
        rows.iter().filter(|row| row.status != Status::Loose).map(|row| row.span).collect();
    for row in rows.iter_mut().filter(|row| row.status == Status::Loose && bites.contains(&row.span)) {
        row.status = Status::Holds;
    }
    rows
}

/// Whether a limit names a path that the report does not have, although an analysis may.
pub fn lacks(budget: &Budget, report: &Value) -> bool {
    let of_report =
        |limit: &&Limit| !lookup::is_measured(&limit.metric) && !lookup::is_predicted(&limit.metric);
    budget.limits.iter().filter(of_report).any(|limit| {
        let subjects = lookup::subjects(report, &limit.scope);
        subjects.first().is_some_and(|subject| subject.find(&limit.metric) == Found::Nothing)
    })
}

/// The most extreme figure that a limit is about: what a bound of it must hold for.
pub fn extreme(limit: &Limit, report: &Value, largest: bool, sink: &mut Sink) -> Option<BigRational> {
    let numbers = figures(limit, report, sink).into_iter().map(|figure| figure.number);
    if largest { numbers.max() } else { numbers.min() }
}

/// The figures of a limit: one for each part of the network, or one for layers together.
fn figures<'a>(limit: &Limit, report: &'a Value, sink: &mut Sink) -> Vec<Figure<'a>> {
    let subjects = lookup::subjects(report, &limit.scope);
    if subjects.is_empty() {
        sink.push(nothing(limit, report));
        return Vec::new();
    }
    let together = matches!(limit.scope, Scope::Layers(_)) && !limit.each;
    if together && !lookup::is_summed(&limit.metric) && subjects.len() > 1 {
        let count = subjects.len();
        sink.push(
            Diagnostic::error(
                Code::OutOfRange,
                format!("`{}` of several layers cannot be added up", limit.metric),
            )
            .at(limit.metric_span, "no sum")
            .at(limit.scope_span, format!("{count} layers"))
            .help("add \"each\": true, and every layer is judged by itself"),
        );
        return Vec::new();
    }
    let mut figures = Vec::with_capacity(subjects.len());
    for subject in subjects {
        let number = match subject.find(&limit.metric) {
            Found::Figure(value) => figure(value),
            Found::Nothing if lookup::is_measured(&limit.metric) && report.get(MEASUREMENT).is_none() => {
                sink.push(not_measured(limit));
                return Vec::new();
            }
            Found::Nothing if lookup::is_predicted(&limit.metric) && report.get(PREDICTION).is_none() => {
                sink.push(no_prediction(limit));
                return Vec::new();
            }
            found => {
                sink.push(no_figure(limit, &found, &subject));
                return Vec::new();
            }
        };
        let is_predicted = lookup::is_predicted(&limit.metric);
        let misses = !["nodes", "totals.nodes"].contains(&&*limit.metric)
            && !limit.metric.starts_with("gradient.")
            && !lookup::is_measured(&limit.metric);
        let unknown = match (is_predicted, misses) {
            (true, _) if matches!(limit.scope, Scope::Net) => lookup::not_predicted(report),
            (true, _) | (_, false) => Vec::new(),
            (false, true) => lookup::unknown(report, &limit.scope, &subject),
        };
        let scope = match &limit.scope {
            Scope::Net => Scope::Net,
            Scope::Stage(_) => Scope::Stage(subject.name.into()),
            Scope::Layers(_) => Scope::Layers(subject.name.into()),
            Scope::Op(_) => Scope::Op(subject.name.into()),
        };
        figures.extend(number.map(|number| Figure { scope, number, unknown, subjects: vec![subject] }));
    }
    if !together {
        return figures;
    }
    let mut unknown: Vec<String> = figures.iter().flat_map(|figure| figure.unknown.clone()).collect();
    unknown.sort();
    unknown.dedup();
    vec![Figure {
        scope: limit.scope.clone(),
        number: figures.iter().map(|figure| &figure.number).sum(),
        unknown,
        subjects: figures.iter().flat_map(|figure| figure.subjects.clone()).collect(),
    }]
}

fn judge(
    budget: &Budget,
    index: usize,
    limit: &Limit,
    bound: &Bound,
    figure: &Figure<'_>,
    baseline: Baseline<'_>,
    sink: &mut Sink,
) -> Option<Row> {
    let quantity = Quantity::of(&limit.metric);
    let before = match baseline {
        Baseline::Report(report) => before(limit, figure, report),
        Baseline::Missing | Baseline::Off | Baseline::New => Before::NoPart,
    };
    if bound.kind.is_change() && matches!(before, Before::NoFigure) {
        sink.push(
            Diagnostic::error(Code::NoBaseline, format!("the baseline has no figure `{}`", limit.metric))
                .at(limit.metric_span, "nothing to compare with")
                .help(if lookup::is_measured(&limit.metric) {
                    "measured figures are in reports of `csp-profile measure FILE --format json`"
                } else {
                    "make the report anew: `csp-profile analyze FILE --format json`"
                }),
        );
        return None;
    }
    let before = match before {
        Before::Figure(number) => Some(Amount::new(number, quantity)),
        Before::NoFigure | Before::NoPart => None,
    };
    let number = if bound.kind.is_change() {
        if matches!(baseline, Baseline::Missing) {
            sink.push(no_baseline(bound));
            return None;
        }
        change(bound, quantity, before.as_ref(), sink)?
    } else {
        let found = bound.written.amount(quantity);
        if found.is_none() {
            sink.push(wrong_unit(limit, bound, quantity));
        }
        Some(found?.number)
    };
    if bound.kind == BoundKind::Equal
        && quantity.is_whole()
        && number.as_ref().is_some_and(|n| !n.is_integer())
    {
        let message = format!("`{}` comes in whole numbers, so it is never `{}`", limit.metric, bound.text);
        sink.push(Diagnostic::error(Code::NotWhole, message).at(bound.span, "not whole"));
        return None;
    }
    let status = match &number {
        Some(number) => status(budget, limit, bound, figure, number),
        None if matches!(baseline, Baseline::Off) => Status::Skipped,
        None => Status::New,
    };
    Some(Row {
        limit: index,
        metric: limit.metric.clone(),
        scope: figure.scope.clone(),
        together: figure.subjects.len() > 1,
        kind: bound.kind,
        text: bound.text.clone(),
        bound: number.map(|number| Amount::new(number, quantity)),
        value: Amount::new(figure.number.clone(), quantity),
        baseline: before,
        status,
        unknown: figure.unknown.clone(),
        reason: limit.reason.clone(),
        span: bound.span,
    })
}

fn status(
    budget: &Budget,
    limit: &Limit,
    bound: &Bound,
    figure: &Figure<'_>,
    number: &BigRational,
) -> Status {
    let value = &figure.number;
    let exact = figure.unknown.is_empty() || limit.allow_unknown;
    // A figure that misses something is at least what it is.
    let (holds, certain) = match bound.kind {
        BoundKind::Max | BoundKind::MaxChange => (value <= number, value > number),
        BoundKind::Min | BoundKind::MinChange => (value >= number, value >= number),
        BoundKind::Equal => (value == number, value > number),
    };
    if !exact && !certain {
        return Status::Unknown;
    }
    if !holds {
        return Status::Violated;
    }
    let far = |large: &BigRational, small: &BigRational, headroom: &BigRational| {
        large > &(small + small * headroom)
    };
    let loose = budget.headroom.as_ref().filter(|_| !limit.fixed).is_some_and(|headroom| match bound.kind {
        BoundKind::Max => far(number, value, headroom),
        BoundKind::Min => far(value, number, headroom),
        BoundKind::Equal | BoundKind::MaxChange | BoundKind::MinChange => false,
    });
    if loose { Status::Loose } else { Status::Holds }
}

/// What a baseline has for a figure.
enum Before {
    Figure(BigRational),
    /// It has the part of the network, but no such figure.
    NoFigure,
    /// It does not have the part, or none that has a value.
    NoPart,
}

/// The baseline's figure for the same part.
fn before(limit: &Limit, now: &Figure<'_>, baseline: &Value) -> Before {
    // A stage of the name `a*` is no pattern here.
    let together = matches!(limit.scope, Scope::Layers(_)) && !limit.each;
    let same = |subject: &Subject<'_>| together || now.subjects.iter().any(|own| own.name == subject.name);
    let mut sum = None;
    for subject in lookup::subjects(baseline, &now.scope).iter().filter(|subject| same(subject)) {
        match subject.find(&limit.metric) {
            Found::Figure(value) => {
                let number = figure(value).unwrap_or_else(BigRational::zero);
                sum = Some(sum.unwrap_or_else(BigRational::zero) + number);
            }
            Found::Null => {}
            Found::Other(_) | Found::Nothing => return Before::NoFigure,
        }
    }
    sum.map_or(Before::NoPart, Before::Figure)
}

/// The baseline's figure with the change; `Some(None)` where there is none, `None` where the bound is wrong.
#[expect(clippy::option_option, reason = "a wrong bound, no figure, a figure")]
fn change(
    bound: &Bound,
    quantity: Quantity,
    before: Option<&Amount>,
    sink: &mut Sink,
) -> Option<Option<BigRational>> {
    let written = &bound.written;
    if written.unit == "%" {
        let factor =
            BigRational::from_integer(1.into()) + &written.number / BigRational::from_integer(100.into());
        return Some(before.map(|before| &before.number * factor));
    }
    let by = if written.number.is_zero() && written.unit.is_empty() {
        Some(BigRational::zero())
    } else if quantity == Quantity::Ratio && written.unit == "pp" {
        Some(&written.number / BigRational::from_integer(100.into()))
    } else {
        written.amount(quantity).map(|amount| amount.number)
    };
    let Some(by) = by else {
        let units = if quantity == Quantity::Ratio { "a plain number or pp" } else { quantity.units() };
        sink.push(
            Diagnostic::error(
                Code::Amount,
                format!("`{}` has no unit that a change here may have", bound.text),
            )
            .at(bound.span, "this unit does not fit")
            .help(format!("% of the baseline's figure, or {units}")),
        );
        return None;
    };
    Some(before.map(|before| &before.number + by))
}

fn wrong_unit(limit: &Limit, bound: &Bound, quantity: Quantity) -> Diagnostic {
    let unit = &bound.written.unit;
    let message = if unit.is_empty() {
        format!("`{}` needs a unit: `{}` has none", limit.metric, bound.text)
    } else {
        format!("`{unit}` is no unit of `{}`", limit.metric)
    };
    let spellings = quantity.spellings();
    let near = spellings.iter().find(|spelling| spelling.eq_ignore_ascii_case(unit));
    let diagnostic = Diagnostic::error(Code::Amount, message).at(bound.span, "this unit does not fit");
    let diagnostic = match near {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic,
    };
    diagnostic.help(format!("units: {}", quantity.units()))
}

fn no_baseline(bound: &Bound) -> Diagnostic {
    Diagnostic::error(Code::NoBaseline, format!("`{}` needs a baseline", bound.kind.key()))
        .at(bound.span, "a change of what?")
        .help("--baseline FILE or --baseline git:origin/main, or `baseline` in the budget file; --baseline none skips such limits")
}

/// A limit that is about no part of the network.
fn nothing(limit: &Limit, report: &Value) -> Diagnostic {
    let pattern = limit.scope.pattern();
    let (message, what) = match &limit.scope {
        Scope::Stage(_) => (format!("there is no stage `{pattern}`"), "stages"),
        Scope::Op(_) => (format!("the network has no op `{pattern}`"), "ops"),
        _ => (format!("no layer matches `{pattern}`"), "layers"),
    };
    let names = lookup::names(report, &limit.scope);
    let diagnostic = Diagnostic::error(Code::MatchesNothing, message)
        .at(limit.scope_span, "matches nothing, so the limit checks nothing")
        .did_you_mean(pattern, names.iter().copied());
    if names.is_empty() {
        return diagnostic.help(format!("the network has no {what}"));
    }
    if !diagnostic.help.is_empty() {
        return diagnostic;
    }
    if what == "layers" {
        // Those that share its last part, or else some from all over the network.
        let end = pattern.rsplit('/').next().unwrap_or(pattern);
        let near: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| glob::matches(end, name.rsplit('/').next().unwrap_or(name)))
            .collect();
        let from = if near.is_empty() { &names } else { &near };
        let some = from.iter().step_by(from.len().div_ceil(3)).map(|name| format!("`{name}`"));
        let help = format!(
            "layers are called {}; `analyze --by layer` lists them",
            some.collect::<Vec<_>>().join(", ")
        );
        return diagnostic.help(help);
    }
    let more = if names.len() > 20 { ", …" } else { "" };
    let first: Vec<&str> = names.iter().take(20).copied().collect();
    diagnostic.help(format!("{what}: {}{more}", first.join(", ")))
}

/// A limit on what was measured, where nothing was.
fn not_measured(limit: &Limit) -> Diagnostic {
    Diagnostic::error(Code::UnknownMetric, format!("`{}` was not measured", limit.metric))
        .at(limit.metric_span, "this report has no measurement")
        .help("`csp-profile measure FILE --budget BUDGET` measures and judges")
        .help("`csp-profile measure FILE --format json` keeps a report, and `csp-profile check FILE --budget BUDGET --measured REPORT` judges it")
}

/// A limit on a predicted time, where none was predicted.
fn no_prediction(limit: &Limit) -> Diagnostic {
    Diagnostic::error(Code::UnknownMetric, format!("`{}` was not predicted", limit.metric))
        .at(limit.metric_span, "this report has no prediction")
        .help("add --device with a file that `csp-profile calibrate` wrote")
}

/// A path that leads to no figure.
fn no_figure(limit: &Limit, found: &Found<'_>, subject: &Subject<'_>) -> Diagnostic {
    let metric = &limit.metric;
    let of = match &limit.scope {
        Scope::Net => "the network",
        Scope::Stage(_) => "a stage",
        Scope::Layers(_) => "a layer",
        Scope::Op(_) => "an op",
    };
    match found {
        Found::Null => Diagnostic::error(Code::UnknownMetric, format!("`{metric}` has no value here"))
            .at(limit.metric_span, "null in the report"),
        Found::Other(keys) => {
            let diagnostic =
                Diagnostic::error(Code::UnknownMetric, format!("`{metric}` is no single figure"))
                    .at(limit.metric_span, "not a number");
            let paths: Vec<String> = keys.iter().take(20).map(|key| format!("{metric}.{key}")).collect();
            if paths.is_empty() {
                diagnostic
            } else {
                diagnostic.help(format!("name one of {}", paths.join(", ")))
            }
        }
        _ => {
            let mut paths = subject.paths();
            // The last part may be right where the path before it is not.
            let near =
                crate::diagnostic::nearest(metric, paths.iter().map(String::as_str)).map(str::to_owned);
            let end = metric.rsplit('.').next().unwrap_or(metric);
            let near =
                near.or_else(|| paths.iter().find(|path| path.rsplit('.').next() == Some(end)).cloned());
            let diagnostic = Diagnostic::error(Code::UnknownMetric, format!("{of} has no figure `{metric}`"))
                .at(limit.metric_span, "not in the report");
            if let Some(near) = near {
                return diagnostic.help(format!("did you mean `{near}`?"));
            }
            paths.truncate(30);
            diagnostic
                .help(format!("figures: {}, …; `csp-profile explain report` has all keys", paths.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::document::read;
    use crate::source::SourceMap;
    use serde_json::json;

    fn statuses(limit: &str, report: &Value) -> Vec<Status> {
        let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
        let source = sources.add("b", format!("{{\"limits\": [{limit}]}}"));
        let budget = read(source, &sources, &mut sink).unwrap();
        let rows = evaluate(&budget, report, Baseline::Off, &mut sink);
        assert!(!sink.has_errors(), "{:?}", sink.diagnostics());
        rows.iter().map(|row| row.status).collect()
    }

    /// What misses something is at least what it is: a `min` may hold, a `max` may be violated, neither the other way.
    #[test]
    fn totals_that_miss_an_op_keep_no_max() {
        let report = json!({
            "totals": {"macs": 100, "nodes": 3, "unknown_ops": ["Mystery"]},
            "stages": [{"name": "known", "macs": 60}, {"name": "odd", "macs": 40}],
            "nodes": [
                {"name": "a", "op": "conv2d", "stage": "known", "macs": 60},
                {"name": "b", "op": "conv2d", "stage": "odd", "macs": 40},
                {"name": "m", "op": "Mystery", "stage": "odd", "macs": 0},
            ],
            "ops": [{"name": "conv2d", "macs": 100}],
        });
        for (limit, status) in [
            (r#"{"metric": "macs", "max": 100}"#, Status::Unknown),
            (r#"{"metric": "macs", "max": 99}"#, Status::Violated),
            (r#"{"metric": "macs", "max": 100, "allow_unknown": true}"#, Status::Holds),
            (r#"{"metric": "macs", "min": 100}"#, Status::Holds),
            (r#"{"metric": "macs", "min": 101}"#, Status::Unknown),
            (r#"{"metric": "macs", "equal": 100}"#, Status::Unknown),
            (r#"{"metric": "macs", "equal": 99}"#, Status::Violated),
            (r#"{"metric": "nodes", "max": 3}"#, Status::Holds),
            (r#"{"metric": "macs", "stage": "known", "max": 60}"#, Status::Holds),
            (r#"{"metric": "macs", "stage": "odd", "max": 40}"#, Status::Unknown),
            (r#"{"metric": "macs", "layers": "?", "max": 100}"#, Status::Unknown),
            (r#"{"metric": "macs", "layers": "a", "max": 60}"#, Status::Holds),
            (r#"{"metric": "macs", "op": "conv2d", "max": 100}"#, Status::Holds),
        ] {
            assert_eq!(statuses(limit, &report), [status], "{limit}");
        }
    }

    #[test]
    fn limits_on_measured_values() {
        let report = json!({
            // A cost that is not known makes no measured time a lower bound.
            "totals": {"macs": 7, "unknown_ops": ["Mystery"]},
            "nodes": [{"name": "a", "op": "conv2d"}, {"name": "b", "op": "conv2d"}],
            "measurement": {
                "time": {"forward": {"median_ns": 83_123_456.5, "flops_per_second": 34.1e9, "bound_ns": null}},
                "memory": [{"name": "inference", "measured_peak": 1024}],
                "nodes": [
                    {"name": "a", "forward": {"median_ns": 900.0}},
                    {"name": "b", "forward": {"median_ns": 1100.0}},
                ],
            },
        });
        for (limit, status) in [
            (r#"{"metric": "measurement.time.forward.median_ns", "max": "83.2 ms"}"#, &[Status::Holds][..]),
            (r#"{"metric": "measurement.time.forward.median_ns", "max": "83.1 ms"}"#, &[Status::Violated]),
            (
                r#"{"metric": "measurement.time.forward.flops_per_second", "min": "34 GFLOP/s"}"#,
                &[Status::Holds],
            ),
            (r#"{"metric": "measurement.memory.inference.measured_peak", "max": "1 KiB"}"#, &[Status::Holds]),
            (
                r#"{"metric": "measurement.forward.median_ns", "layers": "?", "each": true, "max": "1 µs"}"#,
                &[Status::Holds, Status::Violated],
            ),
        ] {
            assert_eq!(statuses(limit, &report), status, "{limit}");
        }
        let refused = |limit: &str, report: &Value| {
            let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
            let source = sources.add("b", format!("{{\"limits\": [{limit}]}}"));
            let budget = read(source, &sources, &mut sink).unwrap();
            assert!(evaluate(&budget, report, Baseline::Off, &mut sink).is_empty());
            sink.diagnostics()[0].clone()
        };
        let time = r#"{"metric": "measurement.time.forward.median_ns", "max": "1 s"}"#;
        let told = refused(time, &json!({"totals": {"macs": 7}}));
        assert_eq!(told.message, "`measurement.time.forward.median_ns` was not measured");
        assert!(told.help.iter().any(|help| help.contains("csp-profile measure FILE --budget")));
        let told = refused(&time.replace("median_ns", "bound_ns"), &report);
        assert_eq!(told.message, "`measurement.time.forward.bound_ns` has no value here");
        let told = refused(&time.replace("\"1 s\"", "1000"), &report);
        assert!(told.message.contains("needs a unit"), "{}", told.message);
        // The median of a sum is no sum of medians.
        let sum = r#"{"metric": "measurement.forward.median_ns", "layers": "?", "max": "1 s"}"#;
        assert!(refused(sum, &report).message.contains("cannot be added up"));
    }

    #[test]
    fn a_long_count_and_a_ratio_are_exact() {
        let report = json!({
            "totals": {},
            "gradient": {"paths_to_input": "158456325028528675187087900673", "set_ratio": 0.1},
        });
        for (limit, status) in [
            (
                r#"{"metric": "gradient.paths_to_input", "max": "158456325028528675187087900673"}"#,
                Status::Holds,
            ),
            (
                r#"{"metric": "gradient.paths_to_input", "max": "158456325028528675187087900672"}"#,
                Status::Violated,
            ),
            (r#"{"metric": "gradient.set_ratio", "equal": "10 %"}"#, Status::Holds),
            (r#"{"metric": "gradient.set_ratio", "max": 0.1}"#, Status::Holds),
            (r#"{"metric": "gradient.set_ratio", "max": "9.9999999999999999999999 %"}"#, Status::Violated),
        ] {
            assert_eq!(statuses(limit, &report), [status], "{limit}");
        }
    }
}
