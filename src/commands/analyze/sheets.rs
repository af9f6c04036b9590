//! The tables of `analyze`: which are shown, and how they are printed.

use std::io;

use super::super::Output;
use super::shows;
use crate::analysis::memory;
use crate::cli::{AnalyzeArgs, Format, Grouping, Section};
use crate::graph::Graph;
use crate::report::diagnostics::clean;
use crate::report::sections::costs::{self, By, Extra};
use crate::report::sheet::Sheet;
use crate::report::{self, Report, markdown, outlet_name, sections, table};
use crate::units::Overflow;

/// What tables are made from.
pub(super) struct Selection<'a> {
    pub(super) args: &'a AnalyzeArgs,
    pub(super) report: &'a Report<'a>,
    /// The network without its partial blocks.
    pub(super) plain: Option<&'a (Graph, memory::Analysis)>,
    /// A convention's column.
    pub(super) extra: Option<&'a Extra>,
}

impl Selection<'_> {
    /// What `--by` names.
    pub(super) fn by(&self) -> Option<By> {
        Some(match self.args.by? {
            Grouping::Layer => By::Layer,
            Grouping::Stage => By::Stage,
            Grouping::Block => By::Block,
            Grouping::Op => By::Op,
        })
    }

    /// Costs grouped in one way.
    ///
    /// # Errors
    /// When a convention's sum does not fit in 64 bits.
    pub(super) fn costs(&self, by: By, limit: Option<usize>) -> Result<Sheet, Overflow> {
        costs::sheet(self.report, by, self.extra, limit, self.args.format == Format::Csv)
    }

    /// The tables that are shown.
    pub(super) fn sheets(&self) -> Vec<Sheet> {
        let (args, report) = (self.args, self.report);
        let (graph, analysis) = (report.graph, report.analysis);
        let mut sheets = Vec::new();
        let shows = |section: Section| shows(args, section);
        if shows(Section::Summary) {
            sheets.push(sections::summary::sheet(report));
        }
        if let Some(by) = self.by() {
            sheets.extend(self.costs(by, None).ok());
        }
        if shows(Section::Stages) && !analysis.stages.is_empty() {
            sheets.extend(self.costs(By::Stage, None).ok());
        }
        if shows(Section::Layers) {
            sheets.extend(self.costs(By::Layer, Some(args.top)).ok());
        }
        if shows(Section::Traffic) {
            sheets.push(sections::traffic::sheet(report));
        }
        if let Some(found) = report.memory {
            let start = sheets.len();
            memory_sheets(args, graph, found, self.plain, &mut sheets);
            let rest = sheets.split_off(start);
            sheets.extend(rest.into_iter().map(|sheet| sheet.or_more(report.at_least())));
        }
        if let (Some(found), true) = (report.gradient, shows(Section::Gradient)) {
            sheets.push(report::gradient::summary(found).or_more(report.at_least()));
            if args.sections.contains(&Section::Gradient)
                && args.format != Format::Csv
                && !graph.stages().is_empty()
            {
                sheets.push(report::gradient::stages(graph, found));
            }
        }
        if let (Some((device, roofline)), true) = (report.roofline, shows(Section::Roofline)) {
            sheets.push(sections::roofline::sheet(report, device, roofline, args.top));
        }
        if let (Some((device, prediction)), true) = (report.prediction, shows(Section::Prediction)) {
            sheets.push(sections::prediction::sheet(report, device, prediction, args.top));
        }
        if shows(Section::Conventions) {
            sheets.push(sections::conventions::sheet(report));
        }
        if shows(Section::Published) && !report.facts.is_empty() {
            sheets.push(sections::published::sheet(report, args.sections.contains(&Section::Published)));
        }
        sheets
    }
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

/// The network's name and tensors, then its tables, on a terminal or as Markdown.
pub(in crate::commands) fn print(
    report: &Report<'_>,
    sheets: &[Sheet],
    format: Format,
    output: &mut Output,
) -> io::Result<()> {
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
