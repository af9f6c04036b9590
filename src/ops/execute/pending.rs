//! Ops whose execution is still to be written: they say so.

use super::{BackwardCall, Call, Execute, Fault, Gradients, Made, Pass};
use crate::ops;
use crate::ops::Io;
use crate::units::Overflow;

macro_rules! pending {
    ($($name:ident)*) => {$(
        impl Execute for ops::$name {
            fn forward(&self, _: &Call<'_>) -> Result<Made, Fault> {
                Err(Fault::unrunnable(concat!(stringify!($name), " does not run yet")))
            }
            fn gradients(&self, _: &BackwardCall<'_>) -> Result<Gradients, Fault> {
                Err(Fault::unrunnable(concat!(stringify!($name), " does not run yet")))
            }
            fn workspace(&self, _: Io<'_>, _: Pass) -> Result<u64, Overflow> {
                Ok(0)
            }
        }
    )*};
}

pending! {
    AdaptiveAvgPool2d
    AdaptiveMaxPool2d
    Attention
    AvgPool2d
    BlurPool2d
    Cast
    ChannelMaxPool
    ChannelShuffle
    Constant
    Conv1d
    ConvTranspose2d
    DepthToSpace
    Dequantize
    Dropout
    Einsum
    Embedding
    Expand
    Gather
    GatherElements
    GatherNd
    GridSample
    Input
    LocallyConnected2d
    Logic
    LpPool2d
    Lrn
    Matmul
    MaxPool2d
    OneHot
    Pad
    Prelu
    Quantize
    Resize
    RoiAlign
    Scatter
    Slice
    SpaceToDepth
    Split
    Tile
    TopK
    Transpose
    Trilu
    Unknown
    WeightedAdd
    XnorConv2d
}
