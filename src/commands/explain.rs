//! `explain`: manual pages of ops, conventions and topics.

use std::io;

use super::{Exit, Output, usage};
use crate::analysis::conventions::{CONVENTIONS, Convention};
use crate::diagnostic::nearest;
use crate::ops::{Op, OpInfo};

/// Topics: name, one line, text.
const TOPICS: &[(&str, &str, &str)] = &[
    ("counting", "What is counted, and how", include_str!("explain/counting.md")),
    ("language", "How architecture files are written", include_str!("explain/language.md")),
    ("traffic", "Bytes moved, and the roofline", include_str!("explain/traffic.md")),
    ("report", "The keys of the JSON report", include_str!("explain/report.md")),
];

pub(super) fn run(topic: Option<&str>, output: &mut Output) -> io::Result<Exit> {
    let Some(topic) = topic else { return index(output) };
    if topic == "conventions" {
        return conventions(output);
    }
    if let Some((_, _, text)) = TOPICS.iter().find(|(name, _, _)| *name == topic) {
        write!(output.out(), "{text}")?;
        return Ok(Exit::Fine);
    }
    if let Some(info) = OpInfo::find(topic) {
        return op(info, output);
    }
    if let Some(found) = Convention::find(topic) {
        return convention(found, output);
    }
    let names =
        Op::ALL.iter().map(|info| info.name).chain(CONVENTIONS.iter().map(|convention| convention.name));
    let names = names.chain(TOPICS.iter().map(|(name, _, _)| *name)).chain(["conventions"]);
    let help = nearest(topic, names).map(|near| format!("did you mean `{near}`?"));
    let help = help.unwrap_or_else(|| "`csp-profile explain` lists what there is".into());
    usage(output, &format!("there is nothing to explain about `{topic}`"), Some(&help))
}

fn index(output: &mut Output) -> io::Result<Exit> {
    output.heading("Topics")?;
    for (name, line, _) in TOPICS {
        writeln!(output.out(), "  {name:12} {line}")?;
    }
    writeln!(output.out(), "  {:12} How other programs count", "conventions")?;
    output.heading("Ops (`csp-profile ops` says what each does)")?;
    columns(Op::ALL.iter().map(|info| info.name), output)?;
    output.heading("Conventions")?;
    columns(CONVENTIONS.iter().map(|convention| convention.name), output)?;
    Ok(Exit::Fine)
}

/// Names in lines of at most 80 columns.
fn columns<'a>(names: impl Iterator<Item = &'a str>, output: &mut Output) -> io::Result<()> {
    let mut line = String::new();
    for name in names {
        if line.len() + name.len() + 2 > 80 {
            writeln!(output.out(), " {line}")?;
            line.clear();
        }
        line.push(' ');
        line.push_str(name);
    }
    writeln!(output.out(), " {line}")
}

fn op(info: &OpInfo, output: &mut Output) -> io::Result<Exit> {
    output.heading(info.name)?;
    writeln!(output.out(), "{}", unindent(info.doc))?;
    output.heading("## Attributes")?;
    if info.attributes.is_empty() {
        writeln!(output.out(), "None.")?;
    }
    for attribute in info.attributes {
        let default = match (attribute.default)() {
            Some(serde_json::Value::Null) => "optional".to_owned(),
            Some(default) => format!("default {default}"),
            None => "required".to_owned(),
        };
        writeln!(output.out(), "{}: {}; {default}", attribute.name, attribute.expects)?;
        writeln!(output.out(), "    {}", unindent(attribute.doc).replace('\n', "\n    "))?;
    }
    writeln!(
        output.out(),
        "\nEvery op layer also takes: name, inputs, stage, when, repeat, index, called_as, share."
    )?;
    Ok(Exit::Fine)
}

/// The text of a doc comment: each line without the blank that follows its slashes.
fn unindent(doc: &str) -> String {
    let lines: Vec<&str> = doc.lines().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    lines.join("\n").trim_end().to_owned()
}

fn conventions(output: &mut Output) -> io::Result<Exit> {
    for (index, found) in CONVENTIONS.iter().enumerate() {
        if index > 0 {
            writeln!(output.out())?;
        }
        convention(found, output)?;
    }
    Ok(Exit::Fine)
}

fn convention(convention: &Convention, output: &mut Output) -> io::Result<Exit> {
    output.heading(convention.name)?;
    writeln!(output.out(), "Unit: {}, for one image.", convention.unit.name())?;
    writeln!(output.out(), "{}\n", fill(convention.doc))?;
    for rule in convention.rules {
        let counts: Vec<String> = rule
            .counts
            .iter()
            .map(
                |(quantity, weight)| {
                    if *weight == 1 { format!("{quantity:?}") } else { format!("{weight} × {quantity:?}") }
                },
            )
            .collect();
        let ways: Vec<&str> = rule.called_as.iter().map(|way| way.name()).collect();
        let called = if ways.len() == crate::graph::CalledAs::ALL.len() {
            String::new()
        } else {
            format!(" called as {}", ways.join(" or "))
        };
        writeln!(
            output.out(),
            "{}",
            fill(&format!("- {}{called}: {}", rule.ops.join(", "), counts.join(" + ")))
        )?;
    }
    Ok(Exit::Fine)
}

/// Lines of at most 80 columns.
fn fill(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < 80 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}
