//! `claims`: what the papers claim about CSP, judged on a network and its CSP variant.

use std::io;
use std::path::Path;

use super::compare::operand::Operand;
use super::{Exit, Output, load, usage};
use crate::analysis::gradient::Gradient;
use crate::analysis::{Analysis, analyze, memory};
use crate::claims::{Network, Pair, judge};
use crate::cli::{ClaimsArgs, ClaimsFormat, LoadArgs};
use crate::graph::Graph;
use crate::report::claims::{self as sheets, Json};
use crate::report::{markdown, table};
use crate::source::SourceMap;

pub(super) fn run(args: &ClaimsArgs, output: &mut Output) -> io::Result<Exit> {
    let operands = [&args.base, &args.csp].map(|text| Operand::parse(text, Path::exists));
    if operands.iter().all(|operand| operand.file.as_os_str() == "-") {
        return usage(output, "standard input can be read once", None);
    }
    let mut sources = SourceMap::default();
    let mut networks = Vec::with_capacity(2);
    for operand in &operands {
        let mut own = LoadArgs { set: args.load.set.clone(), ..args.load.clone() };
        own.set.extend(operand.set.iter().cloned());
        let mut graph = match load(&operand.file, &own, &mut sources, output)? {
            Ok(loaded) => loaded.graph,
            Err(exit) => return Ok(exit),
        };
        graph.find_stages();
        match Results::of(graph) {
            Ok(results) => networks.push(results),
            Err(reason) => return usage(output, &reason, None),
        }
    }
    let [base, csp] = networks.as_slice() else { return Ok(Exit::Usage) };
    let pair = Pair::new(base.network(), csp.network());
    let claims = judge(&pair);
    match args.format {
        ClaimsFormat::Json => {
            let files = operands.each_ref().map(|operand| operand.file.display().to_string());
            let json = Json { pair: &pair, claims: &claims, files: &files };
            serde_json::to_writer_pretty(&mut *output.out(), &json).map_err(io::Error::from)?;
            writeln!(output.out())?;
        }
        ClaimsFormat::Markdown => {
            for sheet in sheets::sheets(&pair, &claims) {
                write!(output.out(), "{}", markdown::render(&sheet))?;
            }
        }
        ClaimsFormat::Table => {
            for (index, sheet) in sheets::sheets(&pair, &claims).iter().enumerate() {
                if index > 0 {
                    writeln!(output.out())?;
                }
                output.heading(&table::wrap(&sheet.title, table::WIDTH))?;
                for (index, part) in table::fold(sheet, 1, table::WIDTH).iter().enumerate() {
                    if index > 0 {
                        writeln!(output.out())?;
                    }
                    write!(output.out(), "{}", table::render(part, table::WIDTH))?;
                }
            }
        }
    }
    Ok(Exit::Fine)
}

/// A network with its analyses.
struct Results {
    graph: Graph,
    analysis: Analysis,
    gradient: Gradient,
    memory: memory::Analysis,
}

impl Results {
    fn of(graph: Graph) -> Result<Self, String> {
        let analysis = analyze(&graph).map_err(|_| "a network's costs do not fit in 64 bits")?;
        let memory = memory::analyze(&graph).map_err(|_| "a network's memory does not fit in 64 bits")?;
        let gradient = Gradient::new(&graph)
            .map_err(|refusal| format!("gradient paths cannot be followed: {refusal}"))?;
        Ok(Self { graph, analysis, gradient, memory })
    }

    fn network(&self) -> Network<'_> {
        let Self { graph, analysis, gradient, memory } = self;
        Network { graph, analysis, gradient, memory }
    }
}
