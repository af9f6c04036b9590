"""Reductions over axes, and what else joins the elements of a row."""

import torch

from .case import Case, Given, Op, T, Whole


def axes(c, x):
    return c.a.get("axes") or list(range(x.dim()))


def reduction(run, more=(), **spread):
    """The ways to name axes; an empty list means all of them."""
    return Op(
        lambda c, x: run(x, axes(c, x), c.a.get("keep_dims", False)),
        [
            Case("all axes, batch included", {}, [T((2, 3, 2), **spread)]),
            Case("all axes, which stay", {"keep_dims": True}, [T((2, 2, 2), **spread)]),
            Case("the map of each channel", {"axes": [2, 3]}, [T((2, 3, 2, 3), **spread)]),
            Case("the channels, which stay", {"axes": [1], "keep_dims": True}, [T((2, 3, 2, 2), **spread)]),
            Case("negative axes that are no neighbours", {"axes": [-1, -3]}, [T((2, 2, 3, 2), **spread)]),
        ]
        + list(more),
    )


def tied(values, what="ties: what PyTorch takes for the slopes"):
    return Case(what, {"axes": [1]}, [Given((2, len(values) // 2), values)], ties=True)


def product(x, over, keep):
    for axis in sorted((axis % x.dim() for axis in over), reverse=True):
        x = torch.prod(x, axis, keepdim=keep)
    return x


OPS = {
    "reduce_sum": reduction(
        lambda x, over, keep: torch.sum(x, over, keepdim=keep),
        [
            Case("whole numbers", {"axes": [1]}, [Whole((2, 3), 100)]),
        ],
    ),
    "reduce_mean": reduction(lambda x, over, keep: torch.mean(x, over, keepdim=keep)),
    "reduce_max": reduction(lambda x, over, keep: torch.amax(x, over, keepdim=keep), [tied([1, 2, 2, 0, 0, 0])]),
    "reduce_min": reduction(lambda x, over, keep: torch.amin(x, over, keepdim=keep), [tied([1, 1, 2, 0, 0, 0])]),
    "reduce_prod": reduction(product, [tied([2, 0, 3, 0, 0, 3], "one factor is 0, and two are")]),
    "reduce_l2": reduction(
        lambda x, over, keep: torch.linalg.vector_norm(x, 2, over, keepdim=keep),
        [
            tied([3, 4, 0, 0, 0, 0], "a norm of 0: the slope is 0"),
        ],
    ),
}

OPS["argmax"] = Op(
    lambda c, x: torch.argmax(x, c.a.get("axis", 1), keepdim=c.a.get("keep_dims", False)),
    [
        Case("the class of each image", {}, [T((2, 5))]),
        Case("the class of each place, the axis stays", {"keep_dims": True}, [T((2, 4, 2, 3))]),
        Case("the last axis", {"axis": -1}, [T((2, 3, 4))]),
        Case(
            "ties: the first place",
            {},
            [Given((2, 4), [1, 2, 2, 0, 3, 3, 3, 3])],
            ties=True,
        ),
    ],
    dtypes=lambda c: ["i64"],
)

OPS["top_k"] = Op(
    lambda c, x: list(torch.topk(x, c.a["k"], c.a.get("axis", -1), c.a.get("largest", True))),
    [
        Case(
            "the two largest of each row",
            {"k": 2},
            [T((2, 5))],
        ),
        Case("along the channels", {"k": 2, "axis": 1}, [T((2, 4, 2, 3))]),
        Case("all of them: sorted", {"k": 4, "axis": -2}, [T((2, 4, 2))]),
        Case("the smallest", {"k": 3, "axis": 1, "largest": False}, [T((2, 5, 2))]),
    ],
    dtypes=lambda c: ["f32", "i64"],
)

ALONG = [
    Case("the last axis", {}, [T((2, 3, 4))]),
    Case("the channels of a map", {"axis": 1}, [T((2, 4, 2, 3))]),
    Case("a negative axis", {"axis": -2}, [T((2, 3, 5))]),
]
LARGE = Case("large numbers do not overflow", {}, [Given((2, 3), [100, 99.5, 98, -100, -99.5, 1])])

OPS |= {
    "cum_sum": Op(
        lambda c, x: torch.cumsum(x, c.a.get("axis", -1)),
        ALONG
        + [
            Case("whole numbers", {"axis": 0}, [Whole((3, 2), 100)]),
        ],
    ),
    "softmax": Op(lambda c, x: torch.softmax(x, c.a.get("axis", -1)), ALONG + [LARGE]),
    "log_softmax": Op(lambda c, x: torch.log_softmax(x, c.a.get("axis", -1)), ALONG + [LARGE]),
}
