//! `calibrate`: a device file from what nodes were measured to take (`explain prediction`).

mod from;
#[cfg(feature = "exec")]
mod run;

use std::io;

use super::files::{self, Existing};
use super::report::command_line;
use super::{Exit, Output, usage};
use crate::cli::CalibrateArgs;
use crate::device::Device;
use crate::device::latency::{Latency, best};
use crate::report::device;
use crate::report::sections::prediction;
use crate::report::sheet::Sheet;
use crate::report::table;

/// Calibrates.
pub(super) fn run(args: &CalibrateArgs, output: &mut Output) -> io::Result<Exit> {
    // Before the work: an older file is told of at once.
    if args.out.exists() {
        let message = format!("`{}` exists already", args.out.display());
        output
            .error(&message, Some("a calibration is never written over an older one: name another file"))?;
        return Ok(Exit::World);
    }
    if let Err(error) = files::Target::open(&args.out) {
        output.error(&error.to_string(), None)?;
        return Ok(Exit::World);
    }
    if !args.from.is_empty() {
        return from::run(args, output);
    }
    #[cfg(feature = "exec")]
    return run::run(args, output);
    #[cfg(not(feature = "exec"))]
    super::measure::lacks_exec(output)
}

/// A device with what it was measured to take.
struct Calibrated {
    /// Its name, where the command line gives none.
    name: String,
    /// Bytes of its last-level cache.
    cache: Option<u64>,
    latency: Latency,
    /// How well networks are predicted, where that is known.
    accuracy: Option<Sheet>,
}

impl Calibrated {
    /// Writes the device file and tells how well its laws meet what they were made from.
    fn write(self, args: &CalibrateArgs, output: &mut Output) -> io::Result<Exit> {
        let Self { name, cache, latency, accuracy } = self;
        let samples = latency.kinds.iter().flat_map(|kind| &kind.samples);
        let (flops, bandwidth) = best(samples);
        if !(flops > 0.0 && bandwidth > 0.0) {
            let help = "calibrate with networks that have convolutions or products of matrices";
            return usage(output, "nothing that was timed multiplies, so no rate follows", Some(help));
        }
        let networks = latency.provenance.networks;
        let device = Device {
            name: args.name.clone().unwrap_or(name),
            source: format!(
                "the best rates that any node of {networks} networks reached: {}",
                command_line()
            ),
            peak: vec![(latency.provenance.dtype, flops)],
            bandwidth,
            cache,
            latency: None,
        };
        let kinds = prediction::kinds(&device.name, &latency);
        let text = device::file(&Device { latency: Some(latency), ..device }).map_err(io::Error::from)?;
        if let Err(error) = files::write(&args.out, text.as_bytes(), Existing::Keep) {
            output.error(&error.to_string(), None)?;
            return Ok(Exit::World);
        }
        for sheet in accuracy.iter().chain([&kinds]) {
            output.heading(&sheet.title)?;
            writeln!(output.out(), "{}", table::render(sheet, table::WIDTH))?;
        }
        writeln!(output.out(), "written: {}", args.out.display())?;
        Ok(Exit::Fine)
    }
}
