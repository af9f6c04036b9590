"""Builds ONNX graphs whose learned tensors have names and shapes but no data."""

import math

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

EXTERNAL = "seeded.bin"  # where the weights would lie; written only for onnx.checker


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
