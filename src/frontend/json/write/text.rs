//! The layout of an architecture file: a layer a line, as people write them.

use std::fmt::Write as _;

use serde_json::Value;

/// Lines are broken where they would be longer.
const WIDTH: usize = 112;

/// One layer, or several with something in common.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Keys and their JSON texts.
    pub(super) members: Vec<(&'static str, String)>,
    /// The layers of a group.
    pub(super) layers: Option<Vec<Self>>,
}

/// A JSON text in one line.
pub(super) fn json(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", joined(items.iter().map(json))),
        Value::Object(members) => object(members.iter().map(|(key, value)| (key.as_str(), json(value)))),
        other => other.to_string(),
    }
}

/// A JSON text of a text.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// One object in one line.
pub(super) fn object<'a>(members: impl Iterator<Item = (&'a str, String)>) -> String {
    format!("{{{}}}", joined(members.map(|(key, value)| format!("{}: {value}", quoted(key)))))
}

fn joined(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

/// A list of layers; the opening bracket stands already.
pub(super) fn layers(lines: &[Line], indent: usize, text: &mut String) {
    for (index, line) in lines.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        layer(line, indent, text);
    }
    let _ = write!(text, "\n{:indent$}]", "", indent = indent.saturating_sub(2));
}

fn layer(line: &Line, indent: usize, text: &mut String) {
    let _ = write!(text, "{:indent$}{{", "");
    let mut column = indent + 1;
    for (index, (key, value)) in line.members.iter().enumerate() {
        let member = format!("\"{key}\": {value}");
        let width = member.chars().count() + 2;
        if index > 0 {
            text.push(',');
            if column + width > WIDTH {
                let _ = write!(text, "\n{:indent$}", "", indent = indent + 2);
                column = indent + 2;
            } else {
                text.push(' ');
            }
        }
        column += width;
        if column + width > WIDTH && value.starts_with(['[', '{']) {
            wrapped(&member, indent + 4, text);
            column = WIDTH;
        } else {
            text.push_str(&member);
        }
    }
    if let Some(inner) = &line.layers {
        text.push_str(if line.members.is_empty() { "\"layers\": [" } else { ", \"layers\": [" });
        layers(inner, indent + 2, text);
    }
    text.push('}');
}

/// A long list or object in several lines.
fn wrapped(member: &str, indent: usize, text: &mut String) {
    let mut column = indent;
    let (mut start, mut depth, mut quoted, mut escaped) = (0, 0usize, false, false);
    let mut pieces = Vec::new();
    for (at, letter) in member.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            // What is nested deeper stays in one line.
            ',' if depth == 1 => {
                pieces.push(&member[start..=at]);
                start = at + 2;
            }
            _ => {}
        }
    }
    pieces.push(member.get(start..).unwrap_or(""));
    for (index, piece) in pieces.into_iter().enumerate() {
        let width = piece.chars().count() + 1;
        if index > 0 {
            if column + width > WIDTH {
                let _ = write!(text, "\n{:indent$}", "");
                column = indent;
            } else {
                text.push(' ');
            }
        }
        text.push_str(piece);
        column += width;
    }
}

/// A block: its head stands in one line where it fits in one.
pub(super) fn block(name: &str, head: &[(&'static str, String)], lines: &[Line], text: &mut String) {
    let line: Vec<String> = head.iter().map(|(key, value)| format!("\"{key}\": {value}, ")).collect();
    let line = format!("    {}: {{{}\"layers\": [", quoted(name), line.concat());
    if line.chars().count() <= WIDTH {
        text.push_str(&line);
        layers(lines, 6, text);
        text.push('}');
        return;
    }
    let _ = write!(text, "    {}: {{", quoted(name));
    for (key, value) in head {
        text.push_str("\n      ");
        wrapped(&format!("\"{key}\": {value}"), 8, text);
        text.push(',');
    }
    text.push_str("\n      \"layers\": [");
    layers(lines, 8, text);
    text.push_str("\n    }");
}
