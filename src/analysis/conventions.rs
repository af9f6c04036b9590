//! How other programs count the cost of a network: one data table, op × way of calling × quantity → weight.
//!
//! Each [`Convention`] reproduces, as an exact integer for one image, the figure that a program prints. Its rules
//! add up and mirror the program's own: one that hooks `nn.ReLU` and also patches `F.relu` has two rules, and so
//! counts a module twice. An op that no rule names counts 0: that *is* the convention.
//!
//! Several programs see not the op but how PyTorch code called it; an ONNX file no longer knows. See [`CalledAs`].

use crate::graph::CalledAs;
use crate::ops::peers::{Quantities, Quantity};
use crate::units::{Overflow, product, sum};

use CalledAs::{Function, Module, Subclass};
use Quantity::{
    AffineInputElements, BiasedOutputs, Biases, BicubicOutputs, BilinearOutputs, ChannelPadding,
    InputElements, KernelAtOutputs, LeftProducts, Macs, NearestOutputs, NormParameters, OtherParameters,
    OutputElements, PairwiseOutputs, RegroupedMacs, RowAdditions, ScaledInputElements, Scores,
    ShrunkBiasedOutputs, SizedPositions, Weights, WindowElements, XnorOperations,
};

/// How code usually calls an op: arithmetic with operators, what has no class under `torch.nn` as a function,
/// everything else as a module. Assumed where nothing is known (an ONNX or darknet file, or an architecture that does
/// not say); [`Convention::depends_on_call`] tells where that matters.
pub fn usual_call(op: &str) -> CalledAs {
    if OPERATORS.contains(&op) {
        CalledAs::Operator
    } else if FUNCTIONS.contains(&op) {
        Function
    } else {
        Module
    }
}

const FUNCTIONS: &[&str] = &[
    "attention",
    "cast",
    "concat",
    "erf",
    "exp",
    "expand",
    "gather",
    "log",
    "matmul",
    "maximum",
    "minimum",
    "pad",
    "reduce_max",
    "reduce_mean",
    "reduce_min",
    "reduce_sum",
    "reshape",
    "split",
    "sqrt",
    "squeeze",
    "transpose",
    "unsqueeze",
    "where",
];

const OPERATORS: &[&str] = &["add", "compare", "div", "mul", "pow", "slice", "sub"];

/// What a convention's figure is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Multiply-accumulates, and whatever the program adds to them one for one.
    Macs,
    /// Floating-point operations, 2 for each multiply-accumulate.
    Flops,
    /// Learned elements. A tensor that several nodes share counts at one of them.
    Parameters,
}

impl Unit {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Macs => "MACs",
            Self::Flops => "FLOPs",
            Self::Parameters => "parameters",
        }
    }
}

/// What is counted of some ops called in some ways.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Names of ops.
    pub ops: &'static [&'static str],
    /// The ways of calling them that it sees.
    pub called_as: &'static [CalledAs],
    /// Quantities and how many times each counts.
    pub counts: &'static [(Quantity, u64)],
}

impl Rule {
    /// Whether it counts this op called in this way.
    pub fn applies(&self, op: &str, called_as: CalledAs) -> bool {
        self.ops.contains(&op) && self.called_as.contains(&called_as)
    }
}

/// How one program counts.
#[derive(Clone, Copy, Debug)]
pub struct Convention {
    /// Its name.
    pub name: &'static str,
    /// What its figure is called.
    pub unit: Unit,
    /// What it counts, what it silently does not, and the program's version and file that say so.
    pub doc: &'static str,
    /// Its rules; all that apply to a node add up.
    pub rules: &'static [Rule],
}

impl Convention {
    /// The convention of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        CONVENTIONS.iter().find(|convention| convention.name == name)
    }

    /// What it counts of an op, called in the usual way where that is not known.
    ///
    /// Counts are linear: sums over nodes of one op called in one way give the sum of their counts.
    pub fn count(
        &self,
        op: &str,
        called_as: Option<CalledAs>,
        quantities: &Quantities,
    ) -> Result<u64, Overflow> {
        let called_as = called_as.unwrap_or_else(|| usual_call(op));
        let rules = self.rules.iter().filter(|rule| rule.applies(op, called_as));
        let counts = rules.flat_map(|rule| rule.counts);
        counts
            .map(|&(quantity, weight)| product(&[quantities.get(quantity), weight]))
            .try_fold(0, |total, count| sum([total, count?]))
    }

    /// Whether its count of an op depends on how the op was called.
    pub fn depends_on_call(&self, op: &str) -> bool {
        self.rules.iter().any(|rule| rule.ops.contains(&op) && rule.called_as.len() < CalledAs::ALL.len())
    }
}

/// Seen in every way: from within PyTorch's dispatcher, or in a graph.
const ANYHOW: &[CalledAs] = CalledAs::ALL;
/// Seen by a hook on modules of exactly that class.
const EXACT: &[CalledAs] = &[Module];
/// Seen by a walk over modules of any class.
const MODULE: &[CalledAs] = &[Module, Subclass];
/// Seen by a patch of the function, which modules call too.
const PATCHED: &[CalledAs] = &[Module, Subclass, Function];
/// Seen by a patch of a function that no module calls.
const FUNCTION: &[CalledAs] = &[Function];

const fn rule(
    ops: &'static [&'static str],
    called_as: &'static [CalledAs],
    counts: &'static [(Quantity, u64)],
) -> Rule {
    Rule { ops, called_as, counts }
}

/// Convolutions that are not transposed.
const CONV: &[&str] = &["conv1d", "conv2d"];
/// Every convolution.
const CONVS: &[&str] = &["conv1d", "conv2d", "conv_transpose2d"];
/// Ops with a learned kernel or matrix.
const WEIGHTED: &[&str] = &["conv1d", "conv2d", "conv_transpose2d", "linear"];
/// The same and the product of two activations.
const PRODUCTS: &[&str] = &["conv1d", "conv2d", "conv_transpose2d", "linear", "matmul"];
/// Pooling over windows, and over channels, to which darknet's formula for windows applies too.
const WINDOWS: &[&str] = &["avg_pool2d", "channel_max_pool", "max_pool2d"];
/// Average pooling to a given size; `global_avg_pool` is `AdaptiveAvgPool2d(1)`.
const ADAPTIVE_AVG: &[&str] = &["adaptive_avg_pool2d", "global_avg_pool"];
/// Every pooling.
const POOLS: &[&str] = &[
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "avg_pool2d",
    "global_avg_pool",
    "global_max_pool",
    "max_pool2d",
];
/// Normalizations that take their statistics from the input.
const LIVE_NORMS: &[&str] = &["group_norm", "instance_norm", "layer_norm"];

/// Every convention, in the order of reports.
pub static CONVENTIONS: &[Convention] = &[
    Convention {
        name: "darknet",
        unit: Unit::Flops,
        doc: "The integer behind darknet's `Total BFLOPS`: 2 per multiply-accumulate of a convolution (a 32nd of that \
              where it convolves signs), k·k·c·h'·w' of a max or local average pool, 1 per element of a shortcut and \
              source, or 2 where sources are weighted. Connected and locally connected layers, transposed \
              convolutions, blurs, global pools, biases, normalizations, activations and everything else count 0. \
              AlexeyAB/darknet 59596d7, src/convolutional_layer.c, maxpool_layer.c, shortcut_layer.c.",
        rules: &[
            rule(CONV, ANYHOW, &[(Macs, 2)]),
            rule(&["xnor_conv2d"], ANYHOW, &[(XnorOperations, 1)]),
            rule(WINDOWS, ANYHOW, &[(WindowElements, 1)]),
            rule(&["add"], ANYHOW, &[(PairwiseOutputs, 1)]),
            rule(&["weighted_add"], ANYHOW, &[(PairwiseOutputs, 2)]),
        ],
    },
    Convention {
        name: "cspnet_paper",
        unit: Unit::Flops,
        doc: "BFLOPs of the tables of CSPNet (arXiv 1911.11929), in single FLOPs: darknet's rule before it counted \
              shortcuts, that is 2 per multiply-accumulate of a convolution and k·k·c·h'·w' of a max or local \
              average pool. Linear layers count as the 1×1 convolutions that the paper's networks write instead. \
              Biases, normalizations, activations, additions and global pools count 0.",
        rules: &[
            rule(WEIGHTED, ANYHOW, &[(Macs, 2)]),
            rule(&["xnor_conv2d"], ANYHOW, &[(XnorOperations, 1)]),
            rule(WINDOWS, ANYHOW, &[(WindowElements, 1)]),
        ],
    },
    Convention {
        name: "cspnet_paper_parameters",
        unit: Unit::Parameters,
        doc: "#Parameter of the tables of CSPNet (arXiv 1911.11929): kernels of convolutions and matrices of linear \
              layers. Biases, normalizations and everything else count 0.",
        rules: &[
            rule(WEIGHTED, ANYHOW, &[(Weights, 1)]),
            rule(&["locally_connected2d", "xnor_conv2d"], ANYHOW, &[(Weights, 1)]),
        ],
    },
    Convention {
        name: "fvcore",
        unit: Unit::Macs,
        doc: "`FlopCountAnalysis.total()`, whose \"flop\" is a multiply-accumulate: convolutions, linear layers, \
              products; batch norm 2 per input element (1 without scale), layer, group and instance norm 5 (4), \
              adaptive average pool 1 per input element, resize 1 (nearest) or 4 (bilinear) per output element. \
              Biases, activations, other pools, arithmetic, softmax, RMS norm and fused attention count 0; so does a \
              global pool written as a mean. fvcore 0.1.5.post20221221, nn/flop_count.py, nn/jit_handles.py.",
        rules: &[
            rule(WEIGHTED, ANYHOW, &[(Macs, 1)]),
            rule(&["matmul"], ANYHOW, &[(LeftProducts, 1)]),
            rule(&["batch_norm"], ANYHOW, &[(InputElements, 1), (AffineInputElements, 1)]),
            rule(LIVE_NORMS, ANYHOW, &[(InputElements, 4), (AffineInputElements, 1)]),
            rule(&["resize"], ANYHOW, &[(NearestOutputs, 1), (BilinearOutputs, 4)]),
            // Not as an operator: `x.mean((2, 3))` is another op to it.
            rule(ADAPTIVE_AVG, PATCHED, &[(InputElements, 1)]),
        ],
    },
    Convention {
        name: "thop",
        unit: Unit::Macs,
        doc: "First value of `thop.profile`: modules of exactly the listed classes only. Convolutions, a transposed \
              one with its kernel at every output (which overstates it by its strides), linear layers; batch, layer \
              and instance norm 4 per input element (2 without scale), average pool 1 per output element, adaptive \
              average pool 1 per input and per output element (but for rounding in floats), PReLU 1, softmax about \
              3, upsampling 1 (nearest), 11 (bilinear) or 259 (bicubic) per output element. Functions, operators, \
              subclasses (timm's batch norm), products, biases, other activations, max pools and group norm count \
              0. thop 0.1.1.post2209072238, profile.py, vision/basic_hooks.py, vision/calc_func.py.",
        rules: &[
            rule(CONVS, EXACT, &[(KernelAtOutputs, 1)]),
            rule(&["linear"], EXACT, &[(Macs, 1)]),
            rule(
                &["batch_norm", "instance_norm", "layer_norm"],
                EXACT,
                &[(InputElements, 2), (AffineInputElements, 2)],
            ),
            rule(&["prelu"], EXACT, &[(InputElements, 1)]),
            rule(&["softmax"], EXACT, &[(InputElements, 2), (RowAdditions, 1)]),
            rule(&["avg_pool2d"], EXACT, &[(OutputElements, 1)]),
            rule(ADAPTIVE_AVG, EXACT, &[(InputElements, 1), (OutputElements, 1)]),
            rule(&["resize"], EXACT, &[(NearestOutputs, 1), (BilinearOutputs, 11), (BicubicOutputs, 259)]),
        ],
    },
    Convention {
        name: "ptflops",
        unit: Unit::Macs,
        doc: "`get_model_complexity_info` with the backend `pytorch`: hooks on modules of exactly the listed classes, \
              and patched functions, which those modules call too. So ReLU, PReLU, ELU, GELU, pools and Upsample \
              count twice as modules, once as functions or subclasses. By hook: convolutions and linear layers with \
              1 per biased output, batch, group and instance norm 2 per element (1 without scale), layer norm 1, \
              LeakyReLU and ReLU6 1. By patch: SiLU and softmax 1, `torch.add`, `torch.mul` and `torch.matmul`. \
              Attention as a module is the inside of nn.MultiheadAttention or timm's Attention; as a function it \
              counts 0. Operators (`+`, `*`, `@`), F.conv2d, F.linear, sigmoid and other activations, RMS norm and \
              subclasses of normalizations, convolutions and linear layers count 0. nn.UpsamplingNearest2d and \
              nn.UpsamplingBilinear2d are subclasses here. ptflops 0.7.5, pytorch_ops.py, pytorch_engine.py.",
        rules: &[
            rule(WEIGHTED, EXACT, &[(Macs, 1), (BiasedOutputs, 1)]),
            rule(
                &["batch_norm", "group_norm", "instance_norm"],
                EXACT,
                &[(InputElements, 1), (AffineInputElements, 1)],
            ),
            rule(&["layer_norm"], EXACT, &[(InputElements, 1)]),
            rule(&["elu", "gelu", "leaky_relu", "prelu", "relu", "relu6"], EXACT, &[(OutputElements, 1)]),
            rule(POOLS, EXACT, &[(InputElements, 1)]),
            rule(&["resize"], EXACT, &[(OutputElements, 1)]),
            rule(&["attention"], EXACT, &[(Macs, 1), (InputElements, 1), (Scores, 1)]),
            rule(&["elu", "gelu", "prelu", "relu", "silu", "softmax"], PATCHED, &[(InputElements, 1)]),
            rule(POOLS, PATCHED, &[(InputElements, 1)]),
            rule(&["resize"], PATCHED, &[(OutputElements, 1)]),
            // Written in Python over the patched mul, avg_pool3d, mul and add.
            rule(&["lrn"], PATCHED, &[(InputElements, 4), (ChannelPadding, 1)]),
            // nn.ReLU6 calls F.hardtanh, not F.relu6.
            rule(&["relu6"], FUNCTION, &[(InputElements, 1)]),
            rule(&["add", "mul"], FUNCTION, &[(PairwiseOutputs, 1)]),
            rule(&["matmul"], FUNCTION, &[(LeftProducts, 1)]),
        ],
    },
    Convention {
        name: "ptflops_aten",
        unit: Unit::Macs,
        doc: "`get_model_complexity_info` with the backend `aten`: convolutions, linear layers and products, 1 per \
              biased output. Fused attention and everything else count 0. ptflops 0.7.5, aten_ops.py.",
        rules: &[
            rule(WEIGHTED, ANYHOW, &[(Macs, 1), (BiasedOutputs, 1)]),
            rule(&["matmul"], ANYHOW, &[(Macs, 1)]),
        ],
    },
    Convention {
        name: "torch_flop_counter",
        unit: Unit::Flops,
        doc: "`FlopCounterMode.get_total_flops()` on a CPU: 2 per multiply-accumulate of convolutions, linear layers \
              and products. Biases and everything else count 0, and so does fused attention, whose CPU kernel has no \
              formula; those of CUDA do, 2 per multiply-accumulate. PyTorch 2.8, torch/utils/flop_counter.py.",
        rules: &[rule(PRODUCTS, ANYHOW, &[(Macs, 2)])],
    },
    Convention {
        name: "torchinfo",
        unit: Unit::Macs,
        doc: "`Total mult-adds`: over modules without children, the elements of tensors named `weight` and `bias`, of \
              a class with `Conv` in its name times the output positions, of any other once. So a linear layer over \
              many rows counts as over one, a normalization its parameters, a transposed convolution its kernel at \
              every output (which overstates it by its strides). Functions, products and fused attention count 0, \
              and so do batch and group norms of a subclass, as timm's hold child modules. torchinfo 1.8.0, \
              layer_info.py, model_statistics.py.",
        rules: &[
            rule(CONVS, MODULE, &[(KernelAtOutputs, 1), (BiasedOutputs, 1)]),
            rule(&["linear"], MODULE, &[(Weights, 1), (Biases, 1)]),
            rule(&["batch_norm", "group_norm"], EXACT, &[(NormParameters, 1)]),
            rule(&["instance_norm", "layer_norm", "rms_norm"], MODULE, &[(NormParameters, 1)]),
            rule(&["prelu"], MODULE, &[(OtherParameters, 1)]),
        ],
    },
    Convention {
        name: "calflops_macs",
        unit: Unit::Macs,
        doc: "MACs of `calculate_flops`: convolutions, linear layers and `torch.matmul`. A transposed convolution is \
              divided by its groups twice. The operator `@`, `torch.bmm`, fused attention and everything else count \
              0. calflops 0.3.2, pytorch_ops.py.",
        rules: &[
            rule(CONV, PATCHED, &[(Macs, 1)]),
            rule(&["conv_transpose2d"], PATCHED, &[(RegroupedMacs, 1)]),
            rule(&["linear"], PATCHED, &[(Macs, 1)]),
            rule(&["matmul"], FUNCTION, &[(LeftProducts, 1)]),
        ],
    },
    Convention {
        name: "calflops_flops",
        unit: Unit::Flops,
        doc: "FLOPs of `calculate_flops`: 2 per multiply-accumulate of convolutions, linear layers and \
              `torch.matmul`; 1 per biased output of convolutions, not of linear layers; batch norm 2 per element (1 \
              without scale), layer, group and instance norm 5 (4); ReLU, LeakyReLU, PReLU, ELU, GELU, SiLU, softmax \
              and pools 1 per input element; a resize 1 per input element if by a factor, 1 per output position if \
              to a size; `torch.add` and `torch.mul`. nn.ReLU6 (F.relu6 counts 1), sigmoid, other activations, RMS \
              norm, operators (`+`, `*`, `@`), tensor methods and fused attention count 0. calflops 0.3.2, \
              pytorch_ops.py.",
        rules: &[
            rule(CONV, PATCHED, &[(Macs, 2), (BiasedOutputs, 1)]),
            rule(&["conv_transpose2d"], PATCHED, &[(RegroupedMacs, 2), (ShrunkBiasedOutputs, 1)]),
            rule(&["linear"], PATCHED, &[(Macs, 2)]),
            rule(&["batch_norm"], PATCHED, &[(InputElements, 1), (AffineInputElements, 1)]),
            rule(LIVE_NORMS, PATCHED, &[(InputElements, 4), (AffineInputElements, 1)]),
            rule(
                &["elu", "gelu", "leaky_relu", "prelu", "relu", "silu", "softmax"],
                PATCHED,
                &[(InputElements, 1)],
            ),
            rule(POOLS, PATCHED, &[(InputElements, 1)]),
            rule(&["resize"], PATCHED, &[(ScaledInputElements, 1), (SizedPositions, 1)]),
            // Written in Python over the patched mul, avg_pool3d, mul and add.
            rule(&["lrn"], PATCHED, &[(InputElements, 4), (ChannelPadding, 1)]),
            // nn.ReLU6 calls F.hardtanh, not F.relu6.
            rule(&["relu6"], FUNCTION, &[(InputElements, 1)]),
            rule(&["add", "mul"], FUNCTION, &[(PairwiseOutputs, 1)]),
            rule(&["matmul"], FUNCTION, &[(LeftProducts, 2)]),
        ],
    },
    Convention {
        name: "onnxsim",
        unit: Unit::Macs,
        doc: "MACs that onnxsim reports of an ONNX graph: convolutions, Gemm, MatMul and Attention. Biases and \
              everything else count 0. onnxsim 0.8.1, model_info.py.",
        rules: &[rule(PRODUCTS, ANYHOW, &[(Macs, 1)]), rule(&["attention"], ANYHOW, &[(Macs, 1)])],
    },
];

#[cfg(test)]
mod tests;
