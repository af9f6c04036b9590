//! Budget files: read key by key, every fault with its place.

use num::BigRational;

use super::amount::{Quantity, Written};
use super::{Bound, BoundKind, Budget, HEADROOM, Limit, Scope, glob};
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::source::json::{Fault, Json, Member, Value, parse};
use crate::source::{SourceId, SourceMap, Span};
use crate::tensor::DType;

/// The keys of a budget file.
pub const KEYS: [&str; 10] = [
    "$schema",
    "description",
    "architecture",
    "set",
    "inputs",
    "batch",
    "dtype",
    "baseline",
    "headroom",
    "limits",
];

/// The keys of a limit.
pub const LIMIT_KEYS: [&str; 13] = [
    "metric",
    "stage",
    "layers",
    "op",
    "each",
    "max",
    "min",
    "equal",
    "max_change",
    "min_change",
    "allow_unknown",
    "fixed",
    "reason",
];

/// The most limits that a file may have.
pub const MOST_LIMITS: usize = 1_000;

const EXAMPLE: &str = "for example {\"limits\": [{\"metric\": \"macs\", \"max\": \"4.1 GMACs\"}]}";

/// Reads a text. Without a budget the sink says why.
pub fn read(source: SourceId, sources: &SourceMap, sink: &mut Sink) -> Option<Budget> {
    let text = sources.get(source).text.clone();
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        let name = &sources.get(source).name;
        sink.push(Diagnostic::error(Code::EmptyFile, format!("`{name}` is empty")).help(EXAMPLE));
        return None;
    }
    let (json, faults) = parse(source, &text);
    for fault in faults {
        sink.push(match fault {
            Fault::Syntax { message, span } => Diagnostic::error(Code::Syntax, message).at(span, ""),
            Fault::DuplicateKey { key, first, again } => {
                Diagnostic::error(Code::DuplicateKey, format!("the key `{key}` stands twice in one object"))
                    .at(again, "again here")
                    .at(first, "first here")
            }
        });
    }
    let budget = budget(&json?, sink);
    budget.filter(|_| !sink.has_errors())
}

fn budget(json: &Json<'_>, sink: &mut Sink) -> Option<Budget> {
    let mut budget = Budget {
        architecture: None,
        set: Vec::new(),
        inputs: Vec::new(),
        batch: None,
        dtype: None,
        baseline: None,
        headroom: Some(BigRational::new(HEADROOM.0.into(), HEADROOM.1.into())),
        limits: Vec::new(),
    };
    let mut has_limits = false;
    for Member { key, key_span, value } in object(json, "a budget file", sink)? {
        match &**key {
            "$schema" | "description" => drop(text(value, key, sink)),
            "architecture" => budget.architecture = text(value, key, sink).map(|text| (text, value.span)),
            "baseline" => budget.baseline = text(value, key, sink).map(|text| (text, value.span)),
            "set" => budget.set = set(value, sink),
            "inputs" => budget.inputs = inputs(value, sink),
            "batch" => budget.batch = whole(value, "`batch`", sink),
            "dtype" => budget.dtype = dtype(value, sink),
            "headroom" => headroom(value, &mut budget.headroom, sink),
            "limits" => {
                has_limits = true;
                budget.limits = limits(value, sink);
            }
            _ => sink.push(unknown_key(key, *key_span, "a budget file", &KEYS)),
        }
    }
    if !has_limits {
        sink.push(
            Diagnostic::error(Code::Missing, "a budget file needs `limits`")
                .at(json.span.head(), "`limits` is not given")
                .help(EXAMPLE),
        );
    }
    Some(budget)
}

fn limits(json: &Json<'_>, sink: &mut Sink) -> Vec<Limit> {
    let Some(items) = array(json, "`limits`", sink) else { return Vec::new() };
    if items.is_empty() {
        sink.push(
            Diagnostic::error(Code::Missing, "`limits` is empty, so that nothing is checked")
                .at(json.span, "no limit")
                .help(EXAMPLE),
        );
    }
    if items.len() > MOST_LIMITS {
        let message = format!("`limits` has {} entries, and {MOST_LIMITS} are accepted", items.len());
        sink.push(Diagnostic::error(Code::TooLarge, message).at(json.span, "too many"));
        return Vec::new();
    }
    items.iter().filter_map(|item| limit(item, sink)).collect()
}

fn limit(json: &Json<'_>, sink: &mut Sink) -> Option<Limit> {
    let mut metric = None;
    let mut scopes: Vec<(Scope, Span, Span)> = Vec::new();
    let mut bounds: Vec<Bound> = Vec::new();
    let (mut each, mut allow_unknown, mut fixed, mut reason) = (None, false, false, None);
    let mut tried = 0;
    for Member { key, key_span, value } in object(json, "a limit", sink)? {
        if let Some(kind) = BoundKind::ALL.into_iter().find(|kind| kind.key() == key) {
            tried += 1;
            bounds.extend(bound(kind, value, sink));
            continue;
        }
        match &**key {
            "metric" => {
                let found = text(value, key, sink);
                metric = Some((found, value.span));
            }
            "stage" | "layers" | "op" => {
                let Some(pattern) = text(value, key, sink).filter(|text| sensible(text, value, sink)) else {
                    scopes.push((Scope::Net, *key_span, value.span));
                    continue;
                };
                let scope = match &**key {
                    "stage" => Scope::Stage(pattern),
                    "layers" => Scope::Layers(pattern),
                    _ => Scope::Op(pattern),
                };
                scopes.push((scope, *key_span, value.span));
            }
            "each" => each = flag(value, key, sink).map(|flag| (flag, *key_span)),
            "allow_unknown" => allow_unknown = flag(value, key, sink).unwrap_or(false),
            "fixed" => fixed = flag(value, key, sink).unwrap_or(false),
            "reason" => reason = text(value, key, sink),
            _ => {
                // It may have been meant for a bound.
                tried += 1;
                sink.push(unknown_key(key, *key_span, "a limit", &LIMIT_KEYS));
            }
        }
    }
    if let [(_, first, _), (_, second, _), ..] = scopes[..] {
        sink.push(
            Diagnostic::error(Code::WrongCount, "a limit is about one of `stage`, `layers` and `op`")
                .at(second, "and this")
                .at(first, "this")
                .help("make two limits of it; a stage's layers are `\"layers\": \"STAGE/*\"`"),
        );
    }
    if tried == 0 {
        sink.push(
            Diagnostic::error(Code::Missing, "a limit needs a bound")
                .at(json.span.head(), "no bound is given")
                .help("one of max, min, equal, max_change, min_change: {\"metric\": \"macs\", \"max\": \"4.1 GMACs\"}"),
        );
    }
    let (scope, _, scope_span) = scopes.into_iter().next().unwrap_or((Scope::Net, json.span, json.span));
    if let Some((true, span)) = each
        && !matches!(scope, Scope::Layers(_))
    {
        sink.push(
            Diagnostic::error(Code::UnknownKey, "`each` belongs to `layers`")
                .at(span, "without `layers`")
                .help("stages and ops are judged one by one already"),
        );
    }
    let Some((metric, metric_span)) = metric else {
        sink.push(
            Diagnostic::error(Code::Missing, "a limit needs `metric`")
                .at(json.span.head(), "`metric` is not given")
                .help("a path of the JSON report, such as macs or peak_memory_bytes.inference"),
        );
        return None;
    };
    Some(Limit {
        metric: metric?,
        metric_span,
        scope,
        scope_span,
        each: each.is_some_and(|(flag, _)| flag),
        bounds,
        allow_unknown,
        fixed,
        reason,
    })
}

fn sensible(pattern: &str, json: &Json<'_>, sink: &mut Sink) -> bool {
    let most = glob::MOST_LETTERS;
    let fault = if pattern.is_empty() {
        "a pattern of no letters matches nothing".to_owned()
    } else if pattern.len() > most {
        format!("a pattern has at most {most} letters")
    } else {
        return true;
    };
    sink.push(Diagnostic::error(Code::OutOfRange, fault).at(json.span, "here"));
    false
}

fn bound(kind: BoundKind, json: &Json<'_>, sink: &mut Sink) -> Option<Bound> {
    let key = kind.key();
    let (text, quoted) = match &json.value {
        Value::Number(number) => ((*number).to_owned(), false),
        Value::String(text) => (text.clone().into_owned(), true),
        _ => {
            sink.push(
                Diagnostic::error(Code::WrongType, format!("`{key}` must be a number or a text"))
                    .at(json.span, format!("this is {}", json.kind()))
                    .help("\"4.1 GMACs\", \"30 MiB\", 8000000"),
            );
            return None;
        }
    };
    let example =
        if kind.is_change() { "\"+1 %\", \"+0\", \"-5 %\", \"+1 MB\"" } else { "\"4.1 GMACs\", \"30 MiB\"" };
    let written = match Written::parse(&text) {
        Ok(written) => written,
        Err(_) => {
            sink.push(
                Diagnostic::error(
                    Code::Amount,
                    format!("`{key}` must begin with a number: `{text}` does not"),
                )
                .at(json.span, "not a number and a unit")
                .help(format!("write {example}")),
            );
            return None;
        }
    };
    if written.signed && !kind.is_change() {
        sink.push(
            Diagnostic::error(Code::OutOfRange, format!("`{key}` has no sign"))
                .at(json.span, "signed")
                .help("a change against the baseline is `max_change` or `min_change`"),
        );
        return None;
    }
    if kind.is_change() && !written.signed && written.number != BigRational::from_integer(0.into()) {
        sink.push(
            Diagnostic::error(Code::OutOfRange, format!("`{key}` needs a sign: + or -"))
                .at(json.span, "a change of the baseline's figure")
                .help(format!("write {example}")),
        );
        return None;
    }
    Some(Bound { kind, written, text, quoted, span: json.span })
}

fn headroom(json: &Json<'_>, headroom: &mut Option<BigRational>, sink: &mut Sink) {
    let number = match &json.value {
        Value::Bool(false) => {
            *headroom = None;
            return;
        }
        Value::String(text) => percentage(text),
        _ => None,
    };
    match number {
        Some(number) => *headroom = Some(number),
        None => sink.push(
            Diagnostic::error(Code::WrongType, "`headroom` must be a percentage or false")
                .at(json.span, "not a percentage")
                .help(
                    "\"25 %\" warns of limits that lie more than that above their figures; false never warns",
                ),
        ),
    }
}

/// A percentage that is not negative: `5 %`, `5%`. A plain 5 might be anything.
pub fn percentage(text: &str) -> Option<BigRational> {
    let written = Written::parse(text).ok().filter(|written| !written.signed && written.unit == "%")?;
    Some(written.amount(Quantity::Ratio)?.number)
}

fn set(json: &Json<'_>, sink: &mut Sink) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for member in object(json, "`set`", sink).unwrap_or_default() {
        let value = match &member.value.value {
            Value::Number(number) => (*number).to_owned(),
            Value::String(text) => text.clone().into_owned(),
            Value::Bool(flag) => flag.to_string(),
            _ => {
                sink.push(
                    Diagnostic::error(
                        Code::WrongType,
                        format!("the parameter `{}` must be a number, a text or a flag", member.key),
                    )
                    .at(member.value.span, format!("this is {}", member.value.kind())),
                );
                continue;
            }
        };
        found.push((member.key.clone().into_owned(), value));
    }
    found
}

fn inputs(json: &Json<'_>, sink: &mut Sink) -> Vec<(String, Vec<u64>)> {
    let mut found = Vec::new();
    for member in object(json, "`inputs`", sink).unwrap_or_default() {
        let what = format!("the shape of `{}`", member.key);
        let Some(items) = array(&member.value, &what, sink) else { continue };
        let sizes: Vec<u64> = items
            .iter()
            .filter_map(|item| whole(item, &format!("a size of `{}`", member.key), sink))
            .collect();
        if sizes.len() == items.len() {
            found.push((member.key.clone().into_owned(), sizes));
        }
    }
    found
}

fn dtype(json: &Json<'_>, sink: &mut Sink) -> Option<DType> {
    let name = text(json, "dtype", sink)?;
    let found = DType::from_name(&name);
    if found.is_none() {
        sink.push(
            Diagnostic::error(Code::OutOfRange, format!("there is no element type `{name}`"))
                .at(json.span, "not a type")
                .did_you_mean(&name, DType::ALL.iter().map(|dtype| dtype.name())),
        );
    }
    found
}

fn whole(json: &Json<'_>, what: &str, sink: &mut Sink) -> Option<u64> {
    let number = match &json.value {
        Value::Number(number) => number.parse::<u64>().ok().filter(|number| *number > 0),
        _ => None,
    };
    if number.is_none() {
        sink.push(
            Diagnostic::error(Code::WrongType, format!("{what} must be a whole number above 0"))
                .at(json.span, format!("this is {}", json.kind())),
        );
    }
    number
}

fn text(json: &Json<'_>, key: &str, sink: &mut Sink) -> Option<String> {
    match &json.value {
        Value::String(text) => Some(text.clone().into_owned()),
        _ => {
            sink.push(
                Diagnostic::error(Code::WrongType, format!("`{key}` must be a text"))
                    .at(json.span, format!("this is {}", json.kind())),
            );
            None
        }
    }
}

fn flag(json: &Json<'_>, key: &str, sink: &mut Sink) -> Option<bool> {
    match json.value {
        Value::Bool(flag) => Some(flag),
        _ => {
            sink.push(
                Diagnostic::error(Code::WrongType, format!("`{key}` must be true or false"))
                    .at(json.span, format!("this is {}", json.kind())),
            );
            None
        }
    }
}

fn object<'j, 'a>(json: &'j Json<'a>, what: &str, sink: &mut Sink) -> Option<&'j [Member<'a>]> {
    match &json.value {
        Value::Object(members) => Some(members),
        _ => {
            sink.push(
                Diagnostic::error(Code::WrongType, format!("{what} must be an object"))
                    .at(json.span, format!("this is {}", json.kind())),
            );
            None
        }
    }
}

fn array<'j, 'a>(json: &'j Json<'a>, what: &str, sink: &mut Sink) -> Option<&'j [Json<'a>]> {
    match &json.value {
        Value::Array(items) => Some(items),
        _ => {
            sink.push(
                Diagnostic::error(Code::WrongType, format!("{what} must be a list"))
                    .at(json.span, format!("this is {}", json.kind())),
            );
            None
        }
    }
}

fn unknown_key(key: &str, span: Span, what: &str, keys: &[&str]) -> Diagnostic {
    Diagnostic::error(Code::UnknownKey, format!("{what} has no key `{key}`"))
        .at(span, "not known")
        .did_you_mean(key, keys.iter().copied())
        .help(format!("keys: {}", keys.join(", ")))
}
