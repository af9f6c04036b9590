//! The device that a command line names, and what is said where it fails.

use std::io;

use candle_core::Device;

use super::{Exit, Output};
use crate::cli::RunsOn;
use crate::executor::trouble::Trouble;
use crate::ops::execute::Fault;

/// The device; the exit where there is none, which was said.
#[cfg(not(feature = "cuda"))]
pub(super) fn open(device: RunsOn, output: &mut Output) -> io::Result<Result<Device, Exit>> {
    match device {
        RunsOn::Cpu => Ok(Ok(Device::Cpu)),
        RunsOn::Cuda => {
            let help =
                "`cargo install --path . --features cuda` builds one with it: `csp-profile explain cuda`";
            output.error("this program was built without CUDA", Some(help))?;
            Ok(Err(Exit::World))
        }
    }
}

/// The device; the exit where there is none, which was said.
#[cfg(feature = "cuda")]
pub(super) fn open(device: RunsOn, output: &mut Output) -> io::Result<Result<Device, Exit>> {
    let fault = match device {
        RunsOn::Cpu => return Ok(Ok(Device::Cpu)),
        RunsOn::Cuda => match crate::executor::cuda::open() {
            Ok(card) => return Ok(Ok(card)),
            Err(fault) => fault,
        },
    };
    let trouble = trouble(&fault);
    let why = trouble.map_or_else(|| fault.to_string(), |trouble| trouble.to_string());
    output.error(&format!("no card to run on: {why}"), trouble.map(|trouble| trouble.help))?;
    Ok(Err(Exit::World))
}

/// What a failure of a card is a case of; `None` for every other fault.
pub(super) fn trouble(fault: &Fault) -> Option<Trouble> {
    match fault {
        Fault::Device(error) => Trouble::of(&error.to_string()),
        _ => None,
    }
}
