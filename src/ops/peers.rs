//! What other programs count of an op, beyond what we do: the quantities that conventions weigh.
//!
//! Most follow from an op's cost, weights and types. A few exist only because some program counts an op in a way of
//! its own; those are stated here, one place for all, for they are facts about programs and not about ops.

use super::{Cost, Io, Op, Operator, Role, Weight};
use crate::units::{Overflow, product};

macro_rules! quantities {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// What a convention can count of one node, for one image.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Quantity { $($(#[doc = $doc])* $name,)* }

        impl Quantity {
            /// Every quantity, in the order of [`Quantities`].
            pub const ALL: &[Self] = &[$(Self::$name,)*];
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

