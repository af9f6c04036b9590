"""How attributes of windows are read: the spellings of architecture files as PyTorch's arguments."""

import torch.nn.functional as F


def pair(value) -> list[int]:
    return list(value) if isinstance(value, list) else [value, value]


def same(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Padding that makes the output ceil(size / stride); an odd one goes after."""
    total = max(0, (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size)
    return total // 2, total - total // 2


def sides(c, shape, stride=1) -> tuple[int, int, int, int]:
    """Padding as top, left, bottom, right; `stride` is the op's own."""
    padding = c.a.get("padding", 0)
    if padding == "same":
        kernel, dilation = pair(c.a["kernel"]), pair(c.a.get("dilation", 1))
        (top, bottom), (left, right) = (same(shape[2 + i], kernel[i], pair(stride)[i], dilation[i]) for i in range(2))
        return top, left, bottom, right
    if isinstance(padding, list) and len(padding) == 4:
        return tuple(padding)
    height, width = pair(padding)
    return height, width, height, width


def padded(c, x, stride=1, value=0.0):
    """The input with its padding, so that PyTorch's ops, which pad alike on both sides, need not pad."""
    top, left, bottom, right = sides(c, x.shape, stride)
    return F.pad(x, (left, right, top, bottom), value=value)
