//! The ops: one file each, one enum of them all, and the facts that every one has to state.
//!
//! A fact about an op has no default body: an op that forgets its cost does not compile. To add an op, write
//! `ops/NAME.rs` and add its word to the list at [`Op`]; a test finds files that are not listed.

pub mod attribute;
pub mod channels;
pub mod cost;
mod elementwise;
#[cfg(feature = "exec")]
pub mod execute;
mod norm;
pub mod peers;
mod reduction;
mod shape;
mod window;

use std::ops::RangeInclusive;

use smallvec::SmallVec;

pub use attribute::{Attribute, Attributes, Settings};
pub use channels::{Channels, Run};
pub use cost::{Cost, Elementary, Kind};

use crate::diagnostic::{Code, Diagnostic};
use crate::tensor::{TensorShape, TensorType};
use crate::units::Overflow;

/// The types of an op's outputs.
pub type Outputs = SmallVec<[TensorType; 1]>;

/// One output of the given type.
pub fn one(output: TensorType) -> Result<Outputs, Box<Mismatch>> {
    Ok(smallvec::smallvec![output])
}

/// The types that flow into and out of one node.
#[derive(Clone, Copy, Debug)]
pub struct Io<'a> {
    /// The data inputs in order; weights are not among them.
    pub inputs: &'a [&'a TensorType],
    /// The outputs in order.
    pub outputs: &'a [TensorType],
}

impl Io<'_> {
    /// Elements of the first input; 0 without inputs.
    pub fn input_elements(&self) -> u64 {
        self.inputs.first().map_or(0, |input| input.elements().get())
    }

    /// Elements of the first output.
    pub fn output_elements(&self) -> u64 {
        self.outputs.first().map_or(0, |output| output.elements().get())
    }
}

/// Why an op cannot take the inputs it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Its kind.
    pub code: Code,
    /// One sentence, lower case, without the op's name.
    pub message: String,
    /// What is wrong with which input: shown at the layers that produce them.
    pub inputs: Vec<(usize, String)>,
    /// The attribute at fault.
    pub attribute: Option<&'static str>,
    /// The way out.
    pub help: Option<String>,
}

impl Mismatch {
    /// A mismatch of this kind.
    pub fn new(code: Code, message: impl Into<String>) -> Box<Self> {
        Box::new(Self { code, message: message.into(), inputs: Vec::new(), attribute: None, help: None })
    }

    /// Points at an input.
    #[must_use]
    pub fn input(mut self: Box<Self>, index: usize, text: impl Into<String>) -> Box<Self> {
        self.inputs.push((index, text.into()));
        self
    }

    /// Points at an attribute.
    #[must_use]
    pub fn attribute(mut self: Box<Self>, name: &'static str) -> Box<Self> {
        self.attribute = Some(name);
        self
    }

    /// Tells the way out.
    #[must_use]
    pub fn help(mut self: Box<Self>, text: impl Into<String>) -> Box<Self> {
        self.help = Some(text.into());
        self
    }
}

impl From<Overflow> for Box<Mismatch> {
    fn from(overflow: Overflow) -> Self {
        Mismatch::new(Code::Overflow, overflow.to_string())
    }
}

/// What a stored tensor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Learned: the kernel of a convolution or the matrix of a linear layer.
    Weight,
    /// Learned: added to the outputs of a convolution or linear layer.
    Bias,
    /// Learned: scale and shift of a normalization.
    Norm,
    /// Learned: anything else (slopes of a PReLU, position embeddings).
    Other,
    /// Stored but not learned: running statistics, fixed filters.
    Buffer,
}

impl Role {
    /// Every role.
    pub const ALL: &[Self] = &[Self::Weight, Self::Bias, Self::Norm, Self::Other, Self::Buffer];

    /// Its name in architecture files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Bias => "bias",
            Self::Norm => "norm",
            Self::Other => "other",
            Self::Buffer => "buffer",
        }
    }

    /// The role of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|role| role.name() == name)
    }
}

/// A tensor that an op stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weight {
    /// Its name within the layer, as in a PyTorch `state_dict`.
    pub name: &'static str,
    /// Its shape.
    pub shape: TensorShape,
    /// What it is for.
    pub role: Role,
}

impl Weight {
    /// A stored tensor.
    pub fn new(name: &'static str, shape: impl Into<TensorShape>, role: Role) -> Self {
        Self { name, shape: shape.into(), role }
    }
}

/// The stored tensors of one op.
pub type Weights = SmallVec<[Weight; 2]>;

/// What sort of work an op is; conventions, CIO and kernel fusion are rules over these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// A graph input or a constant: no work.
    Source,
    /// conv1d, conv2d, conv_transpose2d.
    Convolution,
    /// A learned matrix.
    Linear,
    /// Products of activations: matmul, attention.
    Product,
    /// Batch, layer, group, instance norm, lrn.
    Normalization,
    /// Elementwise functions of one tensor, softmax.
    Activation,
    /// Max and average pooling over windows.
    Pooling,
    /// Pooling of the whole map to one element a channel, or to a fixed size.
    GlobalPooling,
    /// Elementwise functions of several tensors.
    Arithmetic,
    /// Sums, means, maxima over axes.
    Reduction,
    /// Data is moved, joined, cut or renamed.
    Movement,
}

/// Where an op's outputs live in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In memory of their own.
    New,
    /// In memory of their own, but an input of equal bytes that dies here may be overwritten.
    Overwrites,
    /// In the first input's memory: nothing moves (reshape, flatten, identity, dropout at inference).
    Alias,
    /// Each in a part of the first input's memory, where the caller allows views (slice, split).
    PartOfInput,
    /// The inputs may live inside the output, where the caller allows views (concat).
    JoinOfInputs,
}

/// Which inputs of an op its backward pass still needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptInputs {
    /// None.
    None,
    /// The first.
    First,
    /// All.
    All,
}

/// What backward needs of the forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Inputs that must stay alive.
    pub inputs: KeptInputs,
    /// Whether the outputs must stay alive.
    pub outputs: bool,
    /// Bytes beside those: indices of a max pool, masks, batch statistics.
    pub bytes: u64,
}

impl Kept {
    /// Nothing is kept.
    pub const NOTHING: Self = Self { inputs: KeptInputs::None, outputs: false, bytes: 0 };
    /// The first input is kept.
    pub const INPUT: Self = Self { inputs: KeptInputs::First, outputs: false, bytes: 0 };
    /// All inputs are kept.
    pub const INPUTS: Self = Self { inputs: KeptInputs::All, outputs: false, bytes: 0 };
    /// The output is kept.
    pub const OUTPUT: Self = Self { inputs: KeptInputs::None, outputs: true, bytes: 0 };

    /// The same and some bytes more.
    #[must_use]
    pub fn and_bytes(self, bytes: u64) -> Self {
        Self { bytes: self.bytes.saturating_add(bytes), ..self }
    }
}

/// How an op's outputs lie in its first input's memory while training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// Not at all: they have memory of their own.
    Own,
    /// As the input does.
    Whole,
    /// Each a range of the input along an axis.
    Parts,
    /// Some indices of one axis.
    Stepped {
        /// The axis.
        axis: usize,
        /// From one index to the next.
        step: u64,
    },
    /// With its axes in another order: by the output's, the input's.
    Permuted(Vec<usize>),
    /// With axes of size 1 repeated, and new ones in front.
    Expanded,
    /// The same elements in order under another shape, where the input's memory allows it; else a copy.
    Reshaped,
}

/// What an op's backward pass costs and keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backward {
    /// Multiply-accumulates for the gradients of all data inputs.
    pub grad_input_macs: u64,
    /// Multiply-accumulates for the gradients of the weights.
    pub grad_weight_macs: u64,
    /// What PyTorch's autograd saves for this op in training mode (derivatives.yaml).
    pub eager: Kept,
    /// The least that a hand-written rule needs.
    pub minimal: Kept,
    /// How its outputs are views of its first input in training, where nothing is overwritten and every view is
    /// allowed, whatever [`Operator::storage`] says: a transpose moves nothing, a dropout makes a new tensor.
    pub view: View,
}

impl Backward {
    /// A backward pass without multiply-accumulates that keeps the same in both profiles.
    pub fn keeps(kept: Kept) -> Self {
        Self { grad_input_macs: 0, grad_weight_macs: 0, eager: kept, minimal: kept, view: View::Own }
    }

    /// That of an op that keeps nothing and gives out views of its input.
    pub fn views(view: View) -> Self {
        Self { view, ..Self::keeps(Kept::NOTHING) }
    }
}

/// The facts of one op. None has a default.
pub trait Operator {
    /// How many data inputs it takes.
    fn arity(&self) -> RangeInclusive<usize>;

    /// The types of its outputs, or why the inputs do not fit. The number of inputs is within [`Operator::arity`].
    ///
    /// # Errors
    /// A [`Mismatch`] that names the input or attribute at fault.
    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>>;

    /// What it stores, given inputs that [`Operator::infer`] accepted.
    fn weights(&self, inputs: &[&TensorType]) -> Weights;

    /// What sort of work it is.
    fn family(&self) -> Family;

    /// Multiply-accumulates and elementary operations of one forward pass in evaluation mode.
    ///
    /// # Errors
    /// [`Overflow`] when a count does not fit in 64 bits.
    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow>;

    /// Where its outputs live.
    fn storage(&self) -> Storage;

    /// What its backward pass costs and keeps.
    ///
    /// # Errors
    /// [`Overflow`] when a count does not fit in 64 bits.
    fn backward(&self, io: Io<'_>) -> Result<Backward, Overflow>;

    /// How the channels of one output come from those of the inputs.
    fn channels(&self, io: Io<'_>, output: usize) -> Channels;
}

/// One entry of the list of ops.
#[derive(Clone, Copy)]
pub struct OpInfo {
    /// Its name in architecture files.
    pub name: &'static str,
    /// Its manual page, in Markdown.
    pub doc: &'static str,
    /// Its attributes in order.
    pub attributes: &'static [Attribute],
    /// Builds it from attribute values.
    pub read: fn(&Settings<'_>) -> Result<Op, Vec<Diagnostic>>,
}

impl OpInfo {
    /// The op of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        Op::ALL.binary_search_by(|info| info.name.cmp(name)).ok().map(|index| &Op::ALL[index])
    }

    /// The first sentence of its manual page.
    pub fn summary(&self) -> &'static str {
        self.doc.split("\n\n").next().unwrap_or("").trim()
    }
}

impl std::fmt::Debug for OpInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

macro_rules! ops {
    ($($module:ident :: $name:ident,)*) => {
        $(mod $module; pub use $module::*;)*

        /// Any op. Two equal ops do the same work on equal inputs.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Op { $(#[doc = concat!("See [`struct@", stringify!($name), "`].")] $name($name),)* }

        impl Op {
            /// Every op, by name.
            pub const ALL: &[OpInfo] = &[$(OpInfo {
                name: $name::NAME,
                doc: $name::DOC,
                attributes: $name::ATTRIBUTES,
                read: |settings| $name::read(settings).map(Op::$name),
            },)*];

            /// The name in architecture files.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => $name::NAME,)* }
            }

            /// The attributes as an architecture file spells them; those at their default are left out.
            pub fn settings(&self) -> Vec<(&'static str, serde_json::Value)> {
                match self { $(Self::$name(op) => op.write(),)* }
            }
        }

        $(impl From<$name> for Op {
            fn from(op: $name) -> Self { Op::$name(op) }
        })*

        impl Operator for Op {
            fn arity(&self) -> RangeInclusive<usize> {
                match self { $(Self::$name(op) => op.arity(),)* }
            }
            fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
                match self { $(Self::$name(op) => op.infer(inputs),)* }
            }
            fn weights(&self, inputs: &[&TensorType]) -> Weights {
                match self { $(Self::$name(op) => op.weights(inputs),)* }
            }
            fn family(&self) -> Family {
                match self { $(Self::$name(op) => op.family(),)* }
            }
            fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
                match self { $(Self::$name(op) => op.cost(io),)* }
            }
            fn storage(&self) -> Storage {
                match self { $(Self::$name(op) => op.storage(),)* }
            }
            fn backward(&self, io: Io<'_>) -> Result<Backward, Overflow> {
                match self { $(Self::$name(op) => op.backward(io),)* }
            }
            fn channels(&self, io: Io<'_>, output: usize) -> Channels {
                match self { $(Self::$name(op) => op.channels(io, output),)* }
            }
        }

        #[cfg(feature = "exec")]
        impl execute::Execute for Op {
            fn forward(&self, call: &execute::Call<'_>) -> Result<execute::Made, execute::Fault> {
                match self { $(Self::$name(op) => op.forward(call),)* }
            }
            fn gradients(
                &self,
                call: &execute::BackwardCall<'_>,
            ) -> Result<execute::Gradients, execute::Fault> {
                match self { $(Self::$name(op) => op.gradients(call),)* }
            }
            fn workspace(&self, io: Io<'_>, pass: execute::Pass) -> Result<u64, Overflow> {
                match self { $(Self::$name(op) => op.workspace(io, pass),)* }
            }
        }
    };
}

// In the order of their names.
ops! {
    abs::Abs,
    adaptive_avg_pool2d::AdaptiveAvgPool2d,
    adaptive_max_pool2d::AdaptiveMaxPool2d,
    add::Add,
    affine::Affine,
    argmax::Argmax,
    attention::Attention,
    avg_pool2d::AvgPool2d,
    batch_norm::BatchNorm,
    blur_pool2d::BlurPool2d,
    cast::Cast,
    ceil::Ceil,
    celu::Celu,
    channel_max_pool::ChannelMaxPool,
    channel_shuffle::ChannelShuffle,
    compare::Compare,
    concat::Concat,
    constant::Constant,
    conv1d::Conv1d,
    conv2d::Conv2d,
    conv_transpose2d::ConvTranspose2d,
    cos::Cos,
    cum_sum::CumSum,
    depth_to_space::DepthToSpace,
    dequantize::Dequantize,
    div::Div,
    dropout::Dropout,
    einsum::Einsum,
    elu::Elu,
    embedding::Embedding,
    erf::Erf,
    exp::Exp,
    expand::Expand,
    flatten::Flatten,
    floor::Floor,
    gather::Gather,
    gather_elements::GatherElements,
    gather_nd::GatherNd,
    gelu::Gelu,
    global_avg_pool::GlobalAvgPool,
    global_max_pool::GlobalMaxPool,
    grid_sample::GridSample,
    group_norm::GroupNorm,
    hardsigmoid::Hardsigmoid,
    hardswish::Hardswish,
    hardtanh::Hardtanh,
    identity::Identity,
    input::Input,
    instance_norm::InstanceNorm,
    layer_norm::LayerNorm,
    leaky_relu::LeakyRelu,
    linear::Linear,
    locally_connected2d::LocallyConnected2d,
    log::Log,
    log_softmax::LogSoftmax,
    logic::Logic,
    lp_pool2d::LpPool2d,
    lrn::Lrn,
    matmul::Matmul,
    max_pool2d::MaxPool2d,
    maximum::Maximum,
    minimum::Minimum,
    mish::Mish,
    modulo::Modulo,
    mul::Mul,
    neg::Neg,
    one_hot::OneHot,
    pad::Pad,
    pow::Pow,
    prelu::Prelu,
    quantize::Quantize,
    reciprocal::Reciprocal,
    reduce_l2::ReduceL2,
    reduce_max::ReduceMax,
    reduce_mean::ReduceMean,
    reduce_min::ReduceMin,
    reduce_prod::ReduceProd,
    reduce_sum::ReduceSum,
    relu::Relu,
    relu6::Relu6,
    reshape::Reshape,
    resize::Resize,
    rms_norm::RmsNorm,
    roi_align::RoiAlign,
    round::Round,
    scatter::Scatter,
    selu::Selu,
    sigmoid::Sigmoid,
    silu::Silu,
    sin::Sin,
    slice::Slice,
    softmax::Softmax,
    softplus::Softplus,
    softsign::Softsign,
    space_to_depth::SpaceToDepth,
    split::Split,
    sqrt::Sqrt,
    squeeze::Squeeze,
    sub::Sub,
    tanh::Tanh,
    tile::Tile,
    top_k::TopK,
    transpose::Transpose,
    trilu::Trilu,
    unary::Unary,
    unknown::Unknown,
    unsqueeze::Unsqueeze,
    weighted_add::WeightedAdd,
    r#where::Where,
    xnor_conv2d::XnorConv2d,
}

#[cfg(test)]
mod tests;
