//! The files of a report: a folder of charts, `report.json` and whatever else a command makes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::files::{Error, Folder};
use super::{Exit, Output};
use crate::cli::{ReportArgs, Theme};
use crate::report::chart::{self, Chart, Style};
use crate::report::diagnostics::clean;

/// Where reports go by default.
const REPORTS: &str = "reports";

/// A folder that takes a report.
pub(super) struct Place {
    folder: Folder,
    style: Style,
}

impl Place {
    /// Opens the folder of `--out`, or one in `reports/` by the names of what is reported where that is the default.
    /// `None` where no report is wanted, an exit where nothing can be written.
    pub(super) fn open(
        args: &ReportArgs,
        default: bool,
        names: &[&str],
        output: &mut Output,
    ) -> io::Result<Result<Option<Self>, Exit>> {
        let path = match &args.out {
            Some(path) => path.clone(),
            None if default && !args.no_report => PathBuf::from(REPORTS).join(folder_name(names)),
            None => return Ok(Ok(None)),
        };
        let theme = match args.theme {
            Theme::Light => chart::Theme::Light,
            Theme::Dark => chart::Theme::Dark,
        };
        let style = Style { width: args.size.0, height: args.size.1, theme };
        match Folder::open(&path) {
            Ok(folder) => Ok(Ok(Some(Self { folder, style }))),
            Err(error) => {
                failed(&error, output)?;
                if args.out.is_none() {
                    writeln!(
                        output.err(),
                        "  = help: --out DIR writes elsewhere, --no-report writes no files"
                    )?;
                }
                Ok(Err(Exit::World))
            }
        }
    }

    /// Writes files and each chart as SVG and PNG, and says so in a line. An exit where that fails.
    ///
    /// Files of an older report are replaced; what else is in the folder stays.
    pub(super) fn write(
        &self,
        files: &[(&str, Vec<u8>)],
        charts: &[Chart],
        output: &mut Output,
    ) -> io::Result<Option<Exit>> {
        let written = self
            .draw(charts)
            .and_then(|()| files.iter().try_for_each(|(name, bytes)| self.folder.write(name, bytes)));
        if let Err(error) = written {
            failed(&error, output)?;
            return Ok(Some(Exit::World));
        }
        let path = clean(&self.folder.path().display().to_string());
        let mut parts: Vec<String> = files.iter().map(|(name, _)| (*name).to_owned()).collect();
        match charts.len() {
            0 => {}
            1 => parts.push("1 chart as SVG and PNG".into()),
            count => parts.push(format!("{count} charts as SVG and PNG")),
        }
        writeln!(output.err(), "report: {path}{} ({})", std::path::MAIN_SEPARATOR, parts.join(", "))?;
        Ok(None)
    }

    /// Draws and writes charts, one a thread; which thread draws what does not show.
    fn draw(&self, charts: &[Chart]) -> Result<(), Error> {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
        let work = || {
            while let Some(chart) = charts.get(next.fetch_add(1, Ordering::Relaxed)) {
                let (svg, png) = (chart.svg(&self.style), chart.png(&self.style));
                let written = self
                    .folder
                    .write(&format!("{}.svg", chart.name), svg.as_bytes())
                    .and_then(|()| self.folder.write(&format!("{}.png", chart.name), &png));
                if let Err(error) = written {
                    *failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
                    return;
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads.min(charts.len()) {
                scope.spawn(work);
            }
            work();
        });
        match failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// The command line, as it may be typed again in a shell. The program is called by its name, wherever it lies.
pub(super) fn command_line() -> String {
    let arguments = std::env::args_os().skip(1).map(|argument| quoted(&argument.to_string_lossy()));
    std::iter::once("csp-profile".to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// An argument, in quotation marks where a shell needs them.
fn quoted(argument: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_./=:,+@%".contains(letter);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

fn failed(error: &Error, output: &mut Output) -> io::Result<()> {
    writeln!(output.err(), "\x1b[1;31merror\x1b[0m: {}", clean(&error.to_string()))
}

/// A folder's name from networks' names: `a`, `a-vs-b`, `a-vs-b-and-3-more`. It is one component of a path, whatever
/// the names are.
fn folder_name(names: &[&str]) -> String {
    let safe: Vec<String> = names.iter().take(3).map(|name| safe(name)).collect();
    let name = safe.join("-vs-");
    match names.len().saturating_sub(3) {
        0 => name,
        more => format!("{name}-and-{more}-more"),
    }
}

/// The most bytes of a name: three of them stay below the 255 of most file systems.
const MOST_BYTES: usize = 70;

/// A name as part of a file's: letters, digits and `-_.+=`, no dot in front.
fn safe(name: &str) -> String {
    let kept = |letter: char| if letter.is_alphanumeric() || "-_.+=".contains(letter) { letter } else { '_' };
    let mut safe = String::new();
    for letter in name.trim().trim_start_matches('.').chars().map(kept) {
        if safe.len() + letter.len_utf8() > MOST_BYTES {
            break;
        }
        safe.push(letter);
    }
    // Windows drops dots at the end.
    let safe = safe.trim_end_matches('.');
    let is_plain = Path::new(safe).components().eq([std::path::Component::Normal(safe.as_ref())]);
    if is_plain { safe.to_owned() } else { "network".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_quoted_as_a_shell_needs_it() {
        for (argument, text) in
            [("a/b.json", "a/b.json"), ("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("$x", "'$x'")]
        {
            assert_eq!(quoted(argument), text);
        }
    }

    #[test]
    fn a_name_is_one_component_of_a_path() {
        for (name, folder) in [
            ("densenet121", "densenet121"),
            ("../../x", "_.._x"),
            ("a/b", "a_b"),
            ("a\\b:c", "a_b_c"),
            ("", "network"),
            ("..", "network"),
            ("/", "_"),
            ("netz\u{0}\n", "netz_"),
            ("größe 2", "größe_2"),
        ] {
            assert_eq!(safe(name), folder, "{name:?}");
        }
        let long = "ü".repeat(300);
        assert_eq!(safe(&long).len(), 70);
        assert!(folder_name(&[&long, &long, &long, "d", "e"]).len() < 255);
        assert_eq!(folder_name(&["a", "b"]), "a-vs-b");
        assert_eq!(folder_name(&["a", "b", "c", "d", "e"]), "a-vs-b-vs-c-and-2-more");
    }
}
