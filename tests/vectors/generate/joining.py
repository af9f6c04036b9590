"""Functions of single elements of several tensors."""

import torch
import torch.nn.functional as F

from .case import FORMULA, Case, Given, Op, Stored, T


def broadcasts(more=(), **spread):
    """Two maps alike, and the forms in which NumPy broadcasts."""

    def drawn(*shape):
        return T(shape, **spread)

    return [
        Case("two maps alike", {}, [drawn(2, 3, 2, 3), drawn(2, 3, 2, 3)]),
        Case("a value for each channel, as a gate has", {}, [drawn(2, 3, 2, 2), drawn(2, 3, 1, 1)]),
        Case("fewer axes, and both sides grow", {}, [drawn(2, 1, 4), drawn(3, 1)]),
        Case("a vector on the left", {}, [drawn(3), drawn(2, 2, 3)]),
    ] + list(more)


def ties():
    return Case(
        "equal elements: what PyTorch takes for the slopes",
        {},
        [Given((1, 3), [1, 2, -1]), Given((1, 3), [1, 1, -1])],
        ties=True,
    )


def integers(name, a=(-9, -7, 8, 5, -6, 9), b=(2, 3, 3, -2, -4, 5), **case):
    return Case(name, {}, [Given((2, 3), list(a), "i64"), Given((2, 3), list(b), "i64")], **case)


def divide(c, x, y):
    return torch.div(x, y) if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc")


OPS = {
    "sub": Op(lambda c, x, y: x - y, broadcasts([integers("whole numbers")])),
    "mul": Op(
        lambda c, x, y: x * y,
        broadcasts(
            [
                Case("a tensor with itself broadcast over the batch", {}, [T((2, 1, 3)), T((1, 2, 3))]),
                integers("whole numbers"),
            ]
        ),
    ),
    "div": Op(
        divide,
        broadcasts(
            [
                integers(
                    "whole numbers: towards 0"
                ),
            ]
        ),
    ),
    "maximum": Op(lambda c, x, y: torch.maximum(x, y), broadcasts([ties()])),
    "minimum": Op(lambda c, x, y: torch.minimum(x, y), broadcasts([ties()])),
    # Odd multiples of 1/64 over those of 1/32: no quotient is whole, where the function jumps.
    "modulo": Op(
        lambda c, x, y: torch.remainder(x, y),
        [
            Case("two maps alike", {}, [T((2, 3, 2, 3)), T((2, 3, 2, 3), scale=2.0)]),
            Case("a value for each channel", {}, [T((2, 3, 2, 2)), T((2, 3, 1, 1), scale=2.0)]),
            Case("fewer axes, and both sides grow", {}, [T((2, 1, 4)), T((3, 1), scale=2.0)]),
            integers("whole numbers: the sign is the divisor's"),
        ],
    ),
}

COMPARISONS = {
    "equal": torch.eq,
    "not_equal": torch.ne,
    "less": torch.lt,
    "less_or_equal": torch.le,
    "greater": torch.gt,
    "greater_or_equal": torch.ge,
}

OPS["compare"] = Op(
    lambda c, x, y: COMPARISONS[c.a["operator"]](x, y),
    [
        Case(name, {"operator": name}, [Given((2, 3), [1, 2, 3, -1, 0, 0.5]), Given((3,), [1, 1, 3])])
        for name in COMPARISONS
    ]
    + [Case("whole numbers", {"operator": "less"}, [Given((2, 2), [1, 2, 3, 4], "i64"), Given((1, 2), [2, 2], "i64")])],
    dtypes=lambda c: ["bool"],
)

LOGIC = {"and": torch.bitwise_and, "or": torch.bitwise_or, "xor": torch.bitwise_xor, "not": torch.bitwise_not}
TRUTHS = [Given((2, 2), [0, 0, 1, 1], "bool"), Given((2, 2), [0, 1, 0, 1], "bool")]

OPS["logic"] = Op(
    lambda c, *xs: LOGIC[c.a["operator"]](*xs),
    [Case(f"{name} of truth values", {"operator": name}, TRUTHS[: 1 if name == "not" else 2]) for name in LOGIC]
    + [
        Case("and, broadcast", {"operator": "and"}, [TRUTHS[1], Given((2,), [1, 0], "bool")]),
        Case(
            "xor of bits", {"operator": "xor"}, [Given((2, 2), [12, 10, 7, -1], "i64"), Given((1, 2), [10, 3], "i64")]
        ),
        Case("not of bits", {"operator": "not"}, [Given((2, 2), [0, 1, 12, -1], "i64")]),
    ],
)

OPS["where"] = Op(
    lambda c, condition, x, y: torch.where(condition, x, y),
    [
        Case("three alike", {}, [Given((2, 3), [1, 0, 0, 1, 1, 0], "bool"), T((2, 3)), T((2, 3))]),
        Case("all three broadcast", {}, [Given((2, 1, 3), [1, 0, 1, 0, 0, 1], "bool"), T((2, 2, 1)), T((3,))]),
        Case(
            "a mask over a map",
            {},
            [Given((2, 1, 2, 2), [1, 0, 0, 1, 0, 1, 1, 1], "bool"), T((2, 3, 2, 2)), Given((1,), [-2])],
        ),
    ],
    dtypes=lambda c: [c.dtypes[1]],
)


def met(c, first, x):
    """What of a further input meets the first: its first channels, its map at a stride."""
    if c.a.get("subsample"):
        x = x[:, :, :: x.shape[2] // first.shape[2], :: x.shape[3] // first.shape[3]]
    if c.a.get("channels") == "first_min":
        x = x[:, : first.shape[1]]
        x = F.pad(x, (0, 0, 0, 0, 0, first.shape[1] - x.shape[1]))
    return x


def shortcuts():
    """darknet's ways to add maps that differ."""
    return [
        Case("fewer channels: the others pass", {"channels": "first_min"}, [T((2, 4, 2, 3)), T((2, 2, 2, 3))]),
        Case("more channels: the first ones count", {"channels": "first_min"}, [T((2, 2, 2, 3)), T((2, 3, 2, 3))]),
        Case("a larger map is read at a stride", {"subsample": True}, [T((2, 2, 2, 2)), T((2, 2, 4, 6))]),
        Case(
            "both, and three inputs",
            {"channels": "first_min", "subsample": True},
            [T((2, 3, 2, 1)), T((2, 2, 4, 2)), T((2, 4, 2, 1))],
        ),
    ]


def add(c, first, *others):
    total = first
    for other in others:
        total = total + met(c, first, other)
    return total


OPS["add"] = Op(
    add,
    broadcasts(
        [
            Case("three inputs, one a vector", {}, [T((2, 3, 4)), T((2, 1, 4)), T((4,))]),
            integers("whole numbers"),
        ]
    )
    + [Case(case.what, case.attributes, case.inputs, source=FORMULA) for case in shortcuts()],
)


def weighted_add(c, *xs):
    weight = c.w["weight"]
    match c.a.get("normalization", "none"):
        case "relu":
            weight = weight.relu() / weight.relu().sum(0)
        case "softmax":
            weight = weight.softmax(0)
    plain = c.a.get("channels", "equal") == "equal" and not c.a.get("subsample")
    total = 0
    for scale, x in zip(weight, xs):
        scale = scale.reshape(1, -1, *[1] * (xs[0].dim() - 2)) if scale.dim() else scale
        total = total + scale * (x if plain else met(c, xs[0], x))
    return total


def weights_of(c, *shapes):
    each = (len(shapes),) if c.a.get("weights", "per_input") == "per_input" else (len(shapes), shapes[0][1])
    # A sum of cut-off weights must not be 0.
    return [Stored("weight", each, positive=c.a.get("normalization") == "relu")]


OPS["weighted_add"] = Op(
    weighted_add,
    [
        Case("a weight for each input", {}, [T((2, 3, 2, 2)), T((2, 3, 2, 2))]),
        Case("a weight for each channel of three inputs", {"weights": "per_channel"}, [T((2, 3, 2, 2))] * 3),
        Case("softmax over the inputs", {"normalization": "softmax"}, [T((2, 2, 3, 1))] * 3),
        Case(
            "softmax over the inputs, for each channel",
            {"weights": "per_channel", "normalization": "softmax"},
            [T((2, 3, 2, 1)), T((2, 3, 2, 1))],
        ),
        Case(
            "cut off at 0 and divided by the sum",
            {"normalization": "relu"},
            [T((2, 2, 3, 1))] * 2,
        ),
        Case(
            "cut off and divided, for each channel",
            {"weights": "per_channel", "normalization": "relu"},
            [T((2, 2, 3, 1))] * 2,
        ),
        Case(
            "fewer channels: the others pass, scaled",
            {"channels": "first_min", "weights": "per_channel"},
            [T((2, 3, 2, 1)), T((2, 2, 2, 1))],
        ),
        Case(
            "a larger map at a stride, weights by a softmax",
            {"subsample": True, "normalization": "softmax"},
            [T((2, 2, 2, 1)), T((2, 2, 4, 2))],
        ),
    ],
    stored=weights_of,
    source=FORMULA,
)
