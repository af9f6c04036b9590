//! How ops run: forward, and backward by a rule of their own. Only with the feature `exec`.
//!
//! Tensors are candle's; its autograd is not used. Backward gets what [`super::Backward::minimal`] says it keeps and
//! nothing else, so an op that needs more than it declares does not run.

pub mod formula;
pub mod kernel;
pub mod lanes;
pub mod probe;
pub mod scalar;
mod single;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{DType, Tensor};
use smallvec::SmallVec;

use super::Io;
use crate::tensor::{self, TensorType};
use crate::units::Overflow;

/// What the execution of an op is written with.
pub(in crate::ops) mod prelude {
    pub(in crate::ops) use candle_core::Tensor;

    pub(in crate::ops) use super::kernel::elementwise::{function, map, map_to};
    pub(in crate::ops) use super::kernel::reduce::{Fold, Max, Mean, Sum, reduce, sum_to};
    pub(in crate::ops) use super::scalar::{Scalar, uncounted};
    pub(in crate::ops) use super::{
        BackwardCall, Call, Execute, Fault, Gradients, Made, Mode, Pass, Tensors, dims, reshape, size,
    };
    pub(in crate::ops) use crate::ops::Io;
    pub(in crate::ops) use crate::units::{Overflow, product, sum};
}

/// The tensors that an op makes.
pub type Tensors = SmallVec<[Tensor; 1]>;

/// Why a network cannot be run.
#[derive(Debug)]
pub enum Fault {
    /// The op cannot run at all, or not on these values: one sentence that says why.
    Unrunnable(String),
    /// The device has no loops for elements of this type.
    Dtype(DType),
    /// An output is not what its types say: shapes and element types, said and made.
    Shape {
        /// What the analysis says.
        predicted: String,
        /// What the op made.
        measured: String,
    },
    /// The device itself failed: out of memory, no driver.
    Device(candle_core::Error),
    /// A mistake of this program.
    Internal(&'static str),
}

impl Fault {
    pub(crate) fn internal(what: &'static str) -> Self {
        Self::Internal(what)
    }

    /// The op cannot run.
    pub fn unrunnable(why: impl Into<String>) -> Self {
        Self::Unrunnable(why.into())
    }
}

impl From<candle_core::Error> for Fault {
    fn from(error: candle_core::Error) -> Self {
        Self::Device(error)
    }
}

impl From<Overflow> for Fault {
    fn from(overflow: Overflow) -> Self {
        Self::Unrunnable(overflow.to_string())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unrunnable(why) => f.write_str(why),
            Self::Shape { predicted, measured } => {
                write!(f, "it makes {measured} where {predicted} was predicted")
            }
            Self::Dtype(dtype) => write!(f, "elements of type {} do not run", dtype.as_str()),
            Self::Device(candle_core::Error::WithBacktrace { inner, .. }) => {
                write!(f, "the device failed: {inner}")
            }
            Self::Device(error) => write!(f, "the device failed: {error}"),
            Self::Internal(what) => write!(f, "a bug: {what}"),
        }
    }
}

impl std::error::Error for Fault {}

/// What a pass is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Stored statistics, no dropout.
    Evaluate,
    /// Statistics of the batch; dropout passes everything, so that a run can be repeated.
    Train,
}

/// The stored tensors of a layer, by their names within it. Which of them an op asks for is noted.
#[derive(Debug, Default)]
pub struct Stored(SmallVec<[Entry; 2]>);

#[derive(Debug)]
struct Entry {
    name: &'static str,
    tensor: Tensor,
    is_read: AtomicBool,
}

impl Clone for Stored {
    /// The same tensors, of which nothing was read yet.
    fn clone(&self) -> Self {
        self.0.iter().map(|entry| (entry.name, entry.tensor.clone())).collect()
    }
}

impl FromIterator<(&'static str, Tensor)> for Stored {
    fn from_iter<I: IntoIterator<Item = (&'static str, Tensor)>>(tensors: I) -> Self {
        let entry = |(name, tensor)| Entry { name, tensor, is_read: AtomicBool::new(false) };
        Self(tensors.into_iter().map(entry).collect())
    }
}

impl Stored {
    /// One that may be missing.
    pub fn find(&self, name: &str) -> Option<&Tensor> {
        let entry = self.0.iter().find(|entry| entry.name == name)?;
        entry.is_read.store(true, Ordering::Relaxed);
        Some(&entry.tensor)
    }

    /// One that must be there.
    ///
    /// # Errors
    /// Where it is not.
    pub fn get(&self, name: &str) -> Result<&Tensor, Fault> {
        self.find(name).ok_or_else(|| Fault::unrunnable(format!("its stored tensor `{name}` has no values")))
    }

    /// One that must be there if the op has it.
    ///
    /// # Errors
    /// Where it has it, and it is not.
    pub fn get_if(&self, has: bool, name: &str) -> Result<Option<&Tensor>, Fault> {
        has.then(|| self.get(name)).transpose()
    }

    /// Puts another tensor in the place of one that is there.
    pub fn put(&mut self, name: &str, tensor: &Tensor) {
        for entry in self.0.iter_mut().filter(|entry| entry.name == name) {
            entry.tensor = tensor.clone();
        }
    }

    /// All of them, and whether each was asked for since [`Self::forget`].
    pub fn reads(&self) -> impl Iterator<Item = (&'static str, &Tensor, bool)> {
        self.0.iter().map(|entry| (entry.name, &entry.tensor, entry.is_read.load(Ordering::Relaxed)))
    }

    /// From here on nothing was asked for.
    pub fn forget(&self) {
        self.0.iter().for_each(|entry| entry.is_read.store(false, Ordering::Relaxed));
    }
}

/// A forward pass of one node.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The types that flow in and out.
    pub io: Io<'a>,
    /// The data inputs. On the CPU they are contiguous, except for parts of other tensors while training.
    pub inputs: &'a [Tensor],
    /// The stored tensors.
    pub stored: &'a Stored,
    /// What it is for.
    pub mode: Mode,
}

impl Call<'_> {
    /// The shape of an output.
    pub fn shape(&self, output: usize) -> Vec<usize> {
        dims(&self.io.outputs[output])
    }
}

/// A tensor under another shape: a view of it where it is contiguous or nothing but axes of size 1 come or go
/// ([`crate::analysis::memory::views::Reshapes::Contiguous`]).
pub(in crate::ops) fn reshape(of: &Tensor, shape: Vec<usize>) -> candle_core::Result<Tensor> {
    let long = |sizes: &[usize]| sizes.iter().copied().filter(|&size| size != 1).collect::<Vec<_>>();
    if of.is_contiguous() || long(of.dims()) != long(&shape) {
        return of.reshape(shape);
    }
    let short = (0..of.rank()).rev().filter(|&axis| of.dims()[axis] == 1);
    let mut of = short.into_iter().try_fold(of.clone(), |of, axis| of.squeeze(axis))?;
    for (axis, _) in shape.iter().enumerate().filter(|&(_, &size)| size == 1) {
        of = of.unsqueeze(axis)?;
    }
    Ok(of)
}

/// What a forward pass makes.
#[derive(Clone, Debug)]
pub struct Made {
    /// The outputs, in order.
    pub outputs: Tensors,
    /// While training, what backward needs beside inputs and outputs: batch statistics.
    pub kept: SmallVec<[Tensor; 2]>,
}

impl From<Tensor> for Made {
    fn from(output: Tensor) -> Self {
        Self { outputs: smallvec::smallvec![output], kept: SmallVec::new() }
    }
}

impl From<Tensors> for Made {
    fn from(outputs: Tensors) -> Self {
        Self { outputs, kept: SmallVec::new() }
    }
}

/// A backward pass of one node.
#[derive(Clone, Copy, Debug)]
pub struct BackwardCall<'a> {
    /// The types that flow in and out.
    pub io: Io<'a>,
    /// The inputs that were kept, by place.
    pub inputs: &'a [Option<Tensor>],
    /// The outputs, if they were kept.
    pub outputs: &'a [Tensor],
    /// What the forward pass kept beside them.
    pub kept: &'a [Tensor],
    /// The stored tensors.
    pub stored: &'a Stored,
    /// The gradients of the outputs; `None` where nothing that counts reads one.
    pub gradients: &'a [Option<Tensor>],
    /// Which inputs' gradients are wanted.
    pub wanted: &'a [bool],
    /// As in the forward pass.
    pub mode: Mode,
}

impl BackwardCall<'_> {
    /// An input that was kept.
    ///
    /// # Errors
    /// Where the op did not declare it.
    pub fn input(&self, index: usize) -> Result<&Tensor, Fault> {
        let input = self.inputs.get(index).and_then(Option::as_ref);
        input.ok_or(Fault::Internal("an op's backward pass reads an input that it does not declare as kept"))
    }

    /// The first output, which was kept.
    ///
    /// # Errors
    /// Where the op did not declare it.
    pub fn output(&self) -> Result<&Tensor, Fault> {
        let undeclared = "an op's backward pass reads an output that it does not declare as kept";
        self.outputs.first().ok_or(Fault::Internal(undeclared))
    }

    /// The gradient of the only output.
    ///
    /// # Errors
    /// Where there is none; such a node is not run backward.
    pub fn gradient(&self) -> Result<&Tensor, Fault> {
        self.gradients
            .first()
            .and_then(Option::as_ref)
            .ok_or(Fault::Internal("a backward pass without gradient"))
    }

    /// Whether an input's gradient is wanted.
    pub fn wants(&self, input: usize) -> bool {
        self.wanted.get(input).copied().unwrap_or(false)
    }

    /// The shape of an input.
    pub fn shape(&self, input: usize) -> Vec<usize> {
        dims(self.io.inputs[input])
    }
}

/// What a backward pass makes.
#[derive(Clone, Debug, Default)]
pub struct Gradients {
    /// By input; `None` where it is not wanted, or where nothing of the input reaches the output smoothly.
    pub inputs: SmallVec<[Option<Tensor>; 2]>,
    /// By name, of every learned tensor.
    pub stored: SmallVec<[(&'static str, Tensor); 2]>,
}

impl Gradients {
    /// Of the first input only.
    pub fn input(gradient: Tensor) -> Self {
        Self { inputs: smallvec::smallvec![Some(gradient)], stored: SmallVec::new() }
    }

    /// None: the output does not change with small changes of what was read.
    pub fn none() -> Self {
        Self::default()
    }
}

/// Which pass a workspace is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Forward.
    Forward,
    /// Backward.
    Backward,
}

/// How an op runs. None has a default.
pub trait Execute {
    /// Computes the outputs.
    ///
    /// # Errors
    /// [`Fault::Unrunnable`] where the file does not say what would have to be computed; what the device says.
    fn forward(&self, call: &Call<'_>) -> Result<Made, Fault>;

    /// Computes the gradients of the inputs that are wanted and of all learned tensors.
    ///
    /// # Errors
    /// As [`Execute::forward`].
    fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault>;

    /// The most bytes of tensors that a pass on the CPU has in memory at once beside what it reads and gives out.
    ///
    /// # Errors
    /// [`Overflow`] when they do not fit in 64 bits.
    fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow>;
}

/// A size as the CPU counts.
///
/// # Errors
/// Where the CPU has no such numbers.
pub fn size(of: u64) -> Result<usize, Overflow> {
    usize::try_from(of).map_err(|_| Overflow)
}

/// A shape as candle takes it.
pub fn dims(of: &TensorType) -> Vec<usize> {
    // What does not fit in memory cannot be run; the allocation fails and says so.
    of.shape.axes().iter().map(|&axis| usize::try_from(axis).unwrap_or(usize::MAX)).collect()
}

/// The element type that candle has for one of ours; truth values are bytes.
pub fn dtype(of: tensor::DType) -> Option<DType> {
    Some(match of {
        tensor::DType::F64 => DType::F64,
        tensor::DType::F32 => DType::F32,
        tensor::DType::F16 => DType::F16,
        tensor::DType::Bf16 => DType::BF16,
        tensor::DType::I64 => DType::I64,
        tensor::DType::U32 => DType::U32,
        tensor::DType::U8 | tensor::DType::Bool => DType::U8,
        _ => return None,
    })
}
