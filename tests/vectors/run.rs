//! Runs a case with elements of some float type.

use candle_core::{Device, Tensor};
use csp_profile::ops::execute::{
    BackwardCall, Call, Execute, Fault, Gradients, Made, Mode, Stored, dims, dtype,
};
use csp_profile::ops::{Io, KeptInputs, Operator, Outputs};
use csp_profile::tensor::{DType, TensorShape, TensorType};

use crate::case::{Case, Values};

/// A case, its floats of one type.
pub(crate) struct Run<'a> {
    case: &'a Case,
    float: DType,
    pub(crate) types: Vec<TensorType>,
    pub(crate) outputs: Outputs,
    pub(crate) inputs: Vec<Tensor>,
    pub(crate) stored: Stored,
}

impl<'a> Run<'a> {
    pub(crate) fn new(case: &'a Case, float: DType) -> Result<Self, String> {
        let types: Vec<TensorType> = case
            .inputs
            .iter()
            .map(|input| {
                let axes = input.shape.iter().map(|&axis| axis as u64);
                TensorType::new(TensorShape::new(axes), as_float(input.dtype, float))
            })
            .collect();
        let read: Vec<&TensorType> = types.iter().collect();
        let outputs = case.op.infer(&read).map_err(|mismatch| mismatch.message)?;
        let inputs = case.inputs.iter().map(|input| tensor(input, float)).collect::<Result<_, _>>()?;
        let declared = case.op.weights(&read);
        let mut stored = Vec::new();
        for (name, values) in &case.weights {
            // What a file lists for ops that store nothing themselves.
            let listed = ["scale", "zero_point"].into_iter().find(|listed| listed == name);
            let own = declared.iter().map(|weight| weight.name).find(|own| own == name);
            let own = own.or(listed).ok_or_else(|| format!("the op stores no `{name}`"))?;
            stored.push((own, tensor(values, float)?));
        }
        let stored = stored.into_iter().collect();
        Ok(Self { case, float, types, outputs, inputs, stored })
    }

    /// The mode whose gradients the case has: evaluation only where that is another function.
    pub(crate) fn backward_mode(&self) -> Mode {
        let statistics = self.stored.find("running_mean").is_some();
        if statistics && !self.case.train { Mode::Evaluate } else { Mode::Train }
    }

    pub(crate) fn forward_mode(&self) -> Mode {
        if self.case.train { Mode::Train } else { Mode::Evaluate }
    }

    pub(crate) fn with_io<R>(&self, run: impl FnOnce(Io<'_>) -> R) -> R {
        let inputs: Vec<&TensorType> = self.types.iter().collect();
        run(Io { inputs: &inputs, outputs: &self.outputs })
    }

    pub(crate) fn forward(&self, mode: Mode) -> Result<Made, String> {
        let made = self.with_io(|io| {
            self.case.op.forward(&Call { io, inputs: &self.inputs, stored: &self.stored, mode })
        });
        let made = made.map_err(|fault| fault.to_string())?;
        if made.outputs.len() != self.outputs.len() {
            return Err(format!("makes {} outputs, not {}", made.outputs.len(), self.outputs.len()));
        }
        for (index, (tensor, expected)) in made.outputs.iter().zip(&self.outputs).enumerate() {
            if tensor.dims() != dims(expected) || Some(tensor.dtype()) != dtype(expected.dtype) {
                return Err(format!(
                    "output {index} is {:?} of {:?}, not {} of {}",
                    tensor.dims(),
                    tensor.dtype(),
                    expected.shape,
                    expected.dtype
                ));
            }
        }
        Ok(made)
    }

    /// All gradients, from what the op declares as the least that it needs.
    pub(crate) fn gradients(&self, wanted: &[bool]) -> Result<Gradients, String> {
        let mode = self.backward_mode();
        let made = self.forward(mode)?;
        self.with_io(|io| {
            let kept = self.case.op.backward(io).map_err(|overflow| overflow.to_string())?.minimal;
            let count = match kept.inputs {
                KeptInputs::None => 0,
                KeptInputs::First => 1,
                KeptInputs::All => self.inputs.len(),
            };
            let inputs: Vec<Option<Tensor>> = self
                .inputs
                .iter()
                .enumerate()
                .map(|(index, input)| (index < count).then(|| input.clone()))
                .collect();
            let bytes: usize =
                made.kept.iter().map(|kept| kept.elem_count() * kept.dtype().size_in_bytes()).sum();
            if bytes as u64 > kept.bytes {
                return Err(format!("keeps {bytes} bytes, but declares {}", kept.bytes));
            }
            let gradients = self.case.output_gradients.iter().zip(&self.outputs);
            let gradients = gradients
                .map(|(values, of)| values.as_ref().map(|values| tensor(values, of.dtype)).transpose())
                .collect::<Result<Vec<_>, _>>()?;
            let call = BackwardCall {
                io,
                inputs: &inputs,
                outputs: if kept.outputs { &made.outputs } else { &[] },
                kept: &made.kept,
                stored: &self.stored,
                gradients: &gradients,
                wanted,
                mode,
            };
            self.case.op.gradients(&call).map_err(|fault: Fault| fault.to_string())
        })
    }

    /// Every float input.
    pub(crate) fn wanted(&self) -> Vec<bool> {
        self.types.iter().map(|input| input.dtype.is_float()).collect()
    }

    /// The same with each input lying in memory as views do while training.
    pub(crate) fn viewed(mut self, viewed: Viewed) -> Result<Self, String> {
        for input in &mut self.inputs {
            let Some(axis) = input.rank().checked_sub(1).map(|last| last.min(1)) else { continue };
            *input = viewed.of(input, axis).map_err(|error| error.to_string())?;
        }
        Ok(self)
    }

    pub(crate) fn float(&self) -> DType {
        self.float
    }
}

/// How a tensor lies in a larger one, or in another order.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Viewed {
    /// A range of an axis.
    Range,
    /// Every second index of an axis.
    Stepped,
    /// With the order of all axes turned round.
    Turned,
    /// With the first axis behind all others.
    LastFirst,
}

impl Viewed {
    pub(crate) const ALL: [Self; 4] = [Self::Range, Self::Stepped, Self::Turned, Self::LastFirst];

    fn of(self, input: &Tensor, axis: usize) -> candle_core::Result<Tensor> {
        let (size, rank) = (input.dims()[axis], input.rank());
        let turned = |order: Vec<usize>| {
            let mut back = vec![0; rank];
            order.iter().enumerate().for_each(|(to, &from)| back[from] = to);
            input.permute(order)?.contiguous()?.permute(back)
        };
        match self {
            Self::Range => Tensor::cat(&[input, input, input], axis)?.narrow(axis, size, size),
            Self::Stepped => {
                // Between any two indices stands another.
                let parts = (0..size).flat_map(|at| [at, size - 1 - at]);
                let parts =
                    parts.map(|at| input.narrow(axis, at, 1)).collect::<candle_core::Result<Vec<_>>>()?;
                Tensor::cat(&parts, axis)?.contiguous()?.unfold(axis, 1, 2)?.squeeze(rank)
            }
            Self::Turned => turned((0..rank).rev().collect()),
            Self::LastFirst => turned((1..rank).chain([0]).collect()),
        }
    }
}

/// Vectors are in f32; a run may be in another type.
fn as_float(own: DType, float: DType) -> DType {
    if own == DType::F32 { float } else { own }
}

/// The values as a tensor of their type.
pub(crate) fn tensor(values: &Values, float: DType) -> Result<Tensor, String> {
    let dtype =
        dtype(as_float(values.dtype, float)).ok_or_else(|| format!("no elements of {}", values.dtype))?;
    let tensor = Tensor::from_slice(&values.values, values.shape.as_slice(), &Device::Cpu);
    tensor.and_then(|tensor| tensor.to_dtype(dtype)).map_err(|error| error.to_string())
}
