//! Device files: a few from datasheets that come with the program, and the user's own.

mod latency;

use std::path::Path;

use super::{Error, read};
use crate::device::Device;
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::source::json::{Fault, Json, Member, Value, parse};
use crate::source::{SourceMap, Span};
use crate::tensor::DType;

/// Names and texts of the devices that come with the program.
pub const DEVICES: &[(&str, &str)] = &[
    ("a100_sxm_80gb", include_str!("devices/a100_sxm_80gb.json")),
    ("gtx_1080_ti", include_str!("devices/gtx_1080_ti.json")),
    ("h100_sxm", include_str!("devices/h100_sxm.json")),
    ("i9_9900k", include_str!("devices/i9_9900k.json")),
    ("jetson_tx2", include_str!("devices/jetson_tx2.json")),
];

const KEYS: [&str; 6] =
    ["name", "source", "peak_flops", "bandwidth_bytes_per_second", "last_level_cache_bytes", "latency"];

/// The device of a name that is known, or of a file. Without one the sink says why.
///
/// # Errors
/// When there is no such file, or it cannot be read.
pub fn load(name: &str, sources: &mut SourceMap, sink: &mut Sink) -> Result<Option<Device>, Error> {
    if let Some((_, text)) = DEVICES.iter().find(|(known, _)| *known == name) {
        return Ok(device(name, (*text).into(), sources, sink));
    }
    let Some(bytes) = read(Path::new(name), sink)? else { return Ok(None) };
    match String::from_utf8(bytes) {
        Ok(text) => Ok(device(name, text, sources, sink)),
        Err(_) => {
            sink.push(Diagnostic::error(Code::NotUtf8, format!("`{name}` is not UTF-8 text")));
            Ok(None)
        }
    }
}

fn device(name: &str, text: String, sources: &mut SourceMap, sink: &mut Sink) -> Option<Device> {
    let source = sources.add(name, text);
    let text = sources.get(source).text.clone();
    let (json, faults) = parse(source, &text);
    for fault in faults {
        sink.push(match fault {
            Fault::Syntax { message, span } => Diagnostic::error(Code::Syntax, message).at(span, "not JSON"),
            Fault::DuplicateKey { key, first, again } => {
                Diagnostic::error(Code::DuplicateKey, format!("the key `{key}` stands twice in one object"))
                    .at(again, "again here")
                    .at(first, "first here")
            }
        });
    }
    let json = json?;
    let span = json.span;
    let members = members(json, "a device file", sink)?;
    all_known(&members, &KEYS, "a device file", sink);
    let take = |key: &str| members.iter().find(|member| member.key == key).map(|member| &member.value);
    let text_of = |json: Option<&Json<'_>>| match json.map(|json| &json.value) {
        Some(Value::String(text)) => Some(text.clone().into_owned()),
        _ => None,
    };
    let name = text_of(take("name")).unwrap_or_else(|| name.to_owned());
    let source = text_of(take("source")).unwrap_or_default();
    let peak = take("peak_flops").cloned().map(|json| peaks(json, sink)).unwrap_or_default();
    let bandwidth = match take("bandwidth_bytes_per_second") {
        Some(json) => positive(json, "bandwidth_bytes_per_second", sink),
        None => None,
    };
    let cache = match take("last_level_cache_bytes") {
        Some(json) => positive(json, "last_level_cache_bytes", sink),
        None => None,
    };
    let (Some(bandwidth), false) = (bandwidth, peak.is_empty()) else {
        missing(span, bandwidth.is_some(), sink);
        return None;
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive count of bytes")]
    let cache = cache.map(|cache| cache as u64);
    let latency = take("latency").cloned().and_then(|json| latency::read(json, sink));
    (!sink.has_errors()).then_some(Device { name, source, peak, bandwidth, cache, latency })
}

/// Tells of keys that nothing reads.
fn all_known(members: &[Member<'_>], keys: &[&'static str], what: &str, sink: &mut Sink) {
    for member in members.iter().filter(|member| !keys.contains(&&*member.key)) {
        sink.push(
            Diagnostic::error(Code::UnknownKey, format!("{what} has no key `{}`", member.key))
                .at(member.key_span, "not known")
                .did_you_mean(&member.key, keys.iter().copied())
                .help(format!("keys: {}", keys.join(", "))),
        );
    }
}

fn missing(span: Span, has_bandwidth: bool, sink: &mut Sink) {
    let key = if has_bandwidth { "peak_flops" } else { "bandwidth_bytes_per_second" };
    sink.push(
        Diagnostic::error(Code::Missing, format!("a device file needs `{key}`"))
            .at(span.head(), format!("`{key}` is not given"))
            .help("for example {\"name\": \"…\", \"source\": \"…\", \"peak_flops\": {\"f32\": 11.34e12}, \"bandwidth_bytes_per_second\": 484e9}"),
    );
}

fn members<'a>(json: Json<'a>, what: &str, sink: &mut Sink) -> Option<Vec<Member<'a>>> {
    match json.value {
        Value::Object(members) => Some(members.into_vec()),
        _ => {
            sink.push(
                Diagnostic::error(Code::WrongType, format!("{what} must be an object"))
                    .at(json.span, format!("this is {}", json.kind())),
            );
            None
        }
    }
}

fn peaks(json: Json<'_>, sink: &mut Sink) -> Vec<(DType, f64)> {
    let mut peaks = Vec::new();
    for member in members(json, "`peak_flops`", sink).unwrap_or_default() {
        let Some(dtype) = DType::from_name(&member.key) else {
            sink.push(
                Diagnostic::error(Code::OutOfRange, format!("there is no element type `{}`", member.key))
                    .at(member.key_span, "not a type")
                    .did_you_mean(&member.key, DType::ALL.iter().map(|dtype| dtype.name())),
            );
            continue;
        };
        peaks.extend(positive(&member.value, &member.key, sink).map(|peak| (dtype, peak)));
    }
    peaks
}

fn positive(json: &Json<'_>, key: &str, sink: &mut Sink) -> Option<f64> {
    let number = match &json.value {
        Value::Number(text) => text.parse::<f64>().ok(),
        _ => None,
    };
    let found = number.filter(|number| number.is_finite() && *number > 0.0);
    if found.is_none() {
        sink.push(
            Diagnostic::error(Code::WrongType, format!("`{key}` must be a number above 0"))
                .at(json.span, format!("this is {}", json.kind())),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_devices_that_come_with_the_program_are_whole() {
        for (name, _) in DEVICES {
            let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
            let device = load(name, &mut sources, &mut sink).unwrap();
            let device = device.unwrap_or_else(|| panic!("{name}: {:?}", sink.diagnostics()));
            assert!(!device.source.is_empty() && device.peak(DType::F32).is_some(), "{name}");
        }
    }

    #[test]
    fn faults_have_places() {
        let fault = |text: &str| {
            let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
            assert_eq!(device("d", text.into(), &mut sources, &mut sink), None);
            sink.diagnostics()[0].message.clone()
        };
        assert_eq!(fault("{}"), "a device file needs `bandwidth_bytes_per_second`");
        assert_eq!(fault(r#"{"bandwidth_bytes_per_second": 1}"#), "a device file needs `peak_flops`");
        assert_eq!(
            fault(r#"{"bandwidth_bytes_per_second": -1, "peak_flops": {"f32": 1}}"#),
            "`bandwidth_bytes_per_second` must be a number above 0"
        );
        assert_eq!(fault(r#"{"bandwith": 1}"#), "a device file has no key `bandwith`");
        assert_eq!(fault("[]"), "a device file must be an object");
    }
}
