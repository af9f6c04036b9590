//! Networks drawn by chance, to time nodes as they run in a network: with inputs that were just written and weights that
//! were not read for a while. None is a network that anyone published.

use serde_json::{Value, json};

/// Draws from the stream of a name and a seed.
struct Draw<I>(I);

impl<I: Iterator<Item = u64>> Draw<I> {
    /// From 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    fn unit(&mut self) -> f64 {
        // The stream has no end.
        (self.0.next().unwrap_or(0) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn chance(&mut self, of: f64) -> bool {
        self.unit() < of
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "below"
    )]
    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[((self.unit() * of.len() as f64) as usize).min(of.len() - 1)]
    }

    /// Between two sizes, each doubling equally likely; a multiple of 8, 16 or 32 mostly, as channels are.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between the two")]
    fn channels(&mut self, low: f64, high: f64) -> u64 {
        let size = (low * (high / low).powf(self.unit())).round().max(1.0) as u64;
        let of = self.pick(&[8, 16, 32, 32]);
        if size >= 2 * of && self.chance(0.93) { size / of * of } else { size }
    }
}

/// A tensor of the network that grows: its name, channels and size.
#[derive(Clone, Debug)]
struct Map {
    name: String,
    channels: u64,
    size: u64,
}

/// Elements of one tensor at most for so many multiply-accumulates of one layer at most; both for the whole batch.
const MACS_FOR_ELEMENT: u64 = 75;
/// Elements of one kernel at most.
const MOST_WEIGHTS: u64 = 8_000_000;
/// Layers of one network, about.
const LAYERS: usize = 24;

struct Growing<I> {
    draw: Draw<I>,
    layers: Vec<Value>,
    batch: u64,
    /// Multiply-accumulates of one layer at most.
    largest: u64,
    now: Map,
    /// Tensors that others may still be added to or joined with.
    earlier: Vec<Map>,
}

/// An architecture file and the batch that it is run at: number `index` of a seed. No layer has more than `largest`
/// multiply-accumulates.
pub fn network(seed: u64, index: usize, largest: u64) -> (String, u64) {
    let mut draw = Draw(crate::seed::numbers(&format!("calibrate.{index}"), seed));
    let batch = draw.pick(&[1, 1, 1, 1, 2, 4, 8, 8]);
    if draw.chance(0.08) {
        return (tokens(&mut draw, largest), batch);
    }
    let mut size = draw.pick(&[320, 256, 224, 224, 192, 160, 128, 112, 96, 64, 56, 56, 32, 28]);
    while size > 8 && batch * 64 * size * size > largest / MACS_FOR_ELEMENT {
        size /= 2;
    }
    let channels = if draw.chance(0.6) { 3 } else { draw.channels(8.0, 64.0) };
    let now = Map { name: "x".into(), channels, size };
    let mut growing = Growing { draw, layers: Vec::new(), batch, largest, now, earlier: Vec::new() };
    growing.stem();
    while growing.layers.len() < LAYERS {
        growing.grow();
    }
    if growing.draw.chance(0.6) {
        growing.head();
    }
    let file = json!({"inputs": {"x": [channels, size, size]}, "layers": growing.layers});
    (file.to_string(), batch)
}

/// Layers on a sequence of tokens.
fn tokens<I: Iterator<Item = u64>>(draw: &mut Draw<I>, largest: u64) -> String {
    let (mut count, mut width) =
        (draw.pick(&[16u64, 49, 50, 64, 128, 196, 197]), 64 * draw.pick(&[1u64, 2, 3, 4, 6, 8]));
    while count * width * width > largest / 32 && width > 8 {
        (count, width) = (count.div_ceil(2), width / 2);
    }
    let mut layers = Vec::new();
    for block in 0..3 {
        let (start, last) =
            (format!("norm{block}"), if block == 0 { "x".into() } else { format!("out{}", block - 1) });
        layers.push(json!({"op": "layer_norm", "name": start, "inputs": last}));
        for part in ["q", "k", "v"] {
            layers.push(json!({"op": "linear", "name": format!("{part}{block}"), "inputs": start, "out_features": width}));
        }
        let three = ["q", "k", "v"].map(|part| format!("{part}{block}"));
        layers.push(json!({"op": "attention", "inputs": three, "heads": draw.pick(&[1u64, 2, 4, 8])}));
        layers.push(json!({"op": "add", "name": format!("sum{block}"), "inputs": ["previous", last]}));
        layers.push(json!({"op": "linear", "out_features": width * draw.pick(&[2, 4])}));
        layers.push(json!({"op": draw.pick(&["gelu", "relu", "silu"])}));
        layers.push(json!({"op": "linear", "name": format!("down{block}"), "out_features": width}));
        layers.push(json!({"op": "add", "name": format!("out{block}"), "inputs": ["previous", format!("sum{block}")]}));
    }
    layers.push(json!({"op": "softmax", "axis": -1}));
    json!({"inputs": {"x": [count, width]}, "layers": layers}).to_string()
}

impl<I: Iterator<Item = u64>> Growing<I> {
    /// Adds a layer that reads the last one's output.
    fn layer(&mut self, mut layer: Value, channels: u64, size: u64) {
        let name = format!("n{}", self.layers.len());
        layer["name"] = json!(name);
        self.layers.push(layer);
        self.now = Map { name, channels, size };
    }

    fn fits(&self, channels: u64, size: u64) -> bool {
        self.batch * channels * size * size <= self.largest / MACS_FOR_ELEMENT
    }

    /// A convolution, where it is not too much work; whether there is one.
    fn conv(&mut self, out: u64, kernel: u64, stride: u64, groups: u64) -> bool {
        let Map { channels, size, .. } = self.now;
        let (after, taps) = (size.div_ceil(stride), channels / groups * kernel * kernel);
        let macs = self.batch * after * after * out * taps;
        if kernel > size || out * taps > MOST_WEIGHTS || macs > self.largest || !self.fits(out, after) {
            return false;
        }
        let bias = self.draw.chance(0.2);
        let conv = json!({"op": "conv2d", "out_channels": out, "kernel": kernel, "stride": stride,
            "padding": (kernel - 1) / 2, "groups": groups, "bias": bias});
        self.layer(conv, out, after);
        true
    }

    /// What comes after a convolution.
    fn epilogue(&mut self) {
        if self.draw.chance(0.85) {
            self.same("batch_norm");
        }
        self.activation(0.85);
    }

    fn same(&mut self, op: &str) {
        let Map { channels, size, .. } = self.now;
        self.layer(json!({"op": op}), channels, size);
    }

    fn activation(&mut self, chance: f64) {
        const USUAL: [&str; 10] = [
            "relu",
            "relu",
            "relu",
            "relu6",
            "leaky_relu",
            "leaky_relu",
            "silu",
            "silu",
            "hardswish",
            "mish",
        ];
        const RARE: [&str; 8] =
            ["sigmoid", "tanh", "gelu", "elu", "selu", "softplus", "hardsigmoid", "prelu"];
        if self.draw.chance(chance) {
            let op = if self.draw.chance(0.85) { self.draw.pick(&USUAL) } else { self.draw.pick(&RARE) };
            self.same(op);
        }
    }

    fn stem(&mut self) {
        let out = self.draw.channels(12.0, 64.0);
        let (kernel, stride) = self.draw.pick(&[(3, 1), (3, 2), (3, 2), (5, 2), (7, 2), (7, 2), (1, 1)]);
        self.conv(out, kernel, stride, 1);
        self.epilogue();
        if self.now.size > 100 && self.draw.chance(0.6) {
            self.pool();
        }
    }

    fn pool(&mut self) {
        let Map { channels, size, .. } = self.now;
        let (op, kernel, stride) = self.draw.pick(&[
            ("max_pool2d", 2, 2),
            ("max_pool2d", 3, 2),
            ("max_pool2d", 3, 2),
            ("max_pool2d", 3, 1),
            ("max_pool2d", 5, 1),
            ("max_pool2d", 9, 1),
            ("avg_pool2d", 2, 2),
            ("avg_pool2d", 2, 2),
            ("avg_pool2d", 3, 1),
            ("avg_pool2d", 3, 2),
        ]);
        if size < 2 * kernel {
            return;
        }
        let padding = if kernel == 2 { 0 } else { kernel / 2 };
        let after = (size + 2 * padding - kernel) / stride + 1;
        self.layer(
            json!({"op": op, "kernel": kernel, "stride": stride, "padding": padding}),
            channels,
            after,
        );
    }

    /// One more unit.
    fn grow(&mut self) {
        let Map { channels, size, .. } = self.now;
        if self.draw.chance(0.35) {
            self.earlier.push(self.now.clone());
        }
        const UNITS: [u8; 30] =
            [0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 8, 9, 10, 11, 12, 12, 12, 12, 12];
        match self.draw.pick(&UNITS) {
            0 => self.pointwise(),
            1 => self.dense(),
            2 => self.depthwise(),
            3 => self.grouped(),
            4 if size > 7 => self.pool(),
            5 => self.add(),
            6 => self.join(),
            7 if channels >= 4 => self.cut(),
            8 => self.squeeze_and_excite(),
            9 if self.fits(channels, 2 * size) && size <= 64 => {
                self.layer(json!({"op": "resize", "scale": 2, "mode": "nearest"}), channels, 2 * size);
            }
            10 => {
                // As before a convolution in DenseNet.
                self.same("batch_norm");
                self.same("relu");
            }
            12 => self.stage(),
            _ if channels.is_multiple_of(4) => {
                let groups = self.draw.pick(&[2, 4]);
                self.layer(json!({"op": "channel_shuffle", "groups": groups}), channels, size);
            }
            _ => self.same("dropout"),
        }
    }

    fn pointwise(&mut self) {
        let stride = self.draw.pick(&[1, 1, 1, 1, 1, 1, 2]);
        let out = self.draw.channels(8.0, 1536.0);
        if self.conv(out, 1, stride, 1) {
            self.epilogue();
        }
    }

    fn dense(&mut self) {
        let (kernel, stride) =
            self.draw.pick(&[(3, 1), (3, 1), (3, 1), (3, 1), (3, 2), (3, 2), (5, 1), (2, 2)]);
        if self.now.size.is_multiple_of(stride) {
            let out = self.draw.channels(8.0, 1024.0);
            if kernel != 2 && self.conv(out, kernel, stride, 1) {
                self.epilogue();
            }
        }
    }

    fn depthwise(&mut self) {
        let (kernel, stride) = self.draw.pick(&[(3, 1), (3, 1), (3, 2), (5, 1), (5, 2)]);
        let channels = self.now.channels;
        if channels >= 8 && self.conv(channels, kernel, stride, channels) {
            self.epilogue();
        }
    }

    fn grouped(&mut self) {
        let (channels, stride) = (self.now.channels, self.draw.pick(&[1, 1, 1, 2]));
        // Few groups, or groups of few channels.
        let groups = self.draw.pick(&[2, 4, 8, 32, 32, (channels / 2).max(1), (channels / 4).max(1)]);
        if channels.is_multiple_of(groups) && channels > groups && self.conv(channels, 3, stride, groups) {
            self.epilogue();
        }
    }

    /// Adds an earlier tensor of the same shape, or a copy made by a convolution.
    fn add(&mut self) {
        let Map { channels, size, .. } = self.now;
        let like = |map: &Map| map.channels == channels && map.size == size;
        let same = self.earlier.iter().rev().find(|map| like(map)).cloned();
        let other = match same {
            Some(other) if other.name != self.now.name => other,
            _ => {
                let (before, kernel) = (self.now.clone(), self.draw.pick(&[1, 3]));
                if !self.conv(channels, kernel, 1, 1) {
                    return;
                }
                before
            }
        };
        let inputs = json!([self.now.name, other.name]);
        self.layer(json!({"op": "add", "inputs": inputs}), channels, size);
        self.activation(0.5);
    }

    /// One unit several times over, as in the stages of real networks: their tensors are of a few sizes, and an
    /// allocator gives one the memory that another of its size just left.
    fn stage(&mut self) {
        let (start, first) = (self.now.clone(), self.layers.len());
        let Map { channels, size, .. } = start;
        let is_built = match self.draw.pick(&[0, 0, 1, 1, 2, 2, 3]) {
            0 => {
                let width = (channels / self.draw.pick(&[2, 4])).max(1);
                self.bottleneck(width, false)
            }
            1 => self.residual(),
            2 => {
                let width = channels * self.draw.pick(&[2, 3, 6]);
                self.bottleneck(width, true)
            }
            _ => self.growth(),
        };
        // A unit that is too much work ends where it is.
        if !is_built {
            return;
        }
        let inputs = json!([self.now.name, start.name]);
        if self.now.channels == channels {
            self.layer(json!({"op": "add", "inputs": inputs}), channels, size);
            self.activation(0.5);
        } else {
            let all = channels + self.now.channels;
            if !self.fits(all, size) {
                return;
            }
            self.layer(json!({"op": "concat", "inputs": inputs}), all, size);
        }
        let unit = self.layers[first..].to_vec();
        let growth = self.now.channels - channels;
        for _ in 0..self.draw.pick(&[1, 2, 2, 3]) {
            let grown = self.now.channels + growth;
            if growth > 0
                && (!self.fits(grown, size) || self.batch * grown * size * size * 4 * growth > self.largest)
            {
                return;
            }
            self.again(&unit, first, grown);
        }
    }

    /// Appends the layers of a unit that began at `first` once more. They read each other and the last output.
    fn again(&mut self, unit: &[Value], first: usize, channels: u64) {
        let (last, by) = (self.now.clone(), self.layers.len() - first);
        for layer in unit {
            let mut layer = layer.clone();
            let inputs = layer.get_mut("inputs").and_then(Value::as_array_mut);
            for input in inputs.into_iter().flatten() {
                let own = (first..first + unit.len()).find(|index| *input == format!("n{index}").as_str());
                *input = json!(own.map_or_else(|| last.name.clone(), |index| format!("n{}", index + by)));
            }
            self.layer(layer, channels, last.size);
        }
    }

    /// Two pointwise convolutions about one of 3x3 or 5x5, each followed as drawn.
    fn bottleneck(&mut self, width: u64, is_depthwise: bool) -> bool {
        let channels = self.now.channels;
        let (kernel, groups) = if is_depthwise { (self.draw.pick(&[3, 3, 5]), width) } else { (3, 1) };
        for (out, kernel, groups) in [(width, 1, 1), (width, kernel, groups), (channels, 1, 1)] {
            if !self.conv(out, kernel, 1, groups) {
                return false;
            }
            self.epilogue();
        }
        true
    }

    /// Two 3x3 convolutions.
    fn residual(&mut self) -> bool {
        let channels = self.now.channels;
        for _ in 0..2 {
            if !self.conv(channels, 3, 1, 1) {
                return false;
            }
            self.epilogue();
        }
        true
    }

    /// New channels, as a layer of a DenseNet makes them.
    fn growth(&mut self) -> bool {
        let growth = self.draw.channels(8.0, 64.0);
        for (out, kernel) in [(4 * growth, 1), (growth, 3)] {
            self.same("batch_norm");
            self.same("relu");
            if !self.conv(out, kernel, 1, 1) {
                return false;
            }
        }
        true
    }

    fn join(&mut self) {
        let size = self.now.size;
        let mut parts = vec![self.now.clone()];
        let most = self.draw.pick(&[2, 2, 2, 3, 4]);
        for map in self.earlier.iter().rev() {
            if map.size == size && parts.len() < most && parts.iter().all(|part| part.name != map.name) {
                parts.push(map.clone());
            }
        }
        let channels = parts.iter().map(|part| part.channels).sum();
        if parts.len() > 1 && self.fits(channels, size) {
            let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
            self.layer(json!({"op": "concat", "inputs": names}), channels, size);
        }
    }

    fn cut(&mut self) {
        let Map { channels, size, .. } = self.now;
        let at = channels / self.draw.pick(&[2, 2, 4]);
        let (start, end) = if self.draw.chance(0.5) { (0, at) } else { (at, channels) };
        self.layer(json!({"op": "slice", "start": start, "end": end}), end - start, size);
    }

    fn squeeze_and_excite(&mut self) {
        let whole = self.now.clone();
        self.layer(json!({"op": "global_avg_pool"}), whole.channels, 1);
        if !self.conv((whole.channels / 4).max(1), 1, 1, 1) {
            return;
        }
        self.same(if self.layers.len().is_multiple_of(2) { "silu" } else { "relu" });
        if !self.conv(whole.channels, 1, 1, 1) {
            return;
        }
        self.same(if self.layers.len().is_multiple_of(3) { "hardsigmoid" } else { "sigmoid" });
        let inputs = json!([whole.name, self.now.name]);
        let op = if self.draw.chance(0.85) { "mul" } else { "add" };
        self.layer(json!({"op": op, "inputs": inputs}), whole.channels, whole.size);
    }

    fn head(&mut self) {
        match self.draw.pick(&[0, 0, 0, 0, 1, 2]) {
            0 => self.layer(json!({"op": "global_avg_pool"}), self.now.channels, 1),
            1 if self.now.size >= 2 => {
                let size = self.draw.pick(&[1, 2, 7]).min(self.now.size);
                self.layer(json!({"op": "adaptive_avg_pool2d", "output": size}), self.now.channels, size);
            }
            _ => {}
        }
        let features = self.now.channels * self.now.size * self.now.size;
        self.layer(json!({"op": "flatten"}), features, 1);
        for _ in 0..self.draw.pick(&[1, 1, 2]) {
            let out = self.draw.channels(10.0, 4096.0);
            if self.now.channels * out <= 8 * MOST_WEIGHTS
                && self.batch * self.now.channels * out <= self.largest
            {
                self.layer(json!({"op": "linear", "out_features": out}), out, 1);
            }
        }
        self.layer(json!({"op": "softmax", "axis": 1}), self.now.channels, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Sink;
    use crate::frontend::{LoadOptions, load_bytes};
    use crate::source::SourceMap;

    /// Whether five layers or more come once more, one behind the other.
    fn repeats(file: &Value) -> bool {
        let layers = file["layers"].as_array().unwrap().iter().map(|layer| {
            let mut layer = layer.clone();
            let layer = layer.as_object_mut().unwrap();
            layer.remove("name");
            layer.remove("inputs");
            json!(layer)
        });
        let layers: Vec<Value> = layers.collect();
        let twice = |at: usize, count: usize| {
            layers[at..].windows(2 * count).next().is_some_and(|both| both[..count] == both[count..])
        };
        (0..layers.len()).any(|at| (5..=layers.len() / 2).any(|count| twice(at, count)))
    }

    #[test]
    fn every_network_that_is_drawn_is_one() {
        let mut ops = std::collections::BTreeSet::new();
        let mut repeating = 0;
        for index in 0..200 {
            let largest = if index % 2 == 0 { 1_200_000_000 } else { 1_000_000 };
            let (text, batch) = network(1, index, largest);
            assert_eq!(network(1, index, largest).0, text);
            let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
            let options = LoadOptions { batch: Some(batch), ..LoadOptions::default() };
            let loaded = load_bytes("x.json", "x", text.clone().into(), &options, &mut sources, &mut sink);
            let Some(loaded) = loaded else { panic!("{text}\n{:?}", sink.diagnostics()) };
            let costs = crate::analysis::analyze(&loaded.graph).unwrap().nodes;
            assert!(costs.iter().all(|cost| cost.macs <= largest), "{text}");
            repeating += usize::from(repeats(&serde_json::from_str(&text).unwrap()));
            ops.extend(loaded.graph.nodes().map(|(_, node)| node.op.name()));
        }
        assert!(repeating > 60, "{repeating}");
        for op in [
            "conv2d",
            "linear",
            "attention",
            "layer_norm",
            "mul",
            "add",
            "concat",
            "slice",
            "resize",
            "mish",
            "adaptive_avg_pool2d",
        ] {
            assert!(ops.contains(op), "{op}: {ops:?}");
        }
    }
}
