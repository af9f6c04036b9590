//! `explain`: manual pages of ops, conventions and topics.

use std::io;

use super::{Exit, Output, usage};
use crate::analysis::conventions::{CONVENTIONS, Convention};
use crate::diagnostic::nearest;
use crate::graph::CalledAs;
use crate::ops::peers::Quantity;
use crate::ops::{Op, OpInfo};

/// Topics: name, one line, text.
const TOPICS: &[(&str, &str, &str)] = &[
    ("counting", "What is counted, and how", include_str!("explain/counting.md")),
    ("gradient", "Gradient paths, reuse and update equations", include_str!("explain/gradient.md")),
    ("study", "Does CSP reduce duplicated gradient information?", include_str!("explain/study.md")),
    ("claims", "The paper's claims, and what CSP does not do", include_str!("explain/claims.md")),
    ("language", "How architecture files are written", include_str!("explain/language.md")),
    ("darknet", "darknet's cfgs: what is read, and how", include_str!("explain/darknet.md")),
    ("onnx", "ONNX files: sizes, parameters, unknown ops", include_str!("explain/onnx.md")),
    ("traffic", "Bytes moved, and the roofline", include_str!("explain/traffic.md")),
    ("memory", "Peaks, arena, training: what is in memory when", include_str!("explain/memory.md")),
    ("compare", "How networks are set side by side", include_str!("explain/compare.md")),
    ("sweep", "How combinations of parameters are counted", include_str!("explain/sweep.md")),
    ("measure", "The network run, and figures held against it", include_str!("explain/measure.md")),
    ("prediction", "How long a network will take", include_str!("explain/prediction.md")),
    ("cuda", "Measuring on an NVIDIA card", include_str!("explain/cuda.md")),
    ("budget", "Limits that networks must keep to", include_str!("explain/budget.md")),
    ("charts", "The charts of a report, and where its files go", include_str!("explain/charts.md")),
    ("page", "The HTML page of a report", include_str!("explain/page.md")),
    ("convert", "Any network as an architecture file or a diagram", include_str!("explain/convert.md")),
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
    writeln!(output.out())?;
    output.heading("Ops (`csp-profile ops` says what each does)")?;
    columns(Op::ALL.iter().map(|info| info.name), output)?;
    writeln!(output.out())?;
    output.heading("Conventions")?;
    columns(CONVENTIONS.iter().map(|convention| convention.name), output)?;
    Ok(Exit::Fine)
}

/// Names in indented lines.
fn columns<'a>(names: impl Iterator<Item = &'a str>, output: &mut Output) -> io::Result<()> {
    let names: Vec<&str> = names.collect();
    writeln!(output.out(), "{}", fill(&names.join(" "), "  ", "  "))
}

fn op(info: &OpInfo, output: &mut Output) -> io::Result<Exit> {
    output.heading(info.name)?;
    writeln!(output.out(), "{}\n", page(info.doc))?;
    writeln!(output.out(), "## Attributes")?;
    if info.attributes.is_empty() {
        writeln!(output.out(), "None.")?;
    }
    for attribute in info.attributes {
        let default = match (attribute.default)() {
            Some(serde_json::Value::Null) => "optional".to_owned(),
            Some(default) => format!("default {default}"),
            None => "required".to_owned(),
        };
        let head = format!("{}: {}; {default}", attribute.name, attribute.expects);
        writeln!(output.out(), "{}", fill(&head, "", "    "))?;
        writeln!(output.out(), "{}", fill(attribute.doc, "    ", "    "))?;
    }
    if info.name != "input" {
        let keys = "Every op layer also takes: name, inputs, stage, when, repeat, index, called_as, share.";
        writeln!(output.out(), "\n{}", fill(keys, "", ""))?;
    }
    Ok(Exit::Fine)
}

fn conventions(output: &mut Output) -> io::Result<Exit> {
    for found in CONVENTIONS {
        rules(found, output)?;
        writeln!(output.out())?;
    }
    output.heading("What is counted")?;
    quantities(CONVENTIONS, output)?;
    Ok(Exit::Fine)
}

fn convention(found: &Convention, output: &mut Output) -> io::Result<Exit> {
    rules(found, output)?;
    writeln!(output.out(), "\nWhere")?;
    quantities(std::slice::from_ref(found), output)?;
    Ok(Exit::Fine)
}

fn rules(convention: &Convention, output: &mut Output) -> io::Result<()> {
    output.heading(convention.name)?;
    writeln!(output.out(), "Unit: {}, for one image.\n", convention.unit.name())?;
    writeln!(output.out(), "{}\n", fill(convention.doc, "", ""))?;
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
        let called = if ways.len() == CalledAs::ALL.len() {
            String::new()
        } else {
            format!(" called as {}", ways.join(" or "))
        };
        let text = format!("{}{called}: {}", rule.ops.join(", "), counts.join(" + "));
        writeln!(output.out(), "{}", fill(&text, "- ", "  "))?;
    }
    Ok(())
}

/// What the quantities are that some conventions weigh.
fn quantities(conventions: &[Convention], output: &mut Output) -> io::Result<()> {
    let rules = || conventions.iter().flat_map(|convention| convention.rules);
    for quantity in Quantity::ALL {
        if rules().any(|rule| rule.counts.iter().any(|(counted, _)| counted == quantity)) {
            let text = format!("{quantity:?}: {}", quantity.description());
            writeln!(output.out(), "{}", fill(&text, "  ", "    "))?;
        }
    }
    Ok(())
}

/// The widest line that is printed.
const WIDTH: usize = 80;
/// Doc comments are written in lines of at least so many columns, or end early because something new begins.
const SOFT: usize = 100;

/// A doc comment in lines of at most [`WIDTH`] columns. Headings, blank lines and lines that end early stay as they are.
fn page(doc: &str) -> String {
    let mut paragraphs: Vec<String> = Vec::new();
    let mut last = 0;
    for line in doc.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()) {
        let first = line.split(' ').next().map_or(0, letters);
        match paragraphs.last_mut() {
            Some(paragraph) if last > 0 && first > 0 && last + 1 + first > SOFT => {
                paragraph.push(' ');
                paragraph.push_str(line);
            }
            _ => paragraphs.push(line.to_owned()),
        }
        last = letters(line);
    }
    let filled: Vec<String> = paragraphs.iter().map(|paragraph| fill(paragraph, "", "")).collect();
    filled.join("\n").trim_end().to_owned()
}

/// A paragraph in lines of at most [`WIDTH`] columns, the first and the others begun with the given text. What stands
/// between backticks is kept in one line where it fits in one.
pub(super) fn fill(text: &str, first: &str, rest: &str) -> String {
    let mut lines = vec![first.to_owned()];
    let mut empty = true;
    for word in words(text) {
        let line = lines.last().map_or(0, |line| letters(line));
        if !empty && line + 1 + letters(word) > WIDTH {
            lines.push(rest.to_owned());
            empty = true;
        }
        if let Some(line) = lines.last_mut() {
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
        }
        empty = false;
    }
    lines.join("\n")
}

/// The parts of a text that no line may break in.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut quoted = false;
    let mut start = 0;
    for (at, letter) in text.char_indices() {
        quoted ^= letter == '`';
        if letter.is_whitespace() && !quoted {
            words.push(&text[start..at]);
            start = at + letter.len_utf8();
        }
    }
    words.push(&text[start..]);
    let long = |word: &str| letters(word) > WIDTH / 2;
    words
        .into_iter()
        .flat_map(|word| if long(word) { word.split_whitespace().collect() } else { vec![word] })
        .filter(|word| !word.is_empty())
        .collect()
}

fn letters(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_keeps_to_80_columns() {
        let mut pages: Vec<(&str, String)> =
            TOPICS.iter().map(|(name, _, text)| (*name, (*text).to_owned())).collect();
        pages.extend(Op::ALL.iter().map(|info| (info.name, page(info.doc))));
        for (name, text) in pages {
            for line in text.lines() {
                assert!(letters(line) <= WIDTH, "{name}: {line}");
            }
        }
    }

    #[test]
    fn paragraphs_are_filled_and_what_is_apart_stays_apart() {
        let long = "word ".repeat(19);
        let doc = format!(" Title.\n\n ## Formula\n `a = b`\n {long}`x = y` and\n the end\n");
        let text = page(&doc);
        assert!(text.starts_with("Title.\n\n## Formula\n`a = b`\nword word"), "{text}");
        assert!(text.ends_with("`x = y` and the end"), "{text}");
        assert!(text.lines().all(|line| letters(line) <= WIDTH), "{text}");
    }

    #[test]
    fn code_is_not_broken() {
        let text = fill(&format!("{} `a + b + c` d", "x".repeat(74)), "- ", "  ");
        assert_eq!(text, format!("- {}\n  `a + b + c` d", "x".repeat(74)));
    }
}
