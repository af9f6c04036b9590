//! What `measure` shows of a measurement: tables or JSON, the verdict of a budget, the folder of a report.

use std::io;

use super::super::analyze::{sheets, write_report};
use super::super::check::asked::Asked;
use super::super::report::Place;
use super::super::{Exit, Output};
use crate::cli::{Format, MeasureArgs};
use crate::report::measurement::Measured;
use crate::report::{self, Report, csv, sections::measurement};

/// Shows a report that has a measurement. `asked` is the budget that it is held to, `place` where files go. The exit
/// says whether no check is off and the budget is kept.
pub(super) fn show(
    args: &MeasureArgs,
    measured: &Measured<'_>,
    mut asked: Option<Asked>,
    place: Option<&Place>,
    output: &mut Output,
) -> io::Result<Exit> {
    let plain = measured.report();
    let verdict = match &mut asked {
        None => None,
        Some(asked) => {
            let read = (args.file.as_path(), &args.load);
            match asked.judge(read, args.baseline.as_deref(), plain, output)? {
                Ok(verdict) => Some(verdict),
                Err(exit) => return Ok(exit),
            }
        }
    };
    let report = Report { budget: verdict.as_ref(), ..*plain };
    match args.format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut *output.out(), &report).map_err(io::Error::from)?;
            writeln!(output.out())?;
        }
        // One table: the times of all layers, or where nothing was timed what was checked.
        Format::Csv => {
            let layers = measurement::layers(measured, None, true);
            csv::write(&layers.unwrap_or_else(|| measurement::checks(measured)), output.out())?;
        }
        Format::Table | Format::Markdown => {
            let mut shown = measurement::sheets(measured, args.top, false);
            if let Some(verdict) = &verdict {
                shown.push(report::budget::sheet(&report.graph.name, verdict));
            }
            sheets::print(&report, &shown, args.format, output)?;
        }
    }
    if let Some(place) = place
        && let Some(exit) = write_report(place, report, output)?
    {
        return Ok(exit);
    }
    output.out().flush()?;
    if let Some(asked) = &asked {
        asked.tell(output)?;
    }
    let keeps = verdict.is_none_or(|verdict| verdict.passes());
    Ok(if measured.measurement.holds() && keeps { Exit::Fine } else { Exit::Failed })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::Write;
    use std::rc::Rc;

    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};
    use crate::diagnostic::Sink;
    use crate::frontend::{LoadOptions, load_bytes};
    use crate::measurement::Verdict;
    use crate::profile::{Profile, Wanted};
    use crate::source::SourceMap;

    const NET: &str = r#"{"inputs": {"x": [3, 8, 8]}, "layers": [
        {"name": "conv", "op": "conv2d", "out_channels": 4, "kernel": 3}, {"name": "act", "op": "relu"}]}"#;

    #[derive(Clone, Default)]
    struct Kept(Rc<RefCell<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Kept {
        fn text(&self) -> String {
            String::from_utf8(self.0.borrow().clone()).unwrap()
        }
    }

    /// The exit, standard output and standard error of `measure net.json` with these arguments.
    fn shown(folder: &std::path::Path, arguments: &[&str], verdict: Verdict) -> (Exit, String, String) {
        let file = folder.join("net.json");
        std::fs::write(&file, NET).unwrap();
        let named = file.to_string_lossy();
        let line = ["csp-profile", "measure", &named].into_iter().chain(arguments.iter().copied());
        let Command::Measure(args) = Cli::try_parse_from(line).unwrap().command else { panic!("measure") };
        let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
        let loaded =
            load_bytes("net.json", "net", NET.into(), &LoadOptions::default(), &mut sources, &mut sink);
        let profile = Profile::new(loaded.unwrap(), Wanted::ALL).unwrap_or_else(|_| panic!("it fits"));
        let mut measurement = report::measurement::tests::made(&profile);
        measurement.checks[0].verdict = verdict;
        let (out, err) = (Kept::default(), Kept::default());
        let mut output = Output { out: Box::new(out.clone()), err: Box::new(err.clone()) };
        let asked = Asked::read(args.budget.as_ref(), &args.file, &mut output).unwrap().unwrap();
        let place = Place::open(&args.report, false, &["net"], &mut output).unwrap().unwrap();
        let measured = Measured::with(profile.report(&sources), &measurement);
        let exit = show(&args, &measured, asked, place.as_ref(), &mut output).unwrap();
        (exit, out.text(), err.text())
    }

    #[test]
    fn every_format_shows_the_measurement() {
        let folder = tempfile::tempdir().unwrap();
        let show = |arguments: &[&str]| shown(folder.path(), arguments, Verdict::Exact);
        let (exit, text, _) = show(&[]);
        assert_eq!(exit, Exit::Fine);
        for part in ["Measured beside predicted", "training step", "Time by layer, forward", "conv"] {
            assert!(text.contains(part), "{text}");
        }
        let (_, text, _) = show(&["--format", "json"]);
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(report["measurement"]["checks"][0]["verdict"], "exact");
        let (_, text, _) = show(&["--format", "csv"]);
        assert_eq!(text.lines().count(), 3, "{text}");
        let (_, text, _) = show(&["--format", "markdown"]);
        assert!(text.contains("### Measured beside predicted"), "{text}");
    }

    #[test]
    fn a_check_that_is_off_fails() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(shown(folder.path(), &[], Verdict::Off).0, Exit::Failed);
        assert_eq!(shown(folder.path(), &[], Verdict::Unchecked("why".into())).0, Exit::Fine);
    }

    #[test]
    fn a_budget_holds_measured_values() {
        let folder = tempfile::tempdir().unwrap();
        let budget = folder.path().join("b.json");
        let named = budget.to_string_lossy().into_owned();
        let show = |limit: &str| {
            let limits = format!(
                r#"{{"limits": [{{"metric": "measurement.time.forward.median_ns", "max": "{limit}"}}]}}"#
            );
            std::fs::write(&budget, limits).unwrap();
            shown(folder.path(), &["--budget", &named, "--format", "json"], Verdict::Exact)
        };
        let (exit, text, _) = show("1 s");
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((exit, &report["budget"]["passed"]), (Exit::Fine, &true.into()));
        let (exit, text, told) = show("1 ns");
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((exit, &report["budget"]["passed"]), (Exit::Failed, &false.into()));
        assert!(told.contains("over its limit") && told.contains("what contributes most: `conv`"), "{told}");
    }

    #[test]
    fn the_folder_has_the_measured_charts() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let (exit, _, told) = shown(folder.path(), &["--out", &out.to_string_lossy()], Verdict::Exact);
        assert_eq!(exit, Exit::Fine, "{told}");
        for name in ["index.html", "report.json", "measured_memory.png", "measured_time.svg"] {
            assert!(out.join(name).is_file(), "{name}");
        }
    }
}
