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
    Cast
    Ceil
    Celu
    Compare
    Cos
    CumSum
    Dequantize
    Div
    Dropout
    Elu
    Erf
    Exp
    Floor
    Gelu
    GlobalMaxPool
    GroupNorm
    Hardsigmoid
    Hardswish
    Hardtanh
    InstanceNorm
    LayerNorm
    Log
    LogSoftmax
    Logic
    Lrn
    Maximum
    Minimum
    Mish
    Modulo
    Mul
    Neg
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
    RmsNorm
    Round
    Selu
    Sigmoid
    Sin
    Softmax
    Softplus
    Softsign
    Sqrt
    Sub
    Tanh
    Trilu
    Unary
    WeightedAdd
    Where
}
