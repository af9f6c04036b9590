"""A second opinion: the outputs of cases as onnxruntime computes them from ONNX's op of that meaning."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from .windows import pair

OPSET = 20
TYPES = {"f32": np.float32, "i64": np.int64, "i32": np.int32, "i8": np.int8, "u8": np.uint8, "bool": np.bool_}
ONNX_TYPES = {"f16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16} | {
    name: helper.np_dtype_to_tensor_dtype(np.dtype(kind)) for name, kind in TYPES.items()
}


def array(tensor, dtype=None):
    kind = TYPES[dtype or tensor.get("dtype", "f32")]
    return (
        np.array([float(v) if kind == np.float32 else v for v in tensor["values"]])
        .astype(kind)
        .reshape(tensor["shape"])
    )


def around(a, pools=False):
    """ONNX's attributes of windows."""
    kernel = pair(a["kernel"])
    padding = a.get("padding", 0)
    given = {
        "kernel_shape": kernel,
        "strides": pair(a.get("stride") or (kernel if pools else 1)),
        "dilations": pair(a.get("dilation", 1)),
    }
    if padding == "same":
        return given | {"auto_pad": "SAME_UPPER"}
    pads = padding if isinstance(padding, list) and len(padding) == 4 else pair(padding) * 2
    return given | {"pads": pads}


def pooled(name, *keys):
    def node(a, case):
        more = {key: a[key] for key in keys if key in a and key != "count_include_pad"}
        if "ceil_mode" in more:
            more["ceil_mode"] = int(more["ceil_mode"])
        if name == "LpPool":
            more["p"] = a.get("p", 1)
        if "count_include_pad" in keys:
            more["count_include_pad"] = int(a.get("count_include_pad", True))
        return name, around(a, True) | more, []

    return node


def plain(name, **attributes):
    return lambda a, case: (name, attributes, [])


def renamed(name, names, defaults=()):
    return lambda a, case: (
        name,
        {to: a.get(key, dict(defaults).get(key)) for key, to in names.items() if key in a or key in dict(defaults)},
        [],
    )


def reduced(name):
    return lambda a, case: (
        name,
        {"keepdims": int(a.get("keep_dims", False))},
        [np.array(a["axes"])] if a.get("axes") else [],
    )


def convolved(name):
    def node(a, case):
        more = {"output_padding": pair(a["output_padding"])} if "output_padding" in a else {}
        return name, around(a) | {"group": a.get("groups", 1)} | more, []

    return node


def scatter(a, case):
    x, indices, updates = (len(given["shape"]) for given in case["inputs"])
    alike = x == indices and case["inputs"][1]["shape"] == case["inputs"][2]["shape"]
    more = {"axis": 0} if alike else {}
    return "ScatterElements" if alike else "ScatterND", more | {"reduction": a.get("reduction", "none")}, []


def resize(a, case):
    nearest = a.get("mode", "nearest") == "nearest"
    ways = (
        {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        if nearest
        else {"coordinate_transformation_mode": "half_pixel", "cubic_coeff_a": -0.75}
    )
    sizes = np.array(case["outputs"][0]["shape"])
    return "Resize", {"mode": a.get("mode", "nearest")} | ways, [None, None, sizes]


def roi_align(a, case):
    ways = {
        "output_height": pair(a["output"])[0],
        "output_width": pair(a["output"])[1],
        "sampling_ratio": a["sampling"],
        "coordinate_transformation_mode": "output_half_pixel",
    }
    return "RoiAlign", ways, []


def quantized(name):
    return lambda a, case: (name, {}, [])


def pad(a, case):
    none = [0] * len(case["inputs"][0]["shape"])
    before, after = a.get("before") or none, a.get("after") or none
    if "padding" in a:
        sides = a["padding"] if len(pair(a["padding"])) == 4 else pair(a["padding"]) * 2
        before, after = [0, 0, *sides[:2]], [0, 0, *sides[2:]]
    mode = {"replicate": "edge"}.get(a.get("mode"), a.get("mode", "constant"))
    return "Pad", {"mode": mode}, [np.array([*before, *after])]


def modulo(a, case):
    # With `fmod` 0 ONNX takes whole numbers alone.
    return ("Mod", {}, []) if case["inputs"][0]["dtype"] == "i64" else None


def unary(a, case):
    name = {"is_nan": "IsNaN", "is_inf": "IsInf", "thresholded_relu": "ThresholdedRelu"}.get(
        a["function"], a["function"].capitalize()
    )
    return name, {"bias": 0.5} if name == "Shrink" else {}, []


def logic(a, case):
    bits = "Bitwise" if case["inputs"][0]["dtype"] != "bool" else ""
    return bits + a["operator"].capitalize(), {}, []


def compare(a, case):
    name = {
        "equal": "Equal",
        "less": "Less",
        "less_or_equal": "LessOrEqual",
        "greater": "Greater",
        "greater_or_equal": "GreaterOrEqual",
    }
    return (name[a["operator"]], {}, []) if a["operator"] in name else None


NODES = {
    "avg_pool2d": pooled("AveragePool", "ceil_mode", "count_include_pad"),
    "max_pool2d": pooled("MaxPool", "ceil_mode"),
    "lp_pool2d": pooled("LpPool", "ceil_mode"),
    "global_avg_pool": plain("GlobalAveragePool"),
    "global_max_pool": plain("GlobalMaxPool"),
    "conv2d": convolved("Conv"),
    "conv_transpose2d": convolved("ConvTranspose"),
    "lrn": renamed("LRN", {"size": "size", "alpha": "alpha", "beta": "beta", "k": "bias"}),
    "instance_norm": lambda a, case: (
        ("InstanceNormalization", {"epsilon": a.get("epsilon", 1e-5)}, []) if len(case["weights"]) == 2 else None
    ),
    "batch_norm": lambda a, case: (
        ("BatchNormalization", {"epsilon": a.get("epsilon", 1e-5)}, [])
        if len(case["weights"]) == 4 and case["mode"] == "evaluate"
        else None
    ),
    "layer_norm": lambda a, case: (
        ("LayerNormalization", {"axis": a.get("axes_from", -1), "epsilon": a.get("epsilon", 1e-5)}, [])
        if case["weights"]
        else None
    ),
    "gather": lambda a, case: (
        "Gather",
        {"axis": a.get("axis", 0)},
        [np.array(a["indices"])] if "indices" in a else [],
    ),
    "gather_elements": renamed("GatherElements", {"axis": "axis"}),
    "gather_nd": renamed("GatherND", {"batch_dims": "batch_dims"}),
    "scatter": scatter,
    "resize": resize,
    "roi_align": roi_align,
    "pad": pad,
    "modulo": modulo,
    "grid_sample": lambda a, case: ("GridSample", {"mode": a.get("mode", "linear")}, []),
    "depth_to_space": lambda a, case: (
        "DepthToSpace",
        {"blocksize": a["block_size"], "mode": a.get("mode", "dcr").upper()},
        [],
    ),
    "space_to_depth": lambda a, case: (
        ("SpaceToDepth", {"blocksize": a["block_size"]}, []) if a.get("mode", "dcr") == "dcr" else None
    ),
    "quantize": quantized("QuantizeLinear"),
    "dequantize": quantized("DequantizeLinear"),
    "unary": unary,
    "logic": logic,
    "compare": compare,
    "cast": lambda a, case: ("Cast", {"to": ONNX_TYPES[a["dtype"]]}, []),
    "div": plain("Div"),
    "sub": plain("Sub"),
    "mul": plain("Mul"),
    "where": plain("Where"),
    "maximum": plain("Max"),
    "minimum": plain("Min"),
    "trilu": lambda a, case: ("Trilu", {"upper": int(a.get("upper", True))}, [np.array(a.get("diagonal", 0))]),
    "top_k": lambda a, case: ("TopK", {"axis": a.get("axis", -1)}, [np.array([a["k"]])]),
    "argmax": lambda a, case: ("ArgMax", {"axis": a.get("axis", 1), "keepdims": int(a.get("keep_dims", False))}, []),
    "cum_sum": lambda a, case: ("CumSum", {}, [np.array(a.get("axis", -1))]),
    "softmax": renamed("Softmax", {"axis": "axis"}),
    "log_softmax": renamed("LogSoftmax", {"axis": "axis"}),
    "einsum": renamed("Einsum", {"equation": "equation"}),
    "expand": lambda a, case: ("Expand", {}, [np.array(case["outputs"][0]["shape"])]),
    "tile": lambda a, case: ("Tile", {}, [np.array(a["repeats"])]),
    "transpose": lambda a, case: (
        "Transpose",
        {"perm": [axis % len(a["permutation"]) for axis in a["permutation"]]},
        [],
    ),
    "hardsigmoid": renamed("HardSigmoid", {"alpha": "alpha", "beta": "beta"}, {"alpha": 1 / 6, "beta": 0.5}.items()),
    "gelu": renamed("Gelu", {"approximate": "approximate"}),
    "celu": renamed("Celu", {"alpha": "alpha"}),
    "elu": renamed("Elu", {"alpha": "alpha"}),
    "leaky_relu": renamed("LeakyRelu", {"negative_slope": "alpha"}),
    "relu": plain("Relu"),
    "selu": plain("Selu"),
    "mish": plain("Mish"),
    "erf": plain("Erf"),
    "round": plain("Round"),
    "softsign": plain("Softsign"),
    "hardswish": plain("HardSwish"),
    "sigmoid": plain("Sigmoid"),
    "tanh": plain("Tanh"),
} | {
    f"reduce_{name}": reduced("Reduce" + {"l2": "L2"}.get(name, name.capitalize()))
    for name in ("l2", "max", "mean", "min", "prod", "sum")
}


# What onnxruntime does not compute, or not as ONNX says.
SKIPPED = {
    ("cast", "the upper half of a single"): "NumPy has no such type",
    ("conv_transpose2d", "same, stride above the kernel: zeros after"): "it makes no rows of zeros",
    ("einsum", "further axes broadcast"): "it wants as many further axes in each tensor",
    ("lp_pool2d", "dilation, same"): "it leaves the dilation out of the padding",
    ("lrn", "one spatial axis"): "it takes only maps",
    ("lrn", "an even size"): "it takes only odd sizes",
}


def session_outputs(case, name, attributes, extra):
    """Runs one node: the case's inputs, then its stored tensors, then `extra` (`None` for an absent one)."""
    inputs = [array(given) for given in case["inputs"]]
    if name == "RoiAlign":
        regions = inputs[1] if inputs[1].shape[1] == 5 else np.pad(inputs[1], ((0, 0), (1, 0)))
        inputs = [inputs[0], regions[:, 1:].copy(), regions[:, 0].astype(np.int64)]
    stored = [array(weight) for weight in case["weights"]] + list(extra)
    fed = {f"x{i}": made for i, made in enumerate(inputs)}
    names = list(fed) + ["" if made is None else f"w{i}" for i, made in enumerate(stored)]
    outputs = [f"y{i}" for i in range(len(case["outputs"]))]
    node = helper.make_node(name, names, outputs, **attributes)
    graph = helper.make_graph(
        [node],
        "case",
        [
            helper.make_tensor_value_info(key, helper.np_dtype_to_tensor_dtype(made.dtype), made.shape)
            for key, made in fed.items()
        ],
        [helper.make_empty_tensor_value_info(key) for key in outputs],
        [numpy_helper.from_array(made, f"w{i}") for i, made in enumerate(stored) if made is not None],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, fed)


def compare_case(op, case):
    """`None` if ONNX has no such op, "" if both agree, else how they differ."""
    found = NODES[op](case["attributes"], case)
    if found is None or (op, case["what"]) in SKIPPED:
        return None
    try:
        results = session_outputs(case, *found)
    except Exception as error:  # onnxruntime has no kernel for some types
        if "NOT_IMPLEMENTED" in str(error) or "INVALID_GRAPH" in str(error) or "Unexpected data type" in str(error):
            return None
        return f"onnxruntime fails: {str(error).splitlines()[0]}"
    for made, said in zip(results, case["outputs"], strict=True):
        wanted = np.array([float(v) for v in said["values"]]).reshape(said["shape"])
        if made.shape != wanted.shape:
            return f"the shape is {list(made.shape)} in onnxruntime"
        if not np.allclose(made.astype(np.float64), wanted, rtol=1e-4, atol=1e-5, equal_nan=True):
            return f"onnxruntime: {[float(f'{v:.6g}') for v in made.reshape(-1)[:12]]}, here: {said['values'][:12]}"
    return ""


def compare_all(vectors):
    wrong, compared = [], 0
    for op, cases in vectors.items():
        for case in cases if op in NODES else []:
            found = compare_case(op, case)
            compared += found is not None
            if found:
                wrong.append(f"{op}: {case['what']}: {found}")
    print(f"{compared} cases compared with onnxruntime {onnxruntime.__version__}")
    return wrong
