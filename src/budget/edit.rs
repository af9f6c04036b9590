//! Budget files written and tightened. Only the bounds of a person's file change, digit for digit in place.

use num::BigRational;
use num::traits::Zero as _;
use serde_json::{Value, json};

use super::amount::{Amount, Quantity, Round, plain, rounded};
use super::evaluate::{Baseline, evaluate, extreme};
use super::lookup::{Found, is_measured, subjects};
use super::{Bound, BoundKind, Budget, Scope};
use crate::diagnostic::Sink;
use crate::source::Span;

/// The figures that a new budget limits.
pub const SENSIBLE: [&str; 5] =
    ["parameters.total", "macs", "activations", "traffic_bytes.fused", "peak_memory_bytes.inference"];

/// Digits that a bound with headroom has.
const DIGITS: u32 = 3;
/// More decimals than this are spelled in a smaller unit.
const DECIMALS: u32 = 9;

/// What is written at the head of a new budget.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// The path of a JSON Schema beside it.
    pub schema: Option<String>,
    /// The architecture, where it does not have the budget's name.
    pub architecture: Option<String>,
    /// Parameters, as on the command line.
    pub set: Vec<(String, String)>,
    /// Shapes of inputs.
    pub inputs: Vec<(String, Vec<u64>)>,
    /// Images in a batch.
    pub batch: Option<u64>,
    /// The element type.
    pub dtype: Option<String>,
}

/// A new budget: today's figures and some headroom.
pub fn init(head: &Head, report: &Value, headroom: &BigRational) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut key = |name: &str, value: Value| lines.push(format!("  {}: {}", json!(name), spaced(&value)));
    if let Some(schema) = &head.schema {
        key("$schema", json!(schema));
    }
    if let Some(architecture) = &head.architecture {
        key("architecture", json!(architecture));
    }
    if !head.set.is_empty() {
        let values = head.set.iter().map(|(name, value)| (name.clone(), json!(value)));
        key("set", Value::Object(values.collect()));
    }
    if !head.inputs.is_empty() {
        let shapes = head.inputs.iter().map(|(name, shape)| (name.clone(), json!(shape)));
        key("inputs", Value::Object(shapes.collect()));
    }
    if let Some(batch) = head.batch {
        key("batch", json!(batch));
    }
    if let Some(dtype) = &head.dtype {
        key("dtype", json!(dtype));
    }
    let net = subjects(report, &Scope::Net);
    let limits = SENSIBLE.iter().filter_map(|metric| {
        let Some(Found::Figure(value)) = net.first().map(|net| net.find(metric)) else { return None };
        let bound = spelled(&super::amount::figure(value)?, Quantity::of(metric), headroom);
        Some(format!("    {{\"metric\": \"{metric}\", \"max\": \"{bound}\"}}"))
    });
    let limits: Vec<String> = limits.collect();
    lines.push(format!("  \"limits\": [\n{}\n  ]", limits.join(",\n")));
    format!("{{\n{}\n}}\n", lines.join(",\n"))
}

/// JSON in one line with a blank behind each comma and colon.
fn spaced(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| format!("{}: {}", json!(key), spaced(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        value => value.to_string(),
    }
}

/// A figure and its headroom in the largest unit that leaves a whole digit, rounded up.
fn spelled(figure: &BigRational, quantity: Quantity, headroom: &BigRational) -> String {
    let target = figure + figure * headroom;
    let binary = ["EiB", "PiB", "TiB", "GiB", "MiB", "KiB", "B"];
    let decimal = ["E", "P", "T", "G", "M", "k", ""];
    let prefixes = if quantity == Quantity::Bytes { binary } else { decimal };
    let noun = match quantity {
        Quantity::Macs => "MACs",
        Quantity::Flops => "FLOPs",
        _ => "",
    };
    let mut units = prefixes.iter().filter_map(|prefix| {
        let unit = format!("{prefix}{noun}");
        Some((quantity.scale(&unit)?, unit))
    });
    let fits = |(scale, _): &(BigRational, String)| {
        target >= *scale || *scale == BigRational::from_integer(1.into())
    };
    let Some((scale, unit)) = units.clone().find(fits) else { return "0".into() };
    match number(&target, &scale, quantity, headroom, Round::Up) {
        Some(number) if unit.is_empty() => number,
        Some(number) => format!("{number} {unit}"),
        // Exact, where no larger unit can say it shortly: in the smallest.
        None => {
            let unit = units.next_back().map_or_else(String::new, |(_, unit)| unit);
            format!("{} {unit}", parted(&target.ceil().to_integer().to_string())).trim_end().to_owned()
        }
    }
}

/// A bound in a unit: exact without headroom, else of few digits. `None` where it would be long.
fn number(
    target: &BigRational,
    scale: &BigRational,
    quantity: Quantity,
    headroom: &BigRational,
    round: Round,
) -> Option<String> {
    let in_units = target / scale;
    if headroom.is_zero() {
        return plain(&in_units, DECIMALS);
    }
    let short = rounded(&in_units, DIGITS, round);
    // What comes in whole numbers is bounded by whole numbers where the unit is one of them.
    let whole = quantity.is_whole() && *scale == BigRational::from_integer(1.into());
    let short = match round {
        _ if !whole => short,
        Round::Up | Round::Nearest => short.ceil(),
        Round::Down => short.floor(),
    };
    plain(&short, 60)
}

/// One bound that is to be written anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Where the old value stands.
    pub span: Span,
    /// What replaces it.
    pub text: String,
    /// What it is about, for people: `macs ≤ 4.1 GMACs → 4 GMACs`.
    pub told: String,
}

/// What an update finds.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// Bounds that change.
    pub edits: Vec<Edit>,
    /// Bounds that are violated and stay, because they would have to be loosened.
    pub violated: Vec<String>,
}

/// Bounds drawn up to today's figures with some headroom: tighter ones always, looser ones only where that is wanted.
/// Changes against a baseline, fixed bounds and bounds of what was measured stay.
pub fn update(
    budget: &Budget,
    report: &Value,
    headroom: &BigRational,
    loosen: bool,
    sink: &mut Sink,
) -> Update {
    let mut update = Update::default();
    // A machine has no say in what a file is held to: limits on what was measured stay as they are.
    let limits = budget.limits.iter().filter(|limit| !is_measured(&limit.metric)).cloned().collect();
    let budget = &Budget { limits, ..budget.clone() };
    // What `check` would refuse is not edited.
    let before = sink.errors();
    evaluate(budget, report, Baseline::Off, sink);
    if sink.errors() > before {
        return update;
    }
    for limit in budget.limits.iter().filter(|limit| !limit.fixed) {
        let quantity = Quantity::of(&limit.metric);
        for bound in limit.bounds.iter().filter(|bound| !bound.kind.is_change()) {
            let Some(old) = bound.written.amount(quantity) else { continue };
            let Some(value) = extreme(limit, report, bound.kind != BoundKind::Min, sink) else { continue };
            let (target, round) = match bound.kind {
                BoundKind::Min => (&value - &value * headroom, Round::Down),
                BoundKind::Equal => (value.clone(), Round::Nearest),
                _ => (&value + &value * headroom, Round::Up),
            };
            let exactly = BigRational::zero();
            let room = if bound.kind == BoundKind::Equal { &exactly } else { headroom };
            let Some((text, new)) = respelled(bound, &target, quantity, room, round) else { continue };
            let (tighter, violated) = match bound.kind {
                BoundKind::Min => (new > old.number, value < old.number),
                BoundKind::Equal => (false, value != old.number),
                _ => (new < old.number, value > old.number),
            };
            let what = limit.scope.key().map_or_else(
                || limit.metric.clone(),
                |key| format!("{} of {key} {}", limit.metric, limit.scope.pattern()),
            );
            let told = format!("{what} {} {}", bound.kind.sign(), bound.text);
            if tighter || loosen && new != old.number {
                let told = format!("{told} → {}", text.trim_matches('"'));
                update.edits.push(Edit { span: bound.span, text, told });
            } else if violated {
                let value = Amount::new(value, quantity);
                update.violated.push(format!("{told}: it is {}", value.human()));
            }
        }
    }
    update
}

/// A bound's new value in the unit and manner of the old one, and what it means.
fn respelled(
    bound: &Bound,
    target: &BigRational,
    quantity: Quantity,
    headroom: &BigRational,
    round: Round,
) -> Option<(String, BigRational)> {
    let scale = quantity.scale(&bound.written.unit)?;
    let (mut digits, tail) = match number(target, &scale, quantity, headroom, round) {
        Some(number) => (number, bound.written.tail.clone()),
        None => (plain(target, 400)?, if quantity == Quantity::Bytes { " B".into() } else { String::new() }),
    };
    if bound.text.contains(',') {
        digits = parted(&digits);
    }
    let text = format!("{digits}{tail}");
    let new = super::amount::Written::parse(&text).ok()?.amount(quantity)?.number;
    Some((if bound.quoted { format!("\"{text}\"") } else { text }, new))
}

/// Digits with their thousands parted.
fn parted(digits: &str) -> String {
    let (whole, fraction) =
        digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let mut text = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    fraction.map_or(text.clone(), |fraction| format!("{text}.{fraction}"))
}

/// A text with the edits made; everything else of it stays.
pub fn apply(text: &str, edits: &[Edit]) -> String {
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| edit.span.start);
    let (mut new, mut at) = (String::with_capacity(text.len()), 0);
    for edit in edits {
        let (start, end) = (edit.span.start as usize, edit.span.end as usize);
        new.push_str(text.get(at..start).unwrap_or(""));
        new.push_str(&edit.text);
        at = end;
    }
    new.push_str(text.get(at..).unwrap_or(""));
    new
}
