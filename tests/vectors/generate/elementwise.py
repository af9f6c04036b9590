"""Functions of single elements of one tensor."""

import math

import torch
import torch.nn.functional as F

from .case import FLOATS, FORMULA, Case, Given, Op, Stored, T, Whole

MAP = (2, 3, 2, 3)


def simple(run, spread=(), extra=(), **op):
    """An op without attributes: a map and a matrix, drawn as `spread` says."""
    spread = dict(spread)
    cases = [
        Case("a batch of 2 maps", {}, [T(MAP, **spread)]),
        Case("a matrix", {}, [T((2, 5), **spread)]),
    ]
    return Op(lambda c, x: run(x), cases + list(extra), **op)


def kink(values, what="what PyTorch takes for the slope at kinks", attributes=()):
    return Case(what, dict(attributes), [Given((1, len(values)), values)], ties=True)


OPS = {
    "abs": simple(torch.abs, extra=[kink([0, -0.5, 0.5])]),
    "ceil": simple(torch.ceil, extra=[kink([-1, 0, 2], "whole numbers stay")]),
    "cos": simple(torch.cos, {"scale": 2.0}),
    "erf": simple(torch.erf),
    "exp": simple(torch.exp),
    "floor": simple(torch.floor, extra=[kink([-1, 0, 2], "whole numbers stay")]),
    "log": simple(torch.log, {"positive": True}),
    "mish": simple(F.mish, {"scale": 2.0}),
    "neg": simple(torch.neg),
    "reciprocal": simple(torch.reciprocal),
    "relu": simple(F.relu, extra=[kink([0, -1, 1])]),
    "relu6": simple(F.relu6, {"scale": 4.0, "shift": 3.0}, [kink([0, 6, -1, 3, 7])]),
    "round": simple(torch.round, extra=[kink([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5], "halves go to the even number")]),
    "sigmoid": simple(torch.sigmoid, {"scale": 2.0}),
    "silu": simple(F.silu, {"scale": 2.0}),
    "sin": simple(torch.sin, {"scale": 2.0}),
    "softsign": simple(F.softsign),
    "sqrt": simple(torch.sqrt, {"positive": True}),
    "tanh": simple(torch.tanh),
    "hardswish": simple(F.hardswish, {"scale": 2.0}, [kink([-3, 3, -4, 4])]),
    "identity": simple(
        lambda x: x * 1,
        extra=[
            Case("whole numbers", {}, [Whole((2, 3), 100)]),
        ],
    ),
}


def with_inplace(run, name, default, values, extra=()):
    """An activation with one number, and PyTorch's `inplace`, which changes no value."""
    cases = [
        Case("default", {}, [T(MAP)]),
        Case("another number", {name: values}, [T((2, 5))]),
        Case("in place", {"inplace": True}, [T((2, 3))]),
        kink([0, -1, 1]),
    ]
    return Op(lambda c, x: run(x, c.a.get(name, default)), cases + list(extra))


OPS |= {
    "celu": with_inplace(F.celu, "alpha", 1.0, 0.5, [Case("a negative alpha", {"alpha": -2.0}, [T((2, 3))])]),
    "elu": with_inplace(F.elu, "alpha", 1.0, 1.5),
    "leaky_relu": with_inplace(
        F.leaky_relu,
        "negative_slope",
        0.01,
        0.1,
        [
            Case("a slope above 1", {"negative_slope": 1.5}, [T((2, 3))]),
        ],
    ),
    "selu": Op(
        lambda c, x: F.selu(x),
        [
            Case("default", {}, [T(MAP)]),
            Case("in place", {"inplace": True}, [T((2, 5))]),
            kink([0, -1, 1]),
        ],
    ),
    "gelu": Op(
        lambda c, x: F.gelu(x, approximate=c.a.get("approximate", "none")),
        [
            Case("by the error function", {}, [T(MAP, scale=2.0)]),
            Case("by a hyperbolic tangent", {"approximate": "tanh"}, [T(MAP, scale=2.0)]),
        ],
    ),
    "hardtanh": Op(
        lambda c, x: F.hardtanh(x, c.a.get("min_val", -1.0), c.a.get("max_val", 1.0)),
        [
            Case("default", {}, [T(MAP)]),
            Case("other ends", {"min_val": -0.25, "max_val": 1.5}, [T((2, 5))]),
            kink([-1, 1, 0, 2]),
        ],
    ),
    "hardsigmoid": Op(
        lambda c, x: (c.a.get("alpha", 1 / 6) * x + c.a.get("beta", 0.5)).clamp(0, 1),
        [
            Case("default, which is PyTorch's", {}, [T(MAP, scale=2.0)]),
            Case("ONNX's slope", {"alpha": 0.2}, [T((2, 5), scale=2.0)]),
            Case("another offset", {"alpha": 0.25, "beta": 0.125}, [T((2, 5))]),
        ],
        source=FORMULA,
    ),
    "softplus": Op(
        lambda c, x: F.softplus(x, c.a.get("beta", 1.0), c.a.get("threshold", 20.0)),
        [
            Case("default", {}, [T(MAP, scale=2.0)]),
            Case("sharper, and the identity early", {"beta": 2.0, "threshold": 1.5}, [T((2, 6))]),
            Case("default, beyond the threshold", {}, [Given((1, 3), [19, 21, -25])]),
        ],
    ),
    "affine": Op(
        lambda c, x: x * c.a.get("scale", 1.0) + c.a.get("shift", 0.0),
        [
            Case("default: nothing changes", {}, [T((2, 3))]),
            Case("darknet's crop", {"scale": 2.0, "shift": -1.0}, [T(MAP)]),
            Case("only a factor", {"scale": -0.75}, [T((2, 5))]),
            Case("only an addend", {"shift": 0.1}, [T((2, 5))]),
        ],
        source=FORMULA,
    ),
    "pow": Op(
        lambda c, x: torch.pow(x, c.a["exponent"]),
        [
            Case("a square of either sign", {"exponent": 2}, [T(MAP)]),
            Case("a cube of either sign", {"exponent": 3}, [T((2, 5))]),
            Case("a root", {"exponent": 0.5}, [T((2, 5), positive=True)]),
            Case("a reciprocal", {"exponent": -1}, [T((2, 5))]),
            Case("a fraction", {"exponent": 2.5}, [T((2, 5), positive=True)]),
            Case("the power 0: the slope is 0", {"exponent": 0}, [T((2, 2))]),
        ],
    ),
    "dropout": Op(
        lambda c, x: F.dropout(x, c.a.get("p", 0.5), training=False) * 1,
        [
            Case("default", {}, [T(MAP)]),
            Case("another probability", {"p": 0.1}, [T((2, 5))]),
        ],
    ),
    "prelu": Op(
        lambda c, x: F.prelu(x, c.w["weight"]),
        [
            Case("a slope for each channel", {}, [T(MAP)]),
            Case("a matrix has channels too", {}, [T((2, 5))]),
            Case("one slope for all", {"per_channel": False}, [T((2, 3, 2, 2))]),
            kink([0, -1, 1], attributes={"per_channel": False}),
        ],
        stored=lambda c, x: [Stored("weight", (x[1] if c.a.get("per_channel", True) else 1,))],
    ),
}


def cast(c, x):
    """Rounded to the nearest, ties to even, in a float type; towards 0 in a whole one; a truth value is x ≠ 0."""
    to = c.a["dtype"]
    if to in ("f16", "bf16"):
        rounded = x.to(torch.float16 if to == "f16" else torch.bfloat16).to(torch.float64)
        return x + (rounded - x).detach()
    if to in FLOATS:
        return x.to(torch.float64) * 1
    return x != 0 if to == "bool" else x.to(torch.int64)


OPS["cast"] = Op(
    cast,
    [
        Case("whole numbers as floats", {"dtype": "f32"}, [Whole((2, 3), 100, -100)]),
        Case("truth values as floats", {"dtype": "f32"}, [Given((2, 2), [1, 0, 0, 1], "bool")]),
        Case(
            "floats as whole numbers: towards 0",
            {"dtype": "i64"},
            [Given((2, 3), [-2.5, -0.75, 0.75, 1.5, 2.5, 3])],
        ),
        Case("floats as u8", {"dtype": "u8"}, [Given((2, 2), [0, 0.75, 200.5, 255])]),
        Case("floats as truth values: whether they are not 0", {"dtype": "bool"}, [Given((2, 2), [0, 0.25, -1, 2])]),
        Case(
            "halves: to the nearest, ties to even",
            {"dtype": "f16"},
            [Given((2, 3), [1.00048828125, 1.00146484375, 0.0999755859375, -3.1416015625, 2049, 2051])],
        ),
        Case(
            "the upper half of a single",
            {"dtype": "bf16"},
            [Given((2, 3), [1.00390625, 1.01171875, 0.099609375, -3.1416015625, 257, 259])],
        ),
    ],
    dtypes=lambda c: [c.a["dtype"]],
)


FUNCTIONS = {
    "tan": (torch.tan, T((2, 5), scale=0.5)),
    "asin": (torch.asin, T((2, 5), scale=0.25)),
    "acos": (torch.acos, T((2, 5), scale=0.25)),
    "atan": (torch.atan, T((2, 5))),
    "sinh": (torch.sinh, T((2, 5))),
    "cosh": (torch.cosh, T((2, 5))),
    "asinh": (torch.asinh, T((2, 5))),
    "acosh": (torch.acosh, T((2, 5), positive=True, shift=1.0)),
    "atanh": (torch.atanh, T((2, 5), scale=0.25)),
    "sign": (torch.sign, Given((2, 3), [-1.5, -0.25, 0, 0.25, 1, 2])),
    "is_nan": (torch.isnan, Given((2, 3), [1, math.nan, -1, math.inf, -math.inf, 0])),
    "is_inf": (torch.isinf, Given((2, 3), [1, math.nan, -1, math.inf, -math.inf, 0])),
    "thresholded_relu": (lambda x, threshold=1.0: F.threshold(x, threshold, 0.0), T((2, 6), scale=2.0)),
    "shrink": (lambda x, threshold=0.5, bias=None: shrink(x, threshold, bias), T((2, 6))),
}


def shrink(x, threshold, bias):
    """Soft where the bias is the threshold, hard where it is 0."""
    if bias == 0:
        return F.hardshrink(x, threshold)
    if bias is None or bias == threshold:
        return F.softshrink(x, threshold)
    return torch.where(x.abs() > threshold, x - bias * x.sign(), 0.0 * x)


def unary(c, x):
    numbers = {name: c.a[name] for name in ("threshold", "bias") if name in c.a}
    return FUNCTIONS[c.a["function"]][0](x, **numbers)


OPS["unary"] = Op(
    unary,
    [Case(name, {"function": name}, [spec]) for name, (_, spec) in FUNCTIONS.items()]
    + [
        Case("another threshold", {"function": "thresholded_relu", "threshold": 0.25}, [T((2, 6))]),
        Case("another threshold of shrink", {"function": "shrink", "threshold": 0.75}, [T((2, 6))]),
        Case("hard shrink", {"function": "shrink", "bias": 0.0}, [T((2, 6))]),
        Case("shrink by another bias", {"function": "shrink", "threshold": 0.25, "bias": 0.125}, [T((2, 6))]),
    ],
    dtypes=lambda c: ["bool" if c.a["function"] in ("is_nan", "is_inf") else "f32"],
)
