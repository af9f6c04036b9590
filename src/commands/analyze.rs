//! `analyze`: what a network costs.

use std::io;
use std::mem::ManuallyDrop;

use super::{Exit, Output, load, usage};
use crate::analysis::conventions::{CONVENTIONS, Convention};
use crate::analysis::roofline::{self, NoPeak, Roofline};
use crate::analysis::{Analysis, analyze, calls_unknown, counts_by_node};
use crate::cli::{AnalyzeArgs, Format, Grouping, Section};
use crate::device::Device;
use crate::diagnostic::{Code, Diagnostic, Sink, nearest};
use crate::frontend::device;
use crate::graph::Graph;
use crate::ops::{Io, Operator};
use crate::published::{Fact, Verdict};
use crate::report::diagnostics::clean;
use crate::report::sections::costs::{self, By, Extra};
use crate::report::sheet::Sheet;
use crate::report::{Report, csv, markdown, outlet_name, sections, table};
use crate::source::SourceMap;
use crate::units::grouped;

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
    let too_large = |output: &mut Output| {
        let message = "the network's costs together do not fit in 64 bits";
        usage(output, message, Some(&format!("the costliest layer is `{}`", costliest(graph))))
    };
    let Ok(analysis) = analyze(graph) else { return too_large(output) };
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
        Some((_, Err(_))) => return too_large(output),
    };
    let facts: Vec<Fact> = loaded.facts.iter().filter(|fact| fact.applies).cloned().collect();
    let report =
        Report { graph, analysis: &analysis, parameters, facts: &facts, sources: &sources, format: "json" };
    let wide = args.format == Format::Csv;
    let by_group = |by: By, limit: Option<usize>| costs::sheet(&report, by, extra.as_ref(), limit, wide);
    let by = match args.by {
        None => None,
        Some(Grouping::Layer) => Some(By::Layer),
        Some(Grouping::Stage) => Some(By::Stage),
        Some(Grouping::Block) => Some(By::Block),
        Some(Grouping::Op) => Some(By::Op),
    };
    let roofline = match &args.device {
        None => None,
        Some(name) => match on_device(name, graph, &analysis, output)? {
            Ok(found) => Some(found),
            Err(exit) => return Ok(exit),
        },
    };
    match args.format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut *output.out(), &report).map_err(io::Error::from)?;
            writeln!(output.out())?;
        }
        Format::Csv => {
            let Ok(sheet) = by_group(by.unwrap_or(By::Layer), None) else {
                return too_large(output);
            };
            csv::write(&sheet, output.out())?;
        }
        Format::Table | Format::Markdown => {
            let mut sheets = Vec::new();
            let shows = |section: Section| shows(args, section);
            if shows(Section::Summary) {
                sheets.push(sections::summary::sheet(&report));
            }
            if let Some(by) = by {
                sheets.extend(by_group(by, None).ok());
            }
            if shows(Section::Stages) && !analysis.stages.is_empty() {
                sheets.extend(by_group(By::Stage, None).ok());
            }
            if shows(Section::Layers) {
                sheets.extend(by_group(By::Layer, Some(args.top)).ok());
            }
            if shows(Section::Traffic) {
                sheets.push(sections::traffic::sheet(&report));
            }
            if let (Some((device, roofline)), true) = (&roofline, shows(Section::Roofline)) {
                sheets.push(sections::roofline::sheet(&report, device, roofline, args.top));
            }
            if shows(Section::Conventions) {
                sheets.push(sections::conventions::sheet(&report));
            }
            if shows(Section::Published) && !facts.is_empty() {
                sheets.push(sections::published::sheet(&report, args.sections.contains(&Section::Published)));
            }
            print(&report, &sheets, args.format, output)?;
        }
    }
    let mut sink = Sink::default();
    for fact in facts.iter().filter(|fact| report.judge(fact) == Verdict::Fails) {
        sink.push(broken(fact, report.value(&fact.metric, fact.convention.as_deref())));
    }
    if sink.has_errors() {
        output.out().flush()?;
        output.diagnostics(&sink, &sources)?;
        return Ok(Exit::Failed);
    }
    Ok(Exit::Fine)
}

/// Why a published figure does not hold.
fn broken(fact: &Fact, ours: Option<u64>) -> Diagnostic {
    let (label, published, rounding) = (fact.label(), &fact.value, fact.rounding);
    let ours = ours.unwrap_or_default();
    let exact = grouped(ours);
    let message = match &fact.differs {
        Some(_) if published.is(ours, rounding) => {
            format!("`{label}` is said to differ from the published {}, but does not", published.text)
        }
        Some(difference) => {
            format!(
                "`{label}` is {exact}, neither the published {} nor the stated {}",
                published.text, difference.ours.text
            )
        }
        None => format!("`{label}` is {exact}, not the published {}", published.text),
    };
    let as_printed = published.format(ours, rounding);
    let diagnostic =
        Diagnostic::error(Code::PublishedFact, message).at(fact.span, format!("by {}", fact.source));
    match fact.differs {
        Some(_) if published.is(ours, rounding) => diagnostic.help("remove `status`, `ours` and `reason`"),
        _ if as_printed == exact => diagnostic,
        _ => diagnostic.help(format!("printed alike, ours is {as_printed}")),
    }
}

/// The layer with most operations.
fn costliest(graph: &Graph) -> String {
    let flops = |node: &crate::graph::Node| {
        let inputs = graph.input_types(node);
        let io = Io { inputs: &inputs, outputs: &node.outputs };
        node.op.cost(io).and_then(|cost| cost.flops()).unwrap_or(u64::MAX)
    };
    graph.nodes().max_by_key(|(_, node)| flops(node)).map_or(String::new(), |(_, node)| node.name.to_string())
}

/// Whether a section is wanted: asked for, or by default; one table in full stands beside the summary alone.
fn shows(args: &AnalyzeArgs, section: Section) -> bool {
    let default = match section {
        Section::Summary | Section::Roofline => true,
        Section::Stages | Section::Layers | Section::Conventions | Section::Published => args.by.is_none(),
        Section::Traffic => false,
    };
    (if args.sections.is_empty() { default } else { args.sections.contains(&section) })
        && !args.skip.contains(&section)
}

/// The roofline on a device, or the exit where there is none.
fn on_device(
    name: &str,
    graph: &Graph,
    analysis: &Analysis,
    output: &mut Output,
) -> io::Result<Result<(Device, Roofline), Exit>> {
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let device = device::load(name, &mut sources, &mut sink);
    output.diagnostics(&sink, &sources)?;
    let device = match device {
        Ok(Some(device)) => device,
        Ok(None) => return Ok(Err(Exit::Usage)),
        Err(error) if error.is_usage() => {
            let known: Vec<&str> = device::DEVICES.iter().map(|(name, _)| *name).collect();
            let message = format!("there is no device or file `{name}`");
            return usage(output, &message, Some(&format!("devices: {}; or a file", known.join(", "))))
                .map(Err);
        }
        Err(error) => {
            writeln!(output.err(), "\x1b[1;31merror\x1b[0m: {error}")?;
            return Ok(Err(Exit::World));
        }
    };
    match roofline::roofline(graph, &analysis.nodes, &analysis.traffic, &analysis.kernels, &device) {
        Ok(found) => Ok(Ok((device, found))),
        Err(NoPeak(dtype)) => {
            let message = format!("the device file of {} has no peak for {dtype}", device.name);
            usage(output, &message, Some("add it to `peak_flops` of a device file of your own")).map(Err)
        }
    }
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
        .map(|(name, value)| clean(&format!("{name} = {}", value.to_string().replace('"', ""))))
        .collect();
    if format == Format::Markdown {
        writeln!(output.out(), "## {}\n", clean(&graph.name))?;
        writeln!(output.out(), "{inputs} → {outputs}\n")?;
        for sheet in sheets {
            write!(output.out(), "{}", markdown::render(sheet))?;
        }
        return Ok(());
    }
    output.heading(&clean(&graph.name))?;
    if let Some(description) = &graph.description {
        writeln!(output.out(), "{}", table::wrap(description, table::WIDTH))?;
    }
    writeln!(output.out(), "{}", table::wrap(&format!("{inputs} → {outputs}"), table::WIDTH))?;
    if !parameters.is_empty() {
        writeln!(output.out(), "{}", table::wrap(&parameters.join(", "), table::WIDTH))?;
    }
    for sheet in sheets {
        writeln!(output.out())?;
        output.heading(&sheet.title)?;
        write!(output.out(), "{}", table::render(sheet, table::WIDTH))?;
    }
    Ok(())
}
