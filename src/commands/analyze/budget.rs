//! The budget that `analyze` is asked to hold a network to.

use std::io;
use std::path::PathBuf;

use crate::budget::{Budget, Verdict};
use crate::cli::{AnalyzeArgs, LoadArgs};
use crate::commands::check::one::{self, Notes};
use crate::commands::check::{find, show};
use crate::commands::{Exit, Output, options, usage};
use crate::profile::Wanted;
use crate::report::Report;

/// A budget that was read.
pub(super) struct Asked {
    path: PathBuf,
    budget: Budget,
    notes: Notes,
}

impl Asked {
    /// Reads the budget, where there is to be one. Without it the exit says why.
    pub(super) fn read(args: &AnalyzeArgs, output: &mut Output) -> io::Result<Result<Option<Self>, Exit>> {
        let Some(named) = &args.budget else { return Ok(Ok(None)) };
        let path = match named {
            Some(path) => path.clone(),
            None if args.file.as_os_str() == "-" => {
                return usage(output, "standard input has no budget beside it", Some("--budget FILE"))
                    .map(Err);
            }
            None => find::budget_of(&args.file),
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
    pub(super) fn load(&self, args: &LoadArgs) -> LoadArgs {
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
    pub(super) fn wanted(&self, nodes: usize) -> Wanted {
        one::wanted(&self.budget, nodes)
    }

    /// Judges the network. Without a verdict the exit says why.
    pub(super) fn judge(
        &mut self,
        args: &AnalyzeArgs,
        report: &Report<'_>,
        output: &mut Output,
    ) -> io::Result<Result<Verdict, Exit>> {
        let Self { path, budget, notes } = self;
        let load = options(&args.load);
        let named = args.baseline.as_deref();
        let tree = one::tree(report, budget).map_err(|fault| notes.fault = Some(fault)).ok();
        let verdict = tree.and_then(|tree| {
            let against = one::against(named, path, &args.file, budget, &load, notes)?;
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
    pub(super) fn tell(&self, output: &mut Output) -> io::Result<()> {
        show(&self.notes, output)
    }
}
