//! What `measure` does where networks can be run.

use std::io;
use std::time::Duration;

use candle_core::Device;

use super::super::analyze::on_device::on_device;
use super::super::check::asked::Asked;
use super::super::machine::runs;
use super::super::report::Place;
use super::super::runs_on::{self, trouble};
use super::super::{Exit, Output, load_as, options, usage};
use super::show::show;
use crate::analysis::schedule::Schedule;
use crate::cli::{Format, MeasureArgs, Order};
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::executor::measure::{Options, measure};
use crate::executor::{RunFault, seeded};
use crate::frontend::values::{self, Reading, Values};
use crate::frontend::{LoadOptions, Loaded, open_beside};
use crate::graph::{Graph, NodeId, StoredTensor};
use crate::measurement::{Measurement, Provenance};
use crate::ops::execute::Fault;
use crate::profile::{Profile, TooLarge, Wanted};
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
    let wanted = LoadOptions { values: true, ..options(&args.load) };
    let loaded = match load_as(&args.file, &wanted, &mut sources, output)? {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let device = match runs_on::open(args.device, output)? {
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
    let on_device = match &args.roofline {
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
    let values = match values(args, &profile.loaded, &device, &sources, output)? {
        Ok(values) => values,
        Err(exit) => return Ok(exit),
    };
    let measured = measured(args, &profile, &schedule, &device, values.as_ref());
    let measurement = match measured {
        Ok(measurement) => measurement,
        Err(fault) => return failed(&profile.loaded, &fault, &sources, output),
    };
    let plain = profile.report(&sources);
    let report = on_device.as_ref().map_or(plain, |on| on.reported(plain));
    show(args, &Measured::with(report, &measurement), asked, place.as_ref(), output)
}

fn measured(
    args: &MeasureArgs,
    profile: &Profile,
    schedule: &Schedule,
    device: &Device,
    of_file: Option<&Values>,
) -> Result<Measurement, RunFault> {
    let graph = &profile.loaded.graph;
    let mut values = |id: NodeId, one: &StoredTensor| match of_file {
        Some(values) => values.get(id, one.weight.name).cloned().map_err(Fault::unrunnable),
        None => seeded::stored(graph, id, one, args.seed, device),
    };
    let options = Options {
        samples: usize::from(args.samples),
        warm_up: usize::from(args.warm_up),
        checks: !args.no_checks,
        training: !args.no_training,
        seed: args.seed,
        patience: Duration::from_secs(u64::from(args.patience)),
        products: u64::from(args.sources) * 1_000_000_000,
    };
    let provenance = provenance(args, graph, device, of_file.is_some());
    measure(graph, device, &mut values, &profile.analysis, schedule, provenance, &options)
}

/// Why a network did not run, with its line.
fn failed(loaded: &Loaded, fault: &RunFault, sources: &SourceMap, output: &mut Output) -> io::Result<Exit> {
    let graph = &loaded.graph;
    let is_world = matches!(fault.fault, Fault::Device(_) | Fault::Internal(_));
    let trouble = trouble(&fault.fault);
    let why = trouble.map_or_else(|| fault.fault.to_string(), |trouble| trouble.to_string());
    let help = trouble.map(|trouble| trouble.help);
    let Some(node) = fault.node.map(|id| graph.node(id)) else {
        output.error(&format!("the network does not run: {why}"), help)?;
        return Ok(if is_world { Exit::World } else { Exit::Usage });
    };
    let message = format!("`{}` ({}) does not run: {why}", node.name, node.op.name());
    match node.origin.span {
        Some(span) if !is_world => {
            let mut sink = Sink::default();
            sink.push(Diagnostic::error(Code::Unsupported, message).at(span, "this layer"));
            output.diagnostics(&sink, sources)?;
        }
        _ => output.error(&message, help)?,
    }
    Ok(if is_world { Exit::World } else { Exit::Usage })
}

/// Values are not read from files that have more bytes of them.
const MOST_BYTES: u64 = 16 << 30;

/// The values of an ONNX file's stored tensors. `None` where the file's format has none; the exit where they are wrong.
fn values(
    args: &MeasureArgs,
    loaded: &Loaded,
    device: &Device,
    sources: &SourceMap,
    output: &mut Output,
) -> io::Result<Result<Option<Values>, Exit>> {
    // What came through a pipe cannot be read twice.
    let named = args.file.as_os_str() != "-";
    let Some(of_file) = loaded.sources.as_ref().filter(|_| named) else {
        return match args.weights {
            true => usage(output, "`--weights` takes values from an ONNX file that is named", None).map(Err),
            false => Ok(Ok(None)),
        };
    };
    let path = args.file.display().to_string();
    let seed = (!args.weights).then_some(args.seed);
    let reading = Reading { path: &path, seed, most: MOST_BYTES, device };
    let mut file = match std::fs::File::open(&args.file) {
        Ok(file) => io::BufReader::new(file),
        Err(error) => {
            output.error(&format!("cannot read `{path}`: {error}"), None)?;
            return Ok(Err(Exit::World));
        }
    };
    match values::read(&mut file, &mut |below| open_beside(&args.file, below), of_file, reading) {
        Ok(values) => Ok(Ok(Some(values))),
        Err(diagnostic) => {
            let mut sink = Sink::default();
            sink.push(*diagnostic);
            output.diagnostics(&sink, sources)?;
            Ok(Err(Exit::Usage))
        }
    }
}

fn provenance(args: &MeasureArgs, graph: &Graph, device: &Device, of_file: bool) -> Provenance {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let dtype = graph.inputs().first().map_or("none", |&id| graph.node(id).outputs[0].dtype.name());
    Provenance {
        device: runs::name(device),
        driver: runs::driver(device),
        library: runs::LIBRARY,
        threads: usize::from(args.threads),
        dtype,
        batch: graph.batch,
        values: match (of_file, args.weights) {
            (true, true) => "the file".into(),
            (true, false) => format!("the file, what it lacks by seed {}", args.seed),
            (false, _) => format!("seed {}", args.seed),
        },
        schedule: match args.schedule {
            Order::AsWritten => "as_written",
            Order::Lowered => "lowered",
        },
        samples: usize::from(args.samples),
        // Until they are counted.
        warm_up: 0,
        load: runs::load(),
        processors,
    }
}
