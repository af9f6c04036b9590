"""Ops that move elements and change none."""

import torch
import torch.nn.functional as F

from .case import FORMULA, Case, Op, T, Whole
from .windows import sides


def reshape(c, x):
    return x.reshape([x.shape[i] if size == 0 else size for i, size in enumerate(c.a["shape"])])


def unsqueeze(c, x):
    rank = x.dim() + len(c.a["axes"])
    for axis in sorted(axis % rank for axis in c.a["axes"]):
        x = x.unsqueeze(axis)
    return x


def split(c, x):
    axis = c.a.get("axis", 1)
    if "sizes" in c.a:
        return torch.split(x, c.a["sizes"], axis)
    return torch.chunk(x, c.a["parts"], axis)


def cut(c, x):
    axis = c.a.get("axis", 1)
    places = torch.arange(x.shape[axis])[c.a.get("start", 0) : c.a.get("end") : c.a.get("step", 1)]
    return x.index_select(axis, places)


def pad(c, x):
    if "padding" in c.a:
        top, left, bottom, right = sides(c, x.shape)
        amounts = [(0, 0), (0, 0), (top, bottom), (left, right)]
    else:
        none = [0] * x.dim()
        amounts = list(zip(c.a.get("before") or none, c.a.get("after") or none))
    mode = c.a.get("mode", "constant")
    # PyTorch mirrors and copies only the last axes; here each axis is read by itself.
    for axis, (before, after) in enumerate(amounts):
        size = x.shape[axis]
        if mode == "constant":
            behind = [0, 0] * (x.dim() - 1 - axis)
            x = F.pad(x, [*behind, before, after], value=float(c.a.get("value", 0)))
            continue
        places = torch.arange(-before, size + after)
        if mode == "reflect" and size > 1:
            places = (places.abs() - (size - 1)).abs()
            places = (size - 1) - places
        x = x.index_select(axis, places.clamp(0, size - 1))
    return x


def depth_to_space(c, x):
    block, (n, channels, h, w) = c.a["block_size"], x.shape
    if c.a.get("mode", "dcr") == "crd":
        return F.pixel_shuffle(x, block)
    x = x.reshape(n, block, block, channels // block**2, h, w)
    return x.permute(0, 3, 4, 1, 5, 2).reshape(n, channels // block**2, h * block, w * block)


def space_to_depth(c, x):
    block, (n, channels, h, w) = c.a["block_size"], x.shape
    match c.a.get("mode", "dcr"):
        case "crd":
            return F.pixel_unshuffle(x, block)
        case "dcr":
            x = x.reshape(n, channels, h // block, block, w // block, block)
            return x.permute(0, 3, 5, 1, 2, 4).reshape(n, channels * block**2, h // block, w // block)
    # darknet's first reorg_cpu: element (k, j, i) of the output, taken as [c, h, w], is read at a place of the input,
    # taken as [c/b², h·b, w·b].
    few = channels // block**2
    k, j, i = torch.meshgrid(torch.arange(channels), torch.arange(h), torch.arange(w), indexing="ij")
    plane, offset = k % few, k // few
    row, column = j * block + offset // block, i * block + offset % block
    places = (column + w * block * (row + h * block * plane)).reshape(-1)
    return x.reshape(n, -1)[:, places].reshape(n, channels * block**2, h // block, w // block)


OPS = {
    "flatten": Op(
        lambda c, x: x.flatten(c.a.get("axis", 1)),
        [
            Case("all but the batch", {}, [T((2, 3, 2, 2))]),
            Case("the map", {"axis": 2}, [T((2, 3, 2, 3))]),
            Case("a negative axis", {"axis": -3}, [T((2, 2, 3, 2))]),
            Case("batch included", {"axis": 0}, [T((2, 3))]),
        ],
    ),
    "reshape": Op(
        reshape,
        [
            Case("0 copies, -1 is the rest", {"shape": [0, 2, -1]}, [T((2, 4, 3))]),
            Case("all sizes", {"shape": [3, 4, 1]}, [T((2, 3, 2))]),
            Case("batch and tokens joined", {"shape": [-1, 3]}, [T((2, 2, 3))]),
            Case("whole numbers", {"shape": [0, -1]}, [Whole((2, 3, 1), 100)]),
        ],
    ),
    "transpose": Op(
        lambda c, x: x.permute(c.a["permutation"]) * 1,
        [
            Case("heads and tokens", {"permutation": [0, 2, 1, 3]}, [T((2, 3, 2, 2))]),
            Case("a map's channels to the end", {"permutation": [0, 2, 3, 1]}, [T((2, 3, 2, 4))]),
            Case("a turn of three axes", {"permutation": [2, 0, 1]}, [T((2, 3, 4))]),
            Case("negative axes", {"permutation": [0, -1, -2]}, [T((2, 3, 4))]),
        ],
    ),
    "squeeze": Op(
        lambda c, x: x.squeeze(tuple(c.a["axes"])) * 1,
        [
            Case("a pooled map", {"axes": [2, 3]}, [T((2, 3, 1, 1))]),
            Case("one axis from the end", {"axes": [-1]}, [T((2, 1, 3, 1))]),
            Case("in another order, -1 and 1", {"axes": [-1, 1]}, [T((2, 1, 3, 1))]),
        ],
    ),
    "unsqueeze": Op(
        unsqueeze,
        [
            Case("two axes behind", {"axes": [2, 3]}, [T((2, 3))]),
            Case("counted in the output, from the end", {"axes": [-1, 1]}, [T((2, 3))]),
            Case("in front", {"axes": [0]}, [T((2, 3))]),
        ],
    ),
    "expand": Op(
        lambda c, x: x.expand(c.a["shape"]) * 1,
        [
            Case("maps from values", {"shape": [-1, 3, 2, 4]}, [T((2, 3, 1, 1))]),
            Case("an axis in front", {"shape": [2, 3, 4]}, [T((3, 1))]),
            Case("nothing to repeat", {"shape": [2, -1]}, [T((2, 3))]),
        ],
    ),
    "tile": Op(
        lambda c, x: x.repeat(c.a["repeats"]),
        [
            Case("a map twice as wide", {"repeats": [1, 1, 1, 2]}, [T((2, 2, 2, 3))]),
            Case("all axes", {"repeats": [2, 3, 2]}, [T((2, 1, 2))]),
            Case("nothing to repeat", {"repeats": [1, 1]}, [T((2, 3))]),
        ],
    ),
    "concat": Op(
        lambda c, *xs: torch.cat(xs, c.a.get("axis", 1)),
        [
            Case("channels of two maps", {}, [T((2, 2, 2, 3)), T((2, 3, 2, 3))]),
            Case("three along the last axis", {"axis": -1}, [T((2, 3, 2)), T((2, 3, 1)), T((2, 3, 3))]),
            Case("rows", {"axis": 2}, [T((2, 2, 1, 3)), T((2, 2, 2, 3))]),
            Case("the batch", {"axis": 0}, [T((2, 3)), T((2, 3))]),
            Case("one input", {}, [T((2, 3))]),
        ],
    ),
    "split": Op(
        split,
        [
            Case("channels in two parts", {"parts": 2}, [T((2, 4, 2, 3))]),
            Case("three sizes", {"sizes": [1, 3, 2]}, [T((2, 6, 2))]),
            Case("along a negative axis", {"axis": -1, "sizes": [2, 1]}, [T((2, 2, 3))]),
        ],
    ),
    "slice": Op(
        cut,
        [
            Case("the second half of the channels", {"start": 2}, [T((2, 4, 2, 3))]),
            Case("the first channels", {"end": 1}, [T((2, 3, 2, 2))]),
            Case("a step that does not divide", {"axis": 2, "start": 1, "end": 6, "step": 2}, [T((2, 2, 7))]),
            Case("a negative axis", {"axis": -1, "start": 1, "step": 3}, [T((2, 2, 6))]),
        ],
    ),
    "pad": Op(
        pad,
        [
            Case("another constant", {"padding": [1, 0], "value": -0.25}, [T((2, 2, 2, 3))]),
            Case(
                "zeros of four widths",
                {"padding": [1, 0, 2, 3]},
                [T((2, 2, 2, 3))],
            ),
            Case(
                "zeros before and after channels",
                {"before": [0, 1, 0], "after": [0, 2, 1]},
                [T((2, 2, 3))],
            ),
            Case("mirrored at the edge", {"padding": [1, 2], "mode": "reflect"}, [T((2, 2, 3, 4))]),
            Case("mirrored, of four widths", {"padding": [2, 0, 1, 3], "mode": "reflect"}, [T((1, 2, 3, 4))]),
            Case("the edge's own", {"padding": [1, 2, 0, 3], "mode": "replicate"}, [T((2, 2, 2, 3))]),
            Case("the edge's own, only after an axis", {"after": [0, 0, 2], "mode": "replicate"}, [T((2, 2, 3))]),
        ],
    ),
    "channel_shuffle": Op(
        lambda c, x: F.channel_shuffle(x, c.a["groups"]),
        [
            Case("three groups of two", {"groups": 3}, [T((2, 6, 2, 2))]),
            Case("two groups of three", {"groups": 2}, [T((2, 6, 1, 3))]),
            Case("one group: nothing moves", {"groups": 1}, [T((2, 3, 2, 2))]),
        ],
    ),
    "depth_to_space": Op(
        depth_to_space,
        [
            Case("place first", {"block_size": 2}, [T((2, 8, 2, 1))], source=FORMULA),
            Case("channel first", {"block_size": 2, "mode": "crd"}, [T((2, 8, 1, 2))]),
            Case("blocks of 3, place first", {"block_size": 3}, [T((1, 18, 1, 2))], source=FORMULA),
            Case("blocks of 3, channel first", {"block_size": 3, "mode": "crd"}, [T((1, 18, 2, 1))]),
        ],
    ),
    "space_to_depth": Op(
        space_to_depth,
        [
            Case("place first", {"block_size": 2}, [T((2, 2, 4, 2))], source=FORMULA),
            Case("channel first", {"block_size": 2, "mode": "crd"}, [T((2, 2, 2, 4))]),
            Case("blocks of 3, place first", {"block_size": 3}, [T((1, 2, 3, 6))], source=FORMULA),
            Case(
                "darknet's old reorg",
                {"block_size": 2, "mode": "darknet"},
                [T((2, 4, 2, 4))],
                source="darknet's reorg_cpu",
            ),
            Case(
                "darknet's old reorg, rows in four bands",
                {"block_size": 2, "mode": "darknet"},
                [T((1, 8, 4, 2))],
                source="darknet's reorg_cpu",
            ),
        ],
    ),
    "trilu": Op(
        lambda c, x: (torch.triu if c.a.get("upper", True) else torch.tril)(x, c.a.get("diagonal", 0)),
        [
            Case(
                "the upper triangle, diagonal included",
                {},
                [T((2, 3, 3))],
            ),
            Case(
                "the lower triangle, diagonal included",
                {"upper": False},
                [T((2, 3, 3))],
            ),
            Case("matrices that are wider than high", {}, [T((2, 2, 2, 4))]),
            Case("matrices that are higher than wide", {"upper": False}, [T((2, 4, 2))]),
            Case("what follows, as a causal mask has it", {"diagonal": 1}, [T((2, 3, 3))]),
            Case("all but the last column", {"upper": False, "diagonal": 2}, [T((1, 3, 4))]),
            Case("a diagonal outside the matrix", {"diagonal": -5}, [T((1, 2, 2))]),
        ],
    ),
}
