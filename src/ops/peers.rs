//! What other programs count of an op, beyond what we do: the quantities that conventions weigh.
//!
//! Most follow from an op's cost, weights and types. A few exist only because some program counts an op in a way of
//! its own; those are stated here, one place for all, for they are facts about programs and not about ops.

use super::{Cost, Io, Op, Role, Weight};
use crate::units::{Overflow, product};

macro_rules! quantities {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// What a convention can count of one node, for one image.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Quantity { $($(#[doc = $doc])* $name,)* }

        impl Quantity {
            /// Every quantity, in the order of [`Quantities`].
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What it is, in a line or two.
            pub fn description(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc,)*).trim_ascii(),)* }
            }
        }
    };
}

quantities! {
    /// Multiply-accumulates of convolutions and products; full kernel at borders, no bias.
    Macs,
    /// Elements of the left operand of a product × the last axis of the right one: its MACs, unless the left
    /// operand is broadcast over a batch that only the right one has.
    LeftProducts,
    /// Elements of the first input.
    InputElements,
    /// Elements of the first input of a normalization that has a learned scale; else 0.
    AffineInputElements,
    /// Elements of the output.
    OutputElements,
    /// Output elements × (operands − 1): what a chain of two-operand operations writes. A scalar is an operand.
    PairwiseOutputs,
    /// Output elements that had a bias added.
    BiasedOutputs,
    /// Input elements that pooling windows visit, padding included: `k·k·c·h'·w'`.
    WindowElements,
    /// Additions that sum the rows of a softmax: input elements − rows.
    RowAdditions,
    /// Elements of an attention matrix: heads × queries × keys.
    Scores,
    /// Elements of the kernel of a convolution or the matrix of a linear layer.
    Weights,
    /// Elements of the bias of a convolution or linear layer.
    Biases,
    /// Learned scale and shift of a normalization.
    NormParameters,
    /// Other learned elements, such as the slopes of a PReLU.
    OtherParameters,
    /// Elements of a convolution's kernel × output positions. Its MACs, unless it is transposed: the MACs of a
    /// transposed convolution are its kernel × *input* positions.
    KernelAtOutputs,
    /// MACs of a transposed convolution divided by its groups once more, as calflops does:
    /// `k·k·c_in·⌊c_out/g/g⌋·h·w`.
    RegroupedMacs,
    /// Biased outputs of a transposed convolution if it had `c_out/g` channels and shrank its input as a
    /// convolution does, as calflops takes it: `⌊(n + 2·padding − dilation·(k − 1) − 1)/stride⌋ + 1` an axis.
    ShrunkBiasedOutputs,
    /// Output elements of a nearest-neighbour resize (`nearest`, not `nearest-exact`).
    NearestOutputs,
    /// Output elements of a bilinear resize.
    BilinearOutputs,
    /// Output elements of a bicubic resize.
    BicubicOutputs,
    /// Input elements of a resize by a factor; 0 for one to a size.
    ScaledInputElements,
    /// Output positions, `h'·w'`, of a resize to a size; 0 for one by a factor.
    SizedPositions,
    /// Zeros that a local response normalization puts around its channels: `(size − 1)·h·w`.
    ChannelPadding,
    /// 2 per MAC of a convolution of signs, divided by 32 and rounded down for each image: 32 signs are one word.
    XnorOperations,
}

/// The quantities of one node, or sums of those of several nodes of one op called in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantities([u64; Quantity::ALL.len()]);

impl Quantities {
    /// Nothing to count.
    pub const NONE: Self = Self([0; Quantity::ALL.len()]);

    /// The value of one quantity.
    pub fn get(&self, quantity: Quantity) -> u64 {
        self.0[quantity as usize]
    }

    /// The same with one quantity set.
    #[must_use]
    pub fn with(mut self, quantity: Quantity, value: u64) -> Self {
        self.0[quantity as usize] = value;
        self
    }
}

impl Quantities {
    /// Quantity by quantity, or [`Overflow`].
    pub fn checked_add(&self, other: &Self) -> Result<Self, Overflow> {
        let mut total = *self;
        for (mine, theirs) in total.0.iter_mut().zip(other.0) {
            *mine = mine.checked_add(theirs).ok_or(Overflow)?;
        }
        Ok(total)
    }

    /// Quantity by quantity divided by the number of images; `None` where one does not divide. Learned elements are
    /// not divided.
    pub fn per_image(&self, batch: u64) -> Option<Self> {
        let mut one = *self;
        for (&quantity, value) in Quantity::ALL.iter().zip(&mut one.0) {
            let learned =
                [Quantity::Weights, Quantity::Biases, Quantity::NormParameters, Quantity::OtherParameters];
            if !learned.contains(&quantity) {
                *value = value.checked_div(batch).filter(|part| part * batch == *value)?;
            }
        }
        Some(one)
    }
}

/// The quantities of one node. `weights` are its own; none where it uses another's.
pub fn quantities(op: &Op, io: Io<'_>, cost: &Cost, weights: &[Weight]) -> Result<Quantities, Overflow> {
    let learned = |role: Role| {
        crate::units::sum(
            weights
                .iter()
                .filter(|weight| weight.role == role)
                .map(|weight| weight.shape.elements().unwrap_or(u64::MAX)),
        )
    };
    let norm = learned(Role::Norm)?;
    let operands = io.inputs.len() as u64;
    let common = Quantities::NONE
        .with(Quantity::Macs, cost.macs)
        .with(Quantity::LeftProducts, cost.macs)
        .with(Quantity::KernelAtOutputs, cost.macs)
        .with(Quantity::InputElements, io.input_elements())
        .with(Quantity::AffineInputElements, if norm > 0 { io.input_elements() } else { 0 })
        .with(Quantity::OutputElements, io.output_elements())
        // A lone operand stands beside a scalar.
        .with(Quantity::PairwiseOutputs, product(&[io.output_elements(), operands.max(2) - 1])?)
        .with(Quantity::BiasedOutputs, cost.biased)
        .with(Quantity::WindowElements, cost.window)
        .with(Quantity::Weights, learned(Role::Weight)?)
        .with(Quantity::Biases, learned(Role::Bias)?)
        .with(Quantity::NormParameters, norm)
        .with(Quantity::OtherParameters, learned(Role::Other)?);
    match op {
        Op::Matmul(_) => left_products(io, common),
        Op::Softmax(_) => Ok(common.with(Quantity::RowAdditions, cost.elementary.get(super::Kind::Add))),
        Op::Attention(_) => {
            Ok(common.with(Quantity::Scores, cost.activations.saturating_sub(io.output_elements())))
        }
        Op::Lrn(lrn) => {
            let [input, ..] = io.inputs else { return Ok(common) };
            let positions = input.elements().get() / input.channels().max(1);
            Ok(common.with(Quantity::ChannelPadding, product(&[lrn.size.get() - 1, positions])?))
        }
        Op::Resize(resize) => {
            let mode = match resize.mode {
                super::ResizeMode::Nearest => Quantity::NearestOutputs,
                super::ResizeMode::Linear => Quantity::BilinearOutputs,
                super::ResizeMode::Cubic => Quantity::BicubicOutputs,
            };
            let channels = io.outputs[0].channels().max(1);
            let common = common.with(mode, io.output_elements());
            Ok(match resize.scale {
                Some(_) => common.with(Quantity::ScaledInputElements, io.input_elements()),
                None => common.with(Quantity::SizedPositions, io.output_elements() / channels),
            })
        }
        Op::ConvTranspose2d(conv) => transposed(conv, io, cost, common),
        Op::XnorConv2d(_) => {
            let images = io.outputs[0].shape.axis(0).unwrap_or(1).max(1);
            let words = product(&[2, cost.macs / images])? / 32;
            Ok(common.with(Quantity::XnorOperations, product(&[words, images])?))
        }
        _ => Ok(common),
    }
}

/// Elements of the left operand × the last axis of the right one.
fn left_products(io: Io<'_>, common: Quantities) -> Result<Quantities, Overflow> {
    let [left, _] = io.inputs else { return Ok(common) };
    let columns = io.outputs[0].shape.axes().last().copied().unwrap_or(1);
    Ok(common.with(Quantity::LeftProducts, product(&[left.elements().get(), columns])?))
}

fn transposed(
    conv: &super::ConvTranspose2d,
    io: Io<'_>,
    cost: &Cost,
    common: Quantities,
) -> Result<Quantities, Overflow> {
    let [input] = io.inputs else { return Ok(common) };
    let groups = conv.groups.get();
    let (out, [kh, kw]) = (conv.out_channels.get(), conv.kernel.get());
    let taps = product(&[input.channels(), out / groups, kh, kw])?;
    let positions = io.output_elements() / out;
    let at_inputs = input.elements().get() / input.channels().max(1);
    let common = common.with(Quantity::KernelAtOutputs, product(&[taps, positions])?).with(
        Quantity::RegroupedMacs,
        product(&[kh, kw, input.channels(), out / groups / groups, at_inputs])?,
    );
    if cost.biased == 0 {
        return Ok(common);
    }
    let padding = match conv.padding {
        super::attribute::Padding::Explicit { top, left, .. } => [top, left],
        super::attribute::Padding::Same => [0, 0],
    };
    let (stride, dilation) = (conv.stride.get(), conv.dilation.get());
    let kernel = [kh, kw];
    let shrunk = |axis: usize| {
        let padded = input.spatial()[axis].saturating_add(padding[axis].saturating_mul(2));
        let reach = dilation[axis].saturating_mul(kernel[axis] - 1).saturating_add(1);
        padded.checked_sub(reach).map_or(0, |room| room / stride[axis] + 1)
    };
    let batch = input.shape.axis(0).unwrap_or(1);
    Ok(common.with(Quantity::ShrunkBiasedOutputs, product(&[batch, out / groups, shrunk(0), shrunk(1)])?))
}

/// Whether PyTorch's exporter writes no node for an op in evaluation mode.
pub fn is_left_out(op: &Op) -> bool {
    matches!(op, Op::Dropout(_) | Op::Identity(_))
}

/// Bytes that move between the ONNX nodes that PyTorch's exporter writes for one op, beyond its input and output, if
/// each of those has `bytes`.
pub fn between_exported(op: &Op, bytes: u64) -> u64 {
    let tensors = match op {
        // s = Sigmoid(x), y = Mul(x, s): s twice and x once more.
        Op::Silu(_) => 3,
        // a = Softplus(x), b = Tanh(a), y = Mul(x, b): a and b twice, x once more.
        Op::Mish(_) => 5,
        // Div, Erf, Add, Mul with x, Mul: four tensors twice, x once more; the constants have no axes.
        Op::Gelu(_) => 9,
        _ => 0,
    };
    bytes.saturating_mul(tensors)
}
