//! The budget that a command which reports is asked to hold its network to: `analyze --budget`, `measure --budget`.

use std::io;
use std::path::{Path, PathBuf};

use super::one::{self, Notes};
use super::{find, show};
use crate::budget::{Budget, Verdict};
use crate::cli::LoadArgs;
use crate::commands::{Exit, Output, options, usage};
use crate::profile::Wanted;
use crate::report::Report;

/// A budget that was read.
pub(in crate::commands) struct Asked {
    path: PathBuf,
    budget: Budget,
    notes: Notes,
}

impl Asked {
    /// Reads the budget, where there is to be one: `--budget` alone is the one beside the architecture. Without it the
    /// exit says why.
    pub(in crate::commands) fn read(
        named: Option<&Option<PathBuf>>,
        architecture: &Path,
        output: &mut Output,
    ) -> io::Result<Result<Option<Self>, Exit>> {
        let Some(named) = named else { return Ok(Ok(None)) };
        let path = match named {
            Some(path) => path.clone(),
            None if architecture.as_os_str() == "-" => {
                return usage(output, "standard input has no budget beside it", Some("--budget FILE"))
                    .map(Err);
            }
            None => find::budget_of(architecture),
        };
        let mut notes = Notes::default();
        match one::read(&path, &mut notes) {
            Some(budget) => Ok(Ok(Some(Self { path, budget, notes }))),
            None => {
                show(&notes, output)?;
                Ok(Err(notes.fault.map_or(Exit::Usage, |fault| fault.exit)))
            }
        }
    }

    /// How the network is read: as the budget says, and where the command line says otherwise, as that does.
    pub(in crate::commands) fn load(&self, args: &LoadArgs) -> LoadArgs {
        let own = one::options(&self.budget);
        let mut all = args.clone();
        let set = own.set.into_iter().filter(|(name, _)| args.set.iter().all(|(other, _)| other != name));
        all.set.splice(0..0, set);
        if args.inputs.is_empty() {
            all.inputs = own.inputs;
        }
        all.batch = args.batch.or(own.batch);
        all.dtype = args.dtype.or(own.dtype);
        all
    }

    /// What its limits are about.
    pub(in crate::commands) fn wanted(&self, nodes: usize) -> Wanted {
        one::wanted(&self.budget, nodes)
    }

    /// Judges the network; limits on what was measured where the report has a measurement. `load` is how the architecture
    /// was read, `baseline` what the command line names. Without a verdict the exit says why.
    pub(in crate::commands) fn judge(
        &mut self,
        (architecture, load): (&Path, &LoadArgs),
        baseline: Option<&str>,
        report: &Report<'_>,
        output: &mut Output,
    ) -> io::Result<Result<Verdict, Exit>> {
        let Self { path, budget, notes } = self;
        let tree = one::tree(report, budget).map_err(|fault| notes.fault = Some(fault)).ok();
        let verdict = tree.and_then(|tree| {
            let against = one::against(baseline, path, architecture, budget, &options(load), notes)?;
            one::judge(path, budget, report, &tree, &against, &mut notes.sink, &mut notes.told)
        });
        match verdict {
            Some(verdict) => Ok(Ok(verdict)),
            None => {
                show(notes, output)?;
                Ok(Err(notes.fault.as_ref().map_or(Exit::Usage, |fault| fault.exit)))
            }
        }
    }

    /// Tells what is violated.
    pub(in crate::commands) fn tell(&self, output: &mut Output) -> io::Result<()> {
        show(&self.notes, output)
    }
}
