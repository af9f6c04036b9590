//! Ops for the probe that counts multiply-accumulates: ones in, ones stored, and the sum of what comes out is their
//! number.
//!
//! Padding must go, so that there are ones beside the map too. Of an op with more than one product, such as attention,
//! the sum tells nothing: there every product is probed by itself as it happens.

use std::cell::Cell;

use candle_core::{DType, Tensor};

use super::Fault;
use crate::ops::attribute::{Extra, Padding, Padding1d, Pair};
use crate::ops::window::Window;
use crate::ops::{Conv1d, Conv2d, ConvTranspose2d, Io, LocallyConnected2d, Op, XnorConv2d};
use crate::tensor::TensorType;
use crate::units::{Overflow, sum};

thread_local! {
    /// Multiply-accumulates so far, while products are probed.
    static PRODUCTS: Cell<Option<f64>> = const { Cell::new(None) };
}

/// Whether the sum of what comes out tells nothing of an op's products.
pub fn is_compound(op: &Op) -> bool {
    matches!(op, Op::Attention(_) | Op::Einsum(_))
}

/// The sums of all products of matrices in `run`, each made once more of ones.
pub fn products<R>(run: impl FnOnce() -> R) -> (R, f64) {
    PRODUCTS.set(Some(0.0));
    let made = run();
    (made, PRODUCTS.take().unwrap_or(0.0))
}

/// Takes up one product, while products are probed.
pub(in crate::ops) fn note(a: &Tensor, b: &Tensor) -> Result<(), Fault> {
    if let Some(sum) = PRODUCTS.get() {
        // Doubles have every whole number up to 2^53.
        let ones = |of: &Tensor| Tensor::ones(of.dims(), DType::F64, &candle_core::Device::Cpu);
        let made = ones(a)?.broadcast_matmul(&ones(b)?)?;
        PRODUCTS.set(Some(sum + made.sum_all()?.to_scalar::<f64>()?));
    }
    Ok(())
}

fn windows(kernel: Pair, stride: Pair, dilation: Pair) -> [Window; 2] {
    let (kernel, stride, dilation) = (kernel.get(), stride.get(), dilation.get());
    [0, 1].map(|axis| Window { kernel: kernel[axis], stride: stride[axis], dilation: dilation[axis] })
}

/// The same map with its padding as a part of it.
fn padded(input: &TensorType, windows: [Window; 2], padding: Padding) -> Result<TensorType, Overflow> {
    let &[height, width] = input.spatial() else { return Ok(input.clone()) };
    let [rows, columns] = match padding {
        Padding::Explicit { top, left, bottom, right } => [(top, bottom), (left, right)],
        Padding::Same => [windows[0].same(height)?, windows[1].same(width)?],
    };
    let rank = input.shape.rank();
    let shape = input.shape.with_axis(rank - 2, sum([height, rows.0, rows.1])?);
    let shape = shape.with_axis(rank - 1, sum([width, columns.0, columns.1])?);
    Ok(TensorType { shape, dtype: input.dtype })
}

/// The op over a first input that is padded already: the same windows at the same places. A transposed convolution
/// keeps what its padding would cut off. Ops without padding are given back as they are.
///
/// # Errors
/// When a size does not fit in 64 bits.
pub fn unpadded(op: &Op, io: Io<'_>) -> Result<(Op, Vec<TensorType>), Overflow> {
    let mut inputs: Vec<TensorType> = io.inputs.iter().map(|&input| input.clone()).collect();
    let none = Padding::all(0);
    let op = match op {
        Op::Conv2d(conv) => {
            inputs[0] = padded(&inputs[0], windows(conv.kernel, conv.stride, conv.dilation), conv.padding)?;
            Op::from(Conv2d { padding: none, ..conv.clone() })
        }
        Op::XnorConv2d(conv) => {
            inputs[0] = padded(&inputs[0], windows(conv.kernel, conv.stride, conv.dilation), conv.padding)?;
            Op::from(XnorConv2d { padding: none, ..conv.clone() })
        }
        Op::LocallyConnected2d(conv) => {
            inputs[0] = padded(&inputs[0], windows(conv.kernel, conv.stride, Pair::both(1)), conv.padding)?;
            Op::from(LocallyConnected2d { padding: none, ..conv.clone() })
        }
        Op::Conv1d(conv) => {
            let last = inputs[0].shape.rank() - 1;
            let length = inputs[0].shape.axes()[last];
            let (left, right) = match conv.padding {
                Padding1d::Explicit { left, right } => (left, right),
                Padding1d::Same => {
                    let (kernel, stride, dilation) =
                        (conv.kernel.get(), conv.stride.get(), conv.dilation.get());
                    Window { kernel, stride, dilation }.same(length)?
                }
            };
            inputs[0].shape = inputs[0].shape.with_axis(last, sum([length, left, right])?);
            Op::from(Conv1d { padding: Padding1d::both(0), ..conv.clone() })
        }
        Op::ConvTranspose2d(conv) => {
            Op::from(ConvTranspose2d { padding: none, output_padding: Extra::NONE, ..conv.clone() })
        }
        op => op.clone(),
    };
    Ok((op, inputs))
}
