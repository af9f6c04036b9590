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
    Abs
    Affine
    Argmax
    Attention
    Cast
    Ceil
    Celu
    ChannelShuffle
    Compare
    Constant
    Conv1d
    ConvTranspose2d
    Cos
    CumSum
    DepthToSpace
    Dequantize
    Div
    Dropout
    Einsum
    Elu
    Embedding
    Erf
    Exp
    Expand
    Floor
    Gather
    GatherElements
    GatherNd
    Gelu
    GlobalMaxPool
    GridSample
    GroupNorm
    Hardsigmoid
    Hardswish
    Hardtanh
    Input
    InstanceNorm
    LayerNorm
    LocallyConnected2d
    Log
    LogSoftmax
    Logic
    Lrn
    Matmul
    Maximum
    Minimum
    Mish
    Modulo
    Mul
    Neg
    OneHot
    Pad
    Pow
    Prelu
    Quantize
    Reciprocal
    ReduceL2
    ReduceMax
    ReduceMean
    ReduceMin
    ReduceProd
    ReduceSum
    Relu6
    Resize
    RmsNorm
    RoiAlign
    Round
    Scatter
    Selu
    Sigmoid
    Sin
    Slice
    Softmax
    Softplus
    Softsign
    SpaceToDepth
    Split
    Sqrt
    Sub
    Tanh
    Tile
    TopK
    Transpose
    Trilu
    Unary
    Unknown
    WeightedAdd
    Where
    XnorConv2d
}
