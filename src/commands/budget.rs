//! `budget`: budgets written from today's figures, and tightened.

use std::io;
use std::path::Path;

use super::check::one::{self, Fault, Notes};
use super::check::{find, jobs, show, tell};
use super::files::{self, Existing};
use super::{Exit, Output, load, options};
use crate::budget::edit::{self, Head};
use crate::cli::{BudgetCommand, InitArgs, UpdateArgs};
use crate::profile::{Profile, Wanted};
use crate::source::SourceMap;

pub(super) fn run(command: &BudgetCommand, output: &mut Output) -> io::Result<Exit> {
    match command {
        BudgetCommand::Init(args) => init(args, output),
        BudgetCommand::Update(args) => update(args, output),
    }
}

fn init(args: &InitArgs, output: &mut Output) -> io::Result<Exit> {
    let own = find::budget_of(&args.file);
    let path = args.out.clone().unwrap_or_else(|| own.clone());
    let headroom = match checked(args, &path) {
        Ok(headroom) => headroom,
        Err(fault) => return tell(&fault, output),
    };
    let mut sources = SourceMap::default();
    let loaded = match load(&args.file, &args.load, &mut sources, output)? {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let Ok(profile) = Profile::new(loaded, Wanted { memory: true, gradient: false }) else {
        return tell(&Fault::usage("the network's costs together do not fit in 64 bits", None), output);
    };
    let report = profile.report(&sources).tree(false).map_err(io::Error::from)?;
    let load = options(&args.load);
    let schema = Path::new("budget.schema.json");
    let head = Head {
        schema: path.with_file_name(schema).is_file().then(|| schema.display().to_string()),
        architecture: (path.file_name() != own.file_name())
            .then(|| args.file.file_name().map(|name| name.to_string_lossy().into_owned()))
            .flatten(),
        set: load.set,
        // A shape without a name is that of the first input.
        inputs: load
            .inputs
            .into_iter()
            .map(|(name, shape)| {
                let first = || {
                    profile
                        .loaded
                        .graph
                        .inputs()
                        .first()
                        .map(|&id| profile.loaded.graph.node(id).name.to_string())
                };
                (name.or_else(first).unwrap_or_default(), shape)
            })
            .collect(),
        batch: load.batch,
        dtype: load.dtype.map(|dtype| dtype.name().to_owned()),
    };
    let text = edit::init(&head, &report, &headroom);
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    match files::write(&path, text.as_bytes(), existing) {
        Ok(()) => {
            writeln!(output.err(), "wrote {}", path.display())?;
            Ok(Exit::Fine)
        }
        Err(error) if error.exists() => tell(&exists(&path), output),
        Err(error) => tell(&Fault::world(error.to_string()), output),
    }
}

fn exists(path: &Path) -> Fault {
    let help = "--force replaces it; `csp-profile budget update` keeps what a person wrote and tightens it";
    Fault::usage(format!("`{}` exists already", path.display()), Some(help.into()))
}

/// All that can be told before the network is read.
fn checked(args: &InitArgs, path: &Path) -> Result<num::BigRational, Fault> {
    if args.file.as_os_str() == "-" {
        return Err(Fault::usage("a budget lies beside its architecture, so that needs a file", None));
    }
    if find::is_budget(&args.file) {
        return Err(Fault::usage(
            format!("`{}` is a budget; name its architecture", args.file.display()),
            None,
        ));
    }
    if !find::is_budget(path) || path.parent() != args.file.parent() {
        let help = format!("for example {}", find::budget_of(&args.file).display());
        return Err(Fault::usage(
            "a budget lies beside its architecture and is called NAME.budget.json",
            Some(help),
        ));
    }
    if !args.force && path.exists() {
        return Err(exists(path));
    }
    if args.file.is_file() {
        files::Target::open(path).map_err(|error| Fault::world(error.to_string()))?;
    }
    one::headroom(&args.headroom)
}

fn update(args: &UpdateArgs, output: &mut Output) -> io::Result<Exit> {
    let found = jobs(&args.files, None).and_then(|jobs| Ok((jobs, one::headroom(&args.headroom)?)));
    let (jobs, headroom) = match found {
        Ok(found) => found,
        Err(fault) => return tell(&fault, output),
    };
    let mut exits = Vec::with_capacity(jobs.len());
    for (path, architecture) in jobs {
        let mut notes = Notes::default();
        let updated = updated(&path, architecture.as_deref(), &headroom, args.loosen, &mut notes);
        show(&notes, output)?;
        let Some((text, update)) = updated.filter(|_| !notes.sink.has_errors()) else {
            exits.push(notes.fault.map_or(Exit::Usage, |fault| fault.exit));
            continue;
        };
        for edit in &update.edits {
            writeln!(output.out(), "{}: {}", path.display(), edit.told)?;
        }
        for violated in &update.violated {
            writeln!(output.err(), "{}: violated, and not loosened: {violated}", path.display())?;
            exits.push(Exit::Failed);
        }
        if update.edits.is_empty() {
            writeln!(output.err(), "{}: nothing to tighten", path.display())?;
            continue;
        }
        // A link stays a link: what it leads to is replaced.
        let place = path.canonicalize().unwrap_or(path);
        if let Err(error) =
            files::write(&place, edit::apply(&text, &update.edits).as_bytes(), Existing::Replace)
        {
            exits.push(tell(&Fault::world(error.to_string()), output)?);
        }
    }
    Ok(exits.into_iter().max_by_key(|exit| *exit as u8).unwrap_or(Exit::Fine))
}

/// A budget's text and what of it changes.
fn updated(
    path: &Path,
    given: Option<&Path>,
    headroom: &num::BigRational,
    loosen: bool,
    notes: &mut Notes,
) -> Option<(String, edit::Update)> {
    let budget = one::read(path, notes)?;
    let architecture = given.map_or_else(|| one::architecture(path, &budget), |path| Ok(path.to_owned()));
    let architecture = architecture.map_err(|fault| notes.fault = Some(fault)).ok()?;
    let subject = one::subject(architecture, &budget, notes)?;
    let update = edit::update(&budget, &subject.report, headroom, loosen, &mut notes.sink);
    let span = budget.limits.first()?.metric_span;
    Some((notes.sources.get(span.source).text.to_string(), update))
}
