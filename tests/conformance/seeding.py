"""Numbers from names: the weights, statistics, inputs and sampled indices. Rust reproduces this bit for bit; README.md
states it in words."""

import math

import numpy
from onnx import TensorProto, helper

SAMPLES = 24  # elements that NAME.expected holds of a tensor

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
