//! `calibrate` where networks can be run.

use std::io;
use std::time::Duration;

use super::super::machine::{self, runs};
use super::super::progress::progress;
use super::super::runs_on::{self, trouble};
use super::super::{Exit, Output};
use super::Calibrated;
use crate::cli::CalibrateArgs;
use crate::device::latency::{Latency, Provenance, Unit};
use crate::executor::calibrate::{Options, Timed, time};
use crate::executor::timing::median;

pub(super) fn run(args: &CalibrateArgs, output: &mut Output) -> io::Result<Exit> {
    let on = match runs_on::open(args.device, output)? {
        Ok(on) => on,
        Err(exit) => return Ok(exit),
    };
    // Once for the whole process; a second time there is nothing to set.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(usize::from(args.threads)).build_global();
    let load = runs::load();
    let bar = progress(u64::from(args.seconds));
    let options = Options {
        time: Duration::from_secs(u64::from(args.seconds)),
        seed: args.seed,
        largest: u64::from(args.largest) * 1_000_000,
        dtype: args.dtype,
    };
    let timed = time(&on, &options, &mut |elapsed| bar.set_position(elapsed.as_secs()));
    bar.finish_and_clear();
    let Timed { samples, mut whole } = match timed {
        Ok(timed) => timed,
        Err(fault) => {
            let trouble = trouble(&fault.fault);
            let why = trouble.map_or_else(|| fault.fault.to_string(), |trouble| trouble.to_string());
            output.error(&format!("the calibration stopped: {why}"), trouble.map(|trouble| trouble.help))?;
            return Ok(Exit::World);
        }
    };
    let provenance = Provenance {
        library: runs::LIBRARY.into(),
        driver: runs::driver(&on),
        threads: u64::from(args.threads),
        dtype: args.dtype,
        unit: Unit::Node,
        networks: whole.len() as u64,
        seed: Some(args.seed),
        date: machine::today(),
        load,
    };
    whole.sort_by(f64::total_cmp);
    let calibrated = Calibrated {
        name: runs::name(&on),
        cache: on.is_cpu().then(runs::cache).flatten(),
        latency: Latency::new(provenance, median(&whole), samples),
        accuracy: None,
    };
    calibrated.write(args, output)
}
