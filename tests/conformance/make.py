#!/usr/bin/env python3
"""Makes the reference data of the executor: ONNX graphs without weights and what onnxruntime computes on them.

    make.py                              renew NAME.onnx and NAME.expected beside this script
    make.py --check                      make them anew elsewhere and compare with those beside this script
    make.py --full-size --out DIR        the same nets at their real width and 224x224
    make.py --everything --out DIR       every element of every node's output, raw
    make.py ... resnet50 ops             only these

Needs numpy, onnx and onnxruntime. Weights, statistics and inputs come from a formula over the tensor's name (README.md),
so no file holds them. Each architecture function below writes what exporters write for the real net, BatchNormalization
not folded; `Scale` alone knows the size.
"""

import argparse
import json
import math
import pathlib
import sys
import tempfile

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
EXTERNAL = "seeded.bin"  # where the weights would lie; the file is written only for onnx.checker
SAMPLES = 24
TOLERANCE = 1e-5  # of --check, relative to a tensor's largest magnitude


# ---------------------------------------------------------------------------------------------------------------------
# Seeding. Rust reproduces this bit for bit; README.md states it in words.

GOLDEN = numpy.uint64(0x9E3779B97F4A7C15)


def fnv1a(text):
    """FNV-1a, 64 bits, over the UTF-8 bytes."""
    state = 0xCBF29CE484222325
    for byte in text.encode():
        state = (state ^ byte) * 0x100000001B3 % 2**64
    return state


def splitmix(name, seed, count):
    """The first `count` numbers of the tensor's stream, as uint64."""
    with numpy.errstate(over="ignore"):
        z = numpy.uint64(fnv1a(name) ^ seed) + numpy.arange(1, count + 1, dtype=numpy.uint64) * GOLDEN
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return z ^ (z >> numpy.uint64(31))


def uniform(name, seed, shape, low, high):
    """Elements in [low, high): f64 arithmetic on 24 random bits, rounded once to f32."""
    u = (splitmix(name, seed, math.prod(shape)) >> numpy.uint64(40)).astype(numpy.float64) / 2.0**24
    return (low + (high - low) * u).astype(numpy.float32).reshape(shape)


def samples(name, seed, count):
    """Flat indices of the elements that NAME.expected holds; all of a small tensor, in order."""
    if count <= SAMPLES:
        return numpy.arange(count)
    return (splitmix(name, seed, SAMPLES) % numpy.uint64(count)).astype(numpy.int64)


def he_uniform(fan_in):
    bound = math.sqrt(3.0 / fan_in) * math.sqrt(2.0)
    return -bound, bound


def value_range(node, position, dims):
    """(low, high) of the learned tensor that `node` reads at `position`."""
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    bias, other = (-0.1, 0.1), (-0.5, 0.5)
    match node.op_type, position:
        case "Conv", 1:
            return he_uniform(math.prod(dims[1:]))
        case "ConvTranspose", 1:
            return he_uniform(dims[0] // attributes.get("group", 1) * math.prod(dims[2:]))
        case "Gemm", 0:
            return he_uniform(dims[0 if attributes.get("transA", 0) else 1])
        case "Gemm", 1:
            return he_uniform(dims[1 if attributes.get("transB", 0) else 0])
        case "MatMul", 0:
            return he_uniform(dims[-1])
        case "MatMul", 1:
            return he_uniform(dims[-2] if len(dims) > 1 else dims[0])
        case "Conv" | "ConvTranspose" | "Gemm", 2:
            return bias
        case "BatchNormalization", 1 | 4:
            return 0.5, 1.5
        case "LayerNormalization" | "InstanceNormalization", 1:
            return 0.5, 1.5
    return other


def seeded(graph, seed):
    """Name to array of every initializer without data; the first node that reads it says its role."""
    missing = {i.name: i.dims for i in graph.initializer if i.data_location == TensorProto.EXTERNAL}
    arrays = {}
    for node in graph.node:
        for position, name in enumerate(node.input):
            if name in missing and name not in arrays:
                dims = missing[name]
                arrays[name] = uniform(name, seed, dims, *value_range(node, position, dims))
    assert arrays.keys() == missing.keys(), missing.keys() - arrays.keys()
    return arrays


# ---------------------------------------------------------------------------------------------------------------------
# Building graphs.


class Scale:
    """The size of a net: image side and what its channel counts are divided by."""

    def __init__(self, divisor, side):
        self.divisor, self.side = divisor, side

    def __call__(self, count, least=4, multiple=1):
        scaled = max(least, round(count / self.divisor))
        return -(-scaled // multiple) * multiple


class Builder:
    """Appends nodes with an exporter's names: module `layer1.0.conv1` has parameter `layer1.0.conv1.weight` and
    node `/layer1/layer1.0/conv1/Conv`. `channels` knows each value's channel count."""

    def __init__(self, name, opset, shape, epsilon=1e-5):
        self.name, self.opset, self.epsilon = name, opset, epsilon
        self.nodes, self.initializers, self.used, self.offset, self.folded = [], [], {}, 0, 2000
        self.inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)]
        self.channels = {"input": shape[1]}

    def unique(self, name):
        self.used[name] = self.used.get(name, -1) + 1
        return f"{name}_{self.used[name]}" if self.used[name] else name

    def op(self, op_type, module, *inputs, outputs=1, output_names=None, channels=None, **attributes):
        """One node. `channels` of its outputs, the first input's unless told."""
        parts = []
        for part in module.split(".") if module else []:
            parts.append(f"{parts[-1]}.{part}" if part.isdigit() and parts else part)
        name = self.unique("/" + "/".join([*parts, op_type]))
        results = output_names or [f"{name}_output_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op_type, list(inputs), results, name=name, **attributes))
        for result in results:
            self.channels[result] = channels or self.channels.get(inputs[0] if inputs else None)
        return results[0] if len(results) == 1 else results

    def weight(self, name, *dims):
        """An initializer without data: its bytes would lie in EXTERNAL."""
        assert all(tensor.name != name for tensor in self.initializers), name
        tensor = TensorProto(name=name, dims=dims, data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
        size = 4 * math.prod(dims)
        for key, value in (("location", EXTERNAL), ("offset", self.offset), ("length", size)):
            tensor.external_data.add(key=key, value=str(value))
        self.offset += size
        self.initializers.append(tensor)
        return name

    def constant(self, module, value, dtype=numpy.int64):
        array = numpy.array(value, dtype)
        name = "/" + "/".join(module.split(".") + ["Constant"]) if module else "/Constant"
        return self.op("Constant", module, value=numpy_helper.from_array(array, name.strip("/")))

    def conv(self, module, x, out, kernel, stride=1, pad=None, group=1, bias=False, dilation=1):
        kernel, stride, dilation = (v if isinstance(v, tuple) else (v, v) for v in (kernel, stride, dilation))
        pad = pad or [k // 2 for k in kernel] * 2
        inputs = [x, self.weight(f"{module}.weight", out, self.channels[x] // group, *kernel)]
        if bias:
            inputs.append(self.weight(f"{module}.bias", out))
        return self.op("Conv", module, *inputs, channels=out, dilations=dilation, group=group, kernel_shape=kernel,
                       pads=pad, strides=stride)

    def norm(self, module, x):
        roles = ("weight", "bias", "running_mean", "running_var")
        weights = [self.weight(f"{module}.{role}", self.channels[x]) for role in roles]
        return self.op("BatchNormalization", module, x, *weights, epsilon=self.epsilon, momentum=0.9, training_mode=0)

    def relu(self, module, x):
        return self.op("Relu", module, x)

    def silu(self, module, x):
        return self.op("Mul", module, x, self.op("Sigmoid", module, x))

    def leaky_relu(self, module, x):
        return self.op("LeakyRelu", module, x, alpha=0.1)

    def mish(self, module, x):
        return self.op("Mul", module, x, self.op("Tanh", module, self.op("Softplus", module, x)))

    def relu6(self, module, x):
        low, high = (self.constant(module, bound, numpy.float32) for bound in (0.0, 6.0))
        return self.op("Clip", module, x, low, high)

    def pool(self, kind, module, x, kernel, stride, pad=0, **attributes):
        attributes = {"ceil_mode": 0, **attributes}
        return self.op(kind, module, x, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, **attributes)

    def concat(self, module, values, axis=1):
        return self.op("Concat", module, *values, axis=axis, channels=sum(self.channels[v] or 0 for v in values))

    def split(self, module, x, *sizes):
        results = self.op("Split", module, x, self.constant(module, sizes), outputs=len(sizes), axis=1)
        self.channels.update(zip(results, sizes))
        return results

    def classifier(self, module, x, classes, pool="", flatten=""):
        """Global average pool, flatten and a linear layer named as the graph's output."""
        x = self.op("Flatten", flatten, self.op("GlobalAveragePool", pool, x), axis=1)
        return self.gemm(module, x, classes, output_names=["output"])

    def gemm(self, module, x, out, **names):
        weight = self.weight(f"{module}.weight", out, self.channels[x])
        bias = self.weight(f"{module}.bias", out)
        return self.op("Gemm", module, x, weight, bias, alpha=1.0, beta=1.0, transB=1, channels=out, **names)

    def linear(self, module, x, out):
        """A linear layer on more than two axes: the exporter transposes and renames its matrix."""
        matrix = self.weight(f"onnx::MatMul_{self.folded}", self.channels[x], out)
        self.folded += 1
        x = self.op("MatMul", module, x, matrix, channels=out)
        return self.op("Add", module, self.weight(f"{module}.bias", out), x, channels=out)

    def model(self, outputs=("output",)):
        graph = helper.make_graph(self.nodes, self.name, self.inputs, [], self.initializers)
        opset = helper.make_opsetid("", self.opset)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=8, producer_name="make.py")
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph.value_info
        known = {value.name: value for value in inferred}
        graph.output.extend(known[name] for name in outputs)
        model.graph.CopyFrom(graph)
        return model


# ---------------------------------------------------------------------------------------------------------------------
# The architectures.

# Of every normalization in nets whose blocks end in a shortcut after wide layers. Seeded statistics do not fit the data,
# so each block more than doubles the power; after 23 of them values reach 1e5 and no shift counts any more. A large
# epsilon holds them back, and is itself under test.
LARGE_EPSILON = 0.5


def resnet50(scale):
    """torchvision's: bottlenecks, stride on the 3x3."""
    g = Builder("resnet50", 17, [1, 3, scale.side, scale.side], epsilon=LARGE_EPSILON)
    x = g.conv("conv1", "input", scale(64), 7, 2)
    x = g.pool("MaxPool", "maxpool", g.relu("relu", g.norm("bn1", x)), 3, 2, 1, dilations=[1, 1])
    for stage, (width, depth) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 1):
        for block in range(depth):
            m, stride, shortcut = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1, x
            y = g.relu(f"{m}.relu", g.norm(f"{m}.bn1", g.conv(f"{m}.conv1", x, scale(width), 1)))
            y = g.relu(f"{m}.relu", g.norm(f"{m}.bn2", g.conv(f"{m}.conv2", y, scale(width), 3, stride)))
            y = g.norm(f"{m}.bn3", g.conv(f"{m}.conv3", y, 4 * scale(width), 1))
            if block == 0:
                shortcut = g.conv(f"{m}.downsample.0", x, 4 * scale(width), 1, stride)
                shortcut = g.norm(f"{m}.downsample.1", shortcut)
            x = g.relu(f"{m}.relu", g.op("Add", m, y, shortcut))
    g.classifier("fc", x, scale(1000), "avgpool")
    return g.model()


def densenet121(scale):
    """torchvision's: BN, ReLU, convolution; every layer concatenates the outputs of all before it."""
    g = Builder("densenet121", 17, [1, 3, scale.side, scale.side])
    growth = scale(32)
    x = g.conv("features.conv0", "input", scale(64), 7, 2)
    x = g.relu("features.relu0", g.norm("features.norm0", x))
    x = g.pool("MaxPool", "features.pool0", x, 3, 2, 1, dilations=[1, 1])
    for block, depth in enumerate((6, 12, 24, 16), 1):
        features = [x]
        for layer in range(1, depth + 1):
            m = f"features.denseblock{block}.denselayer{layer}"
            y = g.concat(m, features)  # of one value in the first layer, as exporters write it
            y = g.conv(f"{m}.conv1", g.relu(f"{m}.relu1", g.norm(f"{m}.norm1", y)), 4 * growth, 1)
            features.append(g.conv(f"{m}.conv2", g.relu(f"{m}.relu2", g.norm(f"{m}.norm2", y)), growth, 3))
        x = g.concat(f"features.denseblock{block}", features)
        if block < 4:
            m = f"features.transition{block}"
            x = g.conv(f"{m}.conv", g.relu(f"{m}.relu", g.norm(f"{m}.norm", x)), g.channels[x] // 2, 1)
            x = g.pool("AveragePool", f"{m}.pool", x, 2, 2, count_include_pad=1)
    x = g.relu("", g.norm("features.norm5", x))
    g.classifier("classifier", x, scale(1000))
    return g.model()


def csp_stage(g, m, x, expand, out, blocks, act, linear):
    """timm's cross stage: expand, split, blocks on one half, transition, concatenate, transition."""
    def conv_norm(module, x, *size, activation=act):
        x = g.norm(f"{module}.bn", g.conv(f"{module}.conv", x, *size))
        return activation(f"{module}.bn.act", x) if activation else x

    x = conv_norm(f"{m}.conv_exp", x, expand, 1, activation=None if linear else act)
    bypass, x = g.split(m, x, expand // 2, expand // 2)
    for index, block in enumerate(blocks):
        x = block(f"{m}.blocks.{index}", x, conv_norm)
    x = conv_norm(f"{m}.conv_transition_b", x, expand // 2, 1)
    return conv_norm(f"{m}.conv_transition", g.concat(m, [bypass, x]), out, 1)


def cspresnext50(scale):
    """timm's: grouped bottlenecks, the expansion without activation."""
    g = Builder("cspresnext50", 17, [1, 3, scale.side, scale.side], epsilon=LARGE_EPSILON)
    groups = scale(32)
    act = g.leaky_relu

    def block(m, x, conv_norm):
        y = conv_norm(f"{m}.conv1", x, g.channels[x], 1)
        y = conv_norm(f"{m}.conv2", y, g.channels[x], 3, 1, None, groups)
        y = conv_norm(f"{m}.conv3", y, g.channels[x], 1, activation=None)
        return act(f"{m}.act3", g.op("Add", m, y, x))

    x = g.norm("stem.conv1.bn", g.conv("stem.conv1.conv", "input", scale(64), 7, 2))
    x = g.pool("MaxPool", "stem.pool", act("stem.conv1.bn.act", x), 3, 2, 1, dilations=[1, 1])
    for stage, (out, depth) in enumerate(((256, 3), (512, 3), (1024, 5), (2048, 2))):
        m, out = f"stages.{stage}", scale(out, multiple=2 * groups)
        if stage:
            x = g.conv(f"{m}.conv_down.conv", x, g.channels[x], 3, 2, group=groups)
            x = act(f"{m}.conv_down.bn.act", g.norm(f"{m}.conv_down.bn", x))
        x = csp_stage(g, m, x, out, out, [block] * depth, act, linear=True)
    g.classifier("head.fc", x, scale(1000), "head.global_pool.pool", "head.global_pool.flatten")
    return g.model()


def cspdarknet53(scale):
    """timm's layout; Mish in the stem and the first three stages, leaky ReLU of slope 0.1 in the last two, so that
    both of the activations this net is trained with are here. The large epsilon: see `LARGE_EPSILON`."""
    g = Builder("cspdarknet53", 17, [1, 3, scale.side, scale.side], epsilon=LARGE_EPSILON)
    x = g.norm("stem.conv1.bn", g.conv("stem.conv1.conv", "input", scale(32), 3))
    x = g.mish("stem.conv1.bn.act", x)
    for stage, (out, depth) in enumerate(((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4))):
        m, out = f"stages.{stage}", scale(out)
        act = g.mish if stage < 3 else g.leaky_relu
        x = g.conv(f"{m}.conv_down.conv", x, out, 3, 2)
        x = act(f"{m}.conv_down.bn.act", g.norm(f"{m}.conv_down.bn", x))
        # The first stage expands to twice its width and squeezes inside its block.
        expand, squeeze = (2 * out, 2) if stage == 0 else (out, 1)

        def block(m, x, conv_norm):
            y = conv_norm(f"{m}.conv1", x, g.channels[x] // squeeze, 1)
            return g.op("Add", m, conv_norm(f"{m}.conv2", y, g.channels[x], 3), x)

        x = csp_stage(g, m, x, expand, out, [block] * depth, act, linear=False)
    g.classifier("head.fc", x, scale(1000), "head.global_pool.pool", "head.global_pool.flatten")
    return g.model()


def mobilenet_v2(scale):
    """torchvision's: inverted residuals, ReLU6 as Clip."""
    g = Builder("mobilenet_v2", 17, [1, 3, scale.side, scale.side])

    def conv_norm_act(m, x, *size, **attributes):
        return g.relu6(f"{m}.2", g.norm(f"{m}.1", g.conv(f"{m}.0", x, *size, **attributes)))

    x, index = conv_norm_act("features.0", "input", scale(32), 3, 2), 0
    for expand, out, depth, first in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                      (6, 160, 3, 2), (6, 320, 1, 1)):
        for repeat in range(depth):
            index += 1
            m, part, stride, y = f"features.{index}", 0, first if repeat == 0 else 1, x
            if expand > 1:
                y, part = conv_norm_act(f"{m}.conv.0", x, expand * g.channels[x], 1), 1
            y = conv_norm_act(f"{m}.conv.{part}", y, g.channels[y], 3, stride, group=g.channels[y])
            y = g.norm(f"{m}.conv.{part + 2}", g.conv(f"{m}.conv.{part + 1}", y, scale(out), 1))
            x = g.op("Add", m, x, y) if repeat else y
    x = conv_norm_act("features.18", x, scale(1280), 1)
    g.classifier("classifier.1", x, scale(1000))
    return g.model()


def efficientnet_b0(scale):
    """torchvision's: inverted residuals with squeeze and excitation, SiLU as Sigmoid and Mul."""
    g = Builder("efficientnet_b0", 17, [1, 3, scale.side, scale.side])

    def conv_norm_act(m, x, *size, **attributes):
        return g.silu(f"{m}.2", g.norm(f"{m}.1", g.conv(f"{m}.0", x, *size, **attributes)))

    def excite(m, x, squeeze):
        y = g.op("GlobalAveragePool", f"{m}.avgpool", x)
        y = g.silu(f"{m}.activation", g.conv(f"{m}.fc1", y, squeeze, 1, bias=True))
        y = g.op("Sigmoid", f"{m}.scale_activation", g.conv(f"{m}.fc2", y, g.channels[x], 1, bias=True))
        return g.op("Mul", m, y, x)

    x = conv_norm_act("features.0", "input", scale(32), 3, 2)
    stages = ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3),
              (6, 5, 2, 192, 4), (6, 3, 1, 320, 1))
    for stage, (expand, kernel, first, out, depth) in enumerate(stages, 1):
        for repeat in range(depth):
            m, part, y = f"features.{stage}.{repeat}.block", 0, x
            if expand > 1:
                y, part = conv_norm_act(f"{m}.0", x, expand * g.channels[x], 1), 1
            stride = first if repeat == 0 else 1
            y = conv_norm_act(f"{m}.{part}", y, g.channels[y], kernel, stride, group=g.channels[y])
            y = excite(f"{m}.{part + 1}", y, max(2, g.channels[x] // 4))
            y = g.norm(f"{m}.{part + 2}.1", g.conv(f"{m}.{part + 2}.0", y, scale(out), 1))
            x = g.op("Add", f"features.{stage}.{repeat}", y, x) if repeat else y
    x = conv_norm_act("features.8", x, scale(1280), 1)
    g.classifier("classifier.1", x, scale(1000), "avgpool")
    return g.model()


def vovnet39a(scale):
    """timm's: one-shot aggregation, pools with ceil_mode; with the effective squeeze and excitation and the identity
    shortcuts of its successor (timm's ese_vovnet39b), as they add operators and change no other layer."""
    g = Builder("vovnet39a", 17, [1, 3, scale.side, scale.side])

    def conv_norm_act(m, x, *size):
        return g.relu(f"{m}.bn.act", g.norm(f"{m}.bn", g.conv(f"{m}.conv", x, *size)))

    def excite(m, x):
        gate = g.op("ReduceMean", m, x, axes=[2, 3], keepdims=1)
        gate = g.conv(f"{m}.fc", gate, g.channels[x], 1, bias=True)
        return g.op("Mul", m, x, g.op("HardSigmoid", f"{m}.gate", gate, alpha=1 / 6, beta=0.5))

    x = conv_norm_act("stem.0", "input", scale(64), 3, 2)
    x = conv_norm_act("stem.1", x, scale(64), 3, 1)
    x = conv_norm_act("stem.2", x, scale(128), 3, 2)
    for stage, (width, out, depth) in enumerate(((128, 256, 1), (160, 512, 1), (192, 768, 2), (224, 1024, 2))):
        if stage:
            x = g.pool("MaxPool", f"stages.{stage}.pool", x, 3, 2, ceil_mode=1, dilations=[1, 1])
        for block in range(depth):
            m, parts = f"stages.{stage}.blocks.{block}", [x]
            for layer in range(5):
                parts.append(conv_norm_act(f"{m}.conv_mid.{layer}", parts[-1], scale(width), 3))
            y = conv_norm_act(f"{m}.conv_concat", g.concat(m, parts), scale(out), 1)
            y = excite(f"{m}.attn", y) if block == depth - 1 else y
            x = g.op("Add", m, y, x) if block else y
    g.classifier("head.fc", x, scale(1000), "head.global_pool.pool", "head.global_pool.flatten")
    return g.model()


def attention_packed(g, m, x, tokens, width, heads):
    """Attention as torchvision's is exported: axes swapped, the shape of the unflattened projection computed from
    Shape, Mod and Slice, query, key and value taken by Gather."""
    one = lambda value: g.constant(m, [value])
    x = g.linear(f"{m}.in_proj", g.op("Transpose", m, x, perm=[1, 0, 2]), 3 * width)
    last = g.op("Mod", m, one(2), one(3))
    shape = g.op("Shape", m, x)
    before = g.op("Slice", m, shape, one(0), g.op("Reshape", m, last, one(1)))
    after = g.op("Reshape", m, g.op("Add", m, last, one(1)), one(1))
    after = g.op("Slice", m, shape, after, one(2**63 - 1))
    shape = g.op("Concat", m, before, g.constant(m, [3, width]), after, axis=0)
    x = g.op("Unsqueeze", m, g.op("Reshape", m, x, shape, allowzero=0), one(0))
    x = g.op("Squeeze", m, g.op("Transpose", m, x, perm=[3, 1, 2, 0, 4]), one(3))
    parts = []
    for index in range(3):
        part = g.op("Gather", m, x, g.constant(m, index), axis=0)
        part = g.op("Reshape", m, part, g.constant(m, [tokens, heads, width // heads]), allowzero=0)
        part = g.op("Transpose", m, part, perm=[1, 0, 2])
        parts.append(g.op("Reshape", m, part, g.constant(m, [1, heads, tokens, width // heads]), allowzero=0))
    query, key, value = parts
    size = g.op("Slice", m, g.op("Shape", m, query), one(-1), one(2**63 - 1))
    size = g.op("Sqrt", m, g.op("Cast", m, size, to=TensorProto.FLOAT))
    factor = g.op("Cast", m, g.op("Div", m, g.constant(m, [1.0], numpy.float32), size), to=TensorProto.FLOAT)
    query = g.op("Mul", m, query, g.op("Sqrt", m, factor))
    key = g.op("Mul", m, g.op("Transpose", m, key, perm=[0, 1, 3, 2]), g.op("Sqrt", m, factor))
    x = g.op("MatMul", m, g.op("Softmax", m, g.op("MatMul", m, query, key), axis=-1), value)
    x = g.op("Transpose", m, x, perm=[2, 0, 1, 3])
    x = g.op("Reshape", m, x, g.constant(m, [tokens, width]), allowzero=0, channels=width)
    x = g.gemm(f"{m}.out_proj", x, width)
    x = g.op("Reshape", m, x, g.constant(m, [tokens, 1, width]), allowzero=0)
    return g.op("Transpose", m, x, perm=[1, 0, 2])


def attention_split(g, m, x, tokens, width, heads):
    """Attention as timm's is exported: the shape put together from Shape and Gather, unbind as Split and Squeeze."""
    dims = g.op("Shape", m, x)
    dims = [g.op("Unsqueeze", m, g.op("Gather", m, dims, g.constant(m, axis), axis=0), g.constant(m, [0]))
            for axis in range(3)]
    x = g.linear(f"{m}.qkv", x, 3 * width)
    shape = [*dims[:2], *(g.constant(m, [value]) for value in (3, heads, width // heads))]
    x = g.op("Reshape", m, x, g.op("Concat", m, *shape, axis=0), allowzero=0)
    x = g.op("Transpose", m, x, perm=[2, 0, 3, 1, 4])
    parts = g.op("Split", m, x, g.constant(m, [1, 1, 1]), outputs=3, axis=0)
    query, key, value = (g.op("Squeeze", m, part, g.constant(m, [0])) for part in parts)
    query = g.op("Mul", m, query, g.constant(m, (width // heads) ** -0.5, numpy.float32))
    scores = g.op("MatMul", m, query, g.op("Transpose", m, key, perm=[0, 1, 3, 2]))
    x = g.op("MatMul", m, g.op("Softmax", m, scores, axis=-1), value)
    x = g.op("Transpose", m, x, perm=[0, 2, 1, 3])
    x = g.op("Reshape", m, x, g.op("Concat", m, *dims, axis=0), allowzero=0, channels=width)
    return g.linear(f"{m}.proj", x, width)


def vit_b_16(scale):
    """torchvision's; the attention of odd layers as timm's is written, the same function in other operators."""
    side, width, heads = scale.side // 16, scale(768), 12
    tokens = side * side + 1
    g = Builder("vit_b_16", 17, [1, 3, scale.side, scale.side])

    def norm(m, x):
        weights = [g.weight(f"{m}.{role}", width) for role in ("weight", "bias")]
        return g.op("LayerNormalization", m, x, *weights, axis=-1, epsilon=1e-6)

    def gelu(m, x):
        y = g.op("Erf", m, g.op("Div", m, x, g.constant(m, math.sqrt(2.0), numpy.float32)))
        y = g.op("Mul", m, x, g.op("Add", m, y, g.constant(m, 1.0, numpy.float32)))
        return g.op("Mul", m, y, g.constant(m, 0.5, numpy.float32))

    x = g.conv("conv_proj", "input", width, 16, 16, [0] * 4, bias=True)
    x = g.op("Reshape", "", x, g.constant("", [1, width, tokens - 1]), allowzero=0)
    x = g.op("Transpose", "", x, perm=[0, 2, 1])
    wanted = g.constant("", [1, -1, -1])
    ones = g.op("ConstantOfShape", "", g.constant("", [3]), value=numpy_helper.from_array(numpy.array([1])))
    kept = g.op("Equal", "", wanted, g.op("Mul", "", ones, g.constant("", -1)))
    token = g.op("Expand", "", g.weight("class_token", 1, 1, width), g.op("Where", "", kept, ones, wanted))
    x = g.op("Concat", "", token, x, axis=1)
    x = g.op("Add", "encoder", x, g.weight("encoder.pos_embedding", 1, tokens, width), channels=width)
    for layer in range(12):
        m = f"encoder.layers.encoder_layer_{layer}"
        attention = attention_split if layer % 2 else attention_packed
        y = attention(g, f"{m}.self_attention", norm(f"{m}.ln_1", x), tokens, width, heads)
        x = g.op("Add", m, y, x)
        y = gelu(f"{m}.mlp.1", g.linear(f"{m}.mlp.0", norm(f"{m}.ln_2", x), 4 * width))
        x = g.op("Add", m, x, g.linear(f"{m}.mlp.3", y, width))
    x = g.op("Gather", "", norm("encoder.ln", x), g.constant("", 0), axis=1, channels=width)
    g.gemm("heads.head", x, scale(1000), output_names=["output"])
    return g.model()


def ops(_scale):
    """No net: operators and attributes that the nets above leave out, one small case each, every result an output."""
    g = Builder("ops", 18, [1, 3, 11, 14])
    leaves = []

    def leaf(value):
        leaves.append(value)

    def ints(m, *values):
        return g.constant(m, list(values))

    def real(m, value):
        return g.constant(m, value, numpy.float32)

    x = g.norm("base.norm", g.conv("base.conv", "input", 4, 3, 2, [0, 1, 1, 0], bias=True))  # 1x4x5x7, padded unevenly
    positive = g.op("Add", "positive", g.op("Abs", "positive", x), real("positive", 0.1))

    # Convolutions.
    leaf(g.conv("conv_1x7", x, 6, (1, 7)))
    leaf(g.conv("conv_7x1", x, 6, (7, 1)))
    leaf(g.conv("conv_even_kernel", x, 4, 2, 1, [1, 0, 0, 1]))
    leaf(g.conv("conv_dilated", x, 4, 3, 1, [2, 3, 2, 1], dilation=(2, 3)))
    leaf(g.conv("conv_stride_2_1", x, 4, 3, (2, 1), bias=True))
    leaf(g.conv("conv_grouped", x, 6, 3, group=2, bias=True))
    leaf(g.conv("conv_depthwise_multiplier", x, 8, 3, group=4))
    for mode in ("SAME_UPPER", "SAME_LOWER"):
        m = f"conv_{mode.lower()}"
        leaf(g.op("Conv", m, x, g.weight(f"{m}.weight", 4, 4, 2, 4), auto_pad=mode, strides=[2, 2]))
    line = g.op("Reshape", "conv_1d", x, ints("conv_1d", 0, 4, -1))
    leaf(g.op("Conv", "conv_1d", line, g.weight("conv_1d.weight", 3, 4, 5), strides=[3], pads=[2, 1]))

    def transposed(m, out, group, kernel, **attributes):
        weights = [g.weight(f"{m}.weight", 4, out // group, *kernel), g.weight(f"{m}.bias", out)]
        leaf(g.op("ConvTranspose", m, x, *weights, group=group, kernel_shape=kernel, **attributes))

    transposed("conv_transpose", 3, 1, [2, 2], strides=[2, 2])
    transposed("conv_transpose_grouped", 6, 2, [3, 3], strides=[2, 3], pads=[1, 1, 1, 1], output_padding=[1, 2])
    transposed("conv_transpose_dilated", 4, 4, [3, 2], dilations=[2, 1], pads=[0, 1, 2, 0])

    # Pools.
    for include in (0, 1):
        m = f"average_pool_include_{include}"
        leaf(g.op("AveragePool", m, x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, count_include_pad=include))
    leaf(g.pool("AveragePool", "average_pool_ceil", x, 2, 2, ceil_mode=1))
    leaf(g.op("AveragePool", "average_pool_uneven", x, kernel_shape=[2, 3], strides=[1, 2], pads=[0, 1, 1, 1]))
    leaf(g.pool("MaxPool", "max_pool_ceil", x, 2, 2, ceil_mode=1))
    leaf(g.op("MaxPool", "max_pool_dilated", x, kernel_shape=[2, 3], dilations=[2, 2], pads=[0, 1, 1, 2]))
    leaf(g.op("GlobalMaxPool", "global_max_pool", x))

    # Normalizations.
    leaf(g.op("LRN", "lrn", x, size=3, alpha=0.5, beta=0.75, bias=1.5))
    weights = [g.weight(f"instance_norm.{role}", 4) for role in ("weight", "bias")]
    leaf(g.op("InstanceNormalization", "instance_norm", x, *weights, epsilon=1e-5))
    m = "group_norm"  # as exporters write it: instance normalization of the groups, then scale and shift
    y = g.op("Reshape", m, x, ints(m, 0, 2, -1))
    y = g.op("InstanceNormalization", m, y, real(m, [1.0, 1.0]), real(m, [0.0, 0.0]), epsilon=1e-5)
    y = g.op("Mul", m, g.op("Reshape", m, y, g.op("Shape", m, x)), g.weight(f"{m}.weight", 4, 1, 1))
    leaf(g.op("Add", m, y, g.weight(f"{m}.bias", 4, 1, 1)))
    weights = [g.weight(f"layer_norm.{role}", 5, 7) for role in ("weight", "bias")]
    leaf(g.op("LayerNormalization", "layer_norm", x, *weights, axis=2))

    # Activations and other elementwise operators.
    leaf(g.op("PRelu", "prelu", x, g.weight("prelu.slope", 4, 1, 1)))
    leaf(g.op("HardSwish", "hard_swish", x))
    leaf(g.op("HardSigmoid", "hard_sigmoid", x, alpha=0.3, beta=0.4))
    leaf(g.op("Elu", "elu", x, alpha=0.7))
    leaf(g.op("Celu", "celu", x, alpha=0.7))
    leaf(g.op("Clip", "clip_above", x, "", real("clip_above", 0.5)))
    for op_type in ("Selu", "Softsign", "Softplus", "Erf", "Exp", "Neg", "Sin", "Cos", "Floor", "Ceil", "Round"):
        leaf(g.op(op_type, op_type.lower(), x))
    for op_type in ("Sqrt", "Log", "Reciprocal"):
        leaf(g.op(op_type, op_type.lower(), positive))
    leaf(g.op("Pow", "pow", positive, real("pow", 2.5)))
    leaf(g.op("Pow", "pow_square", x, real("pow_square", 2.0)))
    leaf(g.op("Sub", "broadcast", g.weight("broadcast.column", 4, 1, 7), x))
    leaf(g.op("Max", "max", x, g.op("Neg", "max", x), real("max", 0.2)))
    leaf(g.op("Min", "min", x, real("min", 0.2)))
    leaf(g.op("Where", "where", g.op("Greater", "where", x, real("where", 0.0)), x, positive))
    leaf(g.op("Cast", "cast", g.op("Cast", "cast", x, to=TensorProto.INT64), to=TensorProto.FLOAT))

    # Resizing: scales, then odd sizes.
    doubled = real("resize", [1.0, 1.0, 2.0, 2.0])
    nearest = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    leaf(g.op("Resize", "resize_nearest", x, "", doubled, mode="nearest", **nearest))
    odd, small = ints("resize", 1, 4, 11, 9), ints("resize", 1, 4, 3, 4)
    leaf(g.op("Resize", "resize_nearest_odd", x, "", "", odd, mode="nearest", **nearest))
    leaf(g.op("Resize", "resize_nearest_half_pixel", x, "", "", odd, mode="nearest",
              coordinate_transformation_mode="half_pixel", nearest_mode="round_prefer_floor"))
    for mode in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"):
        m = f"resize_linear_{mode}"
        attributes = {"mode": "linear", "coordinate_transformation_mode": mode}
        leaf(g.op("Resize", m, x, "", doubled, **attributes))
        leaf(g.op("Resize", m, x, "", "", odd, **attributes))
    leaf(g.op("Resize", "resize_linear_down", x, "", "", small, mode="linear",
              coordinate_transformation_mode="half_pixel"))

    # Moving elements.
    deep = g.conv("depth_to_space", x, 8, 1)
    for mode in ("DCR", "CRD"):
        leaf(g.op("DepthToSpace", "depth_to_space", deep, blocksize=2, mode=mode))
    m = "space_to_depth"
    even = g.op("Slice", m, x, ints(m, 0, 1), ints(m, 4, 7), ints(m, 2, 3))
    leaf(g.op("SpaceToDepth", m, even, blocksize=2))
    leaf(g.op("Gather", "gather", x, g.constant("gather", [[2, -1], [0, 2]]), axis=3))
    m = "slice_steps"
    leaf(g.op("Slice", m, x, ints(m, 4, 1), ints(m, -6, 2**63 - 1), ints(m, 2, 3), ints(m, -2, 3)))
    amounts = ints("pad", 0, 0, 1, 2, 0, 0, 2, 1)
    leaf(g.op("Pad", "pad_constant", x, amounts, real("pad_constant", 0.25), mode="constant"))
    leaf(g.op("Pad", "pad_reflect", x, amounts, mode="reflect"))
    leaf(g.op("Pad", "pad_edge", x, amounts, mode="edge"))
    leaf(g.op("Tile", "tile", g.op("MaxPool", "tile", x, kernel_shape=[3, 3], strides=[3, 3]), ints("tile", 1, 1, 3, 2)))
    leaf(g.op("Expand", "expand", g.weight("expand.column", 4, 1, 7), ints("expand", 1, 1, 5, 1)))
    for part in g.op("Split", "split_uneven", x, outputs=3, axis=3, num_outputs=3):
        leaf(part)
    leaf(g.op("Concat", "concat_last", x, positive, axis=-1))
    leaf(g.op("Transpose", "transpose", x, perm=[0, 3, 1, 2]))
    leaf(g.op("Flatten", "flatten", x, axis=2))

    # Reductions and their kin.
    for op_type, axes, keep in (("ReduceMean", (1, 3), 1), ("ReduceMax", (2,), 0), ("ReduceMin", (-1,), 1),
                                ("ReduceSum", (1, 2), 0), ("ReduceL2", (2, 3), 1), ("ReduceProd", (1,), 0)):
        m = op_type.lower()
        leaf(g.op(op_type, m, x, ints(m, *axes), keepdims=keep))
    leaf(g.op("ArgMax", "argmax", x, axis=1, keepdims=0))
    leaf(g.op("TopK", "top_k", x, ints("top_k", 3), outputs=2, axis=3, largest=1, sorted=1)[0])
    leaf(g.op("CumSum", "cum_sum", x, g.constant("cum_sum", 3)))
    leaf(g.op("CumSum", "cum_sum_reverse", x, g.constant("cum_sum_reverse", 2), exclusive=1, reverse=1))
    leaf(g.op("Softmax", "softmax_channels", x, axis=1))
    leaf(g.op("LogSoftmax", "log_softmax", x, axis=2))

    # Products.
    leaf(g.op("Einsum", "einsum_channels", x, g.weight("einsum_channels.matrix", 6, 4), equation="bchw,dc->bdhw"))
    leaf(g.op("Einsum", "einsum_rows", x, positive, equation="bchw,bckw->bhk"))
    leaf(g.op("MatMul", "matmul_batched", x, g.op("Transpose", "matmul_batched", positive, perm=[0, 1, 3, 2])))
    leaf(g.op("MatMul", "matmul_left", g.weight("matmul_left.matrix", 3, 5), x))
    m = "gemm"
    tall = g.op("Reshape", m, x, ints(m, 4, 35))
    weights = [g.weight(f"{m}.weight", 4, 6), g.weight(f"{m}.bias", 6)]
    leaf(g.op("Gemm", m, tall, *weights, alpha=0.5, beta=2.0, transA=1))
    return g.model(leaves)


MODELS = (densenet121, resnet50, cspresnext50, cspdarknet53, mobilenet_v2, efficientnet_b0, vovnet39a, vit_b_16, ops)


# ---------------------------------------------------------------------------------------------------------------------
# Running and writing.


def check(model, arrays):
    """onnx.checker on the file as it stands, beside the weights it points to."""
    with tempfile.TemporaryDirectory() as folder:
        external = [i.name for i in model.graph.initializer if i.data_location == TensorProto.EXTERNAL]
        with open(pathlib.Path(folder, EXTERNAL), "wb") as file:
            for name in external:
                file.write(arrays[name].astype("<f4").tobytes())
        path = pathlib.Path(folder, "model.onnx")
        path.write_bytes(model.SerializeToString(deterministic=True))
        onnx.checker.check_model(str(path), full_check=True)


def run(model, seed):
    """Name to array of every value that a node other than Constant computes, in the order of the nodes."""
    arrays = seeded(model.graph, seed)
    check(model, arrays)
    filled = onnx.ModelProto.FromString(model.SerializeToString())
    for initializer in filled.graph.initializer:
        if initializer.name in arrays:
            initializer.CopyFrom(numpy_helper.from_array(arrays[initializer.name], initializer.name))
    names = [name for node in model.graph.node if node.op_type != "Constant" for name in node.output]
    final = {value.name for value in model.graph.output}
    filled.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names if name not in final)

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(filled.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feeds = {value.name: uniform(value.name, seed, [d.dim_value for d in value.type.tensor_type.shape.dim], -1.0, 1.0)
             for value in model.graph.input}
    return feeds, dict(zip(names, session.run(names, feeds)))


def refuse_degenerate(results):
    """A reference of huge, tiny or constant numbers would test nothing."""
    for name, array in results.items():
        if array.dtype == numpy.float32 and array.size > 1:
            largest = numpy.abs(array).max()
            assert numpy.isfinite(array).all() and 1e-3 < largest < 1e6, f"{name}: largest {largest}"
            assert array.std() > 1e-3 * largest, f"{name}: spread {array.std()} of {largest}"


def number(value):
    """Shortest decimal that reads back as the same f32; integers and booleans as integers."""
    return str(value) if isinstance(value, numpy.float32) else str(int(value))


def entry(name, array, seed, final):
    flat = array.reshape(-1)
    chosen = numpy.arange(flat.size) if final else samples(name, seed, flat.size)
    largest = number(numpy.abs(flat).max()) if flat.size else "0"
    values = ",".join(number(flat[i]) for i in chosen)
    return (f'{{"name":{json.dumps(name)},"dtype":"{array.dtype}","shape":{json.dumps(list(array.shape))},'
            f'"output":{json.dumps(final)},"max":{largest},"values":[{values}]}}')


def write(build, scale, folder, seed, everything):
    """NAME.onnx and NAME.expected, or NAME/index.json with a raw file for each tensor."""
    model = build(scale)
    name = model.graph.name
    feeds, results = run(model, seed)
    refuse_degenerate(results)
    (folder / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
    if everything:
        raw = folder / name
        raw.mkdir(parents=True, exist_ok=True)
        index = []
        for position, (tensor, array) in enumerate({**feeds, **results}.items()):
            file = f"{position:04}.{'f32' if array.dtype == numpy.float32 else array.dtype}"
            (raw / file).write_bytes(array.astype(array.dtype.newbyteorder("<")).tobytes())
            index.append({"name": tensor, "dtype": str(array.dtype), "shape": array.shape, "file": file})
        (raw / "index.json").write_text(json.dumps(index, indent=1) + "\n")
        return name
    final = {value.name for value in model.graph.output}
    lines = ",\n".join(entry(tensor, array, seed, tensor in final) for tensor, array in results.items())
    head = f'{{"format":1,"model":"{name}.onnx","seed":{seed},"samples":{SAMPLES},"tensors":[\n'
    (folder / f"{name}.expected").write_text(head + lines + "\n]}\n")
    return name


def differences(name, made, committed):
    """What of NAME differs between two folders, in words."""
    first, second = (onnx.load(folder / f"{name}.onnx", load_external_data=False) for folder in (made, committed))
    if first != second:
        yield f"{name}.onnx: another graph"
    first, second = (json.loads((folder / f"{name}.expected").read_text()) for folder in (made, committed))
    heads = [{key: value for key, value in part.items() if key != "tensors"} for part in (first, second)]
    layouts = [[(t["name"], t["dtype"], t["shape"], t["output"], len(t["values"])) for t in part["tensors"]]
               for part in (first, second)]
    if heads[0] != heads[1] or layouts[0] != layouts[1]:
        yield f"{name}.expected: other tensors"
        return
    for a, b in zip(first["tensors"], second["tensors"]):
        allowed = TOLERANCE * b["max"] if b["dtype"] == "float32" else 0
        pairs = zip([a["max"], *a["values"]], [b["max"], *b["values"]])
        worst = max(abs(x - y) for x, y in pairs)
        if worst > allowed:
            yield f"{name}.expected: {a['name']} differs by {worst:g} where the largest is {b['max']:g}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="models to make; all when none is named")
    parser.add_argument("--out", type=pathlib.Path, help="folder to write to; beside this script when left out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--check", action="store_true", help="compare with the committed files, write none")
    parser.add_argument("--full-size", action="store_true", help="real widths at 224x224; needs --out")
    parser.add_argument("--everything", action="store_true", help="every element of every tensor; needs --out")
    arguments = parser.parse_args()
    if (arguments.full_size or arguments.everything or arguments.seed != 1) and not arguments.out:
        parser.error("--full-size, --everything and --seed need --out: the committed files are small and of seed 1")
    if arguments.check and arguments.out:
        parser.error("--check compares with the committed files; leave --out away")
    unknown = set(arguments.names) - {build.__name__ for build in MODELS}
    if unknown:
        parser.error(f"no such model: {', '.join(sorted(unknown))}")
    scale = Scale(1, 224) if arguments.full_size else Scale(8, 64)
    builds = [build for build in MODELS if not arguments.names or build.__name__ in arguments.names]

    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary) if arguments.check else arguments.out or HERE
        folder.mkdir(parents=True, exist_ok=True)
        found = []
        for build in builds:
            name = write(build, scale, folder, arguments.seed, arguments.everything)
            if arguments.check:
                found.extend(differences(name, folder, HERE))
            print(name, flush=True)
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
