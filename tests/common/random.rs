//! Random networks.

use csp_profile::frontend::LoadOptions;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::Network;

/// One random layer: what it does, and what it reads of those before it.
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    kind: u8,
    reads: [Index; 2],
    size: u64,
    flag: bool,
    stage: u8,
}

pub(crate) fn draw() -> impl Strategy<Value = Draw> {
    (any::<u8>(), any::<[Index; 2]>(), 1u64..6, any::<bool>(), 0u8..4)
        .prop_map(|(kind, reads, size, flag, stage)| Draw { kind, reads, size, flag, stage })
}

/// A network of named layers that all name what they read.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    pub(crate) layers: Vec<Value>,
    outputs: Vec<String>,
    inputs: Value,
}

impl Random {
    /// Follows the draws, shapes `[c, h, w]` at hand, so that every layer fits.
    fn new(draws: &[Draw]) -> Self {
        let mut tensors: Vec<(String, [u64; 3])> =
            vec![("image".into(), [8, 12, 10]), ("other".into(), [4, 12, 10])];
        let mut layers: Vec<Value> = Vec::new();
        for (index, draw) in draws.iter().enumerate() {
            let (x, shape) = tensors[draw.reads[0].index(tensors.len())].clone();
            let [c, h, w] = shape;
            let fits = |alike: &dyn Fn([u64; 3]) -> bool| {
                let all: Vec<_> = tensors.iter().filter(|(_, other)| alike(*other)).collect();
                all[draw.reads[1].index(all.len())].clone()
            };
            let name = format!("n{index}");
            let mut layer = json!({"name": name, "inputs": x});
            let mut made = vec![(name.clone(), shape)];
            let mut set = |pairs: &[(&str, Value)]| {
                for (key, value) in pairs {
                    layer[*key] = value.clone();
                }
            };
            match draw.kind % 12 {
                0 | 1 => {
                    let (kernel, out) = (if draw.flag { 3 } else { 1 }, 4 * draw.size);
                    set(&[
                        ("op", "conv2d".into()),
                        ("kernel", kernel.into()),
                        ("padding", (kernel / 2).into()),
                        ("out_channels", out.into()),
                        ("bias", (draw.kind % 2 == 0).into()),
                        ("groups", (if c % 4 == 0 && draw.size > 3 { 4 } else { 1 }).into()),
                    ]);
                    made[0].1 = [out, h, w];
                }
                2 => set(&[("op", "relu".into())]),
                3 => set(&[("op", "batch_norm".into())]),
                4 => {
                    let (y, other) = fits(&|other| other[1..] == shape[1..]);
                    set(&[("op", "concat".into()), ("inputs", json!([x, y]))]);
                    made[0].1 = [c + other[0], h, w];
                    if c + other[0] > 200 {
                        continue;
                    }
                }
                5 => {
                    let (y, _) = fits(&|other| other == shape);
                    set(&[("op", (if draw.flag { "add" } else { "mul" }).into()), ("inputs", json!([x, y]))]);
                }
                6 if h > 2 && w > 2 => {
                    let op = if draw.flag { "max_pool2d" } else { "avg_pool2d" };
                    set(&[("op", op.into()), ("kernel", 2.into()), ("stride", 2.into())]);
                    made[0].1 = [c, h / 2, w / 2];
                }
                7 if c > 1 => {
                    let start = draw.size % c;
                    set(&[("op", "slice".into()), ("start", start.into())]);
                    made[0].1 = [c - start, h, w];
                }
                8 if c % 2 == 0 => {
                    set(&[("op", "split".into()), ("parts", 2.into())]);
                    made = (0..2).map(|port| (format!("{name}:{port}"), [c / 2, h, w])).collect();
                }
                9 => {
                    set(&[("block", "unit".into()), ("with", json!({"width": draw.size}))]);
                    made[0].1 = [draw.size, h, w];
                }
                10 => {
                    // In the group each round reads the round before.
                    set(&[("layers", json!([{"block": "grow", "repeat": draw.size}]))]);
                    made[0].1 = [c + 2 * draw.size, h, w];
                    if c > 150 {
                        continue;
                    }
                }
                _ => set(&[("op", (if draw.flag { "sigmoid" } else { "softmax" }).into())]),
            }
            if draw.stage > 0 {
                set(&[("stage", format!("s{}", draw.stage).into())]);
            }
            layers.push(layer);
            tensors.extend(made);
        }
        // Everything is an output, so that nothing is unused.
        let outputs = tensors.into_iter().map(|(name, _)| name).collect();
        Self { layers, outputs, inputs: json!({"image": [8, 12, 10], "other": [4, 12, 10]}) }
    }

    pub(crate) fn text(&self) -> String {
        let blocks = json!({
            "unit": {"arguments": {"width": null}, "layers": [
                {"op": "conv2d", "out_channels": "width", "kernel": 1},
                {"op": "batch_norm"}, {"op": "relu"}
            ]},
            "grow": {"layers": [
                {"block": "unit", "with": {"width": 2}},
                {"op": "concat", "inputs": ["input", "previous"]}
            ]}
        });
        json!({"inputs": self.inputs, "blocks": blocks, "layers": self.layers, "outputs": self.outputs})
            .to_string()
    }

    pub(crate) fn read(&self, options: &LoadOptions) -> Network {
        Network::read("random.json", &self.text(), options)
            .unwrap_or_else(|error| panic!("{error}\n{}", self.text()))
    }
}

pub(crate) fn random() -> impl Strategy<Value = Random> {
    proptest::collection::vec(draw(), 1..40).prop_map(|draws| Random::new(&draws))
}
