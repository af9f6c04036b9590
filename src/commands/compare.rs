//! `compare`: networks side by side.

pub(super) mod operand;

use std::io;
use std::path::Path;

use super::report::{Place, command_line};
use super::{Exit, Output, load, usage};
use crate::claims::{self, Pair};
use crate::cli::{CompareArgs, Format, LoadArgs, Part};
use crate::comparison::Comparison;
use crate::profile::{Profile, Wanted};
use crate::report::comparison::{self as sheets, MAX_NETWORKS, letter};
use crate::report::sheet::Sheet;
use crate::report::{Report, chart, csv, markdown, page, table};
use crate::source::SourceMap;
use operand::Operand;

pub(super) fn run(args: &CompareArgs, output: &mut Output) -> io::Result<Exit> {
    let operands: Vec<Operand> =
        args.operands.iter().map(|text| Operand::parse(text, Path::exists)).collect();
    if let Some(exit) = refuse(&operands, output)? {
        return Ok(exit);
    }
    let mut sources = SourceMap::default();
    let mut networks = Vec::with_capacity(operands.len());
    for operand in &operands {
        let mut own = LoadArgs { set: args.load.set.clone(), ..args.load.clone() };
        own.set.extend(operand.set.iter().cloned());
        match load(&operand.file, &own, &mut sources, output)? {
            Ok(one) => networks.push(one),
            Err(exit) => return Ok(exit),
        }
    }
    let called: Vec<&str> = networks.iter().map(|one| one.graph.name.as_str()).collect();
    // Before the work: where no file can be written is told at once.
    let place = match Place::open(&args.report, args.format == Format::Table, &called, output)? {
        Ok(place) => place,
        Err(exit) => return Ok(exit),
    };
    let mut profiles = Vec::with_capacity(networks.len());
    for one in networks {
        match Profile::new(one, Wanted::ALL) {
            Ok(profile) => profiles.push(profile),
            Err(_) => return usage(output, "a network's costs do not fit in 64 bits", None),
        }
    }
    let reports: Vec<Report<'_>> = profiles.iter().map(|profile| profile.report(&sources)).collect();
    let comparison = Comparison::new(&reports);
    let files: Vec<String> = operands.iter().map(|operand| operand.file.display().to_string()).collect();
    let json = sheets::Json { reports: &reports, files: &files, comparison: &comparison };
    match args.format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut *output.out(), &json).map_err(io::Error::from)?;
            writeln!(output.out())?;
        }
        Format::Csv => {
            let names = names(&operands, &reports, args);
            let sheet = match args.by {
                None | Some(Part::Total) => sheets::figures_csv(&comparison, &names),
                Some(Part::Stage) => sheets::stages_csv(&comparison, &names),
                Some(Part::Layer) => sheets::layers_csv(&comparison, &names),
            };
            csv::write(&sheet, output.out())?;
        }
        Format::Table | Format::Markdown => {
            let legend: Vec<String> = operands
                .iter()
                .zip(&reports)
                .enumerate()
                .map(|(index, (operand, report))| legend(index, operand, report, args))
                .collect();
            print(&legend, &parts(&comparison, args), args.format, output)?;
        }
    }
    if let Some(place) = &place {
        output.out().flush()?;
        let names = names(&operands, &reports, args);
        let charts = chart::comparison(&reports, &names);
        for reason in reports.iter().flat_map(chart::left_out) {
            writeln!(output.err(), "note: {reason}")?;
        }
        if reports.len() > chart::MAX_SHOWN {
            writeln!(output.err(), "note: charts show the first {} networks", chart::MAX_SHOWN)?;
        }
        let json = serde_json::to_vec_pretty(&json).map_err(io::Error::from)?;
        let pair = pair(&profiles);
        let claims = pair.as_ref().map(claims::judge);
        let page = page::Comparison {
            reports: &reports,
            names: &names,
            comparison: &comparison,
            claims: pair.as_ref().zip(claims.as_deref()),
            charts: &charts,
            command: &command_line(),
        };
        let files = [("index.html", page.render().into_bytes()), ("report.json", json)];
        if let Some(exit) = place.write(&files, &charts, output)? {
            return Ok(exit);
        }
    }
    Ok(if args.fail_on_difference && !comparison.is_same() { Exit::Failed } else { Exit::Fine })
}

/// Two networks as the papers' claims take them, where both have stages in common.
fn pair(profiles: &[Profile]) -> Option<Pair<'_>> {
    let [base, csp] = profiles else { return None };
    let pair = Pair::new(base.judged()?, csp.judged()?);
    (!pair.stages.is_empty()).then_some(pair)
}

/// What no comparison can be made of.
fn refuse(operands: &[Operand], output: &mut Output) -> io::Result<Option<Exit>> {
    let message = if operands.len() < 2 {
        "one network cannot be compared: name two or more".to_owned()
    } else if operands.len() > MAX_NETWORKS {
        format!("at most {MAX_NETWORKS} networks are compared, not {}", operands.len())
    } else if operands.iter().filter(|operand| operand.file.as_os_str() == "-").count() > 1 {
        "standard input can be read once".to_owned()
    } else {
        return Ok(None);
    };
    usage(output, &message, None).map(Some)
}

/// The parameters that the command line gives an operand.
fn given(operand: &Operand, args: &CompareArgs) -> String {
    let own = |name: &str| operand.set.iter().any(|(own, _)| own == name);
    let common = args.load.set.iter().filter(|(name, _)| !own(name));
    let pairs = operand.set.iter().chain(common).map(|(name, value)| format!("{name} = {value}"));
    pairs.collect::<Vec<_>>().join(", ")
}

/// Columns' names: the networks', with their parameters and letters where they need them.
fn names(operands: &[Operand], reports: &[Report<'_>], args: &CompareArgs) -> Vec<String> {
    let plain: Vec<&str> = reports.iter().map(|report| report.graph.name.as_str()).collect();
    let is_unique = |names: &[String], name: &str| names.iter().filter(|other| *other == name).count() == 1;
    let owned: Vec<String> = plain.iter().map(|&name| name.to_owned()).collect();
    let full: Vec<String> = plain
        .iter()
        .zip(operands)
        .map(|(name, operand)| match given(operand, args) {
            given if given.is_empty() || is_unique(&owned, name) => (*name).to_owned(),
            given => format!("{name} ({given})"),
        })
        .collect();
    let numbered = full.iter().enumerate().map(|(index, name)| {
        if is_unique(&full, name) { name.clone() } else { format!("{}: {name}", letter(index)) }
    });
    numbered.collect()
}

/// `A  csp_densenet121 (architectures/csp_densenet121.json): gamma = 0.25`.
fn legend(index: usize, operand: &Operand, report: &Report<'_>, args: &CompareArgs) -> String {
    let given = given(operand, args);
    let colon = if given.is_empty() { "" } else { ": " };
    format!("{} = {} ({}){colon}{given}", letter(index), report.graph.name, operand.file.display())
}

fn parts(comparison: &Comparison, args: &CompareArgs) -> Vec<Sheet> {
    let layers = |limit: Option<usize>| {
        let sheet = move |(index, changes)| sheets::layers(changes, index + 1, limit);
        comparison.layers.iter().enumerate().map(sheet)
    };
    match args.by {
        Some(Part::Total) => vec![sheets::totals(comparison), sheets::conventions(comparison)],
        Some(Part::Stage) => sheets::stages_in_full(comparison).into_iter().map(|(_, sheet)| sheet).collect(),
        Some(Part::Layer) => layers(None).collect(),
        None => {
            let mut parts = vec![sheets::totals(comparison)];
            if !comparison.stages.is_empty() {
                parts.extend(sheets::stages(comparison));
            }
            parts.extend(layers(Some(args.top)));
            parts.push(sheets::conventions(comparison));
            parts
        }
    }
}

fn print(legend: &[String], parts: &[Sheet], format: Format, output: &mut Output) -> io::Result<()> {
    if format == Format::Markdown {
        let sheet =
            Sheet::<&str> { title: "Networks".into(), columns: vec![], rows: vec![], notes: legend.to_vec() };
        write!(output.out(), "{}", markdown::render(&sheet))?;
        for sheet in parts {
            write!(output.out(), "{}", markdown::render(sheet))?;
        }
        return Ok(());
    }
    for line in legend {
        writeln!(output.out(), "{}", table::wrap(line, table::WIDTH))?;
    }
    for sheet in parts {
        writeln!(output.out())?;
        output.heading(&sheet.title)?;
        for (index, part) in table::fold(sheet, 1, table::WIDTH).iter().enumerate() {
            if index > 0 {
                writeln!(output.out())?;
            }
            write!(output.out(), "{}", table::render(part, table::WIDTH))?;
        }
    }
    Ok(())
}
