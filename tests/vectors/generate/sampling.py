"""Maps that are read between their elements."""

import torch.nn.functional as F
import torchvision

from .case import TORCH, Case, Given, Op, T
from .windows import pair

TORCHVISION = f"torchvision {torchvision.__version__.split('+')[0]}, {TORCH}"
NAMES = {"nearest": "nearest", "linear": "bilinear", "cubic": "bicubic"}

RESIZE_NOTE = (
    "the page does not say where elements are read: as PyTorch, nearest at ⌊i·h/h'⌋, the others at (i + ½)·h/h' − ½,"
    " cubic with a = −0.75 and the edge repeated"
)


def resize(c, x):
    if "scale" in c.a:
        size = [x.shape[2 + i] * factor for i, factor in enumerate(pair(c.a["scale"]))]
    else:
        size = pair(c.a["size"])
    mode = NAMES[c.a.get("mode", "nearest")]
    return F.interpolate(x, size=size, mode=mode, **({} if mode == "nearest" else {"align_corners": False}))


RESIZE = Op(
    resize,
    [
        Case("twice as large, nearest", {"scale": 2}, [T((2, 2, 2, 3))]),
        Case("factors that differ, nearest", {"scale": [3, 1]}, [T((2, 2, 2, 2))]),
        Case("a size that is no multiple, nearest", {"size": [5, 2]}, [T((2, 2, 3, 3))], note=RESIZE_NOTE),
        Case("twice as large, linear", {"scale": 2, "mode": "linear"}, [T((2, 2, 2, 3))], note=RESIZE_NOTE),
        Case(
            "a size that is no multiple, linear, one axis smaller",
            {"size": [5, 2], "mode": "linear"},
            [T((2, 2, 3, 4))],
            note=RESIZE_NOTE,
        ),
        Case("twice as large, cubic", {"scale": [2, 1], "mode": "cubic"}, [T((1, 2, 3, 4))], note=RESIZE_NOTE),
        Case(
            "a size that is no multiple, cubic", {"size": [4, 3], "mode": "cubic"}, [T((1, 2, 3, 5))], note=RESIZE_NOTE
        ),
    ],
)

GRID_NOTE = (
    "the page does not say what a place is: as PyTorch's and ONNX's defaults, (x, y) from −1 at the left edge of the"
    " first element to 1 at the right edge of the last, zeros beyond"
)


def grid_sample(c, x, grid):
    return F.grid_sample(x, grid, NAMES[c.a.get("mode", "linear")], "zeros", align_corners=False)


GRID_SAMPLE = Op(
    grid_sample,
    [
        Case("linear, some places outside", {}, [T((2, 2, 3, 4)), T((2, 3, 3, 2))], note=GRID_NOTE),
        Case("nearest", {"mode": "nearest"}, [T((2, 2, 3, 4)), T((2, 2, 2, 2), scale=0.5)], note=GRID_NOTE),
        Case("cubic", {"mode": "cubic"}, [T((1, 2, 4, 5)), T((1, 2, 2, 2), scale=0.5)], note=GRID_NOTE),
    ],
)

ROI_NOTE = (
    "the page does not say what a region is: as torchvision, [image, x1, y1, x2, y2] in the map's elements, not aligned"
    " (no shift by half an element, sizes of at least 1), with the mean of sampling² bilinear samples"
)


def roi_align(c, x, regions):
    if regions.shape[1] == 4:
        regions = F.pad(regions, (1, 0))
    return torchvision.ops.roi_align(x, regions.detach(), pair(c.a["output"]), 1.0, c.a["sampling"], aligned=False)


ROI_ALIGN = Op(
    roi_align,
    [
        Case(
            "regions of two images",
            {"output": 2, "sampling": 2},
            [T((2, 2, 4, 5)), Given((3, 5), [0, 0.5, 0.25, 3.5, 2.75, 1, 1.25, 0, 4.5, 3.5, 1, 2, 1, 2.25, 1.5])],
            note=ROI_NOTE,
        ),
        Case(
            "regions of one image, without its number",
            {"output": [1, 3], "sampling": 1},
            [T((1, 3, 5, 4)), Given((2, 4), [0.75, 0.5, 3.25, 4, -1, -0.5, 2.5, 6])],
            note=ROI_NOTE,
        ),
        Case(
            "three samples along each axis",
            {"output": [2, 1], "sampling": 3},
            [T((1, 1, 4, 4)), Given((1, 5), [0, 0.125, 0.25, 2.875, 3.75])],
            note=ROI_NOTE,
        ),
    ],
    source=TORCHVISION,
    undefined=(1,),
)

OPS = {"resize": RESIZE, "grid_sample": GRID_SAMPLE, "roi_align": ROI_ALIGN}
