//! `check`: networks held to their budgets.

pub(super) mod asked;
pub(super) mod find;
mod measured;
pub(super) mod one;
mod outputs;

use std::io;
use std::path::{Path, PathBuf};

use super::analyze::on_device;
use super::{Exit, Output};
use crate::cli::CheckArgs;
use crate::report::budget::{Outcome, worst};
use one::{Fault, Notes};
use outputs::Outputs;

/// Where device files with times come from.
const CALIBRATE: &str = "`csp-profile calibrate --out FILE` makes a device file that predicts times";

pub(super) fn run(args: &CheckArgs, output: &mut Output) -> io::Result<Exit> {
    let opened = jobs(&args.files, args.budget.as_deref()).and_then(|jobs| match jobs.as_slice() {
        [_] | [] => Ok(jobs),
        _ if args.measured.is_none() => Ok(jobs),
        _ => Err(Fault::usage("--measured is for one architecture file or budget", None)),
    });
    let opened = opened.and_then(|jobs| Ok((jobs, Outputs::open(args)?)));
    let (jobs, outputs) = match opened {
        Ok(opened) => opened,
        Err(fault) => return tell(&fault, output),
    };
    let device = match &args.device {
        None => None,
        Some(name) => match on_device::named(name, output)? {
            Ok(device) if device.latency.is_some() => Some(device),
            Ok(_) => {
                return tell(
                    &Fault::usage(format!("`{name}` was not calibrated"), Some(CALIBRATE.into())),
                    output,
                );
            }
            Err(exit) => return Ok(exit),
        },
    };
    let (mut all, mut world) = (Vec::with_capacity(jobs.len()), false);
    for (budget, architecture) in jobs {
        let named = one::Named {
            architecture: architecture.as_deref(),
            baseline: args.baseline.as_deref(),
            measured: args.measured.as_deref(),
            device: device.as_ref(),
        };
        let (checked, notes) = one::check(&budget, named);
        show(&notes, output)?;
        world |= notes.fault.as_ref().is_some_and(|fault| fault.exit == Exit::World);
        all.push(checked);
    }
    let failed = outputs.write(args, &all, output)?;
    Ok(match (failed, worst(&all)) {
        (Some(exit), _) => exit,
        (None, Outcome::Wrong) => {
            if world {
                Exit::World
            } else {
                Exit::Usage
            }
        }
        (None, Outcome::Failed) => Exit::Failed,
        (None, Outcome::Passed) => Exit::Fine,
    })
}

/// Everything that one budget's notes say.
pub(super) fn show(notes: &Notes, output: &mut Output) -> io::Result<()> {
    output.diagnostics(&notes.sink, &notes.sources)?;
    if let Some(fault) = &notes.fault {
        tell(fault, output)?;
        writeln!(output.err())?;
    }
    output.diagnostics(&notes.told, &notes.sources)
}

/// A fault, and what it makes of the process.
pub(super) fn tell(fault: &Fault, output: &mut Output) -> io::Result<Exit> {
    output.error(&fault.message, fault.help.as_deref())?;
    Ok(fault.exit)
}

/// The budgets that are meant, each with its architecture where that was named.
pub(super) fn jobs(
    files: &[PathBuf],
    budget: Option<&Path>,
) -> Result<Vec<(PathBuf, Option<PathBuf>)>, Fault> {
    match (files, budget) {
        ([file], Some(budget)) => return Ok(vec![(budget.to_owned(), Some(file.clone()))]),
        (_, Some(_)) => return Err(Fault::usage("--budget is for one architecture file", None)),
        _ => {}
    }
    if !files.is_empty() {
        let job = |file: &PathBuf| match find::is_budget(file) {
            true => (file.clone(), None),
            false => (find::budget_of(file), Some(file.clone())),
        };
        return Ok(files.iter().map(job).collect());
    }
    let found = find::budgets(Path::new("."))
        .map_err(|error| Fault::world(format!("cannot look for budgets: {error}")))?;
    if found.is_empty() {
        return Err(Fault::usage(
            "there is no NAME.budget.json below this folder",
            Some("`csp-profile budget init FILE` writes one from today's figures".into()),
        ));
    }
    Ok(found.into_iter().map(|budget| (budget, None)).collect())
}
