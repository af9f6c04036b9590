//! What every op's tests are written with, and what must hold for all of them.

use super::*;
use crate::tensor::DType;

/// What an op said about inputs of given shapes.
pub(crate) struct Checked {
    result: Result<Facts, String>,
}

struct Facts {
    outputs: Vec<TensorType>,
    weights: Weights,
    cost: Cost,
    backward: Backward,
    channels: Channels,
}

/// Runs an op over f32 inputs of these shapes, and checks what must hold for every op.
pub(crate) fn check(op: impl Into<Op>, inputs: &[&[u64]]) -> Checked {
    let inputs: Vec<TensorType> = inputs.iter().map(|&axes| TensorType::new(axes, DType::F32)).collect();
    check_types(op, &inputs)
}

/// The same over inputs of any type.
pub(crate) fn check_types(op: impl Into<Op>, inputs: &[TensorType]) -> Checked {
    let op = op.into();
    let inputs: Vec<&TensorType> = inputs.iter().collect();
    assert!(op.arity().contains(&inputs.len()), "{} takes {:?} inputs", op.name(), op.arity());
    let outputs = match op.infer(&inputs) {
        Ok(outputs) => outputs.into_vec(),
        Err(mismatch) => return Checked { result: Err(mismatch.message) },
    };
    let io = Io { inputs: &inputs, outputs: &outputs };
    let weights = op.weights(&inputs);
    let cost = op.cost(io).expect("a cost");
    let backward = op.backward(io).expect("a backward pass");
    assert_eq!(cost.macs > 0, cost.activations > 0, "{}: products write activations", op.name());
    for (port, output) in outputs.iter().enumerate() {
        let channels = op.channels(io, port);
        let carried = match &channels {
            Channels::Runs(runs) => {
                for run in runs.iter().filter(|run| run.length > 0) {
                    let last = run.start + (run.length - 1) * run.step;
                    assert!(last < inputs[run.input].channels(), "{}: {run:?} leaves its input", op.name());
                }
                Some(runs.iter().map(|run| run.length).sum())
            }
            Channels::Repeat { by } => Some(inputs[0].channels() * by),
            Channels::Fold { by } => Some(inputs[0].channels() / by),
            Channels::FirstMin => Some(inputs[0].channels()),
            _ => None,
        };
        if let Some(carried) = carried {
            assert_eq!(carried, output.channels(), "{}: {channels:?} does not cover the output", op.name());
        }
    }
    if op.storage() == Storage::Alias {
        assert_eq!(inputs[0].bytes(), outputs[0].bytes(), "{}: an alias has its input's bytes", op.name());
    }
    let channels = if outputs.is_empty() { Channels::Source } else { op.channels(io, 0) };
    Checked { result: Ok(Facts { outputs, weights, cost, backward, channels }) }
}

impl Checked {
    fn facts(&self) -> &Facts {
        self.result.as_ref().unwrap_or_else(|message| panic!("refused: {message}"))
    }

    fn elements(&self, learned: bool) -> u64 {
        let counted = self.facts().weights.iter().filter(|weight| (weight.role != Role::Buffer) == learned);
        counted.map(|weight| weight.shape.elements().unwrap()).sum()
    }

    /// The outputs' shapes, parted by blanks.
    #[track_caller]
    pub(crate) fn outputs(self, shapes: &str) -> Self {
        let found: Vec<String> = self.facts().outputs.iter().map(|output| output.shape.to_string()).collect();
        assert_eq!(found.join(" "), shapes);
        self
    }

    /// The first output's element type.
    #[track_caller]
    pub(crate) fn dtype(self, dtype: DType) -> Self {
        assert_eq!(self.facts().outputs[0].dtype, dtype);
        self
    }

    /// Learned elements.
    #[track_caller]
    pub(crate) fn learned(self, count: u64) -> Self {
        assert_eq!(self.elements(true), count, "learned elements");
        self
    }

    /// Stored elements that are not learned.
    #[track_caller]
    pub(crate) fn buffers(self, count: u64) -> Self {
        assert_eq!(self.elements(false), count, "buffers");
        self
    }

    /// Multiply-accumulates.
    #[track_caller]
    pub(crate) fn macs(self, count: u64) -> Self {
        assert_eq!(self.facts().cost.macs, count, "MACs");
        self
    }

    /// Floating-point operations.
    #[track_caller]
    pub(crate) fn flops(self, count: u64) -> Self {
        assert_eq!(self.facts().cost.flops(), Ok(count), "FLOPs");
        self
    }

    /// What PyTorch's autograd saves.
    #[track_caller]
    pub(crate) fn eager(self, kept: Kept) -> Self {
        assert_eq!(self.facts().backward.eager, kept, "saved by PyTorch");
        self
    }

    /// The least that a backward rule needs.
    #[track_caller]
    pub(crate) fn minimal(self, kept: Kept) -> Self {
        assert_eq!(self.facts().backward.minimal, kept, "needed by a backward rule");
        self
    }

    /// Elements that matrix products and convolutions write.
    #[track_caller]
    pub(crate) fn activations(self, count: u64) -> Self {
        assert_eq!(self.facts().cost.activations, count, "activations");
        self
    }

    /// Input elements that pooling windows visit.
    #[track_caller]
    pub(crate) fn window(self, count: u64) -> Self {
        assert_eq!(self.facts().cost.window, count, "window elements");
        self
    }

    /// Multiply-accumulates of the backward pass: for the inputs' gradients and for the weights'.
    #[track_caller]
    pub(crate) fn gradient_macs(self, inputs: u64, weights: u64) -> Self {
        let backward = &self.facts().backward;
        assert_eq!((backward.grad_input_macs, backward.grad_weight_macs), (inputs, weights), "gradient MACs");
        self
    }

    /// What backward needs, eager and minimal.
    #[track_caller]
    pub(crate) fn keeps(self, eager: Kept, minimal: Kept) -> Self {
        let backward = &self.facts().backward;
        assert_eq!((backward.eager, backward.minimal), (eager, minimal), "kept for backward");
        self
    }

    /// The channel rule of the first output.
    #[track_caller]
    pub(crate) fn channels(self, channels: &Channels) -> Self {
        assert_eq!(&self.facts().channels, channels);
        self
    }

    /// The message of a refusal contains this.
    #[track_caller]
    pub(crate) fn refused(self, message: &str) {
        match self.result {
            Ok(facts) => panic!("accepted: {:?}", facts.outputs),
            Err(found) => assert!(found.contains(message), "{found:?} does not say {message:?}"),
        }
    }
}

#[test]
fn every_file_is_listed() {
    let helpers = [
        "attribute",
        "channels",
        "cost",
        "elementwise",
        "execute",
        "norm",
        "peers",
        "reduction",
        "shape",
        "tests",
        "window",
    ];
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ops");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            entry.unwrap().file_name().into_string().ok()?.strip_suffix(".rs").map(str::to_owned)
        })
        .filter(|name| !helpers.contains(&name.as_str()))
        .collect();
    files.sort();
    let listed: Vec<&str> = Op::ALL.iter().map(|info| info.name).collect();
    assert_eq!(
        files, listed,
        "ops! lists each file of src/ops once, in order, and the op is named as its file"
    );
}

#[test]
fn every_manual_page_has_its_headings() {
    for info in Op::ALL {
        for heading in ["\n ## Formula\n", "\n ## Counted\n", "\n ## Source\n"] {
            assert!(info.doc.contains(heading), "{} lacks {heading:?}", info.name);
        }
        assert!(info.summary().ends_with('.'), "{}: the first paragraph is a sentence", info.name);
        for attribute in info.attributes {
            assert!(
                attribute.doc.trim().ends_with('.'),
                "{}.{} is described by a sentence",
                info.name,
                attribute.name
            );
        }
    }
}

/// Values that no person writes: none may panic, and the test build checks every sum and product.
#[test]
fn extreme_attributes_are_refused_or_counted() {
    use crate::ops::attribute::{Exact, Setting, SettingValue};
    let source = crate::source::SourceMap::default().add("test", "");
    let span = crate::source::Span { source, start: 0, end: 0 };
    let setting = |value| Setting { value, span, expression: None };
    let number = |value: i128| SettingValue::Number(Exact::from_integer(value));
    let list = |items: &[i128]| SettingValue::List(items.iter().map(|&item| setting(number(item))).collect());
    let (most, least) = (i128::from(i64::MAX), i128::from(i64::MIN));
    let mut values = vec![SettingValue::Null, SettingValue::Flag(true), SettingValue::Flag(false)];
    values.extend(
        [0, 1, 2, -1, 7, 1 << 31, 1 << 32, most, least, i128::from(u64::MAX), 10i128.pow(36)].map(number),
    );
    values.push(SettingValue::Number(Exact::new(1, 3)));
    for item in [0, 1, -1, most, least] {
        values.extend([1, 2, 3, 4, 16, 17, 70_000].map(|count| list(&vec![item; count])));
    }
    values.extend([
        list(&[]),
        list(&[0, 2, 1, 3]),
        list(&[most, 1, -1]),
        SettingValue::List(vec![setting(list(&[1]))]),
    ]);
    let words = [
        "",
        "same",
        "ij,jk->ik",
        "...i,i...",
        "add",
        "max",
        "sum",
        "mean",
        "nearest",
        "linear",
        "cubic",
        "reflect",
        "f64",
        "u4",
        "i64",
        "tanh",
    ];
    values.extend(words.map(|word| SettingValue::Text(word.into())));
    let huge = 1 << 61;
    let shapes: [&[u64]; 12] = [
        &[],
        &[1],
        &[3],
        &[1, 1],
        &[2, 6, 8, 8],
        &[1, 4, 5],
        &[1, huge],
        &[1, 1, huge, 1],
        &[huge],
        &[1, 1 << 20, 1 << 20, 1 << 20],
        &[1; 16],
        &[1, 2, 3, 4, 5],
    ];
    let types: Vec<TensorType> = [DType::F32, DType::U8, DType::I4]
        .into_iter()
        .flat_map(|dtype| shapes.map(|shape| TensorType::new(shape, dtype)))
        .filter(|tensor| tensor.check().is_ok())
        .collect();
    let mut tried = 0;
    let mut ask = |op: &Op| {
        for count in [*op.arity().start(), 1, 2, 3] {
            if !op.arity().contains(&count) {
                continue;
            }
            for (index, first) in types.iter().enumerate() {
                // Like inputs, and unlike ones.
                for second in [first, &types[(index + 1) % types.len()]] {
                    let inputs: Vec<&TensorType> =
                        (0..count).map(|input| if input == 0 { first } else { second }).collect();
                    ask_one(op, &inputs);
                    tried += 1;
                }
            }
        }
    };
    for info in Op::ALL {
        // Enough to make the op at all, where its attributes are required; then one or two extreme ones.
        let usual: Vec<(usize, SettingValue)> = info
            .attributes
            .iter()
            .enumerate()
            .filter(|(_, attribute)| (attribute.default)().is_none())
            .map(|(index, _)| (index, number(2)))
            .collect();
        let make = |changes: &[(usize, &SettingValue)]| {
            let mut given: Vec<(usize, Setting)> =
                usual.iter().map(|(index, value)| (*index, setting(value.clone()))).collect();
            for (index, value) in changes {
                given.retain(|(other, _)| other != index);
                given.push((*index, setting((*value).clone())));
            }
            (info.read)(&Settings { span, given: &given }).ok()
        };
        let mut seen: Vec<Op> = Vec::new();
        let mut try_it = |op: Option<Op>| {
            if let Some(op) = op
                && !seen.contains(&op)
            {
                ask(&op);
                seen.push(op);
            }
        };
        try_it(make(&[]));
        for (index, _) in info.attributes.iter().enumerate() {
            for value in &values {
                try_it(make(&[(index, value)]));
            }
            // Two at once: sums and products of attributes.
            for (other, _) in info.attributes.iter().enumerate().take(index) {
                for pair in
                    [number(most), list(&[most, most]), list(&[most; 4]), number(1 << 32), list(&[1, 1])]
                {
                    for second in [number(most), list(&[least, most]), number(1 << 32), list(&[2, 2])] {
                        try_it(make(&[(index, &pair), (other, &second)]));
                    }
                }
            }
        }
    }
    assert!(tried > 10_000, "{tried}");
}

/// Everything that a graph and an analysis ask of an op.
fn ask_one(op: &Op, inputs: &[&TensorType]) {
    let Ok(outputs) = op.infer(inputs) else { return };
    // As `Graph::add` does: what it refuses is asked nothing more.
    if outputs.iter().any(|output| {
        output.check().is_err()
            || output.shape.axes().contains(&0)
            || output.shape.rank() > TensorShape::MAX_RANK
    }) {
        return;
    }
    let io = Io { inputs, outputs: &outputs };
    let Ok(cost) = op.cost(io) else { return };
    if cost.flops().is_err() || op.backward(io).is_err() {
        return;
    }
    let weights = op.weights(inputs);
    for weight in &weights {
        std::hint::black_box(weight.shape.elements().ok());
    }
    for port in [0, outputs.len().saturating_sub(1)].into_iter().filter(|port| *port < outputs.len()) {
        drop(op.channels(io, port));
    }
    std::hint::black_box(peers::quantities(op, io, &cost, &weights).ok());
    drop((op.family(), op.storage(), op.settings()));
}
