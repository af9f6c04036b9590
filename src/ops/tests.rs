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
    let channels = op.channels(io, 0);
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
        let backward = self.facts().backward;
        assert_eq!((backward.grad_input_macs, backward.grad_weight_macs), (inputs, weights), "gradient MACs");
        self
    }

    /// What backward needs, eager and minimal.
    #[track_caller]
    pub(crate) fn keeps(self, eager: Kept, minimal: Kept) -> Self {
        let backward = self.facts().backward;
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
