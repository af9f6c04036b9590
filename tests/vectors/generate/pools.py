"""Pools."""

import math

import torch
import torch.nn.functional as F

from .case import FORMULA, Case, Given, Op, Stored, T
from .windows import pair, padded, sides


def pool_args(c):
    kernel = pair(c.a["kernel"])
    return kernel, pair(c.a.get("stride") or kernel), pair(c.a.get("dilation", 1))


def rounded_up(c, x, value):
    """The padded input, with so much more after it that the last windows, which `ceil_mode` adds, fit.

    A window that would start in the padding after is dropped, as PyTorch does.
    """
    kernel, stride, dilation = pool_args(c)
    top, left, bottom, right = sides(c, x.shape, stride)
    more = []
    for axis, (before, after) in enumerate(((top, bottom), (left, right))):
        size, span = x.shape[2 + axis], dilation[axis] * (kernel[axis] - 1) + 1
        room = before + size + after - span
        steps = math.ceil(room / stride[axis]) if c.a.get("ceil_mode") else room // stride[axis]
        if c.a.get("ceil_mode") and steps * stride[axis] >= before + size:
            steps -= 1
        more.append(max(0, steps * stride[axis] + span - (before + size + after)))
    return F.pad(padded(c, x, stride, value), (0, more[1], 0, more[0]), value=value)


def max_pool2d(c, x):
    kernel, stride, dilation = pool_args(c)
    return F.max_pool2d(rounded_up(c, x, -math.inf), kernel, stride, 0, dilation)


MAX_POOL2D = Op(
    max_pool2d,
    [
        Case("default stride", {"kernel": 2}, [T((2, 2, 5, 4))]),
        Case("ResNet's: 3, stride 2, padding 1", {"kernel": 3, "stride": 2, "padding": 1}, [T((2, 2, 5, 6))]),
        Case(
            "stride (2, 1), padding (1, 0)", {"kernel": [3, 2], "stride": [2, 1], "padding": [1, 0]}, [T((2, 2, 4, 5))]
        ),
        Case("ceil mode", {"kernel": 2, "ceil_mode": True}, [T((2, 2, 5, 4))]),
        Case(
            "ceil mode drops a window that would start in the padding",
            {"kernel": 2, "stride": 3, "padding": 1, "ceil_mode": True},
            [T((2, 2, 5, 4))],
        ),
        Case("dilation", {"kernel": 2, "stride": 1, "dilation": [2, 3]}, [T((2, 2, 4, 5))]),
        Case("same, an even window", {"kernel": 2, "stride": 1, "padding": "same"}, [T((2, 2, 3, 4))]),
        Case("padding of four widths", {"kernel": 3, "stride": 2, "padding": [0, 1, 1, 2]}, [T((2, 2, 4, 4))]),
        Case(
            "ties: the first in the window wins the slope",
            {"kernel": 2},
            [Given((1, 1, 4, 4), [1, 1, 0, 0, 1, 1, 0, 0, 2, 3, -1, 5, 3, 2, 5, -1])],
            ties=True,
        ),
    ],
)


def avg_pool2d(c, x):
    """PyTorch's where it has the attributes; else sum and divisor by a convolution with ones."""
    kernel, stride, dilation = pool_args(c)
    padding, ceil, count = c.a.get("padding", 0), c.a.get("ceil_mode", False), c.a.get("count_include_pad", True)
    if dilation == [1, 1] and not (padding == "same" or isinstance(padding, list) and len(padding) == 4):
        return F.avg_pool2d(x, kernel, stride, pair(padding), ceil, count)
    ones = torch.ones(x.shape[1], 1, *kernel, dtype=x.dtype)

    def summed(values):
        return F.conv2d(rounded_up(c, values, 0.0), ones, None, stride, 0, dilation, x.shape[1])

    inside = torch.ones_like(x)
    return summed(x) / (math.prod(kernel) if count else summed(inside))


AVG_POOL2D = Op(
    avg_pool2d,
    [
        Case("default stride", {"kernel": 2}, [T((2, 2, 5, 4))]),
        Case("padding counts", {"kernel": 3, "stride": 2, "padding": 1}, [T((2, 2, 5, 4))]),
        Case(
            "padding does not count",
            {"kernel": 3, "stride": 2, "padding": 1, "count_include_pad": False},
            [T((2, 2, 5, 4))],
        ),
        Case(
            "stride (2, 1), padding (1, 0)", {"kernel": [3, 2], "stride": [2, 1], "padding": [1, 0]}, [T((2, 2, 4, 5))]
        ),
        Case("ceil mode, no padding", {"kernel": 2, "ceil_mode": True, "count_include_pad": False}, [T((2, 2, 5, 3))]),
        Case(
            "ceil mode, padding counts",
            {"kernel": 3, "stride": 2, "padding": 1, "ceil_mode": True},
            [T((2, 1, 4, 6))],
        ),
        Case(
            "ceil mode, nothing padded, but padding counts",
            {"kernel": 2, "ceil_mode": True},
            [T((2, 1, 5, 3))],
        ),
        Case(
            "ceil mode, padding does not count",
            {"kernel": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False},
            [T((2, 1, 4, 6))],
        ),
        Case(
            "same, padding does not count",
            {"kernel": 2, "stride": 1, "padding": "same", "count_include_pad": False},
            [T((2, 2, 3, 4))],
            source=FORMULA,
        ),
        Case(
            "padding of four widths, which counts",
            {"kernel": 2, "stride": 2, "padding": [1, 0, 0, 1]},
            [T((2, 2, 3, 3))],
            source=FORMULA,
        ),
        Case("dilation", {"kernel": 2, "stride": 1, "dilation": 2}, [T((2, 2, 4, 5))], source=FORMULA),
    ],
)


def lp_pool2d(c, x):
    kernel, stride, dilation = pool_args(c)
    p = c.a.get("p", 1)
    ones = torch.ones(x.shape[1], 1, *kernel, dtype=x.dtype)
    powers = rounded_up(c, x.abs() ** p, 0.0)
    return F.conv2d(powers, ones, None, stride, 0, dilation, x.shape[1]) ** (1 / p)


LP_POOL2D = Op(
    lp_pool2d,
    [
        Case("sums of magnitudes", {"kernel": 2}, [T((2, 2, 5, 4))]),
        Case(
            "Euclidean, stride (2, 1), padding",
            {"kernel": 3, "stride": [2, 1], "padding": 1, "p": 2},
            [T((2, 2, 4, 3))],
        ),
        Case("order 3, of either sign", {"kernel": [1, 2], "p": 3}, [T((2, 2, 3, 4))]),
        Case("ceil mode: nothing is beyond the edge", {"kernel": 2, "p": 2, "ceil_mode": True}, [T((2, 2, 3, 5))]),
        Case("dilation, same", {"kernel": 2, "stride": 2, "dilation": 2, "padding": "same", "p": 2}, [T((2, 2, 4, 5))]),
    ],
    source=FORMULA,
)

ADAPTIVE = [
    Case("windows overlap", {"output": [3, 2]}, [T((2, 2, 5, 3))]),
    Case("one window", {"output": 1}, [T((2, 3, 3, 4))]),
    Case("windows that fit", {"output": [2, 3]}, [T((2, 2, 4, 6))]),
    Case("more windows than rows", {"output": [4, 2]}, [T((2, 2, 3, 2))]),
]


def channel_max_pool(c, x):
    out = c.a["out_channels"]
    return torch.stack([x[:, k::out].amax(1) for k in range(out)], 1)


def blur_filter(size):
    row = [math.comb(size - 1, k) for k in range(size)]
    return [a * b / 4 ** (size - 1) for a in row for b in row]


def blur_pool2d(c, x):
    stride, channels = pair(c.a.get("stride", 1)), x.shape[1]
    kernel = c.w["filter"].expand(channels, 1, -1, -1)
    return F.conv2d(padded(c, x, stride), kernel, None, stride, 0, 1, channels)


OPS = {
    "max_pool2d": MAX_POOL2D,
    "avg_pool2d": AVG_POOL2D,
    "lp_pool2d": LP_POOL2D,
    "adaptive_avg_pool2d": Op(lambda c, x: F.adaptive_avg_pool2d(x, pair(c.a["output"])), ADAPTIVE),
    "adaptive_max_pool2d": Op(
        lambda c, x: F.adaptive_max_pool2d(x, pair(c.a["output"])),
        ADAPTIVE
        + [
            Case(
                "ties: the first in the window wins the slope",
                {"output": 1},
                [Given((1, 1, 2, 2), [1, 2, 2, 0])],
                ties=True,
            ),
        ],
    ),
    "global_avg_pool": Op(
        lambda c, x: x.mean(tuple(range(2, x.dim())), keepdim=True),
        [
            Case("maps", {}, [T((2, 3, 3, 4))]),
            Case("one spatial axis", {}, [T((2, 3, 5))]),
            Case("three spatial axes", {}, [T((1, 2, 2, 3, 2))]),
        ],
    ),
    "global_max_pool": Op(
        lambda c, x: F.adaptive_max_pool2d(x.flatten(2).unsqueeze(2), 1).reshape(*x.shape[:2], *[1] * (x.dim() - 2)),
        [
            Case("maps", {}, [T((2, 3, 3, 4))]),
            Case("one spatial axis", {}, [T((2, 3, 5))]),
            Case(
                "ties: the first wins the slope",
                {},
                [Given((1, 2, 2, 2), [1, 2, 2, 0, 3, 3, 3, 3])],
                ties=True,
                note="as `torch.nn.AdaptiveMaxPool2d(1)`",
            ),
        ],
    ),
    "channel_max_pool": Op(
        channel_max_pool,
        [
            Case("maxout of two", {"out_channels": 3}, [T((2, 6, 2, 3))]),
            Case("groups that differ in size", {"out_channels": 2}, [T((2, 5, 3, 2))]),
            Case(
                "one channel is left; darknet's size changes no value",
                {"out_channels": 1, "size": 2},
                [T((2, 4, 2, 2))],
            ),
        ],
        source=FORMULA,
    ),
    "blur_pool2d": Op(
        blur_pool2d,
        [
            Case("1 2 1, stride 2", {"kernel": 3, "stride": 2, "padding": 1}, [T((2, 2, 5, 4))]),
            Case("1 1", {"kernel": 2, "stride": [2, 1], "padding": [1, 0, 0, 0]}, [T((2, 2, 4, 3))]),
            Case("1 3 3 1, same", {"kernel": 4, "stride": 2, "padding": "same"}, [T((1, 2, 5, 4))]),
            Case("1: nothing is blurred", {"kernel": 1}, [T((2, 2, 2, 2))]),
        ],
        stored=lambda c, x: [Stored("filter", (c.a["kernel"],) * 2, buffer=True, values=blur_filter(c.a["kernel"]))],
        source=FORMULA,
    ),
}
