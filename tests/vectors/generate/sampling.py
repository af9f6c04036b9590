"""Maps that are read between their elements."""

import torch.nn.functional as F
import torchvision

from .case import TORCH, Case, Given, Op, T
from .windows import pair

TORCHVISION = f"torchvision {torchvision.__version__.split('+')[0]}, {TORCH}"
NAMES = {"nearest": "nearest", "linear": "bilinear", "cubic": "bicubic"}


def resize(c, x):
    if "scale" in c.a:
        size = [x.shape[2 + i] * factor for i, factor in enumerate(pair(c.a["scale"]))]
    else:
        size = pair(c.a["size"])
    mode = NAMES[c.a.get("mode", "nearest")]
    coordinates = c.a.get("coordinates")
    if coordinates == "tf_half_pixel_for_nn":
        return F.interpolate(x, size=size, mode="nearest-exact")
    corners = {} if mode == "nearest" else {"align_corners": coordinates == "align_corners"}
    if "ratio" in c.a:
        y = F.interpolate(x, scale_factor=c.a["ratio"], mode=mode, recompute_scale_factor=False, **corners)
        assert list(y.shape[2:]) == size
        return y
    return F.interpolate(x, size=size, mode=mode, **corners)


RESIZE = Op(
    resize,
    [
        Case("twice as large, nearest", {"scale": 2}, [T((2, 2, 2, 3))]),
        Case("factors that differ, nearest", {"scale": [3, 1]}, [T((2, 2, 2, 2))]),
        Case("a size that is no multiple, nearest", {"size": [5, 2]}, [T((2, 2, 3, 3))]),
        Case("twice as large, linear", {"scale": 2, "mode": "linear"}, [T((2, 2, 2, 3))]),
        Case(
            "a size that is no multiple, linear, one axis smaller",
            {"size": [5, 2], "mode": "linear"},
            [T((2, 2, 3, 4))],
        ),
        Case("twice as large, cubic", {"scale": [2, 1], "mode": "cubic"}, [T((1, 2, 3, 4))]),
        Case(
            "a size that is no multiple, cubic", {"size": [4, 3], "mode": "cubic"}, [T((1, 2, 3, 5))]
        ),
        Case(
            "corners on corners, linear",
            {"size": [5, 7], "mode": "linear", "coordinates": "align_corners"},
            [T((1, 2, 3, 4))],
        ),
        Case(
            "corners on corners, cubic, one row",
            {"size": [1, 6], "mode": "cubic", "coordinates": "align_corners"},
            [T((1, 2, 3, 4))],
        ),
        Case(
            "PyTorch's nearest-exact",
            {"size": [4, 7], "coordinates": "tf_half_pixel_for_nn"},
            [T((1, 2, 3, 5))],
        ),
        Case(
            "a scale that the sizes do not tell, linear",
            {"size": [4, 7], "mode": "linear", "ratio": [1.5, 1.5]},
            [T((1, 2, 3, 5))],
        ),
    ],
)


def grid_sample(c, x, grid):
    mode, padding = NAMES[c.a.get("mode", "linear")], c.a.get("padding_mode", "zeros")
    return F.grid_sample(x, grid, mode, padding, align_corners=c.a.get("align_corners", False))


GRID_SAMPLE = Op(
    grid_sample,
    [
        Case("linear, some places outside", {}, [T((2, 2, 3, 4)), T((2, 3, 3, 2))]),
        Case("nearest", {"mode": "nearest"}, [T((2, 2, 3, 4)), T((2, 2, 2, 2), scale=0.5)]),
        Case("cubic", {"mode": "cubic"}, [T((1, 2, 4, 5)), T((1, 2, 2, 2), scale=0.5)]),
        Case("corners on corners", {"align_corners": True}, [T((1, 2, 3, 4)), T((1, 3, 3, 2))]),
        Case("beyond the edge its own", {"padding_mode": "border"}, [T((1, 2, 3, 4)), T((1, 3, 3, 2))]),
        Case("mirrored", {"padding_mode": "reflection"}, [T((1, 2, 3, 4)), T((1, 3, 3, 2), scale=1.5)]),
        Case(
            "mirrored, corners on corners, cubic",
            {"padding_mode": "reflection", "align_corners": True, "mode": "cubic"},
            [T((1, 2, 3, 4)), T((1, 3, 3, 2))],
        ),
        Case(
            "nearest, mirrored",
            {"padding_mode": "reflection", "mode": "nearest"},
            [T((1, 2, 3, 4)), T((1, 3, 3, 2), scale=1.5)],
        ),
    ],
)


def roi_align(c, x, regions):
    if regions.shape[1] == 4:
        regions = F.pad(regions, (1, 0))
    scale, aligned = c.a.get("scale", 1.0), c.a.get("aligned", False)
    return torchvision.ops.roi_align(x, regions.detach(), pair(c.a["output"]), scale, c.a["sampling"], aligned)


ROI_ALIGN = Op(
    roi_align,
    [
        Case(
            "regions of two images",
            {"output": 2, "sampling": 2},
            [T((2, 2, 4, 5)), Given((3, 5), [0, 0.5, 0.25, 3.5, 2.75, 1, 1.25, 0, 4.5, 3.5, 1, 2, 1, 2.25, 1.5])],
        ),
        Case(
            "regions of one image, without its number",
            {"output": [1, 3], "sampling": 1},
            [T((1, 3, 5, 4)), Given((2, 4), [0.75, 0.5, 3.25, 4, -1, -0.5, 2.5, 6])],
        ),
        Case(
            "three samples along each axis",
            {"output": [2, 1], "sampling": 3},
            [T((1, 1, 4, 4)), Given((1, 5), [0, 0.125, 0.25, 2.875, 3.75])],
        ),
        Case(
            "aligned, regions of a larger image",
            {"output": 2, "sampling": 2, "scale": 0.25, "aligned": True},
            [T((2, 1, 4, 5)), Given((2, 5), [0, 2, 1, 15, 11, 1, 5, 0, 7, 2])],
        ),
    ],
    source=TORCHVISION,
    undefined=(1,),
)

OPS = {"resize": RESIZE, "grid_sample": GRID_SAMPLE, "roi_align": ROI_ALIGN}
