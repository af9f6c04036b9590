//! What `measure` does where networks can be run.

use std::io;
use std::time::Duration;

use candle_core::Device;

use super::super::analyze::on_device::on_device;
use super::super::check::asked::Asked;
use super::super::report::Place;
use super::super::{Exit, Output, load, usage};
use super::show::show;
use crate::analysis::schedule::Schedule;
use crate::cli::{Format, MeasureArgs, Order, RunsOn};
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::executor::measure::{Options, measure};
use crate::executor::{Network, RunFault, seeded};
use crate::frontend::Loaded;
use crate::graph::{Graph, NodeId, StoredTensor};
use crate::measurement::{Measurement, Provenance};
use crate::ops::execute::Fault;
use crate::profile::{Profile, TooLarge, Wanted};
use crate::report::Report;
use crate::report::measurement::Measured;
use crate::source::SourceMap;

pub(super) fn run(args: &MeasureArgs, output: &mut Output) -> io::Result<Exit> {
    let asked = match Asked::read(args.budget.as_ref(), &args.file, output)? {
        Ok(asked) => asked,
        Err(exit) => return Ok(exit),
    };
    let args = &match &asked {
        Some(asked) => MeasureArgs { load: asked.load(&args.load), ..args.clone() },
        None => args.clone(),
    };
    let mut sources = SourceMap::default();
    let loaded = match load(&args.file, &args.load, &mut sources, output)? {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let device = match device(args, output)? {
        Ok(device) => device,
        Err(exit) => return Ok(exit),
    };
    // Once for the whole process; a second time there is nothing to set.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(usize::from(args.threads)).build_global();
    let profile = match Profile::new(loaded, Wanted::ALL) {
        Ok(profile) => profile,
        Err(TooLarge(loaded)) => {
            let message = format!("the costs of `{}` together do not fit in 64 bits", loaded.graph.name);
            return usage(output, &message, None);
        }
    };
    let graph = &profile.loaded.graph;
    // Before the work: what is named wrong, or cannot be written, is told at once.
    let place = match Place::open(&args.report, args.format == Format::Table, &[&graph.name], output)? {
        Ok(place) => place,
        Err(exit) => return Ok(exit),
    };
    let roofline = match &args.roofline {
        None => None,
        Some(name) => match on_device(name, graph, &profile.analysis, output)? {
            Ok(found) => Some(found),
            Err(exit) => return Ok(exit),
        },
    };
    let schedule = match (args.schedule, &profile.memory) {
        (Order::Lowered, Some(memory)) => memory.lowered.schedule.clone(),
        _ => Schedule::as_written(graph),
    };
    let measured = measured(args, &profile, &schedule, &device);
    let measurement = match measured {
        Ok(measurement) => measurement,
        Err(fault) => return failed(&profile.loaded, &fault, &sources, output),
    };
    let roofline = roofline.as_ref().map(|(device, roofline)| (device, roofline));
    let report = Report { roofline, ..profile.report(&sources) };
    show(args, &Measured::with(report, &measurement), asked, place.as_ref(), output)
}

fn measured(
    args: &MeasureArgs,
    profile: &Profile,
    schedule: &Schedule,
    device: &Device,
) -> Result<Measurement, RunFault> {
    let graph = &profile.loaded.graph;
    let mut values = |id: NodeId, one: &StoredTensor| seeded::stored(graph, id, one, args.seed, device);
    let network = Network::new(graph, device, &mut values)?;
    let options = Options {
        samples: usize::from(args.samples),
        warm_up: usize::from(args.warm_up),
        training: !args.no_training,
        seed: args.seed,
        patience: Duration::from_secs(u64::from(args.patience)),
    };
    let provenance = provenance(args, graph, device);
    measure(&network, &profile.analysis, schedule, provenance, &options)
}

/// The device that the command line names.
fn device(args: &MeasureArgs, output: &mut Output) -> io::Result<Result<Device, Exit>> {
    match args.device {
        RunsOn::Cpu => Ok(Ok(Device::Cpu)),
        RunsOn::Cuda if !cfg!(feature = "cuda") => {
            output.error(
                "this program was built without CUDA",
                Some("`cargo install --path . --features cuda` builds one with it; that needs NVIDIA's toolkit"),
            )?;
            Ok(Err(Exit::World))
        }
        RunsOn::Cuda => match Device::new_cuda(0) {
            Ok(device) => Ok(Ok(device)),
            Err(error) => {
                let help = "is there an NVIDIA card, and a driver for the toolkit that this was built with?";
                output.error(&format!("the card does not answer: {error}"), Some(help))?;
                Ok(Err(Exit::World))
            }
        },
    }
}

/// Why a network did not run, with its line.
fn failed(loaded: &Loaded, fault: &RunFault, sources: &SourceMap, output: &mut Output) -> io::Result<Exit> {
    let graph = &loaded.graph;
    let is_world = matches!(fault.fault, Fault::Device(_) | Fault::Internal(_));
    let Some(node) = fault.node.map(|id| graph.node(id)) else {
        output.error(&format!("the network does not run: {}", fault.fault), None)?;
        return Ok(if is_world { Exit::World } else { Exit::Usage });
    };
    let message = format!("`{}` ({}) does not run: {}", node.name, node.op.name(), fault.fault);
    match node.origin.span {
        Some(span) if !is_world => {
            let mut sink = Sink::default();
            sink.push(Diagnostic::error(Code::Unsupported, message).at(span, "this layer"));
            output.diagnostics(&sink, sources)?;
        }
        _ => output.error(&message, None)?,
    }
    Ok(if is_world { Exit::World } else { Exit::Usage })
}

/// A line of a file of the system.
fn line(path: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':').map_or(line, |(_, value)| value).trim().to_owned())
}

fn provenance(args: &MeasureArgs, graph: &Graph, device: &Device) -> Provenance {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let processor = || line("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.into());
    let load = line("/proc/loadavg", "").and_then(|line| line.split(' ').next()?.parse().ok());
    let dtype = graph.inputs().first().map_or("none", |&id| graph.node(id).outputs[0].dtype.name());
    Provenance {
        device: if device.is_cpu() { processor() } else { "the first CUDA device".into() },
        driver: line("/proc/driver/nvidia/version", "NVRM version").filter(|_| !device.is_cpu()),
        library: "candle 0.11.1",
        threads: usize::from(args.threads),
        dtype,
        batch: graph.batch,
        values: format!("seed {}", args.seed),
        schedule: match args.schedule {
            Order::AsWritten => "as_written",
            Order::Lowered => "lowered",
        },
        samples: usize::from(args.samples),
        warm_up: usize::from(args.warm_up),
        load,
        processors,
    }
}
