//! The roofline on a device that the command line names.

use std::io;

use super::super::{Exit, Output, usage};
use crate::analysis::Analysis;
use crate::analysis::roofline::{self, NoPeak, Roofline};
use crate::cli::{AnalyzeArgs, Section};
use crate::device::Device;
use crate::diagnostic::Sink;
use crate::frontend::device;
use crate::graph::Graph;
use crate::source::SourceMap;

/// The roofline, where a device is named; or the exit where there is none.
pub(super) fn find(
    args: &AnalyzeArgs,
    graph: &Graph,
    analysis: &Analysis,
    output: &mut Output,
) -> io::Result<Result<Option<(Device, Roofline)>, Exit>> {
    match &args.device {
        None if args.sections.contains(&Section::Roofline) => {
            let help = format!("add --device with one of {}, or a file", known());
            usage(output, "a roofline needs a device", Some(&help)).map(Err)
        }
        None => Ok(Ok(None)),
        Some(name) => Ok(on_device(name, graph, analysis, output)?.map(Some)),
    }
}

fn known() -> String {
    device::DEVICES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// The roofline on a device, or the exit where there is none.
pub(in crate::commands) fn on_device(
    name: &str,
    graph: &Graph,
    analysis: &Analysis,
    output: &mut Output,
) -> io::Result<Result<(Device, Roofline), Exit>> {
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let device = device::load(name, &mut sources, &mut sink);
    output.diagnostics(&sink, &sources)?;
    let device = match device {
        Ok(Some(device)) => device,
        Ok(None) => return Ok(Err(Exit::Usage)),
        Err(error) if error.is_usage() => {
            let message = format!("there is no device or file `{name}`");
            return usage(output, &message, Some(&format!("devices: {}; or a file", known()))).map(Err);
        }
        Err(error) => {
            writeln!(output.err(), "\x1b[1;31merror\x1b[0m: {error}")?;
            return Ok(Err(Exit::World));
        }
    };
    match roofline::roofline(graph, &analysis.nodes, &analysis.traffic, &analysis.kernels, &device) {
        Ok(found) => Ok(Ok((device, found))),
        Err(NoPeak(dtype)) => {
            let message = format!("the device file of {} has no peak for {dtype}", device.name);
            usage(output, &message, Some("add it to `peak_flops` of a device file of your own")).map(Err)
        }
    }
}
