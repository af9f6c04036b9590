"""Convolutions. Padding is added beforehand, since PyTorch's is the same on both sides."""

import torch
import torch.nn.functional as F

from .case import FORMULA, Case, Op, Stored, T, Whole
from .windows import pair, padded, same, sides


def bias(c, shape):
    return [Stored("bias", shape)] if c.a.get("bias", True) else []


def kernel_and_bias(c, xs, shape):
    """A kernel that comes as a second input is not stored."""
    kernel = [Stored("weight", shape)] if len(xs) == 1 else []
    return kernel + bias(c, (c.a["out_channels"],))


def conv1d(c, x, kernel=None):
    size, stride, dilation = c.a["kernel"], c.a.get("stride", 1), c.a.get("dilation", 1)
    padding = c.a.get("padding", 0)
    left, right = same(x.shape[2], size, stride, dilation) if padding == "same" else pair(padding)
    kernel = c.w["weight"] if kernel is None else kernel
    return F.conv1d(F.pad(x, (left, right)), kernel, c.w.get("bias"), stride, 0, dilation, c.a.get("groups", 1))


CONV1D = Op(
    conv1d,
    [
        Case("default", {"out_channels": 4, "kernel": 3}, [T((2, 3, 7))]),
        Case(
            "stride, and padding of two widths",
            {"out_channels": 2, "kernel": 4, "stride": 3, "padding": [2, 1]},
            [T((2, 3, 8))],
        ),
        Case(
            "dilation and groups, no bias",
            {"out_channels": 4, "kernel": 3, "dilation": 2, "groups": 2, "padding": 2, "bias": False},
            [T((2, 4, 6))],
        ),
        Case(
            "depthwise, same",
            {"out_channels": 3, "kernel": 4, "stride": 2, "groups": 3, "padding": "same"},
            [T((2, 3, 7))],
        ),
        Case("the kernel is an input", {"out_channels": 2, "kernel": 2}, [T((2, 3, 5)), T((2, 3, 2))]),
    ],
    stored=lambda c, *xs: kernel_and_bias(
        c, xs, (c.a["out_channels"], xs[0][1] // c.a.get("groups", 1), c.a["kernel"])
    ),
)


def conv2d(c, x, kernel=None):
    stride, dilation = pair(c.a.get("stride", 1)), pair(c.a.get("dilation", 1))
    kernel = c.w["weight"] if kernel is None else kernel
    if not x.is_floating_point():
        # PyTorch convolves only floats; these sums are exact.
        return conv2d(c, x.double(), kernel.double()).long()
    return F.conv2d(padded(c, x, stride), kernel, c.w.get("bias"), stride, 0, dilation, c.a.get("groups", 1))


def conv2d_stored(c, *xs):
    shape = (c.a["out_channels"], xs[0][1] // c.a.get("groups", 1), *pair(c.a["kernel"]))
    return kernel_and_bias(c, xs, shape)


CONV2D = Op(
    conv2d,
    [
        Case("default", {"out_channels": 4, "kernel": 3}, [T((2, 3, 5, 4))]),
        Case("1x1, no bias", {"out_channels": 5, "kernel": 1, "bias": False}, [T((2, 4, 3, 2))]),
        Case("a long kernel", {"out_channels": 4, "kernel": [1, 7], "padding": [0, 3]}, [T((2, 3, 3, 5))]),
        Case(
            "stride (2, 1), odd height, even width",
            {"out_channels": 3, "kernel": 3, "stride": [2, 1], "padding": 1},
            [T((2, 2, 5, 4))],
        ),
        Case("stride above the kernel", {"out_channels": 2, "kernel": 2, "stride": 3}, [T((2, 3, 6, 5))]),
        Case(
            "padding of four widths", {"out_channels": 2, "kernel": [3, 2], "padding": [0, 1, 2, 3]}, [T((2, 2, 3, 4))]
        ),
        Case(
            "same, stride 2: an odd padding goes after",
            {"out_channels": 2, "kernel": 3, "stride": 2, "padding": "same"},
            [T((2, 2, 4, 5))],
        ),
        Case("same, an even kernel", {"out_channels": 2, "kernel": [2, 4], "padding": "same"}, [T((1, 2, 3, 5))]),
        Case(
            "dilation (2, 1)",
            {"out_channels": 2, "kernel": 3, "dilation": [2, 1], "padding": [2, 1]},
            [T((2, 2, 4, 5))],
        ),
        Case("groups", {"out_channels": 6, "kernel": 3, "groups": 2, "padding": 1}, [T((2, 4, 3, 3))]),
        Case(
            "depthwise, stride 2",
            {"out_channels": 4, "kernel": 3, "groups": 4, "stride": 2, "padding": 1, "bias": False},
            [T((2, 4, 5, 4))],
        ),
        Case(
            "depthwise, two kernels for each channel", {"out_channels": 6, "kernel": 2, "groups": 3}, [T((2, 3, 3, 4))]
        ),
        Case(
            "the kernel is an input, in groups",
            {"out_channels": 4, "kernel": [2, 3], "groups": 2},
            [T((2, 4, 3, 4)), T((4, 2, 2, 3))],
        ),
        Case(
            "whole numbers with a wider sum",
            {"out_channels": 2, "kernel": 2, "dtype": "i32", "bias": False},
            [Whole((2, 2, 3, 2), 128, -128, "i8"), Whole((2, 2, 2, 2), 128, -128, "i8")],
        ),
    ],
    stored=conv2d_stored,
    dtypes=lambda c: [c.a.get("dtype") or c.dtypes[0]],
)


def conv_transpose2d(c, x, kernel=None):
    size, stride, dilation = pair(c.a["kernel"]), pair(c.a.get("stride", 1)), pair(c.a.get("dilation", 1))
    kernel = c.w["weight"] if kernel is None else kernel
    extra = pair(c.a.get("output_padding", 0))
    # Without padding, and without bias since a row of zeros below may get one.
    full = F.conv_transpose2d(x, kernel, None, stride, 0, 0, c.a.get("groups", 1), dilation)
    full = F.pad(full, (0, extra[1], 0, extra[0]))
    if c.a.get("padding") == "same":
        # The gradient of a convolution with padding "same" over a map of h·stride; rows that it never read are zeros.
        rows, columns = (x.shape[2 + i] * stride[i] for i in range(2))
        (top, _), (left, _) = (same(n, size[i], stride[i], dilation[i]) for i, n in enumerate((rows, columns)))
        full = F.pad(full, (0, max(0, left + columns - full.shape[3]), 0, max(0, top + rows - full.shape[2])))
        full = full[:, :, top : top + rows, left : left + columns]
    else:
        top, left, bottom, right = sides(c, x.shape)
        full = full[:, :, top : full.shape[2] - bottom, left : full.shape[3] - right]
    return full + c.w["bias"].reshape(1, -1, 1, 1) if "bias" in c.w else full


CONV_TRANSPOSE2D = Op(
    conv_transpose2d,
    [
        Case("default", {"out_channels": 2, "kernel": 3}, [T((2, 3, 2, 3))]),
        Case(
            "doubles a map",
            {"out_channels": 3, "kernel": 4, "stride": 2, "padding": 1, "bias": False},
            [T((2, 2, 2, 3))],
        ),
        Case(
            "stride (2, 3), a row and a column more",
            {"out_channels": 2, "kernel": 3, "stride": [2, 3], "padding": 1, "output_padding": [1, 2]},
            [T((2, 2, 2, 2))],
        ),
        Case(
            "four sides are cut differently",
            {"out_channels": 2, "kernel": [3, 4], "stride": 2, "padding": [0, 1, 2, 3]},
            [T((1, 2, 3, 3))],
        ),
        Case(
            "dilation and groups", {"out_channels": 4, "kernel": 2, "dilation": [2, 1], "groups": 2}, [T((2, 4, 2, 3))]
        ),
        Case("depthwise", {"out_channels": 3, "kernel": 2, "stride": 2, "groups": 3}, [T((2, 3, 2, 2))]),
        Case(
            "same: an odd cut goes after",
            {"out_channels": 2, "kernel": 3, "stride": 2, "padding": "same"},
            [T((2, 2, 2, 3))],
        ),
        Case(
            "same, stride above the kernel: zeros after",
            {"out_channels": 2, "kernel": 2, "stride": 3, "padding": "same"},
            [T((1, 2, 2, 2))],
        ),
        Case(
            "the kernel is an input", {"out_channels": 2, "kernel": 2, "stride": 2}, [T((2, 3, 2, 2)), T((3, 2, 2, 2))]
        ),
    ],
    stored=lambda c, *xs: kernel_and_bias(
        c, xs, (xs[0][1], c.a["out_channels"] // c.a.get("groups", 1), *pair(c.a["kernel"]))
    ),
)


def out_size(c, shape):
    """Height and width of the output of a convolution without dilation."""
    top, left, bottom, right = sides(c, shape, pair(c.a.get("stride", 1)))
    kernel, stride = pair(c.a["kernel"]), pair(c.a.get("stride", 1))
    around = (top + bottom, left + right)
    return tuple((shape[2 + i] + around[i] - kernel[i]) // stride[i] + 1 for i in range(2))


def locally_connected2d(c, x):
    kernel, stride = pair(c.a["kernel"]), pair(c.a.get("stride", 1))
    height, width = out_size(c, x.shape)
    # [n, c·kh·kw, h'·w'], as the weights [h', w', out, c, kh, kw] read it.
    windows = F.unfold(padded(c, x, stride), kernel, stride=stride)
    windows = windows.reshape(x.shape[0], x.shape[1], *kernel, height, width)
    y = torch.einsum("ncijhw,hwocij->nohw", windows, c.w["weight"])
    return y + c.w["bias"] if "bias" in c.w else y


LOCALLY_CONNECTED2D = Op(
    locally_connected2d,
    [
        Case("default", {"out_channels": 2, "kernel": 2}, [T((2, 2, 3, 4))]),
        Case(
            "stride (2, 1) and padding, no bias",
            {"out_channels": 2, "kernel": 3, "stride": [2, 1], "padding": 1, "bias": False},
            [T((2, 1, 4, 3))],
        ),
        Case(
            "padding of four widths", {"out_channels": 3, "kernel": [1, 2], "padding": [0, 1, 1, 0]}, [T((1, 2, 2, 3))]
        ),
        Case("same", {"out_channels": 1, "kernel": 2, "stride": 2, "padding": "same"}, [T((2, 2, 3, 5))]),
    ],
    stored=lambda c, x: (
        [Stored("weight", (*out_size(c, x), c.a["out_channels"], x[1], *pair(c.a["kernel"])))]
        + bias(c, (c.a["out_channels"], *out_size(c, x)))
    ),
    source=FORMULA,
)


def xnor_conv2d(c, x):
    stride, dilation = pair(c.a.get("stride", 1)), pair(c.a.get("dilation", 1))
    weight = c.w["weight"]
    scale = weight.abs().mean((1, 2, 3))
    y = F.conv2d(padded(c, x.sign(), stride), weight.sign(), None, stride, 0, dilation)
    y = y * scale.reshape(1, -1, 1, 1)
    return y + c.w["bias"].reshape(1, -1, 1, 1) if "bias" in c.w else y


XNOR_NOTE = "a sign has no slope: what the page lets pass backward is no gradient of this function, so only the bias has one here"

XNOR_CONV2D = Op(
    xnor_conv2d,
    [
        Case("default", {"out_channels": 3, "kernel": 3}, [T((2, 2, 4, 5))], note=XNOR_NOTE),
        Case(
            "stride and padding, no bias",
            {"out_channels": 2, "kernel": [3, 2], "stride": 2, "padding": 1, "bias": False},
            [T((2, 2, 5, 4))],
            note=XNOR_NOTE,
        ),
        Case(
            "dilation, same",
            {"out_channels": 2, "kernel": 2, "dilation": 2, "padding": "same"},
            [T((1, 3, 4, 3))],
            note=XNOR_NOTE,
        ),
    ],
    stored=conv2d_stored,
    source=FORMULA,
    undefined=(0, "weight"),
)

OPS = {
    "conv1d": CONV1D,
    "conv2d": CONV2D,
    "conv_transpose2d": CONV_TRANSPOSE2D,
    "locally_connected2d": LOCALLY_CONNECTED2D,
    "xnor_conv2d": XNOR_CONV2D,
}
