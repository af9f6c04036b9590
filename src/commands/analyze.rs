//! `analyze`: what a network costs.

use std::io;
use std::mem::ManuallyDrop;

use super::{Exit, Output, load, options, usage};
use crate::analysis::conventions::{CONVENTIONS, Convention};
use crate::analysis::roofline::{self, NoPeak, Roofline};
use crate::analysis::{Analysis, calls_unknown, counts_by_node, memory};
use crate::cli::{AnalyzeArgs, Format, Grouping, Section};
use crate::device::Device;
use crate::diagnostic::{Code, Diagnostic, Sink, nearest};
use crate::frontend::{self, Loaded, device};
use crate::graph::Graph;
use crate::ops::{Io, Operator};
use crate::profile::{Profile, TooLarge, Wanted};
use crate::published::{Fact, Verdict, is_of_memory};
use crate::report::diagnostics::clean;
use crate::report::sections::costs::{self, By, Extra};
use crate::report::sheet::Sheet;
use crate::report::{self, Report, csv, markdown, outlet_name, sections, table};
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
    let loaded = match load(&args.file, &args.load, &mut sources, output)? {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let plain = if wants_memory(args, &loaded) { plain_network(args, &loaded) } else { None };
    let wanted =
        Wanted { memory: wants_memory(args, &loaded), gradient: wants_gradient(args, &loaded.graph) };
    let profile = match Profile::new(loaded, wanted) {
        Ok(profile) => profile,
        Err(TooLarge(loaded)) => return too_large(&loaded.graph, output),
    };
    // The process ends after this: freeing a million nodes one by one would be a tenth of its time.
    let profile = ManuallyDrop::new(profile);
    let report = profile.report(&sources);
    let (graph, analysis, facts) = (&profile.loaded.graph, &profile.analysis, &profile.facts);
    let (memory, gradient) = (&profile.memory, &profile.gradient);
    if let Some(refusal) = &profile.refusal {
        writeln!(output.err(), "note: gradient paths are left out: {refusal}")?;
    }
    if graph.len() > MANY_NODES && args.sections.is_empty() && args.format != Format::Csv {
        writeln!(
            output.err(),
            "note: more than {} nodes, so memory and gradient paths are left out; `--sections memory,gradient` asks \
             for them",
            grouped(MANY_NODES as u64)
        )?;
    }
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
        Some((_, Err(_))) => return too_large(graph, output),
    };
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
        None if args.sections.contains(&Section::Roofline) => {
            let known: Vec<&str> = device::DEVICES.iter().map(|(name, _)| *name).collect();
            let help = format!("add --device with one of {}, or a file", known.join(", "));
            return usage(output, "a roofline needs a device", Some(&help));
        }
        None => None,
        Some(name) => match on_device(name, graph, analysis, output)? {
            Ok(found) => Some(found),
            Err(exit) => return Ok(exit),
        },
    };
    match args.format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut *output.out(), &report).map_err(io::Error::from)?;
            writeln!(output.out())?;
        }
        Format::Csv if args.sections.is_empty() => {
            let Ok(sheet) = by_group(by.unwrap_or(By::Layer), None) else {
                return too_large(graph, output);
            };
            csv::write(&sheet, output.out())?;
        }
        Format::Table | Format::Markdown | Format::Csv => {
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
            if let Some(found) = memory {
                let start = sheets.len();
                memory_sheets(args, graph, found, plain.as_ref(), &mut sheets);
                let rest = sheets.split_off(start);
                sheets.extend(rest.into_iter().map(|sheet| sheet.or_more(report.at_least())));
            }
            if let (Some(found), true) = (gradient, shows(Section::Gradient)) {
                sheets.push(report::gradient::summary(found).or_more(report.at_least()));
                if args.sections.contains(&Section::Gradient)
                    && args.format != Format::Csv
                    && !graph.stages().is_empty()
                {
                    sheets.push(report::gradient::stages(graph, found));
                }
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
            if args.format != Format::Csv {
                print(&report, &sheets, args.format, output)?;
            } else if let [sheet] = sheets.as_slice() {
                csv::write(sheet, output.out())?;
            } else {
                let message = format!("CSV holds one table, and these sections have {}", sheets.len());
                return usage(output, &message, Some("name one section, or --by"));
            }
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
    match (args.memory, memory) {
        (Some(bytes), Some(found)) if !report::memory::fit(graph, found, bytes, args.top).0 => {
            Ok(Exit::Failed)
        }
        _ => Ok(Exit::Fine),
    }
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

fn too_large(graph: &Graph, output: &mut Output) -> io::Result<Exit> {
    let message = "the network's costs together do not fit in 64 bits";
    usage(output, message, Some(&format!("the costliest layer is `{}`", costliest(graph))))
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
        Section::Stages | Section::Layers | Section::Traffic | Section::Conventions | Section::Published => {
            args.by.is_none()
        }
        Section::Memory | Section::Gradient => args.by.is_none(),
        Section::Training | Section::Growth | Section::Curve => false,
    };
    (if args.sections.is_empty() { default } else { args.sections.contains(&section) })
        && !args.skip.contains(&section)
}

/// Beyond so many nodes, memory and gradient paths are analysed only where they are asked for.
const MANY_NODES: usize = 200_000;

fn wants_memory(args: &AnalyzeArgs, loaded: &Loaded) -> bool {
    let sections = [Section::Memory, Section::Training, Section::Growth, Section::Curve];
    let asked = args.memory.is_some() || sections.iter().any(|section| args.sections.contains(section));
    let shown = args.format == Format::Json || shows(args, Section::Memory);
    let judged = loaded.facts.iter().any(|fact| fact.applies && is_of_memory(&fact.metric));
    asked || judged || (shown && args.format != Format::Csv && loaded.graph.len() <= MANY_NODES)
}

/// The network without its partial blocks, where the file says how: `fusion=none`, or `gamma=0`.
fn plain_network(args: &AnalyzeArgs, loaded: &Loaded) -> Option<(Graph, memory::Analysis)> {
    let has = |name: &str| loaded.parameters.iter().any(|(known, _)| known == name);
    if !has("gamma") || args.file.as_os_str() == "-" {
        return None;
    }
    let choices: &[(&str, &str)] = &[("fusion", "none"), ("gamma", "0")];
    choices.iter().filter(|(name, _)| has(name)).find_map(|&(name, value)| {
        let mut options = options(&args.load);
        options.set.push((name.into(), value.into()));
        let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
        let mut plain = frontend::load(&args.file, &options, &mut sources, &mut sink).ok()??.graph;
        plain.find_stages();
        let found = memory::analyze(&plain).ok()?;
        Some((plain, found))
    })
}

fn wants_gradient(args: &AnalyzeArgs, graph: &Graph) -> bool {
    let skipped = args.skip.contains(&Section::Gradient);
    let shown = args.format == Format::Json || shows(args, Section::Gradient);
    let asked = args.sections.contains(&Section::Gradient);
    !skipped && (asked || (shown && args.format != Format::Csv && graph.len() <= MANY_NODES))
}

/// The sections on memory; with tables of tensors and stages where they are asked for by name.
fn memory_sheets(
    args: &AnalyzeArgs,
    graph: &Graph,
    found: &memory::Analysis,
    plain: Option<&(Graph, memory::Analysis)>,
    sheets: &mut Vec<Sheet>,
) {
    let by_name = args.sections.contains(&Section::Memory) && args.format != Format::Csv;
    if shows(args, Section::Memory) {
        let mut summary = report::memory::summary(graph, found);
        if let Some((_, plain)) = plain
            && memory::same_peak(plain, found)
        {
            summary.notes.push("gamma leaves the peak where it is: the plain network has the same".into());
        }
        sheets.push(summary);
        if by_name {
            for ((key, _), model) in memory::Model::REPORTED.iter().zip(&found.models).take(1) {
                sheets.push(report::memory::peak(graph, key, model, args.top));
            }
            if !graph.stages().is_empty() {
                sheets.push(report::memory::stages(graph, found));
            }
        }
    }
    if shows(args, Section::Training) {
        sheets.push(report::memory::training(graph, found));
    }
    if shows(args, Section::Growth) {
        sheets.push(report::memory::growth(graph, found));
        if let Some((other, plain)) = plain {
            sheets.push(report::memory::growth_compared(other, plain, graph, found));
        }
    }
    if shows(args, Section::Curve) {
        sheets.push(report::memory::curve(graph, found));
    }
    if let Some(bytes) = args.memory {
        sheets.push(report::memory::fit(graph, found, bytes, args.top).1);
    }
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
        output.heading(&table::wrap(&sheet.title, table::WIDTH))?;
        write!(output.out(), "{}", table::render(sheet, table::WIDTH))?;
    }
    Ok(())
}
