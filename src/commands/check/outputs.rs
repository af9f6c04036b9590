//! Where the results of `check` go: standard output, files, and what GitHub Actions reads.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use super::one::Fault;
use crate::cli::{CheckArgs, CheckFormat};
use crate::commands::files::Target;
use crate::commands::{Exit, Output};
use crate::report::budget::{Checked, document, github, junit, markdown, sheet, summary};
use crate::report::table;

/// Everything that will be written, tried before any work is done for it.
pub(super) struct Outputs {
    files: Vec<(CheckFormat, Target)>,
    /// Whether annotations go to standard error, where a runner reads them too.
    annotate: bool,
    /// The summary of the job.
    job: Option<(String, File)>,
}

impl Outputs {
    /// Opens all of them.
    pub(super) fn open(args: &CheckArgs) -> Result<Self, Fault> {
        let mut files = Vec::with_capacity(args.out.len());
        for path in &args.out {
            let format = format_of(path)?;
            files.push((format, Target::open(path).map_err(|error| Fault::world(error.to_string()))?));
        }
        let runner = std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        let job = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| runner && !path.is_empty());
        let job = job.map(|path| {
            let shown = Path::new(&path).display().to_string();
            let opened = OpenOptions::new().append(true).create(true).open(&path);
            opened
                .map(|file| (shown.clone(), file))
                .map_err(|error| Fault::world(format!("cannot write `{shown}`: {error}")))
        });
        Ok(Self { files, annotate: runner && args.format != CheckFormat::Github, job: job.transpose()? })
    }

    /// Writes all of them.
    pub(super) fn write(
        mut self,
        args: &CheckArgs,
        checked: &[Checked],
        output: &mut Output,
    ) -> io::Result<Option<Exit>> {
        if args.format == CheckFormat::Table {
            tables(checked, output)?;
        } else {
            let text = render(args.format, checked)?;
            write!(output.out(), "{text}")?;
        }
        // What a reader of the log sees first should stand first.
        output.out().flush()?;
        if self.annotate {
            write!(output.err(), "{}", github::render(checked))?;
        }
        for (format, target) in &self.files {
            if let Err(error) = target.write(render(*format, checked)?.as_bytes()) {
                output.error(&error.to_string(), None)?;
                return Ok(Some(Exit::World));
            }
        }
        if let Some((path, file)) = &mut self.job
            && let Err(error) = file.write_all(markdown::render(checked).as_bytes())
        {
            output.error(&format!("cannot write `{path}`: {error}"), None)?;
            return Ok(Some(Exit::World));
        }
        Ok(None)
    }
}

/// The format of a file, by its ending.
fn format_of(path: &Path) -> Result<CheckFormat, Fault> {
    let ending = path.extension().map_or_else(String::new, |ending| ending.to_string_lossy().to_lowercase());
    Ok(match &*ending {
        "json" => CheckFormat::Json,
        "md" | "markdown" => CheckFormat::Markdown,
        "xml" => CheckFormat::Junit,
        "txt" => CheckFormat::Table,
        _ => {
            return Err(Fault::usage(
                format!("`{}` does not say by its ending what to write", path.display()),
                Some(".json, .md, .xml for JUnit, or .txt".into()),
            ));
        }
    })
}

fn render(format: CheckFormat, checked: &[Checked]) -> io::Result<String> {
    Ok(match format {
        CheckFormat::Table => plain(checked),
        CheckFormat::Json => {
            let mut text = serde_json::to_string_pretty(&document(checked)).map_err(io::Error::from)?;
            text.push('\n');
            text
        }
        CheckFormat::Markdown => markdown::render(checked),
        CheckFormat::Junit => junit::render(checked).map_err(io::Error::other)?,
        CheckFormat::Github => github::render(checked),
    })
}

/// The tables as text without colours.
fn plain(checked: &[Checked]) -> String {
    let mut text = String::new();
    for checked in checked {
        let (title, body) = one(checked);
        text.push_str(&format!("{title}\n{body}\n"));
    }
    text + &table::wrap(&summary(checked), table::WIDTH) + "\n"
}

fn one(checked: &Checked) -> (String, String) {
    match &checked.verdict {
        Some(verdict) => {
            let sheet = sheet(&checked.network, verdict);
            (table::wrap(&sheet.title, table::WIDTH), table::render(&sheet, table::WIDTH))
        }
        None => {
            let first = checked
                .findings
                .iter()
                .find(|finding| finding.severity == crate::diagnostic::Severity::Error);
            let reason = first.map_or_else(String::new, |finding| finding.message.clone());
            (format!("budget {}", checked.file), format!("{}\n", table::wrap(&reason, table::WIDTH)))
        }
    }
}

fn tables(checked: &[Checked], output: &mut Output) -> io::Result<()> {
    for checked in checked {
        let (title, body) = one(checked);
        output.heading(&title)?;
        writeln!(output.out(), "{body}")?;
    }
    writeln!(output.out(), "{}", table::wrap(&summary(checked), table::WIDTH))
}
