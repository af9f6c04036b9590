//! darknet's activation functions as ops.

use super::network::Network;
use super::options::Options;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::Outlet;
use crate::ops::{
    Affine, Div, Elu, Floor, Gelu, GeluApproximate, Hardsigmoid, Hardtanh, LeakyRelu, Mish, Mul, Op,
    ReduceSum, Relu, Relu6, Selu, Sigmoid, Silu, Softmax, Sub, Tanh,
};

/// The names that `activation=` may have.
const NAMES: &[&str] = &[
    "elu",
    "gelu",
    "hard_mish",
    "hardtan",
    "leaky",
    "lhtan",
    "linear",
    "loggy",
    "logistic",
    "mish",
    "normalize_channels",
    "normalize_channels_softmax",
    "normalize_channels_softmax_maxval",
    "plse",
    "ramp",
    "relie",
    "relu",
    "relu6",
    "revleaky",
    "selu",
    "stair",
    "swish",
    "tanh",
];

/// What `activation` says; darknet takes a name that it does not know for `relu`.
pub(super) fn read(options: &mut Options<'_>, default: &'static str) -> &'static str {
    let Some(given) = options.text("activation") else { return default };
    if let Some(known) = NAMES.iter().find(|known| **known == given) {
        return known;
    }
    let span = options.span("activation");
    let word = given.split(['#', ';']).next().unwrap_or("");
    options.warn(
        Diagnostic::warning(
            Code::UnknownName,
            format!("there is no activation `{given}`, and darknet takes relu"),
        )
        .at(span, "relu is counted")
        .did_you_mean(word, NAMES.iter().copied()),
    );
    "relu"
}

/// Adds an activation's nodes; `linear` has none.
pub(super) fn add(
    name: &'static str,
    input: Outlet,
    options: &mut Options<'_>,
    network: &mut Network,
) -> Option<Outlet> {
    let leaky = |negative_slope: f64| LeakyRelu { negative_slope, inplace: false };
    let affine = |scale: f64, shift: f64| Affine { scale, shift };
    let op: Op = match name {
        "linear" => return Some(input),
        "elu" => Elu { alpha: 1.0, inplace: false }.into(),
        "gelu" => Gelu { approximate: GeluApproximate::Tanh }.into(),
        "hardtan" => Hardtanh { min_val: -1.0, max_val: 1.0 }.into(),
        "leaky" | "revleaky" => leaky(0.1).into(),
        "logistic" => Sigmoid {}.into(),
        "mish" => Mish {}.into(),
        "normalize_channels_softmax" | "normalize_channels_softmax_maxval" => Softmax { axis: 1 }.into(),
        "relie" => leaky(0.01).into(),
        "relu" => Relu {}.into(),
        "relu6" => Relu6 {}.into(),
        "selu" => Selu { inplace: false }.into(),
        "swish" => Silu {}.into(),
        "tanh" => Tanh {}.into(),
        _ => {
            let mut node = |part: &str, op: Op, inputs: &[Outlet]| {
                network.add(&format!("{name}_{part}"), op, inputs, options)
            };
            return match name {
                "loggy" => {
                    let logistic = node("logistic", Sigmoid {}.into(), &[input])?;
                    node("scale", affine(2.0, -1.0).into(), &[logistic])
                }
                // x·1.1 above 0, x·0.1 below.
                "ramp" => {
                    let bent = node("leaky", leaky(1.0 / 11.0).into(), &[input])?;
                    node("scale", affine(1.1, 0.0).into(), &[bent])
                }
                // x·max(0, min(1, x/2 + 1))
                "hard_mish" => {
                    let gate = node("gate", Hardsigmoid { alpha: 0.5, beta: 1.0 }.into(), &[input])?;
                    node("product", Mul {}.into(), &[input, gate])
                }
                // With c = x cut off at ±4: x/8 + 1/2 within, slope 1/100 without.
                "plse" => {
                    let cut = node("cut", Hardtanh { min_val: -4.0, max_val: 4.0 }.into(), &[input])?;
                    let inner = node("inner", affine(-0.115, 0.0).into(), &[cut])?;
                    let outer = node("outer", affine(0.01, 0.5).into(), &[input])?;
                    node("difference", Sub {}.into(), &[outer, inner])
                }
                // With c = x cut off at 0 and 1: c + (x − c)/1000.
                "lhtan" => {
                    let cut = node("cut", Hardtanh { min_val: 0.0, max_val: 1.0 }.into(), &[input])?;
                    let inner = node("inner", affine(-0.999, 0.0).into(), &[cut])?;
                    let outer = node("outer", affine(0.001, 0.0).into(), &[input])?;
                    node("difference", Sub {}.into(), &[outer, inner])
                }
                // With f = ⌊x/2⌋: f + max(0, x − 2f − 1).
                "stair" => {
                    let half = node("half", affine(0.5, 0.0).into(), &[input])?;
                    let floor = node("floor", Floor {}.into(), &[half])?;
                    let step = node("step", affine(2.0, 1.0).into(), &[floor])?;
                    let above = node("above", Sub {}.into(), &[input, step])?;
                    let rise = node("rise", Relu {}.into(), &[above])?;
                    let fall = node("fall", affine(-1.0, 0.0).into(), &[rise])?;
                    node("difference", Sub {}.into(), &[floor, fall])
                }
                // What remains: normalize_channels. With r = max(0, x): r / (Σ r + 1/10000), the sum over channels.
                _ => {
                    let positive = node("relu", Relu {}.into(), &[input])?;
                    let sum = node("sum", ReduceSum { axes: vec![1], keep_dims: true }.into(), &[positive])?;
                    let divisor = node("divisor", affine(1.0, 0.0001).into(), &[sum])?;
                    node("quotient", Div {}.into(), &[positive, divisor])
                }
            };
        }
    };
    network.add(name, op, &[input], options)
}
