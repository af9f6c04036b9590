//! The part `latency` of a device file: what `calibrate` writes.

use super::{all_known, members};
use crate::device::latency::{Kind, Latency, Provenance, Sample, Unit};
use crate::device::law::{Law, TERMS};
use crate::device::process::Process;
use crate::device::work::Work;
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::source::Span;
use crate::source::json::{Json, Member, Value};
use crate::tensor::DType;

const KEYS: [&str; 12] = [
    "library",
    "driver",
    "threads",
    "dtype",
    "unit",
    "networks",
    "seed",
    "date",
    "load",
    "whole_over_sum",
    "columns",
    "kinds",
];
const KIND_KEYS: [&str; 6] = ["name", "error", "factors", "length", "weights", "samples"];

/// An object whose keys are taken one by one.
struct Object<'a, 's> {
    members: Vec<Member<'a>>,
    span: Span,
    sink: &'s mut Sink,
}

/// Reads it. Without one the sink says why.
pub(super) fn read(json: Json<'_>, sink: &mut Sink) -> Option<Latency> {
    let span = json.span;
    let members = members(json, "`latency`", sink)?;
    all_known(&members, &KEYS, "`latency`", sink);
    let mut object = Object { members, span, sink };
    let provenance = provenance(&mut object)?;
    let whole = object.number("whole_over_sum")?;
    let columns = object.list("columns")?;
    let known = columns.iter().map(|column| text(column).unwrap_or_default());
    if !known.eq(Work::COLUMNS.iter().copied().chain(["nanoseconds"])) {
        let message = "`columns` are not those of this program's version";
        object.sink.push(
            Diagnostic::error(Code::OutOfRange, message)
                .at(object.span_of("columns"), "these")
                .help("calibrate the device anew with this program"),
        );
        return None;
    }
    let mut kinds = Vec::new();
    for json in object.list("kinds")? {
        let span = json.span;
        let members = super::members(json, "a kind", object.sink)?;
        all_known(&members, &KIND_KEYS, "a kind", object.sink);
        kinds.push(kind(Object { members, span, sink: object.sink })?);
    }
    kinds.sort_by(|a: &Kind, b: &Kind| a.name.cmp(&b.name));
    if kinds.windows(2).any(|two| two[0].name == two[1].name) {
        return object.fault("kinds", "has one twice");
    }
    Some(Latency { provenance, whole, kinds })
}

fn provenance(object: &mut Object<'_, '_>) -> Option<Provenance> {
    let (dtype, unit) = (object.text("dtype")?, object.text("unit")?);
    let dtype = DType::from_name(&dtype).or_else(|| object.fault("dtype", "is not an element type"))?;
    let unit = Unit::ALL.iter().copied().find(|known| known.name() == unit);
    let unit = unit.or_else(|| object.fault("unit", "must be `node` or `kernel`"))?;
    Some(Provenance {
        library: object.text("library")?,
        driver: object.find("driver").and_then(|json| text(json)).map(str::to_owned),
        threads: object.count("threads")?,
        dtype,
        unit,
        networks: object.count("networks")?,
        seed: object.find("seed").and_then(count),
        date: object.text("date")?,
        load: object.find("load").and_then(number),
    })
}

fn kind(mut object: Object<'_, '_>) -> Option<Kind> {
    let name = object.text("name")?;
    let factors = object.numbers("factors")?;
    if factors.iter().any(|factor| *factor < 0.0) {
        return object.fault("factors", "must be at least 0");
    }
    let Ok(factors) = <[f64; TERMS]>::try_from(factors) else {
        return object.fault("factors", &format!("must have {TERMS} numbers"));
    };
    let weights = object.numbers("weights")?;
    let mut samples = Vec::new();
    for row in object.list("samples")? {
        samples.push(sample(&row).or_else(|| object.fault("samples", "must be lists as long as `columns`"))?);
    }
    let length = object.number("length")?;
    if length <= 0.0 {
        return object.fault("length", "must be above 0");
    }
    let process = Process { length, weights };
    let error = object.number("error")?;
    if !process.weights.is_empty() && process.weights.len() != Law::taken(&samples) {
        return object.fault("weights", "must be as many as the samples that the process takes");
    }
    Some(Kind { law: Law::known(factors, process, error, &samples), name, samples })
}

fn sample(json: &Json<'_>) -> Option<Sample> {
    let Value::Array(row) = &json.value else { return None };
    let (time, numbers) = row.split_last()?;
    let numbers: Vec<u64> = numbers.iter().map(count).collect::<Option<_>>()?;
    Some(Sample { work: Work::from_row(&numbers)?, nanoseconds: number(time).filter(|time| *time >= 0.0)? })
}

fn text<'j>(json: &'j Json<'_>) -> Option<&'j str> {
    match &json.value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn number(json: &Json<'_>) -> Option<f64> {
    match &json.value {
        Value::Number(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

fn count(json: &Json<'_>) -> Option<u64> {
    match &json.value {
        Value::Number(text) => text.parse().ok(),
        _ => None,
    }
}

impl<'a> Object<'a, '_> {
    fn find(&self, key: &str) -> Option<&Json<'a>> {
        self.members.iter().find(|member| member.key == key).map(|member| &member.value)
    }

    fn span_of(&self, key: &str) -> Span {
        self.find(key).map_or(self.span.head(), |json| json.span)
    }

    /// Says what is wrong with a key.
    fn fault<T>(&mut self, key: &str, what: &str) -> Option<T> {
        let diagnostic = match self.find(key) {
            Some(json) => {
                let label = format!("this is {}", json.kind());
                Diagnostic::error(Code::OutOfRange, format!("`{key}` {what}")).at(json.span, label)
            }
            None => Diagnostic::error(Code::Missing, format!("`latency` needs `{key}`"))
                .at(self.span.head(), format!("`{key}` is not given")),
        };
        self.sink.push(diagnostic.help("`csp-profile calibrate` writes device files that are whole"));
        None
    }

    fn text(&mut self, key: &str) -> Option<String> {
        let found = self.find(key).and_then(text).map(str::to_owned);
        found.or_else(|| self.fault(key, "must be a text"))
    }

    fn number(&mut self, key: &str) -> Option<f64> {
        let found = self.find(key).and_then(number).filter(|number| *number >= 0.0);
        found.or_else(|| self.fault(key, "must be a number of at least 0"))
    }

    fn count(&mut self, key: &str) -> Option<u64> {
        let found = self.find(key).and_then(count);
        found.or_else(|| self.fault(key, "must be a whole number"))
    }

    fn numbers(&mut self, key: &str) -> Option<Vec<f64>> {
        let found: Option<Vec<f64>> = self.list(key)?.iter().map(number).collect();
        found.or_else(|| self.fault(key, "must be a list of numbers"))
    }

    fn list(&mut self, key: &str) -> Option<Vec<Json<'a>>> {
        let found = match self.find(key).map(|json| &json.value) {
            Some(Value::Array(list)) => Some(list.to_vec()),
            _ => None,
        };
        found.or_else(|| self.fault(key, "must be a list"))
    }
}
