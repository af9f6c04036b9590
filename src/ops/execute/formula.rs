//! Elementwise ops: a value and a slope are all there is to say.

use super::kernel::elementwise::{Function, map, map_to};
use super::kernel::reduce::sum_to;
use super::scalar::Scalar;
use super::{BackwardCall, Call, Execute, Fault, Gradients, Made, Pass, dtype};
use crate::ops::elementwise::Elementwise;
use crate::ops::{Io, KeptInputs};
use crate::tensor::DType;
use crate::units::{Overflow, product, sum};

/// An elementwise op as a formula.
pub trait Formula: Clone {
    /// An element of the output from one of each input: the operations that the op counts, and no other.
    fn value<S: Scalar>(&self, x: &[S]) -> S;

    /// How fast the value changes with input `of`. `kept` has what [`Elementwise::minimal`] keeps: an element of each
    /// kept input, then the output's.
    fn slope<S: Scalar>(&self, kept: &[S], of: usize) -> S;
}

/// Its own copy of the op: behind a reference its attributes would be read anew for each element.
struct Value<T>(T);

impl<T: Formula> Function for Value<T> {
    #[inline(always)]
    fn value<S: Scalar>(&self, x: &[S]) -> S {
        self.0.value(x)
    }
}

struct Slope<T>(T, usize);

impl<T: Formula> Function for Slope<T> {
    #[inline(always)]
    fn value<S: Scalar>(&self, x: &[S]) -> S {
        // The gradient comes first: its type is the result's.
        x[0] * self.0.slope(&x[1..], self.1)
    }
}

impl<T: Elementwise + Formula> Execute for T {
    fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
        let output = &call.io.outputs[0];
        let inputs: Vec<_> = call.inputs.iter().collect();
        let dtype = dtype(output.dtype).ok_or_else(|| Fault::unrunnable(format!("no {}", output.dtype)))?;
        Ok(map_to(&inputs, &call.shape(0), dtype, &Value(self.clone()))?.into())
    }

    fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
        let kept = self.minimal();
        let inputs = match kept.inputs {
            KeptInputs::None => 0,
            KeptInputs::First => 1,
            KeptInputs::All => call.io.inputs.len(),
        };
        let mut read = vec![call.gradient()?];
        for index in 0..inputs {
            read.push(call.input(index)?);
        }
        if kept.outputs {
            read.push(call.output()?);
        }
        let mut gradients = Gradients::default();
        for index in 0..call.io.inputs.len() {
            let gradient = call.wants(index).then(|| {
                let whole = map(&read, read[0].dims(), &Slope(self.clone(), index))?;
                sum_to(&whole, &call.shape(index))
            });
            gradients.inputs.push(gradient.transpose()?);
        }
        Ok(gradients)
    }

    fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
        let output = &io.outputs[0];
        // Mixed types meet in the float among them, whole numbers in doubles.
        let types = io.inputs.iter().map(|input| input.dtype);
        let meet = types.chain([output.dtype]).find(|dtype| dtype.is_float()).unwrap_or(DType::F64);
        let width = meet.bits() / 8;
        let converted = io.inputs.iter().filter(|input| input.dtype != meet);
        let mut bytes =
            sum(converted.map(|input| product(&[input.elements().get(), width]).unwrap_or(u64::MAX)))?;
        let whole = product(&[io.output_elements(), width])?;
        match pass {
            Pass::Forward if output.dtype != meet => bytes = sum([bytes, whole])?,
            // The gradient before it is summed to its input's shape, and in the order in which it is summed.
            Pass::Backward if io.inputs.iter().any(|input| input.shape != output.shape) => {
                bytes = sum([bytes, whole, whole])?;
            }
            _ => {}
        }
        Ok(bytes)
    }
}
