//! What follows for a network on a device that the command line names.

use std::io;

use super::super::{Exit, Output, usage};
use crate::analysis::Analysis;
use crate::analysis::prediction::{Prediction, predict};
use crate::analysis::roofline::{self, NoPeak, Roofline};
use crate::cli::{AnalyzeArgs, Section};
use crate::device::Device;
use crate::diagnostic::Sink;
use crate::frontend::device;
use crate::graph::Graph;
use crate::report::Report;
use crate::source::SourceMap;

/// A device and a network's times on it.
pub(in crate::commands) struct OnDevice {
    device: Device,
    roofline: Roofline,
    /// Where the device was calibrated.
    prediction: Option<Prediction>,
}

impl OnDevice {
    /// Takes it into a report.
    pub(in crate::commands) fn reported<'a>(&'a self, report: Report<'a>) -> Report<'a> {
        let prediction = self.prediction.as_ref().map(|prediction| (&self.device, prediction));
        Report { roofline: Some((&self.device, &self.roofline)), prediction, ..report }
    }
}

/// The times on the device that is named, if one is; or the exit where there is none.
pub(super) fn find(
    args: &AnalyzeArgs,
    graph: &Graph,
    analysis: &Analysis,
    output: &mut Output,
) -> io::Result<Result<Option<OnDevice>, Exit>> {
    match &args.device {
        None if args.sections.contains(&Section::Roofline) => {
            let help = format!("add --device with one of {}, or a file", known());
            usage(output, "a roofline needs a device", Some(&help)).map(Err)
        }
        None if args.sections.contains(&Section::Prediction) => {
            let help = "add --device with a file that `csp-profile calibrate` wrote";
            usage(output, "a prediction needs a device that was calibrated", Some(help)).map(Err)
        }
        None => Ok(Ok(None)),
        Some(name) => match on_device(name, graph, analysis, output)? {
            Ok(found) if found.prediction.is_none() && args.sections.contains(&Section::Prediction) => {
                let help = "`csp-profile calibrate --out FILE` makes a device file that predicts times";
                usage(output, &format!("`{name}` was not calibrated"), Some(help)).map(Err)
            }
            found => Ok(found.map(Some)),
        },
    }
}

fn known() -> String {
    device::DEVICES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// The device of that name, or the exit where there is none.
pub(in crate::commands) fn named(name: &str, output: &mut Output) -> io::Result<Result<Device, Exit>> {
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let device = device::load(name, &mut sources, &mut sink);
    output.diagnostics(&sink, &sources)?;
    match device {
        Ok(Some(device)) => Ok(Ok(device)),
        Ok(None) => Ok(Err(Exit::Usage)),
        Err(error) if error.is_usage() => {
            let message = format!("there is no device or file `{name}`");
            usage(output, &message, Some(&format!("devices: {}; or a file", known()))).map(Err)
        }
        Err(error) => {
            writeln!(output.err(), "\x1b[1;31merror\x1b[0m: {error}")?;
            Ok(Err(Exit::World))
        }
    }
}

/// The times on a device, or the exit where there is none.
pub(in crate::commands) fn on_device(
    name: &str,
    graph: &Graph,
    analysis: &Analysis,
    output: &mut Output,
) -> io::Result<Result<OnDevice, Exit>> {
    let device = match named(name, output)? {
        Ok(device) => device,
        Err(exit) => return Ok(Err(exit)),
    };
    let prediction = match device.latency.as_ref().map(|latency| predict(graph, &analysis.kernels, latency)) {
        None => None,
        Some(Ok(prediction)) => Some(prediction),
        Some(Err(error)) => return usage(output, &error.to_string(), None).map(Err),
    };
    match roofline::roofline(graph, &analysis.nodes, &analysis.traffic, &analysis.kernels, &device) {
        Ok(roofline) => Ok(Ok(OnDevice { device, roofline, prediction })),
        Err(NoPeak(dtype)) => {
            let message = format!("the device file of {} has no peak for {dtype}", device.name);
            usage(output, &message, Some("add it to `peak_flops` of a device file of your own")).map(Err)
        }
    }
}
