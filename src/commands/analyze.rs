//! `analyze`: what a network costs.

mod facts;
pub(super) mod on_device;
pub(super) mod sheets;

use std::io;
use std::mem::ManuallyDrop;

use super::check::asked::Asked;
use super::report::{Place, command_line};
use super::{Exit, Output, load, options, usage};
use crate::analysis::conventions::{CONVENTIONS, Convention};
use crate::analysis::{calls_unknown, counts_by_node, memory};
use crate::cli::{AnalyzeArgs, Format, Section};
use crate::diagnostic::{Sink, nearest};
use crate::frontend::{self, Loaded};
use crate::graph::Graph;
use crate::ops::{Io, Operator};
use crate::profile::{Profile, TooLarge, Wanted};
use crate::published::{Verdict, is_of_memory};
use crate::report::chart::{self, MANY_NODES};
use crate::report::sections::costs::{By, Extra};
use crate::report::{self, Report, csv, page};
use crate::source::SourceMap;
use crate::units::grouped;
use sheets::Selection;

pub(super) fn run(args: &AnalyzeArgs, output: &mut Output) -> io::Result<Exit> {
    let convention = match args.convention.as_deref().map(find_convention).transpose() {
        Ok(convention) => convention,
        Err((message, help)) => return usage(output, &message, Some(&help)),
    };
    let mut asked = match Asked::read(args.budget.as_ref(), &args.file, output)? {
        Ok(asked) => asked,
        Err(exit) => return Ok(exit),
    };
    let args = &match &asked {
        Some(asked) => AnalyzeArgs { load: asked.load(&args.load), ..args.clone() },
        None => args.clone(),
    };
    let mut sources = SourceMap::default();
    let loaded = match load(&args.file, &args.load, &mut sources, output)? {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    // Before the work: where no file can be written is told at once.
    let default = args.format == Format::Table;
    let place = match Place::open(&args.report, default, &[&loaded.graph.name], output)? {
        Ok(place) => place,
        Err(exit) => return Ok(exit),
    };
    let plain = if wants_memory(args, &loaded, false) { plain_network(args, &loaded) } else { None };
    let draws = place.is_some();
    let limited = asked.as_ref().map(|asked| asked.wanted(loaded.graph.len()));
    let wanted = Wanted {
        memory: wants_memory(args, &loaded, draws) || limited.is_some_and(|limited| limited.memory),
        gradient: wants_gradient(args, &loaded.graph, draws)
            || limited.is_some_and(|limited| limited.gradient),
    };
    let profile = match Profile::new(loaded, wanted) {
        Ok(profile) => profile,
        Err(TooLarge(loaded)) => return too_large(&loaded.graph, output),
    };
    // The process ends after this: freeing a million nodes one by one would be a tenth of its time.
    let profile = ManuallyDrop::new(profile);
    let on_device = match on_device::find(args, &profile.loaded.graph, &profile.analysis, output)? {
        Ok(found) => found,
        Err(exit) => return Ok(exit),
    };
    let plain_report = profile.report(&sources);
    let mut report = on_device.as_ref().map_or(plain_report, |on| on.reported(plain_report));
    let verdict = match &mut asked {
        None => None,
        Some(asked) => {
            match asked.judge((&args.file, &args.load), args.baseline.as_deref(), &report, output)? {
                Ok(verdict) => Some(verdict),
                Err(exit) => return Ok(exit),
            }
        }
    };
    report.budget = verdict.as_ref();
    let (graph, facts) = (&profile.loaded.graph, &profile.facts);
    let memory = &profile.memory;
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
    let selection = Selection { args, report: &report, plain: plain.as_ref(), extra: extra.as_ref() };
    match args.format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut *output.out(), &report).map_err(io::Error::from)?;
            writeln!(output.out())?;
        }
        Format::Csv if args.sections.is_empty() => {
            let Ok(sheet) = selection.costs(selection.by().unwrap_or(By::Layer), None) else {
                return too_large(graph, output);
            };
            csv::write(&sheet, output.out())?;
        }
        Format::Table | Format::Markdown | Format::Csv => {
            let mut sheets = selection.sheets();
            if let (Some(verdict), true) = (&verdict, args.format != Format::Csv) {
                sheets.push(report::budget::sheet(&graph.name, verdict));
            }
            if args.format != Format::Csv {
                sheets::print(&report, &sheets, args.format, output)?;
            } else if let [sheet] = sheets.as_slice() {
                csv::write(sheet, output.out())?;
            } else {
                let message = format!("CSV holds one table, and these sections have {}", sheets.len());
                return usage(output, &message, Some("name one section, or --by"));
            }
        }
    }
    if let Some(place) = &place
        && let Some(exit) = write_report(place, report, output)?
    {
        return Ok(exit);
    }
    let mut sink = Sink::default();
    for fact in facts.iter().filter(|fact| report.judge(fact) == Verdict::Fails) {
        sink.push(facts::broken(fact, report.value(&fact.metric, fact.convention.as_deref())));
    }
    output.out().flush()?;
    if let Some(asked) = &asked {
        asked.tell(output)?;
    }
    output.diagnostics(&sink, &sources)?;
    let fits = match (args.memory, memory) {
        (Some(bytes), Some(found)) => report::memory::fit(graph, found, bytes, args.top).0,
        _ => true,
    };
    let keeps = verdict.is_none_or(|verdict| verdict.passes());
    Ok(if sink.has_errors() || !fits || !keeps { Exit::Failed } else { Exit::Fine })
}

/// Writes the folder of one network's report: the page, `report.json` and the charts. An exit where that fails.
pub(super) fn write_report(
    place: &Place,
    report: Report<'_>,
    output: &mut Output,
) -> io::Result<Option<Exit>> {
    output.out().flush()?;
    let charts = chart::network(&report);
    for reason in chart::left_out(&report) {
        writeln!(output.err(), "note: {reason}")?;
    }
    let page = page::Network { report, charts: &charts, command: &command_line() };
    let mut files = vec![("index.html", page.render().into_bytes())];
    if report.graph.len() <= MANY_NODES {
        files.push(("report.json", serde_json::to_vec_pretty(&report).map_err(io::Error::from)?));
    } else {
        writeln!(output.err(), "note: report.json is left out of the report; `--format json` prints it")?;
    }
    place.write(&files, &charts, output)
}

/// The convention of that name, or what to say where there is none.
fn find_convention(name: &str) -> Result<&'static Convention, (String, String)> {
    Convention::find(name).ok_or_else(|| {
        let names: Vec<&str> = CONVENTIONS.iter().map(|convention| convention.name).collect();
        let help = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("conventions: {}", names.join(", ")),
        };
        (format!("there is no convention `{name}`"), help)
    })
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
        Section::Summary | Section::Roofline | Section::Prediction => true,
        Section::Stages | Section::Layers | Section::Traffic | Section::Conventions | Section::Published => {
            args.by.is_none()
        }
        Section::Memory | Section::Gradient => args.by.is_none(),
        Section::Training | Section::Growth | Section::Curve => false,
    };
    (if args.sections.is_empty() { default } else { args.sections.contains(&section) })
        && !args.skip.contains(&section)
}

/// `draws`: charts are drawn of it.
fn wants_memory(args: &AnalyzeArgs, loaded: &Loaded, draws: bool) -> bool {
    let sections = [Section::Memory, Section::Training, Section::Growth, Section::Curve];
    let asked = args.memory.is_some() || sections.iter().any(|section| args.sections.contains(section));
    let shown = args.format == Format::Json || shows(args, Section::Memory);
    let judged = loaded.facts.iter().any(|fact| fact.applies && is_of_memory(&fact.metric));
    let shown = draws || (shown && args.format != Format::Csv);
    asked || judged || (shown && loaded.graph.len() <= MANY_NODES)
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

fn wants_gradient(args: &AnalyzeArgs, graph: &Graph, draws: bool) -> bool {
    let skipped = args.skip.contains(&Section::Gradient);
    let shown = args.format == Format::Json || shows(args, Section::Gradient);
    let asked = args.sections.contains(&Section::Gradient);
    let shown = draws || (shown && args.format != Format::Csv);
    !skipped && (asked || (shown && graph.len() <= MANY_NODES))
}
