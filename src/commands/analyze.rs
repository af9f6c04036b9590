//! `analyze`: what a network costs.

use std::io;
use std::mem::ManuallyDrop;

use super::{Exit, Output, load, usage};
use crate::analysis::conventions::{CONVENTIONS, Convention};
use crate::analysis::{analyze, calls_unknown, counts_by_node};
use crate::cli::{AnalyzeArgs, Format, Grouping};
use crate::diagnostic::nearest;
use crate::published::{Fact, Verdict};
use crate::report::sheet::{self, By, Extra, Sheet};
use crate::report::{Report, csv, markdown, outlet_name, table};
use crate::source::SourceMap;

pub(super) fn run(args: &AnalyzeArgs, output: &mut Output) -> io::Result<Exit> {
    let convention = match &args.convention {
        None => None,
        Some(name) => match Convention::find(name) {
            Some(convention) => Some(convention),
            None => {
                let names: Vec<&str> = CONVENTIONS.iter().map(|convention| convention.name).collect();
                let help = match nearest(name, names.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("conventions: {}", names.join(", ")),
                };
                return usage(output, &format!("there is no convention `{name}`"), Some(&help));
            }
        },
    };
    let mut sources = SourceMap::default();
    let mut loaded = match load(&args.file, &args.load, &mut sources, output)? {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    loaded.graph.find_stages();
    // The process ends after this: freeing a million nodes one by one would be a tenth of its time.
    let loaded = ManuallyDrop::new(loaded);
    let (graph, parameters) = (&loaded.graph, &loaded.parameters);
    let too_large = "the network's costs do not fit in 64 bits";
    let Ok(analysis) = analyze(graph) else { return usage(output, too_large, None) };
    let extra = match convention.map(|convention| (convention, counts_by_node(graph, convention))) {
        None => None,
        Some((convention, Ok(counts))) => {
            let unknown = calls_unknown(graph, convention);
            if !unknown.is_empty() {
                writeln!(
                    output.err(),
                    "note: {} counts by how PyTorch calls an op; the file does not say for {}, so the usual way is taken",
                    convention.name,
                    unknown.join(", ")
                )?;
            }
            Some(Extra { convention, counts })
        }
        Some((_, Err(_))) => return usage(output, too_large, None),
    };
    let facts: Vec<Fact> = loaded.facts.iter().filter(|fact| fact.applies).cloned().collect();
    let report =
        Report { graph, analysis: &analysis, parameters, facts: &facts, sources: &sources, format: "json" };
    let grouped = |by: By, limit: Option<usize>| sheet::costs(&report, by, extra.as_ref(), limit);
    let by = match args.by {
        None => None,
        Some(Grouping::Layer) => Some(By::Layer),
        Some(Grouping::Stage) => Some(By::Stage),
        Some(Grouping::Block) => Some(By::Block),
        Some(Grouping::Op) => Some(By::Op),
    };
    match args.format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut *output.out(), &report).map_err(io::Error::from)?;
            writeln!(output.out())?;
        }
        Format::Csv => {
            let Ok(sheet) = grouped(by.unwrap_or(By::Layer), None) else {
                return usage(output, too_large, None);
            };
            csv::write(&sheet, output.out())?;
        }
        Format::Table | Format::Markdown => {
            let mut sheets = vec![sheet::summary(&report)];
            match by {
                Some(by) => sheets.extend(grouped(by, None).ok()),
                None => {
                    if !analysis.stages.is_empty() {
                        sheets.extend(grouped(By::Stage, None).ok());
                    }
                    sheets.extend(grouped(By::Layer, Some(args.top)).ok());
                    sheets.push(sheet::conventions(&report));
                    if !facts.is_empty() {
                        sheets.push(sheet::published(&report));
                    }
                }
            }
            print(&report, &sheets, args.format, output)?;
        }
    }
    let failed = facts.iter().filter(|fact| report.judge(fact) == Verdict::Fails).count();
    if failed > 0 {
        writeln!(output.err(), "\x1b[1;31merror\x1b[0m: {failed} published figures of the file do not hold")?;
        return Ok(Exit::Failed);
    }
    Ok(Exit::Fine)
}

fn print(report: &Report<'_>, sheets: &[Sheet], format: Format, output: &mut Output) -> io::Result<()> {
    let graph = report.graph;
    let tensors = |outlets: &mut dyn Iterator<Item = crate::graph::Outlet>| {
        outlets
            .map(|outlet| format!("{} {}", outlet_name(graph, outlet), graph.tensor(outlet)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let inputs = tensors(&mut graph.inputs().iter().map(|&node| crate::graph::Outlet { node, port: 0 }));
    let outputs = tensors(&mut graph.outputs.iter().copied());
    let parameters: Vec<String> = report
        .parameters
        .iter()
        .map(|(name, value)| format!("{name} = {}", value.to_string().replace('"', "")))
        .collect();
    if format == Format::Markdown {
        writeln!(output.out(), "## {}\n", graph.name)?;
        writeln!(output.out(), "{inputs} → {outputs}\n")?;
        for sheet in sheets {
            write!(output.out(), "{}", markdown::render(sheet))?;
        }
        return Ok(());
    }
    output.heading(&graph.name)?;
    if let Some(description) = &graph.description {
        writeln!(output.out(), "{}", wrap(description))?;
    }
    writeln!(output.out(), "{}", wrap(&format!("{inputs} → {outputs}")))?;
    if !parameters.is_empty() {
        writeln!(output.out(), "{}", wrap(&parameters.join(", ")))?;
    }
    for sheet in sheets {
        writeln!(output.out())?;
        output.heading(&sheet.title)?;
        write!(output.out(), "{}", table::render(sheet, table::WIDTH))?;
    }
    Ok(())
}

/// Breaks a text into lines of at most the tables' width.
pub(super) fn wrap(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= table::WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}
