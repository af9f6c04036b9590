//! The subcommands: one file each. Only they write to the terminal, through one [`Output`].

pub mod analyze;
mod baseline;
pub mod budget;
pub mod calibrate;
pub mod check;
pub mod claims;
pub mod compare;
pub mod completions;
pub mod convert;
pub mod explain;
mod files;
pub mod gradient;
mod machine;
pub mod man;
pub mod measure;
pub mod ops;
mod progress;
mod report;
#[cfg(feature = "exec")]
mod runs_on;
pub mod schema;
pub mod sweep;

use std::io::{self, Write};

use crate::cli::{Cli, Color, Command, LoadArgs, Unknown};
use crate::diagnostic::{Code, Sink};
use crate::frontend::{self, LoadOptions, Loaded, UnknownOps};
use crate::report::diagnostics;
use crate::source::SourceMap;

/// Beyond so many nodes, memory and gradient paths are analysed only where they are asked for.
const MANY_NODES: usize = 200_000;

/// What the process tells its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything is fine.
    Fine = 0,
    /// A published figure, a budget or a comparison failed.
    Failed = 1,
    /// The input or the command line is wrong.
    Usage = 2,
    /// The device or the outside world failed.
    World = 3,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        (exit as u8).into()
    }
}

/// Standard output for what was asked for, standard error for everything else.
pub struct Output {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
}

impl Output {
    /// The process's own streams; colours only where they are wanted.
    pub fn new(color: Color) -> Self {
        let choice = match color {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        };
        let out = WhileRead::new(anstream::AutoStream::new(io::stdout(), choice));
        let err = WhileRead::new(anstream::AutoStream::new(io::stderr(), choice));
        Self { out: Box::new(io::BufWriter::with_capacity(1 << 16, out)), err: Box::new(err) }
    }

    /// What was asked for.
    pub fn out(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    /// Everything else.
    pub fn err(&mut self) -> &mut dyn Write {
        &mut self.err
    }

    /// An error that is no diagnostic of a file, and ways out.
    ///
    /// # Errors
    /// What the stream reports.
    pub fn error(&mut self, message: &str, help: Option<&str>) -> io::Result<()> {
        writeln!(self.err, "\x1b[1;31merror\x1b[0m: {}", diagnostics::clean(message))?;
        if let Some(help) = help {
            writeln!(self.err, "  = help: {}", diagnostics::wrap(help).replace('\n', "\n          "))?;
        }
        Ok(())
    }

    /// A heading in bold.
    ///
    /// # Errors
    /// What the stream reports.
    pub fn heading(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "\x1b[1m{text}\x1b[0m")
    }

    /// All diagnostics of a sink.
    ///
    /// # Errors
    /// What the stream reports.
    pub fn diagnostics(&mut self, sink: &Sink, sources: &SourceMap) -> io::Result<()> {
        for diagnostic in sink.diagnostics() {
            // What is unused may be used where the errors are, and should not bury them.
            if sink.has_errors() && diagnostic.code == Code::Unused {
                continue;
            }
            writeln!(self.err, "{}\n", diagnostics::render(diagnostic, sources))?;
        }
        match sink.errors() {
            0 | 1 if sink.dropped() > 0 => writeln!(self.err, "and {} more warnings", sink.dropped()),
            0 | 1 => Ok(()),
            // The reader stops where it is pointless to go on: their number is not known.
            _ if sink.is_full() => {
                writeln!(self.err, "these are the first {} errors; there are more", Sink::LIMIT)
            }
            errors => writeln!(self.err, "{errors} errors"),
        }
    }
}

/// A stream that is written to for as long as anyone reads it. Where a reader has seen enough the command still does all
/// that it is to do: its files are written, and its exit code says what was found.
struct WhileRead<W> {
    inner: W,
    is_closed: bool,
}

impl<W: Write> WhileRead<W> {
    fn new(inner: W) -> Self {
        Self { inner, is_closed: false }
    }

    fn attempt<T>(&mut self, nothing: T, write: impl FnOnce(&mut W) -> io::Result<T>) -> io::Result<T> {
        if self.is_closed {
            return Ok(nothing);
        }
        match write(&mut self.inner) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_closed = true;
                Ok(nothing)
            }
            other => other,
        }
    }
}

impl<W: Write> Write for WhileRead<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(bytes.len(), |inner| inner.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attempt((), Write::flush)
    }
}

/// Runs a command.
///
/// # Errors
/// When an output stream fails; a closed pipe is no failure.
pub fn run(cli: Cli) -> io::Result<Exit> {
    let mut output = Output::new(cli.color);
    let result = match cli.command {
        Command::Analyze(args) => analyze::run(&args, &mut output),
        Command::Compare(args) => compare::run(&args, &mut output),
        Command::Claims(args) => claims::run(&args, &mut output),
        Command::Sweep(args) => sweep::run(&args, &mut output),
        Command::Gradient(args) => gradient::run(&args, &mut output),
        Command::Measure(args) => measure::run(&args, &mut output),
        Command::Calibrate(args) => calibrate::run(&args, &mut output),
        Command::Convert(args) => convert::run(&args, &mut output),
        Command::Ops => ops::run(&mut output),
        Command::Explain { topic } => explain::run(topic.as_deref(), &mut output),
        Command::Schema { of } => schema::run(of, &mut output),
        Command::Check(args) => check::run(&args, &mut output),
        Command::Budget(command) => budget::run(&command, &mut output),
        Command::Completions { shell } => completions::run(shell, &mut output),
        Command::Man { subcommand } => man::run(subcommand.as_deref(), &mut output),
    };
    result.and_then(|exit| output.out.flush().map(|()| exit))
}

/// How the command line wants a file to be read.
pub(crate) fn options(args: &LoadArgs) -> LoadOptions {
    let unknown = match args.unknown {
        Unknown::Warn => UnknownOps::Warn,
        Unknown::Deny => UnknownOps::Deny,
    };
    LoadOptions {
        set: args.set.clone(),
        batch: args.batch,
        dtype: args.dtype,
        inputs: args.inputs.clone(),
        unknown,
        values: false,
    }
}

/// Reads a file and shows what is wrong with it. Without a network, the exit says why.
///
/// # Errors
/// When an output stream fails.
pub fn load(
    path: &std::path::Path,
    args: &LoadArgs,
    sources: &mut SourceMap,
    output: &mut Output,
) -> io::Result<Result<Loaded, Exit>> {
    load_as(path, &options(args), sources, output)
}

/// The same, as these options say.
///
/// # Errors
/// When the stream fails.
pub(crate) fn load_as(
    path: &std::path::Path,
    options: &LoadOptions,
    sources: &mut SourceMap,
    output: &mut Output,
) -> io::Result<Result<Loaded, Exit>> {
    let mut sink = Sink::default();
    let loaded = if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(io::stdin(), frontend::MAX_FILE_BYTES + 1), &mut bytes)
            .map(|_| frontend::load_bytes("<stdin>", "network", bytes, options, sources, &mut sink))
            .map_err(|error| frontend::Error::Io { path: "<stdin>".into(), error })
    } else {
        frontend::load(path, options, sources, &mut sink)
    };
    output.diagnostics(&sink, sources)?;
    Ok(match loaded {
        Ok(Some(loaded)) => Ok(loaded),
        Ok(None) => Err(Exit::Usage),
        Err(error) => {
            writeln!(output.err, "\x1b[1;31merror\x1b[0m: {}", diagnostics::clean(&error.to_string()))?;
            Err(if error.is_usage() { Exit::Usage } else { Exit::World })
        }
    })
}

/// An error that is no diagnostic of a file.
///
/// # Errors
/// When the stream fails.
pub fn usage(output: &mut Output, message: &str, help: Option<&str>) -> io::Result<Exit> {
    output.error(message, help)?;
    Ok(Exit::Usage)
}
