//! From ONNX ops to ours: one file a family, each with a table of op types.

mod activation;
mod arithmetic;
mod constant;
mod convolution;
mod fused;
mod indexing;
mod layout;
mod norm;
mod pool;
mod product;
mod quantized;
mod reduction;
mod resize;
mod sequence;
mod view;

use super::call::{Call, Stop, Values};

/// Makes nodes of ours of one ONNX node.
pub(super) type Handler = for<'i, 'f, 'm> fn(&mut Call<'i, 'f, 'm>) -> Result<Values, Stop>;

/// What one family knows.
type Table = fn(&str) -> Option<Handler>;

/// The domain `ai.onnx`.
const ONNX: &[Table] = &[
    activation::find,
    arithmetic::find,
    layout::find,
    convolution::find,
    norm::find,
    view::find,
    pool::find,
    constant::find,
    product::find,
    indexing::find,
    reduction::find,
    resize::find,
    quantized::find,
    sequence::find,
];

/// The function for an op of a domain.
pub(super) fn find(domain: &str, op: &str) -> Option<Handler> {
    match domain {
        "" => ONNX.iter().find_map(|table| table(op)),
        // onnxruntime's own ops.
        "com.microsoft" => fused::find(op).or_else(|| quantized::find_microsoft(op)),
        _ => None,
    }
}
