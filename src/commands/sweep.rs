//! `sweep`: every combination of some parameters' values.

use std::io;

use super::progress::progress;
use super::report::Place;
use super::{Exit, Output, usage};
use crate::analysis::conventions::Convention;
use crate::analysis::gradient::Gradient;
use crate::analysis::{analyze, memory};
use crate::cli::{Format, SweepArgs};
use crate::diagnostic::{Sink, nearest};
use crate::frontend::{self, LoadOptions, load_bytes};
use crate::graph::Graph;
use crate::report::figures::SUMS;
use crate::report::sheet::{Cell, Sheet};
use crate::report::sweep::{FIGURES, SweepReport};
use crate::report::{Report, chart, csv, markdown, table};
use crate::source::SourceMap;
use crate::sweep::axis::Axis;
use crate::sweep::{Sweep, is_of_every_point};

/// The most combinations that one sweep counts.
const MAX_POINTS: usize = 100_000;

/// The most combinations without a network that are listed for people.
const MAX_LISTED: usize = 50;

pub(super) fn run(args: &SweepArgs, output: &mut Output) -> io::Result<Exit> {
    let axes = match axes(args) {
        Ok(axes) => axes,
        Err((message, help)) => return usage(output, &message, help.as_deref()),
    };
    if let Some(unknown) = args.metrics.iter().find(|metric| !is_metric(metric)) {
        let paths = SUMS.iter().map(|sum| sum.path);
        let help = match nearest(unknown, paths.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("{}, conventions.NAME", paths.collect::<Vec<_>>().join(", ")),
        };
        return usage(output, &format!("the totals have no figure `{unknown}`"), Some(&help));
    }
    let mut metrics: Vec<String> = FIGURES.iter().map(|(path, _)| (*path).to_owned()).collect();
    for metric in &args.metrics {
        if !metrics.contains(metric) {
            metrics.push(metric.clone());
        }
    }
    let Some((path, name, bytes)) = read(args, output)? else { return Ok(Exit::Usage) };
    let (path, name, bytes) = match bytes {
        Ok(bytes) => (path, name, bytes),
        Err(error) => {
            let exit = usage(output, &error.to_string(), None)?;
            return Ok(if error.is_usage() { exit } else { Exit::World });
        }
    };
    let options = LoadOptions { set: Vec::new(), ..super::options(&args.load) };
    let sweep = Sweep {
        path: &path,
        name: &name,
        bytes: &bytes,
        options: &options,
        axes: &axes,
        metrics: &metrics,
        align: args.align,
    };
    // A file that can be no network is told of once, in full.
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let first = load_bytes(&path, &name, bytes.clone(), &sweep.options(0), &mut sources, &mut sink);
    if first.is_none() && sink.diagnostics().iter().any(|diagnostic| is_of_every_point(diagnostic.code)) {
        output.diagnostics(&sink, &sources)?;
        return Ok(Exit::Usage);
    }
    let network = first.as_ref().map_or(name.as_str(), |loaded| loaded.graph.name.as_str()).to_owned();
    // Before the work: where no file can be written is told at once.
    let place = match Place::open(&args.report, false, &[&network], output)? {
        Ok(place) => place,
        Err(exit) => return Ok(exit),
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let bar = progress(sweep.len() as u64);
    let points = sweep.run(threads, &|| bar.inc(1));
    bar.finish_and_clear();
    let report = SweepReport {
        name: &network,
        file: &path,
        axes: &axes,
        metrics: &metrics,
        align: args.align,
        points: &points,
    };
    print(&report, args.format, output)?;
    if let Some(place) = &place {
        output.out().flush()?;
        let json = serde_json::to_vec_pretty(&report).map_err(io::Error::from)?;
        if let Some(exit) = place.write(&[("report.json", json)], &chart::sweep(&report), output)? {
            return Ok(exit);
        }
    }
    if points.iter().all(|point| point.outcome.is_err()) {
        // The first says why in full.
        output.diagnostics(&sink, &sources)?;
        return usage(output, "no combination is a network", None);
    }
    Ok(Exit::Fine)
}

/// The parameters and their values, within the limit on combinations.
fn axes(args: &SweepArgs) -> Result<Vec<Axis>, (String, Option<String>)> {
    let mut axes: Vec<Axis> = Vec::new();
    for (name, text) in &args.load.set {
        if axes.iter().any(|axis| axis.name == *name) {
            let help = format!("write all its values in one: --set {name}=A,B,C");
            return Err((format!("`{name}` is set twice"), Some(help)));
        }
        axes.push(Axis::parse(name, text, MAX_POINTS).map_err(|fault| (fault, None))?);
    }
    let counts: Vec<String> = axes.iter().map(|axis| axis.values.len().to_string()).collect();
    let points = axes.iter().try_fold(1usize, |product, axis| product.checked_mul(axis.values.len()));
    if points.is_none_or(|points| points > MAX_POINTS) {
        let message =
            format!("{} combinations are more than the {MAX_POINTS} that a sweep counts", counts.join(" × "));
        return Err((message, Some("take fewer values or a larger step".into())));
    }
    Ok(axes)
}

/// Whether the totals have a figure of that path: those of a network without layers have them all.
fn is_metric(path: &str) -> bool {
    if let Some(name) = path.strip_prefix("conventions.") {
        return Convention::find(name).is_some();
    }
    let graph = Graph::new("", 1);
    let (memory, gradient) = (memory::analyze(&graph).ok(), Gradient::new(&graph).ok());
    analyze(&graph).is_ok_and(|analysis| {
        let sources = SourceMap::default();
        let report = Report {
            graph: &graph,
            analysis: &analysis,
            parameters: &[],
            facts: &[],
            sources: &sources,
            format: "json",
            memory: memory.as_ref(),
            gradient: gradient.as_ref(),
            budget: None,
            measurement: None,
            roofline: None,
            prediction: None,
        };
        report.value(path, None).is_some()
    })
}

type Text = (String, String, Result<Vec<u8>, frontend::Error>);

/// The file's path, the network's name by default, and the text; nothing where a diagnostic says why.
fn read(args: &SweepArgs, output: &mut Output) -> io::Result<Option<Text>> {
    if args.file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        let read =
            io::Read::read_to_end(&mut io::Read::take(io::stdin(), frontend::MAX_FILE_BYTES + 1), &mut bytes);
        let bytes =
            read.map(|_| bytes).map_err(|error| frontend::Error::Io { path: "<stdin>".into(), error });
        return Ok(Some(("<stdin>".into(), "network".into(), bytes)));
    }
    let path = args.file.display().to_string();
    let name = args.file.file_stem().map_or("network".into(), |stem| stem.to_string_lossy().into_owned());
    let mut sink = Sink::default();
    let bytes = frontend::read(&args.file, &mut sink).transpose();
    output.diagnostics(&sink, &SourceMap::default())?;
    Ok(bytes.map(|bytes| (path, name, bytes)))
}

fn print(report: &SweepReport<'_>, format: Format, output: &mut Output) -> io::Result<()> {
    match format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut *output.out(), report).map_err(io::Error::from)?;
            writeln!(output.out())
        }
        Format::Csv => csv::write(&report.csv(), output.out()),
        Format::Markdown => {
            writeln!(output.out(), "## {}\n", report.name)?;
            write!(output.out(), "{}", markdown::render(&report.valid()))?;
            let row =
                |(values, fault): (String, &str)| vec![Cell::Text(values), Cell::Text(fault.to_owned())];
            let invalid = Sheet {
                title: "Combinations that are no network".into(),
                columns: vec!["combination", "why"],
                rows: report.invalid().map(row).collect(),
                notes: Vec::new(),
            };
            if !invalid.rows.is_empty() {
                write!(output.out(), "{}", markdown::render(&invalid))?;
            }
            Ok(())
        }
        Format::Table => table(report, output),
    }
}

fn table(report: &SweepReport<'_>, output: &mut Output) -> io::Result<()> {
    output.heading(report.name)?;
    let fixed: Vec<&Axis> = report.axes.iter().filter(|axis| axis.values.len() == 1).collect();
    if !fixed.is_empty() {
        let pairs: Vec<String> =
            fixed.iter().map(|axis| format!("{} = {}", axis.name, axis.values[0])).collect();
        writeln!(output.out(), "{}", table::wrap(&pairs.join(", "), table::WIDTH))?;
    }
    let sheet = report.valid();
    writeln!(output.out())?;
    output.heading(&sheet.title)?;
    for (index, part) in table::fold(&sheet, report.varying().count(), table::WIDTH).iter().enumerate() {
        if index > 0 {
            writeln!(output.out())?;
        }
        write!(output.out(), "{}", table::render(part, table::WIDTH))?;
    }
    let invalid: Vec<(String, &str)> = report.invalid().collect();
    if invalid.is_empty() {
        return Ok(());
    }
    writeln!(output.out())?;
    output.heading(&format!("{} combinations are no network", invalid.len()))?;
    for (values, fault) in invalid.iter().take(MAX_LISTED) {
        writeln!(output.out(), "{}", table::wrap(&format!("{values}: {fault}"), table::WIDTH))?;
    }
    if invalid.len() > MAX_LISTED {
        writeln!(output.out(), "and {} more; `--format csv` lists all", invalid.len() - MAX_LISTED)?;
    }
    Ok(())
}
