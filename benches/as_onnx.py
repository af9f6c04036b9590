"""An architecture file as an ONNX model with weights that are drawn, for other programs to run."""

import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "conformance"))

from builder import Builder, Scale  # noqa: E402, F401


def pair(value):
    return [value, value] if isinstance(value, int) else list(value)


def window(node):
    """Kernel, stride and pads of a pool, as ONNX writes them."""
    own = node["attributes"]
    kernel = pair(own["kernel"])
    return {"kernel_shape": kernel, "strides": pair(own.get("stride", kernel)), "pads": pair(own.get("padding", 0)) * 2,
            "ceil_mode": int(own.get("ceil_mode", False))}


def write(g, node, x):
    """The value that a node of the report makes of the values `x`."""
    own, name = node["attributes"], node["name"].replace("/", ".")
    match node["op"]:
        case "conv2d":
            padding = own.get("padding", 0)
            assert isinstance(padding, (int, list)), padding
            return g.conv(name, x[0], own["out_channels"], tuple(pair(own["kernel"])), tuple(pair(own.get("stride", 1))),
                          pair(padding) * 2, own.get("groups", 1), own.get("bias", True),
                          tuple(pair(own.get("dilation", 1))))
        case "batch_norm":
            return g.norm(name, x[0])
        case "relu":
            return g.relu(name, x[0])
        case "relu6":
            return g.relu6(name, x[0])
        case "leaky_relu":
            return g.op("LeakyRelu", name, x[0], alpha=own["negative_slope"])
        case "silu":
            return g.silu(name, x[0])
        case "sigmoid":
            return g.op("Sigmoid", name, x[0])
        case "dropout":
            return x[0]
        case "max_pool2d":
            return g.op("MaxPool", name, x[0], **window(node))
        case "avg_pool2d":
            return g.op("AveragePool", name, x[0], **window(node))
        case "global_avg_pool":
            return g.op("GlobalAveragePool", name, x[0])
        case "adaptive_avg_pool2d" if node["output_shapes"] == node["input_shapes"]:
            return x[0]
        case "add" if not own:
            y = x[0]
            for other in x[1:]:
                y = g.op("Add", name, y, other)
            return y
        case "mul" if not own:
            return g.op("Mul", name, *x)
        case "concat":
            return g.concat(name, x)
        case "slice" if "axis" not in own and "step" not in own:
            start, end = own.get("start", 0), own.get("end", g.channels[x[0]])
            bounds = [g.constant(name, [value]) for value in (start, end, 1)]
            return g.op("Slice", name, x[0], *bounds, channels=end - start)
        case "flatten":
            batch, features = node["output_shapes"][0]
            return g.op("Flatten", name, x[0], axis=1, channels=features)
        case "linear" if len(node["output_shapes"][0]) == 2 and own.get("bias", True):
            return g.gemm(name, x[0], own["out_features"])
        case "softmax":
            return g.op("Softmax", name, x[0], axis=own["axis"])
    raise ValueError(f"{node['name']}: no ONNX is written of {node['op']} {own}")


def model_of(program, path):
    """The model of a file whose one input is an image.

    Raises ValueError where it has an op that is not written.
    """
    command = [program, "analyze", str(path), "--no-report", "--format", "json"]
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    (image,) = report["architecture"]["inputs"]
    g = Builder(path.stem, 17, image["shape"])
    values, shapes = {image["name"]: "input"}, {}
    for node in report["nodes"]:
        node["input_shapes"] = [shapes[name] for name in node["inputs"]]
        shapes[node["name"]] = node["output_shapes"][0]
        if node["op"] != "input":
            values[node["name"]] = write(g, node, [values[name] for name in node["inputs"]])
    return g.model([values[output["name"]] for output in report["architecture"]["outputs"]])
