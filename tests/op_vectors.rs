//! Every op computes what PyTorch does, forward and backward, and as many operations as it counts.
//!
//! `VECTORS=relu,add cargo test --features exec --test op_vectors` runs the vectors of these ops only.
#![cfg(feature = "exec")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::unwrap_used,
    reason = "vectors are small; tests may unwrap"
)]

#[path = "vectors/case.rs"]
mod case;
mod common;
#[path = "vectors/run.rs"]
mod run;

use std::panic::{AssertUnwindSafe, catch_unwind};

use candle_core::Tensor;
use csp_profile::ops::execute::{Gradients, Mode, scalar};
use csp_profile::ops::{Kind, Op, Operator};
use csp_profile::tensor::DType;

use case::{Case, Values, cases};
use run::{Run, Viewed, tensor};

/// Cases with elements that candle has no loops for.
const FOREIGN: &[&str] = &[
    "conv2d: whole numbers with a wider sum",
    "dequantize: i8",
    "embedding: i32 and more axes",
    "gather: i32 indices",
    "linear: whole numbers with a wider sum",
    "matmul: whole numbers with a wider sum",
    "one_hot: as whole numbers",
    "quantize: i8",
];

/// Ops whose output moves in steps, and whose gradient is that of the function without them. An embedding has the type
/// that its attribute tells, and rounds to it.
const STEPPED: &[&str] = &["cast", "embedding", "xnor_conv2d"];

/// Cases that stand on a step.
const ON_A_STEP: &[&str] = &["unary: sign"];

/// Checks every case that has elements of candle, and lists all that fail.
fn check(check: impl Fn(&Case) -> Result<(), String>) {
    let cases = cases();
    let mut failed: Vec<String> = Vec::new();
    let mut ran = 0;
    for case in cases.iter().filter(|case| case.foreign_types().is_empty()) {
        let result = catch_unwind(AssertUnwindSafe(|| check(case))).unwrap_or(Err("panicked".into()));
        ran += 1;
        failed.extend(result.err().map(|fault| format!("{}: {fault}", case.name)));
    }
    assert!(ran > 0, "there are no vectors");
    assert!(failed.is_empty(), "{} of {ran} cases failed:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn every_op_has_vectors() {
    let mut ops = case::ops();
    if std::env::var_os("VECTORS").is_none() {
        ops.extend(["constant", "input", "unknown"].map(String::from));
        ops.sort();
        assert_eq!(ops, Op::ALL.iter().map(|info| info.name).collect::<Vec<_>>());
        let cases = cases();
        let foreign = cases.iter().filter(|case| !case.foreign_types().is_empty());
        assert_eq!(foreign.map(|case| case.name.as_str()).collect::<Vec<_>>(), FOREIGN);
    }
}

#[test]
fn forward_in_doubles() {
    check(|case| forward(case, DType::F64));
}

#[test]
fn forward_in_singles() {
    check(|case| forward(case, DType::F32));
}

#[test]
fn forward_in_halves() {
    check(|case| forward(case, DType::F16));
    check(|case| forward(case, DType::Bf16));
}

#[test]
fn gradients_in_doubles() {
    check(|case| gradients(case, DType::F64));
}

#[test]
fn gradients_in_singles() {
    check(|case| gradients(case, DType::F32));
}

#[test]
fn gradients_in_halves() {
    check(|case| gradients(case, DType::F16));
    check(|case| gradients(case, DType::Bf16));
}

/// An op that computes more for one input than for all of them, or less, is wrong for one.
#[test]
fn gradients_of_one_input_alone() {
    check(|case| {
        if !case.has_gradients() {
            return Ok(());
        }
        let run = Run::new(case, DType::F64)?;
        let wanted = run.wanted();
        for index in (0..wanted.len()).filter(|&index| wanted[index]) {
            let mut one = vec![false; wanted.len()];
            one[index] = true;
            let mut made = run.gradients(&one)?;
            for (other, gradient) in made.inputs.iter_mut().enumerate().filter(|(other, _)| *other != index) {
                if gradient.take().is_some() {
                    return Err(format!("makes the gradient of input {other}, which nobody wants"));
                }
            }
            compare_input(case, &run, &made, index)?;
        }
        Ok(())
    });
}

/// Inputs that are views of other tensors.
#[test]
fn views_of_tensors() {
    check(|case| {
        if run_of(case)?.backward_mode() == Mode::Evaluate {
            return Ok(());
        }
        for viewed in Viewed::ALL {
            let run = run_of(case)?.viewed(viewed)?;
            let at = |fault: String| format!("{viewed:?}: {fault}");
            compare_outputs(case, &run, &run.forward(Mode::Train)?.outputs).map_err(at)?;
            if case.has_gradients() {
                compare_gradients(case, &run, &run.gradients(&run.wanted())?).map_err(at)?;
            }
        }
        Ok(())
    });
}

fn run_of(case: &Case) -> Result<Run<'_>, String> {
    Run::new(case, DType::F64)
}

#[test]
fn central_differences() {
    check(|case| {
        let op = case.name.split(':').next().unwrap();
        let stepped = STEPPED.contains(&op) || ON_A_STEP.contains(&case.name.as_str());
        if case.ties || stepped || !case.has_gradients() { Ok(()) } else { differences(case) }
    });
}

#[test]
fn as_many_operations_as_counted() {
    check(|case| {
        let run = Run::new(case, DType::F64)?;
        let (made, really) = scalar::count(|| run.forward(Mode::Evaluate));
        made?;
        let said = run.with_io(|io| case.op.cost(io)).map_err(|overflow| overflow.to_string())?.elementary;
        let differ = Kind::ALL.iter().filter(|&&kind| really.get(kind) != said.get(kind));
        let differ: Vec<String> = differ
            .map(|&kind| format!("{} {}, said to be {}", kind.name(), really.get(kind), said.get(kind)))
            .collect();
        if differ.is_empty() { Ok(()) } else { Err(differ.join("; ")) }
    });
}

fn forward(case: &Case, float: DType) -> Result<(), String> {
    let run = Run::new(case, float)?;
    if float == DType::F32 {
        for (index, (expected, found)) in case.outputs.iter().zip(&run.outputs).enumerate() {
            if expected.dtype != found.dtype {
                return Err(format!("output {index} is of {}, not {}", found.dtype, expected.dtype));
            }
        }
    }
    compare_outputs(case, &run, &run.forward(run.forward_mode())?.outputs)?;
    // What is not the batch's statistics is the same while training.
    if run.backward_mode() == Mode::Train {
        compare_outputs(case, &run, &run.forward(Mode::Train)?.outputs)?;
    }
    Ok(())
}

fn compare_outputs(case: &Case, run: &Run<'_>, outputs: &[Tensor]) -> Result<(), String> {
    for (index, (expected, found)) in case.outputs.iter().zip(outputs).enumerate() {
        compare(found, expected, run.float()).map_err(|fault| format!("output {index}: {fault}"))?;
    }
    Ok(())
}

fn gradients(case: &Case, float: DType) -> Result<(), String> {
    if !case.has_gradients() {
        return Ok(());
    }
    let run = Run::new(case, float)?;
    compare_gradients(case, &run, &run.gradients(&run.wanted())?)
}

fn compare_gradients(case: &Case, run: &Run<'_>, made: &Gradients) -> Result<(), String> {
    for index in 0..case.inputs.len() {
        compare_input(case, run, made, index)?;
    }
    for ((name, stored), expected) in case.weights.iter().zip(&case.weight_gradients) {
        let found = made.stored.iter().find(|(other, _)| other == name).map(|(_, gradient)| gradient);
        match (expected, found) {
            (Some(expected), Some(found)) => compare_gradient(found, expected, stored, run.float())
                .map_err(|fault| format!("gradient of `{name}`: {fault}"))?,
            (Some(_), None) => return Err(format!("no gradient of `{name}`")),
            _ => {}
        }
    }
    Ok(())
}

fn compare_input(case: &Case, run: &Run<'_>, made: &Gradients, index: usize) -> Result<(), String> {
    let Some(expected) = &case.input_gradients[index] else { return Ok(()) };
    match made.inputs.get(index).and_then(Option::as_ref) {
        Some(found) => compare_gradient(found, expected, &case.inputs[index], run.float())
            .map_err(|fault| format!("gradient of input {index}: {fault}")),
        // Nothing of the input reaches the output smoothly.
        None if expected.values.iter().all(|&value| value.abs() < f64::MIN_POSITIVE) => Ok(()),
        None => Err(format!("no gradient of input {index}")),
    }
}

/// A gradient has the type of what it is of.
fn compare_gradient(found: &Tensor, expected: &Values, of: &Values, float: DType) -> Result<(), String> {
    let like = tensor(of, float)?;
    if found.dtype() != like.dtype() {
        return Err(format!("is of {:?}, not {:?}", found.dtype(), like.dtype()));
    }
    compare(found, expected, float)
}

/// Holds values to those expected, which have nine digits, as closely as the type computes.
fn compare(found: &Tensor, expected: &Values, float: DType) -> Result<(), String> {
    if found.dims() != expected.shape {
        return Err(format!("is {:?}, not {:?}", found.dims(), expected.shape));
    }
    let numbers = |tensor: &Tensor| {
        let tensor = tensor.to_dtype(candle_core::DType::F64).and_then(|tensor| tensor.flatten_all());
        tensor.and_then(|tensor| tensor.to_vec1::<f64>()).map_err(|error| error.to_string())
    };
    // Too large for the type is infinite.
    let rounded = Tensor::from_slice(&expected.values, expected.shape.as_slice(), found.device());
    let rounded =
        rounded.and_then(|tensor| tensor.to_dtype(found.dtype())).map_err(|error| error.to_string())?;
    let (found, expected) = (numbers(found)?, numbers(&rounded)?);
    let tolerance = match float {
        DType::F64 => 1e-8,
        DType::F32 => 1e-5,
        // A few roundings.
        DType::F16 => 8.0 * 2f64.powi(-11),
        _ => 8.0 * 2f64.powi(-8),
    };
    let finite = expected.iter().filter(|value| value.is_finite());
    let scale = finite.fold(0.1f64, |scale, value| scale.max(value.abs()));
    for (place, (&found, &expected)) in found.iter().zip(&expected).enumerate() {
        let same = found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan());
        // Both infinite, of other signs, differ by infinity; NaN is less than nothing.
        let close = (found - expected).abs() <= tolerance * scale;
        if !same && !close {
            return Err(format!("element {place} is {found}, not {expected}"));
        }
    }
    Ok(())
}

/// Along some directions the output changes as the gradients say.
fn differences(case: &Case) -> Result<(), String> {
    let run = Run::new(case, DType::F64)?;
    // An embedding has no float input, and its output is of singles: it is linear, so that a long step does no harm.
    let precise = run.outputs.iter().all(|output| !output.dtype.is_float() || output.dtype == DType::F64);
    let (length, tolerance) = if precise { (1e-5, 1e-5) } else { (0.0625, 1e-4) };
    let made = run.gradients(&run.wanted())?;
    let mode = run.backward_mode();
    let inputs = case.input_gradients.iter().enumerate().filter(|(_, gradient)| gradient.is_some());
    let inputs = inputs.map(|(index, _)| (index, made.inputs.get(index).cloned().flatten()));
    let weights = case.weights.iter().zip(&case.weight_gradients).enumerate();
    let weights = weights.filter(|(_, (_, gradient))| gradient.is_some()).map(|(index, ((name, _), _))| {
        let own = made.stored.iter().find(|(other, _)| other == name).map(|(_, gradient)| gradient.clone());
        (case.inputs.len() + index, own)
    });
    // What stands in the file need not be what the program makes: here its own gradient is held to its own output.
    for (place, gradient) in inputs.chain(weights) {
        for direction in 0..3u64 {
            let moved = |by: f64| -> Result<(f64, Vec<f64>), String> {
                let mut run = Run::new(case, DType::F64)?;
                let stored = place.checked_sub(case.inputs.len()).map(|index| &*case.weights[index].0);
                let tensor = match stored {
                    Some(name) => run.stored.get(name).map_err(|fault| fault.to_string())?,
                    None => &run.inputs[place],
                };
                let signs: Vec<f64> = (0..tensor.elem_count() as u64).map(|at| sign(at, direction)).collect();
                let step = Tensor::from_slice(&signs, tensor.dims(), tensor.device());
                let step = step.and_then(|step| step * by).and_then(|step| tensor + step);
                let tensor = step.map_err(|error| error.to_string())?;
                match stored {
                    Some(name) => run.stored.put(name, &tensor),
                    None => run.inputs[place] = tensor,
                }
                Ok((weighed(case, &run.forward(mode)?.outputs)?, signs))
            };
            let ((above, signs), (below, _)) = (moved(length)?, moved(-length)?);
            let slope = (above - below) / (2.0 * length);
            let said = match &gradient {
                Some(gradient) => doubles(gradient)?.iter().zip(&signs).map(|(g, s)| g * s).sum(),
                None => 0.0,
            };
            if (slope - said).abs() > tolerance * slope.abs().max(1.0) {
                return Err(format!(
                    "operand {place}: the output moves by {slope}, the gradient says {said}"
                ));
            }
        }
    }
    Ok(())
}

/// ±1, without order.
fn sign(at: u64, direction: u64) -> f64 {
    let mixed = (at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17 + 11 * direction as u32);
    if mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 63 == 0 { 1.0 } else { -1.0 }
}

fn doubles(tensor: &Tensor) -> Result<Vec<f64>, String> {
    let tensor = tensor.to_dtype(candle_core::DType::F64).and_then(|tensor| tensor.flatten_all());
    tensor.and_then(|tensor| tensor.to_vec1()).map_err(|error| error.to_string())
}

/// The outputs weighed by the gradients that come from above.
fn weighed(case: &Case, outputs: &[Tensor]) -> Result<f64, String> {
    let mut all = 0.0;
    for (output, gradient) in outputs.iter().zip(&case.output_gradients) {
        if let Some(gradient) = gradient {
            all += doubles(output)?.iter().zip(&gradient.values).map(|(y, g)| y * g).sum::<f64>();
        }
    }
    Ok(all)
}
