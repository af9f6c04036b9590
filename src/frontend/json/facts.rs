//! The `published` list of a file.

use super::document::{Document, MAX_FACTS, Reader};
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::frontend::LoadOptions;
use crate::graph::Graph;
use crate::ops::attribute::SettingValue;
use crate::published::{CONVENTIONS, Difference, Fact, METRICS, Printed, Rounding};
use crate::source::Span;
use crate::source::json::{Json, Value};

/// The keys of one fact.
pub(super) const KEYS: &[&str] =
    &["metric", "convention", "value", "source", "set", "inputs", "rounding", "status", "ours", "reason"];

pub(super) fn read(reader: &mut Reader<'_>, json: Json<'_>) -> Vec<Fact> {
    let Value::Array(items) = json.value else {
        reader.wrong_type(&json, "`published`", "a list of facts");
        return Vec::new();
    };
    if let Some(extra) = items.get(MAX_FACTS) {
        let message = format!("a file may have at most {MAX_FACTS} published facts");
        reader.sink.push(Diagnostic::error(Code::TooLarge, message).at(extra.span, "one too many"));
        return Vec::new();
    }
    items.into_vec().into_iter().filter_map(|item| fact(reader, item)).collect()
}

fn fact(reader: &mut Reader<'_>, json: Json<'_>) -> Option<Fact> {
    let span = json.span;
    let mut fields = reader.object(json, "a published fact")?;
    let missing = |reader: &mut Reader<'_>, key: &str| {
        reader.sink.push(
            Diagnostic::error(Code::Missing, format!("a published fact needs `{key}`"))
                .at(span, format!("`{key}` is not given")),
        );
    };
    let mut required = |reader: &mut Reader<'_>, key: &'static str| match fields.take(key) {
        Some(json) => reader.text(&json, &format!("`{key}`")).map(|text| (text, json.span)),
        None => {
            missing(reader, key);
            None
        }
    };
    let metric = required(reader, "metric");
    let value = required(reader, "value").and_then(|(text, span)| printed(reader, &text, span));
    let source = required(reader, "source");
    let convention = fields
        .take("convention")
        .and_then(|json| reader.text(&json, "`convention`").map(|text| (text, json.span)));
    if let Some(metric) = &metric {
        check_metric(reader, metric, convention.as_ref());
    }
    let rounding = match fields.take("rounding") {
        None => Rounding::Nearest,
        Some(json) => match reader.text(&json, "`rounding`").as_deref() {
            Some("down") => Rounding::Down,
            Some("nearest") | None => Rounding::Nearest,
            Some(_) => {
                reader.wrong_type(&json, "`rounding`", "\"nearest\" or \"down\"");
                Rounding::Nearest
            }
        },
    };
    let mut set = Vec::new();
    if let Some(given) = fields.take("set").and_then(|json| reader.object(json, "`set`")) {
        for member in given.into_members() {
            let text = match member.value.value {
                Value::Number(number) => number.to_owned(),
                Value::Bool(flag) => flag.to_string(),
                Value::String(text) => text.into_owned(),
                _ => {
                    reader.wrong_type(
                        &member.value,
                        "a parameter's value",
                        "a number, a text, true or false",
                    );
                    continue;
                }
            };
            set.push((member.key.into_owned(), text));
        }
    }
    let mut inputs = Vec::new();
    if let Some(given) = fields.take("inputs").and_then(|json| reader.object(json, "`inputs`")) {
        for member in given.into_members() {
            match sizes(&member.value) {
                Some(shape) => inputs.push((member.key.into_owned(), shape)),
                None => {
                    reader.wrong_type(
                        &member.value,
                        "an input's shape",
                        "a list of sizes, without the batch",
                    );
                }
            }
        }
    }
    let status = fields.take("status").and_then(|json| Some((reader.text(&json, "`status`")?, json)));
    let ours = fields.take("ours").and_then(|json| {
        let text = reader.text(&json, "`ours`")?;
        printed(reader, &text, json.span)
    });
    let reason = fields.take("reason").and_then(|json| reader.text(&json, "`reason`"));
    let differs = match status {
        None => None,
        Some((text, _)) if text == "holds" => None,
        Some((text, _)) if text == "differs" => match (ours, reason) {
            (Some(ours), Some(reason)) => Some(Difference { ours, reason }),
            (ours, _) => {
                missing(reader, if ours.is_none() { "ours" } else { "reason" });
                None
            }
        },
        Some((_, json)) => {
            reader.wrong_type(&json, "`status`", "\"differs\" or \"holds\"");
            None
        }
    };
    reader.unknown_keys(fields, "a published fact", KEYS);
    Some(Fact {
        metric: metric?.0,
        convention: convention.map(|(text, _)| text),
        value: value?,
        source: source?.0,
        set,
        inputs,
        rounding,
        differs,
        applies: false,
        span,
    })
}

fn printed(reader: &mut Reader<'_>, text: &str, span: Span) -> Option<Printed> {
    let printed = Printed::parse(text);
    if printed.is_none() {
        reader.sink.push(
            Diagnostic::error(Code::WrongType, format!("`{text}` is not a printed number"))
                .at(span, "not a number")
                .help("write \"34,411,496\", \"20.50 M\" or \"7.93 B\""),
        );
    }
    printed
}

fn sizes(json: &Json<'_>) -> Option<Vec<u64>> {
    let Value::Array(items) = &json.value else { return None };
    items
        .iter()
        .map(|item| match item.value {
            Value::Number(number) => number.parse().ok(),
            _ => None,
        })
        .collect()
}

/// Shapes of inputs that are not there would make a figure apply, or never apply, unseen.
fn check_input(document: &Document, name: &str, sizes: &[u64], span: Span, sink: &mut Sink) {
    let known = || document.inputs.iter().map(|input| &*input.name.text);
    let Some(input) = document.inputs.iter().find(|input| *input.name.text == *name) else {
        sink.push(
            Diagnostic::error(Code::PublishedFact, format!("the network has no input `{name}`"))
                .at(span, "of this figure")
                .did_you_mean(name, known())
                .help(format!("inputs: {}", known().take(20).collect::<Vec<_>>().join(", "))),
        );
        return;
    };
    if let super::document::TemplateKind::List(axes) = &input.shape.kind
        && axes.len() != sizes.len()
    {
        let message = format!(
            "the input `{name}` has {} axes without the batch, but {} are given",
            axes.len(),
            sizes.len()
        );
        sink.push(Diagnostic::error(Code::PublishedFact, message).at(span, "of this figure"));
    }
}

/// What a fact is about must be something that we count, lest it is never judged.
fn check_metric(reader: &mut Reader<'_>, metric: &(String, Span), convention: Option<&(String, Span)>) {
    let words = |text: &str, span: Span, what: &str, known: &[&str]| {
        Diagnostic::error(Code::PublishedFact, format!("there is no {what} `{text}`"))
            .at(span, "not known")
            .did_you_mean(text, known.iter().copied())
            .help(format!("{what}s: {}", known.join(", ")))
    };
    match convention {
        Some((name, span)) if !CONVENTIONS.contains(&name.as_str()) => {
            reader.sink.push(words(name, *span, "convention", CONVENTIONS));
        }
        Some(_) => {}
        None => {
            let (text, span) = metric;
            let by_convention =
                text.strip_prefix("conventions.").is_some_and(|name| CONVENTIONS.contains(&name));
            if !METRICS.contains(&text.as_str()) && !by_convention && !text.starts_with("accuracy.") {
                reader.sink.push(words(text, *span, "metric", &[METRICS, &["accuracy."]].concat()));
            }
        }
    }
}

/// Marks the facts that are about these parameters and inputs.
pub(super) fn mark(
    document: &mut Document,
    parameters: &[SettingValue],
    options: &LoadOptions,
    graph: &Graph,
    sink: &mut Sink,
) {
    let mut facts = std::mem::take(&mut document.facts);
    for fact in &mut facts {
        let mut faults = Sink::default();
        let expected = super::parameters::parameters(document, &fact.set, &mut faults);
        for fault in faults.diagnostics() {
            let mut diagnostic =
                Diagnostic::error(Code::PublishedFact, fault.message.replacen("--set ", "", 1))
                    .at(fact.span, "of this figure");
            diagnostic.help.clone_from(&fault.help);
            sink.push(diagnostic);
        }
        for (name, sizes) in &fact.inputs {
            check_input(document, name, sizes, fact.span, sink);
        }
        let inputs = document.inputs.iter().zip(graph.inputs()).all(|(input, &node)| {
            let axes = graph.node(node).outputs[0].shape.axes();
            let (batch, sizes) = axes.split_first().map_or((1, axes), |(batch, sizes)| (*batch, sizes));
            match fact.inputs.iter().find(|(name, _)| **name == *input.name.text) {
                Some((_, shape)) => shape == sizes && batch == 1,
                None => options.inputs.is_empty(),
            }
        });
        // Bytes are published for the file's own element type.
        let of_bytes = fact.metric.contains("bytes");
        let dtype = !of_bytes || options.dtype.is_none_or(|dtype| dtype == document.dtype);
        fact.applies =
            expected == parameters && inputs && dtype && options.batch.is_none_or(|batch| batch == 1);
    }
    document.facts = facts;
}
